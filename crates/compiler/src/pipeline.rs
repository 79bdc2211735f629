//! The way of one compilation: the cache, a worker, and what its answer means.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use serde_json::Value;

use super::cache::{Cache, Key};
use super::failure::{self, Failure};
use super::own_version::OwnVersion;
use super::worker::protocol::{CompileResult, Done, Outcome, Task, TaskResult};
use super::worker::{self, Lost, Worker};
use super::{Artifact, BrokenPass, CompileRequest, Compiled, LaunchMeta, Stage, StageOutcome, environment, meta};
use warpbook_diagnostic::{Diagnostic, Result};
use warpbook_process::cancel::Cancel;
use warpbook_process::question;

/// Changes whenever what is cached changes its meaning.
const FORMAT: &str = "warpbook compile cache 3";

/// Progress of a compilation while it runs.
#[derive(Clone, Copy, Debug)]
pub enum Progress<'a> {
    /// A Python environment is being made: one line of news.
    Environment(&'a str),
    /// A stage begins.
    Stage(&'a str),
}

/// Compiles, with one worker process for each version of Triton.
pub struct Compiler {
    cache: Cache,
    workers: HashMap<String, Slot>,
    own_version: OwnVersion,
    pub(super) broken: Option<BrokenPass>,
}

enum Slot {
    Starting(Receiver<Result<Worker>>),
    Ready(Worker),
}

impl Default for Compiler {
    fn default() -> Self {
        let cache =
            environment::cache_directory().map_or_else(|_| Cache::nowhere(), |at| Cache::open(at.join("compile")));
        Self { cache, workers: HashMap::new(), own_version: OwnVersion::default(), broken: None }
    }
}

impl Compiler {
    /// The version of Triton that is used by default: that of the user's own environment, or else
    /// [`warpbook_ir::triton_version::TritonVersion::DEFAULT`]. Fails at an interrupt, and if the user's Python does not answer.
    pub fn default_version(&self, cancel: &Cancel) -> Result<String> {
        self.own_version.get(cancel)
    }

    /// Starts the default version's worker, if its environment is there. Returns at once.
    pub fn warm_up(&mut self) {
        let own = self.own_version.clone();
        let receiver = in_background(move || start_existing(&own.get(&Cancel::new())?));
        if let Some(receiver) = receiver {
            self.workers.insert(String::new(), Slot::Starting(receiver));
        }
    }

    /// Starts a version's worker, if its environment is there. Returns at once.
    pub fn start_in_background(&mut self, version: &str) {
        if self.workers.contains_key(version) {
            return;
        }
        let asked = version.to_owned();
        let receiver = in_background(move || start_existing(&asked));
        if let Some(receiver) = receiver {
            self.workers.insert(version.to_owned(), Slot::Starting(receiver));
        }
    }

    /// The worker of a version: the running one, or a new one if there is none or its Triton was changed.
    fn worker(
        &mut self,
        version: &str,
        cancel: &Cancel,
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<&mut Worker> {
        // The one that was started before anyone asked for a version.
        if !self.workers.contains_key(version)
            && self.workers.contains_key("")
            && version == self.default_version(cancel)?
            && let Some(first) = self.workers.remove("")
        {
            self.workers.insert(version.to_owned(), first);
        }
        let found = match self.workers.remove(version) {
            Some(Slot::Ready(worker)) => Some(worker),
            Some(Slot::Starting(receiver)) => match wait(&receiver, cancel) {
                Waited::Came(Ok(worker)) => Some(worker),
                Waited::Cancelled => {
                    self.workers.insert(version.to_owned(), Slot::Starting(receiver));
                    return Err(Diagnostic::interrupted());
                }
                // The environment was not there, or it did not start: now the reader hears of it.
                Waited::Came(Err(_)) | Waited::Gone => None,
            },
            None => None,
        };
        let found = found.and_then(|mut worker| (worker.is_alive() && !worker.files.changed()).then_some(worker));
        let worker = match found {
            Some(worker) => worker,
            None => {
                let python = match existing(version, cancel)? {
                    Some(python) => python,
                    None => {
                        environment::managed_python(version, &mut |line| progress(Progress::Environment(line)), cancel)?
                    }
                };
                Worker::start(&python, cancel)?
            }
        };
        match self.workers.entry(version.to_owned()).insert_entry(Slot::Ready(worker)).into_mut() {
            Slot::Ready(worker) => Ok(worker),
            Slot::Starting(_) => Err(Diagnostic::error("internal", "a worker is lost")),
        }
    }

    /// Compiles. Ends early when cancelled. PTX that nothing has to be made of needs no Python.
    pub fn compile(
        &mut self,
        request: &CompileRequest,
        cancel: &Cancel,
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<Compiled, Failure> {
        if request.entry == Stage::Ptx && request.until == Stage::Ptx {
            return Ok(bare_ptx(request)?);
        }
        let (done, cached) = self.run_task(&request.triton, &Task::compile(request), cancel, progress)?;
        if let Outcome::Result(TaskResult::Compile(result)) = &done.outcome {
            return Ok(compiled(request, result, cached)?);
        }
        let mut failure = failure::failure(&done, request);
        let is_pass = match &done.outcome {
            Outcome::Crashed(_) => true,
            Outcome::Error(error) => error.message.contains("PassManager::run failed"),
            Outcome::Result(_) => false,
        };
        if is_pass && request.entry < Stage::Llir {
            self.locate(request, &mut failure, cancel, progress)?;
        }
        Err(failure)
    }

    /// Runs a task in a worker, or takes its result from the cache. The `bool` is true for a cached result.
    pub(super) fn run_task(
        &mut self,
        triton: &str,
        task: &Task,
        cancel: &Cancel,
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<(Done, bool)> {
        self.cache.check()?;
        let cache = self.cache.clone();
        let body = serde_json::to_string(task).map_err(|error| not_understood(error.to_string()))?;
        let carried = carried_key(&body, triton);
        let known = |result: TaskResult| (Done { id: 0, log: String::new(), outcome: Outcome::Result(result) }, true);
        if !self.workers.contains_key(triton)
            && existing(triton, cancel)?.is_none()
            && let Some(found) = cache.get_carried(carried)
        {
            return Ok(known(found));
        }
        let mut lost = 0;
        loop {
            let worker = self.worker(triton, cancel, progress)?;
            let key = key(&body, worker);
            if let Some(found) = cache.get(key) {
                return Ok(known(found));
            }
            match worker.run(task, cancel, &mut |stage| progress(Progress::Stage(stage))) {
                Ok(done) => {
                    if let Outcome::Result(result) = &done.outcome {
                        cache.put(key, result, result.files());
                        cache.link(key, carried);
                    }
                    return Ok((done, false));
                }
                Err(Lost::Cancelled) => return Err(Diagnostic::interrupted()),
                Err(Lost::NotUnderstood(reason)) => {
                    self.workers.remove(triton);
                    return Err(not_understood(reason));
                }
                Err(Lost::Gone) if lost == 0 => {
                    // Killed from outside, most likely: the request itself is run in a process of its own.
                    lost += 1;
                    self.workers.remove(triton);
                }
                Err(Lost::Gone) => {
                    self.workers.remove(triton);
                    let error = Diagnostic::error("worker", "the compile worker ended twice during this compilation");
                    return Err(error.help("run the cell again: a new worker is started"));
                }
            }
        }
    }

    /// A cubin as it is, with what its own attributes say.
    pub fn open_cubin(&self, bytes: &[u8], name: Option<&str>) -> Result<Compiled> {
        Ok(as_it_is(Artifact::new(Stage::Cubin, bytes), meta::from_cubin(bytes, name)?))
    }
}

/// Starts a version's worker if its environment is there.
fn start_existing(version: &str) -> Result<Worker> {
    let missing = || Diagnostic::error("no-environment", "not made yet");
    let cancel = Cancel::new();
    Worker::start(&existing(version, &cancel)?.ok_or_else(missing)?, &cancel)
}

fn in_background(start: impl FnOnce() -> Result<Worker> + Send + 'static) -> Option<Receiver<Result<Worker>>> {
    let (sender, receiver) = channel();
    let thread = std::thread::Builder::new().name("start-worker".into());
    thread.spawn(move || sender.send(start())).ok().map(|_| receiver)
}

enum Waited {
    Came(Result<Worker>),
    Cancelled,
    Gone,
}

fn wait(receiver: &Receiver<Result<Worker>>, cancel: &Cancel) -> Waited {
    loop {
        match receiver.recv_timeout(Duration::from_millis(20)) {
            Ok(worker) => return Waited::Came(worker),
            Err(RecvTimeoutError::Disconnected) => return Waited::Gone,
            Err(RecvTimeoutError::Timeout) if cancel.is_cancelled() => return Waited::Cancelled,
            Err(RecvTimeoutError::Timeout) => {}
        }
    }
}

/// An interpreter that has this version of Triton already.
fn existing(version: &str, cancel: &Cancel) -> Result<Option<PathBuf>> {
    if let Some(python) = environment::chosen()
        && environment::triton_version(&python, question::PATIENCE, cancel)?.as_deref() == Some(version)
    {
        return Ok(Some(python));
    }
    Ok(environment::managed().into_iter().find(|(made, _)| made == version).map(|(_, python)| python))
}

/// The key of an entry that another machine made: of the request and the version alone, since nothing more can be
/// known where that Triton is not installed. A cache directory that is carried there answers by it.
fn carried_key(body: &str, version: &str) -> Key {
    let mut texts: Vec<&str> = vec!["carried", FORMAT, version, body];
    for module in worker::program() {
        texts.push(module);
    }
    Key::from_parts(texts)
}

fn key(body: &str, worker: &Worker) -> Key {
    let files = worker.files.fingerprint();
    let settings = settings(std::env::vars_os());
    let directory = format!("{:?}", std::env::current_dir().unwrap_or_default());
    let fixed = [FORMAT, &worker.version, body, &files];
    let mut texts: Vec<&str> = fixed.to_vec();
    for module in worker::program() {
        texts.push(module);
    }
    texts.extend(settings.iter().map(String::as_str));
    // What a cell imports is looked for in the working directory.
    texts.push(&directory);
    Key::from_parts(texts)
}

/// The environment variables that change what Triton makes, in order. Names and values need not be Unicode: `{:?}` shows
/// different ones differently.
fn settings(variables: impl Iterator<Item = (OsString, OsString)>) -> Vec<String> {
    const PREFIXES: [&str; 10] =
        ["TRITON_", "MLIR_", "LLVM_", "PTXAS_", "DISABLE_", "ENABLE_", "NVPTX_", "USE_", "PYTHONPATH", "CUDA_"];
    let is_one = |name: &OsStr| PREFIXES.iter().any(|prefix| name.as_encoded_bytes().starts_with(prefix.as_bytes()));
    let settings = variables.filter(|(name, _)| is_one(name));
    let mut settings: Vec<String> = settings.map(|(name, value)| format!("{name:?}={value:?}")).collect();
    settings.sort();
    settings
}

/// PTX as it is, with what its directives say.
fn bare_ptx(request: &CompileRequest) -> Result<Compiled> {
    let artifact = Artifact::new(Stage::Ptx, request.text.as_bytes());
    let meta = meta::from_ptx(&artifact, request.name.as_deref())?;
    Ok(as_it_is(artifact, meta))
}

/// A result without a compilation: the entry's own text is what was requested.
fn as_it_is(artifact: Artifact, meta: LaunchMeta) -> Compiled {
    Compiled {
        stages: vec![StageOutcome { artifact, elapsed: Duration::ZERO, cached: false }],
        meta,
        metadata: Value::Null,
        triton_version: String::new(),
        binding: None,
        warnings: Vec::new(),
    }
}

/// Converts a worker's result into artifacts and launch metadata.
fn compiled(request: &CompileRequest, result: &CompileResult, cached: bool) -> Result<Compiled> {
    let entry = match &result.source {
        Some(source) if request.from.is_some() => Artifact::new(request.entry, source.as_bytes()),
        _ => Artifact::new(request.entry, request.text.as_bytes()),
    };
    let mut stages = vec![StageOutcome { artifact: entry, elapsed: Duration::ZERO, cached }];
    for outcome in &result.stages {
        let outcome = outcome.decode(cached).ok_or_else(|| not_understood("a stage's bytes are malformed"))?;
        // A text from the middle of a stage became that stage's own.
        stages.retain(|entry: &StageOutcome| entry.artifact.stage != outcome.artifact.stage);
        stages.push(outcome);
    }
    let ptx = stages.iter().map(|outcome| &outcome.artifact).find(|artifact| artifact.stage == Stage::Ptx);
    let meta = meta::from_compiler(&result.metadata, request, ptx, result.binding.as_ref())?;
    Ok(Compiled {
        meta,
        metadata: result.metadata.clone(),
        triton_version: request.triton.clone(),
        binding: result.binding.clone(),
        warnings: result.warnings.clone(),
        stages,
    })
}

/// The error about an answer that is not of the protocol.
pub(super) fn not_understood(reason: impl Into<String>) -> Diagnostic {
    Diagnostic::error("internal", "the compile worker gave an answer that Warpbook does not understand").note(reason)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStringExt;

    #[test]
    fn variables_that_are_no_unicode_are_settings_too() {
        let variable =
            |name: &[u8], value: &[u8]| (OsString::from_vec(name.to_vec()), OsString::from_vec(value.to_vec()));
        let of =
            |name: &[u8], value: &[u8]| settings([variable(name, value), variable(b"\xffHOME", b"\xff")].into_iter());
        assert_eq!(of(b"OTHER", b"1"), [""; 0]);
        assert_eq!(of(b"TRITON_\xff", b"\xfe").len(), 1);
        assert_ne!(of(b"TRITON_\xff", b"\xfe"), of(b"TRITON_\xff", b"\xff"));
        assert_ne!(of(b"TRITON_\xff", b"\xfe"), of(b"TRITON_\xfd", b"\xfe"));
    }
}
