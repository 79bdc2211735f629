//! `%diff A B --values`: both versions on the same inputs, the first element that differs, and the first instruction on
//! the way to it that came to another value.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::json;

use crate::launch::on_device::on_device;
use crate::launch::plan::LaunchPlan;
use crate::launch::snapshot::Snapshot;
use crate::magics::Call;
use crate::magics::launch_report::device_text;
use crate::magics::views::lane_values::Shown;
use crate::magics::views::observing;
use crate::magics::views::source_lines::Texts;
use crate::magics::views::subject::Subject;
use crate::magics::views::trace::elements_text;
use crate::render::{Block, Column, Document, Output, Table, grouped};
use crate::workspace::{Context, Workspace};
use warpbook_compiler::{Artifact, Stage};
use warpbook_device::emulation::{Difference, Line, Observe, Observed, Record, Span, Writer, Writers};
use warpbook_device::{Buffer, Dtype};
use warpbook_diagnostic::{Diagnostic, Result};
use warpbook_gpu::u64_from_le;
use warpbook_ir::difference::{self, Line as Compared};
use warpbook_ptx::lines;
use warpbook_ptx::register_types::{self, Holds};

/// Most ranges of differing elements in which the first store is searched.
const MOST_SPANS: usize = 1 << 16;
/// Instructions that only one version has that are listed.
const MOST_LISTED: usize = 6;

/// A buffer whose contents differ.
struct Differing {
    buffer: Buffer,
    elements: u64,
    spans: Vec<Span>,
    largest: f64,
    contents: [Arc<[u8]>; 2],
}

/// The comparison of two versions' values.
pub fn compare_values(
    old: &Subject,
    new: &Subject,
    call: &Call<'_>,
    workspace: &mut Workspace,
    context: Context<'_>,
) -> Result<Output> {
    let plans = [observing::last_launch(old, call, workspace)?, observing::last_launch(new, call, workspace)?];
    workspace.revive()?;
    let before = Snapshot::take(workspace)?;
    let device = if workspace.device.is_emulated() { workspace.device_name() } else { "emu".to_owned() };
    let mut run = |plan: &LaunchPlan| {
        let result = on_device(&device, plan, &before, workspace, context);
        result.map_err(|error| error.note(format!("of `{}` v{}", plan.kernel, plan.version.number)))
    };
    let (first, second) = (run(&plans[0])?, run(&plans[1])?);
    let name = |plan: &LaunchPlan| format!("{} v{}", plan.kernel, plan.version.number);
    let headline =
        format!("{} → {} · values on the same inputs · {}", name(&plans[0]), name(&plans[1]), device_text(&first));
    let differing: Vec<Differing> = workspace
        .buffers
        .iter()
        .filter_map(|buffer| {
            differing(buffer, first.after.contents(&buffer.name)?, second.after.contents(&buffer.name)?)
        })
        .collect();
    if differing.is_empty() {
        let all: Vec<&str> = workspace.buffers.iter().map(|buffer| buffer.name.as_str()).collect();
        let written = format!("every buffer ({})", all.join(", "));
        let mut document = Document::new(headline).with_facts(json!({"identical": true}));
        document.line(format!("bit-identical: {written}"));
        return Ok(document.output());
    }
    let spans: Vec<Span> = differing.iter().flat_map(|one| one.spans.iter().cloned()).take(MOST_SPANS).collect();
    let writers = |plan: &LaunchPlan, spans: Vec<Span>, workspace: &mut Workspace| -> Result<Writers> {
        match observing::launched(plan, &Observe::Writers(spans), workspace, context)?.0 {
            Some(Observed::Writers(writers)) => Ok(writers),
            _ => Ok(Writers::default()),
        }
    };
    let mut view = View { headline, plans: &plans, differing: &differing, found: None, own: Vec::new(), reason: None };
    let Some(writer) = writers(&plans[0], spans, workspace)?.first else {
        view.reason = Some(format!("{} does not write the elements that differ", name(&plans[0])));
        return Ok(view.output(None, workspace));
    };
    // One element of what was stored.
    let size = differing
        .iter()
        .find(|one| one.buffer.name == writer.span.buffer)
        .map_or(1, |one| one.buffer.dtype.size() as u64);
    let from = writer.span.from / size * size;
    let span = Span { from, to: from + size, ..writer.span.clone() };
    // The last write of that element is the one that differs.
    let last = |plan: &LaunchPlan, workspace: &mut Workspace| {
        Ok::<_, Diagnostic>(writers(plan, vec![span.clone()], workspace)?.last)
    };
    let (writer, other) = (last(&plans[0], workspace)?.unwrap_or(writer), last(&plans[1], workspace)?);
    let Some(other) = other else {
        view.reason = Some(format!("{} does not write this element", name(&plans[1])));
        return Ok(view.output(Some(&writer), workspace));
    };
    if other.block != writer.block {
        view.reason =
            Some(format!("in {} another block writes it: the instructions are not compared", name(&plans[1])));
        return Ok(view.output(Some(&writer), workspace));
    }
    let record = |plan: &LaunchPlan, workspace: &mut Workspace| -> Result<Box<Record>> {
        match observing::launched(plan, &Observe::Record { block: writer.block, warp: None }, workspace, context)?.0 {
            Some(Observed::Record(record)) => Ok(record),
            _ => Err(Diagnostic::error("values", "the emulator recorded nothing")),
        }
    };
    let records = (record(&plans[0], workspace)?, record(&plans[1], workspace)?);
    let ptx =
        [0, 1].map(|index| plans[index].version.artifact(Stage::Ptx).and_then(Artifact::text).unwrap_or_default());
    let compared = records.0.compare(&records.1, &writer, &pairs(ptx[0], ptx[1]));
    if compared.first.is_none() {
        view.reason = Some(match compared.own.is_empty() {
            true => {
                "the instructions on the way to it left the same values: the difference is in an address or a guard"
                    .to_owned()
            }
            false => format!(
                "the instructions that both have on the way to it ({} executions) left the same values; only {} has: {}",
                grouped(compared.common),
                name(&plans[0]),
                listed(&compared.own)
            ),
        });
    }
    view.found = compared.first;
    view.own = compared.own;
    Ok(view.output(Some(&writer), workspace))
}

