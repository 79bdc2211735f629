//! The kernel with the managed Python and Triton: every view, target and command, and kernels with mistakes.

mod cli;
mod foreign;
mod gluon;
mod interrupts;
mod layouts;
mod notebooks;
mod targets;
mod versions;
mod views;
mod wrong;
