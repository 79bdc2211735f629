//! A device where a magic's argument or option names one.

use std::ops::Range;

use crate::expression::LaunchHeader;
use crate::magics::OptionSpec;
use crate::workspace::Workspace;
use warpbook_compiler::Target;
use warpbook_device::Place;
use warpbook_diagnostic::{Diagnostic, Result, nearest};

/// `--on`, of magics that launch.
pub(in crate::magics) const ON: OptionSpec = OptionSpec {
    name: "--on",
    value: "DEVICE",
    help: "launch on this device, such as cuda:1, rather than the current one",
};

/// A device's name taken apart: its place, and the architecture that an emulator is asked for.
pub(in crate::magics) fn parse(name: &str, span: &Range<usize>) -> Result<(Place, Option<Target>)> {
    let architecture = name.strip_prefix("emu:").map(str::parse::<Target>);
    match (Place::of_name(name), architecture) {
        (Some(place), None) => Ok((place, None)),
        (Some(place), Some(Ok(target))) => Ok((place, Some(target))),
        _ => {
            let error = Diagnostic::error("unknown-device", format!("there is no device `{name}`"));
            let error = error.at(span.clone(), "not a device");
            let known = ["emu", "cuda:0", "cuda:1"].map(str::to_owned);
            let emulators = Target::SUPPORTED.map(|target| format!("emu:{target}"));
            let near = nearest(name, known.iter().chain(&emulators).map(String::as_str));
            let architectures = Target::SUPPORTED.map(|target| target.to_string()).join(", ");
            let help = format!("`emu`, `cuda:N`, or `emu:ARCH` with one of {architectures}");
            Err(match near {
                Some(near) => error.help(format!("did you mean `{near}`?")).help(help),
                None => error.help(help),
            })
        }
    }
}

/// Does something on the device of `--on`, which becomes the current one for that time.
pub(in crate::magics) fn on<T>(
    header: &LaunchHeader,
    workspace: &mut Workspace,
    work: impl FnOnce(&mut Workspace) -> Result<T>,
) -> Result<T> {
    let Some(option) = header.option(ON.name) else { return work(workspace) };
    let (place, architecture) = parse(option.value.as_deref().unwrap_or_default(), &option.value_span)?;
    workspace.ensure(place).map_err(|error| error.at(option.value_span.clone(), ""))?;
    // An emulator that is not told otherwise stands in for the GPU.
    let own = (!workspace.device.is_emulated()).then(|| workspace.device.capability());
    let before = workspace.select(place);
    let emulated = workspace.device.capability();
    if let Some(capability) = architecture.map(|target| target.0).or(own) {
        workspace.device.emulate(capability);
    }
    let outcome = work(workspace);
    workspace.device.emulate(emulated);
    workspace.select(before);
    outcome
}
