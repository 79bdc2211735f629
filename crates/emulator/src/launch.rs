//! A launch: its configuration, and what it reports.

use std::ops::Range;
use std::sync::atomic::AtomicBool;

use crate::arithmetic::product::Architecture;
use crate::fault::Failure;
use crate::instrument::NoInstrument;
use crate::instrument::all::Wanted;
use crate::instrument::counters::{CountedBlocks, Counting};
use crate::instrument::instructions::Instructions;
use crate::instrument::observe::{Observe, Observed};
use crate::instrument::sanitizer::Checks;
use crate::instrument::sanitizer::finding::Finding;
use crate::module::{Kernel, Module};
use crate::run::grid;
use crate::run::grid::{Plan, Totals};
use crate::state::environment::{Arithmetic, Environment};
use crate::state::heap::Heap;
use crate::state::memory::GlobalMemory;
use crate::state::shape::Geometry;
use warpbook_diagnostic::Diagnostic;
use warpbook_gpu::GpuLimits;

/// Findings that are reported beside a fault.
const SENTENCES: usize = 3;

/// Geometry and arguments of a launch.
#[derive(Clone, Debug)]
pub struct LaunchConfig {
    /// Blocks of the grid, along each axis.
    pub grid: [u32; 3],
    /// Threads of a block, along each axis.
    pub block: [u32; 3],
    /// Blocks of a cluster, along each axis; the grid has to be a multiple of it.
    pub cluster: [u32; 3],
    /// Bytes of dynamic shared memory of each block.
    pub shared: u32,
    /// The value of each parameter, as wide as the parameter.
    pub parameters: Vec<Vec<u8>>,
    /// Addresses of [`Module::variables`], in order.
    pub globals: Vec<u64>,
    /// The compute capability that is emulated: 80 for 8.0.
    pub capability: u32,
    /// Whose bits the results have.
    pub arithmetic: Arithmetic,
    /// True if races, missing waits and fences, and reads of what nothing wrote are looked for.
    pub check: bool,
    /// Chooses the order of warps and when copies land. With 0, warps take turns by their number, and copies land as late as
    /// they may.
    pub seed: u64,
    /// What is observed; `None` for nothing.
    pub observe: Option<Observe>,
    /// Ranges of global memory (address, length) that nothing has written yet, for a checked launch.
    pub unwritten: Vec<(u64, u64)>,
    /// Warp instructions of one block after which the launch is given up; `None` for no limit.
    pub limit: Option<u64>,
}

impl Default for LaunchConfig {
    /// One block of one thread on compute capability 8.0, exact, without parameters, checks or a limit.
    fn default() -> Self {
        Self {
            grid: [1; 3],
            block: [1; 3],
            cluster: [1; 3],
            shared: 0,
            parameters: Vec::new(),
            globals: Vec::new(),
            capability: 80,
            arithmetic: Arithmetic::Exact,
            check: false,
            seed: 0,
            observe: None,
            unwritten: Vec::new(),
            limit: None,
        }
    }
}

/// What the checks of a launch have found.
#[derive(Clone, Debug, Default)]
pub struct CheckReport {
    /// What was found, in the order of the instructions.
    pub findings: Vec<Diagnostic>,
    /// Number of accesses that were checked.
    pub accesses: u64,
    /// True if the launch touched more global memory than the checks watch.
    pub incomplete: bool,
    /// Accesses out of order that are no races: of several warps that hold copies of a tensor, one has stored.
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
    /// What the checks have found, in a checked launch.
    pub checked: Option<CheckReport>,
    /// What was observed, in a launch that is observed.
    pub observed: Option<Observed>,
}

