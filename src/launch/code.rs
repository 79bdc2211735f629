//! Which code of a version a device runs.

use crate::workspace::Version;
use warpbook_compiler::{Stage, Target};
use warpbook_device::{Code, Device};

/// The code of a version that a device takes: PTX for the emulator; a GPU's own cubin where there is one, which ptxas
/// made as Triton would; else PTX, for the driver to compile.
pub fn code_for<'a>(device: &dyn Device, version: &'a Version) -> Option<Code<'a>> {
    let ptx = || {
        let artifact = version.artifact(Stage::Ptx)?;
        let text = artifact.text()?;
        // The driver has a parser of its own. What does not parse, the device refuses in its own words.
        let syntax = if device.is_emulated() { artifact.syntax().ok() } else { None };
        Some(syntax.map_or(Code::Ptx(text), |syntax| Code::ParsedPtx { text, syntax }))
    };
    let cubin = || Some(Code::Cubin(&version.artifact(Stage::Cubin)?.content));
    if takes_cubin(device, version.target) { cubin().or_else(ptx) } else { ptx().or_else(cubin) }
}

/// True if a device runs cubins of this target: its own, and cubins of lesser minor versions except `a` targets.
pub fn takes_cubin(device: &dyn Device, target: Target) -> bool {
    let (own, theirs) = (device.capability(), target.0);
    device.runs_machine_code() && (own == theirs || (own / 10 == theirs / 10 && own > theirs && own < 90))
}
