//! Layouts as pictures: the tensor with its places, the hardware with its elements.

use std::collections::BTreeMap;

use serde_json::json;

use super::access::Access;
use super::source::{bracketed, by_x};
use crate::render::grid::{Cell, Grid, Mark};
use crate::render::{Block, Document, Fold, Prose};
use warpbook_ir::layout::{BANKS, Collision, Layout, Place, Placed, TensorMemory, bank};

/// Rows and columns of a tensor that are drawn.
const DRAWN: u32 = 32;
/// Registers of a lane that are drawn.
const REGISTERS: u32 = 32;
/// Lines of 128 bytes of shared memory that are drawn.
const LINES: u32 = 32;

/// The part of a tensor that is drawn: a matrix of the last two dimensions, or a vector in lines.
pub(super) struct Window {
    shape: Vec<u32>,
    leading: Vec<u32>,
    first: (u32, u32),
    /// Number of rows and columns that are drawn.
    pub size: (u32, u32),
    /// A note in the caption if a part is left out.
    pub cut: &'static str,
}

impl Window {
    /// Around an element, or at the beginning.
    pub fn new(shape: &[u32], around: Option<&[u32]>, columns: u32) -> Self {
        let at = |dimension: usize| around.and_then(|at| at.get(dimension)).copied().unwrap_or(0);
        let rank = shape.len();
        let rounded = |at: u32, size: u32| at / size.max(1) * size;
        if rank < 2 {
            let whole = shape.first().copied().unwrap_or(1);
            let width = whole.min(columns);
            let lines = (whole / width.max(1)).min(DRAWN);
            let first = rounded(at(0), width * lines);
            let cut = if width * lines < whole { " (a part)" } else { "" };
            return Self { shape: shape.to_vec(), leading: Vec::new(), first: (first, 0), size: (lines, width), cut };
        }
        let size = (shape[rank - 2].min(DRAWN), shape[rank - 1].min(columns));
        let first = (rounded(at(rank - 2), size.0), rounded(at(rank - 1), size.1));
        let leading: Vec<u32> = (0..rank - 2).map(at).collect();
        let whole = size == (shape[rank - 2], shape[rank - 1]) && shape[..rank - 2].iter().all(|&extent| extent == 1);
        Self { shape: shape.to_vec(), leading, first, size, cut: if whole { "" } else { " (a part)" } }
    }

    /// Coordinates of the element in a cell of the drawing.
    pub fn element(&self, row: u32, column: u32) -> Vec<u32> {
        if self.shape.len() < 2 {
            return vec![self.first.0 + row * self.size.1 + column];
        }
        let mut at = self.leading.clone();
        at.extend([self.first.0 + row, self.first.1 + column]);
        at
    }

    fn labels(&self) -> (Vec<String>, Vec<String>) {
        let (rows, columns) = self.size;
        let row = |row: u32| if self.shape.len() < 2 { self.first.0 + row * columns } else { self.first.0 + row };
        let names = |numbers: &mut dyn Iterator<Item = u32>| numbers.map(|number| number.to_string()).collect();
        (names(&mut (0..rows).map(row)), names(&mut (0..columns).map(|column| self.first.1 + column)))
    }

    /// The grid with a cell for each element.
    pub fn grid(&self, caption: String, mut cell: impl FnMut(&[u32]) -> Cell, chosen: Option<&[u32]>) -> Grid {
        let (rows, columns) = self.labels();
        let rows: Vec<(String, Vec<Cell>)> = (0..)
            .zip(rows)
            .map(|(row, label)| {
                let cells = (0..self.size.1).map(|column| {
                    let at = self.element(row, column);
                    let cell = cell(&at);
                    if chosen == Some(at.as_slice()) { cell.marked(Mark::Chosen) } else { cell }
                });
                (label, cells.collect())
            })
            .collect();
        Grid { caption, columns, rows }
    }
}

/// `T37:2`, with the block of a cluster where there are several.
pub(super) fn thread(place: Place, blocks: u32) -> String {
    let block = if blocks > 1 { format!("B{} ", place.block) } else { String::new() };
    format!("{block}T{}:{}", place.warp * 32 + place.lane, place.register)
}

/// The first place that holds each element.
pub(super) fn first_places(layout: &Layout) -> BTreeMap<Vec<u32>, Place> {
    let mut first = BTreeMap::new();
    for (place, at) in layout.elements() {
        first.entry(at).or_insert(place);
    }
    first
}

