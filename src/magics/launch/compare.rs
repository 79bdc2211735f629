//! `%compare`: the same launch on several devices, from the same buffers, compared bit for bit.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::relaunch::Again;
use super::run::{Checks, Plan, launch_once, modelled, refuse_findings};
use super::snapshot::Snapshot;
use super::{arguments, contraction};
use crate::magics::settings::devices;
use crate::magics::{Call, Kind, Magic, OptionSpec, Spec};
use crate::render::plot::time_text;
use crate::render::{Output, table};
use crate::workspace::{Context, Workspace};
use warpbook_device::{Buffer, LaunchReport, Number};
use warpbook_diagnostic::{Diagnostic, Result};

/// `%compare [NAME][GRID](ARGUMENTS) --devices A,B`
pub struct CompareDevices;

const OPTIONS: &[OptionSpec] = &[
    OptionSpec { name: "--devices", value: "A,B", help: "the devices, such as cuda:0,emu" },
    OptionSpec { name: "--version", value: "N", help: "this version of the kernel rather than the newest" },
];

impl Magic for CompareDevices {
    fn spec(&self) -> &'static Spec {
        &Spec {
            name: "compare",
            kind: Kind::Line,
            summary: "launch a kernel on several devices and compare the results bit for bit",
            usage: "[NAME][GRID](ARGUMENTS) --devices cuda:0,emu",
            details: "Each device begins with what the buffers hold now; the buffers keep it. `emu` emulates the \
                      architecture of the GPU. Without arguments, the last launch is repeated.",
            options: OPTIONS,
        }
    }

    fn words(&self) -> Vec<String> {
        devices()
    }

    fn run(&self, call: &Call<'_>, workspace: &mut Workspace, context: Context<'_>) -> Result<Option<Output>> {
        let again = Again::find(call, OPTIONS, workspace)?;
        let missing = || {
            let error = Diagnostic::error("option-value", "`%compare` needs the devices").at(call.name.clone(), "");
            Box::new(error.help("`%compare matmul --devices cuda:0,emu`"))
        };
        let option = again.header.option("--devices").ok_or_else(missing)?;
        let names: Vec<&str> = option.value.as_deref().unwrap_or_default().split(',').map(str::trim).collect();
        if names.len() < 2 || names.iter().any(|name| name.is_empty()) {
            let error = Diagnostic::error("option-value", "two devices or more are compared");
            return Err(Box::new(error.at(option.value_span.clone(), "").help("`--devices cuda:0,emu`")));
        }
        workspace.revive()?;
        let before = Snapshot::take(workspace)?;
        let mut results: Vec<(String, Duration, Snapshot)> = Vec::new();
        let mut notes = Vec::new();
        for name in names {
            let located = |error: Box<Diagnostic>| match error.code {
                "unknown-device" | "no-gpu" => Box::new(error.at(option.value_span.clone(), "")),
                _ => error,
            };
            let result = on_device(name, &again, &before, Checks::default(), workspace, context).map_err(located);
            let result = result.map_err(|error| Box::new(error.note(format!("on {name}"))))?;
            let said = result.modelled.iter().chain(&result.contraction);
            notes.extend(said.map(|said| format!("{}: {said}", result.device)));
            results.push((result.device, result.elapsed, result.after));
        }
        Ok(Some(report(&again.name, &before, &results, &notes, workspace)))
    }
}

/// A launch on a device.
pub struct OnDevice {
    /// Its name.
    pub device: String,
    /// How long it took.
    pub elapsed: Duration,
    /// What the device says.
    pub report: LaunchReport,
    /// What the buffers held after it.
    pub after: Snapshot,
    /// That its arithmetic was not compared with hardware.
    pub modelled: Option<String>,
    /// Which pairs of multiplications and additions were contracted, where the emulator followed the machine code.
    pub contraction: Option<String>,
}

impl OnDevice {
    /// The device, with what the reader should know of its arithmetic.
    pub fn told(&self) -> String {
        match &self.modelled {
            Some(modelled) => format!("{} · {modelled}", self.device),
            None => self.device.clone(),
        }
    }
}

