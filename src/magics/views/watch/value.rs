//! `%watch` of a value of the TTGIR, or of a variable of the Python: which registers of the PTX hold it, lane by lane.
//!
//! The layout says which lane holds which elements, and not in which register of the PTX. That is found by the values:
//! the launch is recorded, and a register holds a part of the value where all 32 lanes have the elements that the layout
//! gives them. Of several the first one is told that an instruction of the value's own line of Python wrote.

use std::collections::HashMap;
use std::ops::Range;

use serde_json::json;

use crate::magics::declare::Typed;
use crate::magics::views::dump::{self, Value};
use crate::magics::views::lane_values::{Shown, lanes_text};
use crate::magics::views::observing;
use crate::magics::views::subject::Subject;
use crate::render::{Column, Cut, Document, Output, Prose, Table};
use crate::workspace::{Context, Workspace};
use warpbook_compiler::{Artifact, Stage};
use warpbook_device::Dtype;
use warpbook_device::emulation::{Line, Observe, Observed};
use warpbook_diagnostic::{Diagnostic, Result};
use warpbook_gpu::u64_from_le;
use warpbook_ir::layout::{Encoding, Layout, Place, aliases};
use warpbook_ir::places::{self, Place as SourcePlace};
use warpbook_ptx::register_types::Holds;

/// Rows of the text, and of the table.
const IN_TEXT: usize = 12;
const DRAWN: usize = 64;
/// Most lanes that the text lists for one part.
const LANES: usize = 6;
/// Instructions of a warp that are looked through.
const MOST_STEPS: usize = 1 << 18;
/// Elements of a value with all its iterations.
const LARGEST: usize = 1 << 22;

/// Where a register of the layout is held.
#[derive(Clone, Debug)]
struct Holder {
    /// `%r561`
    register: String,
    /// Its part, counted in elements from the lowest bits.
    part: u32,
    /// Number of parts that the value has.
    parts: u32,
    line: Line,
    /// True if the value's own line of Python wrote it.
    own: bool,
}

/// Which register of the layout, and in which of the iterations.
type Key = (usize, usize);

/// Where in the launch a value is looked for, and the lanes that are shown.
pub struct InLaunch {
    /// Which block of the grid.
    pub block: [u32; 3],
    /// Which warp of the block.
    pub warp: u32,
    /// Where the cell names the warp, if it does.
    pub warp_span: Option<Range<usize>>,
    /// The lanes that are shown.
    pub lanes: Vec<u32>,
}

/// The view of a TTGIR value in the registers of one warp, step by step.
pub fn watch_value(
    subject: &Subject,
    span: &Range<usize>,
    place: &InLaunch,
    typed: &Typed<'_>,
    workspace: &mut Workspace,
    context: Context<'_>,
) -> Result<Output> {
    let call = typed.call;
    let cell = &call.cell.text;
    let InLaunch { block, warp, ref lanes, .. } = *place;
    let plan = observing::last_launch(subject, call, workspace)?;
    let warps = plan.version.meta.threads.value.div_ceil(32);
    if warp >= warps {
        return Err(observing::no_such_warp(warp, warps, place.warp_span.clone()));
    }
    let extents = plan.version.meta.cluster.value;
    let program = std::array::from_fn(|axis| block[axis] / extents[axis].max(1));
    let value = dump::value(subject, span, program, call, workspace, context)?;
    let refuse = |message: String| Diagnostic::error("not-in-registers", message).at(span.clone(), "");
    let layout = layout(&value).map_err(refuse)?;
    let expected = expected(&value, &layout, warp);
    let observe = Observe::Record { block, warp: Some(warp) };
    let (observed, device) = observing::launched(&plan, &observe, workspace, context)?;
    let Some(Observed::Record(record)) = observed else { return Err(observing::no_such_block(typed, block)) };
    let (steps, _) = record.steps(warp, MOST_STEPS, |_, _| true);
    let own = own_places(subject, &value);
    let mut found: HashMap<Key, Holder> = HashMap::new();
    let (width, mask) = width(value.contents.dtype);
    for step in steps.iter().filter(|step| step.active == u32::MAX) {
        let is_own = step.line.places.iter().any(|place| {
            let file = place.path.rsplit('/').next().unwrap_or(&place.path);
            own.iter().any(|own| own.line == place.line && own.file.rsplit('/').next() == Some(file))
        });
        for change in &step.changes {
            // A truth value is a predicate, or all of a register.
            let parts = if width == 1 { 1 } else { (8 * change.ty.size()).min(64) / width };
            for part in 0..parts {
                let values = change.values.iter().map(|value| value >> (width * part) & mask).collect::<Vec<_>>();
                // What is the same in every lane may be anything.
                let is_telling = is_own || values.iter().any(|value| *value != values[0]);
                for key in expected.get(&values).filter(|_| is_telling).into_iter().flatten() {
                    let is_better = found.get(key).is_none_or(|known| is_own && !known.own);
                    if is_better {
                        let (register, line) = (change.register.clone(), step.line.clone());
                        found.insert(*key, Holder { register, part, parts, line, own: is_own });
                    }
                }
            }
        }
    }
    let [x, y, z] = block;
    let document = document(
        &format!("{} v{} · {device} · block ({x}, {y}, {z}), warp {warp}", plan.kernel, plan.version.number),
        &cell[span.clone()],
        &value,
        &layout,
        warp,
        lanes,
        &found,
    )
    .ok_or_else(|| {
        let message =
            format!("no register of the PTX holds a part of `{}`, as far as its values show", &cell[span.clone()]);
        let error = refuse(message).note(format!("its type: {}", described(&value)));
        let error =
            error.note("the compiler folded it into its uses, or it is the same in every lane, or it is kept in parts");
        error.help("`%dump` shows its elements")
    })?;
    Ok(document.output())
}

