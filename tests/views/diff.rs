use super::*;

#[test]
fn two_versions_are_compared() {
    let mut session = session();
    assert_eq!(fails(&mut session, "%diff matmul").code, "unknown-version");
    let cell = edited(&mut session, "%edit ttgir matmul");
    let cell = cell.replace("tt.store %", "tt.store  %");
    run(&mut session, &cell.replace("inputPrecision = tf32", "inputPrecision = ieee"));
    let output = run(&mut session, "%diff matmul@1 matmul@2");
    insta::assert_snapshot!(output.text);
    assert!(output.html.expect("HTML").contains("<del>"));
    assert_eq!(run(&mut session, "%diff matmul").text, output.text);
    let same = run(&mut session, "%diff matmul@1 matmul@1 --stage ptx").text;
    assert!(same.ends_with("PTX: the same\nresources and instruction mix: the same"), "{same}");
}
