//! The compile worker: a Python process with Triton imported, which forks for each compilation.
//!
//! The Python side is in the `.py` files beside this one. They are sent over standard input, so that nothing is
//! installed or written anywhere. A compilation that crashes takes its fork along, not the worker; a worker that dies
//! is started again by the next compilation.

mod wire;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use warpbook_diagnostic::{Diagnostic, Result};
use warpbook_process::cancel::Cancel;
use warpbook_process::child::ChildProcess;

/// Reads the modules and starts the server.
const BOOTSTRAP: &str = include_str!("bootstrap.py");

/// The modules of the worker, in the order in which they import one another.
const MODULES: [(&str, &str); 6] = [
    ("warpbook_pipeline", include_str!("pipeline.py")),
    ("warpbook_passes", include_str!("passes.py")),
    ("warpbook_python", include_str!("python.py")),
    ("warpbook_extract", include_str!("extract.py")),
    ("warpbook_inspect", include_str!("inspect.py")),
    ("warpbook_server", include_str!("server.py")),
];

/// How often a waiting cell looks whether it was interrupted.
const POLL: Duration = Duration::from_millis(20);
/// How long an interrupted worker may take to end its compilation before it is ended itself.
const PATIENCE: Duration = Duration::from_millis(700);

/// A worker that has said that it is ready.
pub struct Worker {
    child: ChildProcess,
    requests: std::process::ChildStdin,
    answers: Receiver<Value>,
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
    /// What is there now, of these paths.
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

    /// Whether one of them has changed since.
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
}

impl Worker {
    /// Starts a worker with an interpreter that has Triton, and waits until it is ready. Ends early when cancelled.
    pub fn start(python: &Path, cancel: &Cancel) -> Result<Self> {
        let failed = |note: String| {
            Diagnostic::error("worker", format!("the compile worker does not start with {}", python.display()))
                .note(note)
                .help("`warpbook doctor` says what is missing")
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
        let modules = Value::from(MODULES.map(|(name, text)| json!([name, text])).to_vec());
        wire::write(&mut requests, &modules).map_err(|error| failed(error.to_string()))?;
        let (sender, answers) = channel();
        std::thread::Builder::new()
            .name("compile-worker".into())
            .spawn(move || {
                let mut output = std::io::BufReader::new(output);
                while let Ok(Some(answer)) = wire::read(&mut output) {
                    if sender.send(answer).is_err() {
                        break;
                    }
                }
            })
            .map_err(|error| failed(error.to_string()))?;
        let mut worker = Self { child, requests, answers, next: 0, version: String::new(), files: Files::default() };
        let hello = match worker.receive(cancel) {
            Ok(hello) => hello,
            Err(Lost::Cancelled) => return Err(Diagnostic::interrupted()),
            Err(Lost::Gone) => {
                let status = worker.child.wait().map_or_else(|error| error.to_string(), |status| status.to_string());
                return Err(failed(status));
            }
        };
        if let Some(reason) = hello["failed"].as_str() {
            return Err(failed(reason.to_owned()));
        }
        let ready = &hello["ready"];
        worker.version = ready["version"].as_str().unwrap_or_default().to_owned();
        let paths = ready["files"].as_array().into_iter().flatten().filter_map(Value::as_str).map(PathBuf::from);
        worker.files = Files::look(paths);
        Ok(worker)
    }

    fn receive(&mut self, cancel: &Cancel) -> Result<Value, Lost> {
        loop {
            match self.answers.recv_timeout(POLL) {
                Ok(answer) => return Ok(answer),
                Err(RecvTimeoutError::Disconnected) => return Err(Lost::Gone),
                Err(RecvTimeoutError::Timeout) if cancel.is_cancelled() => return Err(Lost::Cancelled),
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    /// Sends a request and waits for its answer: an object with `result`, `error` or `crashed`, and `log`.
    /// `progress` hears of each stage that begins. After [`Lost::Gone`] the worker is of no use any more.
    pub fn ask(&mut self, mut request: Value, cancel: &Cancel, progress: &mut dyn FnMut(&str)) -> Result<Value, Lost> {
        self.next += 1;
        let id = self.next;
        request["id"] = json!(id);
        wire::write(&mut self.requests, &request).map_err(|_| Lost::Gone)?;
        loop {
            match self.receive(cancel) {
                Ok(answer) if answer["id"].as_u64() != Some(id) => {}
                Ok(answer) => match answer["progress"].as_str() {
                    Some(stage) => progress(stage),
                    None => return Ok(answer),
                },
                Err(Lost::Cancelled) => return Err(self.give_up(id)),
                Err(Lost::Gone) => return Err(Lost::Gone),
            }
        }
    }

    /// Has the running compilation ended, or else ends the worker.
    fn give_up(&mut self, id: u64) -> Lost {
        let deadline = Instant::now() + PATIENCE;
        if wire::write(&mut self.requests, &json!({"cancel": id})).is_ok() {
            while let Some(left) = deadline.checked_duration_since(Instant::now()) {
                match self.answers.recv_timeout(left) {
                    Ok(answer) if answer["id"].as_u64() == Some(id) && answer.get("progress").is_none() => {
                        return Lost::Cancelled;
                    }
                    Ok(_) => {}
                    Err(_) => break,
                }
            }
        }
        self.child.kill();
        Lost::Cancelled
    }

    /// Whether the process still runs.
    pub fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }
}

/// The text of every module: what is compiled depends on it.
pub fn program() -> impl Iterator<Item = &'static str> {
    MODULES.into_iter().map(|(_, text)| text)
}
