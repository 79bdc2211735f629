//! `%launch`: a kernel again, as it was launched last or with other arguments.

use std::sync::Arc;

use super::options::{self, LAUNCH_OPTIONS, TIMEOUT, VERSION};
use super::stages::report;
use crate::launch::again::Again;
use crate::launch::run::{Checks, Plan, run};
use crate::launch::{arguments, contraction};
use crate::magics::cells::edit::{kernel, numbered};
use crate::magics::declare::kinds::Launch;
use crate::magics::declare::{Argument, Typed};
use crate::magics::settings::place;
use crate::magics::{Example, Kind, Magic, Needs, Spec};
use crate::render::Output;
use crate::workspace::{Context, LaunchSpec, Workspace};
use warpbook_diagnostic::{Diagnostic, Result};

/// `%launch [KERNEL][GRID](ARGUMENTS)`
pub struct Relaunch;

/// The launch that `%launch`, and each magic that is written like it, takes.
pub const LAUNCH: Argument<Launch> = Argument::optional(
    "LAUNCH",
    Launch { versions: true, keywords: &[] },
    "a kernel, a grid and arguments; what is left out is as in the kernel's last launch",
);

const SPEC: Spec = Spec {
    name: "launch",
    kind: Kind::Line,
    summary: "launch a compiled kernel again",
    arguments: &[&LAUNCH],
    options: LAUNCH_OPTIONS,
    details: "Nothing is compiled: values that were specialised to constants stay as they were. With a name only (or nothing), \
              the last launch is repeated. `--on cuda:1` launches on another device than the current one, on buffers that \
              live there.",
    examples: &[
        Example { cell: "%launch scale", needs: Needs::Kernel, shows: "scale v1" },
        Example { cell: "%launch scale@1[1](b)", needs: Needs::Kernel, shows: "b" },
        Example { cell: "%launch scale --check --seed 3", needs: Needs::Kernel, shows: "check" },
    ],
};

impl Magic for Relaunch {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn run(&self, typed: &Typed<'_>, workspace: &mut Workspace, context: Context<'_>) -> Result<Option<Output>> {
        let Again { name, mut version, launch } = find(typed, workspace)?;
        options::complete(&mut version.meta, typed, None, version.entered);
        let again = Again { name: name.clone(), version: version.clone(), launch: launch.clone() };
        let text = again.text();
        place::on(typed, workspace, |workspace| {
            let evaluated = arguments::of(&launch, workspace)?;
            let followed = match workspace.device.is_emulated() {
                true => contraction::followed(&version, workspace, context)?,
                false => None,
            };
            let plan = Plan {
                text: &text,
                kernel: &name,
                version: &version,
                header: &launch.header,
                source: &launch.source,
                arguments: &evaluated,
                timing: options::timing(typed)?,
                timeout: typed.get(&TIMEOUT).copied(),
                checks: Checks { contracted: followed.as_deref(), ..options::checks(typed) },
            };
            let (lines, warnings) = run(&plan, workspace, context)?;
            workspace.kernels.launched(&name, launch);
            // Nothing was compiled.
            version.stages.truncate(1);
            Ok(Some(report(&name, &version, Some(lines), None, warnings).output()))
        })
    }
}

/// What a call of `%launch`, or of a magic that is written like it, names.
pub fn find(typed: &Typed<'_>, workspace: &Workspace) -> Result<Again> {
    let header = typed.get(&LAUNCH).cloned().unwrap_or_default();
    let named = header.name.as_ref().map(|(name, span)| (name.as_str(), span.clone()));
    let kernel = kernel(workspace, named, typed.call)?;
    let name = kernel.name.clone();
    let version = match (typed.get(&VERSION), &header.version) {
        (Some(number), _) => numbered(kernel, &number.to_string(), typed.place(&VERSION))?,
        (None, Some((number, span))) => numbered(kernel, number, span.clone())?,
        (None, None) => kernel.latest().ok_or_else(|| Diagnostic::error("unknown-version", "it has no version"))?,
    };
    let launch = match (header.has_call, kernel.launch.clone()) {
        (true, last) => {
            let mut own = header;
            // With new arguments and no grid, the last grid stays.
            if own.grid.is_none() {
                own.grid = last.and_then(|last| last.header.grid.clone());
            }
            LaunchSpec { source: typed.call.cell.clone(), header: Arc::new(own) }
        }
        (false, Some(last)) => last,
        (false, None) => {
            let message = format!("`{name}` was never launched, so its arguments are not known");
            let error = Diagnostic::error("never-launched", message).at(typed.place(&LAUNCH), "");
            return Err(error.help(format!("`%launch {name}[GRID](ARGUMENTS)`")));
        }
    };
    if launch.header.grid.is_none() {
        let error = Diagnostic::error("grid", "a launch needs a grid").at(launch.header.call_span.clone(), "");
        return Err(error.help(format!("`%launch {name}[GRID](ARGUMENTS)`")));
    }
    Ok(Again { name, version: version.clone(), launch })
}
