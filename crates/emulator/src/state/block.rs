//! A block: its warps, its memory, its barriers.

use super::block_memory::BlockMemory;
use super::schedule::Schedule;
use super::shape::BlockShape;
use super::warp::{State, Warp};
use crate::program::{BarrierReduction, Slot};

/// One of the 16 barriers of a block (`bar`, `barrier`).
#[derive(Clone, Default)]
pub(crate) struct Barrier {
    /// Number of threads that have arrived.
    pub arrived: u32,
    /// Number of threads that complete it, as the latest arrival says; `None` for all of the block.
    pub wanted: Option<u32>,
    /// Warps that wait for it to be complete.
    pub waiting: Vec<Waiting>,
    /// True if the predicate of every thread so far holds.
    pub and: bool,
    /// True if the predicate of any thread so far holds.
    pub or: bool,
    /// Number of threads so far whose predicate holds.
    pub count: u32,
}

/// Lanes of a warp that wait at a barrier.
#[derive(Clone)]
pub(crate) struct Waiting {
    /// Number of the warp in its block.
    pub warp: usize,
    /// Lanes that wait, a bit for each.
    pub mask: u32,
    /// Kind of the reduction, and the slot that gets its result.
    pub reduction: Option<(BarrierReduction, Slot)>,
}

/// What instructions reach of a block, of their own or of another one of the cluster: its memory, and what watches it.
pub(crate) struct BlockState<I> {
    /// Shared, local and tensor memory of the block.
    pub memory: BlockMemory,
    /// The instrument that watches the block.
    pub instrument: I,
}

/// A block that runs, or is paused.
pub(crate) struct Block<I> {
    /// Its place in the grid, and the geometry of the launch.
    pub shape: BlockShape,
    /// Its warps, by their numbers.
    pub warps: Vec<Warp>,
    /// Its memory, and the instrument that watches it.
    pub state: BlockState<I>,
    /// Its 16 barriers.
    pub barriers: Vec<Barrier>,
    /// The order in which its warps have their turns.
    pub schedule: Schedule,
}

impl<I> Block<I> {
    /// Warp instructions executed so far.
    pub fn executed(&self) -> u64 {
        self.warps.iter().map(|warp| warp.executed).sum()
    }

    /// True if every warp has ended.
    pub fn is_done(&self) -> bool {
        self.warps.iter().all(|warp| warp.state == State::Done)
    }

    /// Threads that have not exited.
    pub fn live_threads(&self) -> u32 {
        self.warps.iter().map(|warp| warp.paths.live().count_ones()).sum()
    }
}
