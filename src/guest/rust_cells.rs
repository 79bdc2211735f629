//! The kernel's side of Rust cells.

use std::ffi::OsString;
use std::io::{self, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};

use crate::frontend::{Frontend, Stream};
use crate::render::Output;
use warpbook_diagnostic::{Diagnostic, Result, Source};
use warpbook_process::cancel::Cancel;
use warpbook_process::child::ChildProcess;

use super::build_directory::BuildDirectory;
use super::error;
use super::pipes::{Arrival, Pipes};
use super::protocol::{Event, Failure, MARK, PANICKED, RETURNED_ERROR, Request};

/// Candidates for the text in `span` (bytes of the cell).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Completions {
    /// What a match replaces.
    pub span: Range<usize>,
    /// The candidates, best first.
    pub matches: Vec<String>,
}

/// The evaluator of Rust cells. Costs nothing before the first one.
pub struct RustCells {
    program: Option<PathBuf>,
    host: Option<Host>,
    /// Where evcxr builds; outlives a host, so that dependencies are built once.
    directory: Option<BuildDirectory>,
}

struct Host {
    process: ChildProcess,
    requests: ChildStdin,
    pipes: Pipes,
}

impl Default for RustCells {
    fn default() -> Self {
        Self::new()
    }
}

impl RustCells {
    /// An evaluator whose process is this program.
    pub fn new() -> Self {
        Self { program: None, host: None, directory: None }
    }

    /// An evaluator whose process is `program rust-host`.
    pub fn with_program(program: impl Into<PathBuf>) -> Self {
        Self { program: Some(program.into()), ..Self::new() }
    }

    /// Whether the process is there: the next cell does not wait for its start.
    pub fn is_running(&self) -> bool {
        self.host.is_some()
    }

    /// Ends the process, and with it all that the cells made.
    pub fn reset(&mut self) {
        self.host = None;
    }

    /// Runs a cell of Rust, or of evcxr's commands (`:dep`, `:vars`, …). What it returns is the value of its last
    /// expression.
    pub fn evaluate(&mut self, cell: &Source, frontend: &dyn Frontend, cancel: &Cancel) -> Result<Option<Output>> {
        cancel.check()?;
        let (mut host, started) = match self.host.take() {
            Some(host) => (host, false),
            None => (self.start()?, true),
        };
        let outcome = {
            let killer = host.process.killer();
            let _kill = cancel.on_cancel(move || killer.kill());
            let request = Request::Execute { code: flushed(&cell.text) };
            Evaluation::new(&mut host, frontend).run(&request)
        };
        match outcome {
            Ok(Ending::Done(Some(panic))) => {
                self.host = Some(host);
                let generated = self.directory.as_ref().and_then(|directory| generated_source(directory.path()));
                Err(Box::new(match panic {
                    Outcome::Panicked(text) => error::panic(&text, generated.as_deref(), cell),
                    Outcome::ReturnedError(text) => Diagnostic::error("rust-error", text)
                        .note("an operator `?` of the cell met this error and ended the cell"),
                }))
            }
            Ok(Ending::Done(None)) => {
                self.host = Some(host);
                Ok(None)
            }
            Ok(Ending::Value(output)) => {
                self.host = Some(host);
                Ok(Some(output))
            }
            Ok(Ending::Failed(failure)) => {
                if !matches!(failure, Failure::Start { .. }) {
                    self.host = Some(host);
                }
                if let Failure::Ended { message } = &failure
                    && let Some((printed, _)) = message.trim_end().rsplit_once('\n')
                {
                    frontend.stream(Stream::Stdout, &format!("{printed}\n"));
                }
                Err(Box::new(error::diagnostic(&failure, cell)))
            }
            Ok(Ending::HostEnded) | Err(_) if cancel.is_cancelled() => {
                let interrupted = Diagnostic::interrupted();
                Err(Box::new(if started {
                    interrupted
                } else {
                    interrupted
                        .note("a Rust cell can only be stopped by ending its process: all Rust variables, functions and dependencies are lost")
                        .help("run the cells that make them again; the next Rust cell starts a new process")
                }))
            }
            Ok(Ending::HostEnded) => {
                let how = host.process.wait().map(|status| status.to_string());
                Err(Box::new(host_ended(how.unwrap_or_else(|error| error.to_string()))))
            }
            Err(error) => Err(Box::new(host_ended(error.to_string()))),
        }
    }

