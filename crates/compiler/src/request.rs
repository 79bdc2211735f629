//! The request for a compilation, and its result.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use warpbook_gpu::ElementType;

use serde::{Deserialize, Serialize, Serializer};

use super::{Artifact, LaunchMeta, Stage, Target};
use warpbook_ir::triton_version::TritonVersion;

/// One compilation: a text of some stage, and how far to take it.
#[derive(Clone, Debug, PartialEq)]
pub struct CompileRequest {
    /// The stage that `text` is of.
    pub entry: Stage,
    /// The last stage to produce: [`Stage::Ptx`] for an emulated launch, [`Stage::Cubin`] for a GPU.
    pub until: Stage,
    /// The kernel to take where the text has several.
    pub name: Option<String>,
    /// The text of a cell's body. Spans of diagnostics are bytes of it. Empty with `from`.
    pub text: Arc<str>,
    /// The architecture to compile for.
    pub target: Target,
    /// The version of Triton: `3.4.0`.
    pub triton: String,
    /// Options of the backend that the reader gave (`num_warps`, `num_stages`, `num_ctas`, `maxnreg`,
    /// `enable_fp_fusion`, …), and only those.
    pub options: BTreeMap<String, serde_json::Value>,
    /// Earlier cells whose functions this text may use, in order.
    pub definitions: Vec<Definition>,
    /// Name of a kernel that replaces `text`: `package.module:function` or `file.py:function`.
    pub from: Option<String>,
    /// Directories that modules are looked for in before Python's own.
    pub search_path: Vec<String>,
    /// Positional arguments of the launch (Python stages).
    pub args: Vec<Argument>,
    /// Keyword arguments of the launch (Python stages): parameters of the kernel, or options of the backend, as
    /// Triton decides.
    pub keywords: Vec<(String, Argument)>,
    /// Which of the autotuner's configurations to take; `None` takes the first one that is valid.
    pub config: Option<usize>,
    /// Passes that are not to run as the compiler has them.
    pub passes: PassEdits,
}

/// Changes to the compiler's own list of passes. A pass is named as `%passes` names it: `ttgpuir.pipeline`, or
/// `common.canonicalizer#2` for the second one of that name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PassEdits {
    /// Passes that are left out.
    pub skip: Vec<String>,
    /// The last pass of its stage: all passes after it are left out.
    pub until: Option<String>,
    /// The text is what this pass left: those up to it are left out.
    pub after: Option<String>,
}

impl CompileRequest {
    /// A request with nothing but the text, the architecture and how far to go.
    pub fn new(entry: Stage, until: Stage, text: impl Into<Arc<str>>, target: Target) -> Self {
        Self {
            entry,
            until,
            name: None,
            text: text.into(),
            target,
            triton: TritonVersion::DEFAULT.to_owned(),
            options: BTreeMap::new(),
            definitions: Vec::new(),
            from: None,
            search_path: Vec::new(),
            args: Vec::new(),
            keywords: Vec::new(),
            config: None,
            passes: PassEdits::default(),
        }
    }

    /// The path that the IR and Python name the cell by.
    pub fn cell_path(&self) -> String {
        format!("{}.py", self.name.as_deref().unwrap_or("kernel"))
    }
}

/// An earlier cell of Python.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Definition {
    /// The path that the IR names it by: the kernel's name with `.py`.
    pub path: String,
    /// The text of that cell.
    #[serde(serialize_with = "shared_text")]
    pub text: Arc<str>,
}

