//! Bulk copies, of bytes or of a box of a tensor (TMA). PTX ISA 9.7.9.25.

mod decode;
mod execute;
