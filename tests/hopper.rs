//! Whole kernels for sm_90 on the emulator: `wgmma` with and without tensor maps, from host and device descriptors, A
//! from shared memory and from registers; compiled by the real Triton when the test runs.

use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

use warpbook::frontend::Nobody;
use warpbook::session::Session;
use warpbook_process::cancel::Cancel;
use warpbook_test_support::environment::{GLUON_TRITON, has_triton};
use warpbook_test_support::kernels::{self, ATTENTION};
use warpbook_test_support::notebook::{check_report, next_cell, run};

use crate::mutations::{Outcome, Table, judge, mutants};

/// A kernel of the GPU campaign: one source for both.
fn kernel(name: &str) -> &'static str {
    kernels::named(include_str!("../benches/gpu/kernels.py"), name)
}

fn session() -> Session {
    warpbook_test_support::notebook::session("sm_90")
}

#[test]
#[ignore = "heavy: `cargo xtask test full`"]
fn matmuls_of_every_type_with_and_without_tensor_maps() {
    let mut session = session();
    // Operands are rounded to 11, 8, 11 (TF32) and 4 bits; sums of 256 products of such numbers, about 16 in size.
    let types = [
        ("f16", "f16", 64, "ieee", 5e-2),
        ("bf16", "bf16", 64, "ieee", 5e-1),
        ("f32", "f32", 32, "tf32", 1e-1),
        ("e4m3", "f16", 64, "ieee", 1e-1),
    ];
    for (inputs, output, k, precision, absolute) in types {
        run(
            &mut session,
            &format!(
                "%buf a = randn(256, 256, dtype={inputs}, seed=1)\n%buf b = randn(256, 256, dtype={inputs}, seed=2)"
            ),
        );
        let check = format!("%check c == a.to(f64) @ b.to(f64), rtol=1e-2, atol={absolute}");
        let constants = format!("BM=128, BN=128, BK={k}, PRECISION='{precision}', num_warps=8");
        run(&mut session, &format!("%buf c = zeros(256, 256, dtype={output})"));
        let matmul = kernel("MATMUL");
        run(&mut session, &format!("%%triton matmul[4](a, b, c, 256, 256, 256, {constants}, GROUP=8)\n{matmul}"));
        run(&mut session, &check);
        run(&mut session, &format!("%buf d = c\n%buf c = zeros(256, 256, dtype={output})"));
        let matmul = kernel("MATMUL_TMA");
        let call = format!("tma(a, [128, {k}]), tma(b, [{k}, 128]), tma(c, [128, 128]), 256, {constants}");
        run(&mut session, &format!("%%triton matmul_tma[2, 2]({call})\n{matmul}"));
        run(&mut session, &check);
        // Both add the same products in the same order.
        run(&mut session, "%check c == d, rtol=0, atol=0");
    }
}

const DEVICE_DESCRIPTORS: &str = "@triton.jit
def matmul(a_ptr, b_ptr, c_ptr, M, N, K, BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr):
    a = tl.make_tensor_descriptor(a_ptr, [M, K], [K, 1], [BM, BK])
    b = tl.make_tensor_descriptor(b_ptr, [K, N], [N, 1], [BK, BN])
    c = tl.make_tensor_descriptor(c_ptr, [M, N], [N, 1], [BM, BN])
    row, column = tl.program_id(0) * BM, tl.program_id(1) * BN
    accumulator = tl.zeros((BM, BN), dtype=tl.float32)
    for k in range(0, K, BK):
        accumulator = tl.dot(a.load([row, k]), b.load([k, column]), accumulator)
    c.store([row, column], accumulator.to(tl.float16))
";

/// The kernel writes its own tensor maps (`tensormap.replace`); extents that the blocks do not divide.
#[test]
#[ignore = "heavy: `cargo xtask test full`"]
fn descriptors_made_by_the_kernel() {
    let mut session = session();
    run(&mut session, "%buf a = randn(200, 136, dtype=f16, seed=1)\n%buf b = randn(136, 168, dtype=f16, seed=2)");
    run(&mut session, "%buf c = zeros(200, 168, dtype=f16)");
    let call = "matmul[2, 2](a, b, c, 200, 168, 136, BM=128, BN=128, BK=64, num_warps=4)";
    run(&mut session, &format!("%%triton {call}\n{DEVICE_DESCRIPTORS}"));
    run(&mut session, "%check c == a.to(f64) @ b.to(f64), rtol=1e-2, atol=5e-2");
}

