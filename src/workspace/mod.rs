//! What a session holds between cells: named buffers, scalars, kernels with their versions, and the chosen target.
//!
//! Magics read and change it; it knows nothing of cells or of Jupyter.

use crate::cancel::Cancel;
use crate::compiler::Target;
use crate::frontend::Frontend;

/// The state of a session.
pub struct Workspace {
    /// What is compiled for (`%target`).
    pub target: Target,
}

impl Default for Workspace {
    fn default() -> Self {
        Self { target: Target(80) }
    }
}

/// What a running cell may use besides the workspace.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// Who reads the output.
    pub frontend: &'a dyn Frontend,
    /// The reader's interrupt.
    pub cancel: &'a Cancel,
}
