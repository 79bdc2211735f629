//! The pass that broke a compilation.

use super::worker::protocol::BeforePass;
use super::{CompileRequest, Stage};

/// A pass that failed or ended the compiler's process, and what it was given.
#[derive(Clone, Debug)]
pub struct BrokenPass {
    /// The compilation in which the pass failed.
    pub request: CompileRequest,
    /// The stage that it is of.
    pub stage: Stage,
    /// `ttgpuir.coalesce`
    pub name: String,
    /// The pass before it in its stage.
    pub previous: Option<String>,
    /// The module that its stage began with.
    pub start: String,
    /// The module that it was given.
    pub text: String,
    /// The same with its pipeline, as MLIR's own tools take it; where Triton wrote one.
    pub reproducer: Option<String>,
    /// The compiler's error text.
    pub message: String,
}

impl BrokenPass {
    /// The pass in which a recorded compilation ended. `None` if the module before that pass was not recorded.
    pub(super) fn new(before: BeforePass, request: &CompileRequest) -> Option<Self> {
        Some(Self {
            request: request.clone(),
            stage: before.stage,
            name: before.label,
            previous: before.previous,
            start: before.start.unwrap_or_default(),
            text: before.text?,
            reproducer: before.reproducer,
            message: String::new(),
        })
    }
}
