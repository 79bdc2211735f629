//! The turn of a cluster: its blocks run one after the other until all of them wait or have ended. A grid without
//! clusters has clusters of one block.

use super::block::Progress;
use crate::fault::{Failure, Fault, Waiting};
use crate::instrument::{Instrument, Instrumentation};
use crate::state::block::Block;
use crate::state::cluster::{Cluster, ClusterBarrier};
use crate::state::environment::Environment;
use crate::state::schedule::Schedule;
use crate::state::shape::Geometry;

/// Warp instructions of a block before another of its cluster gets its turn.
const TURN: u64 = 1 << 14;
/// Tells the order of blocks from the order of warps.
const SEED: u64 = 0x6c75_7374_6572;

impl<I: Instrument> Cluster<I> {
    pub fn new(
        environment: &Environment<'_>,
        instruments: &impl Instrumentation<Block = I>,
        geometry: &Geometry,
        index: u64,
    ) -> Self {
        let ranks = geometry.ranks();
        let block = |rank| Some(Box::new(Block::new(environment, instruments, geometry.block_shape(index, rank))));
        let seed = if environment.seed == 0 { 0 } else { environment.seed ^ SEED };
        Self {
            index,
            blocks: (0..ranks).map(block).collect(),
            barrier: ClusterBarrier::default(),
            schedule: Schedule::new(seed, index, ranks as usize),
        }
    }

    /// Runs until all blocks are done or have used up about `budget` warp instructions together.
    pub fn run(&mut self, environment: &Environment<'_>, budget: u64) -> Result<Progress, Box<Failure>> {
        let limit = self.executed() + budget;
        let turn = if self.has_peers() { TURN } else { budget };
        loop {
            let mut worked = false;
            self.schedule.next_round();
            for number in 0..self.blocks.len() {
                let rank = self.schedule.warp(number);
                if self.blocks.get(rank).and_then(Option::as_ref).is_none_or(|block| block.is_done()) {
                    continue;
                }
                let outcome = self.with_block(rank, |block, cluster| block.run(environment, cluster, turn));
                worked |= match outcome.unwrap_or(Ok(Progress::Done))? {
                    Progress::Done | Progress::Paused => true,
                    Progress::Waiting { worked } => worked,
                };
            }
            if self.blocks.iter().flatten().all(|block| block.is_done()) {
                return Ok(Progress::Done);
            }
            worked |= self.settle(0);
            // Every warp of the cluster waits: now what is under way comes, one after the other.
            if !worked && !self.land_one(environment)? {
                return Err(self.deadlock(environment));
            }
            if self.executed() > limit || self.spins() {
                return Ok(Progress::Paused);
            }
        }
    }

    /// True if every block that has not ended waits for other clusters.
    fn spins(&self) -> bool {
        self.blocks.iter().flatten().all(|block| block.is_done() || block.state.memory.spin.is_on())
    }

    /// True if its last turn changed nothing, and ended because it waits for other clusters.
    pub fn is_fruitless(&self) -> bool {
        self.blocks.iter().flatten().all(|block| block.is_done() || block.state.memory.spin.is_fruitless())
    }

    /// True if it waits for certain.
    pub fn is_certain(&self) -> bool {
        self.blocks.iter().flatten().all(|block| block.is_done() || block.state.memory.spin.is_certain())
    }

    fn with_block<T>(&mut self, rank: usize, work: impl FnOnce(&mut Block<I>, &mut Self) -> T) -> Option<T> {
        let mut block = self.blocks.get_mut(rank)?.take()?;
        let result = work(&mut block, self);
        self.blocks[rank] = Some(block);
        Some(result)
    }

    /// The oldest bulk load of the first block that has one lands; `false` if there is none.
    fn land_one(&mut self, environment: &Environment<'_>) -> Result<bool, Box<Failure>> {
        for rank in 0..self.blocks.len() {
            let landed = self.with_block(rank, |block, cluster| block.land_one(environment, cluster));
            if landed.unwrap_or(Ok(false))? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The fault of a grid whose running blocks all wait for others.
    pub fn spinning(&mut self, environment: &Environment<'_>, kind: Fault) -> Option<Box<Failure>> {
        let ended = self.barrier.phase;
        let certain = self.is_certain();
        let block = self.blocks.iter_mut().flatten().find(|block| !block.is_done())?;
        let waiting = if certain { block.waiting(environment, ended) } else { Vec::new() };
        Some(Box::new(Failure { waiting, ..*block.stuck_at(environment, kind) }))
    }

    fn deadlock(&mut self, environment: &Environment<'_>) -> Box<Failure> {
        let stuck = self.blocks.iter().flatten().map(|block| block.stuck());
        let kind = Fault::Deadlock(stuck.fold(Waiting::default(), Waiting::plus));
        let ended = self.barrier.phase;
        let waiting = self.blocks.iter_mut().flatten().flat_map(|block| block.waiting(environment, ended)).collect();
        match self.blocks.iter().flatten().find(|block| !block.is_done()) {
            Some(block) => Box::new(Failure { waiting, ..*block.stuck_at(environment, kind) }),
            None => Box::new(Failure::nowhere(kind)),
        }
    }
}
