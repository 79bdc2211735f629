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

/// One launch of the same kernel on one of several devices.
pub struct OnDevice {
    /// Name of the device: `emu:sm_80`, `cuda:0`.
    pub device: String,
    /// Wall time of the launch on this device.
    pub elapsed: Duration,
    /// The device's own report of the launch.
    pub report: LaunchReport,
    /// Contents of the buffers after the launch.
    pub after: Snapshot,
    /// Where the arithmetic may differ from a GPU's.
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
