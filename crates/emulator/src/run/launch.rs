//! A grid: its blocks on all cores.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use super::block::Progress;
use crate::arithmetic::tensor::Architecture;
use crate::fault::{Fault, FaultKind};
use crate::instrument::observe::{Observe, Observed, Observer};
use crate::instrument::sanitizer::finding::Finding;
use crate::instrument::sanitizer::{Checks, Sanitizer};
use crate::lock::locked;
use crate::state::cluster::Cluster;
use crate::state::environment::{Arithmetic, Environment};
use crate::state::memory::GlobalMemory;
use crate::state::shape::Geometry;
use crate::{Kernel, Module};
use warpbook_diagnostic::Diagnostic;
use warpbook_gpu::GpuLimits;

/// Warp instructions that a cluster executes before another gets its turn.
const CLUSTER_TURN: u64 = 1 << 20;
/// Turns that change nothing, of each running cluster, and warp instructions in them, after which a grid is taken to be
/// stuck.
const STUCK: (u32, u64) = (4, 1 << 22);
/// Every so many turns a new cluster starts, even if others have work: these may wait for it in a way that is not known.
const START: u64 = 16;

/// Geometry and arguments of a launch.
#[derive(Clone, Debug)]
pub struct LaunchConfig {
    /// Blocks.
    pub grid: [u32; 3],
    /// Threads per block.
    pub block: [u32; 3],
    /// Blocks of a cluster, along each axis; the grid is a multiple of it.
    pub cluster: [u32; 3],
    /// Dynamic shared memory in bytes.
    pub shared: u32,
    /// The value of each parameter, as wide as the parameter.
    pub parameters: Vec<Vec<u8>>,
    /// Addresses of [`Module::variables`], in order.
    pub globals: Vec<u64>,
    /// Compute capability that is emulated (80).
    pub capability: u32,
    /// Whose bits.
    pub arithmetic: Arithmetic,
    /// Whether races, missing waits and fences, and reads of what nothing wrote are looked for.
    pub check: bool,
    /// Chooses the order of warps and when copies land; 0 for the usual: in turn, and as late as they may be.
    pub seed: u64,
    /// What to observe.
    pub observe: Option<Observe>,
    /// Ranges of global memory (address, length) that nothing has written yet, for a checked launch.
    pub unwritten: Vec<(u64, u64)>,
    /// Warp instructions of one block after which the launch is given up; `None` for no limit.
    pub limit: Option<u64>,
}

/// What the checks of a launch say.
#[derive(Clone, Debug, Default)]
pub struct Checked {
    /// What was found, in the order of the instructions.
    pub findings: Vec<Diagnostic>,
    /// Accesses that were checked.
    pub accesses: u64,
    /// Whether more global memory was touched than is watched.
    pub incomplete: bool,
    /// Accesses out of order that are none of a value's: one warp of several that hold a copy of a tensor has stored.
    pub copies: u64,
}

/// What a launch did.
#[derive(Clone, Debug, Default)]
pub struct Stats {
    /// Instructions executed, counted once per warp.
    pub warp_instructions: u64,
    /// One past the highest byte of dynamic shared memory that was touched, in any block.
    pub shared_touched: u32,
    /// Bytes of the PTX before which a wait for `wgmma` was put in, as ptxas does.
    pub repaired: Vec<Range<usize>>,
    /// What the checks say, where they were asked for.
    pub checked: Option<Checked>,
    /// What was observed, where that was asked for.
    pub observed: Option<Observed>,
}

