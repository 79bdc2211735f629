use super::*;

#[test]
fn two_versions_are_compared() {
    let mut session = session();
    assert_eq!(fails(&mut session, "%diff matmul").code, "unknown-version");
    let cell = next_cell(&mut session, "%edit ttgir matmul");
    let cell = cell.replace("tt.store %", "tt.store  %");
    run(&mut session, &cell.replace("inputPrecision = tf32", "inputPrecision = ieee"));
    let output = run(&mut session, "%diff matmul@1 matmul@2");
    insta::assert_snapshot!(output.text);
    assert!(output.html.expect("HTML").contains("<del class"));
    assert_eq!(run(&mut session, "%diff matmul").text, output.text);
    let same = run(&mut session, "%diff matmul@1 matmul@1 --stage ptx").text;
    assert!(same.ends_with("resources, metadata, instruction mix and counters: the same"), "{same}");
    let still = run(&mut session, "%diff matmul@1 matmul@1 --static").text;
    assert!(still.ends_with("PTX: the same\nresources, metadata and instruction mix: the same"), "{still}");
}

/// The value of a row: before and after.
fn row(output: &Output, name: &str) -> (String, String) {
    let row = &output.facts.as_ref().expect("facts")["changed"][name];
    let text = |at: usize| row[at].as_str().unwrap_or_else(|| panic!("{name}: {}", output.text)).to_owned();
    (text(0), text(1))
}

#[test]
fn one_source_for_two_targets() {
    let mut session = session();
    let output = run(&mut session, "%diff matmul --targets sm_80,sm_90");
    insta::assert_snapshot!(output.text);
    assert_eq!(row(&output, "target"), ("sm_80".into(), "sm_90".into()));
    // The same products, by other instructions.
    assert!(row(&output, "PTX mma.sync").0 == "32" && row(&output, "PTX wgmma.mma_async").0 == "0");
    // What was compiled to be compared is no version of the kernel, and the buffers keep what they hold.
    assert_eq!(fails(&mut session, "%stages matmul@2").code, "unknown-version");
    run(&mut session, "%check c == f32(a) @ f32(b)");
    let one = run(&mut session, "%diff matmul --targets sm_90").text;
    assert_eq!(one, output.text);

    let error = fails(&mut session, "%diff matmul --targets sm_80,sm_91");
    assert_eq!(error.labels[0].span, 29..34, "{error}");
    assert_eq!(fails(&mut session, "%diff matmul --targets sm_80,sm_90,sm_75").code, "option-value");
    let cell = next_cell(&mut session, "%edit ptx matmul");
    run(&mut session, &cell);
    assert_eq!(fails(&mut session, "%diff matmul --targets sm_90").code, "not-compiled");
}

/// Where both are installed.
#[test]
fn one_source_by_two_tritons() {
    if !has_triton("3.6.0") {
        return;
    }
    let mut session = session();
    let output = run(&mut session, "%diff matmul --triton 3.4,3.6");
    assert_eq!(row(&output, "Triton"), ("3.4.0".into(), "3.6.0".into()));
    assert!(
        output
            .text
            .starts_with("matmul v1 · sm_80 · Triton 3.4.0 → matmul v1 · sm_80 · Triton 3.6.0\nTriton: the same")
    );
    let (before, after) = row(&output, "warp instructions executed");
    assert!(before != "0" && after != "0", "{}", output.text);
}

#[test]
fn configurations_are_counted_as_they_were_launched() {
    let mut session = session();
    // Four times the programs, each with a quarter of the columns: the same work of the tensor cores.
    let text = MATMUL
        .replace("def matmul", "def tiles")
        .replace("BLOCK: tl.constexpr):", "BLOCK: tl.constexpr, COLUMNS: tl.constexpr):")
        .replacen("    sum =", "    columns = tl.program_id(0) * COLUMNS + tl.arange(0, COLUMNS)\n    sum =", 1)
        .replace("zeros((BLOCK, BLOCK)", "zeros((BLOCK, COLUMNS)");
    for columns in [64, 16] {
        let header = format!("%%triton tiles[64 // COLUMNS](a, b, c, 64, 64, BLOCK=64, COLUMNS={columns})");
        run(&mut session, &format!("{header}\n{text}"));
        run(&mut session, "%check c == f32(a) @ f32(b)");
    }
    let output = run(&mut session, "%diff tiles@1 tiles@2");
    assert_eq!(row(&output, "constexpr COLUMNS"), ("64".into(), "16".into()));
    let changed = &output.facts.as_ref().expect("facts")["changed"];
    assert!(changed["tensor-core FLOPs"].is_null(), "{}", output.text);
    // A has to be loaded four times.
    let (before, after) = row(&output, "global bytes");
    assert_eq!((before.as_str(), after.as_str()), ("32 768", "57 344"));
}

#[test]
fn what_was_never_launched_is_not_counted() {
    let mut session = session();
    run(
        &mut session,
        &format!(
            "%%triton other[1](a, b, c, 64, 64, BLOCK=32) --compile\n{}",
            MATMUL.replace("def matmul", "def other")
        ),
    );
    let output = run(&mut session, "%diff matmul other");
    assert!(output.text.contains("`other` was never launched: nothing is counted or timed"), "{}", output.text);
}