fn differing(buffer: &Buffer, first: &Arc<[u8]>, second: &Arc<[u8]>) -> Option<Differing> {
    if first == second {
        return None;
    }
    let size = buffer.dtype.size();
    let pairs = first.chunks_exact(size).zip(second.chunks_exact(size)).enumerate();
    let (mut elements, mut spans, mut largest) = (0, Vec::<Span>::new(), 0.0f64);
    for (index, (a, b)) in pairs.filter(|(_, (a, b))| a != b) {
        elements += 1;
        let off = (buffer.dtype.decode(a).to_f64() - buffer.dtype.decode(b).to_f64()).abs();
        if off > largest {
            largest = off;
        }
        let (from, to) = ((index * size) as u64, ((index + 1) * size) as u64);
        match spans.last_mut() {
            Some(last) if last.to == from => last.to = to,
            _ => spans.push(Span { buffer: buffer.name.clone(), from, to }),
        }
    }
    let contents = [first.clone(), second.clone()];
    (elements > 0).then(|| Differing { buffer: buffer.clone(), elements, spans, largest, contents })
}

/// Lines of two PTXs that hold the same instruction, from the first to the second; also those of one opcode that stand
/// for one another.
fn pairs(old: &str, new: &str) -> HashMap<u32, u32> {
    let instructions = |text: &str| -> Vec<(u32, String)> {
        let lines = text.lines().zip(1u32..).filter(|(line, _)| lines::is_instruction(line.trim()));
        lines.map(|(line, number)| (number, line.trim().to_owned())).collect()
    };
    let (old, new) = (instructions(old), instructions(new));
    let joined = |lines: &[(u32, String)]| lines.iter().map(|(_, line)| line.as_str()).collect::<Vec<_>>().join("\n");
    let (old_text, new_text) = (joined(&old), joined(&new));
    let mut found = HashMap::new();
    let (mut a, mut b) = (0, 0);
    let (mut removed, mut added): (Vec<usize>, Vec<usize>) = (Vec::new(), Vec::new());
    let mut settle = |removed: &mut Vec<usize>, added: &mut Vec<usize>| {
        let mut rest = added.drain(..).peekable();
        for own in removed.drain(..) {
            let Some(&other) = rest.peek() else { continue };
            let same = old
                .get(own)
                .zip(new.get(other))
                .filter(|((_, one), (_, two))| lines::opcode(one) == lines::opcode(two));
            if let Some(((from, _), (to, _))) = same {
                found.insert(*from, *to);
                rest.next();
            }
        }
    };
    let mut same = Vec::new();
    for line in difference::compare(&old_text, &new_text) {
        match line {
            Compared::Same(_) => {
                settle(&mut removed, &mut added);
                same.push((a, b));
                (a, b) = (a + 1, b + 1);
            }
            Compared::Removed(..) => {
                removed.push(a);
                a += 1;
            }
            Compared::Added(..) => {
                added.push(b);
                b += 1;
            }
        }
    }
    settle(&mut removed, &mut added);
    found.extend(same.into_iter().filter_map(|(a, b)| Some((old.get(a)?.0, new.get(b)?.0))));
    found
}

