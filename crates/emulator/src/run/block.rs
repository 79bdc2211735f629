//! A block: its warps, its shared and local memory, its barriers. It can be paused and resumed anywhere.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::Ordering;

use super::stalled::Stalled;
use super::turn::Stop;
use crate::fault::{Cancelled, Cause, Failure, Limit, Stuck, Waiting};
use crate::instrument::{Instrument, Instrumentation, Misuse, Object};
use crate::program::MemorySpace;
use crate::state::access::Issuer;
use crate::state::block::{Barrier, Block, BlockState};
use crate::state::block_memory::BlockMemory;
use crate::state::cluster::Cluster;
use crate::state::environment::Environment;
use crate::state::paths::{Path, Wait};
use crate::state::polling::Polled;
use crate::state::printed::Printed;
use crate::state::schedule::Schedule;
use crate::state::shape::BlockShape;
use crate::state::spin::Spin;
use crate::state::warp::{State, Warp, lanes_of};

/// Instructions of one warp before another gets its turn: a warp that spins lets the others work. Cancellation is seen
/// between turns, so that it takes no longer than this many of the slowest instructions (some 6 µs each).
const WARP_TURN: u32 = 1024;

/// What a block did in its time.
pub(crate) enum Progress {
    Done,
    Paused,
    /// Every warp waits for what others have to do; whether any worked before that.
    Waiting {
        worked: bool,
    },
}

impl<I: Instrument> Block<I> {
    pub fn new(
        environment: &Environment<'_>,
        instruments: &impl Instrumentation<Block = I>,
        shape: BlockShape,
    ) -> Self {
        let program = environment.program;
        let threads = shape.threads();
        let warps =
            (0..threads.div_ceil(32)).map(|index| Warp::new(program, index, &shape, environment.globals)).collect();
        let shared = shape.shared_bytes(program);
        let count = shape.warps();
        let schedule = Schedule::new(environment.seed, shape.linear_index, count);
        let memory = BlockMemory {
            rank: shape.rank,
            shared: vec![0; shared],
            local: vec![0; program.local_bytes as usize * threads as usize],
            shared_touched: 0,
            last_allocation: usize::MAX,
            printed: Printed::default(),
            spin: Spin::default(),
            repaired: BTreeSet::new(),
            mbarriers: BTreeMap::new(),
            loads: VecDeque::new(),
            tensor: None,
            tensor_work: VecDeque::new(),
            operands: Box::default(),
            operations: 0,
        };
        let instrument = instruments.begin(environment, &shape);
        let state = BlockState { memory, instrument };
        Self { shape, warps, state, barriers: vec![Barrier::default(); 16], schedule }
    }

