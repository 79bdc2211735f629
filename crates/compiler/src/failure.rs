//! What the compiler said when it failed, as a diagnostic with its place in the cell.
//!
//! Messages come in five shapes: an exception of Triton's front end with a place in the Python source, diagnostics of
//! MLIR (`loc("x.ttgir":8:10): error: …`), LLVM's parser (`failed to parse IR: … lineno: N`), ptxas
//! (`ptxas x.ptx, line 12; error : …`), and a crash that left its last words in the log.

use std::ops::Range;
use std::sync::Arc;

use super::worker::error_kind::ErrorKind;
use super::worker::protocol::{Done, ErrorReport, Outcome, WrongArgument};
use super::{CompileRequest, Stage};
use warpbook_diagnostic::{Diagnostic, Source, nearest};

/// A compilation that failed.
#[derive(Debug)]
pub struct Failure {
    /// The error. If it has no source of its own, its labels point into the request's text.
    pub diagnostic: Diagnostic,
    /// The part of the launch that it is about, where it is about the launch rather than the text.
    pub argument: Option<ArgumentPlace>,
}

/// A part of a launch header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ArgumentPlace {
    /// A keyword, an option, or a parameter, by its name.
    Name(String),
    /// A positional argument, from 0.
    Position(usize),
    /// The kernel's name.
    Kernel,
}

impl From<Diagnostic> for Failure {
    fn from(diagnostic: Diagnostic) -> Self {
        Self { diagnostic, argument: None }
    }
}

/// A request without a result as a failure.
pub fn failure(done: &Done, request: &CompileRequest) -> Failure {
    let log = &done.log;
    match &done.outcome {
        Outcome::Crashed(crashed) => crash(&crashed.status, log, request).into(),
        Outcome::Error(report) => {
            let argument = report.argument.clone().map(|argument| match argument {
                WrongArgument::Name(name) if name.is_empty() => ArgumentPlace::Kernel,
                WrongArgument::Name(name) => ArgumentPlace::Name(name),
                WrongArgument::Position(index) => ArgumentPlace::Position(index),
            });
            Failure { diagnostic: error(report, log, request), argument }
        }
        Outcome::Result(_) => {
            let error =
                Diagnostic::error("internal", "the compile worker answered another request than the one that was sent");
            error.into()
        }
    }
}

/// The diagnostic for an error that the worker reports. `log` is what MLIR and ptxas printed, which often says more
/// than the exception.
fn error(report: &ErrorReport, log: &str, request: &CompileRequest) -> Diagnostic {
    let is_of_the_compiler = report.exception.as_deref() == Some("RuntimeError") || report.kind == ErrorKind::Triton;
    if is_of_the_compiler && let Some(found) = mlir_diagnostic(log, request) {
        found
    } else if report.message.contains("`ptxas` stderr") {
        ptxas_diagnostic(&report.message, request)
    } else {
        exception(report, log, request)
    }
}

/// An exception of Python's, Triton's front end's, or a mistake that the worker found.
fn exception(report: &ErrorReport, log: &str, request: &CompileRequest) -> Diagnostic {
    let said = report.message.trim();
    let (message, mut more) = first_sentence(&without_repr(said));
    let is_python = report.kind == ErrorKind::Python;
    let message = match (&report.kind, report.exception.as_deref()) {
        (ErrorKind::Unknown(kind), _) => {
            format!("the compile worker reports an error of the unknown kind `{kind}`: {message}")
        }
        (ErrorKind::Python, Some(name)) if name != "SyntaxError" => format!("{name}: {message}"),
        _ => message,
    };
    let mut diagnostic = Diagnostic::error(report.kind.code(), message);
    match place_of(report, request) {
        Some(place) => diagnostic = place.mark(diagnostic),
        None if is_python || report.kind == ErrorKind::Internal => {
            // Nothing of the reader's is involved: the trace is all there is.
            let trace = report.trace.as_deref().unwrap_or_default().trim();
            let tail: Vec<&str> = trace.lines().rev().take(8).collect();
            more.extend(tail.into_iter().rev().map(str::to_owned));
        }
        None => {}
    }
    if !more.is_empty() {
        diagnostic = diagnostic.note(more.join("\n"));
    }
    diagnostic = report.notes.iter().cloned().fold(diagnostic, Diagnostic::note);
    let log = log.trim();
    if !log.is_empty() && is_python {
        diagnostic = diagnostic.note(clip(log, 1000));
    }
    let wrong = match &report.argument {
        Some(WrongArgument::Name(name)) if !name.is_empty() && !name.starts_with("--") => name,
        _ => said.split('`').nth(1).unwrap_or_default(),
    };
    let candidates = report.candidates.iter().map(String::as_str);
    if let Some(near) = nearest(wrong, candidates.filter(|candidate| *candidate != wrong)) {
        diagnostic = diagnostic.help(format!("did you mean `{near}`?"));
    }
    report.help.iter().cloned().fold(diagnostic, Diagnostic::help)
}

