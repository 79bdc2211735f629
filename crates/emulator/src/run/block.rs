//! A block: its warps, its shared and local memory, its barriers. It can be paused and resumed anywhere.

use std::collections::{BTreeSet, VecDeque};
use std::sync::atomic::Ordering;

use crate::fault::{Fault, FaultKind, Stuck};
use crate::instrument::observe::Observer;
use crate::instrument::sanitizer::{Sanitizer, place_in_global};
use crate::instrument::timeline::Stalled;
use crate::program::{BarrierReduction, MemorySpace, Slot};
use crate::state::access::Who;
use crate::state::block::{Barrier, Block, Waiting};
use crate::state::block_memory::BlockMemory;
use crate::state::cluster::Cluster;
use crate::state::environment::Environment;
use crate::state::schedule::Schedule;
use crate::state::shape::BlockShape;
use crate::state::spin::Spin;
use crate::state::warp::{Polled, State, Warp};

/// Instructions of one warp before another gets its turn: a warp that spins lets the others work. Cancellation is seen
/// between turns, so that it takes no longer than this many of the slowest instructions (some 6 µs each).
const WARP_TURN: u32 = 1024;

/// What the checks call a phase of the cluster's barrier: a block's own barriers have 16 numbers.
fn cluster_barrier(phase: u64) -> u32 {
    16 + phase as u32
}

/// An arrival at a barrier, as the instruction says it.
pub(crate) struct Arrival {
    pub barrier: u32,
    /// As the instruction says it.
    pub number: u32,
    /// Threads that complete it; `None` for all of the block.
    pub threads: Option<u32>,
    pub mask: u32,
    /// Its instruction.
    pub pc: u32,
    pub waits: bool,
    /// Kind, destination, and the lanes whose predicate holds.
    pub reduction: Option<(BarrierReduction, Slot, u32)>,
}

/// Why a warp stopped.
pub(crate) enum Stop {
    /// Its turn is over.
    Turn,
    /// It came to a barrier; the instruction is done.
    Barrier(Arrival),
    /// So many threads arrived at the cluster's barrier.
    ClusterArrive(u32),
    /// It waits for the phase of the cluster's barrier in which it arrived.
    ClusterWait,
    /// It tested the phase of an mbarrier that has not ended, or went round a loop that waits for a change of memory.
    Poll,
    /// All lanes have exited.
    Exit,
}

/// What a block did in its time.
pub(crate) enum Progress {
    Done,
    Paused,
    /// Every warp waits for what others have to do; whether any worked before that.
    Waiting {
        worked: bool,
    },
}

impl Block {
    pub fn new(environment: &Environment<'_>, shape: BlockShape) -> Self {
        let program = environment.program;
        let threads = shape.threads();
        let shared = program.dynamic_shared_offset as usize + shape.dynamic_shared as usize;
        let warps =
            (0..threads.div_ceil(32)).map(|index| Warp::new(program, index, &shape, environment.globals)).collect();
        let shared = shared.max(program.static_shared as usize);
        let count = threads.div_ceil(32) as usize;
        let sanitizer = environment.checks.map(|_| Box::new(Sanitizer::new(program, &shape, count, shared)));
        let observer = environment.observe.and_then(|observe| Observer::new(observe, environment, &shape));
        let schedule = Schedule::new(environment.seed, shape.linear_index, count);
        let memory = BlockMemory {
            rank: shape.rank,
            shared: vec![0; shared],
            local: vec![0; program.local_bytes as usize * threads as usize],
            shared_touched: 0,
            last_allocation: 0,
            printed: String::new(),
            spin: Spin::default(),
            repaired: BTreeSet::new(),
            loads: VecDeque::new(),
            tensor: None,
            tensor_work: VecDeque::new(),
            operands: Box::default(),
            sanitizer,
            observer,
        };
        Self { shape, warps, memory, barriers: vec![Barrier::default(); 16], schedule }
    }

