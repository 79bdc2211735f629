//! `--device cuda:1` behind what makes a buffer.

use std::ops::Range;

use crate::magics::settings::place::parse;
use crate::magics::{Call, OptionSpec};
use crate::workspace::Workspace;
use warpbook_device::Place;
use warpbook_diagnostic::{Diagnostic, Result};

pub const DEVICE: OptionSpec = OptionSpec {
    name: "--device",
    value: "DEVICE",
    help: "where it lives, such as cuda:1; the current device unless said",
};

/// The arguments without the option, and the place that it names.
pub fn split(call: &Call<'_>, workspace: &mut Workspace) -> Result<(Range<usize>, Place)> {
    let text = call.arguments_text();
    let at = text.rfind(DEVICE.name).filter(|&at| text[..at].ends_with(char::is_whitespace));
    let Some(at) = at else { return Ok((call.arguments.clone(), workspace.device.place())) };
    let rest = &text[at + DEVICE.name.len()..];
    let name = rest.trim_start_matches(|c: char| c.is_whitespace() || c == '=');
    let from = call.arguments.end - name.len();
    if name.is_empty() || name.contains(char::is_whitespace) || name.len() == rest.len() {
        let error = Diagnostic::error("option-value", "`--device` takes a device, and stands at the end");
        return Err(error.at(call.arguments.start + at..call.arguments.end, "").help("`--device cuda:1`"));
    }
    let span = from..call.arguments.end;
    let (place, _) = parse(name, &span)?;
    workspace.ensure(place).map_err(|error| error.at(span, ""))?;
    Ok((call.arguments.start..call.arguments.start + text[..at].trim_end().len(), place))
}