/// A place in a text that the reader, or a package, wrote.
struct Place {
    /// The text; `None` for the request's own.
    source: Option<Source>,
    span: Range<usize>,
}

impl Place {
    /// Makes this the place of an error.
    fn mark(self, diagnostic: Diagnostic) -> Diagnostic {
        let mut diagnostic = diagnostic.at(self.span, "");
        diagnostic.source = self.source;
        diagnostic
    }
}

/// A text that a path names.
enum Text {
    /// The request's own.
    Own(Arc<str>),
    /// An earlier cell's, or a package's.
    Other(Source),
}

impl Text {
    fn as_str(&self) -> &Arc<str> {
        match self {
            Self::Own(text) => text,
            Self::Other(source) => &source.text,
        }
    }

    fn place(self, span: Range<usize>) -> Place {
        let source = match self {
            Self::Own(_) => None,
            Self::Other(source) => Some(source),
        };
        Place { source, span }
    }
}

/// The cell that a path names: the request's own or an earlier one.
fn cell_at(path: &str, request: &CompileRequest) -> Option<Text> {
    if request.from.is_none() && path == request.cell_path() {
        return Some(Text::Own(request.text.clone()));
    }
    let definition = request.definitions.iter().find(|definition| definition.path == path)?;
    Some(Text::Other(Source::new(path, definition.text.clone())))
}

/// The place that a report names, if its text is known.
fn place_of(report: &ErrorReport, request: &CompileRequest) -> Option<Place> {
    let path = report.path.as_deref()?;
    let of_report = || report.source.as_deref().map(|text| Text::Other(Source::new(path, text)));
    let text = cell_at(path, request).or_else(of_report)?;
    let span = span_in(text.as_str(), report)?;
    Some(text.place(span))
}

/// `NameError('x is not defined')` as `x is not defined`.
fn without_repr(message: &str) -> String {
    let inner =
        message.split_once('(').filter(|(name, _)| name.ends_with("Error") && name.chars().all(char::is_alphanumeric));
    let quoted = inner.and_then(|(_, rest)| rest.strip_suffix(')'));
    let text = quoted.and_then(|text| {
        let quote = text.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
        text.get(1..)?.strip_suffix(quote)
    });
    text.map_or_else(|| message.to_owned(), |text| text.replace("\\'", "'").replace("\\n", "\n"))
}

fn first_sentence(message: &str) -> (String, Vec<String>) {
    let mut lines = message.lines().map(str::trim_end).filter(|line| !line.is_empty());
    let first = lines.next().unwrap_or("the compiler failed").trim().trim_end_matches('.').to_owned();
    (first, lines.map(str::to_owned).collect())
}

fn clip(text: &str, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn span_in(text: &Arc<str>, report: &ErrorReport) -> Option<Range<usize>> {
    let source = Source::new("", text.clone());
    let line = report.line?;
    let Some(column) = report.column else { return trimmed_line(&source, line) };
    let start = source.offset(line, column)?;
    match report.end_column.and_then(|end| source.offset(line, end)) {
        Some(end) if end > start => Some(start..end),
        _ => source.word_at(line, column),
    }
}

fn trimmed_line(source: &Source, line: usize) -> Option<Range<usize>> {
    let span = source.line_span(line)?;
    let content = &source.text[span.clone()];
    let start = span.start + content.len() - content.trim_start().len();
    Some(start..(span.start + content.trim_end().len()).max(start))
}

/// A line of MLIR's diagnostics, taken apart.
struct MlirMessage<'a> {
    path: &'a str,
    line: usize,
    column: usize,
    severity: &'a str,
    message: &'a str,
}

