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

/// The oldest and the newest supported Triton, where they are installed.
#[test]
fn other_versions_of_triton_have_their_own_passes() {
    for version in [environment::VERSIONS.first(), environment::VERSIONS.last()].into_iter().flatten() {
        if !environment::managed().iter().any(|(made, _)| made == version) {
            println!("skipped: Triton {version} is not installed");
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
        let cell = edited(&mut session, "%passes matmul@1 --edit accelerate_matmul");
        run(&mut session, "%buf c = zeros(64, 64)");
        run(&mut session, &cell);
        run(&mut session, "%check c == f32(a) @ f32(b)");
    }
}