/// The thread and register that hold each element, as a grid; of a large tensor a part.
pub fn distributed_grid(what: &str, layout: &Layout, chosen: Option<&[u32]>) -> Grid {
    let window = Window::new(&layout.shape, chosen, DRAWN);
    let places = layout.places();
    let mut first: BTreeMap<Vec<u32>, Place> = BTreeMap::new();
    let inside = |at: &[u32]| {
        (0..window.shape.len().saturating_sub(2)).all(|dimension| at[dimension] == window.leading[dimension])
    };
    for (place, at) in layout.elements().filter(|(_, at)| inside(at)) {
        first.entry(at).or_insert(place);
    }
    let caption = format!("{what}{}: thread and register of each element", window.cut);
    let cell = |at: &[u32]| {
        let place = first.get(at).copied().unwrap_or_default();
        let region = place.block * places.warp + place.warp;
        Cell::in_lane(thread(place, places.block), place.lane, region)
    };
    window.grid(caption, cell, chosen)
}

/// The element in each register of the lanes of a warp.
fn hardware_grid(layout: &Layout, chosen: Option<&[u32]>) -> Grid {
    let Place { lane, register, .. } = layout.places();
    // The warp that holds what was asked for.
    let held = chosen.and_then(|at| layout.elements().find(|(_, element)| element == at)).map(|(place, _)| place);
    let Place { block, warp, .. } = held.unwrap_or_default();
    let from = held.map_or(0, |place| place.register / REGISTERS * REGISTERS);
    let shown = register.min(REGISTERS);
    let rows: Vec<(String, Vec<Cell>)> = (0..lane)
        .map(|lane| {
            let cell = |register| {
                let at = layout.element(Place { block, warp, lane, register });
                let text = at.iter().map(u32::to_string).collect::<Vec<_>>().join(",");
                let cell = Cell::in_lane(text, lane, 0);
                if chosen == Some(at.as_slice()) { cell.marked(Mark::Chosen) } else { cell }
            };
            (format!("T{}", warp * 32 + lane), (from..from + shown).map(cell).collect())
        })
        .collect();
    let columns: Vec<String> = (from..from + shown).map(|register| format!("r{register}")).collect();
    let cut = if register > shown { format!(" ({shown} of {register} registers)") } else { String::new() };
    let block = if layout.block.is_empty() { String::new() } else { format!("block {block}, ") };
    Grid { caption: format!("{block}warp {warp}{cut}: the element in each register"), columns, rows }
}

/// The part of the tensor that each warp holds.
fn warps_text(layout: &Layout) -> String {
    let places = layout.places();
    if places.warp * places.block == 1 || layout.shape.is_empty() {
        return String::new();
    }
    let mut lines = String::new();
    for block in 0..places.block {
        for warp in 0..places.warp {
            if block * places.warp + warp >= 16 {
                lines += &format!("\n… {} warps more", places.block * places.warp - 16);
                return lines;
            }
            let start = layout.element(Place { block, warp, ..Place::default() });
            let of_block = if places.block > 1 { format!("block {block}, ") } else { String::new() };
            lines += &format!("\n{of_block}warp {warp} begins at {}", bracketed(&start));
        }
    }
    lines
}

/// One line of the vectors for each part of the hardware.
fn vectors(layout: &Layout) -> String {
    let parts =
        [("register", &layout.register), ("lane", &layout.lane), ("warp", &layout.warp), ("block", &layout.block)];
    let shown = parts.iter().filter(|(name, bases)| *name != "block" || !bases.is_empty());
    shown.map(|(name, bases)| format!("\n{name} {bases:?}")).collect()
}

/// A document of the view: what it is about, the lines on it, and its pictures.
pub(super) fn document(head: &str, lines: impl Into<String>, pictures: impl IntoIterator<Item = Block>) -> Document {
    let mut document = Document::new(Prose::plain(head));
    document.line(Prose::plain(lines));
    document.extend(pictures);
    document
}