/// Runs a grid to its end. Printed text comes in the order of the blocks, when they end.
pub fn launch(
    module: &Module,
    kernel: &Kernel,
    config: &LaunchConfig,
    memory: &GlobalMemory,
    stop: &AtomicBool,
    print: &(dyn Fn(&str) + Sync),
) -> Result<Stats, Box<Fault>> {
    let mut parameters = Vec::new();
    for (&(offset, size), value) in kernel.parameters.iter().zip(&config.parameters) {
        parameters.resize(offset as usize, 0);
        parameters.extend_from_slice(value);
        parameters.resize((offset + size) as usize, 0);
    }
    let checks = config.check.then(|| Checks::new(&kernel.program, &config.unwritten));
    let environment = Environment {
        program: &kernel.program,
        memory,
        parameters: &parameters,
        globals: &config.globals,
        architecture: Architecture::from_capability(config.capability),
        arithmetic: config.arithmetic,
        stop,
        checks: checks.as_ref(),
        observe: config.observe.as_ref(),
        counters: Mutex::default(),
        source: module.source(),
        seed: config.seed,
        limit: config.limit.unwrap_or(u64::MAX),
    };
    let geometry =
        &Geometry { grid: config.grid, block: config.block, cluster: config.cluster, dynamic_shared: config.shared };
    let total = geometry.clusters();
    // Blocks that cannot wait for each other need not run before the one that is of interest.
    let next = match config.observe.as_ref().and_then(Observe::block) {
        Some(block) if !kernel.program.orders_blocks() => geometry.cluster_of(block).unwrap_or(total),
        _ => 0,
    };
    let ranks = geometry.ranks();
    let shared = kernel.static_shared() + config.shared;
    let gpu = GpuLimits::for_capability(config.capability);
    let resident = gpu.resident_blocks(config.block.iter().product(), shared) / ranks as usize;
    let queue = Mutex::new(Queue {
        next,
        total,
        resident: resident.max(1),
        gpu: gpu.example,
        paused: VecDeque::new(),
        working: 0,
        running: 0,
        turns: 0,
        epoch: 1,
        stuck: 0,
        fruitless: 0,
        certain: true,
        failure: None,
        stats: Stats::default(),
        repaired: BTreeSet::new(),
        checked: Collected::default(),
        observed: None,
    });
    let printer = Mutex::new(Printer { next: 0, waiting: BTreeMap::new() });
    // A checked or observed launch runs its clusters one after the other: the same report from run to run. Counts of blocks
    // that do not meet are the same in any order.
    let in_order = match &config.observe {
        Some(Observe::Counters { in_order }) => *in_order && kernel.program.orders_blocks(),
        Some(_) => true,
        None => false,
    };
    let cores = if config.check || in_order { 1 } else { std::thread::available_parallelism().map_or(1, usize::from) };
    let workers = cores.min(total.max(1) as usize);
    std::thread::scope(|scope| {
        for _ in 1..workers {
            scope.spawn(|| work(&environment, geometry, &queue, &printer, print));
        }
        work(&environment, geometry, &queue, &printer, print);
    });
    let queue = queue.into_inner().unwrap_or_else(PoisonError::into_inner);
    let counters = environment.counters.into_inner().unwrap_or_else(PoisonError::into_inner);
    match queue.failure {
        Some((_, mut fault)) => {
            if let Some((file, ..)) = &mut fault.source
                && let Some(name) = file.parse().ok().and_then(|index| module.file(index))
            {
                *file = name.to_owned();
            }
            for waiting in &mut fault.waiting {
                if let Some((file, _)) = &mut waiting.source
                    && let Some(name) = file.parse().ok().and_then(|index| module.file(index))
                {
                    *file = name.to_owned();
                }
            }
            if let Some(checks) = checks {
                fault.before = queue.checked.in_sentences(module, kernel, &checks);
            }
            Err(fault)
        }
        None => {
            let checked = checks.map(|checks| queue.checked.told(module, kernel, &checks));
            let counters = counters.into_iter().map(Observer::Counters);
            let observed = queue.observed.into_iter().chain(counters).reduce(|mut all, other| {
                all.join(other);
                all
            });
            let observed = observed.map(|observer| observer.told(module, &kernel.program));
            let span = |pc: u32| kernel.program.spans.get(pc as usize).cloned();
            let repaired = queue.repaired.into_iter().filter_map(span).collect();
            Ok(Stats { repaired, checked, observed, ..queue.stats })
        }
    }
}

struct Queue {
    next: u64,
    total: u64,
    /// Clusters that run at once, and the GPU that has so much room.
    resident: usize,
    gpu: &'static str,
    paused: VecDeque<Paused>,
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
    /// Whether all of them wait for certain.
    certain: bool,
    /// The fault of the lowest cluster, so that the report is the same from run to run where it can be.
    failure: Option<(u64, Box<Fault>)>,
    stats: Stats,
    repaired: BTreeSet<u32>,
    checked: Collected,
    observed: Option<Observer>,
}

