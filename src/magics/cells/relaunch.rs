//! `%launch`: a kernel again, as it was launched last or with other arguments.

use std::sync::Arc;

use super::options::{self, LAUNCH_OPTIONS, SWITCHES};
use super::stages::report;
use crate::expression::parse_launch;
use crate::launch::again::Again;
use crate::launch::run::{Checks, Plan, run};
use crate::launch::{arguments, contraction};
use crate::magics::options::check_options;
use crate::magics::settings::{devices, place};
use crate::magics::{Call, Kind, Magic, OptionSpec, Spec};
use crate::render::Output;
use crate::workspace::{Context, LaunchSpec, Workspace};
use warpbook_diagnostic::{Diagnostic, Result, code, nearest};

/// `%launch [NAME][GRID](ARGUMENTS)`
pub struct Relaunch;

impl Magic for Relaunch {
    fn spec(&self) -> &'static Spec {
        &Spec {
            name: "launch",
            kind: Kind::Line,
            summary: "launch a compiled kernel again",
            usage: "[NAME][GRID](ARGUMENTS) [--options]",
            details: "Nothing is compiled: values that were specialised to constants stay as they were. With a name only \
                      (or nothing), the last launch is repeated. `--on cuda:1` launches on another device than the \
                      current one, on buffers that live there.",
            options: LAUNCH_OPTIONS,
        }
    }

    fn words(&self) -> Vec<String> {
        devices()
    }

    fn run(&self, call: &Call<'_>, workspace: &mut Workspace, context: Context<'_>) -> Result<Option<Output>> {
        let again = find(call, LAUNCH_OPTIONS, workspace)?;
        let text = again.text();
        let Again { name, mut version, launch, header } = again;
        place::on(&header, workspace, |workspace| {
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
                timing: options::timing(&header)?,
                timeout: options::timeout(&header)?,
                checks: Checks { contracted: followed.as_deref(), ..options::checks(&header)? },
            };
            let (lines, warnings) = run(&plan, workspace, context)?;
            workspace.kernels.launched(&name, launch);
            // Nothing was compiled.
            version.stages.truncate(1);
            Ok(Some(report(&name, &version, Some(lines), None, warnings).output()))
        })
    }
}

/// What a call of `%launch`, or of a magic that is written like it, names. `known` are the magic's options.
pub fn find(call: &Call<'_>, known: &[OptionSpec], workspace: &Workspace) -> Result<Again> {
    let header = parse_launch(&call.cell.text, call.arguments.clone(), &SWITCHES)?;
    check_options(&header.options, known)?;
    let kernel = match &header.name {
        Some((name, span)) => workspace.kernels.get(name).ok_or_else(|| {
            let error =
                Diagnostic::error(code::UNKNOWN_KERNEL, format!("there is no kernel `{name}`")).at(span.clone(), "");
            match nearest(name, workspace.kernels.names()) {
                Some(near) => error.help(format!("did you mean `{near}`?")),
                None => error.help("a `%%triton`, `%%ttir`, … or `%%ptx` cell makes one"),
            }
        })?,
        None => workspace.kernels.last().ok_or_else(|| {
            let error = Diagnostic::error(code::UNKNOWN_KERNEL, "no kernel was compiled yet");
            error.at(call.name.clone(), "").help("a `%%triton` or `%%ptx` cell makes one")
        })?,
    };
    let name = kernel.name.clone();
    let version = match header.option("--version") {
        Some(option) => {
            let number = options::number(option, "the number of a version")?;
            kernel.version(number).ok_or_else(|| {
                let newest = kernel.latest().map_or(0, |version| version.number);
                let error = Diagnostic::error("unknown-version", format!("`{name}` has no version {number}"));
                error.at(option.value_span.clone(), "").note(format!("its newest is {newest}"))
            })?
        }
        None => kernel.latest().ok_or_else(|| Diagnostic::error("unknown-version", "it has no version"))?,
    };
    let mut version = version.clone();
    let launch = match (header.has_call, kernel.launch.clone()) {
        (true, last) => {
            let mut own = header.clone();
            // With new arguments and no grid, the last grid stays.
            if own.grid.is_none() {
                own.grid = last.and_then(|last| last.header.grid.clone());
            }
            LaunchSpec { source: call.cell.clone(), header: Arc::new(own) }
        }
        (false, Some(last)) => last,
        (false, None) => {
            let error = Diagnostic::error(
                "never-launched",
                format!("`{name}` was never launched, so its arguments are not known"),
            );
            return Err(error.at(call.arguments.clone(), "").help(format!("`%launch {name}[GRID](ARGUMENTS)`")));
        }
    };
    if launch.header.grid.is_none() {
        let error = Diagnostic::error("grid", "a launch needs a grid").at(launch.header.call_span.clone(), "");
        return Err(error.help(format!("`%launch {name}[GRID](ARGUMENTS)`")));
    }
    options::complete(&mut version.meta, &header, None, version.entered)?;
    Ok(Again { name, version, launch, header })
}
