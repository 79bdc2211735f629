use super::*;

#[test]
fn stages_are_linked() {
    let mut session = session();
    let output = run(&mut session, "%stages matmul");
    insta::assert_snapshot!(timeless(&output));
    let html = output.html.expect("HTML");
    assert!(html.contains(">SASS <small") && html.contains("<b>HMMA.16816.F32</b>"));
    assert!(html.len() < 1 << 20, "{} bytes", html.len());
    // The line of the `tl.dot` has a key that a machine instruction has too.
    let key = |what: &str| {
        let line = html.split("<div data-n=").find(|line| line.contains(what)).expect("the line");
        line.split("k=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("keys").to_owned()
    };
    let of_dot: Vec<String> = key("= tl.dot(").split(' ').map(str::to_owned).collect();
    assert!(of_dot.contains(&key("<b>HMMA.16816.F32</b>")), "{of_dot:?}");
}

#[test]
fn a_kernel_that_entered_below_python_is_its_own_source() {
    let mut session = session();
    let cell = next_cell(&mut session, "%edit ptx matmul");
    run(&mut session, &cell);
    let text = run(&mut session, "%stages matmul").text;
    let stages: Vec<&str> = text.lines().skip(2).take(2).filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(stages, ["PTX", "SASS"], "{text}");
    assert!(text.contains("linked: SASS → PTX 100.0 %"), "{text}");
    let error = fails(&mut session, "%stages matmul@7");
    assert_eq!(error.code, "unknown-version");
}