/// A cluster between two turns.
struct Paused {
    cluster: Cluster,
    /// The epoch in which it began to wait, and its turns since then; `None` where it works.
    waits: Option<(u64, u32)>,
}

impl Queue {
    /// The next cluster that gets its turn: one that was paused, or the number of a new one.
    fn take(&mut self) -> Option<Result<Paused, u64>> {
        self.turns += 1;
        let limit = self.limit();
        let room = self.paused.len() + self.running < self.resident;
        if self.next < limit && room && (self.working == 0 || self.turns.is_multiple_of(START)) {
            self.next += 1;
            self.running += 1;
            return Some(Err(self.next - 1));
        }
        while let Some(paused) = self.paused.pop_front() {
            self.working -= usize::from(paused.waits.is_none());
            if paused.cluster.index < limit {
                self.running += 1;
                return Some(Ok(paused));
            }
            self.stuck -= usize::from(self.is_stuck(&paused));
        }
        None
    }

    /// The clusters below it go on: all, and after a fault the earlier ones, to find the first fault.
    fn limit(&self) -> u64 {
        self.failure.as_ref().map_or(self.total, |(failed, _)| *failed)
    }

    fn is_stuck(&self, paused: &Paused) -> bool {
        paused.waits.is_some_and(|(epoch, turns)| epoch == self.epoch && turns >= STUCK.0)
    }