    /// Runs until the block is done or has used up about `budget` warp instructions.
    pub fn run(
        &mut self,
        environment: &Environment<'_>,
        cluster: &mut Cluster,
        budget: u64,
    ) -> Result<Progress, Box<Fault>> {
        let limit = self.executed() + budget;
        let mut worked = false;
        self.memory.spin.next_turn();
        let lockstep = self.memory.observer.as_ref().is_some_and(|observer| observer.in_lockstep());
        let mut stalled = Stalled::default();
        loop {
            let mut progressed = false;
            self.schedule.next_round();
            for turn in 0..self.warps.len() {
                let index = self.schedule.warp(turn);
                self.leave_cluster_barrier(index, cluster.phase());
                if self.warps[index].state != State::Ready {
                    continue;
                }
                if environment.stop.load(Ordering::Relaxed) {
                    return Err(Box::new(Fault::nowhere(FaultKind::Cancelled)));
                }
                if self.executed() > environment.limit {
                    return Err(self.stuck_at(environment, FaultKind::Limit(environment.limit)));
                }
                let warp = &mut self.warps[index];
                let length = if lockstep { 1 } else { self.schedule.turn(WARP_TURN) };
                let stop = warp.run(environment, &self.shape, &mut self.memory, cluster, length)?;
                match stop {
                    Stop::Poll if !warp.polled_something_new() => stalled.tested_again(index),
                    Stop::Turn if lockstep && warp.only_waits() => {}
                    _ => stalled.goes_on(),
                }
                progressed |= !matches!(stop, Stop::Poll);
                match stop {
                    Stop::Turn => {}
                    Stop::Poll => progressed |= warp.polled_something_new(),
                    Stop::Exit => {
                        warp.finish_stores(environment, &self.shape, &mut self.memory, cluster)?;
                        warp.state = State::Done;
                        self.release_barriers();
                    }
                    Stop::ClusterArrive(threads) => {
                        let phase = cluster.phase();
                        warp.cluster_phase = Some(phase);
                        if let Some(sanitizer) = &mut self.memory.sanitizer {
                            sanitizer.barrier_arrive(cluster_barrier(phase), index as u32);
                        }
                        cluster.arrive(threads, self.live_threads());
                    }
                    // Without an arrival there is no phase to wait for.
                    Stop::ClusterWait => warp.state = State::AtClusterBarrier(warp.cluster_phase.unwrap_or(u64::MAX)),
                    Stop::Barrier(arrival) => self.arrive(index, &arrival),
                }
            }
            if let Some(observer) = &mut self.memory.observer {
                let loads = &self.memory.loads;
                observer.step(&self.warps, &|warp| loads.iter().any(|load| load.thread / 32 == warp));
            }
            if self.is_done() {
                self.memory.check_tensor_work(environment, cluster);
                if let Some(sanitizer) = &mut self.memory.sanitizer {
                    for load in &self.memory.loads {
                        sanitizer.unwaited(Who { warp: load.thread / 32, lane: load.thread % 32, pc: load.pc });
                    }
                }
                return Ok(Progress::Done);
            }
            if lockstep {
                progressed = !stalled.holds(&self.warps);
            }
            // With a seed, what is under way may come at any time.
            if self.schedule.lands_early() {
                progressed |= self.land_one(environment, cluster)?;
            }
            if !progressed && !self.looks_at_global() {
                return Ok(Progress::Waiting { worked });
            }
            // Another block may answer; but first what is under way comes.
            if !progressed && !self.land_one(environment, cluster)? {
                self.memory.spin.waits();
                return Ok(Progress::Paused);
            }
            worked |= !lockstep || stalled.went_on();
            if self.executed() > limit || self.memory.spin.is_on() {
                return Ok(Progress::Paused);
            }
        }
    }

