//! What a launch of a version costs, for views that compare versions. The buffers keep what they hold.

use std::time::Duration;

use super::code::takes_cubin;
use super::on_device::on_device;
use super::plan::LaunchPlan;
use super::prepare::with_prepared;
use super::snapshot::Snapshot;
use crate::workspace::{Context, Workspace};
use warpbook_compiler::Target;
use warpbook_device::emulation::{Counters, Observe, Observed};
use warpbook_device::{Device, Launch, Timing, TimingPlan};
use warpbook_diagnostic::{Diagnostic, Result};
use warpbook_process::cancel::Cancel;

/// Rounds in which two versions are timed by turns.
pub const ROUNDS: u32 = 20;
/// The samples of one version take about this long, all rounds together.
const SAMPLING: Duration = Duration::from_millis(100);
/// No more samples of a round than this.
const MOST_SAMPLES: u128 = 500;

/// Counted by the emulator of the version's own target.
pub fn counters(plan: &LaunchPlan, workspace: &mut Workspace, context: Context<'_>) -> Result<Counters> {
    workspace.revive()?;
    let before = Snapshot::take(workspace)?;
    let device = format!("emu:{}", plan.version.target);
    let observed = plan.observed(Observe::Counters { in_order: true });
    let result = on_device(&device, &observed, &before, workspace, context)?;
    match result.report.observed {
        Some(Observed::Counters(counters)) => Ok(counters),
        _ => Err(Diagnostic::error("counters", "the emulator counted nothing")),
    }
}

/// True if a device runs what was compiled for a target: its machine code, or its PTX where the emulator stands in.
fn runs(device: &dyn Device, target: Target) -> bool {
    takes_cubin(device, target) || (!device.runs_machine_code() && device.capability() == target.0)
}

/// Timed alone on the session's GPU, with the L2 cache flushed; `None` where that does not run what it was compiled for.
pub fn latency(
    plan: &LaunchPlan,
    samples: Option<u32>,
    workspace: &mut Workspace,
    context: Context<'_>,
) -> Result<Option<Timing>> {
    workspace.revive()?;
    if !runs(workspace.device.as_ref(), plan.version.target) {
        return Ok(None);
    }
    let timing = TimingPlan { samples, flush: true, graph: false, warm: false };
    let before = Snapshot::take(workspace)?;
    let timed =
        with_launch(plan, workspace, |workspace, launch| workspace.device.time(launch, &timing, context.cancel));
    let kept = before.restore(workspace, context)?;
    timed.map(Some).map_err(|error| error.note(kept))
}

/// Both timed by turns, in [`ROUNDS`] rounds, so that what drifts (clocks, temperature) is the same for both. `each` is
/// what a launch of either takes about. The samples of a round are as many in every round.
pub fn by_turns(
    sides: [&LaunchPlan; 2],
    each: [Duration; 2],
    workspace: &mut Workspace,
    context: Context<'_>,
) -> Result<[Timing; 2]> {
    workspace.revive()?;
    let plans = each.map(|each| {
        let samples = (SAMPLING / ROUNDS).as_nanos() / each.as_nanos().max(1);
        TimingPlan { samples: Some(samples.clamp(1, MOST_SAMPLES) as u32), flush: true, graph: false, warm: true }
    });
    let [first, second] = sides;
    let before = Snapshot::take(workspace)?;
    let timed = with_launch(first, workspace, |workspace, first| {
        with_launch(second, workspace, |workspace, second| {
            turns([first, second], &plans, workspace.device.as_mut(), context.cancel)
        })
    });
    let kept = before.restore(workspace, context)?;
    timed.map_err(|error| error.note(kept))
}

/// Runs `work` with a version's launch; an error gets the version's own text as its source.
fn with_launch<T>(
    plan: &LaunchPlan,
    workspace: &mut Workspace,
    work: impl FnOnce(&mut Workspace, &Launch) -> Result<T>,
) -> Result<T> {
    let outcome = with_prepared(plan, workspace, |workspace, prepared| work(workspace, &prepared.launch));
    outcome.map_err(|error| plan.in_own_text(error, workspace))
}

/// `A B A B …`
fn turns(
    launches: [&Launch; 2],
    plans: &[TimingPlan; 2],
    device: &mut dyn Device,
    cancel: &Cancel,
) -> Result<[Timing; 2]> {
    let mut timings = [Timing::default(), Timing::default()];
    for _ in 0..ROUNDS {
        for ((launch, plan), all) in launches.iter().zip(plans).zip(&mut timings) {
            let round = device.time(launch, plan, cancel)?;
            all.samples.extend(round.samples);
            all.warmup += round.warmup;
            all.method = round.method;
            all.clocks = match (all.clocks, round.clocks) {
                (Some((first, _)), Some((_, last))) => Some((first, last)),
                (first, last) => first.or(last),
            };
            all.warnings.extend(round.warnings);
        }
    }
    Ok(timings)
}
