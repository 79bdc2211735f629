//! Small kernels whose counters are worked out by hand.

use std::sync::atomic::AtomicBool;
use warpbook_ptx::isa::{Class, Mnemonic};

use super::observe::{Observe, Observed, *};
use super::timeline::Activity;
use crate::{GlobalMemory, LaunchConfig, Module, launch};

/// Runs a kernel with one buffer of 64 KiB, and gives what was observed.
pub(crate) fn observed(body: &str, observe: &Observe, grid: u32, threads: u32) -> Observed {
    let text = format!(
        ".version 8.4\n.target sm_90a\n.address_size 64\n.extern .shared .align 128 .b8 smem[];\n\
         .visible .entry k(.param .u64 x)\n{{\n\
         .reg .pred %p<8>; .reg .b32 %r<32>; .reg .f32 %f<16>; .reg .b64 %rd<16>;\n\
         ld.param.u64 %rd1, [x]; mov.u32 %r1, %tid.x; mov.u32 %r31, smem;\n{body}\nret;\n}}\n"
    );
    let module = Module::load(&text).unwrap_or_else(|error| panic!("{}", error.to_plain()));
    let kernel = module.kernel("k").expect("the entry");
    let mut memory = GlobalMemory::default();
    let x = memory.allocate("x", 1 << 16).expect("memory");
    let config = LaunchConfig {
        grid: [grid, 1, 1],
        block: [threads, 1, 1],
        shared: 32 << 10,
        parameters: vec![x.to_le_bytes().to_vec()],
        capability: 90,
        observe: Some(observe.clone()),
        ..LaunchConfig::default()
    };
    let stats = launch(&module, kernel, &config, &memory, &AtomicBool::new(false), &|_| {});
    let stats = stats.unwrap_or_else(|fault| panic!("{}", fault.into_diagnostic(module.source()).to_plain()));
    stats.observed.expect("what was observed")
}

fn counters(body: &str, grid: u32, threads: u32) -> Counters {
    match observed(body, &Observe::Counters { in_order: true }, grid, threads) {
        Observed::Counters(counters) => counters,
        other => panic!("{other:?}"),
    }
}

/// Counts of the only instruction whose opcode begins so.
fn of(counters: &Counters, opcode: &str) -> Counts {
    let mut found = counters.instructions.iter().filter(|counted| counted.line.opcode.to_string().starts_with(opcode));
    let first = found.next().expect("an instruction").counts.clone();
    assert!(found.next().is_none(), "more than one {opcode}");
    first
}

/// A load of a word by each thread, from byte `stride`·thread.
fn strided(instruction: &str, stride: u32) -> String {
    format!("mul.wide.u32 %rd2, %r1, {stride}; add.s64 %rd3, %rd1, %rd2;\n{instruction}")
}

#[test]
fn coalesced_and_strided_loads() {
    let one = counters(&strided("ld.global.b32 %r2, [%rd3];", 4), 1, 64);
    let load = of(&one, "ld.global");
    assert_eq!((load.executed, load.lanes, load.lanes_on), (2, 64, 64));
    assert_eq!(load.global, Global { requests: 2, sectors: 8, least_sectors: 8, bytes: 256 });
    let one = counters(&strided("ld.global.b32 %r2, [%rd3];", 128), 3, 32);
    assert_eq!(of(&one, "ld.global").global, Global { requests: 3, sectors: 96, least_sectors: 12, bytes: 384 });
    assert_eq!((one.blocks, one.warps), (3, 3));
    let [traffic] = &one.buffers[..] else { panic!("{:?}", one.buffers) };
    assert_eq!((traffic.buffer.as_str(), traffic.loaded, traffic.stored), ("x", 384, 0));
    let one = counters(&strided("ld.global.v4.b32 {%r2, %r3, %r4, %r5}, [%rd3];", 16), 1, 32);
    assert_eq!(of(&one, "ld.global").global, Global { requests: 1, sectors: 16, least_sectors: 16, bytes: 512 });
}

