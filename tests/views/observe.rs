use super::*;

#[test]
fn counters_are_exact_and_the_same_again() {
    let mut session = session();
    let output = run(&mut session, "%counters matmul");
    insta::assert_snapshot!("counters", output.text);
    assert_eq!(run(&mut session, "%counters matmul"), output);
    let facts = output.facts.expect("facts");
    // 2·M·N·K
    assert_eq!(facts["tensor_flops"], 2 * 64 * 64 * 64);
    // m16n8k16
    assert_eq!(facts["smsp__inst_executed_pipe_tensor.sum"], 64 * 64 * 64 / (16 * 8 * 16));
    // Rows of 64 + 4 words, 4 lanes with 8 bytes each in a row: in each half-warp two rows share four banks.
    assert_eq!(facts["l1tex__data_bank_conflicts_pipe_lsu.sum"], 16 * 4 * 2);
    assert_eq!(facts["buffers"][2]["stored"], 64 * 64 * 4);
    let html = output.html.expect("HTML");
    assert!(
        ["PTX", "Triton"]
            .iter()
            .all(|title| html.contains(&format!(">{title} <small class=\"wb-stages-note\">executed")))
    );
    assert_eq!(fails(&mut session, "%counters matmull").help, ["did you mean `matmul`?"]);
    assert_eq!(fails(&mut session, "%counters matmul --seed 3").code, "unknown-option");
}

#[test]
fn a_timeline_is_drawn() {
    let mut session = session();
    let output = run(&mut session, "%timeline matmul");
    insta::assert_snapshot!("timeline", output.text);
    let html = output.html.expect("HTML");
    for expected in ["<svg", "block (0, 0, 0)", "steps of the emulator, not time", ">global memory<", ">warp 3<"] {
        assert!(html.contains(expected), "{expected}");
    }
    assert_eq!(output.facts.expect("facts")["warps"].as_array().map(Vec::len), Some(4));
    let zoomed = run(&mut session, "%timeline matmul --steps 10-50");
    assert!(zoomed.text.contains("steps 10 to 50; each letter is a step"), "{}", zoomed.text);
    let error = fails(&mut session, "%timeline matmul --block 1");
    assert_eq!((error.code, error.labels[0].span.clone()), ("no-such-block", 25..26));
    assert_eq!(fails(&mut session, "%timeline matmul --steps 9").code, "option-value");
    assert_eq!(fails(&mut session, "%timeline matmul --steps 90000-90001").code, "option-value");
}