/// The second product has A in registers; K is transposed in shared memory.
#[test]
#[ignore = "heavy: `cargo xtask test full`"]
fn attention() {
    let mut session = session();
    for (name, seed) in [("q", 1), ("k", 2), ("v", 3)] {
        run(&mut session, &format!("%buf {name} = randn(256, 64, dtype=f16, seed={seed})"));
    }
    run(&mut session, "%buf o = zeros(256, 64, dtype=f16)");
    run(&mut session, &format!("%%triton attention[2](q, k, v, o, 256, 0.125, BM=128, BN=64, D=64)\n{ATTENTION}"));
    run(&mut session, "%check o == softmax(q.to(f64) @ k.to(f64).T * 0.125) @ v.to(f64), rtol=1e-2, atol=1e-3");
}

/// A wait that is taken out of the PTX: the result is wrong, as it would be on a GPU whose compiler did not repair it.
#[test]
#[ignore = "heavy: `cargo xtask test full`"]
fn a_missing_wait_is_seen() {
    let mut session = session();
    run(&mut session, "%buf a = randn(128, 64, dtype=f16, seed=1)\n%buf b = randn(64, 128, dtype=f16, seed=2)");
    run(&mut session, "%buf c = zeros(128, 128)");
    let matmul = kernel("MATMUL");
    let constants = "BM=128, BN=128, BK=64, PRECISION='ieee', GROUP=8, num_warps=4";
    run(&mut session, &format!("%%triton matmul[1](a, b, c, 128, 128, 64, {constants})\n{matmul}"));
    run(&mut session, "%check c == a.to(f64) @ b.to(f64), rtol=1e-2, atol=5e-2");
    run(&mut session, "%buf c = zeros(128, 128)");
    run(&mut session, "%%patch ptx matmul\nwgmma.wait_group.sync.aligned 0; ->  ");
    // The accumulator was read too early.
    check_report(&mut session, "%check c == a.to(f64) @ b.to(f64), rtol=1e-2, atol=5e-2", "check-failed", &[]);
}

/// A right kernel: cells before it, the cell that launches it, and the buffer that it writes.
struct Right {
    title: String,
    newest: bool,
    setup: String,
    launch: String,
    name: &'static str,
    out: &'static str,
}

fn right_kernels() -> Vec<Right> {
    let mut found = Vec::new();
    let types = [
        ("f16", "f16", 64, "ieee"),
        ("bf16", "bf16", 64, "ieee"),
        ("f32", "f32", 32, "tf32"),
        ("e4m3", "f16", 64, "ieee"),
    ];
    for (inputs, output, k, precision) in types {
        let setup = format!(
            "%buf a = randn(256, 256, dtype={inputs}, seed=1)\n%buf b = randn(256, 256, dtype={inputs}, seed=2)\n\
             %buf c = zeros(256, 256, dtype={output})"
        );
        let constants = format!("BM=128, BN=128, BK={k}, PRECISION='{precision}', num_warps=8");
        let call = format!("matmul[4](a, b, c, 256, 256, 256, {constants}, GROUP=8)");
        found.push((format!("{inputs} matmul"), false, setup.clone(), call, kernel("MATMUL"), "matmul", "c"));
        let tensors = format!("tma(a, [128, {k}]), tma(b, [{k}, 128]), tma(c, [128, 128])");
        let call = format!("matmul_tma[2, 2]({tensors}, 256, {constants})");
        found.push((format!("{inputs} matmul by TMA"), false, setup, call, kernel("MATMUL_TMA"), "matmul_tma", "c"));
    }
    let operands = "%buf a = randn(200, 136, dtype=f16, seed=1)\n%buf b = randn(136, 168, dtype=f16, seed=2)\n\
                    %buf c = zeros(200, 168, dtype=f16)";
    let call = "matmul[2, 2](a, b, c, 200, 168, 136, BM=128, BN=128, BK=64, num_warps=4)";
    let title = "matmul with descriptors of its own".to_owned();
    found.push((title, false, operands.to_owned(), call.to_owned(), DEVICE_DESCRIPTORS, "matmul", "c"));
    let operands = "%buf q = randn(256, 64, dtype=f16, seed=1)\n%buf k = randn(256, 64, dtype=f16, seed=2)\n\
                    %buf v = randn(256, 64, dtype=f16, seed=3)\n%buf o = zeros(256, 64, dtype=f16)";
    let call = "attention[2](q, k, v, o, 256, 0.125, BM=128, BN=64, D=64)";
    let title = "attention".to_owned();
    found.push((title, false, operands.to_owned(), call.to_owned(), ATTENTION, "attention", "o"));
    let operands = "%buf a = randn(200, 320, dtype=f16, seed=1)\n%buf b = randn(320, 248, dtype=f16, seed=2)\n\
                    %buf c = zeros(200, 248, dtype=f16)";
    let call = "matmul[4](a, b, c, 200, 248, 320, BM=128, BN=128, BK=64, STAGES=3, num_warps=4)";
    let title = "warp-specialised matmul in Gluon".to_owned();
    found.push((title, true, operands.to_owned(), call.to_owned(), WARP_SPECIALIZED, "matmul", "c"));
    let operands = "%buf a = randn(256, 192, dtype=f16, seed=1)\n%buf b = randn(192, 256, dtype=f16, seed=2)\n\
                    %buf c = zeros(256, 256, dtype=f16)";
    let tensors = "tma(a, [64, 64]), tma(b, [64, 128]), tma(c, [64, 128])";
    let call = format!("matmul[3]({tensors}, 256, 256, 192, BM=64, BN=128, BK=64, BLOCKS=3, num_warps=4)");
    let title = "persistent matmul that Triton specialises".to_owned();
    found.push((title, true, operands.to_owned(), call, AUTOMATIC, "matmul", "c"));
    let right = |(title, newest, setup, call, source, name, out): (String, bool, String, String, &str, _, _)| {
        let stage = if source.contains("@gluon.jit") { "gluon" } else { "triton" };
        Right { title, newest, setup, launch: format!("%%{stage} {call}\n{source}"), name, out }
    };
    found.into_iter().map(right).collect()
}

