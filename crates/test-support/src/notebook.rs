//! A session as a notebook drives it, and a reader that records what its cells show.

use std::sync::{Mutex, MutexGuard, PoisonError};

use warpbook::frontend::{Frontend, InputError, Stream};
use warpbook::render::Output;
use warpbook::session::Session;
use warpbook_diagnostic::Diagnostic;
use warpbook_process::cancel::Cancel;

/// Bytes of text that an output may have: what is longer belongs into its HTML.
const MAX_TEXT: usize = 4096;

/// The reader of cells: records what they show, and answers no question.
#[derive(Default)]
pub struct Reader {
    shown: Mutex<Shown>,
}

/// What cells have shown besides their results.
#[derive(Clone, Debug, Default)]
pub struct Shown {
    /// Standard output, standard error and the text of displayed outputs, in order; each display ends a line.
    pub text: String,
    /// Texts put into new cells, in order.
    pub next_cells: Vec<String>,
}

impl Reader {
    /// What was shown since the last call.
    pub fn take(&self) -> Shown {
        std::mem::take(&mut self.shown())
    }

    fn shown(&self) -> MutexGuard<'_, Shown> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Frontend for Reader {
    fn stream(&self, _: Stream, text: &str) {
        self.shown().text.push_str(text);
    }

    fn display(&self, output: &Output, _: Option<&str>) {
        let mut shown = self.shown();
        shown.text.push_str(&output.text);
        shown.text.push('\n');
    }

    fn update_display(&self, _: &Output, _: &str) {}

    fn clear_output(&self, _: bool) {}

    fn set_next_input(&self, text: &str, _: bool) {
        self.shown().next_cells.push(text.to_owned());
    }

    fn input(&self, _: &str, _: bool) -> Result<String, InputError> {
        Err(InputError::NotAllowed)
    }
}

/// A session for `target`, such as `sm_80`, with the default Triton.
pub fn session(target: &str) -> Session {
    crate::environment::python();
    let mut session = Session::new();
    run(&mut session, &format!("%target {target}"));
    session
}

/// Runs a cell that has to succeed. Its text has to be short and its HTML to need nothing from outside.
///
/// # Panics
///
/// If the cell fails.
#[track_caller]
pub fn run(session: &mut Session, cell: &str) -> Output {
    let (output, _) = run_with_reader(session, cell);
    output
}

/// Runs a cell that has to succeed; its result and what it showed besides.
#[track_caller]
pub fn run_with_reader(session: &mut Session, cell: &str) -> (Output, Shown) {
    let reader = Reader::default();
    let output = match session.execute(cell, &reader, &Cancel::new()) {
        Ok(output) => output.unwrap_or_default(),
        Err(error) => panic!("{cell}\n{}", error.to_plain()),
    };
    assert!(output.text.len() < MAX_TEXT, "{cell}\n{} bytes of text\n{}", output.text.len(), output.text);
    if let Some(html) = &output.html {
        keep(cell, html);
        for outside in ["src=\"http", "href=\"http", "@import", "url("] {
            assert!(!html.contains(outside), "{outside} in the HTML of {cell}");
        }
    }
    (output, reader.take())
}

/// Runs a cell that has to fail; its error.
///
/// # Panics
///
/// If the cell succeeds.
#[track_caller]
pub fn fails(session: &mut Session, cell: &str) -> Diagnostic {
    match session.execute(cell, &Reader::default(), &Cancel::new()) {
        Ok(output) => panic!("{cell}\nit does not fail: {}", output.unwrap_or_default().text),
        Err(error) => error,
    }
}

/// Runs a cell such as `%edit ptx k`; the text that it puts into the next cell.
///
/// # Panics
///
/// If the cell fails, or makes no cell.
#[track_caller]
pub fn next_cell(session: &mut Session, cell: &str) -> String {
    let (_, mut shown) = run_with_reader(session, cell);
    shown.next_cells.pop().unwrap_or_else(|| panic!("{cell}\nit makes no cell"))
}

/// Asserts that the text of a cell's result holds each of the parts.
#[track_caller]
pub fn check_cell(session: &mut Session, cell: &str, parts: &[&str]) -> Output {
    let output = run(session, cell);
    for part in parts {
        assert!(output.text.contains(part), "{cell}\nno `{part}` in\n{}", output.text);
    }
    output
}

/// Asserts that a cell fails with this code, and that its report (message, places, help) holds each of the parts.
#[track_caller]
pub fn check_report(session: &mut Session, cell: &str, code: &str, parts: &[&str]) -> Diagnostic {
    let error = fails(session, cell);
    let report = error.to_plain();
    assert_eq!(error.code, code, "{cell}\n{report}");
    for part in parts {
        assert!(report.contains(part), "{cell}\nno `{part}` in\n{report}");
    }
    error
}

/// Asserts that each cell fails and that its report holds the part beside it.
#[track_caller]
pub fn check_refused(session: &mut Session, cells: &[(&str, &str)]) {
    for (cell, part) in cells {
        let report = fails(session, cell).to_plain();
        assert!(report.contains(part), "{cell}\nno `{part}` in\n{report}");
    }
}

/// Writes a view into the directory that `WARPBOOK_TEST_HTML` names: to be looked at.
fn keep(cell: &str, html: &str) {
    let Some(directory) = std::env::var_os("WARPBOOK_TEST_HTML") else { return };
    let line = cell.lines().next().unwrap_or_default();
    let name: String = line.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    let path = std::path::Path::new(&directory).join(format!("{name}.html"));
    std::fs::write(path, html).expect("written");
}
