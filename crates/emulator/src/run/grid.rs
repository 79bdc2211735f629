//! A grid: its clusters on all cores, and when all of them wait for each other.

use std::collections::{BTreeSet, VecDeque};
use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError};

use super::block::Progress;
use super::printer::Printer;
use crate::fault::{Cancelled, Cause, Failure, Fault};
use crate::instrument::{Instrument, Instrumentation};
use crate::lock::locked;
use crate::state::block::{Block, BlockState};
use crate::state::cluster::Cluster;
use crate::state::environment::Environment;
use crate::state::shape::Geometry;

/// Warp instructions that a cluster executes before another gets its turn.
const CLUSTER_TURN: u64 = 1 << 20;
/// Turns that change nothing, of each running cluster, and warp instructions in them, after which a grid is taken to be
/// stuck.
const STUCK: (u32, u64) = (4, 1 << 22);
/// Every so many turns a new cluster starts, even if others have work: these may wait for it in a way that is not known.
const START: u64 = 16;

/// How a grid runs.
pub(crate) struct Plan<'a> {
    /// What all blocks share.
    pub environment: &'a Environment<'a>,
    /// Extents of the grid, its blocks and its clusters.
    pub geometry: Geometry,
    /// The first cluster that runs; those before it are of no interest.
    pub first: u64,
    /// Number of clusters that the GPU runs at once.
    pub resident: usize,
    /// Name of the GPU that runs so many clusters at once, for reports.
    pub gpu: &'static str,
    /// True if clusters run one after the other: the same report from run to run.
    pub in_order: bool,
}

/// What the blocks of a grid did.
#[derive(Default)]
pub(crate) struct Totals {
    /// Instructions executed, counted once per warp.
    pub warp_instructions: u64,
    /// One past the highest byte of dynamic shared memory that was touched, in any block.
    pub shared_touched: u32,
    /// Instructions before which a wait for `wgmma` was put in.
    pub repaired: BTreeSet<u32>,
}

/// Runs a grid to its end. Printed text comes in the order of the blocks, that of the first one while it runs.
pub(crate) fn run<L: Instrumentation>(
    plan: &Plan<'_>,
    instruments: &L,
    print: &(dyn Fn(&str) + Sync),
) -> Result<Totals, Box<Failure>> {
    let total = plan.geometry.clusters();
    let queue: Mutex<Queue<L::Block>> = Mutex::new(Queue {
        next: plan.first,
        total,
        resident: plan.resident.max(1),
        gpu: plan.gpu,
        paused: VecDeque::new(),
        working: 0,
        running: 0,
        turns: 0,
        epoch: 1,
        stuck: 0,
        fruitless: 0,
        certain: true,
        failure: None,
        totals: Totals::default(),
    });
    let printer = Mutex::new(Printer::default());
    let cores = if plan.in_order { 1 } else { std::thread::available_parallelism().map_or(1, usize::from) };
    let workers = cores.min(total.max(1) as usize);
    std::thread::scope(|scope| {
        for _ in 1..workers {
            scope.spawn(|| work(plan.environment, instruments, &plan.geometry, &queue, &printer, print));
        }
        work(plan.environment, instruments, &plan.geometry, &queue, &printer, print);
    });
    locked(&printer).end(print);
    let queue = queue.into_inner().unwrap_or_else(PoisonError::into_inner);
    match queue.failure {
        Some((_, fault)) => Err(fault),
        None => Ok(queue.totals),
    }
}

struct Queue<I> {
    next: u64,
    total: u64,
    /// Clusters that run at once, and the GPU that has so much room.
    resident: usize,
    gpu: &'static str,
    paused: VecDeque<Paused<I>>,
    /// How many of `paused` do not wait for others.
    working: usize,
    /// Clusters that have their turn now.
    running: usize,
    turns: u64,
    /// Changes whenever any cluster has got on.
    epoch: u64,
    /// Clusters that have done nothing but wait in this epoch, long enough; and warp instructions that this took.
    stuck: usize,
    fruitless: u64,
    /// True if all of them wait for certain.
    certain: bool,
    /// The fault of the lowest cluster, so that the report is the same from run to run where it can be.
    failure: Option<(u64, Box<Failure>)>,
    totals: Totals,
}

/// The cluster that gets its turn.
enum Next<I> {
    /// A cluster that was paused.
    Paused(Paused<I>),
    /// The number of a cluster that has not begun.
    New(u64),
}

/// A cluster between two turns.
struct Paused<I> {
    cluster: Cluster<I>,
    /// The epoch in which it began to wait, and its turns since then; `None` where it works.
    waits: Option<(u64, u32)>,
}

impl<I: Instrument> Queue<I> {
    /// The next cluster that gets its turn: one that was paused, or the number of a new one.
    fn take(&mut self) -> Option<Next<I>> {
        self.turns += 1;
        let limit = self.limit();
        let room = self.paused.len() + self.running < self.resident;
        if self.next < limit && room && (self.working == 0 || self.turns.is_multiple_of(START)) {
            self.next += 1;
            self.running += 1;
            return Some(Next::New(self.next - 1));
        }
        while let Some(paused) = self.paused.pop_front() {
            self.working -= usize::from(paused.waits.is_none());
            if paused.cluster.index < limit {
                self.running += 1;
                return Some(Next::Paused(paused));
            }
            self.stuck -= usize::from(self.is_stuck(&paused));
        }
        None
    }

    /// The clusters below it go on: all, and after a fault the earlier ones, to find the first fault.
    fn limit(&self) -> u64 {
        self.failure.as_ref().map_or(self.total, |(failed, _)| *failed)
    }

