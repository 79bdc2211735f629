//! Buffers that a launch takes and that do not live on its device: nothing moves by itself.

use std::ops::Range;

use crate::expression::{Expr, ExprKind, LaunchHeader};
use crate::workspace::Workspace;
use warpbook_device::Buffer;
use warpbook_diagnostic::{Diagnostic, Result};

/// Refuses the launch if one of its arguments lives on another device, with the command that helps.
pub fn refuse_other_devices(header: &LaunchHeader, workspace: &Workspace) -> Result<()> {
    let place = workspace.device.place();
    let named = buffers_in_header(header, workspace);
    let away: Vec<_> = named.iter().filter(|(buffer, _)| buffer.place != place).collect();
    let Some((first, span)) = away.first() else { return Ok(()) };
    let names: Vec<&str> = away.iter().map(|(buffer, _)| buffer.name.as_str()).collect();
    let lives = |buffer: &Buffer| format!("`{}` lives on {}", buffer.name, buffer.place);
    let message = format!("{}, and the launch is on {}", lives(first), workspace.device_name());
    let error = Diagnostic::error("elsewhere", message).at(span.clone(), "");
    let error = away[1..].iter().fold(error, |error, (buffer, _)| error.note(lives(buffer)));
    let error = error.help(format!("`%move {} {place}` takes {} there", names.join(" "), pronoun(names.len())));
    let home = first.place;
    Err(match named.iter().all(|(buffer, _)| buffer.place == home) {
        true => error
            .help(format!("`%launch NAME --on {home}` launches where they live, `%device {home} --keep` stays there")),
        false => error,
    })
}

fn pronoun(count: usize) -> &'static str {
    if count == 1 { "it" } else { "them" }
}

/// The buffers whose elements a launch gives to the kernel, each once, with the place where it is named first.
pub fn buffers_in_header<'a>(header: &LaunchHeader, workspace: &'a Workspace) -> Vec<(&'a Buffer, Range<usize>)> {
    let mut found = Vec::new();
    let arguments = header.args.iter().chain(header.keywords.iter().map(|keyword| &keyword.value));
    arguments.for_each(|argument| buffers(argument, workspace, &mut found));
    found
}

/// Those of one argument; `a.shape[0]` is a number.
fn buffers<'a>(argument: &Expr, workspace: &'a Workspace, found: &mut Vec<(&'a Buffer, Range<usize>)>) {
    argument.walk(&mut |inner| match &inner.kind {
        ExprKind::Name(name) => {
            if let Some(buffer) = workspace.buffers.get(name)
                && !found.iter().any(|(known, _)| known.name == buffer.name)
            {
                found.push((buffer, inner.span.clone()));
            }
            true
        }
        ExprKind::Attribute(_, what) => {
            matches!(what.as_str(), "T" | "t" | "transpose" | "view" | "reshape" | "data_ptr")
        }
        _ => true,
    });
}
