//! One session: a cell's way from its text to the magics or the Rust evaluator, completion, inspection.
//!
//! The server owns execution counts, history and the protocol; the session knows nothing of Jupyter.

#[cfg(test)]
mod examples;

use std::ops::Range;

use crate::frontend::{Frontend, Nobody, Stream};
use crate::guest::{self, RustCells, completeness};
use crate::launch::recovery::rebuild::recover;
use crate::magics::declare::{complete, inspect};
use crate::magics::registry::{find, names, unknown};
use crate::magics::{self, Call, Kind, Part, help};
use crate::render::Output;
use crate::workspace::{Context, Starter, Workspace};
use warpbook_diagnostic::{Diagnostic, Result, Source, interrupt};
use warpbook_process::cancel::Cancel;

/// Answer to `is_complete_request`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Completeness {
    /// The cell can run as it is.
    Complete,
    /// The cell needs more lines; the indentation of the next one.
    Incomplete(String),
    /// The cell has an error that no further line can mend.
    Invalid,
}

/// Candidates for the text in `span` (bytes of the cell).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Completion {
    /// What a match replaces.
    pub span: Range<usize>,
    /// The candidates, best first.
    pub matches: Vec<String>,
}

/// A session. All calls come from one thread, in order.
#[derive(Default)]
pub struct Session {
    workspace: Workspace,
    rust: RustCells,
}

impl Session {
    /// A session with nothing in it.
    pub fn new() -> Self {
        Self::default()
    }

    /// A session with nothing in it, whose GPUs are started by another function than the usual one.
    pub fn with_starter(starter: Starter) -> Self {
        Self { workspace: Workspace::with_starter(starter), ..Self::default() }
    }

    /// Starts in the background what takes long to start. Returns at once.
    pub fn warm_up(&mut self) {
        self.workspace.compiler.warm_up();
    }

    /// Runs a cell. What it returns is the cell's result (`execute_result`).
    pub fn execute(&mut self, cell: &str, frontend: &dyn Frontend, cancel: &Cancel) -> Result<Option<Output>> {
        interrupt::under(cancel.flag(), || self.execute_parts(cell, frontend, cancel))
    }

    fn execute_parts(&mut self, cell: &str, frontend: &dyn Frontend, cancel: &Cancel) -> Result<Option<Output>> {
        let source = Source::new("cell", cell);
        let mut result: Option<Output> = None;
        for part in parts(cell) {
            cancel.check()?;
            // Only the last part's output is the cell's result.
            if let Some(earlier) = result.take() {
                frontend.display(&earlier, None);
            }
            result = self.run(&part, &source, frontend, cancel).map_err(|error| error.in_source(&source))?;
        }
        Ok(result)
    }

    fn run(
        &mut self,
        part: &Part,
        source: &Source,
        frontend: &dyn Frontend,
        cancel: &Cancel,
    ) -> Result<Option<Output>> {
        let (kind, name, arguments, body, closed) = match part {
            Part::Rust(span) => return self.run_rust(source, span, frontend, cancel),
            Part::Magic { kind, name, arguments, body, closed } => (*kind, name, arguments, body, *closed),
        };
        let word = source.text[name.clone()].trim_start_matches('%');
        let magic = find(word, kind).ok_or_else(|| unknown(word, name.clone(), kind))?;
        let call = Call { cell: source, name: name.clone(), arguments: arguments.clone(), body: body.clone() };
        if call.arguments_text() == "?" {
            frontend.page(&Output::text(help::text(magic.spec())));
            return Ok(None);
        }
        if call.arguments_text().split_whitespace().any(|argument| argument == "--help") {
            return Ok(Some(Output::text(help::text(magic.spec()))));
        }
        if !closed {
            let error = Diagnostic::error("open-bracket", "a bracket is never closed");
            return Err(error.at(arguments.clone(), "opened here"));
        }
        self.revive_devices(Context { frontend, cancel });
        magics::run(magic, &call, &mut self.workspace, Context { frontend, cancel })
    }

    /// GPUs whose processes died since the last cell are started again; what that cost is said.
    fn revive_devices(&mut self, context: Context<'_>) {
        for place in self.workspace.lost_places() {
            let died = format!("warning: the process that owned {place} had died");
            let said = match recover(place, &mut self.workspace, context) {
                Ok(rebuilt) => match rebuilt.text() {
                    None => format!("{died}; it was started again, and every buffer restored"),
                    Some(text) => format!("{died}; it was started again, and {text}"),
                },
                Err(error) => format!("{died}; it cannot be started again: {}", error.message),
            };
            context.frontend.stream(Stream::Stderr, &format!("{said}\n"));
        }
    }