    /// Candidates at a byte offset of the cell; none unless the process is there. May take a second.
    pub fn complete(&mut self, code: &str, offset: usize) -> Completions {
        let none = Completions { span: offset..offset, matches: Vec::new() };
        let Some(mut host) = self.host.take() else { return none };
        match host.complete(code, offset) {
            Ok(completions) => {
                self.host = Some(host);
                completions.unwrap_or(none)
            }
            Err(_) => none,
        }
    }

    fn start(&mut self) -> Result<Host> {
        if cfg!(not(feature = "rust-cells")) {
            return Err(Box::new(
                Diagnostic::error("no-rust-cells", "this Warpbook was built without Rust cells")
                    .help("build it with the default feature `rust-cells`")
                    .help("magics (`%…`, `%%…`) work without it; `%help` lists them"),
            ));
        }
        let path = search_path();
        for tool in ["cargo", "rustc"] {
            if !in_path(tool, &path) {
                return Err(Box::new(
                    Diagnostic::error("no-rust", format!("`{tool}` is missing, and Rust cells need it"))
                        .note("Rust cells are compiled: they need cargo, rustc and a linker")
                        .help("install Rust from https://rustup.rs, then run the cell again")
                        .help("magics (`%…`, `%%…`) work without it"),
                ));
            }
        }
        let failed = |error: io::Error| {
            Diagnostic::error("rust-start", "the process for Rust cells does not start").note(error.to_string())
        };
        let program = match &self.program {
            Some(program) => program.clone(),
            None => std::env::current_exe().map_err(failed)?,
        };
        if self.directory.is_none() {
            let made = BuildDirectory::new().map_err(|error| {
                failed(error).help("Rust cells are built in the temporary directory; TMPDIR chooses another")
            })?;
            self.directory = Some(made);
        }
        let mut command = Command::new(program);
        command.arg("rust-host").env("PATH", path);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        if let Some(directory) = &self.directory {
            command.env("EVCXR_TMPDIR", directory.path());
        }
        let mut process = ChildProcess::spawn(command).map_err(failed)?;
        match (process.take_stdin(), process.take_stdout(), process.take_stderr()) {
            (Some(requests), Some(events), Some(errors)) => {
                Ok(Host { process, requests, pipes: Pipes::new(events, errors) })
            }
            _ => Err(Box::new(failed(io::ErrorKind::BrokenPipe.into()))),
        }
    }
}

fn host_ended(how: String) -> Diagnostic {
    Diagnostic::error("rust-host-ended", "the evaluator of Rust cells ended unexpectedly")
        .note(how)
        .note("all Rust variables, functions and dependencies are lost")
        .help("run the cells that make them again; the next Rust cell starts a new process")
}

/// `print!` without a newline would wait in the cell's own buffer until another cell ends the line.
fn flushed(code: &str) -> String {
    if code.contains("print!(") && code.trim_end().ends_with(';') {
        format!("{code}\n{{ let _ = ::std::io::Write::flush(&mut ::std::io::stdout()); }}")
    } else {
        code.to_owned()
    }
}

/// The source that evcxr made of the last cell.
fn generated_source(directory: &Path) -> Option<String> {
    std::fs::read_to_string(directory.join("src").join("lib.rs")).ok()
}

/// PATH, and the place where rustup installs when a desktop's Jupyter does not have it in its PATH.
fn search_path() -> OsString {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let cargo_home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let cargo_home = cargo_home.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo")));
    let Some(bin) = cargo_home.map(|home| home.join("bin")) else { return path };
    let directories = std::env::split_paths(&path).chain([bin]);
    std::env::join_paths(directories).unwrap_or(path.clone())
}

fn in_path(tool: &str, path: &OsString) -> bool {
    std::env::split_paths(path).any(|directory| directory.join(tool).is_file())
}

impl Host {
    fn send(&mut self, request: &Request) -> io::Result<()> {
        let mut line = serde_json::to_vec(request)?;
        line.push(b'\n');
        self.requests.write_all(&line)
    }

    fn complete(&mut self, code: &str, offset: usize) -> io::Result<Option<Completions>> {
        self.send(&Request::Complete { code: code.to_owned(), offset })?;
        loop {
            match self.pipes.next()? {
                Arrival::Line(line) => {
                    if let Event::Completions { start, end, matches } = serde_json::from_str(&line)? {
                        let valid = start <= end && code.get(start..end).is_some();
                        return Ok(valid.then_some(Completions { span: start..end, matches }));
                    }
                }
                // Nobody reads what is printed between cells.
                Arrival::Errors(_) => {}
                Arrival::End => return Err(io::ErrorKind::UnexpectedEof.into()),
            }
        }
    }
}