    fn is_stuck(&self, paused: &Paused<I>) -> bool {
        paused.waits.is_some_and(|(epoch, turns)| epoch == self.epoch && turns >= STUCK.0)
    }

    /// A cluster's turn is over, and it has not ended. `began` is the epoch in which the turn began, `executed` what it
    /// executed. Gives it back where the whole grid is stuck.
    fn pause(
        &mut self,
        mut cluster: Cluster<I>,
        mut waits: Option<(u64, u32)>,
        began: u64,
        executed: u64,
    ) -> Option<(Cluster<I>, Fault)> {
        self.running -= 1;
        if cluster.is_fruitless() {
            let turns = waits.filter(|(epoch, _)| *epoch == self.epoch).map_or(0, |(_, turns)| turns);
            // A turn counts if nothing changed since it began.
            let turns = if began == self.epoch { turns + 1 } else { 0 };
            self.stuck += usize::from(turns == STUCK.0);
            self.fruitless += executed;
            self.certain &= cluster.is_certain();
            waits = Some((self.epoch, turns));
            let resident = self.paused.len() + self.running + 1;
            let may_start = self.next < self.limit() && resident < self.resident;
            let enough = self.certain || self.fruitless > STUCK.1;
            if self.stuck == resident && enough && !may_start {
                // The report is about the first of them, where it does not have its turn right now.
                if let Some(first) = self.paused.iter_mut().min_by_key(|paused| paused.cluster.index)
                    && first.cluster.index < cluster.index
                {
                    std::mem::swap(&mut first.cluster, &mut cluster);
                }
                let kind = Fault::Spinning { running: resident as u64, waiting: self.total - self.next, gpu: self.gpu };
                return Some((cluster, kind));
            }
        } else {
            self.progress();
            waits = None;
            self.working += 1;
        }
        self.paused.push_back(Paused { cluster, waits });
        None
    }

    fn forget_paused(&mut self) {
        self.paused.clear();
        self.working = 0;
    }

    /// Some cluster has got on.
    fn progress(&mut self) {
        self.epoch += 1;
        (self.stuck, self.fruitless, self.certain) = (0, 0, true);
    }
}

fn work<L: Instrumentation>(
    environment: &Environment<'_>,
    instruments: &L,
    geometry: &Geometry,
    queue: &Mutex<Queue<L::Block>>,
    printer: &Mutex<Printer>,
    print: &(dyn Fn(&str) + Sync),
) {
    loop {
        let (taken, began) = {
            let mut queue = locked(queue);
            let Some(taken) = queue.take() else { return };
            (taken, queue.epoch)
        };
        let Paused { mut cluster, waits } = match taken {
            Next::Paused(paused) => paused,
            Next::New(index) => {
                Paused { cluster: Cluster::new(environment, instruments, geometry, index), waits: None }
            }
        };
        let (index, before) = (cluster.index, cluster.executed());
        let mut outcome = cluster.run(environment, CLUSTER_TURN);
        // Its blocks all wait for each other only within `run`.
        if let Ok(Progress::Paused | Progress::Waiting { .. }) = outcome {
            let executed = cluster.executed() - before;
            for block in cluster.blocks.iter_mut().flatten() {
                let printed = &mut block.state.memory.printed;
                if !printed.text.is_empty() || printed.dropped > 0 {
                    locked(printer).running(block.shape.linear_index, printed, print);
                }
            }
            let Some((stuck, kind)) = locked(queue).pause(cluster, waits, began, executed) else { continue };
            cluster = stuck;
            match cluster.spinning(environment, kind) {
                Some(fault) => outcome = Err(fault),
                None => continue,
            }
        } else {
            let mut queue = locked(queue);
            queue.running -= 1;
            queue.progress();
        }
        match outcome {
            Ok(Progress::Paused | Progress::Waiting { .. }) => {}
            Ok(Progress::Done) => {
                for block in cluster.into_blocks() {
                    let Block { shape, state: BlockState { mut memory, instrument }, warps, .. } = *block;
                    let mut queue = locked(queue);
                    queue.totals.warp_instructions += warps.iter().map(|warp| warp.executed).sum::<u64>();
                    let dynamic = u64::from(environment.program.dynamic_shared_offset);
                    let touched = memory.shared_touched.saturating_sub(dynamic) as u32;
                    queue.totals.shared_touched = queue.totals.shared_touched.max(touched);
                    queue.totals.repaired.append(&mut memory.repaired);
                    if instrument.ends_launch() {
                        queue.next = queue.total;
                        queue.forget_paused();
                    }
                    instruments.end(instrument, false);
                    drop(queue);
                    locked(printer).finished(shape.linear_index, memory.printed, print);
                }
            }
            Err(fault) => {
                let mut printed = Vec::new();
                let mut queue = locked(queue);
                for block in cluster.into_blocks() {
                    let BlockState { memory, instrument } = block.state;
                    instruments.end(instrument, true);
                    printed.push(memory.printed);
                }
                let stuck = matches!(fault.cause, Cause::Fault(Fault::Spinning { .. }));
                match &mut queue.failure {
                    // They wait for one that has failed.
                    Some((failed, _)) if stuck => *failed = 0,
                    Some((failed, _)) if *failed <= index => {}
                    failure => *failure = Some((if stuck { 0 } else { index }, fault)),
                }
                if environment.stop.load(Ordering::Relaxed) {
                    queue.next = queue.total;
                    queue.forget_paused();
                    if let Some((_, fault)) = &mut queue.failure {
                        fault.cause = Cancelled.into();
                    }
                }
                drop(queue);
                // What was printed before the fault helps to find it.
                let mut printer = locked(printer);
                printed.into_iter().for_each(|printed| printer.show(printed, print));
            }
        }
    }
}
