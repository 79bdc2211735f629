//! Integers: arithmetic, fields of bits, carries. PTX ISA 9.7.1, 9.7.2, 9.7.8.

mod arithmetic;
mod bits;
pub(crate) mod carry;
mod execute;
mod lanes;
