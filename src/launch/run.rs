//! One launch: arguments to bytes, scratch, snapshot, the launch itself, repetitions, and what it changed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::arguments;
use super::binding;
use super::elements::with_elements;
use super::elsewhere;
use super::locate::in_own_text;
use super::recovery::replay;
use super::report::{LaunchLines, counters_text};
use super::snapshot::{Snapshot, revive};
use super::timeout::limited;
use super::value::{Arguments, Value};
use crate::expression::{LaunchHeader, Scalar};
use crate::frontend::Stream;
use crate::render::grouped;
use crate::workspace::{Context, LaunchSpec, Launched, Version, Workspace};
use warpbook_compiler::contraction::Followed;
use warpbook_compiler::meta::{encode, resolve_scratch};
use warpbook_compiler::{Origin, Stage, Target};
use warpbook_device::Buffer;
use warpbook_device::emulation::{CheckReport, Observe, Observed};
use warpbook_device::{Code, Device, Launch, LaunchReport, Timing, TimingPlan};
use warpbook_diagnostic::{Diagnostic, Result, Source, code};
use warpbook_process::cancel::Cancel;

/// A launch, ready but for its arguments' bytes.
#[derive(Clone, Copy)]
pub struct Plan<'a> {
    /// The kernel's name.
    pub kernel: &'a str,
    /// What to run.
    pub version: &'a Version,
    /// The header that the arguments come from, and the text that it stands in.
    pub header: &'a LaunchHeader,
    /// That text.
    pub source: &'a Source,
    /// The text that entered the compiler, as the reader knows it.
    pub text: &'a Source,
    /// The evaluated arguments.
    pub arguments: &'a Arguments,
    /// How to time it (`--bench`).
    pub timing: Option<TimingPlan>,
    /// How long one launch may take (`--timeout`).
    pub timeout: Option<Duration>,
    /// What the emulator looks for, and in which order it runs warps (`--check`, `--seed`).
    pub checks: Checks<'a>,
}

/// How the emulator runs a launch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Checks<'a> {
    /// Races, missing waits and fences, reads of what nothing wrote.
    pub check: bool,
    /// The order of warps; 0 for the usual.
    pub seed: u64,
    /// What is to be observed.
    pub observe: Option<&'a Observe>,
    /// The PTX with the pairs that ptxas contracted, instead of the version's own.
    pub contracted: Option<&'a Followed>,
}

impl<'a> Plan<'a> {
    /// A version, launched once as a cell said, neither timed nor checked.
    pub fn of(
        kernel: &'a str,
        version: &'a Version,
        launch: &'a LaunchSpec,
        text: &'a Source,
        arguments: &'a Arguments,
    ) -> Self {
        let (header, source) = (&*launch.header, &launch.source);
        Self {
            kernel,
            version,
            header,
            source,
            text,
            arguments,
            timing: None,
            timeout: None,
            checks: Checks::default(),
        }
    }

    /// What tells its launch from others.
    fn title(&self) -> String {
        format!("{} v{}", self.kernel, self.version.number)
    }

    /// An error in the kernel's PTX, told in the text that the reader wrote.
    pub fn in_own_text(&self, error: Diagnostic, workspace: &Workspace) -> Diagnostic {
        let error = with_elements(error, workspace);
        in_own_text(error, self.kernel, self.version, self.text, &workspace.definitions)
    }
}

