//! Every stage compiles for every architecture on a machine without a GPU, and ptxas's own figures are shown; what
//! host descriptors become depends on the architecture.

use warpbook::session::Session;
use warpbook_compiler::Target;
use warpbook_test_support::environment;
use warpbook_test_support::kernels::MATMUL;
use warpbook_test_support::notebook::{check_report, fails, run};

#[test]
fn every_stage_compiles_for_every_target() {
    environment::python();
    let mut session = Session::new();
    run(&mut session, "%buf a = zeros(64, 64, dtype=f16)\n%buf b = zeros(64, 64, dtype=f16)\n%buf c = zeros(64, 64)");
    for target in Target::SUPPORTED {
        let cell = format!("%%triton matmul[1](a, b, c, 64, 64, BLOCK=64) --compile --target {target}\n{MATMUL}");
        // The ptxas of Triton 3.4, CUDA 12.8, is older than sm_103.
        if target == Target(103) {
            check_report(&mut session, &cell, "ptxas", &["this Triton's ptxas does not know sm_103a"]);
            run(&mut session, &cell.replace(" --compile", " --on emu:sm_103"));
            continue;
        }
        let output = run(&mut session, &cell);
        assert!(output.text.contains("registers per thread"), "{}", output.text);
        let facts = output.facts.expect("facts");
        let stages: Vec<&str> =
            facts["stages"].as_array().into_iter().flatten().filter_map(|s| s["stage"].as_str()).collect();
        assert_eq!(stages, ["ttir", "ttgir", "llir", "ptx", "cubin"], "{target}");
        assert_eq!(facts["target"], target.to_string());
        assert!(facts["registers"].as_u64().is_some_and(|count| (8..=255).contains(&count)), "{facts}");
    }
}

const DOUBLE: &str = "@triton.jit
def double(a, c, BLOCK: tl.constexpr):
    row, column = tl.program_id(0) * BLOCK, tl.program_id(1) * BLOCK
    c.store([row, column], a.load([row, column]) * 2)
";

#[test]
fn host_descriptors_are_pointers_below_sm_90_and_tensor_maps_from_there_on() {
    environment::python();
    let mut session = Session::new();
    run(&mut session, "%buf a = randn(64, 64, dtype=f16, seed=1)\n%buf c = zeros(64, 64, dtype=f16)");
    let cell = format!("%%triton double[2, 2](tma(a, [32, 32]), tma(c, [32, 32]), 32)\n{DOUBLE}");
    run(&mut session, &cell);
    run(&mut session, "%check c == 2 * a");
    run(&mut session, "%%patch ttgir double\n2.000000e+00 -> 3.000000e+00");
    run(&mut session, "%check c == 3 * a");
    run(&mut session, &format!("%buf c = zeros(64, 64, dtype=f16)\n%target sm_90\n{cell}"));
    run(&mut session, "%check c == 2 * a");
    let misaligned = "%launch double[1, 1](tma(a[:, 1:33], [32, 32]), tma(c, [32, 32]), 32)";
    check_report(&mut session, misaligned, "tensor-map", &[]);
    run(&mut session, "%check c == 2 * a");
}

const GUESS: &str = "import torch
import triton
import triton.language as tl

WIDE = tl.constexpr(64 if torch.cuda.get_device_capability()[0] >= 9 else 32)
THREE = tl.constexpr(3)

@triton.jit
def helper(p):
    tl.store(p, WIDE)

@triton.jit
def guessed(p):
    helper(p)

@triton.jit
def known(p):
    tl.store(p, THREE)
";

#[test]
fn a_constant_that_an_absent_module_decides_is_refused() {
    environment::python();
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("guess.py");
    std::fs::write(&file, GUESS).expect("written");
    let mut session = Session::new();
    run(&mut session, "%buf p = zeros(1, dtype=i32)");
    let cell = |name: &str| format!("%%triton {name}[1](p) --from {}:{name}", file.display());
    run(&mut session, &cell("known"));
    run(&mut session, "%check p == 3");
    let error = fails(&mut session, &cell("guessed"));
    assert!(error.message.contains("the kernel needs `WIDE`"), "{error}");
    assert!(error.to_plain().contains("5 | WIDE = tl.constexpr"), "{error}");
}