/// `loc("x.ttgir":21:11): error: …`, `x.ttgir:21:11: error: …`
fn mlir_line(line: &str) -> Option<MlirMessage<'_>> {
    let (severity, at) = ["error", "note", "warning", "remark"]
        .into_iter()
        .filter_map(|severity| Some((severity, line.find(&format!(": {severity}: "))?)))
        .min_by_key(|&(_, at)| at)?;
    let message = &line[at + severity.len() + 4..];
    let place = line[..at].trim().trim_start_matches("loc(").trim_end_matches(')');
    let (rest, column) = place.rsplit_once(':')?;
    let (path, row) = rest.rsplit_once(':')?;
    let path = path.trim_matches('"').rsplit_once('"').map_or(path.trim_matches('"'), |(_, path)| path);
    Some(MlirMessage { path, line: row.parse().ok()?, column: column.parse().ok()?, severity, message })
}

/// MLIR's message when a pass fails without an error of its own.
pub(super) const SILENT: &str = "Failures have been detected";
/// The message for a pass that crashed.
pub(super) const CRASHED: &str = "the compiler crashed in a pass";

/// The errors that MLIR wrote to the log; the first one is the primary one.
fn mlir_diagnostic(log: &str, request: &CompileRequest) -> Option<Diagnostic> {
    let mut diagnostic: Option<Diagnostic> = None;
    let mut crashed = false;
    for line in log.lines() {
        if let Some((_, rest)) = line.split_once("Pipeline failed while executing [")
            && let Some(found) = diagnostic.take()
        {
            let pass = rest.split('`').nth(1).unwrap_or(rest);
            diagnostic = Some(found.note(format!("the pass {pass} failed")));
            continue;
        }
        let Some(mut reported) = mlir_line(line) else { continue };
        // MLIR catches the signals of its passes, and goes on to say that the pass failed.
        if reported.message.starts_with("A signal was caught") {
            crashed = true;
            reported.message = CRASHED;
        } else if crashed && reported.message.starts_with(SILENT) {
            continue;
        }
        let at = place(&reported, request);
        diagnostic = match diagnostic {
            None if reported.severity == "error" => {
                let first = Diagnostic::error("mlir", clip(reported.message.trim_end_matches('.'), 400));
                Some(match at {
                    Some(place) => place.mark(first),
                    None => first.note(format!("at {}:{}:{}", reported.path, reported.line, reported.column)),
                })
            }
            None => None,
            Some(found) if reported.severity == "error" && found.notes.len() < 4 => {
                match at.filter(|place| place.source == found.source) {
                    Some(place) => Some(found.because(place.span, clip(reported.message, 200))),
                    None => Some(found.note(clip(reported.message, 300))),
                }
            }
            Some(found) if reported.severity == "note" && found.notes.len() < 4 => {
                Some(found.note(clip(reported.message, 300)))
            }
            other => other,
        };
    }
    diagnostic
}

fn place(reported: &MlirMessage<'_>, request: &CompileRequest) -> Option<Place> {
    let is_own_module = !request.entry.is_python() && reported.path.ends_with(&format!(".{}", request.entry));
    let text = match is_own_module {
        true => Text::Own(request.text.clone()),
        false => cell_at(reported.path, request)?,
    };
    let span = Source::new("", text.as_str().clone()).word_at(reported.line, reported.column)?;
    Some(text.place(span))
}

/// The target that ptxas is too old for: `Value 'sm_103a' is not defined for option 'gpu-name'`.
fn unknown_target(message: &str) -> Option<&str> {
    message.strip_prefix("Value '")?.strip_suffix("' is not defined for option 'gpu-name'")
}

/// ptxas names a file of its own and lines of the PTX.
fn ptxas_diagnostic(message: &str, request: &CompileRequest) -> Diagnostic {
    let mut found: Vec<(Option<usize>, &str)> = Vec::new();
    for line in message.lines() {
        let Some((before, text)) = line.split_once("error   : ").or_else(|| line.split_once("fatal   : ")) else {
            continue;
        };
        let number =
            before.split("line ").nth(1).and_then(|rest| rest.split(';').next()).and_then(|n| n.trim().parse().ok());
        found.push((number, text.trim()));
    }
    let Some(&(line, text)) = found.first() else {
        return Diagnostic::error("ptxas", "ptxas failed").note(clip(message.trim(), 1000));
    };
    if let Some(target) = unknown_target(text) {
        return Diagnostic::error("ptxas", format!("this Triton's ptxas does not know {target}"))
            .help("`%triton VERSION` takes a newer one; the emulator launches the PTX, which needs no ptxas");
    }
    let mut diagnostic = Diagnostic::error("ptxas", text.trim_end_matches('.'));
    let source = Source::new("", request.text.clone());
    if request.entry == Stage::Ptx {
        if let Some(span) = line.and_then(|line| trimmed_line(&source, line)) {
            diagnostic = diagnostic.at(span, "");
        }
        for (line, text) in found.iter().skip(1).take(3) {
            if let Some(span) = line.and_then(|line| trimmed_line(&source, line)) {
                diagnostic = diagnostic.because(span, *text);
            }
        }
    } else if let Some(line) = line {
        diagnostic = diagnostic.note(format!("at line {line} of the PTX that was compiled from this cell"));
    }
    diagnostic.note("ptxas refused it")
}

