//! The compile worker: a Python process with Triton imported, which forks for each compilation.
//!
//! The Python side is the package in `worker/` of this crate. Its source is sent over standard input, so that nothing is
//! installed or written anywhere. A compilation that crashes takes its fork along, not the worker; a worker that dies
//! is started again by the next compilation.

pub mod error_kind;
pub mod protocol;
mod wire;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use protocol::{Answer, Done, Message, Task};

use warpbook_diagnostic::{Diagnostic, Result};
use warpbook_process::cancel::Cancel;
use warpbook_process::child::ChildProcess;

/// Reads the package and starts the server.
const BOOTSTRAP: &str = include_str!("../../worker/bootstrap.py");

/// The modules of the package: dotted name, source.
const MODULES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/worker_modules.rs"));

/// How often a waiting cell checks for an interrupt.
const POLL: Duration = Duration::from_millis(20);
/// How long an interrupted worker may take to end its compilation before its process is killed.
const PATIENCE: Duration = Duration::from_millis(700);

/// A worker process that has started and answered.
pub struct Worker {
    child: ChildProcess,
    requests: std::process::ChildStdin,
    answers: Receiver<std::io::Result<Answer>>,
    next: u64,
    /// The version of Triton that it imported.
    pub version: String,
    /// The files that what it compiles depends on, as they were when it imported them.
    pub files: Files,
}

/// Files with their sizes and times of change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files(Vec<(PathBuf, u64, i128)>);

impl Files {
    /// The state of these paths now.
    fn look(paths: impl Iterator<Item = PathBuf>) -> Self {
        let stamp = |path: PathBuf| {
            use std::os::unix::fs::MetadataExt;
            let found = std::fs::metadata(&path).ok();
            let (size, time) =
                found.map_or((0, 0), |m| (m.len(), i128::from(m.mtime()) * 1_000_000_000 + i128::from(m.mtime_nsec())));
            (path, size, time)
        };
        Self(paths.map(stamp).collect())
    }

    /// True if one of the files has changed since.
    pub fn changed(&self) -> bool {
        Self::look(self.0.iter().map(|(path, ..)| path.clone())) != *self
    }

    /// A text that is another one when a file is another one.
    pub fn fingerprint(&self) -> String {
        format!("{:?}", self.0)
    }
}

/// Why a worker has no answer.
#[derive(Debug)]
pub enum Lost {
    /// The reader interrupted.
    Cancelled,
    /// The process is gone.
    Gone,
    /// It does not keep to the protocol.
    NotUnderstood(String),
}

impl Worker {
    /// Starts a worker with an interpreter that has Triton, and waits until it is ready. Ends early when cancelled.
    pub fn start(python: &Path, cancel: &Cancel) -> Result<Self> {
        let failed = |note: String| {
            Diagnostic::error("worker", format!("the compile worker does not start with {}", python.display()))
                .note(note)
                .help("`warpbook doctor` shows what is missing")
        };
        let mut command = Command::new(python);
        // Unbuffered, or bytes of the first request would be lost between Python's layers.
        command.args(["-u", "-c", BOOTSTRAP]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        // What a reader's own Triton caches or dumps is not for our compilations to find.
        command.env_remove("TRITON_INTERPRET").env("PYTHONDONTWRITEBYTECODE", "1");
        let mut child = ChildProcess::spawn(command).map_err(|error| failed(error.to_string()))?;
        let (Some(mut requests), Some(output)) = (child.take_stdin(), child.take_stdout()) else {
            return Err(failed("it has no standard streams".into()));
        };
        let modules: BTreeMap<&str, &str> = MODULES.iter().copied().collect();
        wire::write(&mut requests, &modules).map_err(|error| failed(error.to_string()))?;
        let (sender, answers) = channel();
        std::thread::Builder::new()
            .name("compile-worker".into())
            .spawn(move || {
                let mut output = std::io::BufReader::new(output);
                while let Some(answer) = wire::read(&mut output).transpose() {
                    let is_broken = answer.is_err();
                    if sender.send(answer).is_err() || is_broken {
                        break;
                    }
                }
            })
            .map_err(|error| failed(error.to_string()))?;
        let mut worker = Self { child, requests, answers, next: 0, version: String::new(), files: Files::default() };
        match worker.receive(cancel) {
            Ok(Answer::Ready { version, files }) => {
                worker.version = version;
                worker.files = Files::look(files.into_iter().map(PathBuf::from));
                Ok(worker)
            }
            Ok(Answer::Failed { reason }) => Err(failed(reason)),
            Ok(other) => Err(failed(format!("its first answer is not understood: {other:?}"))),
            Err(Lost::Cancelled) => Err(Diagnostic::interrupted()),
            Err(Lost::NotUnderstood(reason)) => Err(failed(reason)),
            Err(Lost::Gone) => {
                let status = worker.child.wait().map_or_else(|error| error.to_string(), |status| status.to_string());
                Err(failed(status))
            }
        }
    }

    fn receive(&mut self, cancel: &Cancel) -> Result<Answer, Lost> {
        loop {
            match self.answers.recv_timeout(POLL) {
                Ok(answer) => return answer.map_err(|error| Lost::NotUnderstood(error.to_string())),
                Err(RecvTimeoutError::Disconnected) => return Err(Lost::Gone),
                Err(RecvTimeoutError::Timeout) if cancel.is_cancelled() => return Err(Lost::Cancelled),
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    /// Sends a task and waits until it is done. `progress` hears of each stage that begins. After [`Lost::Gone`] the
    /// worker is of no use any more.
    pub fn run(&mut self, task: &Task, cancel: &Cancel, progress: &mut dyn FnMut(&str)) -> Result<Done, Lost> {
        self.next += 1;
        let id = self.next;
        wire::write(&mut self.requests, &Message::Run { id, task }).map_err(|_| Lost::Gone)?;
        loop {
            match self.receive(cancel) {
                Ok(Answer::Done(done)) if done.id == id => return Ok(*done),
                Ok(Answer::Progress { id: own, text }) if own == id => progress(&text),
                // Of a request that was given up.
                Ok(_) => {}
                Err(Lost::Cancelled) => return Err(self.give_up(id)),
                Err(other) => return Err(other),
            }
        }
    }

    /// Has the running compilation ended, or else ends the worker.
    fn give_up(&mut self, id: u64) -> Lost {
        let deadline = Instant::now() + PATIENCE;
        if wire::write(&mut self.requests, &Message::Cancel { cancel: id }).is_ok() {
            while let Some(left) = deadline.checked_duration_since(Instant::now()) {
                match self.answers.recv_timeout(left) {
                    Ok(Ok(Answer::Done(done))) if done.id == id => return Lost::Cancelled,
                    Ok(_) => {}
                    Err(_) => break,
                }
            }
        }
        self.child.kill();
        Lost::Cancelled
    }

    /// True if the process still runs.
    pub fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }
}

/// The text of every module: what is compiled depends on it.
pub fn program() -> impl Iterator<Item = &'static str> {
    MODULES.iter().map(|(_, text)| *text)
}
