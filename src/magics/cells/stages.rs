//! `%%triton %%gluon %%glir %%ttir %%ttgir %%llir %%ptx %%cubin`: the cell's body enters at that stage.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine;

use super::options::{
    self, COMPILE, CONFIG, CONTRACT, CUBIN_OPTIONS, FILE, FROM, MLIR_OPTIONS, PYTHON_OPTIONS, STAGE_OPTIONS, TARGET,
    TRITON,
};
use crate::expression::{LaunchHeader, Scalar};
use crate::frontend::Stream;
use crate::launch::arguments::evaluate_launch;
use crate::launch::binding::count_parameters;
use crate::launch::built::{Built, binding_of_parent, chosen_by_kernel, inherit, launch_built};
use crate::launch::code::takes_cubin;
use crate::launch::plan::How;
use crate::launch::ptx_target;
use crate::launch::report::Implied;
use crate::launch::value::{Given, Value};
use crate::magics::declare::kinds::{Launch, Placed};
use crate::magics::declare::{Argument, Takes, Typed};
use crate::magics::example::{LLIR, MATMUL, SCALE, TTGIR, TTIR};
use crate::magics::launch_report;
use crate::magics::settings::place;
use crate::magics::{Call, Example, Kind, Magic, Needs, Spec};
use crate::render::Output;
use crate::workspace::{Context, LaunchSpec, Version, Workspace};
use warpbook_compiler::meta::comment::{self, Comment};
use warpbook_compiler::meta::resolve_scratch;
use warpbook_compiler::{ArgumentPlace, Artifact, CompileRequest, Compiled, Failure, Progress, Stage};
use warpbook_diagnostic::{Diagnostic, Result, Source};
use warpbook_ir::triton_version::TritonVersion;
use warpbook_process::cancel::Cancel;

/// The cell magic of a stage.
pub struct StageMagic(pub Stage);

/// Keywords of a header that are options of the compiler rather than arguments, below Triton.
const COMPILER_OPTIONS: [&str; 7] =
    ["num_warps", "num_stages", "num_ctas", "maxnreg", "enable_fp_fusion", "ptx_version", "cluster_dims"];

/// The launch of a cell that compiles.
const LAUNCH: Argument<Launch> = Argument::optional(
    "LAUNCH",
    Launch { versions: false, keywords: &COMPILER_OPTIONS },
    "the kernel's name, a grid, arguments and options of the compiler (`num_warps=4`); with a name only, the kernel's \
     last launch is used again",
);

macro_rules! spec {
    ($name:literal, $summary:literal, $details:literal, $options:expr, $examples:expr) => {
        &Spec {
            name: $name,
            kind: Kind::Cell,
            summary: $summary,
            arguments: &[&LAUNCH],
            options: $options,
            details: $details,
            examples: $examples,
        }
    };
}