/// One launch on a device, and what the buffers hold after it. The workspace is as it was.
pub fn on_device(
    name: &str,
    again: &Again,
    before: &Snapshot,
    checks: Checks<'_>,
    workspace: &mut Workspace,
    context: Context<'_>,
) -> Result<OnDevice> {
    let launch = |workspace: &mut Workspace| {
        let Again { name, version, launch, .. } = again;
        let evaluated = arguments::of(launch, workspace)?;
        let text = again.text();
        let followed = match workspace.device.is_emulated() {
            true => contraction::followed(version, workspace, context)?,
            false => None,
        };
        let checks = Checks { contracted: followed.as_deref(), ..checks };
        let plan = Plan { checks, ..Plan::of(name, version, launch, &text, &evaluated) };
        let start = Instant::now();
        let launched = launch_once(&plan, workspace, context.cancel);
        let report = launched.map_err(|error| Box::new(plan.in_own_text(*error, workspace)))?;
        let elapsed = start.elapsed();
        refuse_findings(&plan, &report, workspace)?;
        let contraction = followed.as_ref().filter(|followed| followed.candidates > 0).map(|followed| followed.told());
        let after = Snapshot::take(workspace)?;
        let modelled = modelled(&*workspace.device);
        Ok(OnDevice { device: workspace.device_name(), elapsed, report, after, modelled, contraction })
    };
    let full = || Box::new(Diagnostic::error("out-of-memory", format!("{name} cannot hold the session's buffers")));
    let contents = |buffer: &str| before.contents(buffer).cloned();
    let is_current = name == workspace.device_name() || name == "cuda" && workspace.device_name() == "cuda:0";
    let result = if is_current && workspace.is_in_one_place() {
        let result = launch(workspace);
        before.restore(workspace, context)?;
        return result;
    } else if is_current {
        let homes = workspace.copy_here(contents).ok_or_else(full)?;
        let result = launch(workspace);
        workspace.copy_away(homes);
        result
    } else {
        let device = workspace.other_device(name)?;
        let (own, homes) = workspace.swap_device(device, contents).ok_or_else(full)?;
        let result = launch(workspace);
        workspace.swap_back(own, homes);
        result
    };
    match result {
        // A GPU that was lost took the buffers that live there with it.
        Err(error) if !workspace.lost_places().is_empty() => {
            Err(Box::new(error.note(before.restore(workspace, context)?)))
        }
        result => result,
    }
}

fn report(
    kernel: &str,
    before: &Snapshot,
    results: &[(String, Duration, Snapshot)],
    notes: &[String],
    workspace: &Workspace,
) -> Output {
    let mut rows = vec![vec!["buffer".to_owned(), "devices".to_owned(), "difference".to_owned()]];
    let mut all_same = true;
    let Some(((first, _, reference), others)) = results.split_first() else { return Output::text("") };
    for buffer in workspace.buffers.iter() {
        let unchanged = results.iter().all(|(.., after)| after.contents(&buffer.name) == before.contents(&buffer.name));
        let Some(expected) = reference.contents(&buffer.name).filter(|_| !unchanged) else { continue };
        for (name, _, after) in others {
            let Some(found) = after.contents(&buffer.name) else { continue };
            let difference = difference(buffer, expected, found);
            all_same &= difference.is_none();
            rows.push(vec![
                format!("{}  {} {:?}", buffer.name, buffer.dtype, buffer.shape),
                format!("{first}, {name}"),
                difference.unwrap_or_else(|| format!("none: {} elements bit-identical", buffer.numel())),
            ]);
        }
    }
    let verdict = match (rows.len(), all_same) {
        (1, _) => "the same on every device: no buffer holds anything else than before",
        (_, true) => "bit-identical on every device",
        (_, false) => "the devices disagree",
    };
    let times: Vec<String> =
        results.iter().map(|(name, elapsed, _)| format!("{name} {}", time_text(*elapsed))).collect();
    let (text, html) = table::both(&rows);
    let said = notes.iter().map(|note| format!("{note}\n")).collect::<String>();
    let text = format!("{kernel}: {verdict}\n{text}\n{said}launch with its preparation: {}", times.join(", "));
    let said = notes.iter().map(|note| format!("<div>{note}</div>")).collect::<String>();
    let html = format!(
        "<div><b>{kernel}: {verdict}</b>{html}{said}<div>launch with its preparation: {}</div></div>",
        times.join(", ")
    );
    Output::text(text).with_html(html)
}

/// How two contents of a buffer differ; `None` if they are the same bytes.
fn difference(buffer: &Buffer, expected: &Arc<[u8]>, found: &Arc<[u8]>) -> Option<String> {
    let size = buffer.dtype.size();
    let pairs = expected.chunks_exact(size).zip(found.chunks_exact(size)).enumerate();
    let (mut count, mut first, mut largest) = (0usize, None, 0.0f64);
    for (index, (a, b)) in pairs.filter(|(_, (a, b))| a != b) {
        count += 1;
        let (a, b) = (buffer.dtype.decode(a), buffer.dtype.decode(b));
        first.get_or_insert((index, a, b));
        let off = (a.to_f64() - b.to_f64()).abs();
        if off > largest || off.is_nan() {
            largest = off;
        }
    }
    let (index, a, b) = first?;
    let show = |number: Number| match number {
        Number::Int(value) => value.to_string(),
        Number::Float(value) => format!("{value:?}"),
    };
    let (numel, at) = (buffer.numel(), super::changes::index_of(index, &buffer.shape));
    let (a, b) = (show(a), show(b));
    Some(format!("{count} of {numel} elements, by up to {largest:e}; first at {at:?}: {a}, {b}"))
}
