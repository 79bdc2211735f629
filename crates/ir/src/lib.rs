//! Text models of the compiler's intermediate representations. Nothing here runs Triton.

pub mod difference;
pub mod filecheck;
pub mod layout;
pub mod locations;
pub mod mlir;
pub mod operations;
pub mod places;
pub mod probe;
pub mod sass;
pub mod shaped;
pub mod triton_version;
pub mod uses;
pub mod values;
