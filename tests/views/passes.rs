use super::*;

#[test]
fn passes_are_listed_and_one_can_be_entered_after() {
    let mut session = session();
    let output = run(&mut session, "%passes matmul");
    insta::assert_snapshot!(timeless(&output));
    let html = output.html.expect("HTML");
    assert!(html.contains("<details name=\"wb-matmul-v1\"><summary>ttgpuir.accelerate_matmul"), "{html}");
    assert!(html.len() < 1 << 20, "{} bytes", html.len());

    // What runs pass by pass is what runs at once: the rest of the stage makes the same version's code.
    let cell = edited(&mut session, "%passes matmul --edit accelerate_matmul");
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
