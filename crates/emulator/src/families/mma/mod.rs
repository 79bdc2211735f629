//! `mma.sync`: matrix products of a warp. PTX ISA 9.7.14.5.

pub(super) mod decode;
mod execute;
