//! `wgmma`: matrix products of a warpgroup. PTX ISA 9.7.15.

mod decode;
mod execute;
