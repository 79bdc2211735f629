//! A cluster: blocks that run together, meet at a barrier and reach each other's shared memory. PTX ISA 2.2.1.2. A grid
//! without clusters has clusters of one block.

use super::address::{OFFSET_MASK, RANK_SHIFT};
use super::block::{Block, BlockState};
use super::schedule::Schedule;
use crate::fault::Fault;

/// Blocks that run, or are paused.
pub(crate) struct Cluster<I> {
    /// Number of the cluster in the grid.
    pub index: u64,
    /// By rank; `None` for the one that runs right now.
    pub blocks: Vec<Option<Box<Block<I>>>>,
    pub barrier: ClusterBarrier,
    /// The order in which its blocks have their turns.
    pub schedule: Schedule,
}

/// `barrier.cluster`
#[derive(Default)]
pub(crate) struct ClusterBarrier {
    /// Threads that have arrived in this phase.
    pub arrived: u32,
    /// Phases that have ended.
    pub phase: u64,
}

impl<I> BlockState<I> {
    /// The state of a block of the cluster, this one's or another's.
    pub fn member<'m>(&'m mut self, cluster: &'m mut Cluster<I>, rank: u32) -> Result<&'m mut Self, Fault> {
        if rank == self.memory.rank { Ok(self) } else { cluster.state(rank) }
    }
}

impl<I> Cluster<I> {
    /// True if there is more than one block.
    pub fn has_peers(&self) -> bool {
        self.blocks.len() > 1
    }

    /// The shared memory that an address of another block names, and the address in it.
    pub fn peer(&mut self, address: u64) -> Result<(&mut BlockState<I>, u64), Fault> {
        let rank = (address >> RANK_SHIFT & 0xff) as u32;
        Ok((self.state(rank.wrapping_sub(1))?, address & OFFSET_MASK))
    }

    /// The state of another block.
    pub fn state(&mut self, rank: u32) -> Result<&mut BlockState<I>, Fault> {
        let blocks = self.blocks.len() as u32;
        match self.blocks.get_mut(rank as usize).and_then(Option::as_mut) {
            Some(block) if block.is_done() => Err(Fault::BlockExited { rank }),
            Some(block) => Ok(&mut block.state),
            None => Err(Fault::NoBlock { rank, blocks }),
        }
    }

    /// Phases of the cluster's barrier that have ended.
    pub fn phase(&self) -> u64 {
        self.barrier.phase
    }

    /// Threads come to the cluster's barrier; `live` is how many of the running block have not exited.
    pub fn arrive(&mut self, threads: u32, live: u32) {
        self.barrier.arrived += threads;
        self.settle(live);
    }

    /// The barrier is complete when every thread that has not exited has arrived; whether it was.
    pub fn settle(&mut self, live: u32) -> bool {
        let all = live + self.blocks.iter().flatten().map(|block| block.live_threads()).sum::<u32>();
        let complete = self.barrier.arrived > 0 && self.barrier.arrived >= all;
        if complete {
            self.barrier = ClusterBarrier { arrived: 0, phase: self.barrier.phase + 1 };
        }
        complete
    }

    /// Warp instructions executed so far.
    pub fn executed(&self) -> u64 {
        self.blocks.iter().flatten().map(|block| block.executed()).sum()
    }

    /// The blocks, by rank.
    pub fn into_blocks(self) -> impl Iterator<Item = Box<Block<I>>> {
        self.blocks.into_iter().flatten()
    }
}
