//! The CPU emulator of PTX.

pub mod arithmetic;