impl Magic for StageMagic {
    fn spec(&self) -> &'static Spec {
        match self.0 {
            Stage::Triton => spec!(
                "triton",
                "compile a Triton kernel from Python and launch it",
                "The body is Python; `triton` and `tl` are imported. Keyword values can be used in the grid: \
                 `add[cdiv(N, BLOCK)](x, y, out, N, BLOCK=1024)`. Without a header the cell only defines functions for \
                 later cells.",
                PYTHON_OPTIONS,
                &[Example { cell: MATMUL, needs: Needs::Matmul, shows: "matmul v" }]
            ),
            Stage::Gluon => spec!(
                "gluon",
                "compile a Gluon kernel from Python and launch it",
                "As `%%triton`, with `gluon` and its language `gl` imported; compiled by Triton 3.6.0 or newer. An argument may be a \
                 layout: an expression that begins with `gl`, or a name that the cell defines. `tma(a, [64, 64])` makes Gluon's \
                 descriptor, with the layout that Gluon chooses, or with `layout=gl.NVMMASharedLayout(…)`.",
                PYTHON_OPTIONS,
                &[]
            ),
            Stage::Glir => spec!(
                "glir",
                "compile what Gluon's front end writes and launch it",
                "The body is MLIR text, before the passes that choose open layouts; `%edit glir` puts a kernel's own into a \
                 cell. Triton 3.9 is the first with this stage; an older one is replaced by it for the cell.",
                MLIR_OPTIONS,
                &[]
            ),
            Stage::Ttir => spec!(
                "ttir",
                "compile Triton IR and launch it",
                "The body is MLIR text; `%edit ttir` puts a kernel's own into a cell.",
                MLIR_OPTIONS,
                &[Example { cell: TTIR, needs: Needs::Triton, shows: "fill v1 (from ttir)" }]
            ),
            Stage::Ttgir => spec!(
                "ttgir",
                "compile Triton GPU IR and launch it",
                "The body is MLIR text; `%edit ttgir` puts a kernel's own into a cell.",
                MLIR_OPTIONS,
                &[Example { cell: TTGIR, needs: Needs::Triton, shows: "fill v1 (from ttgir)" }]
            ),
            Stage::Llir => spec!(
                "llir",
                "compile LLVM IR and launch it",
                "The body is LLVM IR for NVPTX; `%edit llir` puts a kernel's own into a cell.",
                STAGE_OPTIONS,
                &[Example { cell: LLIR, needs: Needs::Triton, shows: "fill v1 (from llir)" }]
            ),
            Stage::Ptx => spec!(
                "ptx",
                "launch PTX",
                "The body is PTX; on the emulator it needs neither Triton nor Python. What PTX does not state (dynamic \
                 shared memory) comes from the kernel's earlier version, an option, or a `// warpbook:` comment.",
                STAGE_OPTIONS,
                &[Example { cell: SCALE, needs: Needs::Buffers, shows: "scale v1" }]
            ),
            _ => spec!(
                "cubin",
                "launch a cubin",
                "The body is base64, or `--file` names the ELF file. On the emulator, the PTX that the cubin carries is run.",
                CUBIN_OPTIONS,
                &[]
            ),
        }
    }

    fn run(&self, typed: &Typed<'_>, workspace: &mut Workspace, context: Context<'_>) -> Result<Option<Output>> {
        let call = typed.call;
        let header = Arc::new(typed.get(&LAUNCH).cloned().unwrap_or_default());
        let cell = Cell { stage: self.0, call, typed, header };
        place::on(typed, workspace, |workspace| match self.0.is_python() {
            true => cell.python(workspace, context),
            false => cell.text(workspace, context),
        })
    }
}

/// The result of compiling a cell.
struct Done {
    kernel: String,
    compiled: Compiled,
    request: CompileRequest,
    parent: Option<u32>,
    launch: Option<LaunchSpec>,
    implied: Option<Implied>,
}

struct Cell<'a> {
    stage: Stage,
    call: &'a Call<'a>,
    typed: &'a Typed<'a>,
    header: Arc<LaunchHeader>,
}

