//! One launch on any device, from given contents of the buffers; the workspace keeps its own.

use std::time::{Duration, Instant};

use super::again::Again;
use super::run::{Checks, Plan, launch_once, modelled, refuse_findings};
use super::snapshot::Snapshot;
use super::{arguments, contraction};
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
    /// That its arithmetic was not compared with hardware.
    pub modelled: Option<String>,
    /// Which pairs of multiplications and additions were contracted, where the emulator followed the machine code.
    pub contraction: Option<String>,
}

impl OnDevice {
    /// The device, with what the reader should know of its arithmetic.
    pub fn told(&self) -> String {
        match &self.modelled {
            Some(modelled) => format!("{} · {modelled}", self.device),
            None => self.device.clone(),
        }
    }
}

/// One launch on a device, and what the buffers hold after it. The workspace is as it was.
pub fn on_device(
    name: &str,
    again: &Again,
    before: &Snapshot,
    checks: Checks<'_>,
    workspace: &mut Workspace,
    context: Context<'_>,
) -> Result<OnDevice> {
    let launch = |workspace: &mut Workspace| {
        let Again { name, version, launch, .. } = again;
        let evaluated = arguments::of(launch, workspace)?;
        let text = again.text();
        let followed = match workspace.device.is_emulated() {
            true => contraction::followed(version, workspace, context)?,
            false => None,
        };
        let checks = Checks { contracted: followed.as_deref(), ..checks };
        let plan = Plan { checks, ..Plan::of(name, version, launch, &text, &evaluated) };
        let start = Instant::now();
        let launched = launch_once(&plan, workspace, context.cancel);
        let report = launched.map_err(|error| plan.in_own_text(error, workspace))?;
        let elapsed = start.elapsed();
        refuse_findings(&plan, &report, workspace)?;
        let contraction = followed.as_ref().filter(|followed| followed.candidates > 0).map(|followed| followed.told());
        let after = Snapshot::take(workspace)?;
        let modelled = modelled(&*workspace.device);
        Ok(OnDevice { device: workspace.device_name(), elapsed, report, after, modelled, contraction })
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
