//! A cluster: blocks that run together, meet at a barrier and reach each other's shared memory. PTX ISA 2.2.1.2. A grid
//! without clusters has clusters of one block.

use crate::fault::{Fault, FaultKind};
use crate::program::MemorySpace;
use crate::run::block::{Block, BlockMemory, BlockShape, Environment, Progress};
use crate::run::launch::LaunchConfig;
use crate::state::access::SHARED_WINDOW;
use crate::state::schedule::Schedule;

/// Where a shared address names the block of the cluster: its rank plus one; nothing for the block's own memory.
pub(crate) const RANK_SHIFT: u32 = 24;
/// The address in the memory of that block.
const OFFSET: u64 = (1 << RANK_SHIFT) - 1;
/// Warp instructions of a block before another of its cluster gets its turn.
const TURN: u64 = 1 << 14;
/// Tells the order of blocks from the order of warps.
const SEED: u64 = 0x6c75_7374_6572;

/// Blocks that run, or are paused.
pub(crate) struct Cluster {
    /// Its number in the grid.
    pub index: u64,
    /// By rank; `None` for the one that runs right now.
    blocks: Vec<Option<Box<Block>>>,
    barrier: Barrier,
    schedule: Schedule,
}

/// `barrier.cluster`
#[derive(Default)]
struct Barrier {
    /// Threads that have arrived in this phase.
    arrived: u32,
    /// Phases that have ended.
    phase: u64,
}

/// How many clusters a grid has.
pub(crate) fn count(config: &LaunchConfig) -> u64 {
    let clusters = config.grid.iter().zip(config.cluster).map(|(&blocks, each)| u64::from(blocks / each.max(1)));
    clusters.product()
}

/// The number of a block's cluster; `None` for a block outside of the grid.
pub(crate) fn of_block(config: &LaunchConfig, block: [u32; 3]) -> Option<u64> {
    if block.iter().zip(config.grid).any(|(&index, extent)| index >= extent) {
        return None;
    }
    let each = config.cluster.map(|extent| extent.max(1));
    let [x, y, z]: [u64; 3] = std::array::from_fn(|axis| u64::from(block[axis] / each[axis]));
    let [width, height, _]: [u64; 3] = std::array::from_fn(|axis| u64::from(config.grid[axis] / each[axis]));
    Some(x + width * (y + height * z))
}

/// What every block of a launch has: `index` is that of its cluster, `rank` that of the block in it.
fn shape(config: &LaunchConfig, index: u64, rank: u32) -> BlockShape {
    let each = config.cluster.map(|extent| extent.max(1));
    let [x, y, _]: [u64; 3] = std::array::from_fn(|axis| u64::from(config.grid[axis].max(1) / each[axis]).max(1));
    let cluster = [(index % x) as u32, (index / x % y) as u32, (index / (x * y)) as u32];
    let within = [rank % each[0], rank / each[0] % each[1], rank / (each[0] * each[1])];
    let index: [u32; 3] = std::array::from_fn(|axis| cluster[axis] * each[axis] + within[axis]);
    let [x, y, _] = config.grid.map(|extent| u64::from(extent.max(1)));
    BlockShape {
        grid: config.grid,
        block: config.block,
        index,
        linear_index: u64::from(index[0]) + x * (u64::from(index[1]) + y * u64::from(index[2])),
        dynamic_shared: config.shared,
        cluster: each,
        rank,
    }
}

/// The rank plus one that an address names; 0 for the block's own memory.
pub(crate) fn named_block(space: MemorySpace, address: u64) -> u32 {
    let address = match space {
        MemorySpace::Cluster => address,
        MemorySpace::Generic => address.wrapping_sub(SHARED_WINDOW),
        _ => return 0,
    };
    if address < 1 << 32 { (address >> RANK_SHIFT) as u32 } else { 0 }
}

impl BlockMemory {
    /// The memory of a block of the cluster, this one's or another's.
    pub(crate) fn member<'m>(&'m mut self, cluster: &'m mut Cluster, rank: u32) -> Result<&'m mut Self, FaultKind> {
        if rank == self.rank { Ok(self) } else { cluster.memory(rank) }
    }
}

impl Cluster {
    pub fn new(environment: &Environment<'_>, config: &LaunchConfig, index: u64) -> Self {
        let ranks: u32 = config.cluster.iter().map(|extent| extent.max(&1)).product();
        let block = |rank| Some(Box::new(Block::new(environment, shape(config, index, rank))));
        let seed = if environment.seed == 0 { 0 } else { environment.seed ^ SEED };
        Self {
            index,
            blocks: (0..ranks).map(block).collect(),
            barrier: Barrier::default(),
            schedule: Schedule::new(seed, index, ranks as usize),
        }
    }

