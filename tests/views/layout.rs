use super::*;

#[test]
fn layouts_of_the_kernel_s_own_ttgir() {
    let mut session = session();
    insta::assert_snapshot!("layouts", run(&mut session, "%layout matmul").text);
    let output = run(&mut session, "%layout matmul #mma");
    insta::assert_snapshot!("mma", output.text);
    let html = output.html.expect("HTML");
    // Row 1 of the accumulator begins with the thread 4.
    assert!(html.contains(">T0:0</td>") && html.contains("<tr><th>1</th><td style=\"background:hsla(190"), "{html}");
    insta::assert_snapshot!("shared", run(&mut session, "%layout #shared").text);
    let unknown = fails(&mut session, "%layout matmul #mna");
    assert_eq!(unknown.help, ["did you mean `#mma`?"]);
    assert_eq!(fails(&mut session, "%layout matmul #mma --shape 3x4").code, "option-value");
}

#[test]
fn fragments_of_the_kernel_s_own_instructions() {
    let mut session = session();
    let output = run(&mut session, "%mma matmul");
    insta::assert_snapshot!("fragments", output.text);
    assert!(output.html.expect("HTML").contains("B, 16×8: thread and register of each element"));
}

const DOUBLE: &str = "@triton.jit
def double(a, c, BLOCK: tl.constexpr):
    row, column = tl.program_id(0) * BLOCK, tl.program_id(1) * BLOCK
    c.store([row, column], a.load([row, column]) * 2)
";

#[test]
fn descriptors_of_a_kernel() {
    let mut session = session();
    assert_eq!(fails(&mut session, "%tma matmul").code, "no-descriptor");
    let header = "%%triton double[2, 2](tma(a, [32, 32]), tma(b, [32, 32]), 32) --compile --target sm_90";
    run(&mut session, &format!("{header}\n{DOUBLE}"));
    insta::assert_snapshot!("descriptors", run(&mut session, "%tma double").text);
}