/// The compilation's process ended itself; the log holds its last words.
fn crash(name: &str, log: &str, request: &CompileRequest) -> Diagnostic {
    if let Some(found) = mlir_diagnostic(log, request) {
        return found.note(format!("the compiler ended with {name}"));
    }
    let llvm = log.lines().find_map(|line| line.split_once("LLVM ERROR: ").map(|(_, message)| message));
    if let Some(message) = llvm {
        return llvm_diagnostic(message, request);
    }
    let assertion = log.lines().find(|line| line.contains("Assertion `"));
    let mut diagnostic = Diagnostic::error("compiler-crash", format!("the compiler crashed ({name})"));
    if let Some(assertion) = assertion {
        let what =
            assertion.split("Assertion `").nth(1).and_then(|rest| rest.split("' failed").next()).unwrap_or(assertion);
        diagnostic = diagnostic.note(format!("it asserts: {}", clip(what, 300)));
    } else if !log.trim().is_empty() {
        let tail: Vec<&str> = log.trim().lines().rev().take(6).collect();
        diagnostic = diagnostic.note(clip(&tail.into_iter().rev().collect::<Vec<_>>().join("\n"), 1000));
    }
    diagnostic.note("its process is started again; the session is unchanged")
}

/// Words of LLVM IR, and the first release of Triton whose LLVM knows them: what was found in the libraries of its wheels,
/// 3.2.0 to 3.9.0.
const NEWER_WORDS: [(&str, &str); 3] =
    [("captures", "3.3.1"), ("samesign", "3.3.1"), ("nocreateundeforpoison", "3.7.0")];

/// The word of a line that the newest LLVM knows, of those that an older one may not know.
fn newer_word(line: &str) -> Option<(&'static str, &'static str)> {
    let has = |word: &str| line.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').any(|own| own == word);
    NEWER_WORDS.into_iter().rev().find(|(word, _)| has(word))
}