/// The session of a right kernel after its launch; `None` where its Triton is absent.
fn launched(right: &Right) -> Option<Session> {
    let mut session = if right.newest { session_with_gluon()? } else { session() };
    run(&mut session, &right.setup);
    run(&mut session, &right.launch);
    Some(session)
}

/// Nothing is found in kernels that are right, in any order of warps that is tried.
#[test]
#[ignore = "heavy: `cargo xtask test full`"]
fn nothing_is_found_in_right_kernels() {
    let seeds = std::env::var("WARPBOOK_SEEDS").unwrap_or_else(|_| "2".to_owned());
    for right in right_kernels() {
        let Some(mut session) = launched(&right) else { continue };
        let told = run(&mut session, &format!("%sanitize --seeds {seeds}")).text;
        assert!(told.contains("nothing found") && !told.contains("the order matters"), "{}: {told}", right.title);
    }
}

/// What becomes of each mutant: `cargo test --test heavy -- --ignored --nocapture mutants`. `WARPBOOK_MUTANTS` is a folder
/// for the texts, whose lines are those of the table.
#[test]
#[ignore = "some minutes: by name"]
fn mutants_of_right_kernels() {
    let mut table = Table::default();
    for right in right_kernels() {
        let Some(mut session) = launched(&right) else { continue };
        run(&mut session, &format!("%buf want = {}", right.out));
        let cell = next_cell(&mut session, &format!("%edit ptx {}", right.name));
        let (header, body) = cell.split_once('\n').expect("a header and a body");
        table.kernel();
        if let Some(folder) = std::env::var_os("WARPBOOK_MUTANTS") {
            let path = std::path::Path::new(&folder).join(format!("{}.ptx", right.title));
            std::fs::write(path, body).expect("writes");
        }
        for mutant in mutants(body) {
            let verdict = judge(body, &mutant, |text, seed| {
                run(&mut session, &right.setup);
                let cancel = Cancel::new();
                let (ended, end) = std::sync::mpsc::channel::<()>();
                let watchdog = cancel.clone();
                std::thread::spawn(move || {
                    if end.recv_timeout(Duration::from_secs(60)) == Err(RecvTimeoutError::Timeout) {
                        watchdog.cancel();
                    }
                });
                let told = session.execute(&format!("{header} --check --seed {seed}\n{text}"), &Nobody, &cancel);
                drop(ended);
                let same = format!("%check {} == want, rtol=0, atol=0", right.out);
                match told {
                    Err(error) if error.code == "interrupted" => Outcome::Endless,
                    Err(_) => Outcome::Reported,
                    Ok(_) => Outcome::Quiet { same: session.execute(&same, &Nobody, &Cancel::new()).is_ok() },
                }
            });
            table.add(&right.title, &mutant, verdict);
        }
        println!("{}", right.title);
    }
    println!("{}", table.show());
}

/// The managed environment with Triton 3.6.0; `None`, with a line that says so, where there is none.
fn session_with_gluon() -> Option<Session> {
    if !has_triton(GLUON_TRITON) {
        return None;
    }
    let mut session = session();
    run(&mut session, "%triton 3.6.0");
    Some(session)
}

