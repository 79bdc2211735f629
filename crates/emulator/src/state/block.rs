//! A block: its warps, its memory, its barriers.

use super::block_memory::BlockMemory;
use super::schedule::Schedule;
use super::shape::BlockShape;
use super::warp::{State, Warp};
use crate::program::{BarrierReduction, Slot};

/// One of the 16 barriers of a block (`bar`, `barrier`).
#[derive(Clone, Default)]
pub(crate) struct Barrier {
    pub arrived: u32,
    /// Threads that complete it, as the latest arrival says; `None` for all.
    pub wanted: Option<u32>,
    pub waiting: Vec<Waiting>,
    pub and: bool,
    pub or: bool,
    pub count: u32,
}

/// Lanes of a warp that wait at a barrier.
#[derive(Clone)]
pub(crate) struct Waiting {
    pub warp: usize,
    pub mask: u32,
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
    pub shape: BlockShape,
    pub warps: Vec<Warp>,
    /// Its memory, and what watches it.
    pub state: BlockState<I>,
    pub barriers: Vec<Barrier>,
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
        self.warps.iter().map(|warp| warp.live().count_ones()).sum()
    }
}