/// Runs it. Buffers get their values back when it fails.
pub fn run(plan: &Plan<'_>, workspace: &mut Workspace, context: Context<'_>) -> Result<(LaunchLines, Vec<String>)> {
    let mut gone = revive(workspace, context)?;
    let mut parts = Parts::start();
    let mut good = match Snapshot::take_current(workspace) {
        // It died since it was last asked; nothing was launched yet.
        Err(_) if workspace.device.is_lost() => {
            gone = revive(workspace, context)?;
            Snapshot::take_current(workspace)?
        }
        taken => taken?,
    };
    parts.end("snapshot");
    let mut temporary = Vec::new();
    let mut launched = false;
    let outcome = prepare(plan, workspace, &mut temporary).and_then(|mut prepared| {
        if workspace.counts && workspace.device.is_emulated() && !plan.checks.check {
            prepared.launch.observe.get_or_insert(Observe::Counters { in_order: false });
        }
        launched = true;
        parts.end("arguments");
        let outcome = launch_all(plan, &prepared.launch, &mut good, &mut parts, workspace, context)?;
        Ok((prepared, outcome))
    });
    for (address, _) in temporary {
        workspace.device.free(address);
    }
    if let Ok((_, outcome)) = &outcome {
        record(plan, &outcome.written, workspace);
    }
    let (Prepared { launch, guessed_shared }, Outcome { report, timing, changes, .. }) = match outcome {
        Ok(outcome) => outcome,
        Err(error) if launched || workspace.device.is_lost() => {
            return Err(failed(plan, error, &good, workspace, context)?);
        }
        Err(error) => return Err(error),
    };
    let mut warnings = report.warnings;
    if let Some(gone) = gone {
        warnings.push(format!("the device was lost before this launch; {gone}"));
    }
    if guessed_shared {
        let shared = launch.shared;
        warnings.push(match report.shared_touched {
            Some(touched) => format!(
                "nothing says how much shared memory this needs: it was given {shared} bytes, and touched {touched} \
                 (`--shared {touched}`)"
            ),
            None => format!("nothing says how much shared memory this needs: it was given {shared} bytes"),
        });
    }
    if let Some(timing) = &timing {
        warnings.extend(timing.warnings.iter().cloned());
    }
    let device = workspace.device.as_ref();
    let info = device.info(launch.function);
    let told = device.is_emulated().then(|| arithmetic(plan, device, info.contractible)).flatten();
    let by_driver = !device.is_emulated() && code_for(device, plan.version).is_some_and(Code::is_ptx);
    let lines = LaunchLines {
        grid: std::array::from_fn(|axis| launch.grid[axis] / launch.cluster[axis].max(1)),
        device: device.name(),
        description: (!device.is_emulated()).then(|| device.description()),
        emulated: device.is_emulated(),
        elapsed: report.elapsed,
        host: report.host,
        parts: parts.done,
        timing,
        driver_log: by_driver.then(|| info.log.clone()),
        function: (!device.is_emulated()).then_some(info),
        occupancy: device.occupancy(&launch),
        warp_instructions: report.warp_instructions,
        arithmetic: told,
        checked: report.checked.as_ref().map(checked_line),
        counted: match &report.observed {
            Some(Observed::Counters(counters)) => Some(counters_text(counters)),
            _ => report.warp_instructions.map(|count| format!("{} warp instructions", grouped(count))),
        },
        changes,
    };
    Ok((lines, warnings))
}

/// What the reader should know of an emulated launch's arithmetic: whose it is, and which pairs were contracted.
fn arithmetic(plan: &Plan<'_>, device: &dyn Device, contractible: u32) -> Option<String> {
    let contraction = match plan.checks.contracted {
        Some(followed) if followed.candidates > 0 => Some(followed.told()),
        None if contractible > 0 => Some(format!("{contractible} mul/add pairs that ptxas may contract are as in PTX")),
        _ => None,
    };
    let parts: Vec<String> = modelled(device).into_iter().chain(contraction).collect();
    (!parts.is_empty()).then(|| parts.join(" · "))
}

/// That what comes out was not compared with hardware: the emulator's arithmetic of other architectures than Hopper.
pub fn modelled(device: &dyn Device) -> Option<String> {
    let capability = device.capability();
    let told = || format!("arithmetic of sm_{capability} modelled, not verified");
    (device.is_emulated() && capability != 90).then(told)
}

/// Runs a plan once on the workspace's device. The buffers keep what it made of them.
pub fn launch_once(plan: &Plan<'_>, workspace: &mut Workspace, cancel: &Cancel) -> Result<LaunchReport> {
    with_prepared(plan, workspace, |workspace, launch, _| {
        tell_unwritten(plan, launch, workspace);
        workspace.device.launch(launch, cancel, &|_| {})
    })
}

/// A checked launch reports reads of what nothing has written.
fn tell_unwritten(plan: &Plan<'_>, launch: &Launch, workspace: &mut Workspace) {
    if launch.check {
        let ranges = workspace.unwritten.ranges(&workspace.buffers, &plan.title());
        workspace.device.set_unwritten(ranges);
    }
}

/// Does something with a launch that is ready, and frees what was allocated for it alone, which `work` is told.
pub fn with_prepared<T>(
    plan: &Plan<'_>,
    workspace: &mut Workspace,
    work: impl FnOnce(&mut Workspace, &Launch, &[(u64, u64)]) -> Result<T>,
) -> Result<T> {
    let mut temporary = Vec::new();
    let outcome =
        prepare(plan, workspace, &mut temporary).and_then(|prepared| work(workspace, &prepared.launch, &temporary));
    for (address, _) in temporary {
        workspace.device.free(address);
    }
    outcome
}

