use super::*;

/// A kernel of 32 threads that stores f3, made of f1, an element of `a`, to that of `out`.
fn kernel(name: &str, body: &str) -> String {
    format!(
        ".version 8.4
.target sm_90a
.address_size 64
.visible .entry {name}(.param .u64 a, .param .u64 out)
.reqntid 32
{{
    .reg .f32 %f<5>;
    .reg .b32 %r<2>;
    .reg .b64 %rd<6>;
    ld.param.u64 %rd1, [a];
    ld.param.u64 %rd2, [out];
    mov.u32 %r1, %tid.x;
    mul.wide.u32 %rd3, %r1, 4;
    add.s64 %rd4, %rd1, %rd3;
    add.s64 %rd5, %rd2, %rd3;
    ld.global.f32 %f1, [%rd4];
    {body}
    st.global.f32 [%rd5], %f3;
    ret;
}}
"
    )
}

/// out = a·a − (1 + 2^-11): 2^-24 with one rounding, 0 with two.
const SQUARES: &str = "mul.f32 %f2, %f1, %f1;
    sub.f32 %f3, %f2, 0f3F801000;";

/// out = a / 3, which ptxas writes as a product with the correctly rounded third.
const THIRDS: &str = "mov.b32 %f2, 0f40400000;
    div.full.f32 %f3, %f1, %f2;";

#[test]
fn pairs_that_ptxas_contracted_are_followed() {
    environment::python();
    let mut session = Session::new();
    run(&mut session, "%target sm_90\n%triton 3.4.0\n%buf a = full(32, 1.000244140625)\n%buf out = zeros(32)");
    let apart = run(&mut session, &format!("%%ptx squares[1](a, out)\n{}", kernel("squares", SQUARES)));
    assert!(apart.text.contains("\n1 mul/add pairs that ptxas may contract are as in PTX"), "{}", apart.text);
    run(&mut session, "%check out == zeros(32)");
    let contracted = run(&mut session, &format!("%%ptx squares[1](a, out) --contract\n{}", kernel("squares", SQUARES)));
    assert!(contracted.text.contains("\n1 of 1 mul/add pairs contracted as ptxas did"), "{}", contracted.text);
    run(&mut session, "%check out == full(32, 5.9604644775390625e-08)");
    // The version has machine code now: launched again, it is followed again.
    run(&mut session, "%buf out = zeros(32)");
    let again = run(&mut session, "%launch squares[1](a, out)");
    assert!(again.text.contains("1 of 1 mul/add pairs contracted"), "{}", again.text);
    run(&mut session, "%check out == full(32, 5.9604644775390625e-08)");
}

#[test]
fn constants_that_ptxas_folded_are_followed_from_ptx_and_from_a_cubin() {
    environment::python();
    let mut session = Session::new();
    run(&mut session, "%target sm_90\n%triton 3.4.0\n%buf a = full(32, 5.0)\n%buf out = zeros(32)");
    let followed = run(&mut session, &format!("%%ptx thirds[1](a, out) --contract\n{}", kernel("thirds", THIRDS)));
    assert!(followed.text.contains(", 1 folded constant as ptxas computed it"), "{}", followed.text);
    // 5 · 0.33333334, rounded once: 5 / 3 is 1.6666666.
    run(&mut session, "%check out == full(32, 1.6666667461395264)");
    let cell = next_cell(&mut session, "%edit cubin thirds");
    let cell = cell.replacen("%%cubin thirds", "%%cubin thirds[1](a, out) --contract", 1);
    run(&mut session, "%buf out = zeros(32)");
    let from_cubin = run(&mut session, &cell);
    assert!(from_cubin.text.contains(", 1 folded constant as ptxas computed it"), "{}", from_cubin.text);
    run(&mut session, "%check out == full(32, 1.6666667461395264)");
    // A version of that cubin stays followed.
    run(&mut session, "%buf out = zeros(32)");
    let again = run(&mut session, "%launch thirds[1](a, out)");
    assert!(again.text.contains(", 1 folded constant as ptxas computed it"), "{}", again.text);
    run(&mut session, "%check out == full(32, 1.6666667461395264)");
}

#[test]
fn other_architectures_are_said_to_be_modelled() {
    let mut session = session();
    let output = run(&mut session, "%launch matmul");
    assert!(output.text.contains("\narithmetic of sm_80 modelled, not verified\n"), "{}", output.text);
}
