//! `%edit` and `%%patch` on PTX, which needs neither Triton nor Python.

use warpbook::session::Session;
use warpbook_test_support::kernels::BUMP;
use warpbook_test_support::notebook::{check_cell, check_refused, fails, run, run_with_reader};

/// A session in which `bump` was launched once.
fn session() -> Session {
    let mut session = Session::new();
    run(&mut session, "%buf x = zeros(32, dtype=f32)");
    run(
        &mut session,
        &format!(
            "%%ptx bump[1](x, 32)
{BUMP}"
        ),
    );
    session
}

#[test]
fn an_edited_cell_runs_as_it_is() {
    let mut session = session();
    let (output, shown) = run_with_reader(&mut session, "%edit ptx bump");
    assert!(output.text.starts_with("ptx of bump v1: "), "{}", output.text);
    let cell = shown.next_cells.last().expect("a new cell");
    let head: Vec<&str> = cell.lines().take(2).collect();
    assert_eq!(head[0], "%%ptx bump");
    assert!(head[1].starts_with("// warpbook: threads=32 warps=1 "), "{}", head[1]);
    assert!(head[1].contains("scratch_params=1"), "{}", head[1]);
    check_cell(&mut session, cell, &["bump v2 (from v1, ptx edited)", "min 2, max 2"]);
}

#[test]
fn a_patch_is_a_version_and_the_same_patch_again_is_the_same_one() {
    let mut session = session();
    let patch = "%%patch ptx bump\n0f3F800000 → 0f40000000\n";
    for expected in ["min 3, max 3", "min 5, max 5"] {
        check_cell(&mut session, patch, &["bump v2 (from v1, ptx edited)", expected]);
    }
    let patch = "%%patch ptx --version 1\n-\tadd.f32 %f2, %f1, 0f3F800000;\n+\tneg.f32 %f2, %f1;\n";
    check_cell(&mut session, patch, &["bump v3 (from v1, ptx edited)", "min -5, max -5"]);
}

#[test]
fn mistakes_are_shown_where_they_are() {
    let mut session = session();
    let error = fails(&mut session, "%%patch ptx bump\n0f3F80000 → 1\n").to_plain();
    assert!(error.contains("2 | 0f3F80000 → 1") && error.contains("did you mean `0f3F800000`?"), "{error}");
    let error = fails(&mut session, "%%patch ptx bump\nmul.wide.s32 → mul.wode.s32\n").to_plain();
    assert!(error.contains("20 |") && error.contains("mul.wode.s32"), "{error}");
    check_refused(
        &mut session,
        &[
            ("%edit", "needs a stage"),
            ("%edit ptxx", "did you mean `ptx`?"),
            ("%edit ptx bmp", "did you mean `bump`?"),
            ("%edit ptx bump --version 7", "it has: 1"),
            ("%edit ptx bump more", "does not take `more`"),
            ("%edit ttgir", "it has: ptx"),
            ("%%patch cubin\nx → y", "no text to patch"),
        ],
    );
    check_refused(&mut Session::new(), &[("%edit ptx", "no kernel was compiled yet")]);
}