fn llvm_diagnostic(message: &str, request: &CompileRequest) -> Diagnostic {
    let message = message.trim();
    if let Some((what, line)) =
        message.strip_prefix("failed to parse IR: ").and_then(|rest| rest.rsplit_once("lineno: "))
    {
        let diagnostic = Diagnostic::error("llvm", what.trim());
        let source = Source::new("", request.text.clone());
        return match line.trim().parse().ok().and_then(|line| trimmed_line(&source, line)) {
            Some(span) if request.entry == Stage::Llir => {
                let newer = newer_word(&request.text[span.clone()]);
                let diagnostic = diagnostic.at(span, "");
                match newer {
                    Some((word, version)) => diagnostic
                        .note(format!("`{word}` is LLVM IR that the LLVM of Triton {version} is the first to know"))
                        .help(format!("`%triton {version}`, or a newer one, reads this text")),
                    None => diagnostic,
                }
            }
            _ => diagnostic,
        };
    }
    Diagnostic::error("llvm", clip(message, 400)).note("LLVM gave up on this code")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Target;
    use crate::worker::protocol::Crash;

    fn report(kind: ErrorKind, message: &str) -> ErrorReport {
        ErrorReport {
            kind,
            message: message.to_owned(),
            exception: None,
            path: None,
            line: None,
            column: None,
            end_column: None,
            source: None,
            trace: None,
            notes: Vec::new(),
            help: Vec::new(),
            candidates: Vec::new(),
            argument: None,
        }
    }

    fn done(outcome: Outcome, log: &str) -> Done {
        Done { id: 1, log: log.to_owned(), outcome }
    }

    fn python(exception: &str, message: &str) -> Outcome {
        Outcome::Error(ErrorReport { exception: Some(exception.to_owned()), ..report(ErrorKind::Python, message) })
    }

    fn request(stage: Stage, text: &str) -> CompileRequest {
        let mut request = CompileRequest::new(stage, Stage::Ptx, text, Target(80));
        request.name = Some("add".into());
        request
    }

    fn labelled(failure: &Failure, text: &str) -> String {
        failure.diagnostic.labels.first().map(|label| text[label.span.clone()].to_owned()).unwrap_or_default()
    }

    #[test]
    fn mlir_points_at_the_operation() {
        let text = "module {\n  %1 = arith.addx %0, %0 : f32\n}\n";
        let log = "loc(\"add.ttgir\":2:8): error: custom op 'arith.addx' is unknown\n";
        let done = done(python("RuntimeError", "Parse MLIR file failed."), log);
        let failure = failure(&done, &request(Stage::Ttgir, text));
        assert_eq!(failure.diagnostic.message, "custom op 'arith.addx' is unknown");
        assert_eq!(labelled(&failure, text), "arith.addx");
    }

    #[test]
    fn llvm_and_ptxas_give_lines() {
        let text = "define void @f() {\n  %1 = fadx float 1, 2\n}\n";
        let crashed = Outcome::Crashed(Crash { status: "SIGABRT".into(), before: None });
        let log = "LLVM ERROR: failed to parse IR: expected instruction opcodelineno: 2\n";
        let found = failure(&done(crashed, log), &request(Stage::Llir, text));
        assert_eq!(found.diagnostic.message, "expected instruction opcode");
        assert_eq!(labelled(&found, text), "%1 = fadx float 1, 2");

        let text = ".version 8.0\n  addd.f32 %f1, %f2;\n";
        let message = "PTXAS error: …\n`ptxas` stderr:\nptxas /tmp/x.ptx, line 2; error   : Not a name of any known instruction: 'addd'\n\
                       ptxas fatal   : Ptx assembly aborted due to errors\n";
        let found = failure(&done(python("PTXASError", message), ""), &request(Stage::Ptx, text));
        assert_eq!(found.diagnostic.message, "Not a name of any known instruction: 'addd'");
        assert_eq!(labelled(&found, text), "addd.f32 %f1, %f2;");
    }

    #[test]
    fn ir_of_a_newer_llvm_names_the_triton_that_reads_it() {
        let text = "define void @add() {\n  ret void\n}\nattributes #0 = { nofree nocreateundeforpoison nosync }\n";
        let log = "LLVM ERROR: failed to parse IR: unterminated attribute grouplineno: 4\n";
        let crash = Outcome::Crashed(Crash { status: "SIGABRT".into(), before: None });
        let failure = failure(&done(crash, log), &request(Stage::Llir, text));
        assert!(labelled(&failure, text).starts_with("attributes"));
        assert_eq!(failure.diagnostic.help, ["`%triton 3.7.0`, or a newer one, reads this text"]);
        assert!(failure.diagnostic.notes[0].contains("`nocreateundeforpoison`"), "{:?}", failure.diagnostic.notes);
    }

    #[test]
    fn triton_points_at_the_node() {
        let text = "@triton.jit\ndef add(x):\n    tl.stoe(x, 1)\n";
        let message = "AttributeError(\"module 'triton.language' has no attribute 'stoe'\")";
        let report = ErrorReport {
            exception: Some("CompilationError".into()),
            path: Some("add.py".into()),
            line: Some(3),
            column: Some(5),
            end_column: Some(12),
            ..report(ErrorKind::Triton, message)
        };
        let found = failure(&done(Outcome::Error(report), ""), &request(Stage::Triton, text));
        assert_eq!(found.diagnostic.message, "module 'triton.language' has no attribute 'stoe'");
        assert_eq!(labelled(&found, text), "tl.stoe");
    }

    #[test]
    fn a_mistake_in_the_launch_names_its_part() {
        let report = ErrorReport {
            argument: Some(WrongArgument::Name("BLOK".into())),
            candidates: vec!["x".into(), "BLOCK".into()],
            notes: vec!["its parameters: x, BLOCK".into()],
            ..report(ErrorKind::UnknownArgument, "`add` has no parameter `BLOK`")
        };
        let found = failure(&done(Outcome::Error(report), ""), &request(Stage::Triton, ""));
        assert_eq!(found.argument, Some(ArgumentPlace::Name("BLOK".into())));
        assert_eq!(found.diagnostic.code, "unknown-argument");
        assert_eq!(found.diagnostic.help, ["did you mean `BLOCK`?"]);
    }

    #[test]
    fn an_unknown_kind_of_error_is_said_to_be_unknown() {
        let report = report(ErrorKind::Unknown("new".into()), "something new is wrong");
        let found = failure(&done(Outcome::Error(report), ""), &request(Stage::Triton, ""));
        assert_eq!(found.diagnostic.code, "worker");
        let message = &found.diagnostic.message;
        assert!(message.contains("unknown kind `new`") && message.contains("something new is wrong"), "{message}");
    }
}
