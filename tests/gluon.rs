//! Gluon: host descriptors with their layouts, layouts as arguments, and the stage `glir` of Triton 3.9.

use warpbook::session::Session;
use warpbook_ir::triton_version::TritonVersion;
use warpbook_test_support::environment::has_triton;
use warpbook_test_support::notebook::{fails, next_cell, run, session};

/// A session of a version of Triton for a target.
fn session_of(version: &str, target: &str) -> Option<Session> {
    if !has_triton(version) {
        return None;
    }
    let mut session = session(target);
    run(&mut session, &format!("%triton {version}"));
    Some(session)
}

/// A tile by TMA from one descriptor to another, both with the layout that the descriptors have.
fn copy(version: &str) -> String {
    // Triton 3.9 gave the copies other names.
    let is_new = TritonVersion::parse(version) >= TritonVersion::parse("3.9.0");
    let [load, store] = if is_new {
        ["async_load", "async_store"]
    } else {
        ["async_copy_global_to_shared", "async_copy_shared_to_global"]
    };
    format!(
        "from triton.experimental.gluon.language.nvidia.hopper import tma, mbarrier, fence_async_shared

NARROW = gl.NVMMASharedLayout(swizzle_byte_width=32, element_bitwidth=16, rank=2)
ROWS = gl.BlockedLayout([1, 1], [1, 32], [4, 1], [1, 0])

@gluon.jit
def copy(x, o, BLOCK: gl.constexpr):
    tile = gl.allocate_shared_memory(x.dtype, [BLOCK, BLOCK], x.layout)
    ready = gl.allocate_shared_memory(gl.int64, [1], mbarrier.MBarrierLayout())
    mbarrier.init(ready, count=1)
    mbarrier.expect(ready, x.block_type.nbytes)
    tma.{load}(x, [0, 0], ready, tile)
    mbarrier.wait(ready, 0)
    mbarrier.invalidate(ready)
    fence_async_shared()
    tma.{store}(o, [0, 0], tile)
    tma.store_wait(0)
"
    )
}

#[test]
fn host_descriptors_have_gluon_s_layout() {
    for version in ["3.6.0", "3.9.0"] {
        let Some(mut session) = session_of(version, "sm_90") else { continue };
        run(&mut session, "%buf x = randn(64, 64, dtype=f16, seed=1)\n%buf o = zeros(64, 64, dtype=f16)");
        let text = copy(version);
        let mut launch = |x: &str, o: &str, width: &str| {
            run(&mut session, "%buf o = zeros(64, 64, dtype=f16)");
            run(&mut session, &format!("%%gluon copy[1](tma(x, [64, 64]{x}), tma(o, [64, 64]{o}), 64)\n{text}"));
            run(&mut session, "%check o == x");
            let ttgir = next_cell(&mut session, "%edit ttgir copy");
            assert!(ttgir.contains(&format!("swizzlingByteWidth = {width}")), "Triton {version}: {ttgir}");
        };
        // Gluon's own choice, an expression, a name of the cell, and a swizzle.
        launch("", "", "128");
        let layout = ", layout=gl.NVMMASharedLayout(swizzle_byte_width=64, element_bitwidth=16, rank=2)";
        launch(layout, layout, "64");
        launch(", layout=NARROW", ", layout=NARROW", "32");
        launch(", swizzle=64", ", swizzle=64", "64");
        run(&mut session, "%buf y = randn(64, 64, dtype=f16, seed=2)");
        run(&mut session, "%launch copy(tma(y, [64, 64]), tma(o, [64, 64]), 64)");
        run(&mut session, "%check o == y");
    }
}

#[test]
fn layouts_that_do_not_fit_are_refused() {
    for version in ["3.6.0", "3.9.0"] {
        let Some(mut session) = session_of(version, "sm_90") else { continue };
        run(&mut session, "%buf x = randn(64, 64, dtype=f16, seed=1)\n%buf o = zeros(64, 64, dtype=f16)");
        let text = copy(version);
        let mut refused = |x: &str, options: &str, expected: &str, marked: &str| {
            let cell = format!("%%gluon copy[1]({x}, tma(o, [64, 64]), 64){options}\n{text}");
            let error = fails(&mut session, &cell).to_plain();
            assert!(error.contains(expected), "Triton {version}: {cell}\n{error}");
            assert!(error.contains(marked), "Triton {version}: {cell}\n{error}");
        };
        refused("tma(x, [64, 64], layout=ROWS)", "", "is a `gl.NVMMASharedLayout`, not a `BlockedLayout`", ":1:17");
        refused("tma(x, [64, 64], layout=gl.Nothing(1))", "", "cannot be evaluated: AttributeError", ":1:17");
        refused("tma(x, [64, 64], layout=3)", "", "`layout` is an expression of Gluon", ":1:41");
        refused("tma(x, [64, 64], layout=NARROW, swizzle=32)", "", "`swizzle` does not go with `layout`", ":1:17");
        refused("tma(x, [64, 64])", " --target sm_80", "sm_80 has no TMA", ":1:17");
    }
    let Some(mut session) = session_of("3.6.0", "sm_90") else { return };
    run(&mut session, "%buf x = randn(64, 64, dtype=f16, seed=1)");
    let cell = "%%triton k[1](tma(x, [64, 64], layout=gl.BlockedLayout([1], [32], [4], [0])))\n@triton.jit\ndef k(x):\n    x.load([0, 0])\n";
    let error = fails(&mut session, cell).to_plain();
    assert!(error.contains("only descriptors of Gluon have a layout"), "{error}");
}

