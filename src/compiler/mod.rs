//! From the text of any stage to everything below it, with the real Triton compiler.

pub mod environment;

mod meta;
mod stage;
mod target;

pub use meta::{LaunchMeta, Origin, Param, ParamKind, Scratch, Sourced, TensorDesc};
pub use stage::{Artifact, Stage};
pub use target::Target;
