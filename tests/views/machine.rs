use super::*;

#[test]
fn machine_code_and_resources() {
    let mut session = session();
    let output = run(&mut session, "%sass matmul");
    insta::assert_snapshot!("sass", output.text);
    let html = output.html.expect("HTML");
    assert!(html.contains("B------:R-:W-:-:S") && html.contains("wait : read : write : yield : stall"));
    insta::assert_snapshot!("resources", run(&mut session, "%resources matmul").text);
}

#[test]
fn claims_hold_or_fail_visibly() {
    let mut session = session();
    let output = run(
        &mut session,
        "%%expect ptx matmul\n// One tile: 32 products of fragments.\nCHECK: ldmatrix.sync\nCHECK-COUNT-32: mma.sync.aligned.m16n8k16\nCHECK-NOT: mma.sync",
    );
    assert!(output.text.starts_with("3 of 3 claims about the ptx hold · matmul v1"), "{}", output.text);
    run(&mut session, "%%expect ttgir\nCHECK: #mma = #ttg.nvidia_mma<{versionMajor = 2\nCHECK: tt.dot");
    run(&mut session, "%%expect sass matmul@1\nCHECK-COUNT-32: HMMA.16816.F32\nCHECK: EXIT");
    let error = fails(&mut session, "%%expect ptx matmul\nCHECK: wgmma.mma_async");
    assert_eq!(error.code, "expect");
    let text = error.to_plain();
    assert!(text.contains("cell:2:8") && text.contains("not found from line 1 on"), "{text}");
    assert_eq!(fails(&mut session, "%%expect ptx matmul\nwgmma").code, "expect-syntax");
    run(&mut session, "%%expect ttgir\nCHECK: tt.func\nCHECK-DAG: tt.dot\nCHECK-DAG: tt.load\nCHECK: tt.store");
    let error = fails(&mut session, "%%expect ptx matmul\nCHECK: ldmatrix\nCHECK: mma.snyc.aligned.m16n8k16");
    let text = error.to_plain();
    assert!(text.contains("nearest to it in the ptx, line ") && text.contains("mma.sync.aligned.m16n8k16"), "{text}");
    assert!(text.contains("1 of 2 claims hold, up to this one"), "{text}");
}
