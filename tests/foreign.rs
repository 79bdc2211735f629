//! Texts from elsewhere: what their launch needs comes from the text, from the compiler, from the version that they were
//! edited from, from a measurement; where nothing can say it, it has to be given.

use warpbook::session::Session;
use warpbook_compiler::Stage;
use warpbook_test_support::environment;
use warpbook_test_support::notebook::{check_report, fails, next_cell, run};

const DOUBLE: &str = "@triton.jit
def double(a, c, BLOCK: tl.constexpr):
    row, column = tl.program_id(0) * BLOCK, tl.program_id(1) * BLOCK
    c.store([row, column], a.load([row, column]) * 2)
";

const BUFFERS: &str = "%buf a = randn(64, 64, dtype=f16, seed=1)\n%buf c = zeros(64, 64, dtype=f16)";

/// The text of a stage as `%edit` gives it, without the comment of its first line.
fn bare_text(session: &mut Session, stage: Stage, kernel: &str) -> String {
    let cell = next_cell(session, &format!("%edit {stage} {kernel}"));
    let body = cell.split_once('\n').expect("a header").1;
    assert!(body.starts_with("// warpbook: ") || body.starts_with("; warpbook: "), "{body}");
    body.split_once('\n').expect("a comment").1.to_owned()
}

#[test]
fn a_descriptor_of_a_pasted_text_has_the_swizzle_that_the_text_was_compiled_for() {
    environment::python();
    for triton in ["3.4.0", "3.6.0"] {
        if !environment::has_triton(triton) {
            continue;
        }
        let mut own = Session::new();
        run(&mut own, &format!("%target sm_90\n%triton {triton}\n{BUFFERS}"));
        run(&mut own, &format!("%%triton double[2, 2](tma(a, [32, 32]), tma(c, [32, 32]), 32)\n{DOUBLE}"));
        for stage in [Stage::Ttir, Stage::Ttgir, Stage::Llir, Stage::Ptx] {
            let text = bare_text(&mut own, stage, "double");
            // A session that never saw the kernel. Below TTGIR no text states the swizzle.
            let mut other = Session::new();
            run(&mut other, &format!("%target sm_90\n%triton {triton}\n{BUFFERS}"));
            let cell = |swizzle: &str| {
                let shared = if stage >= Stage::Llir { " --shared 4096" } else { "" };
                format!("%%{stage} double[2, 2](tma(a, [32, 32]{swizzle}), tma(c, [32, 32]{swizzle})){shared}\n{text}")
            };
            if stage >= Stage::Llir {
                let error = check_report(&mut other, &cell(""), "tensor-map", &["swizzle=128", "tensordesc"]);
                assert!(error.message.contains("does not state the swizzle"), "{error}");
                run(&mut other, "%check c == zeros(64, 64, dtype=f16)");
                run(&mut other, &cell(", swizzle=64"));
            } else {
                run(&mut other, &cell(""));
                let error = fails(&mut other, &cell(", swizzle=128"));
                assert!(error.message.contains("compiled for a swizzle of 64 bytes, not 128"), "{error}");
            }
            run(&mut other, "%check c == 2 * a");
        }
    }
}

#[test]
fn a_pasted_text_takes_each_part_of_a_descriptor_too() {
    environment::python();
    let mut own = Session::new();
    run(&mut own, &format!("%target sm_90\n{BUFFERS}"));
    run(&mut own, &format!("%%triton double[2, 2](tma(a, [32, 32]), tma(c, [32, 32]), 32)\n{DOUBLE}"));
    let text = bare_text(&mut own, Stage::Ttgir, "double");
    let mut other = Session::new();
    run(&mut other, &format!("%target sm_90\n{BUFFERS}"));
    let parts = "tma(a, [32, 32]), 64, 64, 64, 1, tma(c, [32, 32]), 64, 64, 64, 1";
    run(&mut other, &format!("%%ttgir double[2, 2]({parts})\n{text}"));
    run(&mut other, "%check c == 2 * a");
}

