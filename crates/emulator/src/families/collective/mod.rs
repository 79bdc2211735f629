//! What the lanes of a warp do together. PTX ISA 9.7.9.6, 9.7.13.7 to 9.7.13.11.

mod decode;
mod execute;