    /// Runs until the block is done or has used up about `budget` warp instructions.
    pub fn run(
        &mut self,
        environment: &Environment<'_>,
        cluster: &mut Cluster<I>,
        budget: u64,
    ) -> Result<Progress, Box<Failure>> {
        let limit = self.executed() + budget;
        let mut worked = false;
        self.state.memory.spin.next_turn();
        let lockstep = self.state.instrument.in_lockstep();
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
                    return Err(Box::new(Failure::nowhere(Cancelled)));
                }
                if self.executed() > environment.limit {
                    return Err(self.stuck_at(environment, Limit(environment.limit)));
                }
                let warp = &mut self.warps[index];
                let length = if lockstep { 1 } else { self.schedule.turn(WARP_TURN) };
                let stop = warp.run(environment, &self.shape, &mut self.state, cluster, length)?;
                match stop {
                    Stop::Poll if !warp.did_something_new() => stalled.tested_again(index),
                    Stop::Turn if lockstep && warp.only_waits() => {}
                    _ => stalled.goes_on(),
                }
                progressed |= !matches!(stop, Stop::Poll);
                match stop {
                    Stop::Turn => {}
                    Stop::Poll => progressed |= warp.did_something_new(),
                    Stop::Exit => {
                        warp.finish_stores(environment, &self.shape, &mut self.state, cluster)?;
                        warp.state = State::Done;
                        self.release_barriers();
                    }
                    Stop::ClusterArrive(threads) => {
                        let phase = cluster.phase();
                        warp.cluster_phase = Some(phase);
                        self.state.instrument.released(index as u32, Object::ClusterBarrier(phase));
                        cluster.arrive(threads, self.live_threads());
                    }
                    Stop::ClusterWait => warp.rest(),
                    Stop::Barrier(arrival) => {
                        warp.rest();
                        self.arrive(index, &arrival);
                    }
                    Stop::Waits => {
                        warp.rest();
                        // Some of its lanes may have ended.
                        self.release_barriers();
                    }
                }
            }
            self.state.instrument.round(&self.warps, &self.state.memory.loads);
            if self.is_done() {
                self.state.check_tensor_work(environment, cluster);
                for load in &self.state.memory.loads {
                    let issuer = Issuer { warp: load.thread / 32, lane: load.thread % 32, pc: load.pc };
                    self.state.instrument.misused(issuer, Misuse::Unwaited);
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
                self.state.memory.spin.waits();
                return Ok(Progress::Paused);
            }
            worked |= !lockstep || stalled.went_on();
            if self.executed() > limit || self.state.memory.spin.is_on() {
                return Ok(Progress::Paused);
            }
        }
    }

    /// A warp goes on when the phase has ended in which it arrived at the cluster's barrier.
    fn leave_cluster_barrier(&mut self, index: usize, ended: u64) {
        let warp = &mut self.warps[index];
        if warp.state == State::Done || warp.state == State::Ready && !warp.paths.is_divided() {
            return;
        }
        let waits = |path: &Path| match path.wait {
            Wait::ClusterBarrier(phase) if phase < ended => Some(phase),
            _ => None,
        };
        let ended = warp.paths.leaves().find_map(waits);
        if let Some(phase) = ended {
            warp.paths.wake(u32::MAX, |wait| wait == Wait::ClusterBarrier(phase));
            warp.state = State::Ready;
            self.state.instrument.acquired(index as u32, Object::ClusterBarrier(phase));
        }
    }

    /// The oldest bulk load lands, or the tensor core's work up to the next commit; `false` if there is none.
    pub fn land_one(&mut self, environment: &Environment<'_>, cluster: &mut Cluster<I>) -> Result<bool, Box<Failure>> {
        let done = self.is_done();
        let landed = match self.state.land_one(environment, cluster, done) {
            Some((load, outcome)) => Some((load.thread, load.pc, outcome)),
            None => self.state.finish_tensor_work(environment, cluster),
        };
        let landed = landed.or_else(|| self.land_copies(environment, cluster));
        let Some((thread, pc, outcome)) = landed else { return Ok(false) };
        match outcome {
            Ok(()) => Ok(true),
            Err(kind) => {
                let warp = &self.warps[(thread / 32) as usize % self.warps.len().max(1)];
                Err(warp.fault(environment, &self.shape, kind, thread % 32, pc))
            }
        }
    }

    /// What its warps wait for, and how many of them.
    pub fn stuck(&self) -> Waiting {
        let mut stuck = Waiting::default();
        for warp in self.warps.iter().filter(|warp| warp.state != State::Done) {
            let waits = |which: fn(Wait) -> bool| warp.paths.leaves().any(|path| which(path.wait));
            if waits(|wait| matches!(wait, Wait::Warp | Wait::Members(_))) {
                stuck.gathering += 1;
            } else if warp.looks_at().is_some() {
                stuck.looking += 1;
            } else if waits(|wait| wait == Wait::None) {
                stuck.polling += 1;
            } else {
                stuck.waiting += 1;
            }
        }
        stuck
    }

    /// True if some warp waits for a change of global memory.
    fn looks_at_global(&self) -> bool {
        self.warps.iter().any(|warp| matches!(warp.looks_at(), Some((MemorySpace::Global, _))))
    }

    /// A fault at the place where the first warp waits.
    pub fn stuck_at(&self, environment: &Environment<'_>, kind: impl Into<Cause>) -> Box<Failure> {
        let running = self.warps.iter().filter(|warp| warp.state != State::Done);
        let mut waiting = running.flat_map(|warp| warp.paths.leaves().map(move |path| (warp, path)));
        let Some((warp, path)) = waiting.next() else { return Box::new(Failure::nowhere(kind)) };
        warp.fault(environment, &self.shape, kind, path.mask.trailing_zeros(), path.waits_at())
    }

    /// Where warps wait, by instruction.
    pub fn waiting(&mut self, environment: &Environment<'_>, ended: u64) -> Vec<Stuck> {
        let mut found: Vec<(u32, Stuck)> = Vec::new();
        let live = self.live_threads();
        let running = self.warps.iter().filter(|warp| warp.state != State::Done);
        for (warp, path) in running.flat_map(|warp| warp.paths.leaves().map(move |path| (warp, path))) {
            let at = path.waits_at();
            if let Some((_, waiting)) = found.iter_mut().find(|(pc, _)| *pc == at) {
                if waiting.warps.last() != Some(&warp.index) {
                    waiting.warps.push(warp.index);
                }
                continue;
            }
            let what = match path.wait {
                Wait::Barrier(number) => {
                    let barrier = self.barriers.get(number as usize);
                    let (come, wanted) = barrier.map_or((0, None), |barrier| (barrier.arrived, barrier.wanted));
                    format!("barrier {number}, to which {come} of {} threads have come", wanted.unwrap_or(live))
                }
                Wait::ClusterBarrier(phase) if phase > ended => "the cluster's barrier, without an arrival".to_owned(),
                Wait::ClusterBarrier(_) => "the cluster's barrier".to_owned(),
                Wait::Warp => {
                    let missing = warp.paths.live() & !warp.paths.gathered_at(path.pc);
                    format!("{} of the warp, which all have to execute this instruction", describe_lanes(missing))
                }
                Wait::Members(members) => {
                    let missing = members & warp.paths.live() & !path.mask;
                    format!("{} of the warp, which the mask {members:#010x} names", describe_lanes(missing))
                }
                Wait::None => match path.polling.what() {
                    Some(Polled::Mbarrier(address)) => self.state.memory.describe_mbarrier(address),
                    Some(Polled::Memory(MemorySpace::Global, address)) => {
                        format!("a change of {}", environment.memory.describe(address))
                    }
                    Some(Polled::Memory(_, address)) => format!("a change of shared address {address:#x}"),
                    None => "a value that nobody writes".to_owned(),
                },
            };
            let source = environment.program.lines.get(at as usize).copied().flatten();
            let waiting = Stuck {
                block: self.shape.index,
                warps: vec![warp.index],
                span: environment.program.spans.get(at as usize).cloned().unwrap_or(0..0),
                source: source.map(|line| (line.file.to_string(), line.line)),
                what,
            };
            found.push((at, waiting));
        }
        found.into_iter().map(|(_, waiting)| waiting).collect()
    }
}

/// Lanes in words: "lanes 0 to 15 and 17".
fn describe_lanes(mask: u32) -> String {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for lane in lanes_of(mask) {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == lane => *last = lane,
            _ => runs.push((lane, lane)),
        }
    }
    let run = |&(first, last): &(usize, usize)| {
        if first == last { first.to_string() } else { format!("{first} to {last}") }
    };
    let s = if mask.count_ones() == 1 { "" } else { "s" };
    let runs: Vec<String> = runs.iter().map(run).collect();
    match runs.split_last() {
        Some((last, [])) => format!("lane{s} {last}"),
        Some((last, others)) => format!("lane{s} {} and {last}", others.join(", ")),
        None => "no lane".to_owned(),
    }
}
