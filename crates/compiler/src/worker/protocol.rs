//! What goes to a worker and what comes from it. The Python side is `worker/warpbook_worker/protocol.py`, with the same
//! names. Frames are those of [`super::wire`].

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::error_kind::ErrorKind;
use crate::{Argument, Artifact, Binding, CompileRequest, Definition, Stage, StageOutcome};
use warpbook_ir::locations;

/// A message to a worker.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Message<'a> {
    /// Runs a task; a [`Answer::Done`] with the same number follows.
    Run {
        /// The number of the request.
        id: u64,
        /// The task to run.
        #[serde(flatten)]
        task: &'a Task,
    },
    /// Ends the process that runs a request.
    Cancel {
        /// The number of the request.
        cancel: u64,
    },
}

/// Something to do. As JSON it is what the cache knows a result by.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "task", rename_all = "snake_case")]
pub enum Task {
    /// Compile a text to later stages.
    Compile(Box<CompileTask>),
    /// Disassemble machine code with `nvdisasm`.
    Disassemble {
        /// The ELF file, in base 64.
        cubin: String,
    },
}

/// What the worker needs for one compilation.
#[derive(Clone, Debug, Serialize)]
pub struct CompileTask {
    entry: Stage,
    until: Stage,
    capability: u32,
    name: Option<String>,
    text: String,
    path: String,
    cell_path: String,
    options: BTreeMap<String, Value>,
    definitions: Vec<Definition>,
    from_module: Option<String>,
    search_path: Vec<String>,
    args: Vec<Argument>,
    keywords: Vec<(String, Argument)>,
    config: Option<usize>,
    record: bool,
    skip: Vec<String>,
    until_pass: Option<String>,
    after_pass: Option<String>,
}

impl Task {
    /// The task of a compilation.
    pub fn compile(request: &CompileRequest) -> Self {
        Self::Compile(Box::new(CompileTask::new(request)))
    }

    /// A compilation as far as LLVM IR that runs one pass at a time and keeps what each one made.
    pub fn record_passes(request: &CompileRequest) -> Self {
        let task = CompileTask::new(request);
        Self::Compile(Box::new(CompileTask { record: true, until: Stage::Llir, ..task }))
    }

    /// The listing of a cubin.
    pub fn disassemble(cubin: &[u8]) -> Self {
        Self::Disassemble { cubin: STANDARD.encode(cubin) }
    }
}

impl CompileTask {
    fn new(request: &CompileRequest) -> Self {
        let text = match request.entry {
            entry if entry.is_mlir() => locations::blank(&request.text),
            _ => request.text.to_string(),
        };
        Self {
            entry: request.entry,
            until: request.until,
            capability: request.target.0,
            name: request.name.clone(),
            text,
            path: request.name.as_deref().unwrap_or("kernel").to_owned(),
            cell_path: request.cell_path(),
            options: request.options.clone(),
            definitions: request.definitions.clone(),
            from_module: request.from.clone(),
            search_path: request.search_path.clone(),
            args: request.args.clone(),
            keywords: request.keywords.clone(),
            config: request.config,
            record: false,
            skip: request.passes.skip.clone(),
            until_pass: request.passes.until.clone(),
            after_pass: request.passes.after.clone(),
        }
    }
}

/// A message from a worker.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// The worker has imported Triton. Comes once, first.
    Ready {
        /// The version of Triton.
        version: String,
        /// Paths of the files that every compilation depends on.
        files: Vec<String>,
    },
    /// The worker cannot import Triton, and ends.
    Failed {
        /// Python's error when the import failed.
        reason: String,
    },
    /// A stage or a pass begins.
    Progress {
        /// The number of the request that the progress belongs to.
        id: u64,
        /// `ttgir`, or `ttgir: ttgpuir.coalesce#1`.
        text: String,
    },
    /// A request is done.
    Done(Box<Done>),
}

/// The end of a request, with its result.
#[derive(Debug, Deserialize)]
pub struct Done {
    /// The number of the request.
    pub id: u64,
    /// Output of the compilation and the libraries below it; the last million bytes.
    pub log: String,
    /// The result, or why there is none.
    pub outcome: Outcome,
}