#[test]
fn below_sm_90_a_descriptor_of_a_pasted_text_is_a_pointer_with_its_parts() {
    environment::python();
    for triton in ["3.4.0", "3.6.0"] {
        if !environment::has_triton(triton) {
            continue;
        }
        let mut own = Session::new();
        run(&mut own, &format!("%target sm_80\n%triton {triton}\n{BUFFERS}"));
        run(&mut own, &format!("%%triton double[2, 2](tma(a, [32, 32]), tma(c, [32, 32]), 32)\n{DOUBLE}"));
        run(&mut own, "%check c == 2 * a");
        let text = bare_text(&mut own, Stage::Ttgir, "double");
        let mut other = Session::new();
        run(&mut other, &format!("%target sm_80\n%triton {triton}\n{BUFFERS}"));
        run(&mut other, &format!("%%ttgir double[2, 2](tma(a, [32, 32]), tma(c, [32, 32]))\n{text}"));
        run(&mut other, "%check c == 2 * a");
    }
}

/// A kernel that writes to the memory behind its last pointer, as Triton's own descriptors are: 256 bytes for each block.
const SCRATCH: &str = ".version 8.4
.target sm_80
.address_size 64
.visible .entry spill(.param .u64 .ptr .global .align 1 out, .param .u64 .ptr .global .align 1 scratch)
.reqntid 32
{
    .reg .b32 %r<6>;
    .reg .b64 %rd<9>;
    ld.param.u64 %rd1, [out];
    ld.param.u64 %rd2, [scratch];
    mov.u32 %r1, %ctaid.x;
    mov.u32 %r2, %tid.x;
    mul.wide.u32 %rd3, %r1, STRIDE;
    add.s64 %rd4, %rd2, %rd3;
    mul.wide.u32 %rd5, %r2, 8;
    add.s64 %rd4, %rd4, %rd5;
    st.global.u32 [%rd4+4], %r2;
    ld.global.u32 %r3, [%rd4+4];
    mad.lo.u32 %r4, %r1, 32, %r2;
    mul.wide.u32 %rd6, %r4, 4;
    add.s64 %rd7, %rd1, %rd6;
    st.global.u32 [%rd7], %r3;
    ret;
}
";

#[test]
fn scratch_that_no_text_names_is_measured() {
    let mut session = Session::new();
    run(&mut session, "%buf out = zeros(128, dtype=i32)");
    let output = run(&mut session, &format!("%%ptx spill[4](out)\n{}", SCRATCH.replace("STRIDE", "256")));
    run(&mut session, "%check out[96:128] == arange(32, dtype=i32)");
    let said = "the kernel's text does not state its global scratch: 4 blocks wrote 1024 bytes of it in all (`--scratch 256/128`)";
    assert!(output.text.contains(said), "{}", output.text);
    let given = run(&mut session, "%launch spill[4](out) --scratch 256/128");
    assert!(!given.text.contains("does not state"), "{}", given.text);
    // More than a launch is given where the amount is not known.
    let far = SCRATCH.replace("STRIDE", "67108864");
    let error = fails(&mut session, &format!("%%ptx spill[4](out)\n{far}")).to_plain();
    assert!(
        error.contains("no text states the kernel's global scratch") && error.contains("`--scratch BYTES/ALIGN`"),
        "{error}"
    );
    let unread = SCRATCH.replace("ld.param.u64 %rd2, [scratch];", "mov.u64 %rd2, %rd1;").replace("STRIDE", "0");
    let output = run(&mut session, &format!("%%ptx spill[1](out)\n{unread}"));
    assert!(!output.text.contains("does not state"), "{}", output.text);
}

const EPS: &str = "@triton.jit
def norm(x, eps: tl.constexpr, BLOCK: tl.constexpr):
    at = x + tl.arange(0, BLOCK)
    tl.store(at, tl.load(at) + eps)
";

#[test]
fn a_constant_is_compared_as_a_number() {
    environment::python();
    let mut session = Session::new();
    run(&mut session, "%buf x = zeros(32)");
    run(&mut session, &format!("%%triton norm[1](x, eps=1e-5, BLOCK=32)\n{EPS}"));
    run(&mut session, "%launch norm[1](x, eps=1e-5, BLOCK=32)");
    run(&mut session, "%launch norm[1](x, eps=0.00001, BLOCK=32)");
    check_report(&mut session, "%launch norm[1](x, eps=2e-5, BLOCK=32)", "compiled-constant", &["1e-05"]);
}