    /// A cluster's turn is over, and it has not ended. `began` is the epoch in which the turn began, `executed` what it
    /// executed. Gives it back where the whole grid is stuck.
    fn pause(
        &mut self,
        mut cluster: Cluster,
        mut waits: Option<(u64, u32)>,
        began: u64,
        executed: u64,
    ) -> Option<(Cluster, FaultKind)> {
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
                let kind =
                    FaultKind::Spinning { running: resident as u64, waiting: self.total - self.next, gpu: self.gpu };
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

/// Findings that are told beside a fault.
const SENTENCES: usize = 3;

/// Findings of the blocks that have ended.
#[derive(Default)]
struct Collected {
    findings: Vec<Finding>,
    accesses: u64,
}

impl Collected {
    fn add(&mut self, sanitizer: Sanitizer) {
        self.accesses += sanitizer.accesses;
        for finding in sanitizer.findings {
            let known = self.findings.iter_mut().find(|known| (known.rule, known.pc) == (finding.rule, finding.pc));
            match known {
                Some(known) => known.count += finding.count,
                None => self.findings.push(finding),
            }
        }
    }

    /// The first findings, a sentence each.
    fn in_sentences(self, module: &Module, kernel: &Kernel, checks: &Checks) -> Vec<String> {
        let sentence = |finding: Diagnostic| {
            let place = match (&finding.origin, finding.labels.first()) {
                (Some(origin), _) => format!("{}:{}", origin.path, origin.line),
                (None, Some(label)) => {
                    let before = module.source().text.get(..label.span.start).unwrap_or_default();
                    format!("line {} of the PTX", before.matches('\n').count() + 1)
                }
                (None, None) => return finding.into_contents().message,
            };
            format!("{} ({place})", finding.message)
        };
        self.told(module, kernel, checks).findings.into_iter().take(SENTENCES).map(sentence).collect()
    }

    fn told(mut self, module: &Module, kernel: &Kernel, checks: &Checks) -> Checked {
        self.findings.sort_by_key(|finding| finding.pc);
        let file = |index| module.file(index).map(str::to_owned);
        let findings = self.findings.into_iter();
        let findings =
            findings.map(|finding| finding.into_diagnostic(&kernel.program, module.source(), file)).collect();
        let shadow = checks.global.lock().unwrap_or_else(PoisonError::into_inner);
        Checked { findings, accesses: self.accesses, incomplete: shadow.incomplete, copies: shadow.copies }
    }
}

struct Printer {
    next: u64,
    waiting: BTreeMap<u64, String>,
}

impl Printer {
    fn finished(&mut self, block: u64, text: String, print: &(dyn Fn(&str) + Sync)) {
        self.waiting.insert(block, text);
        while let Some(text) = self.waiting.remove(&self.next) {
            if !text.is_empty() {
                print(&text);
            }
            self.next += 1;
        }
    }
}

fn work(
    environment: &Environment<'_>,
    geometry: &Geometry,
    queue: &Mutex<Queue>,
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
            Ok(paused) => paused,
            Err(index) => Paused { cluster: Cluster::new(environment, geometry, index), waits: None },
        };
        let (index, before) = (cluster.index, cluster.executed());
        let mut outcome = cluster.run(environment, CLUSTER_TURN);
        // Its blocks all wait for each other only within `run`.
        if let Ok(Progress::Paused | Progress::Waiting { .. }) = outcome {
            let executed = cluster.executed() - before;
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
                for mut block in cluster.into_blocks() {
                    let mut queue = locked(queue);
                    queue.stats.warp_instructions += block.executed();
                    let dynamic = u64::from(environment.program.dynamic_shared_offset);
                    let touched = block.memory.shared_touched.saturating_sub(dynamic) as u32;
                    queue.stats.shared_touched = queue.stats.shared_touched.max(touched);
                    queue.repaired.append(&mut block.memory.repaired);
                    if let Some(sanitizer) = block.memory.sanitizer.take() {
                        queue.checked.add(*sanitizer);
                    }
                    if let Some(observer) = block.memory.observer.take() {
                        if observer.is_alone() {
                            queue.next = queue.total;
                            queue.forget_paused();
                        }
                        match (*observer, &mut queue.observed) {
                            (Observer::Counters(counting), _) => locked(&environment.counters).push(counting),
                            (observer, Some(all)) => all.join(observer),
                            (observer, none) => *none = Some(observer),
                        }
                    }
                    drop(queue);
                    let text = std::mem::take(&mut block.memory.printed);
                    locked(printer).finished(block.shape.linear_index, text, print);
                }
            }
            Err(fault) => {
                let mut printed = Vec::new();
                let mut queue = locked(queue);
                for mut block in cluster.into_blocks() {
                    if let Some(sanitizer) = block.memory.sanitizer.take() {
                        queue.checked.add(*sanitizer);
                    }
                    printed.push(block.memory.printed);
                }
                let stuck = matches!(fault.kind, FaultKind::Spinning { .. });
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
                        fault.kind = FaultKind::Cancelled;
                    }
                }
                drop(queue);
                // What was printed before the fault helps to find it.
                for text in printed.iter().filter(|text| !text.is_empty()) {
                    print(text);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Launches a kernel that never ends by itself, and cancels it once it has stored to its parameter.
    fn cancel_while_running(body: &str, grid: [u32; 3], threads: u32) {
        let text = format!(
            ".version 8.4\n.target sm_80\n.address_size 64\n.visible .entry k(.param .u64 flag)\n{{\n\
             .reg .pred %p<4>; .reg .b32 %r<8>; .reg .b64 %rd<4>;\n\
             ld.param.u64 %rd1, [flag]; mov.u32 %r1, 1;\n{body}\nret;\n}}\n"
        );
        let module = Module::load(&text).unwrap_or_else(|error| panic!("{}", error.to_plain()));
        let kernel = module.kernel("k").expect("the entry");
        let mut memory = GlobalMemory::default();
        let flag = memory.allocate("flag", 4).expect("memory");
        let config = LaunchConfig {
            grid,
            block: [threads, 1, 1],
            cluster: [1; 3],
            shared: 0,
            parameters: vec![flag.to_le_bytes().to_vec()],
            globals: Vec::new(),
            capability: 80,
            arithmetic: Arithmetic::Exact,
            check: false,
            seed: 0,
            observe: None,
            unwritten: Vec::new(),
            limit: None,
        };
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let running = scope.spawn(|| launch(&module, kernel, &config, &memory, &stop, &|_| {}));
            let mut seen = [0; 4];
            while seen == [0; 4] && !running.is_finished() {
                std::thread::yield_now();
                assert!(memory.read(flag, &mut seen));
            }
            stop.store(true, Ordering::Relaxed);
            let fault = running.join().expect("no panic").expect_err("the kernel does not end by itself");
            assert!(matches!(fault.kind, FaultKind::Cancelled), "{fault:?}");
        });
    }

    /// Blocks that count themselves, and wait until all have.
    fn meet(blocks: u32) -> Result<Stats, Box<Fault>> {
        let text = ".version 8.4\n.target sm_75\n.address_size 64\n.visible .entry k(.param .u64 count)\n{\n\
                    .reg .pred %p<4>; .reg .b32 %r<8>; .reg .b64 %rd<4>;\n\
                    ld.param.u64 %rd1, [count]; mov.u32 %r1, %nctaid.x; mov.u32 %r4, %tid.x;\n\
                    setp.ne.u32 %p1, %r4, 0; @%p1 bra end;\n\
                    atom.global.add.u32 %r2, [%rd1], 1;\n\
                    wait: atom.global.add.u32 %r3, [%rd1], 0; setp.lt.u32 %p2, %r3, %r1; @%p2 bra wait;\n\
                    end: ret;\n}\n";
        let module = Module::load(text).unwrap_or_else(|error| panic!("{}", error.to_plain()));
        let kernel = module.kernel("k").expect("the entry");
        let mut memory = GlobalMemory::default();
        let count = memory.allocate("count", 4).expect("memory");
        let config = LaunchConfig {
            grid: [blocks, 1, 1],
            block: [32, 1, 1],
            cluster: [1; 3],
            shared: 0,
            parameters: vec![count.to_le_bytes().to_vec()],
            globals: Vec::new(),
            capability: 75,
            arithmetic: Arithmetic::Exact,
            check: false,
            seed: 0,
            observe: None,
            unwritten: Vec::new(),
            limit: None,
        };
        launch(&module, kernel, &config, &memory, &AtomicBool::new(false), &|_| {})
    }

    #[test]
    fn as_many_blocks_as_the_gpu_holds_wait_for_each_other() {
        let stats = meet(640).expect("a T4 holds 16 blocks on each of 40 multiprocessors");
        assert!(stats.warp_instructions > 640 * 8);
    }

    #[test]
    fn one_block_more_is_a_deadlock_that_is_told() {
        let fault = meet(641).expect_err("one block never starts");
        assert_eq!(fault.kind, FaultKind::Spinning { running: 640, waiting: 1, gpu: "T4" });
        let told = fault.into_diagnostic(&warpbook_diagnostic::Source::new("ptx", "")).to_plain();
        assert!(told.contains("deadlock: all 640 blocks that run wait for a change of global memory"), "{told}");
        assert!(told.contains("one T4 runs 640 of the 641 blocks at once"), "{told}");
    }

    #[test]
    fn an_endless_loop_is_cancelled() {
        cancel_while_running("loop: st.global.u32 [%rd1], %r1; bra.uni loop;", [1; 3], 32);
    }

    #[test]
    fn a_loop_of_one_warp_is_cancelled_while_the_others_wait() {
        let body = "mov.u32 %r2, %tid.x; setp.ge.u32 %p1, %r2, 32; @%p1 bra meet;\n\
                    loop: st.global.u32 [%rd1], %r1; bra.uni loop;\nmeet: bar.sync 0;";
        cancel_while_running(body, [4, 1, 1], 128);
    }

    #[test]
    fn an_endless_loop_of_barriers_is_cancelled() {
        cancel_while_running("loop: bar.sync 0; st.global.u32 [%rd1], %r1; bra.uni loop;", [64, 1, 1], 256);
    }

    #[test]
    fn a_grid_of_very_many_short_blocks_is_cancelled() {
        cancel_while_running("st.global.u32 [%rd1], %r1;", [0x7fff_ffff, 60_000, 60_000], 32);
    }

    #[test]
    fn a_loop_that_counts_while_it_waits_is_cancelled() {
        let body = "st.global.u32 [%rd1], %r1;\nwait: add.u32 %r3, %r3, 1; ld.volatile.global.u32 %r2, [%rd1];\n\
                    setp.ne.u32 %p1, %r2, 7; @%p1 bra wait;";
        cancel_while_running(body, [1000, 1, 1], 64);
    }
}