/// How an evaluation ended.
enum Ending {
    Value(Output),
    Done(Option<Outcome>),
    Failed(Failure),
    HostEnded,
}

/// How a cell failed that evcxr calls done.
enum Outcome {
    Panicked(String),
    ReturnedError(String),
}

/// One cell on its way through the host.
struct Evaluation<'a> {
    host: &'a mut Host,
    frontend: &'a dyn Frontend,
    errors: ErrorStream,
}

impl<'a> Evaluation<'a> {
    fn new(host: &'a mut Host, frontend: &'a dyn Frontend) -> Self {
        Self { host, frontend, errors: ErrorStream::default() }
    }

    fn run(mut self, request: &Request) -> io::Result<Ending> {
        let sent = self.host.send(request);
        let ending = match sent {
            Ok(()) => self.events(),
            // It ended since the last cell.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Ending::HostEnded),
            Err(error) => Err(error),
        };
        // The cell wrote it before the host wrote the last event.
        while let Ok(Some(bytes)) = self.host.pipes.errors_now() {
            self.stderr(&bytes);
        }
        let (rest, outcome) = self.errors.finish();
        if !rest.is_empty() {
            self.frontend.stream(Stream::Stderr, &rest);
        }
        match ending? {
            Ending::Value(_) | Ending::Done(_) if outcome.is_some() => Ok(Ending::Done(outcome)),
            ending => Ok(ending),
        }
    }

    fn events(&mut self) -> io::Result<Ending> {
        loop {
            let event = match self.host.pipes.next()? {
                Arrival::Errors(bytes) => {
                    self.stderr(&bytes);
                    continue;
                }
                Arrival::End => return Ok(Ending::HostEnded),
                Arrival::Line(line) => serde_json::from_str(&line)?,
            };
            match event {
                Event::Stdout { text } => self.frontend.stream(Stream::Stdout, &text),
                Event::Stderr { text } => self.stderr(text.as_bytes()),
                Event::Input { prompt, password } => match self.frontend.input(&prompt, password) {
                    Ok(text) => self.host.send(&Request::Input { text })?,
                    Err(error) => {
                        self.frontend.stream(Stream::Stderr, &format!("{error}\n"));
                        self.host.send(&Request::Input { text: String::new() })?;
                    }
                },
                Event::Done { mut outputs } => return Ok(self.value(&mut outputs)),
                Event::Failed { failure } => return Ok(Ending::Failed(failure)),
                Event::Completions { .. } => {}
            }
        }
    }

    fn value(&self, outputs: &mut std::collections::BTreeMap<String, String>) -> Ending {
        let text = outputs.remove("text/plain");
        // A cell that ends with a loop has the value `()`, which nobody asked for.
        if outputs.is_empty() && text.as_deref().is_none_or(|text| text == "()") {
            return Ending::Done(None);
        }
        let html = outputs.remove("text/html");
        let svg = outputs.remove("image/svg+xml");
        let json = outputs.remove("application/json");
        let json = json.and_then(|text| serde_json::from_str(&text).ok());
        let text = text.unwrap_or_else(|| if html.is_some() { "<HTML>".into() } else { "<output>".into() });
        Ending::Value(Output { text, html, svg, json, facts: None })
    }

    fn stderr(&mut self, bytes: &[u8]) {
        let text = self.errors.push(bytes);
        if !text.is_empty() {
            self.frontend.stream(Stream::Stderr, &text);
        }
    }
}

/// Begins a panic's message on the runtime's main thread, whose name the cells' own standard library does not know.
const PANIC: &str = "thread '<unnamed>'";

/// The cells' standard error: takes out the relay's marks, and the message of a panic, which becomes an error.
#[derive(Default)]
struct ErrorStream {
    /// An unfinished line that may yet be a mark or a panic's message; or half a character.
    pending: Vec<u8>,
    /// The beginning of the line that `pending` continues, shown already.
    begun: String,
    /// A panic's message, held back until it is known whether the cell caught it.
    panic: Option<String>,
    /// Empty lines not shown yet: a panic's message begins with one.
    empty_lines: usize,
    last_line: String,
    outcome: Option<Outcome>,
}

