//! `%trace`: one element of a buffer, from the loads that it is made of to the lane that stores it.

mod tile;

use std::sync::Arc;

use serde_json::json;

use self::tile::InTile;
use crate::magics::declare::kinds::{Placed, Text};
use crate::magics::declare::{Argument, Typed};
use crate::magics::views::lane_values::Shown;
use crate::magics::views::observing::{self, Element};
use crate::magics::views::source_lines::Texts;
use crate::magics::views::subject::{KERNEL, Subject};
use crate::magics::{Example, Kind, Magic, Needs, Spec};
use crate::render::sequence::{Arrow, Sequence};
use crate::render::{Alternative, Column, Document, Fold, Output, Prose, Table, grouped};
use crate::workspace::{Context, Workspace};
use warpbook_compiler::{Artifact, Stage};
use warpbook_device::emulation::{LaneRegister, Observe, Observed, Origins, Passage, Span, Writer, Writers};
use warpbook_device::{Buffer, Dtype};
use warpbook_diagnostic::{Diagnostic, Result};
use warpbook_ptx::isa::{Class, Opcode};
use warpbook_ptx::register_types;

/// `%trace [KERNEL] c[3,5]`
pub struct TraceMagic;

/// Rows of the path.
const ROWS: usize = 22;

const ELEMENT: Argument<Text> = Argument::required(
    "ELEMENT",
    Text {
        claims: |text, _, workspace| text.contains('[') || workspace.buffers.get(text).is_some(),
        names: |workspace| workspace.buffers.names().map(|name| format!("{name}[")).collect(),
        ..Text::new("BUFFER[I,J]", "one element of a buffer, such as c[3,5]")
    },
    "the element of a buffer",
);

const SPEC: Spec = Spec {
    name: "trace",
    kind: Kind::Line,
    summary: "follow one element of a buffer back from its store, through registers, shared memory and tensor cores",
    arguments: &[&KERNEL, &ELEMENT],
    options: &[],
    details: "The kernel's last launch is repeated on the emulator, twice: to find the block, warp and lane that store the \
              element last, and to record that block. From the store the value is followed back, byte by byte, through \
              registers, shared memory (offset and bank), `ldmatrix`, `mma` and `wgmma` fragments, shuffles, `cp.async` and \
              TMA to the elements that were loaded. Addresses and guards are not followed. If the kernel has a TTGIR, its \
              layouts show which lane and register hold the element of the tile.",
    examples: &[
        Example { cell: "%trace scale c[0,5]", needs: Needs::Kernel, shows: "c[0,5]" },
        Example { cell: "%trace matmul c[3,5]", needs: Needs::Matmul, shows: "mma.sync" },
    ],
};

impl Magic for TraceMagic {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn run(&self, typed: &Typed<'_>, workspace: &mut Workspace, context: Context<'_>) -> Result<Option<Output>> {
        let call = typed.call;
        let Placed { span, .. } = typed.required(&ELEMENT)?;
        let subject = Subject::typed(typed, workspace)?;
        let element = observing::element(span, call, workspace)?;
        let plan = observing::last_launch(&subject, call, workspace)?;
        let observe = Observe::Writers(vec![element.span.clone()]);
        let (observed, _) = observing::launched(&plan, &observe, workspace, context)?;
        let Some(Observed::Writers(Writers { last: Some(writer), count, .. })) = observed else {
            let message = format!("the launch of `{}` does not write {}", plan.kernel, element.text);
            return Err(Diagnostic::error("never-written", message).at(span.clone(), ""));
        };
        let observe = Observe::Record { block: writer.block, warp: None };
        let (observed, device) = observing::launched(&plan, &observe, workspace, context)?;
        let Some(Observed::Record(record)) = observed else {
            return Err(Diagnostic::error("trace", "the emulator recorded nothing"));
        };
        let origins = record.origins(&writer);
        let lines = origins.passages.iter().map(|passage| &passage.line).chain([&writer.line]);
        let texts = Texts::new(&plan, workspace, lines);
        let ptx = plan.version.artifact(Stage::Ptx).and_then(Artifact::text).unwrap_or_default();
        let view = View {
            headline: format!("{} v{} · {device}", plan.kernel, plan.version.number),
            element: &element,
            writer: &writer,
            count,
            origins: &origins,
            texts: &texts,
            uses: register_types::infer(ptx),
            buffers: workspace.buffers.iter().cloned().collect(),
            tiles: tile::find_tiles(&plan, &element, &writer),
        };
        Ok(Some(view.output()))
    }
}

