//! From the text of any stage to everything below it, with the real Triton compiler.

mod broken_pass;
mod cache;
pub mod contraction;
pub mod environment;
mod failure;
mod inspect;
pub mod meta;
mod own_version;
mod patch;
mod pipeline;
mod request;
mod stage;
mod target;
mod worker;

pub use broken_pass::BrokenPass;
pub use failure::{ArgumentPlace, Failure};
pub use inspect::{Pass, Passes};
pub use meta::{LaunchMeta, Origin, Param, ParamKind, Scratch, Sourced, TensorDesc};
pub use patch::apply_patch;
pub use pipeline::{Compiler, Progress};
pub use request::{Argument, Binding, BoundParam, CompileRequest, Compiled, Definition, PassEdits, StageOutcome};
pub use stage::{Artifact, Stage};
pub use target::Target;
