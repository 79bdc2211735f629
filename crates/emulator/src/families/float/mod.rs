//! Floating-point values of 16, 32 and 64 bits. PTX ISA 9.7.3, 9.7.4, 9.7.5.

mod decode;
mod execute;
mod lanes;
mod mixed;
mod pairs;
mod pick;
mod rounded;
