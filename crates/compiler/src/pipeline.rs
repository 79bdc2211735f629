//! The way of one compilation: the cache, a worker, and what its answer means.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use base64::Engine;
use serde_json::{Value, json};

use super::cache::{Cache, Key};
use super::failure::{self, Failure};
use super::inspect::BrokenPass;
use super::worker::{self, Lost, Worker};
use super::{
    Argument, Artifact, Binding, BoundParam, CompileRequest, Compiled, LaunchMeta, PassEdits, Stage, StageOutcome,
    environment, meta,
};
use warpbook_diagnostic::{Diagnostic, Result};
use warpbook_ir::locations;
use warpbook_process::cancel::Cancel;

/// Changes whenever what is cached changes its meaning.
const FORMAT: &str = "warpbook compile cache 1";

/// What a compilation tells while it runs.
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
    default: Arc<OnceLock<String>>,
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
        Self { cache, workers: HashMap::new(), default: Arc::default(), broken: None }
    }
}

impl Compiler {
    /// The version of Triton that is used where none is asked for: that of the reader's own environment, or else
    /// [`environment::DEFAULT_TRITON`].
    pub fn default_version(&self) -> &str {
        self.default.get_or_init(own_version)
    }

    /// Starts the default version's worker, if its environment is there. Returns at once.
    pub fn warm_up(&mut self) {
        let default = Arc::clone(&self.default);
        let receiver = in_background(move || start_existing(default.get_or_init(own_version)));
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
        if version == self.default_version()
            && !self.workers.contains_key(version)
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
                let python = match existing(version) {
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
        let (answer, cached) = self.answer(&request.triton, &encode(request), cancel, progress)?;
        match answer.get("result") {
            Some(result) => Ok(decode(request, result, cached)?),
            None => {
                let mut failure = failure::failure(&answer, request);
                let said = answer["error"]["message"].as_str().unwrap_or_default();
                let is_pass = answer.get("crashed").is_some() || said.contains("PassManager::run failed");
                if is_pass && request.entry < Stage::Llir {
                    self.locate(request, &mut failure, cancel, progress)?;
                }
                Err(failure)
            }
        }
    }

    /// What a worker answers to a request, and whether the cache had it.
    pub(super) fn answer(
        &mut self,
        triton: &str,
        body: &Value,
        cancel: &Cancel,
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<(Value, bool)> {
        let cache = self.cache.clone();
        let carried = carried_key(body, triton);
        if !self.workers.contains_key(triton)
            && existing(triton).is_none()
            && let Some(result) = cache.get(carried)
        {
            return Ok((json!({"result": result}), true));
        }
        let mut lost = 0;
        loop {
            let worker = self.worker(triton, cancel, progress)?;
            let key = key(body, worker);
            if let Some(result) = cache.get(key) {
                return Ok((json!({"result": result}), true));
            }
            let answer = worker.ask(body.clone(), cancel, &mut |stage| progress(Progress::Stage(stage)));
            match answer {
                Ok(answer) => {
                    if let Some(result) = answer.get("result") {
                        let files = result["files"].as_array().into_iter().flatten().filter_map(Value::as_str);
                        let files: Vec<&str> = files.collect();
                        cache.put(key, result, &files);
                        cache.link(key, carried);
                    }
                    return Ok((answer, false));
                }
                Err(Lost::Cancelled) => return Err(Diagnostic::interrupted()),
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
    Worker::start(&existing(version).ok_or_else(missing)?, &Cancel::new())
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

/// The version of Triton of the reader's own environment, or the default one.
fn own_version() -> String {
    let own = environment::chosen().and_then(|python| environment::triton_version(&python));
    own.unwrap_or_else(|| environment::DEFAULT_TRITON.to_owned())
}

/// An interpreter that has this version of Triton already.
fn existing(version: &str) -> Option<PathBuf> {
    let own = environment::chosen().filter(|python| environment::triton_version(python).as_deref() == Some(version));
    own.or_else(|| environment::managed().into_iter().find(|(made, _)| made == version).map(|(_, python)| python))
}

/// The key of an entry that another machine made: of the request and the version alone, since nothing more can be
/// known where that Triton is not installed. A cache directory that is carried there answers by it.
fn carried_key(body: &Value, version: &str) -> Key {
    let request = body.to_string();
    let mut texts: Vec<&str> = vec!["carried", FORMAT, version, &request];
    for module in worker::program() {
        texts.push(module);
    }
    Key::of(texts)
}

fn key(body: &Value, worker: &Worker) -> Key {
    let request = body.to_string();
    let files = worker.files.fingerprint();
    let mut settings: Vec<String> = std::env::vars()
        .filter(|(name, _)| {
            ["TRITON_", "MLIR_", "LLVM_", "PTXAS_", "DISABLE_", "ENABLE_", "NVPTX_", "USE_", "PYTHONPATH", "CUDA_"]
                .iter()
                .any(|prefix| name.starts_with(prefix))
        })
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    settings.sort();
    let directory = std::env::current_dir().unwrap_or_default();
    let fixed = [FORMAT, &worker.version, &request, &files];
    let mut texts: Vec<&str> = fixed.to_vec();
    for module in worker::program() {
        texts.push(module);
    }
    texts.extend(settings.iter().map(String::as_str));
    // What a cell imports is looked for in the working directory.
    texts.extend(directory.to_str());
    Key::of(texts)
}

/// The request as the worker reads it.
pub(super) fn encode(request: &CompileRequest) -> Value {
    let text = match request.entry {
        Stage::Ttir | Stage::Ttgir => locations::blank(&request.text),
        _ => request.text.to_string(),
    };
    let mut body = json!({
        "entry": request.entry.name(),
        "until": request.until.name(),
        "capability": request.target.0,
        "name": request.name,
        "text": text,
        "path": request.name.as_deref().unwrap_or("kernel"),
        "cell_path": failure::pseudo_path(request),
        "options": request.options,
        "definitions": request.definitions.iter().map(|definition| {
            json!({"path": definition.path, "text": &*definition.text})
        }).collect::<Vec<_>>(),
        "from": request.from,
        "search_path": request.search_path,
        "args": request.args.iter().map(argument).collect::<Vec<_>>(),
        "keywords": request.keywords.iter().map(|(name, value)| json!([name, argument(value)])).collect::<Vec<_>>(),
        "config": request.config,
    });
    let PassEdits { skip, until, after } = &request.passes;
    if !skip.is_empty() {
        body["skip"] = json!(skip);
    }
    for (name, pass) in [("until_pass", until), ("after", after)] {
        if let Some(pass) = pass {
            body[name] = json!(pass);
        }
    }
    body
}

fn argument(argument: &Argument) -> Value {
    match argument {
        Argument::Buffer { dtype, address, shape, strides } => {
            json!({"buffer": {"dtype": dtype, "address": alignment(*address), "shape": shape, "strides": strides}})
        }
        Argument::Descriptor { dtype, address, shape, strides, block } => json!({"descriptor": {
            "dtype": dtype, "address": alignment(*address), "shape": shape, "strides": strides, "block": block,
        }}),
        Argument::Int(value) => json!(value),
        // JSON has no infinity and no NaN.
        Argument::Float(value) => json!({"float": value.to_string()}),
        Argument::Bool(value) => json!(value),
        Argument::None => Value::Null,
        Argument::Str(text) => json!(text),
        Argument::Dtype(name) => json!({"dtype": name}),
        Argument::Tuple(items) => json!({"tuple": items.iter().map(self::argument).collect::<Vec<_>>()}),
        Argument::Function(name) => json!({"function": name}),
    }
}

/// Only what alignment can tell of an address may reach the code, and so the cache's key.
fn alignment(address: u64) -> u64 {
    if address == 0 { 0 } else { 1 << address.trailing_zeros().min(12) }
}

/// PTX as it is, with what its directives say.
fn bare_ptx(request: &CompileRequest) -> Result<Compiled> {
    let meta = meta::from_ptx(&request.text, request.name.as_deref())?;
    Ok(as_it_is(Artifact::new(Stage::Ptx, request.text.as_bytes()), meta))
}

/// What nothing had to be made of.
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

/// The worker's result.
fn decode(request: &CompileRequest, answer: &Value, cached: bool) -> Result<Compiled> {
    let entry = match answer["source"].as_str() {
        Some(source) if request.from.is_some() => Artifact::new(request.entry, source.as_bytes()),
        _ => Artifact::new(request.entry, request.text.as_bytes()),
    };
    let mut stages = vec![StageOutcome { artifact: entry, elapsed: Duration::ZERO, cached }];
    for outcome in answer["stages"].as_array().into_iter().flatten() {
        let outcome = outcome_of(outcome, cached).ok_or_else(|| broken("stages"))?;
        // A text from the middle of a stage became that stage's own.
        stages.retain(|entry: &StageOutcome| entry.artifact.stage != outcome.artifact.stage);
        stages.push(outcome);
    }
    let binding = match &answer["binding"] {
        Value::Null => None,
        binding => Some(binding_of(binding).ok_or_else(|| broken("binding"))?),
    };
    let text = |stage| stages.iter().find(|outcome| outcome.artifact.stage == stage).and_then(|o| o.artifact.text());
    let ptx = text(Stage::Ptx);
    let meta = meta::from_compiler(&answer["metadata"], request, ptx, binding.as_ref())?;
    Ok(Compiled {
        meta,
        metadata: answer["metadata"].clone(),
        triton_version: request.triton.clone(),
        binding,
        warnings: strings(&answer["warnings"]),
        stages,
    })
}

fn broken(what: &str) -> Diagnostic {
    let error = Diagnostic::error("internal", "the compile worker's answer is not understood");
    error.note(format!("`{what}` is missing or malformed"))
}

fn strings(list: &Value) -> Vec<String> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn outcome_of(outcome: &Value, cached: bool) -> Option<StageOutcome> {
    let stage: Stage = outcome["stage"].as_str()?.parse().ok()?;
    let content: Vec<u8> = match outcome["base64"].as_str() {
        Some(encoded) => base64::engine::general_purpose::STANDARD.decode(encoded).ok()?,
        None => outcome["text"].as_str()?.as_bytes().to_vec(),
    };
    let elapsed = Duration::try_from_secs_f64(outcome["seconds"].as_f64()?).ok()?;
    Some(StageOutcome { artifact: Artifact::new(stage, content), elapsed, cached })
}

fn binding_of(binding: &Value) -> Option<Binding> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let pairs = |value: &Value| -> Option<Vec<(String, Value)>> {
        value.as_array()?.iter().map(|pair| Some((text(&pair[0])?, pair[1].clone()))).collect()
    };
    let index = |value: &Value| value.as_u64().and_then(|index| usize::try_from(index).ok());
    let params = binding["params"].as_array()?.iter().map(|param| {
        Some(BoundParam {
            name: text(&param["name"])?,
            path: param["path"].as_array()?.iter().map(index).collect::<Option<_>>()?,
            ty: text(&param["ty"])?,
            value: param["value"].clone(),
            divisibility: param["divisibility"].as_u64().and_then(|value| u32::try_from(value).ok()),
        })
    });
    Some(Binding {
        names: binding["names"].as_array()?.iter().map(text).collect::<Option<_>>()?,
        constants: pairs(&binding["constants"])?,
        params: params.collect::<Option<_>>()?,
        specialised: pairs(&binding["specialised"])?
            .into_iter()
            .map(|(name, value)| Some((name, text(&value)?)))
            .collect::<Option<_>>()?,
        configs: index(&binding["configs"])?,
        config: text(&binding["config"])?,
    })
}
