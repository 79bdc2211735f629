//! The kernel's side of Rust cells.

use std::io;
use std::path::{Path, PathBuf};

use crate::frontend::{Frontend, Stream};
use crate::render::Output;
use warpbook_diagnostic::{Diagnostic, Result, Source};
use warpbook_process::cancel::Cancel;
use warpbook_process::private_directory::PrivateDirectory;
use warpbook_rust_host::pipes::Arrival;
use warpbook_rust_host::protocol::{Event, Failure, Request};

use super::completeness::is_blank;
use super::host::{Completions, Host};
use super::installation::Search;
use super::stderr::{ErrorStream, Outcome};
use super::{error, installation, tools};

/// The evaluator of Rust cells. Costs nothing before the first one.
pub struct RustCells {
    /// The host's program, if it was chosen by [`RustCells::with_host`].
    program: Option<PathBuf>,
    host: Option<Host>,
    /// Where evcxr builds; kept when a host ends, so that dependencies are built once.
    directory: Option<PrivateDirectory>,
}

impl Default for RustCells {
    fn default() -> Self {
        Self::new()
    }
}

impl RustCells {
    /// An evaluator that looks for its host when the first cell needs one.
    pub fn new() -> Self {
        Self { program: None, host: None, directory: None }
    }

    /// An evaluator whose host is `program`.
    pub fn with_host(program: impl Into<PathBuf>) -> Self {
        Self { program: Some(program.into()), ..Self::new() }
    }

    /// True if the host is running: the next cell does not wait for its start.
    pub fn is_running(&self) -> bool {
        self.host.is_some()
    }

    /// Ends the process, and with it all that the cells made.
    pub fn reset(&mut self) {
        self.host = None;
    }

    /// Runs a cell of Rust, or of evcxr's commands (`:dep`, `:vars`, …), and returns the value of its last expression.
    /// A cell without code starts nothing.
    pub fn evaluate(&mut self, cell: &Source, frontend: &dyn Frontend, cancel: &Cancel) -> Result<Option<Output>> {
        cancel.check()?;
        if is_blank(&cell.text) {
            return Ok(None);
        }
        let (mut host, started) = match self.host.take() {
            Some(host) => (host, false),
            None => (self.start(frontend, cancel)?, true),
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
                Err(match panic {
                    Outcome::Panicked(text) => error::panic(&text, generated.as_deref(), cell),
                    Outcome::ReturnedError(text) => Diagnostic::error("rust-error", text)
                        .note("an operator `?` of the cell met this error and ended the cell"),
                })
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
                Err(error::diagnostic(&failure, cell))
            }
            Ok(Ending::HostEnded) | Err(_) if cancel.is_cancelled() => {
                let interrupted = Diagnostic::interrupted();
                Err(if started {
                    interrupted
                } else {
                    interrupted
                        .note("a Rust cell can only be stopped by ending its process: all Rust variables, functions and dependencies are lost")
                        .help("run the cells that make them again; the next Rust cell starts a new process")
                })
            }
            Ok(Ending::HostEnded) => {
                let how = host.process.wait().map(|status| status.to_string());
                Err(host_ended(how.unwrap_or_else(|error| error.to_string())))
            }
            Err(error) => Err(host_ended(error.to_string())),
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

    /// Starts a host, after building one if there is none.
    fn start(&mut self, frontend: &dyn Frontend, cancel: &Cancel) -> Result<Host> {
        tools::require_tools()?;
        if self.directory.is_none() {
            let made = PrivateDirectory::new("rust").map_err(|error| {
                Diagnostic::error("rust-start", "the evaluator of Rust cells does not start")
                    .note(error.to_string())
                    .help("Rust cells are built in the temporary directory; TMPDIR chooses another")
            })?;
            self.directory = Some(made);
        }
        let directory = self.directory.as_ref().map(PrivateDirectory::path);
        let program = match &self.program {
            Some(program) => program.clone(),
            None => match installation::search(directory, cancel) {
                Search::Usable { host, .. } => return Ok(host),
                _ if cancel.is_cancelled() => return Err(Diagnostic::interrupted()),
                _ if installation::can_build() => installation::install(false, frontend, cancel)?,
                Search::Unusable { program, error } => return Err(installation::unusable(&program, &error)),
                Search::Nothing => return Err(installation::missing()),
            },
        };
        Host::start(&program, directory, cancel).map_err(|error| {
            if cancel.is_cancelled() {
                return Diagnostic::interrupted();
            }
            installation::unusable(&program, &error)
        })
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

/// How an evaluation ended.
enum Ending {
    Value(Output),
    Done(Option<Outcome>),
    Failed(Failure),
    HostEnded,
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
            let event = match self.host.pipes.next_arrival()? {
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
                Event::Completions { .. } | Event::Hello { .. } => {}
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