    /// Whether there is more than one block.
    pub fn has_peers(&self) -> bool {
        self.blocks.len() > 1
    }

    /// The shared memory that an address of another block names, and the address in it.
    pub fn peer(&mut self, address: u64) -> Result<(&mut BlockMemory, u64), FaultKind> {
        let rank = (address >> RANK_SHIFT & 0xff) as u32;
        Ok((self.memory(rank.wrapping_sub(1))?, address & OFFSET))
    }

    /// The memory of another block.
    pub fn memory(&mut self, rank: u32) -> Result<&mut BlockMemory, FaultKind> {
        let blocks = self.blocks.len() as u32;
        match self.blocks.get_mut(rank as usize).and_then(Option::as_mut) {
            Some(block) if block.is_done() => Err(FaultKind::BlockExited { rank }),
            Some(block) => Ok(&mut block.memory),
            None => Err(FaultKind::NoBlock { rank, blocks }),
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
            self.barrier = Barrier { arrived: 0, phase: self.barrier.phase + 1 };
        }
        complete
    }

    /// Warp instructions executed so far.
    pub fn executed(&self) -> u64 {
        self.blocks.iter().flatten().map(|block| block.executed()).sum()
    }

    /// The blocks, by rank.
    pub fn into_blocks(self) -> impl Iterator<Item = Box<Block>> {
        self.blocks.into_iter().flatten()
    }

    /// Runs until all blocks are done or have used up about `budget` warp instructions together.
    pub fn run(&mut self, environment: &Environment<'_>, budget: u64) -> Result<Progress, Box<Fault>> {
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

    /// Whether every block that has not ended waits for other clusters.
    fn spins(&self) -> bool {
        self.blocks.iter().flatten().all(|block| block.is_done() || block.memory.spin.is_on())
    }

    /// Whether its last turn changed nothing, and ended because it waits for other clusters.
    pub fn is_fruitless(&self) -> bool {
        self.blocks.iter().flatten().all(|block| block.is_done() || block.memory.spin.is_fruitless())
    }

    /// Whether it waits for certain.
    pub fn is_certain(&self) -> bool {
        self.blocks.iter().flatten().all(|block| block.is_done() || block.memory.spin.is_certain())
    }

    fn with_block<T>(&mut self, rank: usize, work: impl FnOnce(&mut Block, &mut Self) -> T) -> Option<T> {
        let mut block = self.blocks.get_mut(rank)?.take()?;
        let result = work(&mut block, self);
        self.blocks[rank] = Some(block);
        Some(result)
    }

    /// The oldest bulk load of the first block that has one lands; `false` if there is none.
    fn land_one(&mut self, environment: &Environment<'_>) -> Result<bool, Box<Fault>> {
        for rank in 0..self.blocks.len() {
            let landed = self.with_block(rank, |block, cluster| block.land_one(environment, cluster));
            if landed.unwrap_or(Ok(false))? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The fault of a grid whose running blocks all wait for others.
    pub fn spinning(&mut self, environment: &Environment<'_>, kind: FaultKind) -> Option<Box<Fault>> {
        let ended = self.barrier.phase;
        let certain = self.is_certain();
        let block = self.blocks.iter_mut().flatten().find(|block| !block.is_done())?;
        let waiting = if certain { block.waiting(environment, ended) } else { Vec::new() };
        Some(Box::new(Fault { waiting, ..*block.stuck_at(environment, kind) }))
    }

    fn deadlock(&mut self, environment: &Environment<'_>) -> Box<Fault> {
        let mut stuck = [0; 3];
        for block in self.blocks.iter().flatten() {
            stuck.iter_mut().zip(block.stuck()).for_each(|(all, own)| *all += own);
        }
        let [waiting, polling, looking] = stuck;
        let kind = FaultKind::Deadlock { waiting, polling, looking };
        let ended = self.barrier.phase;
        let waiting = self.blocks.iter_mut().flatten().flat_map(|block| block.waiting(environment, ended)).collect();
        match self.blocks.iter_mut().flatten().find(|block| !block.is_done()) {
            Some(block) => Box::new(Fault { waiting, ..*block.stuck_at(environment, kind) }),
            None => Box::new(Fault::nowhere(kind)),
        }
    }
}
