//! One launch of a plan: the buffers are remembered, the launch runs, and is repeated where it is timed; what it changed
//! is recorded. When it fails, the buffers get their values back.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::changes::Change;
use super::code::code_for;
use super::contraction;
use super::findings::refuse_findings;
use super::placement;
use super::plan::LaunchPlan;
use super::prepare::{Prepared, name_unwritten, prepare};
use super::recovery::rebuild::{Rebuilt, recover};
use super::recovery::replay;
use super::report::{Arithmetic, GuessedShared, LaunchFacts};
use super::snapshot::Snapshot;
use super::timeout::limited;
use super::value::{Arguments, Value};
use crate::expression::Scalar;
use crate::frontend::Stream;
use crate::workspace::{Context, Launched, Version, Workspace};
use warpbook_compiler::Stage;
use warpbook_compiler::contraction::Followed;
use warpbook_device::emulation::{Observe, Observed};
use warpbook_device::{Buffer, Code, Device, Launch, LaunchReport, Timing};
use warpbook_diagnostic::{Diagnostic, Result, code};

/// Runs a plan on the workspace's device.
pub fn run(plan: &LaunchPlan, workspace: &mut Workspace, context: Context<'_>) -> Result<LaunchFacts> {
    let contracted = contraction::followed(&plan.version, workspace, context)?;
    let mut stopwatch = Stopwatch::start();
    let (mut before, rebuilt) = remember(workspace, context)?;
    stopwatch.end("snapshot");
    let mut prepared = match prepare(plan, contracted.as_deref(), workspace) {
        Ok(prepared) => prepared,
        Err(error) if workspace.device.is_lost() => {
            return Err(failed(plan, error, &before, workspace, context)?);
        }
        Err(error) => return Err(error),
    };
    if workspace.counts && workspace.device.is_emulated() && !plan.how.emulation.check {
        prepared.launch.observe.get_or_insert(Observe::Counters { in_order: false });
    }
    stopwatch.end("arguments");
    let outcome = launch(plan, &prepared.launch, &mut before, &mut stopwatch, workspace, context);
    let measured = match &outcome {
        Ok(_) => prepared.guessed_scratch.iter_mut().try_for_each(|area| area.measure(workspace.device.as_ref())),
        Err(_) => Ok(()),
    };
    prepared.free(workspace.device.as_mut());
    let outcome = match measured.and(outcome) {
        Ok(outcome) => outcome,
        Err(error) => {
            let is_own = error.is_interrupted() || error.code == code::TIMEOUT;
            let areas = prepared.guessed_scratch.iter().filter(|_| !is_own);
            let error = areas.fold(error, |error, area| area.explain(error));
            return Err(failed(plan, error, &before, workspace, context)?);
        }
    };
    record(plan, &prepared.arguments, &outcome.written, workspace);
    workspace.kernels.launched(&plan.kernel, plan.launch.clone());
    let done = Done { prepared, outcome, contracted, rebuilt, parts: stopwatch.parts };
    Ok(done.facts(plan, workspace.device.as_ref()))
}

/// Contents of the buffers now. A lost device is restarted first, and its buffers are restored.
fn remember(workspace: &mut Workspace, context: Context<'_>) -> Result<(Snapshot, Rebuilt)> {
    let place = workspace.device.place();
    let rebuilt = recover(place, workspace, context)?;
    match Snapshot::take_current(workspace) {
        // It died since it was last asked; nothing was launched yet.
        Err(_) if workspace.device.is_lost() => {
            let rebuilt = recover(place, workspace, context)?;
            Ok((Snapshot::take_current(workspace)?, rebuilt))
        }
        taken => Ok((taken?, rebuilt)),
    }
}

/// The result of a launch that succeeded.
struct Outcome {
    report: LaunchReport,
    timing: Option<Timing>,
    changes: Vec<Change>,
    /// Names of the buffers that hold something else now.
    written: Vec<String>,
}

/// The launch, and the launches that time it. `before` holds what the buffers are to hold if it fails.
fn launch(
    plan: &LaunchPlan,
    launch: &Launch,
    before: &mut Snapshot,
    stopwatch: &mut Stopwatch,
    workspace: &mut Workspace,
    context: Context<'_>,
) -> Result<Outcome> {
    let print = |text: &str| context.frontend.stream(Stream::Stdout, text);
    name_unwritten(plan, launch, workspace);
    let report = limited(plan.how.timeout, context.cancel, |cancel| workspace.device.launch(launch, cancel, &print))?;
    refuse_findings(plan, &report, workspace)?;
    workspace.unwritten.launched(&plan.title(), &launch.args, &workspace.buffers);
    stopwatch.end("launch");
    let after = Snapshot::take_current(workspace)?;
    let changes = after.changes_since(before, &workspace.buffers);
    let written = after.differing_from(before).into_iter().map(str::to_owned).collect();
    *before = after;
    stopwatch.end("changes");
    let timing = match plan.how.timing {
        None => None,
        Some(timing) => {
            let plain = Launch { observe: None, ..launch.clone() };
            let timing = workspace.device.time(&plain, &timing, context.cancel)?;
            // The buffers hold what one launch made of them.
            before.restore(workspace, context)?;
            Some(timing)
        }
    };
    Ok(Outcome { report, timing, changes, written })
}

