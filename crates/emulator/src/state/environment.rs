//! What every block of a launch shares.

use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

use super::memory::GlobalMemory;
use crate::arithmetic::tensor::Architecture;
use crate::instrument::counters::Counting;
use crate::instrument::observe::Observe;
use crate::instrument::sanitizer::Checks;
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
    pub program: &'a Program,
    pub memory: &'a GlobalMemory,
    pub parameters: &'a [u8],
    pub globals: &'a [u64],
    pub architecture: Architecture,
    pub arithmetic: Arithmetic,
    pub stop: &'a AtomicBool,
    /// What a checked launch keeps.
    pub checks: Option<&'a Checks>,
    /// What to observe.
    pub observe: Option<&'a Observe>,
    /// Counters that no block has now: those of blocks that have ended, for the next ones to go on with.
    pub counters: Mutex<Vec<Counting>>,
    /// The PTX.
    pub source: &'a Source,
    /// Order of warps; 0 for the usual one.
    pub seed: u64,
    /// Warp instructions of one block that are too many.
    pub limit: u64,
}