struct View<'a> {
    headline: String,
    plans: &'a [LaunchPlan; 2],
    differing: &'a [Differing],
    found: Option<Difference>,
    /// Instructions on the way that only the first version has.
    own: Vec<Line>,
    /// Why the first difference was not found.
    reason: Option<String>,
}

impl View<'_> {
    fn output(&self, writer: Option<&Writer>, workspace: &Workspace) -> Output {
        let shown_lines: Vec<&Line> =
            writer.iter().map(|writer| &writer.line).chain(self.found.iter().flat_map(|found| &found.lines)).collect();
        let texts = [0, 1].map(|index| Texts::new(&self.plans[index], workspace, shown_lines.iter().copied()));
        let written = writer.and_then(|writer| {
            Some((writer, self.differing.iter().find(|one| one.buffer.name == writer.span.buffer)?))
        });
        let mut lines = Vec::new();
        let mut element = serde_json::Value::Null;
        if let Some((writer, buffer)) = written {
            let (line, facts) = first_stored(writer, buffer, &texts[0]);
            lines.push(line);
            element = facts;
        }
        lines.extend(self.reason.clone());
        if let Some(found) = &self.found {
            lines.extend(self.first_value(found, written.map(|(_, buffer)| buffer.buffer.dtype), &texts));
        }
        let first = self.found.as_ref().map(|found| {
            json!({
                "ptx_lines": [found.lines[0].ptx, found.lines[1].ptx], "registers": found.registers, "bits": found.values,
                "warp": found.warp, "lane": found.lane, "lanes": found.lanes, "time": found.time,
            })
        });
        let buffers = self.differing.iter().map(|one| (one.buffer.name.clone(), json!(one.elements)));
        let document = Document::new(&self.headline).with(self.table()).with(Block::Verbatim(lines.join("\n")));
        let facts = json!({
            "identical": false, "first_stored": element, "first": first,
            "differing": buffers.collect::<serde_json::Map<_, _>>(),
        });
        document.with_facts(facts).output()
    }

    /// The buffers that differ, a row each.
    fn table(&self) -> Table {
        let [differ, by] = ["elements that differ", "by up to"].map(|title| Column::number(title).left_in_text());
        let mut table = Table::new([Column::text("buffer"), differ, by, Column::text("first")]);
        for one in self.differing {
            let first = one
                .spans
                .first()
                .map(|span| elements_text(&one.buffer, &[(span.from, span.from + one.buffer.dtype.size() as u64)]).0);
            table.push([
                format!("{}  {} {:?}", one.buffer.name, one.buffer.dtype, one.buffer.shape),
                format!("{} of {}", grouped(one.elements), grouped(one.buffer.numel() as u64)),
                format!("{:e}", one.largest),
                first.unwrap_or_default(),
            ]);
        }
        table
    }

    /// Where the first value that differs came to be, with its operands, in both versions. `dtype` is the type of the
    /// element that it is on the way to.
    fn first_value(&self, found: &Difference, dtype: Option<Dtype>, texts: &[Texts; 2]) -> Vec<String> {
        let mut lines = Vec::new();
        if !self.own.is_empty() {
            let name = format!("{} v{}", self.plans[0].kernel, self.plans[0].version.number);
            lines.push(format!("before it, on the way, only {name} has: {}", listed(&self.own)));
        }
        let lanes = if found.lanes > 1 { format!(" (and {} more lanes)", found.lanes - 1) } else { String::new() };
        let time = if found.time == 0 { "first time".to_owned() } else { format!("time {}", found.time + 1) };
        lines.push(format!(
            "the first value on the way to it that differs: warp {}, lane {}{lanes}, {time}",
            found.warp, found.lane
        ));
        for side in [0, 1] {
            let ptx = self.plans[side].version.artifact(Stage::Ptx).and_then(Artifact::text).unwrap_or_default();
            let uses = register_types::infer(ptx);
            let line = &found.lines[side];
            // What nothing computes with is most likely on its way to the element.
            let shown = match (Shown::from_register(&found.registers[side], found.ty, &uses), dtype) {
                (Shown::Register(Holds::Bits, bytes), Some(dtype)) if dtype.size() as u32 == bytes => {
                    Shown::Element(dtype)
                }
                (shown, _) => shown,
            };
            let operands = found.operands.iter().map(|pair| {
                let (name, ty, bits) = &pair[side];
                format!("{name} = {}", Shown::from_register(name, *ty, &uses).text(*bits))
            });
            let operands = operands.collect::<Vec<_>>().join(", ");
            let from = if operands.is_empty() { String::new() } else { format!("  of {operands}") };
            lines.push(format!(
                "  v{}  PTX {}{}  {}",
                self.plans[side].version.number,
                line.ptx,
                source(&texts[side], line),
                line.text.trim_end_matches(';')
            ));
            lines.push(format!("      {} = {}{from}", found.registers[side], shown.exact(found.values[side])));
        }
        lines
    }
}