struct View<'a> {
    headline: String,
    element: &'a Element,
    writer: &'a Writer,
    count: u64,
    origins: &'a Origins,
    texts: &'a Texts,
    uses: std::collections::HashMap<String, register_types::Holds>,
    buffers: Vec<Buffer>,
    tiles: Vec<InTile>,
}

/// Where a step goes from and to: numbers of [`PLACES`].
const PLACES: [&str; 4] = ["global memory", "shared memory", "registers", "tensor cores"];

/// One step of the path: an instruction, or several of a kind.
struct Row {
    opcode: Arc<Opcode>,
    passages: Vec<usize>,
    times: u64,
    from: usize,
    to: usize,
}

/// `a[3, 0:64]`, or a box that holds the elements.
pub fn elements_text(buffer: &Buffer, ranges: &[(u64, u64)]) -> (String, u64) {
    let size = buffer.dtype.size().max(1) as u64;
    let (mut low, mut high, mut count) = (vec![usize::MAX; buffer.shape.len()], vec![0; buffer.shape.len()], 0);
    let width = buffer.shape.last().copied().unwrap_or(1).max(1) as u64;
    for &(from, to) in ranges {
        let (from, to) = (from / size, to.div_ceil(size));
        count += to - from;
        // Only the first and the last element of each row matter.
        let mut at = from;
        while at < to {
            let end = ((at / width + 1) * width).min(to);
            for flat in [at, end - 1] {
                for (axis, index) in
                    crate::launch::changes::index_of(flat as usize, &buffer.shape).into_iter().enumerate()
                {
                    low[axis] = low[axis].min(index);
                    high[axis] = high[axis].max(index);
                }
            }
            at = end;
        }
    }
    let volume: u64 = low.iter().zip(&high).map(|(low, high)| (high + 1).saturating_sub(*low) as u64).product();
    let index = low.iter().zip(&high).map(|(low, high)| match low == high {
        true => low.to_string(),
        false => format!("{low}:{}", high + 1),
    });
    let text = format!("{}[{}]", buffer.name, index.collect::<Vec<_>>().join(", "));
    (if volume == count { text } else { format!("within {text}") }, count)
}