/// A layout of registers.
pub(super) fn distributed(head: &str, attribute: &str, layout: &Layout, chosen: Option<&[u32]>) -> Document {
    let Place { block, warp, lane, register } = layout.places();
    let held = match layout.holders() {
        0 | 1 => "each element once".to_owned(),
        count => format!("each element {count} times"),
    };
    let blocks = if block > 1 { format!("{block} blocks × ") } else { String::new() };
    let mut text = format!(
        "{attribute}\n{} elements over {blocks}{warp} warps × {lane} lanes × {register} registers, {held}{}",
        by_x(&layout.shape),
        vectors(layout)
    );
    if let Some(at) = chosen {
        let places = layout.elements().filter(|(_, element)| element == at).map(|(place, _)| thread(place, block));
        let places: Vec<String> = places.take(17).collect();
        let more = if places.len() > 16 { ", …" } else { "" };
        text += &format!("\n{} is in {}{more}", bracketed(at), places[..places.len().min(16)].join(", "));
    } else {
        text += &warps_text(layout);
    }
    let hardware = Fold::new("the hardware: what each lane holds").open(chosen.is_some());
    let pictures =
        [distributed_grid("the tensor", layout, chosen).into(), hardware.with(hardware_grid(layout, chosen)).into()];
    let facts = json!({
        "shape": layout.shape, "register": layout.register, "lane": layout.lane, "warp": layout.warp,
        "block": layout.block, "holders": layout.holders(),
    });
    document(head, text, pictures).with_facts(facts)
}

/// How many elements stand side by side in a word, and along which dimension.
fn word(placed: &Placed) -> (u32, usize) {
    let first = placed.layout.register.first();
    let along = first.and_then(|basis| basis.iter().position(|&coordinate| coordinate != 0));
    let last = placed.layout.shape.len().saturating_sub(1);
    ((4 / placed.element_bytes).max(1), along.unwrap_or(last))
}

/// The bank of each word of the tensor, and the words of the memory with the element that each begins with.
pub fn memory_grids(placed: &Placed, chosen: Option<&[u32]>, collision: Option<&Collision>) -> [Block; 2] {
    let shape = &placed.layout.shape;
    let (side_by_side, along) = word(placed);
    let last = shape.len() - 1;
    let collides =
        |at: &[u32]| collision.is_some_and(|found| found.elements.iter().any(|(_, other)| other.as_slice() == at));
    // Words are drawn where they lie along the rows; across them each element has its own cell.
    let step = if along == last { side_by_side.min(shape[last]) } else { 1 };
    let mut narrow = shape.clone();
    narrow[last] /= step;
    let narrowed = |at: &[u32]| {
        let mut at = at.to_vec();
        at[last] /= step;
        at
    };
    let window = Window::new(&narrow, chosen.map(narrowed).as_deref(), DRAWN);
    let (rows, _) = window.labels();
    let blocks = placed.layout.places().block;
    let rows: Vec<(String, Vec<Cell>)> = (0..)
        .zip(rows)
        .map(|(row, label)| {
            let cell = |column| {
                let mut at = window.element(row, column);
                at[last] *= step;
                let (block, byte) = placed.byte(&at).unwrap_or_default();
                let mut cell = Cell::in_bank(bank(byte).to_string(), bank(byte));
                cell.region = block;
                if blocks > 1 {
                    cell.text = format!("B{block}:{}", bank(byte));
                }
                let mine = |other: &[u32]| narrowed(other) == narrowed(&at);
                let bad = (0..step).any(|offset| {
                    let mut other = at.clone();
                    other[last] += offset;
                    collides(&other)
                });
                if chosen.is_some_and(mine) {
                    cell.marked(Mark::Chosen)
                } else if bad {
                    cell.marked(Mark::Bad)
                } else {
                    cell
                }
            };
            (label, (0..window.size.1).map(cell).collect())
        })
        .collect();
    let columns: Vec<String> =
        (0..window.size.1).map(|column| (window.element(0, column)[last] * step).to_string()).collect();
    let what = if step > 1 { format!("each word of {step} elements") } else { "each element".to_owned() };
    let caption = format!("the tensor{}: the bank (of {BANKS}) that holds {what}", window.cut);
    let memory = Fold::new("the memory: what each bank holds").with(memory_lines(placed, chosen));
    [Grid { caption, columns, rows }.into(), memory.into()]
}

