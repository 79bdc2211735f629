//! `%launch`: a kernel again, as it was launched last or with other arguments.

use std::sync::Arc;

use super::options::{self, LAUNCH_OPTIONS, VERSION};
use crate::launch::built;
use crate::launch::plan::LaunchPlan;
use crate::launch::report::Report;
use crate::launch::run::run;
use crate::magics::cells::edit::{kernel, numbered};
use crate::magics::declare::kinds::Launch;
use crate::magics::declare::{Argument, Typed};
use crate::magics::launch_report;
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
        let mut plan = find(typed, workspace)?;
        options::complete(&mut plan.version.meta, typed, None, plan.version.entered);
        place::on(typed, workspace, |workspace| {
            plan.how = options::how(typed)?;
            let launch = Some(run(&plan, workspace, context)?);
            // Nothing was compiled.
            plan.version.stages.truncate(1);
            let report = Report { launch, ..built::report(&plan.kernel, &plan.version) };
            Ok(Some(launch_report::output(&report)))
        })
    }
}

/// The launch that a call of `%launch`, or of a magic that is written like it, names.
pub fn find(typed: &Typed<'_>, workspace: &Workspace) -> Result<LaunchPlan> {
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
    Ok(LaunchPlan::new(name, version.clone(), launch))
}