#[test]
fn shared_conflicts() {
    for (stride, ways) in [(4, 1), (8, 2), (128, 32), (0, 1)] {
        let body = format!("mad.lo.u32 %r2, %r1, {stride}, %r31; st.shared.b32 [%r2], %r1;");
        let shared = of(&counters(&body, 1, 32), "st.shared").shared;
        let found = (shared.requests, shared.wavefronts, shared.conflicts(), shared.worst.ways);
        assert_eq!(found, (1, ways, ways - 1, ways as u32), "{stride}");
        assert_eq!(shared.bytes, 128);
    }
    // Rows of 128 bytes: the eight rows of a matrix lie in the same four banks.
    let rows = |pitch: u32| {
        let body = format!(
            "and.b32 %r2, %r1, 15; mad.lo.u32 %r2, %r2, {pitch}, %r31;\n\
             ldmatrix.sync.aligned.m8n8.x4.shared.b16 {{%r3, %r4, %r5, %r6}}, [%r2];"
        );
        let shared = of(&counters(&body, 1, 32), "ldmatrix").shared;
        (shared.requests, shared.wavefronts, shared.least_wavefronts, shared.worst.ways)
    };
    assert_eq!(rows(128), (1, 32, 4, 8));
    assert_eq!(rows(144), (1, 4, 4, 1));
}

#[test]
fn predicates_and_divergence() {
    let body = "setp.lt.u32 %p1, %r1, 8; @%p1 bra there; add.s32 %r2, %r1, 1;\nthere: @%p1 st.global.b32 [%rd1], %r1;\n\
                setp.lt.u32 %p2, %r1, 99; @%p2 bra out; trap;\nout:";
    let one = counters(body, 1, 32);
    let branches = one.total(|counted| counted.line.opcode.mnemonic() == Some(Mnemonic::Bra));
    assert_eq!((branches.executed, branches.divergent), (2, 1));
    let add = of(&one, "add.s32");
    assert_eq!((add.executed, add.lanes, add.lanes_on), (1, 24, 24));
    let store = of(&one, "st.global");
    assert_eq!((store.executed, store.lanes, store.lanes_on), (1, 32, 8));
    assert_eq!(store.global, Global { requests: 1, sectors: 1, least_sectors: 1, bytes: 32 });
    assert_eq!(of(&one, "trap").executed, 0);
}

#[test]
fn barriers_and_tensor_operations() {
    let body = "mov.b32 %r2, 0; bar.sync 0;\n\
        mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%r4, %r5, %r6, %r7}, {%r2, %r2, %r2, %r2}, {%r2, %r2}, \
        {%r2, %r2, %r2, %r2};\nbar.sync 0; fma.rn.f32 %f1, %f1, %f1, %f1;";
    let one = counters(body, 2, 128);
    assert_eq!(one.total(|counted| counted.class == Class::Barrier).executed, 2 * 2 * 4);
    assert_eq!(of(&one, "mma").tensor_operations, 2 * 4 * 2 * 16 * 8 * 16);
    let operations: u64 = one.instructions.iter().map(|counted| counted.operations).sum();
    assert_eq!(operations, 2 * 2 * 128);
}

#[test]
fn copies_and_phases() {
    let body = "setp.ne.u32 %p1, %r1, 0; @%p1 bra wait;\n\
        mbarrier.init.shared.b64 [%r31], 1; add.u32 %r3, %r31, 128;\n\
        mbarrier.arrive.expect_tx.shared.b64 %rd4, [%r31], 1024;\n\
        cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%r3], [%rd1], 1024, [%r31];\n\
        wait: bar.sync 0;\n\
        again: mbarrier.try_wait.parity.shared.b64 %p2, [%r31], 0; @!%p2 bra again;\n\
        mul.wide.u32 %rd5, %r1, 16; add.s64 %rd6, %rd1, %rd5; mad.lo.u32 %r5, %r1, 16, %r31;\n\
        cp.async.cg.shared.global [%r5+2048], [%rd6], 16; cp.async.commit_group; cp.async.wait_group 0;";
    let one = counters(body, 1, 64);
    assert_eq!(of(&one, "cp.async.bulk").bulk_bytes, 1024);
    let [traffic] = &one.buffers[..] else { panic!("{:?}", one.buffers) };
    assert_eq!((traffic.bulk_loaded, traffic.loaded), (1024, 1024));
    let copies = of(&one, "cp.async.cg");
    assert_eq!((copies.global.sectors, copies.shared.wavefronts, copies.shared.conflicts()), (32, 8, 0));
    // It lands when both warps wait: each finds the phase not ended at least once, and ended once.
    let waits = of(&one, "mbarrier.try_wait");
    assert!(waits.failed_tests >= 2 && waits.tests - waits.failed_tests == 2, "{waits:?}");
}

