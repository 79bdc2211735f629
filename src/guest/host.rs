//! A running host: its process and the kernel's ends of its pipes.

use std::io::{self, Write};
use std::ops::Range;
use std::path::Path;
use std::process::{ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use warpbook_process::cancel::Cancel;
use warpbook_process::child::ChildProcess;
use warpbook_rust_host::pipes::{Arrival, Pipes};
use warpbook_rust_host::protocol::{self, Event, Request};

use super::tools::search_path;

/// How long a host may take for its first message; it sends that before it does anything else.
const PATIENCE: Duration = Duration::from_secs(20);

/// Completions of a Rust cell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Completions {
    /// The text that a candidate replaces: bytes of the cell.
    pub span: Range<usize>,
    /// The candidates, best first.
    pub matches: Vec<String>,
}

/// Why a program is not a host that this kernel can speak to.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The program does not start, or its pipes fail.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The program is a host, but of another version of the protocol.
    #[error("it uses version {found} of the protocol, but this Warpbook needs version {}", protocol::VERSION)]
    OtherProtocol {
        /// The version of the protocol that the program uses.
        found: u32,
    },
    /// The program is not a host of Rust cells.
    #[error("it does not answer as warpbook-rust-host does")]
    NotAHost,
}

/// A host that speaks the kernel's protocol.
pub struct Host {
    pub process: ChildProcess,
    pub pipes: Pipes,
    requests: ChildStdin,
}

impl Host {
    /// Starts `program` and waits for its first message; evcxr starts up after that. `directory` is where evcxr builds
    /// the cells; without one it makes its own.
    pub fn start(program: &Path, directory: Option<&Path>, cancel: &Cancel) -> Result<Self, StartError> {
        let mut process = spawn(program, directory)?;
        let (Some(requests), Some(events), Some(errors)) =
            (process.take_stdin(), process.take_stdout(), process.take_stderr())
        else {
            return Err(StartError::Io(io::ErrorKind::BrokenPipe.into()));
        };
        let killer = process.killer();
        let _kill = cancel.on_cancel(move || killer.kill());
        let mut host = Self { process, pipes: Pipes::new(events, errors), requests };
        match host.first_message()? {
            protocol::VERSION => Ok(host),
            found => Err(StartError::OtherProtocol { found }),
        }
    }

    /// The version of the protocol that the program speaks.
    fn first_message(&mut self) -> Result<u32, StartError> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.pipes.next_before(deadline) {
                Ok(Arrival::Line(line)) => match serde_json::from_str(&line) {
                    Ok(Event::Hello { protocol }) => return Ok(protocol),
                    _ => return Err(StartError::NotAHost),
                },
                Ok(Arrival::Errors(_)) => {}
                Ok(Arrival::End) => return Err(StartError::NotAHost),
                Err(error) if error.kind() == io::ErrorKind::TimedOut => return Err(StartError::NotAHost),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Sends a request to the host.
    pub fn send(&mut self, request: &Request) -> io::Result<()> {
        let mut line = serde_json::to_vec(request)?;
        line.push(b'\n');
        self.requests.write_all(&line)
    }

    /// Completions at a byte offset of `code`; none if the host's answer does not fit it.
    pub fn complete(&mut self, code: &str, offset: usize) -> io::Result<Option<Completions>> {
        self.send(&Request::Complete { code: code.to_owned(), offset })?;
        loop {
            match self.pipes.next_arrival()? {
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

fn spawn(program: &Path, directory: Option<&Path>) -> io::Result<ChildProcess> {
    let deadline = Instant::now() + Duration::from_secs(2);
    loop {
        let mut command = Command::new(program);
        command.env("PATH", search_path());
        if let Some(directory) = directory {
            command.env("EVCXR_TMPDIR", directory);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        match ChildProcess::spawn(command) {
            // The program was just written, and a process that another thread is starting still holds it open.
            Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy && Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(20));
            }
            outcome => return outcome,
        }
    }
}