/// A launch that failed: buffers get their values back, and the error says where and why, as far as can be known.
fn failed(
    plan: &Plan<'_>,
    error: Diagnostic,
    good: &Snapshot,
    workspace: &mut Workspace,
    context: Context<'_>,
) -> Result<Diagnostic> {
    let is_fault = workspace.device.is_lost() && !error.is_interrupted() && error.code != code::TIMEOUT;
    let kept = good.restore(workspace, context)?;
    let mut error = plan.in_own_text(error, workspace);
    if !error.is_interrupted() {
        error = error.note(format!("kernel `{}` v{}", plan.kernel, plan.version.number));
    }
    let found = if is_fault { replay::locate(plan, good, workspace, context) } else { None };
    if let Some(found) = found {
        // The emulator knows more: its error is the one to show, and the GPU's words are added.
        let words = std::iter::once(format!("found by the same launch on the emulator; {}", error.message));
        let notes = words.chain(error.into_contents().notes);
        error = notes.fold(found, Diagnostic::note);
    }
    Ok(error.note(kept))
}

struct Prepared {
    launch: Launch,
    /// Whether nothing said how much dynamic shared memory is needed.
    guessed_shared: bool,
}

/// How many programs run along each axis.
pub fn grid(plan: &Plan<'_>, workspace: &Workspace) -> Result<[u32; 3]> {
    arguments::evaluate_grid(plan.header, workspace, &grid_constants(plan))
        .map_err(|error| error.in_source(plan.source))
}

/// Everything that the device has to be told. Memory for this launch alone goes to `temporary`: address and bytes.
fn prepare(plan: &Plan<'_>, workspace: &mut Workspace, temporary: &mut Vec<(u64, u64)>) -> Result<Prepared> {
    let located = |error: Diagnostic| error.in_source(plan.source);
    let version = plan.version;
    let mut meta = version.meta.clone();
    if version.binding.is_none() {
        // It was compiled without a launch.
        resolve_scratch(&mut meta, plan.arguments.positional.len() + plan.arguments.extra.len());
    }
    if plan.checks != Checks::default() && !workspace.device.is_emulated() {
        let error = Diagnostic::error("needs-emulator", "checks and seeds are the emulator's");
        return Err(located(
            error
                .at(plan.header.call_span.clone(), "")
                .help("`%sanitize` runs the last launch there, or `%device emu`"),
        ));
    }
    elsewhere::refuse(plan.header, workspace).map_err(located)?;
    let grid = grid(plan, workspace)?;
    let mut arguments = plan.arguments.clone();
    arguments.place(workspace.device.as_mut(), temporary)?;
    let whole = &plan.header.call_span;
    let mut given = match &version.binding {
        Some(binding) => {
            binding::bind(binding, &meta, &arguments, workspace.device.as_ref(), whole).map_err(located)?
        }
        None => binding::in_order(&meta.params.value, &arguments, workspace.device.as_ref()).map_err(located)?,
    };
    given.extend(arguments.extra);
    let mut args = encode(&meta.params.value, &given, whole).map_err(located)?;

    let contracted = plan.checks.contracted.map(|followed| Code::Ptx(&followed.text));
    let loaded = match contracted.or_else(|| code_for(workspace.device.as_ref(), version)) {
        Some(code) => workspace.device.load(code, &meta.entry.value),
        None => return Err(Diagnostic::error("no-code", "this version has no PTX and no cubin")),
    };
    let function = loaded.map_err(|error| plan.in_own_text(error, workspace))?;

    // Each block of a program that is a cluster has its own.
    let extents = grid.into_iter().chain(meta.cluster.value.map(|extent| extent.max(1)));
    let blocks = extents.fold(1u64, |all, extent| all.saturating_mul(extent.into()));
    let areas = [(meta.global_scratch.value, "global"), (meta.profile_scratch.value, "profile")];
    for (area, name) in areas.into_iter().take(meta.scratch_params.value as usize) {
        let address = match area.size.saturating_mul(blocks) {
            0 => 0,
            bytes => {
                let address = workspace.device.allocate(&format!("Triton's {name} scratch"), bytes)?;
                temporary.push((address, bytes));
                address
            }
        };
        args.push(address.to_le_bytes().to_vec());
    }
    let guessed_shared = matches!(meta.shared.origin, Origin::Default(_)) && meta.shared.value > 0;
    let mut shared = meta.shared.value;
    if guessed_shared {
        let own = workspace.device.info(function).static_shared;
        shared = shared.min(workspace.device.shared_limit().saturating_sub(own));
    }
    let block = [meta.threads.value, 1, 1];
    let cluster = meta.cluster.value;
    let mut blocks = [0; 3];
    for (axis, extent) in blocks.iter_mut().enumerate() {
        // As Triton counts, a program is a cluster of blocks.
        *extent = grid[axis].checked_mul(cluster[axis].max(1)).ok_or_else(|| {
            let error =
                Diagnostic::error("grid", format!("{} programs of {cluster:?} blocks are too many", grid[axis]));
            error.at(whole.clone(), "").in_source(plan.source)
        })?;
    }
    let launch = Launch {
        function,
        grid: blocks,
        block,
        cluster,
        shared,
        args,
        cooperative: meta.cooperative.value,
        dependent: meta.dependent.value,
        seed: plan.checks.seed,
        check: plan.checks.check,
        observe: plan.checks.observe.cloned(),
    };
    Ok(Prepared { launch, guessed_shared })
}