/// Ends a launch that failed: restores the buffers, and adds to the error where and why it failed, as far as can be
/// known.
fn failed(
    plan: &LaunchPlan,
    error: Diagnostic,
    before: &Snapshot,
    workspace: &mut Workspace,
    context: Context<'_>,
) -> Result<Diagnostic> {
    let is_fault = workspace.device.is_lost() && !error.is_interrupted() && error.code != code::TIMEOUT;
    let kept = before.restore(workspace, context)?;
    let mut error = plan.in_own_text(error, workspace);
    if !error.is_interrupted() {
        error = error.note(format!("kernel `{}` v{}", plan.kernel, plan.version.number));
    }
    let found = if is_fault { replay::locate(plan, before, workspace, context) } else { None };
    if let Some(found) = found {
        // The emulator knows more: its error is the one to show, and the GPU's words are added.
        let words = std::iter::once(format!("found by the same launch on the emulator; {}", error.message));
        let notes = words.chain(error.into_contents().notes);
        error = notes.fold(found, Diagnostic::note);
    }
    Ok(error.note(kept))
}

/// Remembers what wrote buffers, to make their contents again if they are lost.
fn record(plan: &LaunchPlan, arguments: &Arguments, written: &[String], workspace: &mut Workspace) {
    if written.is_empty() {
        return;
    }
    let named: Vec<&str> = placement::buffers_in_header(plan.header(), workspace)
        .into_iter()
        .map(|(buffer, _)| buffer.name.as_str())
        .collect();
    let wild = written.iter().find(|name| !named.contains(&name.as_str()));
    let bare = arguments.positional.iter().find_map(|given| match given.value {
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
        kernel: plan.kernel.clone(),
        version: Version { stages, ..plan.version.clone() },
        launch: plan.launch.clone(),
        inputs: workspace.inputs(named),
        fixed,
        scalars: workspace.scalars.clone(),
        place: workspace.device.place(),
        capability: workspace.device.capability(),
    };
    workspace.journal.launched(launched, written);
}

/// All that is known when a launch is over.
struct Done {
    prepared: Prepared,
    outcome: Outcome,
    contracted: Option<Arc<Followed>>,
    rebuilt: Rebuilt,
    parts: Vec<(&'static str, Duration)>,
}

impl Done {
    fn facts(self, plan: &LaunchPlan, device: &dyn Device) -> LaunchFacts {
        let Self {
            prepared: Prepared { launch, guessed_shared, guessed_scratch, .. },
            outcome,
            contracted,
            rebuilt,
            parts,
        } = self;
        let Outcome { report, timing, changes, .. } = outcome;
        let info = device.info(launch.function);
        let by_driver = !device.is_emulated() && code_for(device, &plan.version).is_some_and(Code::is_ptx);
        LaunchFacts {
            grid: std::array::from_fn(|axis| launch.grid[axis] / launch.cluster[axis].max(1)),
            device: device.name(),
            description: (!device.is_emulated()).then(|| device.description()),
            emulated: device.is_emulated(),
            elapsed: report.elapsed,
            host: report.host,
            parts,
            driver_log: by_driver.then(|| info.log.clone()),
            arithmetic: Arithmetic::new(device, contracted.as_deref(), info.contractible),
            function: (!device.is_emulated()).then_some(info),
            occupancy: device.occupancy(&launch),
            warp_instructions: report.warp_instructions,
            counters: match report.observed {
                Some(Observed::Counters(counters)) => Some(counters),
                _ => None,
            },
            checked: report.checked,
            changes,
            rebuilt,
            guessed_shared: guessed_shared
                .then_some(GuessedShared { given: launch.shared, touched: report.shared_touched }),
            guessed_scratch,
            warnings: report.warnings,
            timing,
        }
    }
}

/// Measures the parts of a cell's time.
struct Stopwatch {
    parts: Vec<(&'static str, Duration)>,
    since: Instant,
}

impl Stopwatch {
    fn start() -> Self {
        Self { parts: Vec::new(), since: Instant::now() }
    }

    /// Ends a part; the next one begins.
    fn end(&mut self, part: &'static str) {
        let now = Instant::now();
        self.parts.push((part, now - self.since));
        self.since = now;
    }
}
