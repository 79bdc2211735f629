//! From the text of any stage to everything below it, with the real Triton compiler.

pub mod environment;
pub mod meta;
mod patch;

mod request;
mod stage;
mod target;

pub use meta::{LaunchMeta, Origin, Param, ParamKind, Scratch, Sourced, TensorDesc};
pub use patch::apply_patch;
pub use request::{Argument, Binding, BoundParam, CompileRequest, Compiled, Definition, StageOutcome};
pub use stage::{Artifact, Stage};
pub use target::Target;