/// The first element that was stored with another value: a line for the reader, and the facts.
fn first_stored(writer: &Writer, written: &Differing, texts: &Texts) -> (String, serde_json::Value) {
    let size = written.buffer.dtype.size();
    let at = writer.span.from as usize / size * size;
    let name = elements_text(&written.buffer, &[(at as u64, (at + size) as u64)]).0;
    let values = written.contents.each_ref().map(|bytes| {
        let bits = u64_from_le(bytes.get(at..at + size).unwrap_or_default());
        Shown::Element(written.buffer.dtype).exact(bits)
    });
    let [x, y, z] = writer.block;
    let line = format!(
        "the first that is stored: {name} = {} and {}, by block ({x}, {y}, {z}), warp {}, lane {} · PTX {}{}",
        values[0],
        values[1],
        writer.warp,
        writer.lane,
        writer.line.ptx,
        source(texts, &writer.line)
    );
    let facts = json!({
        "element": name, "values": values, "block": writer.block, "warp": writer.warp, "lane": writer.lane,
        "ptx_line": writer.line.ptx,
    });
    (line, facts)
}

/// `PTX 775 (wgmma.wait_group.sync.aligned)`
fn listed(lines: &[Line]) -> String {
    let listed: Vec<String> =
        lines.iter().take(MOST_LISTED).map(|line| format!("{} ({})", line.ptx, line.opcode)).collect();
    let more = lines.len().saturating_sub(MOST_LISTED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("PTX {}{more}", listed.join(", "))
}

fn source(texts: &Texts, line: &Line) -> String {
    let spot = texts.spot(line).filter(|_| !texts.is_ptx());
    spot.map(|spot| format!(" {} {}", texts.title(), texts.name(&spot))).unwrap_or_default()
}