/// An argument as Triton's specialisation sees it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", content = "value", rename_all = "snake_case")]
pub enum Argument {
    /// A device buffer or a view of one.
    Buffer {
        /// The element type.
        dtype: ElementType,
        /// Device address; Triton looks at its divisibility.
        #[serde(serialize_with = "alignment")]
        address: u64,
        /// Extents of the tensor, which heuristics may read.
        shape: Vec<u64>,
        /// Strides in elements, for heuristics that ask.
        strides: Vec<i64>,
    },
    /// A host descriptor of a tensor in memory, for TMA.
    Descriptor {
        /// The element type.
        dtype: ElementType,
        /// Address of the first element in device memory; only its alignment is part of the request.
        #[serde(serialize_with = "alignment")]
        address: u64,
        /// Extents of the tensor.
        shape: Vec<u64>,
        /// Strides in elements.
        strides: Vec<i64>,
        /// Extents of the box.
        block: Vec<u32>,
        /// The layout of the box in shared memory, as an expression of Gluon's.
        #[serde(skip_serializing_if = "Option::is_none")]
        layout: Option<String>,
        /// The swizzle in bytes, where it is given and the layout is not.
        #[serde(skip_serializing_if = "Option::is_none")]
        swizzle: Option<u32>,
    },
    /// An integer; Triton makes special code for 1 and for multiples of 16.
    Int(i64),
    /// A floating-point number.
    Float(#[serde(serialize_with = "number_text")] f64),
    /// `True` or `False`.
    Bool(bool),
    /// `None`.
    None,
    /// A string without its quotes.
    Str(String),
    /// A data type, such as `tl.float32`.
    Dtype(ElementType),
    /// A tuple; its elements are arguments of any kind.
    Tuple(Vec<Argument>),
    /// A function of the cell, of an earlier one or of the module, by its name.
    Function(String),
    /// An expression in names of the cell and of Gluon's language: a layout.
    Python(String),
}

fn shared_text<S: Serializer>(text: &Arc<str>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(text)
}

/// Only the alignment of an address may reach the code, and so the cache's key.
fn alignment<S: Serializer>(address: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(if *address == 0 { 0 } else { 1 << address.trailing_zeros().min(12) })
}

/// JSON has no infinity and no NaN.
fn number_text<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

/// One stage that ran, or that the cache had.
#[derive(Clone, Debug)]
pub struct StageOutcome {
    /// The text or binary of the stage.
    pub artifact: Artifact,
    /// Time that the compiler took. With `cached`, the time of the run that filled the cache.
    pub elapsed: Duration,
    /// True if the result came from the cache.
    pub cached: bool,
}

/// The result of a compilation.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// The entry's own text first, then every stage below it up to the requested one.
    pub stages: Vec<StageOutcome>,
    /// What a launch needs to know about the kernel.
    pub meta: LaunchMeta,
    /// The compiler's metadata as it came.
    pub metadata: serde_json::Value,
    /// The version of Triton that compiled.
    pub triton_version: String,
    /// How the launch's arguments were bound; for Python stages.
    pub binding: Option<Binding>,
    /// Things the reader should know, one sentence each.
    pub warnings: Vec<String>,
}

impl Compiled {
    /// The outcome of a stage; `None` if the compilation did not come to it.
    pub fn stage(&self, stage: Stage) -> Option<&StageOutcome> {
        self.stages.iter().find(|outcome| outcome.artifact.stage == stage)
    }
}

/// How the arguments of a launch were bound to a kernel's parameters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Binding {
    /// Every parameter of the Python function, in order: which positional argument belongs to which name.
    pub names: Vec<String>,
    /// Names that a grid expression may use: every parameter and option whose value is plain, including defaults,
    /// heuristics and the autotuner's choice.
    pub constants: Vec<(String, serde_json::Value)>,
    /// The runtime parameters, in the order of the compiled kernel.
    pub params: Vec<BoundParam>,
    /// Parameters that became constants of the code, with their values as text.
    pub specialised: Vec<(String, String)>,
    /// Number of configurations that the autotuner has; 0 without one.
    pub configs: usize,
    /// The configuration that was taken, in words; empty without an autotuner.
    pub config: String,
}

impl Binding {
    /// How many parameters the compiled kernel has, without Triton's scratch: a host descriptor is taken apart, into a
    /// pointer (or a tensor map) with extents and strides, and a pointer has extents and strides of its own.
    pub fn compiled_params(&self, tensor_maps: bool) -> usize {
        let each = if tensor_maps { 2 } else { 4 };
        self.params.iter().map(|param| 1 + each * param.descriptor_rank()).sum()
    }
}

impl BoundParam {
    /// The dimensions of a host descriptor; 0 for any other parameter.
    pub fn descriptor_rank(&self) -> usize {
        let described = self.ty.strip_prefix("tensordesc<").and_then(|rest| rest.split_once('['));
        let extents = described.and_then(|(_, rest)| rest.split_once(']'));
        extents.map_or(0, |(extents, _)| extents.split(',').filter(|extent| !extent.trim().is_empty()).count())
    }
}

/// One runtime parameter of a compiled kernel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BoundParam {
    /// The parameter of the Python function.
    pub name: String,
    /// Indices into it, where it is a tuple.
    pub path: Vec<usize>,
    /// Triton's name of its type: `*fp16`, `i32`, `fp32`, `u1`, `tensordesc<fp16[128, 64]>`.
    pub ty: String,
    /// The value, for a parameter that the launch did not give (a default, a heuristic); `null` otherwise.
    pub value: serde_json::Value,
    /// `tt.divisibility` that the code was compiled under.
    pub divisibility: Option<u32>,
}
