//! `--on`, of magics that launch.

use crate::magics::declare::kinds::Device;
use crate::magics::declare::{Argument, Typed};
use crate::workspace::Workspace;
use warpbook_diagnostic::Result;

pub(in crate::magics) const ON: Argument<Device> =
    Argument::option("--on", Device, "launch on this device rather than the current one");

/// Does something on the device of `--on`, which becomes the current one for that time.
pub(in crate::magics) fn on<T>(
    typed: &Typed<'_>,
    workspace: &mut Workspace,
    work: impl FnOnce(&mut Workspace) -> Result<T>,
) -> Result<T> {
    let Some(device) = typed.get(&ON) else { return work(workspace) };
    workspace.ensure(device.place).map_err(|error| error.at(typed.place(&ON), ""))?;
    // By default an emulator stands in for the GPU.
    let own = (!workspace.device.is_emulated()).then(|| workspace.device.capability());
    let before = workspace.select(device.place);
    let emulated = workspace.device.capability();
    if let Some(capability) = device.architecture.map(|target| target.0).or(own) {
        workspace.device.emulate(capability);
    }
    let outcome = work(workspace);
    workspace.device.emulate(emulated);
    workspace.select(before);
    outcome
}