impl ErrorStream {
    /// Takes what came, gives what is to be shown.
    fn push(&mut self, bytes: &[u8]) -> String {
        self.pending.extend_from_slice(bytes);
        let mut shown = String::new();
        while let Some(end) = self.pending.iter().position(|&byte| byte == b'\n') {
            let line: Vec<u8> = self.pending.drain(..=end).collect();
            self.line(&String::from_utf8_lossy(&line), &mut shown);
            self.begun.clear();
        }
        // A progress bar ends with no newline, and is to be seen.
        let special =
            self.begun.is_empty() && (self.pending.starts_with(b"\x01") || self.pending.starts_with(PANIC.as_bytes()));
        if self.panic.is_none()
            && !special
            && !self.pending.is_empty()
            && let Ok(text) = std::str::from_utf8(&self.pending)
        {
            shown.push_str(&"\n".repeat(std::mem::take(&mut self.empty_lines)));
            shown.push_str(text);
            self.begun.push_str(text);
            self.pending.clear();
        }
        shown
    }

    fn line(&mut self, line: &str, shown: &mut String) {
        // The mark stands behind whatever the cell wrote with no newline.
        let (line, mark) = match line.split_once(MARK) {
            Some((before, mark)) => (before, Some(mark.trim_end())),
            None => (line, None),
        };
        if line.starts_with(PANIC) && line.contains(" panicked at ") {
            self.empty_lines = self.empty_lines.saturating_sub(1);
            // An earlier one was caught, or was another thread's.
            shown.push_str(&self.panic.replace(line.to_owned()).unwrap_or_default());
        } else if let Some(panic) = &mut self.panic {
            panic.push_str(line);
        } else if line == "\n" && self.begun.is_empty() {
            self.empty_lines += 1;
        } else if !line.is_empty() {
            shown.push_str(&"\n".repeat(std::mem::take(&mut self.empty_lines)));
            shown.push_str(line);
            let whole = format!("{}{line}", self.begun);
            if !whole.trim().is_empty() {
                self.last_line = whole.trim_end().to_owned();
            }
        }
        match mark {
            Some(PANICKED) => self.outcome = Some(Outcome::Panicked(self.panic.take().unwrap_or_default())),
            Some(RETURNED_ERROR) => self.outcome = Some(Outcome::ReturnedError(std::mem::take(&mut self.last_line))),
            _ => {}
        }
    }

    /// What is left to be shown, and how the cell failed, if it did.
    fn finish(&mut self) -> (String, Option<Outcome>) {
        let mut rest = "\n".repeat(std::mem::take(&mut self.empty_lines));
        rest.push_str(&self.panic.take().unwrap_or_default());
        rest.push_str(&String::from_utf8_lossy(&std::mem::take(&mut self.pending)));
        (rest, self.outcome.take())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_taken_out_of_standard_error() {
        let mut errors = ErrorStream::default();
        assert_eq!(errors.push(b"before\nhalf"), "before\nhalf");
        assert_eq!(errors.push(b" line\n\nthread '<unnamed>' (1) panicked at src/lib.rs:1:1:\nboom\n"), " line\n");
        assert_eq!(errors.push(b"\x01warpbook-rust panicked\nafter\n"), "after\n");
        let (rest, outcome) = errors.finish();
        assert_eq!(rest, "");
        assert!(matches!(outcome, Some(Outcome::Panicked(text)) if text.ends_with("boom\n")));
    }

    #[test]
    fn a_caught_panic_is_shown() {
        let mut errors = ErrorStream::default();
        assert_eq!(errors.push(b"thread '<unnamed>' panicked at src/lib.rs:1:1:\nboom\n"), "");
        let (rest, outcome) = errors.finish();
        assert_eq!(rest, "thread '<unnamed>' panicked at src/lib.rs:1:1:\nboom\n");
        assert!(outcome.is_none());
    }

    #[test]
    fn characters_are_not_cut() {
        let mut errors = ErrorStream::default();
        let bytes = "ä".as_bytes();
        assert_eq!(errors.push(&bytes[..1]), "");
        assert_eq!(errors.push(&bytes[1..]), "ä");
    }

    #[test]
    fn without_the_feature_the_reader_is_told() {
        if cfg!(not(feature = "rust-cells")) {
            let error = RustCells::new().evaluate(&Source::new("cell", "1"), &crate::frontend::Nobody, &Cancel::new());
            assert_eq!(error.map_err(|error| error.code), Err("no-rust-cells"));
        }
    }
}