const SCALE: &str = "WIDE = gl.BlockedLayout([4], [32], [4], [0])

def made(n):
    return gl.BlockedLayout([n], [32], [4], [0])

@gluon.jit
def scale(x, o, n, BLOCK: gl.constexpr, layout: gl.constexpr):
    i = gl.arange(0, BLOCK, layout)
    gl.store(o + i, gl.load(x + i, mask=i < n) * 2, mask=i < n)
";

#[test]
fn layouts_are_arguments() {
    for version in ["3.6.0", "3.9.0"] {
        let Some(mut session) = session_of(version, "sm_80") else { continue };
        run(&mut session, "%buf x = randn(500, seed=1)");
        let layouts = [
            ("layout=gl.BlockedLayout([1], [32], [num_warps], [0]), num_warps=4", "sizePerThread = [1]"),
            ("layout=WIDE", "sizePerThread = [4]"),
            ("layout=made(2)", "sizePerThread = [2]"),
        ];
        for (layout, expected) in layouts {
            run(&mut session, "%buf o = zeros(500)");
            run(&mut session, &format!("%%gluon scale[1](x, o, 500, BLOCK=512, {layout})\n{SCALE}"));
            run(&mut session, "%check o == 2 * x");
            let ttgir = next_cell(&mut session, "%edit ttgir scale");
            assert!(ttgir.contains(expected), "Triton {version}, {layout}: {ttgir}");
        }
        // The names stay for later cells; the header that was launched is used again.
        run(&mut session, "%buf o = zeros(500)");
        run(&mut session, "%launch scale");
        run(&mut session, "%check o == 2 * x");
        let wrong = [
            ("layout=gl.BlockdLayout([1])", "cannot be evaluated: AttributeError"),
            ("layout=gl.BlockedLayout([1], [32])", "cannot be evaluated: TypeError"),
            ("layout=Unknown", "Unknown"),
        ];
        for (layout, expected) in wrong {
            let error = fails(&mut session, &format!("%%gluon scale[1](x, o, 500, BLOCK=512, {layout})\n{SCALE}"));
            assert!(error.to_plain().contains(expected), "Triton {version}: {}", error.to_plain());
        }
        let cell = format!("%%gluon scale[1](x, o, WIDE, BLOCK=512, layout=WIDE)\n{SCALE}");
        let error = fails(&mut session, &cell).to_plain();
        assert!(error.contains("`WIDE` is a `BlockedLayout`, and `n` is not a constant"), "{error}");
    }
}

#[test]
fn what_gluon_s_front_end_writes_is_a_stage() {
    let Some(mut session) = session_of("3.9.0", "sm_80") else { return };
    run(&mut session, "%buf x = randn(500, seed=1)\n%buf o = zeros(500)");
    run(&mut session, &format!("%%gluon scale[1](x, o, 500, BLOCK=512, layout=WIDE)\n{SCALE}"));
    let stages = run(&mut session, "%stages scale");
    assert!(stages.text.contains("GLIR") && stages.text.contains("linked: GLIR → TTGIR"), "{}", stages.text);
    let listed = run(&mut session, "%passes scale").text;
    assert!(listed.contains("ttgir: gluon.inliner"), "{listed}");
    // The text is an entry of its own.
    let cell = next_cell(&mut session, "%edit glir scale");
    assert!(cell.starts_with("%%glir scale\n// warpbook:") && !cell.contains("loc("), "{cell}");
    run(&mut session, "%buf o = zeros(500)");
    let report = run(&mut session, &cell).text;
    assert!(report.contains("glir"), "{report}");
    run(&mut session, "%check o == 2 * x");
    run(&mut session, "%%patch glir scale@1\narith.mulf -> arith.addf");
    run(&mut session, "%check o == x + 2");
    let diff = run(&mut session, "%diff scale@1 scale").text;
    assert!(diff.contains("GLIR"), "{diff}");
    // An older Triton has no such stage, and the cell takes one that has it.
    run(&mut session, "%triton 3.6.0\n%buf o = zeros(500)");
    let body = cell.split_once('\n').expect("a body").1.lines().filter(|line| !line.contains("warpbook:"));
    let body: String = body.map(|line| format!("{line}\n")).collect();
    let report = run(&mut session, &format!("%%glir pasted[1](x, o, 500)\n{}", body.replace("@scale", "@pasted"))).text;
    assert!(report.contains("Triton 3.9.0"), "{report}");
    run(&mut session, "%check o == 2 * x");
}
