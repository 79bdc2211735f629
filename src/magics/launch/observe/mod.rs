//! Views of a launch that the emulator watches: `%counters`, `%timeline`, `%watch`, `%trace`, `%step`.

mod asked;
mod counters;
mod first;
mod held;
mod lines;
mod operands;
mod place;
mod step;
mod tile;
mod timeline;
mod trace;
mod values;
mod watch;

pub use counters::{CountersMagic, summary};
pub use first::compare_values;
pub use operands::{Asked, operands};
pub use step::StepMagic;
pub use timeline::TimelineMagic;
pub use trace::TraceMagic;
pub use watch::WatchMagic;

use super::compare::{OnDevice, on_device};
use super::relaunch::Again;
use super::run::Checks;
use super::snapshot::Snapshot;
use crate::workspace::{Context, Workspace};
use warpbook_device::observe::Observe;
use warpbook_diagnostic::Result;

/// The launch again on the emulator, observed; the buffers keep what they hold.
fn observed(again: &Again, observe: &Observe, workspace: &mut Workspace, context: Context<'_>) -> Result<OnDevice> {
    workspace.revive()?;
    let before = Snapshot::take(workspace)?;
    let device = if workspace.device.is_emulated() { workspace.device_name() } else { "emu".to_owned() };
    let checks = Checks { observe: Some(observe), ..Checks::default() };
    on_device(&device, again, &before, checks, workspace, context)
}