/// The code of a version that a device takes: PTX for the emulator; a GPU's own cubin where there is one, which ptxas
/// made as Triton would; else PTX, for the driver to compile.
pub fn code_for<'a>(device: &dyn Device, version: &'a Version) -> Option<Code<'a>> {
    let ptx = || {
        let artifact = version.artifact(Stage::Ptx)?;
        let text = artifact.text()?;
        // The driver has a parser of its own. What does not parse, the device refuses in its own words.
        let syntax = if device.is_emulated() { artifact.syntax().ok() } else { None };
        Some(syntax.map_or(Code::Ptx(text), |syntax| Code::ParsedPtx { text, syntax }))
    };
    let cubin = || Some(Code::Cubin(&version.artifact(Stage::Cubin)?.content));
    if takes_cubin(device, version.target) { cubin().or_else(ptx) } else { ptx().or_else(cubin) }
}

/// Whether a device runs cubins of this target: its own, and those of lesser minor versions but for `a` targets.
pub fn takes_cubin(device: &dyn Device, target: Target) -> bool {
    let (own, theirs) = (device.capability(), target.0);
    device.runs_machine_code() && (own == theirs || (own / 10 == theirs / 10 && own > theirs && own < 90))
}

/// Where the time of a cell goes.
struct Parts {
    done: Vec<(&'static str, Duration)>,
    since: Instant,
}

impl Parts {
    fn start() -> Self {
        Self { done: Vec::new(), since: Instant::now() }
    }