    fn run_rust(
        &mut self,
        source: &Source,
        span: &Range<usize>,
        frontend: &dyn Frontend,
        cancel: &Cancel,
    ) -> Result<Option<Output>> {
        let mut rust = Source::new("cell", &source.text[span.clone()]);
        rust.first_line += source.text[..span.start].matches('\n').count();
        self.rust.evaluate(&rust, frontend, cancel)
    }

    /// Evaluates one of `user_expressions`: whatever a cell with that text would result in.
    pub fn evaluate(&mut self, expression: &str, cancel: &Cancel) -> Result<Output> {
        self.execute(expression, &Nobody, cancel).map(Option::unwrap_or_default)
    }

    /// Candidates at a byte offset of the cell.
    pub fn complete(&mut self, cell: &str, cursor: usize) -> Completion {
        let line = cell[..cursor].rfind('\n').map_or(0, |newline| newline + 1);
        let before = cell[line..cursor].trim_start();
        let start = cursor - before.len();
        let typed = before.trim_start_matches('%');
        let signs = before.len() - typed.len();
        let is_word = |text: &str| text.chars().all(|c| c == '_' || c.is_ascii_alphanumeric());
        let magic_allowed = line == 0 || matches!(parts(cell).first(), Some(Part::Magic { kind: Kind::Line, .. }));
        if (1..=2).contains(&signs) && is_word(typed) && magic_allowed {
            let kinds: &[Kind] = if signs == 2 { &[Kind::Cell] } else { &[Kind::Line, Kind::Cell] };
            let candidates = kinds.iter().flat_map(|&kind| {
                let prefix = if kind == Kind::Cell { "%%" } else { "%" };
                names(kind).map(move |name| format!("{prefix}{name}"))
            });
            let matches = candidates.filter(|name| name.trim_start_matches('%').starts_with(typed)).collect();
            return Completion { span: start..cursor, matches };
        }
        match parts(cell).into_iter().find(|part| span_of(part).contains(&cursor) || span_of(part).end == cursor) {
            Some(Part::Magic { kind, name, arguments, .. }) if cursor <= arguments.end.max(name.end) + 1 => {
                self.complete_argument(cell, cursor, kind, name)
            }
            Some(Part::Rust(span)) => {
                let found = self.rust.complete(&cell[span.clone()], cursor - span.start);
                Completion { span: span.start + found.span.start..span.start + found.span.end, matches: found.matches }
            }
            _ => Completion { span: cursor..cursor, matches: Vec::new() },
        }
    }

    /// Options, words of the magic, and names of the workspace.
    fn complete_argument(&self, cell: &str, cursor: usize, kind: Kind, name: Range<usize>) -> Completion {
        let end = name.end;
        let magic = find(cell[name].trim_start_matches('%'), kind);
        let Some(magic) = magic else { return Completion { span: cursor..cursor, matches: Vec::new() } };
        let (span, mut matches) = complete(magic.spec(), cell, end, cursor, &self.workspace);
        let typed = &cell[span.clone()];
        matches.extend(magic.words().into_iter().filter(|word| word.starts_with(typed)));
        Completion { span, matches }
    }

    /// What is known of the word at a byte offset; `detail` 1 asks for more.
    pub fn inspect(&mut self, cell: &str, cursor: usize, _detail: u8) -> Option<Output> {
        parts(cell).into_iter().find_map(|part| match part {
            Part::Magic { kind, name, .. } if name.start <= cursor && cursor <= name.end => {
                let magic = find(cell[name].trim_start_matches('%'), kind)?;
                Some(Output::text(help::text(magic.spec())))
            }
            Part::Magic { kind, name, arguments, .. } if arguments.start <= cursor && cursor <= arguments.end => {
                let start = word_before(cell, cursor).start;
                let end = cell[cursor..]
                    .find(|c: char| !(c == '_' || c.is_alphanumeric()))
                    .map_or(cell.len(), |n| cursor + n);
                let spec = find(cell[name.clone()].trim_start_matches('%'), kind).map(|magic| magic.spec());
                let option = spec.and_then(|spec| inspect(spec, cell, name.end, cursor));
                let described = option.or_else(|| self.workspace.describe(&cell[start..end]));
                described.or_else(|| spec.map(help::text)).map(Output::text)
            }
            _ => None,
        })
    }

    /// Decides whether the cell can run as it is, needs more lines, or is wrong.
    pub fn is_complete(&self, cell: &str) -> Completeness {
        let levels = |open: usize| Completeness::Incomplete("    ".repeat(open));
        match parts(cell).last() {
            Some(Part::Rust(span)) => match completeness(&cell[span.clone()]) {
                guest::Completeness::Complete => Completeness::Complete,
                guest::Completeness::Incomplete(open) => levels(open),
                guest::Completeness::Invalid => Completeness::Invalid,
            },
            Some(Part::Magic { closed: false, .. }) => levels(1),
            // In a console, an empty line ends the body.
            Some(Part::Magic { kind: Kind::Cell, .. }) if !cell.ends_with("\n\n") => {
                let last = cell.trim_end_matches('\n').rsplit('\n').next().unwrap_or_default();
                let indent = last.len() - last.trim_start().len();
                Completeness::Incomplete(last[..indent].to_owned())
            }
            _ => Completeness::Complete,
        }
    }
}