/// Lines of 128 bytes: one word for each bank, with the element that it begins with.
fn memory_lines(placed: &Placed, chosen: Option<&[u32]>) -> Grid {
    let shape = &placed.layout.shape;
    let mut at_byte: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    let lines = placed.bytes().div_ceil(128);
    let first = chosen.and_then(|at| placed.byte(at)).map_or(0, |(_, byte)| byte / 128 / LINES * LINES);
    let shown = lines.saturating_sub(first).min(LINES);
    let mut element = vec![0; shape.len()];
    let count: usize = shape.iter().map(|&extent| extent as usize).product();
    for _ in 0..count {
        if let Some((0, byte)) = placed.byte(&element)
            && byte / 128 >= first
            && byte / 128 < first + shown
        {
            at_byte.entry(byte).or_insert_with(|| element.clone());
        }
        for dimension in (0..shape.len()).rev() {
            element[dimension] += 1;
            if element[dimension] < shape[dimension] {
                break;
            }
            element[dimension] = 0;
        }
    }
    let (side_by_side, along) = word(placed);
    let row_of =
        |at: &[u32]| at.iter().enumerate().filter(|(dimension, _)| *dimension != along).map(|(_, &at)| at).sum::<u32>();
    let rows: Vec<(String, Vec<Cell>)> = (first..first + shown)
        .map(|line| {
            let cell = |bank: u32| {
                let byte = line * 128 + bank * 4;
                let Some((_, at)) = at_byte.range(byte..byte + 4).next() else { return Cell::default() };
                let text = at.iter().map(u32::to_string).collect::<Vec<_>>().join(",");
                // Rows of the tensor by their hue, pieces of 16 bytes by their tone.
                let piece = at[along] / (side_by_side * 4).max(1);
                let hue = Some((row_of(at) % 8 * 45 + 210) as u16 % 360);
                let cell = Cell { text, hue, tone: (piece % 4) as u8, region: 0, mark: Mark::None };
                if chosen.and_then(|at| placed.byte(at)).is_some_and(|(_, own)| own / 4 == byte / 4) {
                    cell.marked(Mark::Chosen)
                } else {
                    cell
                }
            };
            (format!("{:#x}", line * 128), (0..BANKS).map(cell).collect())
        })
        .collect();
    let columns: Vec<String> = (0..BANKS).map(|bank| bank.to_string()).collect();
    let cut = if shown < lines { format!(" ({shown} of {lines} lines)") } else { String::new() };
    let block = if placed.layout.block.is_empty() { "" } else { " of block 0" };
    let caption = format!("lines of 128 bytes{block}{cut}: the element that each bank's word begins with");
    Grid { caption, columns, rows }
}

/// The element of a buffer that `--at` names; a pipeline may have several buffers.
pub(super) struct Chosen<'a> {
    /// Without the dimensions that count buffers.
    element: &'a [u32],
    /// ` of buffer 1`, ` of each of the 3 buffers`
    which: String,
}

impl<'a> Chosen<'a> {
    /// Of buffers of `rank` dimensions; `counts` are the extents of those before them, which `indices` may leave out.
    pub fn new(indices: &'a [u32], counts: &[u32], rank: usize) -> Self {
        let (buffer, element) = indices.split_at(indices.len().saturating_sub(rank));
        let which = match (counts, buffer) {
            ([], _) => String::new(),
            (_, []) => format!(" of each of the {} buffers", counts.iter().product::<u32>()),
            _ => {
                let number = buffer.iter().zip(counts).fold(0, |number, (at, extent)| number * extent + at);
                format!(" of buffer {number}")
            }
        };
        Self { element, which }
    }

    /// `[3,5] of buffer 1 is at byte 6`
    fn describe(&self, place: &str) -> String {
        format!("\n{}{} is {place}", bracketed(self.element), self.which)
    }
}

/// A layout of shared memory with what the kernel does with it.
pub(super) fn shared(
    head: &str,
    attribute: &str,
    placed: &Placed,
    accesses: &[Access],
    chosen: Option<&Chosen<'_>>,
) -> Document {
    let shape = &placed.layout.shape;
    let mut text = format!("{attribute}\n{} elements of {} bytes", by_x(shape), placed.element_bytes);
    let room = shape.iter().map(|&extent| u64::from(extent)).product::<u64>() * u64::from(placed.element_bytes);
    let blocks = u64::from(placed.layout.places().block);
    let own = u64::from(placed.bytes());
    text +=
        &format!(", {own} bytes{}", if blocks > 1 { format!(" in each of {blocks} blocks") } else { String::new() });
    if own * blocks > room {
        text += &format!(" ({} unused)", own * blocks - room);
    }
    if let Some(chosen) = chosen
        && let Some((block, byte)) = placed.byte(chosen.element)
    {
        let of = if blocks > 1 { format!("block {block}, ") } else { String::new() };
        text += &chosen.describe(&format!("at {of}byte {byte} ({byte:#x}), bank {}", bank(byte)));
    }
    for access in accesses {
        text += &format!("\n{}: {}", access.what, access.description);
    }
    if accesses.is_empty() {
        text += "\nno access of the kernel shows which lanes take part";
    }
    let collision = accesses.iter().filter_map(|access| access.cost.as_ref()?.collision.as_ref()).next();
    let pictures = memory_grids(placed, chosen.map(|chosen| chosen.element), collision);
    let rounds: Vec<_> = accesses
        .iter()
        .filter_map(|access| {
            let cost = access.cost.as_ref()?;
            Some(json!({"access": access.what, "rounds": cost.rounds, "least": cost.least}))
        })
        .collect();
    document(head, text, pictures).with_facts(json!({"shape": shape, "bytes": own, "rounds": rounds}))
}

