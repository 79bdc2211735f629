//! What a launch of a version costs, for views that compare versions. The buffers keep what they hold.

use super::arguments;
use super::compare::on_device;
use super::relaunch::Again;
use super::run::{Checks, Plan, takes_cubin, with_prepared};
use super::snapshot::Snapshot;
use crate::device::observe::{Counters, Observe, Observed};
use crate::device::{Timing, TimingPlan};
use crate::diagnostic::{Diagnostic, Result};
use crate::workspace::{Context, Workspace};

/// Counted by the emulator of the version's own target.
pub fn counters(again: &Again, workspace: &mut Workspace, context: Context<'_>) -> Result<Counters> {
    workspace.revive()?;
    let before = Snapshot::take(workspace)?;
    let checks = Checks { observe: Some(&Observe::Counters { in_order: true }), ..Checks::default() };
    let device = format!("emu:{}", again.version.target);
    let result = on_device(&device, again, &before, checks, workspace, context)?;
    match result.report.observed {
        Some(Observed::Counters(counters)) => Ok(counters),
        _ => Err(Box::new(Diagnostic::error("counters", "the emulator counted nothing"))),
    }
}

/// Timed on the session's GPU, with the L2 cache flushed; `None` where that does not run the version's machine code.
pub fn latency(again: &Again, workspace: &mut Workspace, context: Context<'_>) -> Result<Option<Timing>> {
    workspace.revive()?;
    if !takes_cubin(workspace.device.as_ref(), again.version.target) {
        return Ok(None);
    }
    let evaluated = arguments::of(&again.launch, workspace)?;
    let text = again.text();
    let plan = Plan::of(&again.name, &again.version, &again.launch, &text, &evaluated);
    let timing = TimingPlan { samples: None, flush: true, graph: false };
    let before = Snapshot::take(workspace)?;
    let timed =
        with_prepared(&plan, workspace, |workspace, launch, _| workspace.device.time(launch, &timing, context.cancel));
    let kept = before.restore(workspace, context)?;
    match timed {
        Ok(timing) => Ok(Some(timing)),
        Err(error) => Err(Box::new(plan.in_own_text(*error, workspace).note(kept))),
    }
}