/// Takes a cell apart.
fn parts(cell: &str) -> Vec<Part> {
    magics::parts(cell, &|name, kind| find(name, kind).is_some())
}

/// The letters, digits and `_` that end at an offset.
fn word_before(text: &str, end: usize) -> Range<usize> {
    let is_word = |c: char| c == '_' || c.is_alphanumeric();
    let length: usize = text[..end].chars().rev().take_while(|&c| is_word(c)).map(char::len_utf8).sum();
    end - length..end
}

/// All of a part.
fn span_of(part: &Part) -> Range<usize> {
    match part {
        Part::Rust(span) => span.clone(),
        Part::Magic { name, arguments, body, .. } => name.start..body.end.max(arguments.end).max(name.end),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(cell: &str) -> Result<Option<Output>> {
        Session::new().execute(cell, &Nobody, &Cancel::new())
    }

    #[test]
    fn help_is_a_magic_and_knows_itself() {
        let overview = run("%help").expect("runs").expect("a result").text;
        assert!(overview.contains("%help ") && overview.contains(" list the magics"), "{overview}");
        let help = run("%help help").expect("runs").expect("a result").text;
        assert_eq!(run("%help --help").expect("runs").expect("a result").text, help);
        assert_eq!(run("\n  \n").expect("runs"), None);
    }

    #[test]
    fn an_unknown_magic_suggests_the_nearest() {
        let text = run("%help\n%hlep x").expect_err("unknown").to_plain();
        assert!(text.contains("2 | %hlep x") && text.contains("^^^^^"), "{text}");
        let text = run("%halp").expect_err("unknown").to_plain();
        assert!(text.contains("did you mean `help`?"), "{text}");
        let text = run("%%help").expect_err("unknown").to_plain();
        assert!(text.contains("`%help` exists"), "{text}");
        let text = run("%%amdgcn k[1]()").expect_err("unknown").to_plain();
        assert!(text.contains("a stage of Triton's AMD back end"), "{text}");
    }

    #[test]
    fn completion_knows_magics_and_options() {
        let mut session = Session::new();
        let completion = session.complete("%hel", 4);
        assert_eq!((completion.span, completion.matches), (0..4, vec!["%help".to_owned()]));
        let completion = session.complete("%help --", 8);
        assert_eq!((completion.span, completion.matches), (6..8, vec!["--help".to_owned()]));
        assert_eq!(session.complete("let x = 5\n%hel", 14).matches, Vec::<String>::new());
        session.execute("%buf input = zeros(4)\n%let count = 3", &Nobody, &Cancel::new()).expect("runs");
        let mut matches = |cell: &str| session.complete(cell, cell.len()).matches;
        assert_eq!(matches("%%ptx k[cou"), ["count"]);
        assert_eq!(matches("%show inp"), ["input"]);
        assert_eq!(matches("%show soft"), ["softmax"]);
        assert_eq!(matches("%device emu:sm_8"), ["emu:sm_80", "emu:sm_86", "emu:sm_89"]);
        assert_eq!(matches("%target "), ["sm_75", "sm_80", "sm_86", "sm_89", "sm_90", "sm_100", "sm_103", "sm_120"]);
        assert_eq!(matches("%edit ttg"), ["ttgir"]);
        let known = session.inspect("%show input", 9, 0).expect("known").text;
        assert!(known.contains("input  f32 [4]") && known.contains("zeros(4)"), "{known}");
        assert!(session.inspect("%help x", 3, 0).is_some_and(|help| help.text.starts_with("%help: ")));
        assert_eq!(session.inspect("let x", 3, 0), None);
    }

    #[test]
    fn completeness_by_kind_of_cell() {
        let session = Session::new();
        assert_eq!(session.is_complete("%help"), Completeness::Complete);
        assert_eq!(session.is_complete("%buf a = zeros("), Completeness::Incomplete("    ".to_owned()));
        assert_eq!(session.is_complete("%%ptx k\n  ret;"), Completeness::Incomplete("  ".to_owned()));
        assert_eq!(session.is_complete("%%ptx k\n  ret;\n\n"), Completeness::Complete);
        assert_eq!(session.is_complete("fn f() {"), Completeness::Incomplete("    ".to_owned()));
        assert_eq!(session.is_complete("1 + 1)"), Completeness::Invalid);
    }
}
