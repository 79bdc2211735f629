//! Each version of Triton that Warpbook works with: a kernel enters at every stage, and comes out with the same numbers. A
//! version whose environment has not been made is skipped, which is said.

use warpbook::session::Session;
use warpbook_ir::triton_version::TritonVersion;
use warpbook_test_support::environment::has_triton;
use warpbook_test_support::kernels::MATMUL;
use warpbook_test_support::notebook::{next_cell, run, session};

/// A session of a version, with the buffers of [`MATMUL`].
fn session_of(version: &str) -> Session {
    let mut session = session("sm_80");
    run(&mut session, &format!("%triton {version}"));
    run(&mut session, "%buf a = randn(64, 64, dtype=f16, seed=1)\n%buf b = randn(64, 64, dtype=f16, seed=2)");
    session
}

/// Takes the text of each stage of the first version of `kernel` into a cell, runs it, and checks what comes out.
fn enter_at(session: &mut Session, kernel: &str, stages: &[&str], output: &str, check: &str) {
    for stage in stages {
        let cell = next_cell(session, &format!("%edit {stage} {kernel}@1"));
        assert!(cell.starts_with(&format!("%%{stage} {kernel}")), "{cell}");
        run(session, output);
        run(session, &cell);
        run(session, check);
    }
}

#[test]
fn every_version_takes_the_text_of_every_stage() {
    for version in TritonVersion::SUPPORTED {
        if !has_triton(version) {
            continue;
        }
        let mut session = session_of(version);
        let output = "%buf c = zeros(64, 64)";
        run(&mut session, output);
        run(&mut session, &format!("%%triton matmul[1](a, b, c, 64, 64, BLOCK=64)\n{MATMUL}"));
        let check = "%check c == f32(a) @ f32(b)";
        run(&mut session, check);
        enter_at(&mut session, "matmul", &["ttir", "ttgir", "llir", "ptx"], output, check);
        let shown = run(&mut session, "%stages matmul@1").text;
        assert!(shown.contains("TTGIR") && shown.contains("PTX"), "Triton {version}: {shown}");
        run(&mut session, "%%triton matmul --compile");
        let listing = run(&mut session, "%resources matmul").text;
        assert!(listing.contains("spills: none"), "Triton {version}: {listing}");
    }
}

const DOUBLE: &str = "@triton.jit
def double(a, c, BLOCK: tl.constexpr):
    row, column = tl.program_id(0) * BLOCK, tl.program_id(1) * BLOCK
    c.store([row, column], a.load([row, column]) * 2)
";

/// Host descriptors, which Triton has from 3.4 on: their types in the text of TTIR and TTGIR differ between versions.
#[test]
fn every_version_takes_host_descriptors_in_each_stage() {
    for version in TritonVersion::SUPPORTED {
        if TritonVersion::parse(version) < TritonVersion::parse("3.4.0") || !has_triton(version) {
            continue;
        }
        let mut session = session_of(version);
        let output = "%buf c = zeros(64, 64, dtype=f16)";
        run(&mut session, &format!("%target sm_90\n{output}"));
        run(&mut session, &format!("%%triton double[2, 2](tma(a, [32, 32]), tma(c, [32, 32]), 32)\n{DOUBLE}"));
        let check = "%check c == 2 * a";
        run(&mut session, check);
        enter_at(&mut session, "double", &["ttir", "ttgir", "ptx"], output, check);
        // Without the version that it was made from, the text itself says what its parameters are.
        let text = next_cell(&mut session, "%edit ttgir double@1");
        let (_, body) = text.split_once('\n').expect("a body");
        let body: String =
            body.lines().filter(|line| !line.contains("warpbook:")).map(|line| format!("{line}\n")).collect();
        run(&mut session, &format!("%triton {version}\n{output}"));
        run(
            &mut session,
            &format!(
                "%%ttgir pasted[2, 2](tma(a, [32, 32]), tma(c, [32, 32]))\n{}",
                body.replace("@double", "@pasted")
            ),
        );
        run(&mut session, check);
    }
}

const GLUON: &str = "@gluon.jit
def double(x, o, n, BLOCK: gl.constexpr):
    layout: gl.constexpr = gl.BlockedLayout([1], [32], [4], [0])
    i = gl.program_id(0) * BLOCK + gl.arange(0, BLOCK, layout)
    gl.store(o + i, gl.load(x + i, mask=i < n) * 2, mask=i < n)
";

#[test]
fn every_gluon_takes_the_text_of_every_stage() {
    for version in TritonVersion::SUPPORTED {
        if !TritonVersion::parse(version).has_gluon() || !has_triton(version) {
            continue;
        }
        let mut session = session_of(version);
        run(&mut session, "%buf x = randn(500, seed=1)\n%buf o = zeros(500)");
        run(&mut session, &format!("%%gluon double[4](x, o, 500, BLOCK=128)\n{GLUON}"));
        let check = "%check o == 2 * x";
        run(&mut session, check);
        enter_at(&mut session, "double", &["ttgir", "llir", "ptx"], "%buf o = zeros(500)", check);
    }
}