/// `64×64×f32 #mma`
fn described(value: &Value) -> String {
    let extents = value.ty.shape.iter().flatten().map(|extent| format!("{extent}×")).collect::<String>();
    // By its name in the text, where it has one.
    let known = aliases(&value.text);
    let alias = known.iter().find(|(_, attribute)| **attribute == value.ty.layout).map(|(name, _)| *name);
    format!("{extents}{} {}", value.ty.element, alias.unwrap_or(&value.ty.layout))
}

/// The layout, or why there is none.
fn layout(value: &Value) -> std::result::Result<Layout, String> {
    let name = &value.definition.name;
    let Some(shape) = &value.ty.shape else {
        return Err(format!(
            "`{name}` is a scalar: every lane has the same value, so it does not show which register holds it"
        ));
    };
    if value.ty.memory.is_some() {
        return Err(format!("`{name}` lies in shared memory, not in registers: `%layout {name}` shows where"));
    }
    if value.contents.bytes.len() / value.contents.dtype.size().max(1) > LARGEST {
        return Err(format!("`{name}` has more than {LARGEST} elements with all its iterations"));
    }
    let shape: Vec<u32> = shape.iter().map(|&extent| u32::try_from(extent).unwrap_or(u32::MAX)).collect();
    let encoding = Encoding::parse(&value.ty.layout, &aliases(&value.text));
    let layout = encoding.and_then(|encoding| encoding.layout(&shape)).and_then(Layout::small);
    layout.map_err(|error| format!("the layout of `{name}` is not computed: {}", error.0))
}

/// Bits of an element, and the mask of what is compared of a register's.
fn width(dtype: Dtype) -> (u32, u64) {
    match 8 * dtype.size() as u32 {
        8 if dtype == Dtype::I1 => (1, u64::MAX),
        width @ 0..64 => (width, (1 << width) - 1),
        width => (width, u64::MAX),
    }
}

/// The place of a register of the layout in a lane of a warp; lanes and warps beyond the layout's hold copies.
fn place(layout: &Layout, warp: u32, lane: u32, register: usize) -> Place {
    let places = layout.places();
    Place { block: 0, warp: warp % places.warp.max(1), lane: lane % places.lane.max(1), register: register as u32 }
}

/// What the 32 lanes of a warp have of a register of the layout, in one of the iterations: the bits of the elements.
fn lanes_of(value: &Value, layout: &Layout, warp: u32, (register, iteration): Key) -> Vec<u64> {
    let size = value.contents.dtype.size();
    let bits = |lane| {
        let at = layout.element(place(layout, warp, lane, register));
        let at = at.iter().zip(&layout.shape).fold(0, |flat, (&at, &extent)| flat * extent as usize + at as usize);
        let from = (iteration * elements(layout) + at) * size;
        let bytes = value.contents.bytes.get(from..from + size).unwrap_or_default();
        u64_from_le(bytes)
    };
    (0..32).map(bits).collect()
}

fn elements(layout: &Layout) -> usize {
    layout.shape.iter().map(|&extent| extent as usize).product()
}

