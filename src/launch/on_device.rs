//! One launch on any device, from given contents of the buffers; the workspace keeps its own.

use std::time::{Duration, Instant};

use super::contraction;
use super::findings::refuse_findings;
use super::plan::LaunchPlan;
use super::prepare::launch_once;
use super::report::Arithmetic;
use super::snapshot::Snapshot;
use crate::workspace::{Context, Workspace};
use warpbook_device::LaunchReport;
use warpbook_diagnostic::{Diagnostic, Result, code};

/// A launch on a device.
pub struct OnDevice {
    /// Its name.
    pub device: String,
    /// How long it took.
    pub elapsed: Duration,
    /// What the device says.
    pub report: LaunchReport,
    /// What the buffers held after it.
    pub after: Snapshot,
    /// What has to be known of its arithmetic.
    pub arithmetic: Arithmetic,
}

/// One launch on a device, and what the buffers hold after it. The workspace is as it was.
pub fn on_device(
    name: &str,
    plan: &LaunchPlan,
    before: &Snapshot,
    workspace: &mut Workspace,
    context: Context<'_>,
) -> Result<OnDevice> {
    let launch = |workspace: &mut Workspace| {
        let contracted = contraction::followed(&plan.version, workspace, context)?;
        let start = Instant::now();
        let launched = launch_once(plan, contracted.as_deref(), workspace, context.cancel);
        let report = launched.map_err(|error| plan.in_own_text(error, workspace))?;
        let elapsed = start.elapsed();
        refuse_findings(plan, &report, workspace)?;
        let after = Snapshot::take(workspace)?;
        let arithmetic = Arithmetic::new(workspace.device.as_ref(), contracted.as_deref(), 0);
        Ok(OnDevice { device: workspace.device_name(), elapsed, report, after, arithmetic })
    };
    let full = || Diagnostic::error(code::OUT_OF_MEMORY, format!("{name} cannot hold the session's buffers"));
    let contents = |buffer: &str| before.contents(buffer).cloned();
    let is_current = name == workspace.device_name() || name == "cuda" && workspace.device_name() == "cuda:0";
    let result = if is_current && workspace.is_in_one_place() {
        let result = launch(workspace);
        before.restore(workspace, context)?;
        return result;
    } else if is_current {
        let homes = workspace.copy_here(contents).ok_or_else(full)?;
        let result = launch(workspace);
        workspace.copy_away(homes);
        result
    } else {
        let device = workspace.other_device(name)?;
        let (own, homes) = workspace.swap_device(device, contents).ok_or_else(full)?;
        let result = launch(workspace);
        workspace.swap_back(own, homes);
        result
    };
    match result {
        // A GPU that was lost took the buffers that live there with it.
        Err(error) if !workspace.lost_places().is_empty() => Err(error.note(before.restore(workspace, context)?)),
        result => result,
    }
}
