use super::*;
use std::sync::atomic::AtomicBool;

const HEAD: &str = ".version 8.0\n.target sm_80\n.address_size 64\n.global .align 4 .b32 g[4];\n.shared .align 4 .b32 s[4];\n\
                    .visible .entry k(.param .u64 p)\n{\n.reg .pred %p<4>;\n.reg .b16 %h<4>;\n.reg .b32 %r<8>;\n.reg .s32 %i<4>;\n\
                    .reg .f32 %f<8>;\n.reg .b64 %d<4>;\nL:\n";

/// What is wrong with a line of an entry: the message, the text under the caret and the help.
fn wrong(line: &str) -> (String, String, String) {
    let text = format!("{HEAD}{line}\nret;\n}}\n");
    let module = crate::parse(&text).unwrap_or_else(|error| panic!("{line}: {}", error.message));
    let problems = problems(&text, &module).expect("nobody interrupts");
    let [problem] = problems.as_slice() else { panic!("{line}: {problems:?}") };
    let span = problem.labels[0].span.clone();
    (problem.message.clone(), text[span].to_owned(), problem.help.first().cloned().unwrap_or_default())
}

#[test]
fn what_is_wrong_is_named_with_its_place() {
    for (line, message, marked, help) in [
        (
            "div.f32 %f1, %f2, %f3;",
            "`div.f32` needs a rounding: `.approx`, `.full`, `.rn`, `.rz`, `.rm` or `.rp`",
            "div.f32",
            "",
        ),
        ("fma.f64 %d1, %d2, %d3, %d1;", "`fma.f64` needs a rounding: `.rn`, `.rz`, `.rm` or `.rp`", "fma.f64", ""),
        ("mul.s32 %i1, %i2, %i3;", "`mul.s32` needs a modifier: `.lo` or `.hi`", "mul.s32", ""),
        ("clz %r1, %r2;", "`clz` needs a type: `.b32` or `.b64`", "clz", ""),
        (
            "add.ftz.s32 %i1, %i2, %i3;",
            "`.ftz` is no modifier of `add.s32`",
            ".ftz",
            "`add` takes `.ftz` with `.f32`, `.f16`, `.f16x2` or `.f32x2`",
        ),
        (
            "add.f32 %f1, %f2, %i3;",
            "`%i3` is a `.s32` register, which `add.f32` does not take here",
            "%i3",
            "this operand takes `.b32` or `.f32`",
        ),
        (
            "add.f32 %f1, %f2, 1;",
            "an integer is no constant of type `.f32`",
            "add.f32 %f1, %f2, 1;",
            "write `0f…` with the eight digits of the bits, or `1.0`",
        ),
        ("add.s32 %i1, %i2;", "`add.s32` takes 3 operands; 2 are here", "add.s32 %i1, %i2;", ""),
        (
            "add.s32 %i1, %tid.x, 1;",
            "`add.s32` does not take the special register `%tid.x`",
            "%tid.x",
            "`mov` puts it into a register",
        ),
        ("ld.shared.b32 %r1, [g];", "`g` lies in global memory; `ld.shared.b32` accesses shared memory", "g", ""),
        (
            "ld.global.b32 %r1, [%f1];",
            "`%f1` is a `.f32` register, which cannot hold an address",
            "%f1",
            "an address is in a register of integers or bits: `.b64`",
        ),
        ("st.param.u64 [p], %d1;", "`p` is a parameter of the function, which cannot be written", "p", ""),
        ("bra M;", "there is no label `M`", "M", ""),
        ("mov.b32 %r9, 1;", "there is no register `%r9`", "%r9", "declare it: `.reg .b32 %r9;`"),
        ("@%r1 bra L;", "the guard `%r1` is a `.b32` register, not a predicate", "%r1", ""),
        ("bar.sync 16;", "16 is not a value that this constant can have", "bar.sync 16;", "it is from 0 to 15"),
        ("fence.proxy.async;", "`fence.proxy.async` needs `.target sm_90` or later", "fence.proxy.async", ""),
        (
            "wgmma.fence.sync.aligned;",
            "`wgmma.fence.sync.aligned` needs `.target sm_90a`",
            "wgmma.fence.sync.aligned",
            "",
        ),
        (
            "cvt.rn.bf16x2.f32.satfinite %r1, %f1, %f2;",
            "`cvt.rn.bf16x2.f32.satfinite` needs `.version 8.1` or later",
            "cvt.rn.bf16x2.f32.satfinite",
            "",
        ),
        (
            "ld.global.v4.b64 {%d1, %d2, %d3, %d0}, [%d1];",
            "4 values of type `.b64` are more than the 128 bits of a vector",
            "ld.global.v4.b64 {%d1, %d2, %d3, %d0}, [%d1];",
            "use two instructions",
        ),
        (".reg .b32 %p;\n.reg .b32 %p;", "`%p` is declared twice", "%p", ""),
        ("L:", "label `L` is defined twice", "L", ""),
    ] {
        let (found, place, advice) = wrong(line);
        assert_eq!((found.as_str(), place.as_str(), advice.as_str()), (message, marked, help), "{line}");
    }
}

#[test]
fn what_ptxas_takes_is_taken() {
    for line in [
        "div.rn.f32 %f1, %f2, 2.0;",
        "add.s32.sat %i1, %r2, -1;",
        "mov.b32 %r1, 0f3F800000;",
        "mov.b32 {%h1, %h2}, %f1;",
        "ld.global.u8 %d1, [g+4];",
        "cvt.u64.u32 %d1, %tid.x;",
        "setp.lt.and.f32 %p1|_, %f1, %f2, !%p3;",
        "@!%p1 bra L;",
        "{ .reg .f32 %r1; mov.f32 %r1, 1.0; }",
        "selp.b32 %r1, 1, 0, %p1;",
    ] {
        let text = format!("{HEAD}{line}\nret;\n}}\n");
        let module = crate::parse(&text).expect("it parses");
        assert_eq!(problems(&text, &module), Ok(Vec::new()), "{line}");
    }
}

#[test]
fn a_target_needs_its_version() {
    for (head, message) in [
        (".version 7.8\n.target sm_90a\n", Some("`.target sm_90a` needs `.version 8.0`")),
        (".version 8.0\n.target sm_90a\n", None),
        (".version 8.0\n.target hopper\n", Some("`hopper` is not the name of an architecture")),
        (".version 8.0\n", Some("the module has no `.target`")),
    ] {
        let text = format!("{head}.visible .entry k()\n{{\nret;\n}}\n");
        let module = crate::parse(&text).expect("it parses");
        let found = check(&text, &module).err().map(|error| error.message.clone());
        assert_eq!(found.as_deref(), message, "{head}");
    }
}

#[test]
fn an_interrupt_ends_the_check_of_a_long_body() {
    let text = format!("{HEAD}{}ret;\n}}\n", "add.s32 %i1, %i2, %i3;\n".repeat(5_000));
    let module = crate::parse(&text).expect("it parses");
    let flag = Arc::new(AtomicBool::new(true));
    let ended = interrupt::under(&flag, || check(&text, &module)).expect_err("interrupted");
    assert!(ended.is_interrupted());
    assert_eq!(check(&text, &module), Ok(()));
}

#[test]
fn the_first_problem_is_the_one_that_is_told() {
    let text = format!("{HEAD}clz %r1, %r2;\ndiv.f32 %f1, %f2, %f3;\nret;\n}}\n");
    let module = crate::parse(&text).expect("it parses");
    let all = problems(&text, &module).expect("nobody interrupts");
    assert_eq!(all.len(), 2);
    assert_eq!(check(&text, &module).err().as_ref(), all.first());
}