impl Cell<'_> {
    fn request(&self, workspace: &Workspace, cancel: &Cancel) -> Result<CompileRequest> {
        let target = self.option(&TARGET).copied().unwrap_or(workspace.target);
        // An emulated launch takes the PTX, a GPU its cubin; who only compiles wants to see what becomes of it.
        let wants_cubin = self.typed.has(&COMPILE)
            || self.option(&CONTRACT).is_some()
            || takes_cubin(workspace.device.as_ref(), target);
        let until = if wants_cubin { Stage::Cubin } else { Stage::Ptx };
        let mut request = CompileRequest::new(self.stage, until, self.call.body_text(), target);
        request.triton = match self.option(&TRITON) {
            Some(version) => version.clone(),
            // PTX that stays PTX needs no compiler, and no Python that says what it has.
            None if (self.stage, until) == (Stage::Ptx, Stage::Ptx) => TritonVersion::DEFAULT.to_owned(),
            None => workspace.triton_for(self.stage, cancel)?,
        };
        request.name = self.header.name.as_ref().map(|(name, _)| name.clone());
        request.passes = options::passes(self.typed, self.stage);
        Ok(request)
    }

    /// The value of an option that not every stage has.
    fn option<K: Takes>(&self, option: &Argument<K>) -> Option<&K::Value> {
        let is_declared = StageMagic(self.stage).spec().options.iter().any(|declared| declared.name() == option.name);
        if is_declared { self.typed.get(option) } else { None }
    }

    /// An edited text is compiled by the Triton that wrote it, unless the header names another.
    fn keep_triton(&self, request: &mut CompileRequest, wrote: Option<String>) {
        if let Some(version) = wrote.filter(|_| self.option(&TRITON).is_none()) {
            request.triton = version;
        }
    }

    fn finish(&self, done: Done, workspace: &mut Workspace, context: Context<'_>) -> Result<Option<Output>> {
        let Done { kernel, compiled, request, parent, launch, implied } = done;
        let built = Built {
            kernel,
            compiled,
            request,
            entered: self.stage,
            parent,
            implied,
            text: self.own_text(),
            launch: launch.filter(|_| !self.typed.has(&COMPILE)),
            follows_cubin: self.option(&CONTRACT).is_some(),
            how: options::how(self.typed)?,
        };
        launch_built(built, workspace, context).map(|report| Some(launch_report::output(&report)))
    }

    /// The body as the reader knows it: lines of the cell, or of the text that a patch made.
    fn own_text(&self) -> Source {
        let cell = self.call.cell;
        let mut text = Source::new(cell.name.clone(), self.call.body_text());
        if cell.name == "cell" {
            text.first_line += cell.text[..self.call.body.start].matches('\n').count();
        }
        text
    }

    /// Compiles; what fails is placed in the cell: in its body, or in the header that the arguments come from.
    fn compile(
        &self,
        request: &CompileRequest,
        launch: Option<&LaunchSpec>,
        workspace: &mut Workspace,
        context: Context<'_>,
    ) -> Result<Compiled> {
        let mut progress = |news: Progress<'_>| {
            if let Progress::Environment(line) = news {
                context.frontend.stream(Stream::Stderr, &format!("{line}\n"));
            }
        };
        if self.stage == Stage::Ptx {
            ptx_target::check(self.call.body_text(), request.target)
                .map_err(|error| error.shifted(self.call.body.start))?;
        }
        let failure = match workspace.compiler.compile(request, context.cancel, &mut progress) {
            Ok(compiled) => return Ok(compiled),
            Err(failure) => failure,
        };
        let Failure { diagnostic, argument } = failure;
        if diagnostic.source.is_some() {
            return Err(diagnostic);
        }
        if let Some(ArgumentPlace::Name(name)) = &argument
            && let Some(span) = self.typed.span_of_option(name)
            && diagnostic.labels.is_empty()
        {
            return Err(diagnostic.at(span, ""));
        }
        match (argument, launch) {
            (Some(place), Some(launch)) if diagnostic.labels.is_empty() => {
                Err(diagnostic.at(span_of(&place, &launch.header), "").in_source(&launch.source))
            }
            (Some(place), None) if diagnostic.labels.is_empty() => {
                Err(diagnostic.at(span_of(&place, &self.header), ""))
            }
            // Without a source of its own an error points into the body.
            _ if diagnostic.labels.is_empty() => {
                let place = launch.map_or(self.call.name.clone(), |launch| launch.header.call_span.clone());
                Err(diagnostic.at(place, "").in_source(launch.map_or(self.call.cell, |launch| &launch.source)))
            }
            _ => Err(diagnostic.shifted(self.call.body.start)),
        }
    }

    /// A cell that only defines: it is run once, so that its errors show here.
    fn define(
        &self,
        mut request: CompileRequest,
        workspace: &mut Workspace,
        context: Context<'_>,
    ) -> Result<Option<Output>> {
        request.until = self.stage;
        self.compile(&request, None, workspace, context)?;
        let names = workspace.definitions.define(self.stage, self.call.body_text());
        Ok(Some(Output::text(match names.as_slice() {
            [] => "nothing is defined".to_owned(),
            names => format!("defined: {}", names.join(", ")),
        })))
    }

    fn python(&self, workspace: &mut Workspace, context: Context<'_>) -> Result<Option<Output>> {
        let mut request = self.request(workspace, context.cancel)?;
        let from = self.typed.get(&FROM);
        if let Some(Placed { value, span }) = from {
            let Some((_, function)) = value.rsplit_once(':') else {
                let error = Diagnostic::error("option-value", "`--from` takes MODULE:FUNCTION or FILE.py:FUNCTION");
                return Err(error.at(span.clone(), ""));
            };
            if !self.call.body_text().trim().is_empty() {
                let error = Diagnostic::error("from-and-body", "with `--from` the cell has no body");
                return Err(error.at(self.call.body.clone(), "this would be ignored").because(span.clone(), ""));
            }
            request.name.get_or_insert(function.to_owned());
            request.from = Some(value.clone());
        }
        request.definitions = workspace.definitions.visible(self.stage, self.call.body_text(), &self.call.cell.text);
        if from.is_none() && self.header.name.is_none() && !self.header.has_call {
            return self.define(request, workspace, context);
        }
        let launch = match (self.header.has_call, &request.name) {
            (true, _) => LaunchSpec { source: self.call.cell.clone(), header: Arc::clone(&self.header) },
            (false, Some(name)) => match workspace.kernels.get(name).and_then(|kernel| kernel.launch.clone()) {
                Some(launch) => launch,
                None => {
                    let place = self.header.name.as_ref().map_or(self.call.name.clone(), |(_, span)| span.clone());
                    let error = Diagnostic::error(
                        "never-launched",
                        format!("`{name}` was never launched, so its arguments are not known"),
                    );
                    return Err(error
                        .at(place, "")
                        .help(format!("write the launch: `%%{} {name}[GRID](ARGUMENTS)`", self.stage)));
                }
            },
            (false, None) => {
                return Err(Diagnostic::error("header", "which kernel?").at(self.call.arguments.clone(), ""));
            }
        };
        let arguments = evaluate_launch(&launch, workspace)?;
        request.args = arguments.positional.iter().map(Given::to_compiler).collect();
        request.keywords = arguments.keywords.iter().map(|(name, given)| (name.clone(), given.to_compiler())).collect();
        request.config = self.typed.get(&CONFIG).copied();
        let compiled = self.compile(&request, Some(&launch), workspace, context)?;
        let kernel = request.name.clone().unwrap_or_else(|| compiled.meta.entry.value.clone());
        if from.is_none() {
            workspace.definitions.define(self.stage, self.call.body_text());
        }
        let implied = compiled.binding.as_ref().and_then(|binding| chosen_by_kernel(binding, &arguments));
        self.finish(Done { kernel, compiled, request, parent: None, launch: Some(launch), implied }, workspace, context)
    }

    fn text(&self, workspace: &mut Workspace, context: Context<'_>) -> Result<Option<Output>> {
        let mut request = self.request(workspace, context.cancel)?;
        let own = LaunchSpec { source: self.call.cell.clone(), header: Arc::clone(&self.header) };
        let arguments = evaluate_launch(&own, workspace)?;
        request.options = self.compiler_options(&arguments.keywords)?;
        let mut implied = None;
        let mut compiled = if self.stage == Stage::Cubin {
            let bytes = self.cubin()?;
            let mut compiled = workspace.compiler.open_cubin(&bytes, request.name.as_deref())?;
            if let Some(comment) = self.comment()? {
                comment.apply(&mut compiled.meta).map_err(|error| error.shifted(self.call.body.start))?;
            }
            compiled
        } else {
            if let Some(comment) = self.comment()? {
                for (name, value) in comment.compile_options(self.stage) {
                    request.options.entry(name).or_insert(value);
                }
                self.keep_triton(&mut request, comment.triton);
            }
            let text = Artifact::new(self.stage, self.call.body_text().as_bytes());
            let known = request.name.as_ref().and_then(|name| workspace.kernels.get(name));
            if let Some(parent) = known.and_then(|kernel| kernel.parent_of(self.stage, &text)) {
                implied = inherit(&mut request, parent);
                self.keep_triton(&mut request, parent.triton.clone());
            }
            self.compile(&request, Some(&own), workspace, context)?
        };
        let kernel = request.name.clone().unwrap_or_else(|| compiled.meta.entry.value.clone());
        let parent = match (workspace.kernels.get(&kernel), compiled.stages.first()) {
            (Some(kernel), Some(entry)) => kernel.parent_of(self.stage, &entry.artifact).cloned(),
            _ => None,
        };
        options::complete(&mut compiled.meta, self.typed, parent.as_ref(), self.stage);
        if self.header.has_call {
            let given = count_parameters(&compiled.meta.params.value, &arguments);
            resolve_scratch(&mut compiled.meta, given);
        }
        // Python-level arguments are mapped as they were for the version that was edited; arguments that are the
        // compiled parameters themselves are taken as they come.
        let params = &compiled.meta.params.value;
        let binding = parent.as_ref().and_then(|parent| binding_of_parent(&compiled, parent));
        let are_parameters = self.header.has_call && arguments.positional.len() == params.len();
        compiled.binding = binding.filter(|binding| !are_parameters || binding.names.len() == params.len()).cloned();
        let launch = if self.header.has_call {
            Some(own)
        } else {
            let last = workspace.kernels.get(&kernel).and_then(|kernel| kernel.launch.clone());
            // What it names may be gone: better known before there is a version.
            last.iter().try_for_each(|launch| evaluate_launch(launch, workspace).map(|_| ()))?;
            last
        };
        let parent = parent.map(|parent| parent.number);
        self.finish(Done { kernel, compiled, request, parent, launch, implied }, workspace, context)
    }

    fn compiler_options(&self, keywords: &[(String, Given)]) -> Result<BTreeMap<String, serde_json::Value>> {
        let mut found = BTreeMap::new();
        for (name, given) in keywords {
            if !COMPILER_OPTIONS.contains(&name.as_str()) {
                continue;
            }
            let value = match &given.value {
                Value::Scalar(Scalar::Int(value)) => serde_json::json!(value),
                Value::Scalar(Scalar::Bool(value)) => serde_json::json!(value),
                _ => {
                    let error = Diagnostic::error("option-value", format!("`{name}` is an integer or a bool"));
                    return Err(error.at(given.span.clone(), ""));
                }
            };
            found.insert(name.clone(), value);
        }
        Ok(found)
    }

    /// The `warpbook:` comment of the body.
    fn comment(&self) -> Result<Option<Comment>> {
        comment::read(self.call.body_text()).map_err(|error| error.shifted(self.call.body.start))
    }

    fn cubin(&self) -> Result<Vec<u8>> {
        if let Some(Placed { value: path, span }) = self.typed.get(&FILE) {
            if !self.call.body_text().trim().is_empty() {
                let error = Diagnostic::error("file-and-body", "with `--file` the cell has no body");
                return Err(error.at(self.call.body.clone(), "this would be ignored"));
            }
            return std::fs::read(path).map_err(|error| {
                let failure = Diagnostic::error("file", format!("cannot read {path}"));
                failure.at(span.clone(), "").note(error.to_string())
            });
        }
        // Base64 may begin with `//` too, but has no blanks.
        let is_comment = |line: &str| line.starts_with("//") && line.contains(' ');
        let lines = self.call.body_text().lines().filter(|line| !is_comment(line.trim()));
        let text: String = lines.flat_map(str::chars).filter(|c| !c.is_whitespace()).collect();
        base64::engine::general_purpose::STANDARD.decode(text).map_err(|error| {
            let failure = Diagnostic::error("base64", "the body of a `%%cubin` cell is base64");
            failure.at(self.call.body.clone(), error.to_string())
        })
    }
}

