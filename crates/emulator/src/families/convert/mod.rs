//! `cvt`: conversions between integers and floating-point values. PTX ISA 9.7.9.21.

mod decode;
mod execute;
