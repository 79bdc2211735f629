//! `--device cuda:1`, of magics that make a buffer.

use crate::magics::declare::kinds::Device;
use crate::magics::declare::{Argument, Typed};
use crate::workspace::Workspace;
use warpbook_device::Place;
use warpbook_diagnostic::Result;

pub const DEVICE: Argument<Device> =
    Argument::option("--device", Device, "where the buffer lives; the current device by default");

/// The place that `--device` names, ready for use; the current device without it.
pub fn place(typed: &Typed<'_>, workspace: &mut Workspace) -> Result<Place> {
    let Some(device) = typed.get(&DEVICE) else { return Ok(workspace.device.place()) };
    workspace.ensure(device.place).map_err(|error| error.at(typed.place(&DEVICE), ""))?;
    Ok(device.place)
}