fn iterations(value: &Value, layout: &Layout) -> usize {
    value.contents.shape.iter().product::<usize>() / elements(layout).max(1)
}

/// What the lanes of a warp have of each register of the layout, in each iteration.
fn expected(value: &Value, layout: &Layout, warp: u32) -> HashMap<Vec<u64>, Vec<Key>> {
    let mut expected: HashMap<Vec<u64>, Vec<Key>> = HashMap::new();
    for iteration in 0..iterations(value, layout) {
        for register in 0..layout.places().register as usize {
            let key = (register, iteration);
            expected.entry(lanes_of(value, layout, warp, key)).or_default().push(key);
        }
    }
    expected
}

/// The places of Python that the value comes from.
fn own_places(subject: &Subject, value: &Value) -> Vec<SourcePlace> {
    let Some(text) = subject.version.artifact(Stage::Ttgir).and_then(Artifact::text) else { return Vec::new() };
    let is_kept = |line: &str| !(line.starts_with("#loc") && line.contains("= loc("));
    let kept = text.lines().zip(places::read_mlir(text)).filter(|(line, _)| is_kept(line));
    kept.map(|(_, places)| places).nth(value.definition.line).unwrap_or_default()
}

/// The registers of the PTX that hold parts of the value; `None` where none was found.
fn document(
    headline: &str,
    word: &str,
    value: &Value,
    layout: &Layout,
    warp: u32,
    lanes: &[u32],
    found: &HashMap<Key, Holder>,
) -> Option<Document> {
    let (registers, iterations) = (layout.places().register as usize, iterations(value, layout));
    let is_pointer = value.ty.element.starts_with("!tt.ptr");
    let shown = if is_pointer { Shown::Register(Holds::Bits, 8) } else { Shown::Element(value.contents.dtype) };
    let active = lanes.iter().fold(0, |mask, lane| mask | 1 << lane);
    let iteration = (iterations > 1).then(|| Column::number("iteration").left_in_text());
    let columns = ["register", "element of lane 0", "PTX"].map(Column::text).into_iter();
    let columns = columns.chain([Column::number("after line").left_in_text()]).chain(iteration);
    let mut table = Table::new(columns.chain([Column::text("lanes")]));
    let mut facts = Vec::new();
    let mut missing = Vec::new();
    for register in 0..registers {
        let times: Vec<usize> = (0..iterations).filter(|&time| found.contains_key(&(register, time))).collect();
        let Some(holder) = times.first().and_then(|&time| found.get(&(register, time))) else {
            missing.push(register);
            continue;
        };
        for &time in &times {
            let Some(holder) = found.get(&(register, time)) else { continue };
            let values = lanes_of(value, layout, warp, (register, time));
            let first = layout.element(place(layout, warp, 0, register));
            let at = first.iter().map(u32::to_string).collect::<Vec<_>>().join(",");
            let part = match holder.parts {
                1 => String::new(),
                2 => [" (low half)", " (high half)"][holder.part.min(1) as usize].to_owned(),
                _ => format!(" (part {} of {})", holder.part, holder.parts),
            };
            let mut row = vec![
                format!("r{register}"),
                format!("[{at}]"),
                format!("{}{part}", holder.register),
                holder.line.ptx.to_string(),
            ];
            row.extend((iterations > 1).then(|| time.to_string()));
            row.push(lanes_text(&values, active, shown, LANES));
            table.push(row);
        }
        facts.push(json!({
            "register": register, "ptx": holder.register, "part": holder.part, "line": holder.line.ptx,
            "iterations": times,
        }));
    }
    if facts.is_empty() {
        return None;
    }
    let mut document = Document::new(Prose::plain(headline));
    document.line(Prose::plain(format!(
        "{word}  {} · {} of {registers} registers per lane found",
        described(value),
        facts.len()
    )));
    value.note.iter().for_each(|note| document.line(Prose::plain(note)));
    document.push(table.cut(Cut { text: IN_TEXT, html: DRAWN, what: "" }));
    if !missing.is_empty() {
        let names: Vec<String> = missing.iter().take(8).map(|register| format!("r{register}")).collect();
        let more = if missing.len() > 8 { ", …" } else { "" };
        document.line(format!(
            "in no register of the PTX as they are: {}{more} (folded into what uses them, or the same in every lane)",
            names.join(", ")
        ));
    }
    Some(document.with_facts(json!({"value": value.definition.name, "registers": facts, "missing": missing})))
}