/// The result of a request, or the error that ended it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The request succeeded; its result.
    Result(TaskResult),
    /// It was refused, or raised an exception.
    Error(ErrorReport),
    /// The worker's process ended without an answer.
    Crashed(Crash),
}

/// The result of a task, as the cache keeps it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "task", rename_all = "snake_case")]
pub enum TaskResult {
    /// The result of a compilation.
    Compile(Box<CompileResult>),
    /// The result of a disassembly.
    Disassemble {
        /// The listing of `nvdisasm`.
        text: String,
    },
}

impl TaskResult {
    /// Files that the result depends on besides its request.
    pub fn files(&self) -> &[String] {
        match self {
            Self::Compile(result) => &result.files,
            Self::Disassemble { .. } => &[],
        }
    }
}

/// The result of a compilation.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CompileResult {
    /// Each stage that ran, in order.
    pub stages: Vec<WireOutcome>,
    /// The compiler's metadata as it came.
    pub metadata: Value,
    /// How the launch's arguments were bound; for Python stages.
    pub binding: Option<Binding>,
    /// Things the reader should know, one sentence each.
    pub warnings: Vec<String>,
    /// Files that the compilation read besides its request.
    files: Vec<String>,
    /// The passes of the compilation, if they were recorded.
    pub recorded: Option<RecordedPasses>,
    /// The lines of a kernel that is not in the request.
    pub source: Option<String>,
}

/// The result of one stage.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WireOutcome {
    stage: Stage,
    seconds: f64,
    #[serde(flatten)]
    content: WireContent,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum WireContent {
    Text(String),
    Base64(String),
}

impl WireOutcome {
    /// The outcome with its bytes; `None` if they, or the time, are malformed.
    pub fn decode(&self, cached: bool) -> Option<StageOutcome> {
        let content = match &self.content {
            WireContent::Text(text) => text.as_bytes().to_vec(),
            WireContent::Base64(encoded) => STANDARD.decode(encoded).ok()?,
        };
        let elapsed = Duration::try_from_secs_f64(self.seconds).ok()?;
        Some(StageOutcome { artifact: Artifact::new(self.stage, content), elapsed, cached })
    }
}

/// The recorded passes of a compilation.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RecordedPasses {
    /// The module before the first pass.
    pub start: String,
    /// The passes in the order in which they ran.
    pub passes: Vec<PassRecord>,
}

/// One pass that ran, or that was left out.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PassRecord {
    /// The stage that it belongs to.
    pub stage: Stage,
    /// `ttgpuir.coalesce`
    pub name: String,
    /// Which one of that name, from 1, over all stages.
    pub count: usize,
    /// Options of the pass as text: `num-stages=3`.
    pub arguments: Vec<String>,
    /// Seconds that the pass took.
    pub seconds: f64,
    /// Why the pass was left out; `None` if it ran.
    pub skipped: Option<String>,
    /// The module after it, where it changed it.
    pub text: Option<String>,
    /// The compiler's error, if the pass failed.
    pub failed: Option<String>,
    /// The input of the pass, if it failed.
    pub before: Option<BeforePass>,
}

/// A pass that failed or ended the process, and what it was given.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct BeforePass {
    /// The stage that it belongs to.
    pub stage: Stage,
    /// `ttgpuir.coalesce`, or with its number if it is not the first of that name.
    pub label: String,
    /// The pass before it in its stage.
    pub previous: Option<String>,
    /// The module that its stage began with.
    pub start: Option<String>,
    /// The module that it was given.
    pub text: Option<String>,
    /// Text of the reproducer that Triton wrote for the failed pass.
    pub reproducer: Option<String>,
}

