//! What the compiler said when it failed, as a diagnostic with its place in the cell.
//!
//! Messages come in five shapes: an exception of Triton's front end with a place in the Python source, diagnostics of
//! MLIR (`loc("x.ttgir":8:10): error: …`), LLVM's parser (`failed to parse IR: … lineno: N`), ptxas
//! (`ptxas x.ptx, line 12; error : …`), and a crash that left its last words in the log.

use std::ops::Range;

use serde_json::Value;

use super::{CompileRequest, Stage};
use warpbook_diagnostic::{Diagnostic, Source, nearest};

/// A compilation that failed.
#[derive(Debug)]
pub struct Failure {
    /// What to say. Without a source of its own its labels point into the request's text.
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

/// The path that the IR and Python name a cell by.
pub fn pseudo_path(request: &CompileRequest) -> String {
    format!("{}.py", request.name.as_deref().unwrap_or("kernel"))
}

/// An answer with `error` or `crashed` as a failure.
pub fn failure(answer: &Value, request: &CompileRequest) -> Failure {
    let log = answer["log"].as_str().unwrap_or_default();
    let error = &answer["error"];
    let diagnostic = if let Some(name) = answer["crashed"].as_str() {
        crash(name, log, request)
    } else if let Some(found) =
        said_by_mlir(log, request).filter(|_| error["name"] == "RuntimeError" || error["kind"] == "triton")
    {
        found
    } else if error["message"].as_str().is_some_and(|message| message.contains("`ptxas` stderr")) {
        said_by_ptxas(error["message"].as_str().unwrap_or_default(), request)
    } else {
        exception(error, log, request)
    };
    let argument = match &error["argument"] {
        Value::String(name) if name.is_empty() => Some(ArgumentPlace::Kernel),
        Value::String(name) => Some(ArgumentPlace::Name(name.clone())),
        Value::Number(index) => {
            index.as_u64().and_then(|index| usize::try_from(index).ok()).map(ArgumentPlace::Position)
        }
        _ => None,
    };
    Failure { diagnostic, argument }
}

/// The kinds that the worker gives to the reader's mistakes.
const KINDS: [&str; 18] = [
    "unknown-option",
    "no-num-warps",
    "option-conflict",
    "stage",
    "no-kernel",
    "unknown-kernel",
    "unknown-name",
    "config",
    "too-many-arguments",
    "argument-twice",
    "unknown-argument",
    "missing-argument",
    "from",
    "triton",
    "internal",
    "argument-kind",
    "triton-version",
    "unknown-pass",
];

/// An exception of Python's, Triton's front end's, or a mistake that the worker found.
fn exception(error: &Value, log: &str, request: &CompileRequest) -> Diagnostic {
    let kind = error["kind"].as_str().unwrap_or("internal");
    let code = KINDS.into_iter().find(|known| *known == kind).unwrap_or("python");
    let said = error["message"].as_str().unwrap_or("the compiler failed").trim();
    let (message, mut more) = first_sentence(&without_repr(said));
    let message = match error["name"].as_str() {
        Some(name) if kind == "python" && name != "SyntaxError" => format!("{name}: {message}"),
        _ => message,
    };
    let mut diagnostic = Diagnostic::error(code, message);
    let place = error["path"].as_str().and_then(|path| {
        let source = source_of(path, error, request)?;
        let text = source.as_ref().map_or(&request.text, |source| &source.text);
        let span = span_in(text, error)?;
        Some((source, span))
    });
    match place {
        Some((source, span)) => {
            diagnostic = diagnostic.at(span, "");
            diagnostic.source = source;
        }
        None if kind == "python" || kind == "internal" => {
            // Nothing of the reader's is involved: the trace is all there is.
            let trace = error["trace"].as_str().unwrap_or_default().trim();
            let tail: Vec<&str> = trace.lines().rev().take(8).collect();
            more.extend(tail.into_iter().rev().map(str::to_owned));
        }
        None => {}
    }
    if !more.is_empty() {
        diagnostic = diagnostic.note(more.join("\n"));
    }
    for note in strings(&error["notes"]) {
        diagnostic = diagnostic.note(note);
    }
    let log = log.trim();
    if !log.is_empty() && kind == "python" {
        diagnostic = diagnostic.note(clip(log, 1000));
    }
    let candidates: Vec<&str> =
        error["candidates"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let wrong = error["argument"].as_str().filter(|name| !name.is_empty() && !name.starts_with("--"));
    let wrong = wrong.or_else(|| said.split('`').nth(1)).unwrap_or_default();
    if let Some(near) = nearest(wrong, candidates.iter().copied().filter(|candidate| *candidate != wrong)) {
        diagnostic = diagnostic.help(format!("did you mean `{near}`?"));
    }
    strings(&error["help"]).into_iter().fold(diagnostic, Diagnostic::help)
}

fn strings(list: &Value) -> Vec<String> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
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

/// The text that a path names: `Some(None)` for the cell's own, `None` if it is not known.
#[allow(clippy::option_option)]
fn source_of(path: &str, error: &Value, request: &CompileRequest) -> Option<Option<Source>> {
    if request.from.is_none() && path == pseudo_path(request) {
        return Some(None);
    }
    if let Some(definition) = request.definitions.iter().find(|definition| definition.path == path) {
        return Some(Some(Source::new(path, definition.text.clone())));
    }
    error["source"].as_str().map(|text| Some(Source::new(path, text)))
}

fn span_in(text: &str, error: &Value) -> Option<Range<usize>> {
    let number = |name: &str| error[name].as_u64().and_then(|number| usize::try_from(number).ok());
    let source = Source::new("", text);
    let line = number("line")?;
    let Some(column) = number("column") else { return trimmed_line(&source, line) };
    let start = source.offset(line, column)?;
    match number("end_column").and_then(|end| source.offset(line, end)) {
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

/// One line of MLIR's diagnostics.
struct Said<'a> {
    path: &'a str,
    line: usize,
    column: usize,
    severity: &'a str,
    message: &'a str,
}

/// `loc("x.ttgir":21:11): error: …`, `x.ttgir:21:11: error: …`
fn mlir_line(line: &str) -> Option<Said<'_>> {
    let (severity, at) = ["error", "note", "warning", "remark"]
        .into_iter()
        .filter_map(|severity| Some((severity, line.find(&format!(": {severity}: "))?)))
        .min_by_key(|&(_, at)| at)?;
    let message = &line[at + severity.len() + 4..];
    let place = line[..at].trim().trim_start_matches("loc(").trim_end_matches(')');
    let (rest, column) = place.rsplit_once(':')?;
    let (path, row) = rest.rsplit_once(':')?;
    let path = path.trim_matches('"').rsplit_once('"').map_or(path.trim_matches('"'), |(_, path)| path);
    Some(Said { path, line: row.parse().ok()?, column: column.parse().ok()?, severity, message })
}

/// What MLIR says where a pass fails without a word.
pub(super) const SILENT: &str = "Failures have been detected";
/// What is said of a pass that crashed.
pub(super) const CRASHED: &str = "the compiler crashed in a pass";

/// The errors that MLIR wrote to the log; the first one is the primary one.
fn said_by_mlir(log: &str, request: &CompileRequest) -> Option<Diagnostic> {
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
        let Some(mut said) = mlir_line(line) else { continue };
        // MLIR catches the signals of its passes, and goes on to say that the pass failed.
        if said.message.starts_with("A signal was caught") {
            crashed = true;
            said.message = CRASHED;
        } else if crashed && said.message.starts_with(SILENT) {
            continue;
        }
        let at = place(&said, request);
        diagnostic = match diagnostic {
            None if said.severity == "error" => {
                let mut first = Diagnostic::error("mlir", clip(said.message.trim_end_matches('.'), 400));
                match at {
                    Some((source, span)) => {
                        first = first.at(span, "");
                        first.source = source;
                    }
                    None => first = first.note(format!("at {}:{}:{}", said.path, said.line, said.column)),
                }
                Some(first)
            }
            None => None,
            Some(found) if said.severity == "error" && found.notes.len() < 4 => {
                let same = at.as_ref().is_some_and(|(source, _)| *source == found.source);
                match at {
                    Some((_, span)) if same => Some(found.because(span, clip(said.message, 200))),
                    _ => Some(found.note(clip(said.message, 300))),
                }
            }
            Some(found) if said.severity == "note" && found.notes.len() < 4 => {
                Some(found.note(clip(said.message, 300)))
            }
            other => other,
        };
    }
    diagnostic
}

fn place(said: &Said<'_>, request: &CompileRequest) -> Option<(Option<Source>, Range<usize>)> {
    let own = match request.entry.is_python() {
        true => request.from.is_none() && said.path == pseudo_path(request),
        false => said.path.ends_with(&format!(".{}", request.entry)),
    };
    let source = if own {
        None
    } else {
        let definition = request.definitions.iter().find(|definition| definition.path == said.path)?;
        Some(Source::new(said.path, definition.text.clone()))
    };
    let text = source.as_ref().map_or(&request.text, |source| &source.text);
    let span = Source::new("", text.clone()).word_at(said.line, said.column)?;
    Some((source, span))
}

/// ptxas names a file of its own and lines of the PTX.
fn said_by_ptxas(message: &str, request: &CompileRequest) -> Diagnostic {
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
    if let Some(found) = said_by_mlir(log, request) {
        return found.note(format!("the compiler ended with {name}"));
    }
    let llvm = log.lines().find_map(|line| line.split_once("LLVM ERROR: ").map(|(_, message)| message));
    if let Some(message) = llvm {
        return said_by_llvm(message, request);
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
    diagnostic.note("its process is started again; the session is as it was")
}

fn said_by_llvm(message: &str, request: &CompileRequest) -> Diagnostic {
    let message = message.trim();
    if let Some((what, line)) =
        message.strip_prefix("failed to parse IR: ").and_then(|rest| rest.rsplit_once("lineno: "))
    {
        let diagnostic = Diagnostic::error("llvm", what.trim());
        let source = Source::new("", request.text.clone());
        return match line.trim().parse().ok().and_then(|line| trimmed_line(&source, line)) {
            Some(span) if request.entry == Stage::Llir => diagnostic.at(span, ""),
            _ => diagnostic,
        };
    }
    Diagnostic::error("llvm", clip(message, 400)).note("LLVM gave up on this code")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Target;
    use serde_json::json;

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
        let answer = json!({
            "error": {"kind": "python", "name": "RuntimeError", "message": "Parse MLIR file failed."},
            "log": "loc(\"add.ttgir\":2:8): error: custom op 'arith.addx' is unknown\n",
        });
        let failure = failure(&answer, &request(Stage::Ttgir, text));
        assert_eq!(failure.diagnostic.message, "custom op 'arith.addx' is unknown");
        assert_eq!(labelled(&failure, text), "arith.addx");
    }

    #[test]
    fn llvm_and_ptxas_give_lines() {
        let text = "define void @f() {\n  %1 = fadx float 1, 2\n}\n";
        let answer = json!({"crashed": "SIGABRT",
            "log": "LLVM ERROR: failed to parse IR: expected instruction opcodelineno: 2\n"});
        let found = failure(&answer, &request(Stage::Llir, text));
        assert_eq!(found.diagnostic.message, "expected instruction opcode");
        assert_eq!(labelled(&found, text), "%1 = fadx float 1, 2");

        let text = ".version 8.0\n  addd.f32 %f1, %f2;\n";
        let message = "PTXAS error: …\n`ptxas` stderr:\nptxas /tmp/x.ptx, line 2; error   : Not a name of any known instruction: 'addd'\n\
                       ptxas fatal   : Ptx assembly aborted due to errors\n";
        let answer = json!({"error": {"kind": "python", "name": "PTXASError", "message": message}, "log": ""});
        let found = failure(&answer, &request(Stage::Ptx, text));
        assert_eq!(found.diagnostic.message, "Not a name of any known instruction: 'addd'");
        assert_eq!(labelled(&found, text), "addd.f32 %f1, %f2;");
    }

    #[test]
    fn triton_points_at_the_node() {
        let text = "@triton.jit\ndef add(x):\n    tl.stoe(x, 1)\n";
        let answer = json!({"error": {
            "kind": "triton", "name": "CompilationError", "path": "add.py", "line": 3, "column": 5, "end_column": 12,
            "message": "AttributeError(\"module 'triton.language' has no attribute 'stoe'\")",
        }, "log": ""});
        let found = failure(&answer, &request(Stage::Triton, text));
        assert_eq!(found.diagnostic.message, "module 'triton.language' has no attribute 'stoe'");
        assert_eq!(labelled(&found, text), "tl.stoe");
    }

    #[test]
    fn a_mistake_in_the_launch_names_its_part() {
        let answer = json!({"error": {"kind": "unknown-argument", "message": "`add` has no parameter `BLOK`",
            "argument": "BLOK", "candidates": ["x", "BLOCK"], "notes": ["its parameters: x, BLOCK"]}, "log": ""});
        let found = failure(&answer, &request(Stage::Triton, ""));
        assert_eq!(found.argument, Some(ArgumentPlace::Name("BLOK".into())));
        assert_eq!(found.diagnostic.code, "unknown-argument");
        assert_eq!(found.diagnostic.help, ["did you mean `BLOCK`?"]);
    }
}
