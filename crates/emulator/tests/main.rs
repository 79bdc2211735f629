//! The emulator as a library: whole PTX files, recorded results of hardware, and input that must be refused.

mod differential;
mod filetests;
mod hardware;
mod hostile_ptx;
mod instructions;
