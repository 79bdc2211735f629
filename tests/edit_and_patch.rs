//! `%edit` and `%%patch` on PTX, which needs neither Triton nor Python.

use std::sync::Mutex;

use warpbook::frontend::{Frontend, InputError, Stream};
use warpbook::render::Output;
use warpbook::session::Session;
use warpbook_diagnostic::Diagnostic;
use warpbook_process::cancel::Cancel;

/// Keeps what is put into the next cell.
#[derive(Default)]
struct Reader(Mutex<Vec<String>>);

impl Frontend for Reader {
    fn stream(&self, _: Stream, _: &str) {}
    fn display(&self, _: &Output, _: Option<&str>) {}
    fn update_display(&self, _: &Output, _: &str) {}
    fn clear_output(&self, _: bool) {}
    fn set_next_input(&self, text: &str, _: bool) {
        self.0.lock().expect("not poisoned").push(text.to_owned());
    }
    fn input(&self, _: &str, _: bool) -> Result<String, InputError> {
        Err(InputError::NotAllowed)
    }
}

/// Adds 1.0 to each element; the last pointer is Triton's own.
const PTX: &str = "\
.version 8.7
.target sm_80
.address_size 64
.visible .entry bump(
	.param .u64 .ptr .global .align 1 bump_param_0,
	.param .u32 bump_param_1,
	.param .u64 .ptr .global .align 1 bump_param_2
)
.reqntid 32
{
	.reg .pred %p<2>;
	.reg .b32 %r<4>;
	.reg .f32 %f<3>;
	.reg .b64 %rd<5>;
	ld.param.u64 %rd1, [bump_param_0];
	ld.param.u32 %r1, [bump_param_1];
	mov.u32 %r2, %tid.x;
	setp.ge.s32 %p1, %r2, %r1;
	@%p1 bra done;
	mul.wide.s32 %rd2, %r2, 4;
	add.s64 %rd3, %rd1, %rd2;
	ld.global.f32 %f1, [%rd3];
	add.f32 %f2, %f1, 0f3F800000;
	st.global.f32 [%rd3], %f2;
done:
	ret;
}
";

struct Run {
    session: Session,
    reader: Reader,
}

impl Run {
    fn new() -> Self {
        let mut run = Self { session: Session::new(), reader: Reader::default() };
        run.good("%buf x = zeros(32, dtype=f32)");
        run.good(&format!("%%ptx bump[1](x, 32)\n{PTX}"));
        run
    }

    fn cell(&mut self, cell: &str) -> Result<String, Diagnostic> {
        let output = self.session.execute(cell, &self.reader, &Cancel::new())?;
        Ok(output.map(|output| output.text).unwrap_or_default())
    }

    fn good(&mut self, cell: &str) -> String {
        self.cell(cell).unwrap_or_else(|error| panic!("{cell}\n{error}"))
    }

    fn bad(&mut self, cell: &str) -> String {
        self.cell(cell).expect_err(cell).to_plain()
    }

    fn next_cell(&self) -> String {
        self.reader.0.lock().expect("not poisoned").pop().expect("a new cell")
    }
}

#[test]
fn an_edited_cell_runs_as_it_is() {
    let mut run = Run::new();
    let said = run.good("%edit ptx bump");
    assert!(said.starts_with("ptx of bump v1: "), "{said}");
    let cell = run.next_cell();
    let head: Vec<&str> = cell.lines().take(2).collect();
    assert_eq!(head[0], "%%ptx bump");
    assert!(head[1].starts_with("// warpbook: threads=32 warps=1 "), "{}", head[1]);
    assert!(head[1].contains("scratch_params=1"), "{}", head[1]);
    let report = run.good(&cell);
    assert!(report.contains("bump v2 (from v1, ptx edited)"), "{report}");
    assert!(report.contains("min 2, max 2"), "{report}");
}

#[test]
fn a_patch_is_a_version_and_the_same_patch_again_is_the_same_one() {
    let mut run = Run::new();
    let patch = "%%patch ptx bump\n0f3F800000 → 0f40000000\n";
    for expected in ["min 3, max 3", "min 5, max 5"] {
        let report = run.good(patch);
        assert!(report.contains("bump v2 (from v1, ptx edited)"), "{report}");
        assert!(report.contains(expected), "{report}");
    }
    let report = run.good("%%patch ptx --version 1\n-\tadd.f32 %f2, %f1, 0f3F800000;\n+\tneg.f32 %f2, %f1;\n");
    assert!(report.contains("bump v3 (from v1, ptx edited)") && report.contains("min -5, max -5"), "{report}");
}

#[test]
fn mistakes_are_shown_where_they_are() {
    let mut run = Run::new();
    let error = run.bad("%%patch ptx bump\n0f3F80000 → 1\n");
    assert!(error.contains("2 | 0f3F80000 → 1") && error.contains("did you mean `0f3F800000`?"), "{error}");
    let error = run.bad("%%patch ptx bump\nmul.wide.s32 → mul.wode.s32\n");
    assert!(error.contains("20 |") && error.contains("mul.wode.s32"), "{error}");
    for (cell, expected) in [
        ("%edit", "wants a stage"),
        ("%edit ptxx", "did you mean `ptx`?"),
        ("%edit ptx bmp", "did you mean `bump`?"),
        ("%edit ptx bump --version 7", "it has: 1"),
        ("%edit ptx bump more", "no use for `more`"),
        ("%edit ttgir", "it has: ptx"),
        ("%%patch cubin\nx → y", "no text to patch"),
    ] {
        let error = run.bad(cell);
        assert!(error.contains(expected), "{error}");
    }
    let mut empty = Run { session: Session::new(), reader: Reader::default() };
    assert!(empty.bad("%edit ptx").contains("no kernel was compiled yet"));
}