    /// A warp goes on when the phase has ended in which it arrived at the cluster's barrier.
    fn leave_cluster_barrier(&mut self, index: usize, ended: u64) {
        let warp = &mut self.warps[index];
        if let State::AtClusterBarrier(phase) = warp.state
            && phase < ended
        {
            warp.state = State::Ready;
            if let Some(sanitizer) = &mut self.memory.sanitizer {
                sanitizer.barrier_passed(cluster_barrier(phase), index as u32);
            }
        }
    }

    /// The oldest bulk load lands, or the tensor core's work up to the next commit; `false` if there is none.
    pub fn land_one(&mut self, environment: &Environment<'_>, cluster: &mut Cluster) -> Result<bool, Box<Fault>> {
        let done = self.is_done();
        let landed = match self.memory.land_one(environment, cluster, done) {
            Some((load, outcome)) => Some((load.thread, load.pc, outcome)),
            None => self.memory.finish_tensor_work(environment, cluster),
        };
        let Some((thread, pc, outcome)) = landed else { return Ok(false) };
        match outcome {
            Ok(()) => Ok(true),
            Err(kind) => {
                let warp = &self.warps[(thread / 32) as usize % self.warps.len().max(1)];
                Err(warp.fault(environment, &self.shape, kind, thread % 32, pc))
            }
        }
    }

    fn arrive(&mut self, index: usize, arrival: &Arrival) {
        let Some(barrier) = self.barriers.get_mut(arrival.barrier as usize) else { return };
        if let Some(sanitizer) = &mut self.memory.sanitizer {
            let earlier = (barrier.arrived > 0).then_some(barrier.wanted);
            let who = Who { warp: index as u32, lane: arrival.mask.trailing_zeros(), pc: arrival.pc };
            sanitizer.check_barrier(who, (arrival.number, arrival.threads), earlier, self.shape.threads());
            sanitizer.barrier_arrive(arrival.barrier, index as u32);
        }
        if barrier.arrived == 0 {
            (barrier.and, barrier.or, barrier.count) = (true, false, 0);
        }
        barrier.arrived += arrival.mask.count_ones();
        barrier.wanted = arrival.threads;
        if let Some((_, _, holds)) = arrival.reduction {
            barrier.and &= holds & arrival.mask == arrival.mask;
            barrier.or |= holds & arrival.mask != 0;
            barrier.count += (holds & arrival.mask).count_ones();
        }
        if arrival.waits {
            let reduction = arrival.reduction.map(|(kind, slot, _)| (kind, slot));
            barrier.waiting.push(Waiting { warp: index, mask: arrival.mask, reduction });
            self.warps[index].state = State::AtBarrier(arrival.barrier);
        }
        let all = self.live_threads();
        if self.barriers[arrival.barrier as usize].arrived >= arrival.threads.unwrap_or(all).min(self.shape.threads()) {
            self.release(arrival.barrier as usize);
        }
    }

    /// After an exit, barriers of all threads may be complete.
    fn release_barriers(&mut self) {
        let all = self.live_threads();
        for number in 0..self.barriers.len() {
            let barrier = &self.barriers[number];
            if !barrier.waiting.is_empty() && barrier.arrived >= all {
                self.release(number);
            }
        }
    }

    fn release(&mut self, number: usize) {
        let barrier = std::mem::take(&mut self.barriers[number]);
        if let Some(sanitizer) = &mut self.memory.sanitizer {
            sanitizer.barrier_release(number as u32, barrier.waiting.iter().map(|waiting| waiting.warp as u32));
        }
        for Waiting { warp, mask, reduction } in barrier.waiting {
            let warp = &mut self.warps[warp];
            warp.state = State::Ready;
            let all = |holds: bool| if holds { u32::MAX } else { 0 };
            match reduction {
                Some((BarrierReduction::And, slot)) => warp.write_predicate(slot, all(barrier.and), mask),
                Some((BarrierReduction::Or, slot)) => warp.write_predicate(slot, all(barrier.or), mask),
                Some((BarrierReduction::Count, slot)) => warp.write_word(slot, &[barrier.count; 32], mask),
                None => {}
            }
        }
    }

