//! Where a kernel failed that failed on a GPU: the same launch on the emulator, which knows the line, the thread and
//! the buffer. The GPU only knows that it failed.

use std::time::Duration;

use crate::launch::findings::refuse_findings;
use crate::launch::plan::{Emulation, LaunchPlan};
use crate::launch::prepare::launch_once;
use crate::launch::snapshot::Snapshot;
use crate::launch::timeout::limited;
use crate::workspace::{Context, Workspace};
use warpbook_device::Emulated;
use warpbook_diagnostic::{Diagnostic, code};

/// Longest time of the replay.
const LIMIT: Duration = Duration::from_secs(5);
/// Codes of errors that say nothing about the kernel: the emulator could not run it.
const EMULATOR_ERRORS: [&str; 4] = [code::TIMEOUT, code::CUBIN_WITHOUT_PTX, code::OUT_OF_MEMORY, code::LAUNCH_CONFIG];
/// Most bytes of buffers that are copied to the emulator.
const MOST_BYTES: u64 = 1 << 30;

/// Runs the failed launch on the emulator and returns what it finds wrong; `None` if it finds nothing, or not in time.
pub fn locate(
    plan: &LaunchPlan,
    before: &Snapshot,
    workspace: &mut Workspace,
    context: Context<'_>,
) -> Option<Diagnostic> {
    let bytes: u64 = workspace.buffers.iter().map(|buffer| buffer.bytes).sum();
    if bytes > MOST_BYTES || context.cancel.is_cancelled() {
        return None;
    }
    // What is wrong for certain comes first; then what the checks find, which need not be why it failed.
    [false, true].into_iter().find_map(|check| once(plan, check, before, workspace, context))
}

fn once(
    plan: &LaunchPlan,
    check: bool,
    before: &Snapshot,
    workspace: &mut Workspace,
    context: Context<'_>,
) -> Option<Diagnostic> {
    let emulated = Box::new(Emulated::new(workspace.device.capability()));
    let (gpu, homes) = workspace.swap_device(emulated, |name| before.contents(name).cloned())?;
    let outcome = limited(Some(LIMIT), context.cancel, |cancel| {
        let plan = plan.emulated(Emulation { check, ..Emulation::default() });
        let report = launch_once(&plan, None, workspace, cancel)?;
        refuse_findings(&plan, &report, workspace)
    });
    workspace.swap_back(gpu, homes);
    match outcome {
        // What the emulator cannot run tells nothing of the fault.
        Err(error) if error.is_interrupted() || EMULATOR_ERRORS.contains(&error.code) => None,
        Err(error) => Some(plan.in_own_text(error, workspace)),
        Ok(_) => None,
    }
}