/// A layout of tensor memory: lanes and columns.
pub(super) fn tensor_memory(
    head: &str,
    attribute: &str,
    memory: &TensorMemory,
    layout: &Layout,
    bits: u32,
    chosen: Option<&Chosen<'_>>,
) -> Document {
    let places = layout.places();
    let used = layout.register.iter().filter(|basis| basis.iter().any(|&coordinate| coordinate != 0)).count();
    let words = (places.register * bits / 32).max(1);
    let mut text = format!(
        "{attribute}\n{} elements of {bits} bits in {} lanes × {words} columns of 32 bits ({})",
        by_x(&layout.shape),
        places.lane,
        memory.describe()
    );
    if used < layout.register.len() {
        text += ", every other place of a column unused";
    }
    text += &format!("\ncolumn {:?}\nlane {:?}", layout.register, layout.lane);
    if !layout.block.is_empty() {
        text += &format!("\nblock {:?}", layout.block);
    }
    text += "\neach warp of a warpgroup has access to 32 lanes: warp 0 the lanes 0 to 31, warp 1 from 32 on";
    let held = chosen.and_then(|chosen| layout.elements().find(|(_, at)| at == chosen.element).map(|(place, _)| place));
    if let (Some(chosen), Some(place)) = (chosen, held) {
        let of = if layout.block.is_empty() { String::new() } else { format!("block {}, ", place.block) };
        text += &chosen.describe(&format!("in {of}lane {}, column {}", place.lane, place.register * bits / 32));
    }
    // The lanes at which each warp's part begins, and the first 16 whole.
    let Place { lane: own, register: column, .. } = held.unwrap_or_default();
    let is_shown = |lane: &u32| *lane < 16 || lane % 16 < 4 || (held.is_some() && *lane == own);
    let lanes: Vec<u32> = (0..places.lane).filter(is_shown).collect();
    let columns = places.register.min(24);
    let first = (column / columns.max(1) * columns).min(places.register - columns);
    let cell = |lane: u32, register: u32| {
        let at = layout.element(Place { lane, register, ..Place::default() });
        // What lies at the place of an element of lower number is no element of its own.
        let number = (0..5).filter(|bit| lane >> bit & 1 == 1);
        let empty = number.filter_map(|bit| layout.lane.get(bit)).any(|basis| basis.iter().all(|&at| at == 0))
            || (0..layout.register.len())
                .filter(|bit| register >> bit & 1 == 1)
                .any(|bit| layout.register[bit].iter().all(|&at| at == 0));
        if empty {
            return Cell::default();
        }
        let text = at.iter().map(u32::to_string).collect::<Vec<_>>().join(",");
        let hue = Some((lane / 32 % 4 * 90 + 210) as u16 % 360);
        let mark = if held.is_some() && (lane, register) == (own, column) { Mark::Chosen } else { Mark::None };
        Cell { text, hue, tone: (lane / 8 % 4) as u8, region: lane / 32, mark }
    };
    let rows: Vec<(String, Vec<Cell>)> = lanes
        .into_iter()
        .map(|lane| (format!("lane {lane}"), (first..first + columns).map(|register| cell(lane, register)).collect()))
        .collect();
    let labels = (first..first + columns).map(|column| column.to_string()).collect();
    let cut = if columns < places.register { format!(" ({columns} of {})", places.register) } else { String::new() };
    let caption = format!("tensor memory: the element at each lane and column{cut}, columns counted in elements");
    let facts = json!({
        "shape": layout.shape, "column": layout.register, "lane": layout.lane, "block": layout.block, "words": words,
    });
    document(head, text, [Grid { caption, columns: labels, rows }.into()]).with_facts(facts)
}