const WARP_SPECIALIZED: &str = "from triton.experimental import gluon
from triton.experimental.gluon import language as gl
from triton.experimental.gluon.language.nvidia.hopper import tma, mbarrier, fence_async_shared, warpgroup_mma, warpgroup_mma_wait

@gluon.jit
def consume(c, tiles, ready, free, row, column, K, BK: gl.constexpr, STAGES: gl.constexpr):
    a_tiles, b_tiles = tiles
    BM: gl.constexpr = c.block_shape[0]
    BN: gl.constexpr = c.block_shape[1]
    layout: gl.constexpr = gl.NVMMADistributedLayout(version=[3, 0], warps_per_cta=[4, 1], instr_shape=[16, BN, 16])
    acc = gl.zeros((BM, BN), gl.float32, layout)
    for k in range(0, gl.cdiv(K, BK)):
        stage = k % STAGES
        mbarrier.wait(ready.index(stage), (k // STAGES) & 1)
        acc = warpgroup_mma(a_tiles.index(stage), b_tiles.index(stage), acc)
        mbarrier.arrive(free.index(stage))
    out = gl.allocate_shared_memory(c.dtype, [BM, BN], c.layout, acc.to(c.dtype))
    fence_async_shared()
    tma.async_copy_shared_to_global(c, [row, column], out)
    tma.store_wait(0)

@gluon.jit
def produce(a, b, tiles, ready, free, row, column, K, BK: gl.constexpr, STAGES: gl.constexpr):
    a_tiles, b_tiles = tiles
    for k in range(0, gl.cdiv(K, BK)):
        stage = k % STAGES
        mbarrier.wait(free.index(stage), ((k // STAGES) & 1) ^ 1)
        full = ready.index(stage)
        mbarrier.expect(full, a.block_type.nbytes + b.block_type.nbytes)
        tma.async_copy_global_to_shared(a, [row, k * BK], full, a_tiles.index(stage))
        tma.async_copy_global_to_shared(b, [k * BK, column], full, b_tiles.index(stage))

@gluon.jit
def matmul(a_ptr, b_ptr, c_ptr, M, N, K, BM: gl.constexpr, BN: gl.constexpr, BK: gl.constexpr, STAGES: gl.constexpr):
    dtype: gl.constexpr = a_ptr.dtype.element_ty
    a_layout: gl.constexpr = gl.NVMMASharedLayout.get_default_for([BM, BK], dtype)
    b_layout: gl.constexpr = gl.NVMMASharedLayout.get_default_for([BK, BN], dtype)
    c_layout: gl.constexpr = gl.NVMMASharedLayout.get_default_for([BM, BN], c_ptr.dtype.element_ty)
    a = tma.make_tensor_descriptor(a_ptr, [M, K], [K, 1], [BM, BK], a_layout)
    b = tma.make_tensor_descriptor(b_ptr, [K, N], [N, 1], [BK, BN], b_layout)
    c = tma.make_tensor_descriptor(c_ptr, [M, N], [N, 1], [BM, BN], c_layout)
    columns = gl.cdiv(N, BN)
    row = (gl.program_id(0) // columns) * BM
    column = (gl.program_id(0) % columns) * BN
    a_tiles = gl.allocate_shared_memory(dtype, [STAGES, BM, BK], a_layout)
    b_tiles = gl.allocate_shared_memory(dtype, [STAGES, BK, BN], b_layout)
    ready = gl.allocate_shared_memory(gl.int64, [STAGES, 1], mbarrier.MBarrierLayout())
    free = gl.allocate_shared_memory(gl.int64, [STAGES, 1], mbarrier.MBarrierLayout())
    for stage in gl.static_range(STAGES):
        mbarrier.init(ready.index(stage), count=1)
        mbarrier.init(free.index(stage), count=1)
    fence_async_shared()
    gl.warp_specialize([
        (consume, (c, (a_tiles, b_tiles), ready, free, row, column, K, BK, STAGES)),
        (produce, (a, b, (a_tiles, b_tiles), ready, free, row, column, K, BK, STAGES)),
    ], [1], [24])
    for stage in gl.static_range(STAGES):
        mbarrier.invalidate(ready.index(stage))
        mbarrier.invalidate(free.index(stage))
";

/// One warp loads tiles by TMA, four multiply them; they meet at mbarriers only.
#[test]
#[ignore = "heavy: `cargo xtask test full`"]
fn a_warp_specialised_matmul_in_gluon() {
    let Some(mut session) = session_with_gluon() else { return };
    run(&mut session, "%buf a = randn(200, 320, dtype=f16, seed=1)\n%buf b = randn(320, 248, dtype=f16, seed=2)");
    for stages in [1, 3] {
        run(&mut session, "%buf c = zeros(200, 248, dtype=f16)");
        let call = format!("matmul[4](a, b, c, 200, 248, 320, BM=128, BN=128, BK=64, STAGES={stages}, num_warps=4)");
        run(&mut session, &format!("%%gluon {call}\n{WARP_SPECIALIZED}"));
        run(&mut session, "%check c == a.to(f64) @ b.to(f64), rtol=1e-2, atol=5e-2");
    }
}

const AUTOMATIC: &str = "@triton.jit
def matmul(a, b, c, M, N, K, BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr, BLOCKS: tl.constexpr):
    columns = tl.cdiv(N, BN)
    for tile in tl.range(tl.program_id(0), tl.cdiv(M, BM) * columns, BLOCKS, warp_specialize=True):
        row, column = (tile // columns) * BM, (tile % columns) * BN
        accumulator = tl.zeros((BM, BN), dtype=tl.float32)
        for k in range(0, K, BK):
            accumulator = tl.dot(a.load([row, k]), b.load([k, column]), accumulator)
        c.store([row, column], accumulator.to(tl.float16))
";

/// Triton divides a persistent matmul among warps by itself. With a 128-row tile and 4 warps it splits the tile, and
/// in 3.6.0 its code for that is wrong (a descriptor of 128 rows is used for loads of 64).
#[test]
#[ignore = "heavy: `cargo xtask test full`"]
fn a_persistent_matmul_that_triton_specialises() {
    let Some(mut session) = session_with_gluon() else { return };
    run(&mut session, "%buf a = randn(256, 192, dtype=f16, seed=1)\n%buf b = randn(192, 256, dtype=f16, seed=2)");
    run(&mut session, "%buf c = zeros(256, 256, dtype=f16)");
    let call = "tma(a, [64, 64]), tma(b, [64, 128]), tma(c, [64, 128]), 256, 256, 192, BM=64, BN=128, BK=64, BLOCKS=3";
    run(&mut session, &format!("%%triton matmul[3]({call}, num_warps=4)\n{AUTOMATIC}"));
    run(&mut session, "%check c == a.to(f64) @ b.to(f64), rtol=1e-2, atol=5e-2");
}

const TWO_BLOCKS: &str = "@triton.jit
def matmul(a, b, c, N, K, BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr):
    row, column = tl.program_id(0) * BM, tl.program_id(1) * BN
    accumulator = tl.zeros((BM, BN), dtype=tl.float32)
    for k in range(0, K, BK):
        accumulator = tl.dot(a.load([row, k]), b.load([k, column]), accumulator)
    c.store([row, column], accumulator.to(tl.float16))
";

const TRANSPOSE: &str = "@triton.jit
def transpose(a, c, N, B: tl.constexpr):
    rows = tl.program_id(0) * B + tl.arange(0, B)
    columns = tl.program_id(1) * B + tl.arange(0, B)
    x = tl.load(a + rows[:, None] * N + columns[None, :])
    tl.store(c + columns[:, None] * N + rows[None, :], tl.trans(x))
";

/// A program is a cluster of two or four blocks (`num_ctas`): each has a part of a tile, and a change of layout goes
/// through the other blocks' shared memory.
#[test]
#[ignore = "heavy: `cargo xtask test full`"]
fn programs_of_several_blocks() {
    let mut session = session();
    run(&mut session, "%buf a = randn(256, 256, dtype=f16, seed=1)\n%buf b = randn(256, 256, dtype=f16, seed=2)");
    for blocks in [2, 4] {
        run(&mut session, "%buf c = zeros(256, 256, dtype=f16)");
        let call = format!(
            "tma(a, [128, 64]), tma(b, [64, 256]), tma(c, [128, 256]), 256, 256, BM=128, BN=256, BK=64, num_ctas={blocks}"
        );
        run(&mut session, &format!("%%triton matmul[2, 1]({call})\n{TWO_BLOCKS}"));
        run(&mut session, "%check c == a.to(f64) @ b.to(f64), rtol=1e-2, atol=5e-2");
        run(&mut session, "%sanitize matmul --seeds 8");
        run(&mut session, "%buf c = zeros(256, 256, dtype=f16)");
        run(&mut session, &format!("%%triton transpose[2, 2](a, c, 256, B=128, num_ctas={blocks})\n{TRANSPOSE}"));
        run(&mut session, "%check c == a.T, rtol=0, atol=0");
        run(&mut session, "%sanitize transpose --seeds 8");
    }
}