/// Runs a grid to its end. `stop` cancels it: it is looked at between the turns of warps. `print` gets what the kernel
/// prints, in the order of the blocks.
///
/// # Errors
///
/// The fault of the block that comes first in the grid, or why the launch ended before the kernel did.
pub fn launch(
    module: &Module,
    kernel: &Kernel,
    config: &LaunchConfig,
    memory: &GlobalMemory,
    stop: &AtomicBool,
    print: &(dyn Fn(&str) + Sync),
) -> Result<Stats, Box<Failure>> {
    let mut parameters = Vec::new();
    for (&(offset, size), value) in kernel.parameters.iter().zip(&config.parameters) {
        parameters.resize(offset as usize, 0);
        parameters.extend_from_slice(value);
        parameters.resize((offset + size) as usize, 0);
    }
    let program = &kernel.program;
    let environment = &Environment {
        program,
        memory,
        parameters: &parameters,
        globals: &config.globals,
        architecture: Architecture::from_capability(config.capability),
        arithmetic: config.arithmetic,
        heap: &Heap::new(memory, config.globals.last().copied().filter(|_| module.has_heap())),
        stop,
        source: module.source(),
        seed: config.seed,
        limit: config.limit.unwrap_or(u64::MAX),
    };
    let geometry =
        Geometry { grid: config.grid, block: config.block, cluster: config.cluster, dynamic_shared: config.shared };
    // Blocks that cannot wait for each other need not run before the one that is of interest.
    let first = match config.observe.as_ref().and_then(Observe::block) {
        Some(block) if !program.orders_blocks() => geometry.cluster_of(block).unwrap_or(geometry.clusters()),
        _ => 0,
    };
    // Counts of blocks that do not meet are the same in any order.
    let in_order = match &config.observe {
        _ if config.check => true,
        Some(Observe::Counters { in_order }) => *in_order && program.orders_blocks(),
        Some(_) => true,
        None => false,
    };
    let gpu = GpuLimits::for_capability(config.capability);
    let shared = kernel.static_shared() + config.shared;
    let resident = gpu.resident_blocks(config.block.iter().product(), shared) / geometry.ranks() as usize;
    let plan = &Plan { environment, geometry, first, resident, gpu: gpu.example, in_order };
    let located = |failure: Box<Failure>| failure.with_files(|index| module.file(index));
    match config.observe {
        _ if config.check => {}
        None => return Ok(stats(kernel, grid::run(plan, &NoInstrument, print).map_err(located)?)),
        Some(Observe::Counters { .. }) => {
            let counted = CountedBlocks::default();
            let totals = grid::run(plan, &counted, print).map_err(located)?;
            let report =
                |counting: Counting| Observed::Counters(counting.into_report(&Instructions::new(module, program)));
            return Ok(Stats { observed: counted.take().map(report), ..stats(kernel, totals) });
        }
        Some(_) => {}
    }
    let checks = config.check.then(|| Checks::new(program, memory, &config.unwritten));
    let wanted = Wanted::new(checks, config.observe.as_ref());
    match grid::run(plan, &&wanted, print) {
        Ok(totals) => {
            let checked = wanted.take_findings().map(|found| checked(module, kernel, found));
            let observed = wanted.take_observed(program, &Instructions::new(module, program));
            Ok(Stats { checked, observed, ..stats(kernel, totals) })
        }
        Err(fault) => {
            let mut fault = located(fault);
            if let Some(found) = wanted.take_findings() {
                fault.before = sentences(module, checked(module, kernel, found));
            }
            Err(fault)
        }
    }
}

fn stats(kernel: &Kernel, totals: Totals) -> Stats {
    let Totals { warp_instructions, shared_touched, repaired } = totals;
    let span = |pc: u32| kernel.program.spans.get(pc as usize).cloned();
    let repaired = repaired.into_iter().filter_map(span).collect();
    Stats { warp_instructions, shared_touched, repaired, checked: None, observed: None }
}

/// The report of the checks.
fn checked(
    module: &Module,
    kernel: &Kernel,
    (checks, mut findings, accesses): (&Checks<'_>, Vec<Finding>, u64),
) -> CheckReport {
    findings.sort_by_key(|finding| finding.pc);
    let file = |index| module.file(index).map(str::to_owned);
    let findings =
        findings.into_iter().map(|finding| finding.into_diagnostic(&kernel.program, module.source(), file)).collect();
    let (incomplete, copies) = checks.coverage();
    CheckReport { findings, accesses, incomplete, copies }
}

/// The first findings, a sentence each.
fn sentences(module: &Module, checked: CheckReport) -> Vec<String> {
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
    checked.findings.into_iter().take(SENTENCES).map(sentence).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::{Cause, Fault};
    use std::sync::atomic::Ordering;

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
            parameters: vec![flag.to_le_bytes().to_vec()],
            ..LaunchConfig::default()
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
            assert!(matches!(fault.cause, Cause::Cancelled(_)), "{fault:?}");
        });
    }

    /// Blocks that count themselves, and wait until all have.
    fn meet(blocks: u32) -> Result<Stats, Box<Failure>> {
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
            parameters: vec![count.to_le_bytes().to_vec()],
            capability: 75,
            ..LaunchConfig::default()
        };
        launch(&module, kernel, &config, &memory, &AtomicBool::new(false), &|_| {})
    }

    #[test]
    fn as_many_blocks_as_the_gpu_holds_wait_for_each_other() {
        let stats = meet(640).expect("a T4 holds 16 blocks on each of 40 multiprocessors");
        assert!(stats.warp_instructions > 640 * 8);
    }

    #[test]
    fn one_block_more_is_a_deadlock_that_is_reported() {
        let fault = meet(641).expect_err("one block never starts");
        assert_eq!(fault.cause, Fault::Spinning { running: 640, waiting: 1, gpu: "T4" }.into());
        let text = fault.into_diagnostic(&warpbook_diagnostic::Source::new("ptx", "")).to_plain();
        assert!(text.contains("deadlock: all 640 blocks that run wait for a change of global memory"), "{text}");
        assert!(text.contains("one T4 runs 640 of the 641 blocks at once"), "{text}");
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