/// Launches what a kernel was compiled to once more, as its newest version, as the kernel was launched last.
pub fn launch_compiled(
    name: &str,
    mut compiled: Compiled,
    request: CompileRequest,
    parent: &Version,
    implied: Option<Implied>,
    workspace: &mut Workspace,
    context: Context<'_>,
) -> Result<Output> {
    if compiled.binding.is_none() {
        compiled.binding = binding_of_parent(&compiled, parent).cloned();
    }
    let extension = if request.entry.is_python() { "py" } else { request.entry.name() };
    let built = Built {
        kernel: name.to_owned(),
        text: Source::new(format!("{name}.{extension}"), request.text.clone()),
        entered: request.entry,
        parent: Some(parent.number),
        launch: workspace.kernels.get(name).and_then(|kernel| kernel.launch.clone()),
        follows_cubin: false,
        how: How::default(),
        compiled,
        request,
        implied,
    };
    launch_built(built, workspace, context).map(|report| launch_report::output(&report))
}

/// Where a part of a launch stands in its header.
fn span_of(place: &ArgumentPlace, header: &LaunchHeader) -> std::ops::Range<usize> {
    let found = match place {
        ArgumentPlace::Kernel => header.name.as_ref().map(|(_, span)| span.clone()),
        ArgumentPlace::Position(index) => header.args.get(*index).map(|argument| argument.span.clone()),
        ArgumentPlace::Name(name) => {
            let keyword = header.keywords.iter().find(|keyword| keyword.name == *name);
            keyword.map(|keyword| keyword.name_span.clone())
        }
    };
    found.unwrap_or_else(|| header.call_span.clone())
}