    /// Ends a part; the next one begins.
    fn end(&mut self, part: &'static str) {
        let now = Instant::now();
        self.done.push((part, now - self.since));
        self.since = now;
    }
}

struct Outcome {
    report: LaunchReport,
    timing: Option<Timing>,
    changes: Vec<String>,
    /// Names of the buffers that hold something else now.
    written: Vec<String>,
}

/// Remembers what wrote buffers, to make their contents again if they are lost.
fn record(plan: &Plan<'_>, written: &[String], workspace: &mut Workspace) {
    if written.is_empty() {
        return;
    }
    let named: Vec<&str> =
        elsewhere::named_by(plan.header, workspace).into_iter().map(|(buffer, _)| buffer.name.as_str()).collect();
    let wild = written.iter().find(|name| !named.contains(&name.as_str()));
    let bare = plan.arguments.positional.iter().find_map(|given| match given.value {
        Value::Scalar(Scalar::Int(value)) => {
            let inside = |buffer: &&Buffer| (value as u64).wrapping_sub(buffer.address) < buffer.bytes;
            workspace.buffers_at(workspace.device.place()).find(inside)
        }
        _ => None,
    });
    let fixed = match (wild, bare) {
        (Some(wild), _) => Some(format!("wrote `{wild}`, which it was not given")),
        (None, Some(buffer)) => Some(format!("was given an address in `{}` as a number", buffer.name)),
        (None, None) => None,
    };
    // The code is all that has to be kept of the stages.
    let stages = plan.version.stages.iter().filter(|outcome| outcome.artifact.stage >= Stage::Ptx).cloned().collect();
    let launched = Launched {
        kernel: plan.kernel.to_owned(),
        version: Version { stages, ..plan.version.clone() },
        launch: LaunchSpec { source: plan.source.clone(), header: Arc::new(plan.header.clone()) },
        inputs: workspace.inputs(named),
        fixed,
        scalars: workspace.scalars.clone(),
        place: workspace.device.place(),
        capability: workspace.device.capability(),
    };
    workspace.journal.launched(launched, written);
}

/// The launch, and the launches that time it. `good` holds what the buffers are to hold if it fails.
fn launch_all(
    plan: &Plan<'_>,
    launch: &Launch,
    good: &mut Snapshot,
    parts: &mut Parts,
    workspace: &mut Workspace,
    context: Context<'_>,
) -> Result<Outcome> {
    let print = |text: &str| context.frontend.stream(Stream::Stdout, text);
    tell_unwritten(plan, launch, workspace);
    let report = limited(plan.timeout, context.cancel, |cancel| workspace.device.launch(launch, cancel, &print))?;
    refuse_findings(plan, &report, workspace)?;
    workspace.unwritten.launched(&plan.title(), &launch.args, &workspace.buffers);
    parts.end("launch");
    let after = Snapshot::take_current(workspace)?;
    let changes = after.changes_since(good, workspace);
    let written = after.differing_from(good).into_iter().map(str::to_owned).collect();
    *good = after;
    parts.end("changes");
    let timing = match plan.timing {
        None => None,
        Some(timing) => {
            let plain = Launch { observe: None, ..launch.clone() };
            let timing = workspace.device.time(&plain, &timing, context.cancel)?;
            // The buffers hold what one launch made of them.
            good.restore(workspace, context)?;
            Some(timing)
        }
    };
    Ok(Outcome { report, timing, changes, written })
}

/// Findings besides the first that are told.
const MOST_TOLD: usize = 8;

/// The first finding of the checks as an error, with the others as notes.
pub fn refuse_findings(plan: &Plan<'_>, report: &LaunchReport, workspace: &Workspace) -> Result<()> {
    let findings = report.checked.iter().flat_map(|checked| &checked.findings);
    let mut told = findings.map(|finding| plan.in_own_text(finding.clone(), workspace));
    let Some(first) = told.next() else { return Ok(()) };
    let mut others: Vec<(String, usize)> = Vec::new();
    for other in told {
        let line = format!("also{}: {}", line_of(&other), other.message);
        match others.iter_mut().find(|(known, _)| *known == line) {
            Some((_, count)) => *count += 1,
            None => others.push((line, 1)),
        }
    }
    let more = others.len().saturating_sub(MOST_TOLD);
    let others = others.into_iter().take(MOST_TOLD).map(|(line, count)| match count {
        1 => line,
        _ => format!("{line} ({count} instructions)"),
    });
    let others = others.chain((more > 0).then(|| format!("and {more} more")));
    Err(others.fold(first, Diagnostic::note))
}

/// ` in line 12`, where the error has a place.
fn line_of(error: &Diagnostic) -> String {
    let line = error.source.as_ref().zip(error.labels.first()).and_then(|(source, label)| {
        Some(source.text.get(..label.span.start)?.matches('\n').count() + source.first_line)
    });
    line.map_or(String::new(), |line| format!(" in line {line}"))
}

/// One line on the checks of a launch that found nothing.
pub fn checked_line(checked: &CheckReport) -> String {
    let accesses = grouped(checked.accesses);
    let left_out = if checked.incomplete { "; more global memory was touched than is watched (64 MiB)" } else { "" };
    let copies = match checked.copies {
        0 => String::new(),
        count => format!(
            "; {} read a copy of what another warp stored then, which is harmless where only that warp's copy is used",
            grouped(count)
        ),
    };
    format!("checked: nothing found in {accesses} accesses{copies}{left_out}")
}

/// What a grid may name besides the workspace: keyword values, and the constants that the kernel was compiled with.
fn grid_constants(plan: &Plan<'_>) -> Vec<(String, Scalar)> {
    let mut constants: Vec<(String, Scalar)> = plan
        .arguments
        .keywords
        .iter()
        .filter_map(|(name, given)| match &given.value {
            Value::Scalar(scalar) => Some((name.clone(), scalar.clone())),
            _ => None,
        })
        .collect();
    for (name, value) in plan.version.binding.iter().flat_map(|binding| &binding.constants) {
        let scalar = match value {
            serde_json::Value::Bool(value) => Scalar::Bool(*value),
            serde_json::Value::String(text) => Scalar::Str(text.clone()),
            serde_json::Value::Number(number) => match number.as_i64() {
                Some(value) => Scalar::Int(value),
                None => Scalar::Float(number.as_f64().unwrap_or_default()),
            },
            _ => continue,
        };
        // Parameters by their Python names are in scope too, as in Triton's grid lambdas.
        if !constants.iter().any(|(known, _)| known == name) {
            constants.push((name.clone(), scalar));
        }
    }
    constants
}