#[test]
fn two_runs_are_identical() {
    let body = "atom.global.add.u32 %r2, [%rd1], 1; rem.u32 %r3, %r2, 7; mad.lo.u32 %r4, %r3, 64, %r31;\n\
                loop: st.shared.b32 [%r4], %r2; add.u32 %r3, %r3, 1; setp.lt.u32 %p1, %r3, 7; @%p1 bra loop;";
    let first = counters(body, 40, 96);
    assert_eq!(first, counters(body, 40, 96));
    assert!(first.total(|_| true).divergent > 0);
}

fn timeline(body: &str, threads: u32) -> Timeline {
    match observed(body, &Observe::Timeline { block: [1, 0, 0] }, 3, threads) {
        Observed::Timeline(timeline) => timeline,
        other => panic!("{other:?}"),
    }
}

fn activities(warp: &WarpTimeline) -> Vec<(Activity, u32, u32)> {
    warp.intervals.iter().map(|interval| (interval.activity, interval.from, interval.to)).collect()
}

#[test]
fn a_warp_waits_at_a_barrier_for_the_other() {
    // Three instructions before; then the second warp has five more to do.
    let body = "setp.lt.u32 %p1, %r1, 32; @%p1 bra meet; add.u32 %r2, %r2, 1; add.u32 %r2, %r2, 1;\n\
                add.u32 %r2, %r2, 1;\nmeet: bar.sync 0; st.global.b32 [%rd1], %r1; st.shared.b32 [%r31], %r1;";
    let one = timeline(body, 64);
    use Activity::{Barrier, Compute, Global, Shared};
    // Steps 0 to 4, the barrier in step 5, which the other reaches in step 8.
    let first = [(Compute, 0, 6), (Barrier, 6, 9), (Global, 9, 10), (Shared, 10, 11), (Compute, 11, 12)];
    let second = [(Compute, 0, 9), (Global, 9, 10), (Shared, 10, 11), (Compute, 11, 12)];
    assert_eq!(one.warps.iter().map(activities).collect::<Vec<_>>(), [first.to_vec(), second.to_vec()]);
    let [(line, Barrier, 3)] = &one.waits[..] else { panic!("{:?}", one.waits) };
    assert_eq!(line.text, "bar.sync 0;");
}

#[test]
fn copies_are_under_way_while_warps_wait_for_their_phase() {
    let body = "setp.ne.u32 %p1, %r1, 0; @%p1 bra wait;\n\
        mbarrier.init.shared.b64 [%r31], 1; add.u32 %r3, %r31, 128;\n\
        mbarrier.arrive.expect_tx.shared.b64 %rd4, [%r31], 1024;\n\
        cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%r3], [%rd1], 1024, [%r31];\n\
        wait: bar.sync 0;\n\
        again: mbarrier.try_wait.parity.shared.b64 %p2, [%r31], 0; @!%p2 bra again; st.shared.b32 [%r31+256], %r1;";
    let one = timeline(body, 96);
    assert_eq!(one.warps.len(), 3);
    for warp in &one.warps {
        assert!(warp.steps(Activity::Mbarrier) > 0, "{warp:?}");
        let copied = warp.intervals.iter().find(|interval| interval.activity == Activity::Shared).expect("a store");
        // It landed after all had tested in vain, and before they go on.
        let (issued, landed) = one.warps[0].copies[0];
        assert!(issued < landed && landed <= copied.from, "{one:?}");
    }
    assert_eq!(one.warps[0].steps(Activity::Bulk), 1);
    assert_eq!(one, timeline(body, 96));
}
