//! A grid: its blocks on all cores.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use super::arithmetic::tensor::Architecture;
use super::block::{Environment, Progress};
use super::cluster::{self, Cluster};
use super::fault::{Fault, FaultKind};
use super::memory::GlobalMemory;
use super::observe::{Observe, Observed, Observer};
use super::sanitizer::{Checks, Finding, Sanitizer};
use super::{Kernel, Module};
use crate::diagnostic::Diagnostic;

/// Warp instructions that a cluster executes before another gets its turn.
const CLUSTER_TURN: u64 = 1 << 22;
/// Paused blocks for each core; further blocks wait, as on a GPU whose multiprocessors are full.
const RESIDENT_PER_WORKER: usize = 16;

/// Whose bits the results have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Arithmetic {
    /// Those of the emulated architecture.
    #[default]
    Exact,
    /// Tensor cores in plain f32 arithmetic of the host.
    Fast,
}

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
    let checks = config.check.then(|| Checks::new(&kernel.program));
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
        source: module.source(),
        seed: config.seed,
    };
    let total = cluster::count(config);
    // Blocks that cannot wait for each other need not run before the one that is of interest.
    let next = match config.observe.as_ref().and_then(Observe::block) {
        Some(block) if !kernel.program.orders_blocks() => cluster::of_block(config, block).unwrap_or(total),
        _ => 0,
    };
    let queue = Mutex::new(Queue {
        next,
        total,
        paused: VecDeque::new(),
        failure: None,
        stats: Stats::default(),
        checked: Collected::default(),
        observed: None,
    });
    let printer = Mutex::new(Printer { next: 0, waiting: BTreeMap::new() });
    // A checked or observed launch runs its clusters one after the other: the same report from run to run.
    let cores = if config.check || config.observe.is_some() {
        1
    } else {
        std::thread::available_parallelism().map_or(1, usize::from)
    };
    let workers = cores.min(total.max(1) as usize);
    std::thread::scope(|scope| {
        for _ in 1..workers {
            scope.spawn(|| work(&environment, config, &queue, &printer, workers, print));
        }
        work(&environment, config, &queue, &printer, workers, print);
    });
    let queue = queue.into_inner().unwrap_or_else(PoisonError::into_inner);
    match queue.failure {
        Some((_, mut fault)) => {
            if let Some((file, ..)) = &mut fault.source
                && let Some(name) = file.parse().ok().and_then(|index| module.file(index))
            {
                *file = name.to_owned();
            }
            if let Some(checks) = checks {
                fault.before = queue.checked.in_sentences(module, kernel, &checks);
            }
            Err(fault)
        }
        None => {
            let checked = checks.map(|checks| queue.checked.told(module, kernel, &checks));
            let observed = queue.observed.map(|observer| observer.told(module, &kernel.program));
            Ok(Stats { checked, observed, ..queue.stats })
        }
    }
}

struct Queue {
    next: u64,
    total: u64,
    paused: VecDeque<Cluster>,
    /// The fault of the lowest cluster, so that the report is the same from run to run where it can be.
    failure: Option<(u64, Box<Fault>)>,
    stats: Stats,
    checked: Collected,
    observed: Option<Box<Observer>>,
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
                (None, None) => return finding.message,
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

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn work(
    environment: &Environment<'_>,
    config: &LaunchConfig,
    queue: &Mutex<Queue>,
    printer: &Mutex<Printer>,
    workers: usize,
    print: &(dyn Fn(&str) + Sync),
) {
    let ranks: u32 = config.cluster.iter().map(|extent| extent.max(&1)).product();
    let resident = (RESIDENT_PER_WORKER / ranks as usize).max(1);
    loop {
        let mut cluster = {
            let mut queue = locked(queue);
            let full = queue.paused.len() >= resident * workers;
            // After a fault only earlier clusters go on, to find the first fault.
            let limit = queue.failure.as_ref().map_or(queue.total, |(failed, _)| *failed);
            if queue.next < limit && !full {
                let index = queue.next;
                queue.next += 1;
                drop(queue);
                Cluster::new(environment, config, index)
            } else if let Some(cluster) = queue.paused.pop_front() {
                if cluster.index >= limit {
                    continue;
                }
                cluster
            } else {
                return;
            }
        };
        let index = cluster.index;
        match cluster.run(environment, CLUSTER_TURN) {
            // Its blocks all wait only within `run`.
            Ok(Progress::Paused | Progress::Waiting { .. }) => locked(queue).paused.push_back(cluster),
            Ok(Progress::Done) => {
                for mut block in cluster.into_blocks() {
                    let mut queue = locked(queue);
                    queue.stats.warp_instructions += block.executed();
                    let dynamic = u64::from(environment.program.dynamic_shared_offset);
                    let touched = block.memory.shared_touched.saturating_sub(dynamic) as u32;
                    queue.stats.shared_touched = queue.stats.shared_touched.max(touched);
                    if let Some(sanitizer) = block.memory.sanitizer.take() {
                        queue.checked.add(*sanitizer);
                    }
                    if let Some(observer) = block.memory.observer.take() {
                        if observer.is_alone() {
                            queue.next = queue.total;
                            queue.paused.clear();
                        }
                        match &mut queue.observed {
                            Some(all) => all.join(*observer),
                            none => *none = Some(observer),
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
                let first = queue.failure.as_ref().is_none_or(|(failed, _)| index < *failed);
                if first {
                    queue.failure = Some((index, fault));
                }
                if environment.stop.load(Ordering::Relaxed) {
                    queue.next = queue.total;
                    queue.paused.clear();
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
    fn lanes_that_wait_for_each_other_across_blocks_are_cancelled() {
        let body = "st.global.u32 [%rd1], %r1;\nwait: ld.volatile.global.u32 %r2, [%rd1];\n\
                    setp.ne.u32 %p1, %r2, 7; @%p1 bra wait;";
        cancel_while_running(body, [1000, 1, 1], 64);
    }
}
