use super::*;
use warpbook_ir::triton_version::TritonVersion;

#[test]
fn passes_are_listed_and_one_can_be_entered_after() {
    let mut session = session();
    let output = run(&mut session, "%passes matmul");
    insta::assert_snapshot!(timeless(&output));
    let html = output.html.expect("HTML");
    let fold = "name=\"wb-matmul-v1\"><summary class=\"wb-document-summary\">ttgpuir.accelerate_matmul";
    assert!(html.contains(fold), "{html}");
    assert!(html.len() < 1 << 20, "{} bytes", html.len());

    // What runs pass by pass is what runs at once: the rest of the stage makes the same version's code.
    let cell = next_cell(&mut session, "%passes matmul --edit accelerate_matmul");
    assert!(cell.starts_with("%%ttgir matmul --after ttgpuir.accelerate_matmul\n"), "{cell}");
    run(&mut session, "%buf c = zeros(64, 64)");
    let launched = run(&mut session, &cell).text;
    assert!(launched.contains("all 4096 elements changed"), "{launched}");
    run(&mut session, "%check c == f32(a) @ f32(b)");
    let error = fails(&mut session, "%passes matmul --edit accelerat_matmul");
    assert_eq!(error.help, ["did you mean `accelerate_matmul`?"]);
}

#[test]
fn one_pass_at_a_time_makes_the_same_code() {
    let mut session = session();
    // Everything up to the last pass, through the recorder.
    let cell = format!("%%triton matmul[1](a, b, c, 64, 64, BLOCK=64) --until di_scope\n{MATMUL}");
    let text = run(&mut session, &cell).text;
    assert!(text.starts_with("matmul v1 "), "{text}");
}

#[test]
fn a_pass_can_be_left_out() {
    let mut session = session();
    run(&mut session, "%buf c = zeros(64, 64)");
    let cell = format!("%%triton matmul[1](a, b, c, 64, 64, BLOCK=64) --skip sccp,reorder_instructions\n{MATMUL}");
    let text = run(&mut session, &cell).text;
    assert!(text.contains("compiled without ttgpuir.reorder_instructions, common.sccp"), "{text}");
    run(&mut session, "%check c == f32(a) @ f32(b)");
    let error = fails(&mut session, &cell.replace("sccp", "scpp"));
    assert_eq!((error.code, error.help.first().map(String::as_str)), ("unknown-pass", Some("did you mean `sccp`?")));
    // A pass that others rely on.
    let error = fails(&mut session, &cell.replace("sccp", "convert_to_ttgpuir"));
    assert!(error.to_plain().contains("number of warps"), "{}", error.to_plain());
}

#[test]
fn a_kernel_is_compiled_again_with_other_passes() {
    let mut session = session();
    again_with_other_passes(&mut session, "3.4.0");
    let error = fails(&mut session, "%passes matmul --skip scpp");
    assert_eq!((error.help.first().map(String::as_str), error.labels.len()), (Some("did you mean `sccp`?"), 1));
    let error = fails(&mut session, "%passes matmul --from scf_to_cf");
    assert!(error.message.contains("`convert.scf_to_cf` is a pass of the stage llir"), "{error}");
}

/// `--skip`, `--until` and `--from` give versions that launch and match.
fn again_with_other_passes(session: &mut Session, triton: &str) {
    for options in [
        "--skip reorder_instructions",
        "--until di_scope",
        "--from accelerate_matmul",
        "--from inliner",
        "--from coalesce --skip reorder_instructions",
    ] {
        run(session, "%buf c = zeros(64, 64)");
        let launched = run(session, &format!("%passes matmul@1 {options}")).text;
        assert!(launched.contains("all 4096 elements changed"), "Triton {triton}, {options}: {launched}");
        run(session, "%check c == f32(a) @ f32(b)");
    }
    // From a pass on, the same code is made.
    let same = run(session, "%passes matmul@1 --from accelerate_matmul").text;
    let number = same.split([' ', 'v']).find(|word| word.parse::<u32>().is_ok()).expect("a version").to_owned();
    let diff = run(session, &format!("%diff matmul@1 matmul@{number} --stage ptx --static")).text;
    assert!(diff.contains("PTX: the same"), "Triton {triton}: {diff}");
}

#[test]
fn a_pass_that_breaks_shows_what_it_was_given() {
    let mut session = session();
    assert_eq!(fails(&mut session, "%passes --failed").code, "no-failed-pass");
    // Nothing lays out shared memory, which the lowering to LLVM takes for granted.
    let cell = format!("%%triton matmul[1](a, b, c, 64, 64, BLOCK=64) --skip allocate_shared_memory\n{MATMUL}");
    let error = fails(&mut session, &cell);
    let text = error.to_plain();
    assert!(text.contains("in the pass ttgpuir.to_llvmir of the stage llir"), "{text}");
    assert!(text.contains("`%passes --failed` shows the IR before it"), "{text}");
    let output = run(&mut session, "%passes --failed");
    assert!(output.text.contains("ttgpuir.to_llvmir broke matmul · sm_80 · Triton 3.4.0"), "{}", output.text);
    assert!(
        output.text.contains("reproducer (`triton-opt --run-reproducer FILE`): builtin.module("),
        "{}",
        output.text
    );
    let facts = output.facts.expect("facts");
    assert!(facts["before"].as_str().is_some_and(|before| before.contains("tt.dot")));
    assert!(facts["reproducer"].as_str().is_some_and(|text| text.contains("mlir_reproducer: {")));
    // The cell does it again, by itself.
    let cell = next_cell(&mut session, "%passes --failed --cell");
    assert!(cell.starts_with("%%ttgir matmul --skip allocate_shared_memory --target sm_80 --triton 3.4.0\n"), "{cell}");
    assert!(fails(&mut session, &cell).to_plain().contains("in the pass ttgpuir.to_llvmir"));
    // And the session goes on.
    run(&mut session, "%launch matmul");
}

