//! What every block of a launch shares.

use std::sync::atomic::AtomicBool;

use super::heap::Heap;
use super::memory::GlobalMemory;
use crate::arithmetic::product::Architecture;
use crate::program::Program;
use warpbook_diagnostic::Source;

/// Whose bits the results have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Arithmetic {
    /// Those of the emulated architecture.
    #[default]
    Exact,
    /// Tensor cores in plain f32 arithmetic of the host.
    Fast,
}

/// What every block of a launch shares.
pub(crate) struct Environment<'a> {
    /// The decoded kernel.
    pub program: &'a Program,
    /// Global memory, which all blocks share.
    pub memory: &'a GlobalMemory,
    /// The kernel's parameter block.
    pub parameters: &'a [u8],
    /// Addresses of the module's variables.
    pub globals: &'a [u64],
    /// The tensor core that is emulated.
    pub architecture: Architecture,
    /// Whose bits the results have.
    pub arithmetic: Arithmetic,
    /// The heap of `malloc`.
    pub heap: &'a Heap<'a>,
    /// True once the launch is to be cancelled.
    pub stop: &'a AtomicBool,
    /// The text of the PTX, for reports.
    pub source: &'a Source,
    /// Order of warps; 0 for the usual one.
    pub seed: u64,
    /// Warp instructions of one block that are too many.
    pub limit: u64,
}