impl View<'_> {
    fn buffer(&self, name: &str) -> Option<&Buffer> {
        self.buffers.iter().find(|buffer| buffer.name == name)
    }

    fn span_text(&self, span: &Span) -> String {
        match self.buffer(&span.buffer) {
            Some(buffer) => elements_text(buffer, &[(span.from, span.to)]).0,
            None => format!("{} + {}", span.buffer, span.from),
        }
    }

    fn source(&self, line: &warpbook_device::emulation::Line) -> String {
        let spot = self.texts.spot(line).filter(|_| !self.texts.is_ptx());
        spot.map(|spot| format!("{} {}", self.texts.title(), self.texts.name(&spot))).unwrap_or_default()
    }

    /// The steps, with steps of the same kind joined.
    fn rows(&self) -> Vec<Row> {
        let mut rows: Vec<Row> = Vec::new();
        for (number, passage) in self.origins.passages.iter().enumerate() {
            let opcode = passage.line.opcode.clone();
            let (from, to) = way(passage);
            let class = opcode.class();
            let source = self.source(&passage.line);
            let is_plain = from == 2 && to == 2;
            let joins = rows.last().is_some_and(|last| {
                let before = &self.origins.passages[last.passages[0]];
                let alike = match is_plain {
                    true => last.from == 2 && last.to == 2,
                    false => {
                        last.opcode == opcode || (last.from, last.to) == (from, to) && last.opcode.class() == class
                    }
                };
                // One buffer each.
                let buffer = |passage: &Passage| passage.at.global.as_ref().map(|span| span.buffer.clone());
                alike && self.source(&before.line) == source && buffer(before) == buffer(passage)
            });
            match rows.last_mut().filter(|_| joins) {
                Some(last) => {
                    last.passages.push(number);
                    last.times += passage.times;
                }
                None => rows.push(Row { opcode, passages: vec![number], times: passage.times, from, to }),
            }
        }
        rows
    }

    /// What the step nearest to the store does.
    fn description(&self, row: &Row) -> String {
        let Some(passage) = row.passages.last().and_then(|&number| self.origins.passages.get(number)) else {
            return String::new();
        };
        let at = &passage.at;
        let register = at.register.as_ref().map(|LaneRegister { name, index, ty, bytes, value }| {
            let shown = match Shown::from_register(name, *ty, &self.uses) {
                Shown::Register(register_types::Holds::Bits, bytes) => self.by_memory(name, bytes),
                known => known,
            };
            let part = match (ty.size(), bytes & 0xf) {
                (4, 0b0011) => ", low half",
                (4, 0b1100) => ", high half",
                _ => "",
            };
            let number = if passage.line.text.contains('{') { format!("[{index}]") } else { String::new() };
            let value = value.map(|bits| format!(" = {}", shown.text(bits))).unwrap_or_default();
            format!("{name}{number}{part}{value}")
        });
        let global = at.global.as_ref().map(|span| self.span_text(span));
        let shared = at.shared.map(|bytes| format!("shared {:#x} (bank {})", bytes.at, bytes.bank()));
        let parts: Vec<String> = match (row.from, row.to) {
            (2, _) if row.to != 2 => [register, shared, global].into_iter().flatten().collect(),
            _ => [global, shared, register].into_iter().flatten().collect(),
        };
        parts.join(" → ")
    }

    /// What a register holds that nothing computes with: elements of the buffer that it comes from or goes to.
    fn by_memory(&self, name: &str, bytes: u32) -> Shown {
        use register_types::Holds;
        let other = self.origins.passages.iter().find_map(|passage| {
            let is = passage.at.register.as_ref().is_some_and(|own| own.name == name);
            passage.at.global.as_ref().filter(|_| is).and_then(|span| self.buffer(&span.buffer))
        });
        let holds = match (other.map(|buffer| buffer.dtype), bytes) {
            (Some(Dtype::F32), 4) => Holds::F32,
            (Some(Dtype::F64), 8) => Holds::F64,
            (Some(Dtype::F16), 4) => Holds::F16x2,
            (Some(Dtype::F16), 2) => Holds::F16,
            (Some(Dtype::Bf16), 4) => Holds::Bf16x2,
            (Some(Dtype::Bf16), 2) => Holds::Bf16,
            (Some(dtype), _) if dtype.range().is_some_and(|(low, _)| low < 0) && dtype.size() as u32 == bytes => {
                Holds::Signed
            }
            _ => Holds::Bits,
        };
        Shown::Register(holds, bytes)
    }

    fn opcode(&self, row: &Row) -> String {
        let mut opcodes: Vec<&Opcode> = Vec::new();
        for &number in &row.passages {
            let opcode = &*self.origins.passages[number].line.opcode;
            if !opcodes.contains(&opcode) {
                opcodes.push(opcode);
            }
        }
        if row.from == 2 && row.to == 2 && opcodes.len() > 1 {
            let mut names: Vec<&str> = opcodes.iter().map(|opcode| opcode.name()).collect();
            names.dedup();
            let more = names.len().saturating_sub(4);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            return format!("{}{more}", names.into_iter().take(4).collect::<Vec<_>>().join(", "));
        }
        short(&row.opcode.to_string(), 44)
    }

    fn thread(&self, row: &Row) -> String {
        let Some(passage) = row.passages.last().and_then(|&number| self.origins.passages.get(number)) else {
            return String::new();
        };
        format!("warp {}, lane {}", passage.at.warp, passage.at.lane)
    }

    fn ptx_lines(&self, row: &Row) -> String {
        let lines = row.passages.iter().map(|&number| self.origins.passages[number].line.ptx);
        let (low, high) = lines.fold((u32::MAX, 0), |(low, high), line| (low.min(line), high.max(line)));
        if low == high { low.to_string() } else { format!("{low}–{high}") }
    }

    fn output(&self) -> Output {
        let shown = Shown::Element(self.element.dtype);
        let stored = self.origins.passages.iter().rev().find(|passage| passage.line.ptx == self.writer.line.ptx);
        let [x, y, z] = self.writer.block;
        let times = if self.count == 1 { "stored once" } else { "stored last" };
        let mut head = vec![
            format!("{}  {} · {}", self.element.text, self.element.dtype, self.headline),
            format!(
                "{times}, by block ({x}, {y}, {z}), warp {}, lane {} · PTX {} {}",
                self.writer.warp,
                self.writer.lane,
                self.writer.line.ptx,
                self.source(&self.writer.line)
            ),
            format!("  {}", short(&self.writer.line.text, 100)),
        ];
        if self.count > 1 {
            head.push(format!("  of {} writes to it", grouped(self.count)));
        }
        // A part of a register is the element.
        let value = stored.and_then(|passage| {
            let register = passage.at.register.as_ref()?;
            Some(register.value? >> (8 * register.bytes.trailing_zeros()))
        });
        if let Some(bits) = value.filter(|_| self.element.dtype.size() <= 8) {
            head[0] += &format!(" · {}", shown.text(bits));
        }
        for tile in &self.tiles {
            head.push(tile.text());
        }
        let mut made = Vec::new();
        for origin in &self.origins.origins {
            let (text, count) = match self.buffer(&origin.buffer) {
                Some(buffer) => elements_text(buffer, &origin.ranges),
                None => (origin.buffer.clone(), origin.ranges.len() as u64),
            };
            let elements = if count == 1 { "element" } else { "elements" };
            made.push(format!("{text}  {} {elements}", grouped(count)));
        }
        if made.is_empty() {
            made.push("nothing that was loaded: constants, indices and arguments".to_owned());
        }
        if self.origins.other_block {
            made.push("and another block's shared memory, where the search ends".to_owned());
        }
        if self.origins.cut {
            made.push("not all: the block is longer than what is recorded".to_owned());
        }
        let rows = self.rows();
        let left = rows.len().saturating_sub(ROWS);
        let (first, last) = if left > 0 { (ROWS / 2, ROWS / 2) } else { (rows.len(), 0) };
        let titles = ["instruction", "nearest to the store", "by", "PTX", self.texts.title()].map(Column::text);
        // The text of PTX is its own source.
        let columns = if self.texts.is_ptx() { 4 } else { 5 };
        let mut table = Table::new(std::iter::once(Column::number("times")).chain(titles.into_iter().take(columns)));
        let line = |row: &Row| {
            let source = row.passages.first().map(|&number| self.source(&self.origins.passages[number].line));
            let source = source.unwrap_or_default();
            let source = source.trim_start_matches(self.texts.title()).trim().to_owned();
            let cells = [
                grouped(row.times),
                self.opcode(row),
                self.description(row),
                self.thread(row),
                self.ptx_lines(row),
                source,
            ];
            cells.into_iter().take(columns + 1)
        };
        rows[..first].iter().for_each(|row| table.push(line(row)));
        if left > 0 {
            table.push([String::new(), format!("… {left} more …")]);
            rows[rows.len() - last..].iter().for_each(|row| table.push(line(row)));
        }
        let arrows = rows.iter().filter(|row| row.from != 2 || row.to != 2).map(|row| self.arrow(row));
        let sequence = Sequence {
            title: format!("{} of {}", self.element.text, self.headline),
            places: PLACES.map(str::to_owned).to_vec(),
            arrows: arrows.take(2 * ROWS).collect(),
        };
        let mut lines = head.into_iter();
        let mut document = Document::new(Prose::plain(lines.next().unwrap_or_default()));
        lines.for_each(|line| document.line(Prose::plain(line)));
        document.line(Prose::plain(format!("made of\n  {}", made.join("\n  "))));
        document.push(sequence);
        document.push(Alternative::new(table.text(), [Fold::new("every step").with(table).into()]));
        document.with_facts(self.facts()).output()
    }

    fn arrow(&self, row: &Row) -> Arrow {
        let times = if row.times > 1 { format!(" ×{}", grouped(row.times)) } else { String::new() };
        let source = row.passages.first().map(|&number| self.source(&self.origins.passages[number].line));
        let source =
            source.filter(|source| !source.is_empty()).map(|source| format!(" · {source}")).unwrap_or_default();
        Arrow {
            from: row.from,
            to: row.to,
            label: format!("{}{times}", self.opcode(row)),
            note: format!("{} · {} · PTX {}{source}", self.description(row), self.thread(row), self.ptx_lines(row)),
        }
    }

    fn facts(&self) -> serde_json::Value {
        json!({
            "element": self.element.text,
            "block": self.writer.block, "warp": self.writer.warp, "lane": self.writer.lane,
            "ptx_line": self.writer.line.ptx, "writes": self.count,
            "layouts": self.tiles.iter().map(InTile::facts).collect::<Vec<_>>(),
            "made_of": self.origins.origins.iter().map(|origin| json!({
                "buffer": origin.buffer, "bytes": origin.ranges,
            })).collect::<Vec<_>>(),
            "path": self.origins.passages.iter().map(|passage| json!({
                "ptx_line": passage.line.ptx, "opcode": passage.line.opcode.to_string(), "times": passage.times,
                "warps": passage.warps, "warp": passage.at.warp, "lane": passage.at.lane,
                "register": passage.at.register.as_ref().map(|register| &register.name),
                "shared": passage.at.shared.map(|bytes| bytes.at),
                "bank": passage.at.shared.map(|bytes| bytes.bank()),
                "global": passage.at.global.as_ref().map(|span| self.span_text(span)),
            })).collect::<Vec<_>>(),
        })
    }
}

/// Between which places an instruction moves the value.
fn way(passage: &Passage) -> (usize, usize) {
    let opcode = &passage.line.opcode;
    match (opcode.class(), &passage.at.global, &passage.at.shared) {
        (Class::Tensor, _, shared) => (if shared.is_some() { 1 } else { 2 }, 3),
        (Class::CopyAsync, ..) => (0, 1),
        (Class::Bulk, Some(_), _) if opcode.is_bulk_store() => (1, 0),
        (Class::Bulk, ..) => (0, 1),
        (Class::SharedStore, ..) => (2, 1),
        (Class::SharedLoad, ..) => (1, 2),
        (Class::GlobalStore, ..) => (2, 0),
        (Class::Atomic, Some(_), _) => (2, 0),
        (Class::Atomic, _, Some(_)) => (2, 1),
        (_, Some(_), _) if opcode.is_store() => (2, 0),
        (_, Some(_), _) => (0, 2),
        (_, _, Some(_)) if opcode.is_store() => (2, 1),
        (_, _, Some(_)) => (1, 2),
        _ => (2, 2),
    }
}

fn short(text: &str, most: usize) -> String {
    let text = text.trim_end_matches(';');
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most - 1).chain(['…']).collect()
}