    /// Warps that wait at barriers, that test the phase of an mbarrier again and again, and that look at memory.
    pub fn stuck(&self) -> [u32; 3] {
        let count = |which: &dyn Fn(&Warp) -> bool| self.warps.iter().filter(|warp| which(warp)).count() as u32;
        let looks = |warp: &Warp| matches!(warp.polled_what(), Some(Polled::Memory(..)));
        [
            count(&|warp| matches!(warp.state, State::AtBarrier(_) | State::AtClusterBarrier(_))),
            count(&|warp| warp.state == State::Ready && !looks(warp)),
            count(&looks),
        ]
    }

    /// Whether some warp waits for a change of global memory.
    fn looks_at_global(&self) -> bool {
        self.warps.iter().any(|warp| matches!(warp.polled_what(), Some(Polled::Memory(MemorySpace::Global, _))))
    }

    /// A fault at the place where the first warp waits.
    pub fn stuck_at(&mut self, environment: &Environment<'_>, kind: FaultKind) -> Box<Fault> {
        let first = self.warps.iter_mut().enumerate().find(|(_, warp)| warp.state != State::Done);
        let found = first.map(|(index, warp)| (index, warp.last_poll(), warp.current()));
        let Some((warp, poll, Some((pc, mask)))) = found else {
            return Box::new(Fault::nowhere(kind));
        };
        // The program counter is past the barrier, or past the test.
        let at = poll.unwrap_or(pc.saturating_sub(1));
        self.warps[warp].fault(environment, &self.shape, kind, mask.trailing_zeros(), at)
    }

    /// Who waits where, by instruction.
    pub fn waiting(&mut self, environment: &Environment<'_>, ended: u64) -> Vec<Stuck> {
        let mut found: Vec<(u32, Stuck)> = Vec::new();
        let live = self.live_threads();
        for index in 0..self.warps.len() {
            let state = self.warps[index].state;
            if state == State::Done {
                continue;
            }
            let polled = self.warps[index].last_poll();
            // The program counter is past the barrier.
            let Some(at) = polled.or_else(|| self.warps[index].current().map(|(pc, _)| pc.saturating_sub(1))) else {
                continue;
            };
            if let Some((_, waiting)) = found.iter_mut().find(|(pc, _)| *pc == at) {
                waiting.warps.push(index as u32);
                continue;
            }
            let what = match state {
                State::AtBarrier(number) => {
                    let barrier = self.barriers.get(number as usize);
                    let (come, wanted) = barrier.map_or((0, None), |barrier| (barrier.arrived, barrier.wanted));
                    format!("barrier {number}, to which {come} of {} threads have come", wanted.unwrap_or(live))
                }
                State::AtClusterBarrier(phase) if phase > ended => {
                    "the cluster's barrier, without an arrival".to_owned()
                }
                State::AtClusterBarrier(_) => "the cluster's barrier".to_owned(),
                _ => match self.warps[index].polled_what() {
                    Some(Polled::Mbarrier(address)) => self.memory.describe_mbarrier(address),
                    Some(Polled::Memory(MemorySpace::Global, address)) => {
                        format!("a change of {}", place_in_global(environment, address))
                    }
                    Some(Polled::Memory(_, address)) => format!("a change of shared address {address:#x}"),
                    None => "a value that nobody writes".to_owned(),
                },
            };
            let source = environment.program.lines.get(at as usize).copied().flatten();
            let waiting = Stuck {
                block: self.shape.index,
                warps: vec![index as u32],
                span: environment.program.spans.get(at as usize).cloned().unwrap_or(0..0),
                source: source.map(|line| (line.file.to_string(), line.line)),
                what,
            };
            found.push((at, waiting));
        }
        found.into_iter().map(|(_, waiting)| waiting).collect()
    }
}
