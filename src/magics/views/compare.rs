//! `%compare`: the same launch on several devices, from the same buffers, compared bit for bit.

use std::sync::Arc;
use std::time::Duration;

use crate::launch::changes::index_of;
use crate::launch::on_device::on_device;
use crate::launch::snapshot::Snapshot;
use crate::magics::cells::options::VERSION;
use crate::magics::cells::relaunch::{LAUNCH, find};
use crate::magics::declare::kinds::{Device, List, Placed};
use crate::magics::declare::{Argument, Typed};
use crate::magics::launch_report::{contraction_text, unverified_text};
use crate::magics::{Example, Kind, Magic, Needs, Spec};
use crate::render::plot::time_text;
use crate::render::{Block, Document, Output, Table};
use crate::workspace::{Context, Workspace};
use warpbook_device::{Buffer, Number};
use warpbook_diagnostic::{Diagnostic, Result};

/// `%compare [NAME][GRID](ARGUMENTS) --devices A,B`
pub struct CompareDevices;

const DEVICES: Argument<List<Device>> = Argument::required(
    "--devices",
    List::new("A,B", Device).between(2, usize::MAX),
    "the devices to compare, two or more with commas between them",
);

const SPEC: Spec = Spec {
    name: "compare",
    kind: Kind::Line,
    summary: "launch a kernel on several devices and compare the results bit for bit",
    arguments: &[&LAUNCH],
    options: &[&DEVICES, &VERSION],
    details: "Each device begins with what the buffers hold now; the buffers keep it. `emu` emulates the architecture of the \
              GPU. Without arguments, the last launch is repeated.",
    examples: &[Example {
        cell: "%compare scale --devices emu:sm_80,emu:sm_90",
        needs: Needs::Kernel,
        shows: "bit-identical",
    }],
};

impl Magic for CompareDevices {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn run(&self, typed: &Typed<'_>, workspace: &mut Workspace, context: Context<'_>) -> Result<Option<Output>> {
        let plan = find(typed, workspace)?;
        let devices = typed.required(&DEVICES)?;
        workspace.revive()?;
        let before = Snapshot::take(workspace)?;
        let mut results: Vec<(String, Duration, Snapshot)> = Vec::new();
        let mut notes = Vec::new();
        for Placed { value: device, span } in devices {
            let name = device.text.as_str();
            let located = |error: Diagnostic| match error.code {
                "unknown-device" | "no-gpu" => error.at(span.clone(), ""),
                _ => error,
            };
            let result = on_device(name, &plan, &before, workspace, context).map_err(located);
            let result = result.map_err(|error| error.note(format!("on {name}")))?;
            let unverified = result.arithmetic.unverified.map(unverified_text);
            let said = unverified.into_iter().chain(result.arithmetic.contraction.as_ref().map(contraction_text));
            notes.extend(said.map(|said| format!("{}: {said}", result.device)));
            results.push((result.device, result.elapsed, result.after));
        }
        Ok(Some(report(&plan.kernel, &before, &results, &notes, workspace)))
    }
}

fn report(
    kernel: &str,
    before: &Snapshot,
    results: &[(String, Duration, Snapshot)],
    notes: &[String],
    workspace: &Workspace,
) -> Output {
    let mut table = Table::from_titles(["buffer", "devices", "difference"]);
    let mut all_same = true;
    let Some(((first, _, reference), others)) = results.split_first() else { return Output::text("") };
    for buffer in workspace.buffers.iter() {
        let unchanged = results.iter().all(|(.., after)| after.contents(&buffer.name) == before.contents(&buffer.name));
        let Some(expected) = reference.contents(&buffer.name).filter(|_| !unchanged) else { continue };
        for (name, _, after) in others {
            let Some(found) = after.contents(&buffer.name) else { continue };
            let difference = difference(buffer, expected, found);
            all_same &= difference.is_none();
            table.push([
                format!("{}  {} {:?}", buffer.name, buffer.dtype, buffer.shape),
                format!("{first}, {name}"),
                difference.unwrap_or_else(|| format!("none: {} elements bit-identical", buffer.numel())),
            ]);
        }
    }
    let verdict = match (table.is_empty(), all_same) {
        (true, _) => "the same on every device: no buffer changed",
        (_, true) => "bit-identical on every device",
        (_, false) => "the devices disagree",
    };
    let times: Vec<String> =
        results.iter().map(|(name, elapsed, _)| format!("{name} {}", time_text(*elapsed))).collect();
    let mut document = Document::new(format!("{kernel}: {verdict}")).with(table);
    notes.iter().for_each(|note| document.line(note));
    document.push(Block::Aside(format!("launch with its preparation: {}", times.join(", ")).into()));
    document.output()
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
    let (numel, at) = (buffer.numel(), index_of(index, &buffer.shape));
    let (a, b) = (show(a), show(b));
    Some(format!("{count} of {numel} elements, by up to {largest:e}; first at {at:?}: {a}, {b}"))
}