/// Why there is no result.
#[derive(Clone, Debug, Deserialize)]
pub struct ErrorReport {
    /// The kind of the error, on which its diagnostic depends.
    pub kind: ErrorKind,
    /// The error in words.
    pub message: String,
    /// The class of the exception.
    pub exception: Option<String>,
    /// The file that the place is in: a cell's, or a package's.
    pub path: Option<String>,
    /// Line, from 1.
    pub line: Option<usize>,
    /// Column, from 1.
    pub column: Option<usize>,
    /// The first column behind the place.
    pub end_column: Option<usize>,
    /// The text of the file, where the request does not have it.
    pub source: Option<String>,
    /// The end of Python's traceback.
    pub trace: Option<String>,
    /// More that is known, one sentence each.
    pub notes: Vec<String>,
    /// What the user can do, one sentence each.
    pub help: Vec<String>,
    /// Names that could have been meant.
    pub candidates: Vec<String>,
    /// The part of the launch that is wrong.
    pub argument: Option<WrongArgument>,
}

/// A part of a launch.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum WrongArgument {
    /// A positional argument, from 0.
    Position(usize),
    /// A parameter or an option; empty for the kernel's own name.
    Name(String),
}

/// The end of a process that left no answer.
#[derive(Clone, Debug, Deserialize)]
pub struct Crash {
    /// `SIGSEGV`, `exit status 1`
    pub status: String,
    /// The pass that it was in, where passes are recorded.
    pub before: Option<BeforePass>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Target;
    use serde_json::json;
    use warpbook_gpu::ElementType;

    #[test]
    fn a_request_is_one_object() {
        let mut request = CompileRequest::new(Stage::Triton, Stage::Ptx, "text", Target(90));
        request.args = vec![
            Argument::Buffer { dtype: ElementType::F16, address: 0x1230, shape: vec![4], strides: vec![1] },
            Argument::Float(f64::INFINITY),
            Argument::None,
            Argument::Tuple(vec![Argument::Int(1)]),
        ];
        let task = Task::compile(&request);
        let body = serde_json::to_value(Message::Run { id: 3, task: &task }).expect("JSON");
        let named = [&body["id"], &body["task"], &body["entry"], &body["until"], &body["cell_path"]];
        assert_eq!(named.map(Value::to_string), ["3", "\"compile\"", "\"triton\"", "\"ptx\"", "\"kernel.py\""]);
        assert_eq!(
            body["args"],
            json!([
                // Of an address only its alignment is sent.
                {"kind": "buffer", "value": {"dtype": "fp16", "address": 16, "shape": [4], "strides": [1]}},
                {"kind": "float", "value": "inf"},
                {"kind": "none"},
                {"kind": "tuple", "value": [{"kind": "int", "value": 1}]},
            ])
        );
        assert_eq!(serde_json::to_value(Message::Cancel { cancel: 3 }).expect("JSON"), json!({"cancel": 3}));
    }

    #[test]
    fn results_come_back_from_the_cache_as_they_went() {
        let answer = json!({"task": "compile", "stages": [{"stage": "cubin", "seconds": 0.5, "base64": "AAE="}],
            "metadata": {"shared": 1}, "binding": null, "warnings": [], "files": ["/x.py"], "recorded": null,
            "source": null});
        let result: TaskResult = serde_json::from_value(answer.clone()).expect("a result");
        assert_eq!(result.files(), ["/x.py"]);
        let TaskResult::Compile(compiled) = &result else { panic!("{result:?}") };
        let outcome = compiled.stages[0].decode(true).expect("an outcome");
        assert_eq!((outcome.artifact.stage, &*outcome.artifact.content), (Stage::Cubin, [0, 1].as_slice()));
        assert_eq!(serde_json::to_value(&result).expect("JSON"), answer);
    }

    #[test]
    fn an_unknown_kind_of_error_keeps_its_name() {
        let report: ErrorReport = serde_json::from_value(json!({"kind": "new", "message": "m", "exception": null,
            "path": null, "line": null, "column": null, "end_column": null, "source": null, "trace": null, "notes": [],
            "help": [], "candidates": [], "argument": 2}))
        .expect("a report");
        assert_eq!(report.kind, ErrorKind::Unknown("new".into()));
        assert!(matches!(report.argument, Some(WrongArgument::Position(2))));
    }
}