/// Triton divides by `perPhase`: MLIR catches the signal, and says so but for 3.4.
const NO_PHASE: &str = "#blocked = #ttg.blocked<{sizePerThread = [1, 4], threadsPerWarp = [2, 16], warpsPerCTA = [4, 1], order = [1, 0]}>
#shared = #ttg.swizzled_shared<{vec = 1, perPhase = 0, maxPhase = 1, order = [1, 0]}>
#smem = #ttg.shared_memory
module attributes {\"ttg.num-ctas\" = 1 : i32, \"ttg.num-warps\" = 4 : i32, ttg.target = \"cuda:80\", \"ttg.threads-per-warp\" = 32 : i32} {
  tt.func public @swizzled(%p: !tt.ptr<f32>) {
    %s = tt.splat %p : !tt.ptr<f32> -> tensor<64x64x!tt.ptr<f32>, #blocked>
    %x = tt.load %s : tensor<64x64x!tt.ptr<f32>, #blocked>
    %m = ttg.local_alloc %x : (tensor<64x64xf32, #blocked>) -> !ttg.memdesc<64x64xf32, #shared, #smem>
    %y = ttg.local_load %m : !ttg.memdesc<64x64xf32, #shared, #smem> -> tensor<64x64xf32, #blocked>
    tt.store %s, %y : tensor<64x64x!tt.ptr<f32>, #blocked>
    tt.return
  }
}
";

#[test]
fn a_pass_that_crashes_shows_what_it_was_given() {
    let mut session = session();
    let versions = [
        ("3.4.0", "ttgpuir.to_llvmir", "failed, and did not say why", "convert-triton-gpu-to-llvm"),
        ("3.6.0", "ttgpuir.to_llvmir", "crashed", "convert-triton-gpu-to-llvm"),
        ("3.7.1", "ttgpuir.to_llvmir", "crashed", "convert-triton-gpu-to-llvm"),
        ("3.8.0", "ttgpuir.to_llvmir", "crashed", "convert-triton-gpu-to-llvm"),
        ("3.9.0", "ttgpuir.allocate_shared_memory_nv", "crashed", "allocate-shared-memory"),
    ];
    for (version, pass, what, pipeline) in versions {
        if !has_triton(version) {
            continue;
        }
        let error = fails(&mut session, &format!("%%ttgir swizzled[1](c) --triton {version}\n{NO_PHASE}"));
        let text = error.to_plain();
        assert_eq!(error.message, format!("the pass {pass} {what}"), "Triton {version}: {text}");
        assert!(text.contains(&format!("in the pass {pass} of the stage llir")), "Triton {version}: {text}");
        let output = run(&mut session, "%passes --failed");
        let head = format!("{pass} broke swizzled · sm_80 · Triton {version}\nthe pass {pass} {what}\n");
        assert!(output.text.starts_with(&head), "{}", output.text);
        let facts = output.facts.expect("facts");
        assert!(facts["before"].as_str().is_some_and(|before| before.contains("ttg.local_alloc")), "Triton {version}");
        let reproducer = facts["reproducer"].as_str().unwrap_or_default();
        assert!(reproducer.contains("mlir_reproducer: {") && reproducer.contains(pipeline), "{reproducer}");
        // And the session goes on, with the same compiler.
        run(
            &mut session,
            &format!("%%ttgir swizzled[1](c) --triton {version}\n{}", NO_PHASE.replace("perPhase = 0", "perPhase = 1")),
        );
    }
    run(&mut session, "%check c == f32(a) @ f32(b)");
}

/// Every supported version of Triton but the default, where it is installed.
#[test]
fn other_versions_of_triton_have_their_own_passes() {
    for version in TritonVersion::SUPPORTED {
        if version == TritonVersion::DEFAULT || !has_triton(version) {
            continue;
        }
        let mut session = Session::new();
        run(&mut session, &format!("%target sm_80\n%triton {version}"));
        run(&mut session, "%buf a = randn(64, 64, dtype=f16, seed=1)\n%buf b = randn(64, 64, dtype=f16, seed=2)");
        run(&mut session, "%buf c = zeros(64, 64)");
        let header = "%%triton matmul[1](a, b, c, 64, 64, BLOCK=64)";
        run(&mut session, &format!("{header}\n{MATMUL}"));
        let listed = run(&mut session, "%passes matmul").text;
        assert!(listed.contains("ttgpuir.accelerate_matmul −"), "{version}: {listed}");
        let again = run(&mut session, &format!("{header} --until di_scope\n{MATMUL}")).text;
        assert!(again.starts_with("matmul v1 "), "{version}: {again}");
        run(&mut session, "%buf c = zeros(64, 64)");
        let skipped = run(&mut session, &format!("{header} --skip reorder_instructions\n{MATMUL}")).text;
        assert!(skipped.contains("compiled without ttgpuir.reorder_instructions"), "{version}: {skipped}");
        run(&mut session, "%check c == f32(a) @ f32(b)");
        let cell = next_cell(&mut session, "%passes matmul@1 --edit accelerate_matmul");
        run(&mut session, "%buf c = zeros(64, 64)");
        run(&mut session, &cell);
        run(&mut session, "%check c == f32(a) @ f32(b)");
        again_with_other_passes(&mut session, version);
    }
}
