//! Where a value came from: the operations that it was computed by, backwards from the store to the loads, byte by byte.
//!
//! Only values are followed, neither addresses nor guards: a masked load that did not happen has no origin.

mod expand;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::instrument::counters::Way;
use crate::instrument::instructions::Line;
use crate::instrument::record::{Access, Cell, Event, NOTHING, Record};
use crate::instrument::writers::{Span, Writer};
use crate::program::{Data, File, Op};
use crate::state::warp::lanes_of;
use warpbook_ptx::PtxType;

/// Parts of registers that are followed at most.
const MOST_PARTS: usize = 1 << 20;

/// Bytes of a register of one lane, as an event left them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Part {
    event: u32,
    cell: Cell,
    lane: u32,
    /// A bit for each byte.
    bytes: u8,
}

/// Bytes of shared memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SharedBytes {
    /// Offset in the block's shared memory.
    pub at: u64,
    /// Number of bytes, from that offset on.
    pub bytes: u64,
}

impl SharedBytes {
    /// The bank of the first byte.
    pub fn bank(&self) -> u64 {
        self.at / 4 % 32
    }
}

/// A register of a lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaneRegister {
    /// `%r12`
    pub name: String,
    /// Index of the register in a vector operand, from 0.
    pub index: usize,
    /// The type that the register is declared with.
    pub ty: PtxType,
    /// The bytes of it that matter, a bit for each.
    pub bytes: u8,
    /// The value of the register; `None` where it is not known.
    pub value: Option<u64>,
}

/// One of the times that an instruction took part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct At {
    /// The warp's number in its block.
    pub warp: u32,
    /// Number of the lane in its warp, from 0 to 31.
    pub lane: u32,
    /// The register that it wrote, or stored from.
    pub register: Option<LaneRegister>,
    /// Bytes of a buffer that it read or wrote.
    pub global: Option<Span>,
    /// Bytes of shared memory that it read or wrote.
    pub shared: Option<SharedBytes>,
}

/// An instruction that took part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passage {
    /// The instruction, as the text has it.
    pub line: Line,
    /// How often it took part, counted for each warp.
    pub times: u64,
    /// The warps that it took part in.
    pub warps: BTreeSet<u32>,
    /// The time nearest to the store.
    pub at: At,
    /// Its place in the program's order of execution: that of its first time.
    pub first: u32,
    /// Bytes of shared memory over all times: first, and one past the last.
    pub shared: Option<(u64, u64)>,
}

/// Bytes of a buffer that reached the value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Name of the buffer.
    pub buffer: String,
    /// Ranges of bytes, in order, without overlaps: first, and one past the last.
    pub ranges: Vec<(u64, u64)>,
}

/// Where a value came from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origins {
    /// The instructions, in the order in which they were first executed.
    pub passages: Vec<Passage>,
    /// Bytes of buffers that were loaded for the value.
    pub origins: Vec<Origin>,
    /// True if it is not all, because the record or the search was too long.
    pub cut: bool,
    /// True if a part came from another block's shared memory, where the search ends.
    pub other_block: bool,
}

/// What a value came through: of each event the registers that it wrote, and the lanes.
pub(crate) type Through = HashMap<u32, Vec<(Cell, u32)>>;

impl Record {
    /// Where the bytes of a write came from, and the events that they came through.
    pub(crate) fn follow(&self, writer: &Writer) -> (Origins, Through) {
        let mut search = Search::new(self);
        search.start(writer);
        while let Some(part) = search.stack.pop() {
            if search.seen.len() > MOST_PARTS {
                search.cut = true;
                break;
            }
            search.expand(part);
        }
        search.into_origins()
    }

    /// Where the bytes of a write came from.
    pub fn origins(&self, writer: &Writer) -> Origins {
        self.follow(writer).0
    }
}

struct Search<'a> {
    record: &'a Record,
    /// Events that write a register of a warp, in order.
    definitions: HashMap<(u32, Cell), Vec<u32>>,
    /// Events (and lanes, or pieces) that write a word of shared memory, in order.
    shared: HashMap<u64, Vec<(u32, u32)>>,
    seen: HashMap<(u32, Cell, u32), u8>,
    stack: Vec<Part>,
    passages: BTreeMap<u32, Passage>,
    events: HashMap<u32, BTreeSet<u32>>,
    loaded: BTreeMap<String, Vec<(u64, u64)>>,
    cut: bool,
    other_block: bool,
}

fn all_bytes(file: File) -> u8 {
    match file {
        File::Word => 0xf,
        File::Long => 0xff,
        File::Predicate => 1,
    }
}

fn cell(data: Data) -> Option<Cell> {
    match data {
        Data::Sink => None,
        Data::Word(slot) => Some((File::Word, slot)),
        Data::Long(slot) => Some((File::Long, slot)),
    }
}

/// `count` bytes from byte `at` on.
fn some_bytes(at: u32, count: u32) -> u8 {
    (((1u32 << count) - 1) << at) as u8
}

fn runs(bytes: u8) -> impl Iterator<Item = (u64, u64)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        while at < 8 && bytes >> at & 1 == 0 {
            at += 1;
        }
        let from = at;
        while at < 8 && bytes >> at & 1 != 0 {
            at += 1;
        }
        (at > from).then_some((from, at - from))
    })
}

fn place_of(elements: &[Data], wanted: Cell) -> Option<usize> {
    elements.iter().position(|&element| cell(element) == Some(wanted))
}

impl<'a> Search<'a> {
    fn new(record: &'a Record) -> Self {
        let mut definitions: HashMap<(u32, Cell), Vec<u32>> = HashMap::new();
        let mut shared: HashMap<u64, Vec<(u32, u32)>> = HashMap::new();
        for (number, event) in record.events.iter().enumerate().filter(|(_, event)| event.active != 0) {
            let number = number as u32;
            for &written in record.uses.get(event.pc as usize).map_or(&[][..], |uses| &uses.writes) {
                definitions.entry((event.warp, written)).or_default().push(number);
            }
            let mut note = |from: u64, bytes: u64, who: u32| {
                for word in from / 4..(from + bytes).div_ceil(4) {
                    shared.entry(word).or_default().push((number, who));
                }
            };
            match record.access(event) {
                Some(Access::Lanes { way: Way::Store | Way::Atomic, size, shared, addresses, .. }) => {
                    lanes_of(*shared).for_each(|lane| note(addresses[lane], u64::from(*size), lane as u32));
                }
                Some(Access::Copy { size, shared, .. }) => {
                    lanes_of(event.active).for_each(|lane| note(shared[lane], u64::from(*size), lane as u32));
                }
                Some(Access::Rows { way: Way::Store, count, addresses }) => {
                    (0..8 * *count).for_each(|lane| note(addresses[lane as usize & 31], 16, lane));
                }
                Some(Access::Bulk { load: true, pieces }) => {
                    pieces.iter().zip(0..).for_each(|(piece, at)| note(piece.shared, piece.bytes.into(), at));
                }
                _ => {}
            }
        }
        Self {
            record,
            definitions,
            shared,
            seen: HashMap::new(),
            stack: Vec::new(),
            passages: BTreeMap::new(),
            events: HashMap::new(),
            loaded: BTreeMap::new(),
            cut: record.cut,
            other_block: false,
        }
    }

    fn event(&self, number: u32) -> Option<&'a Event> {
        self.record.events.get(number as usize)
    }

    /// The store itself.
    fn start(&mut self, writer: &Writer) {
        let Some(area) = self.record.areas.iter().find(|area| area.label == writer.span.buffer) else { return };
        let (from, to) = (area.address + writer.span.from, area.address + writer.span.to);
        let mine = |event: &&Event| {
            event.warp == writer.warp && self.record.line(event.pc).is_some_and(|line| line.ptx == writer.line.ptx)
        };
        let covers = |event: &&Event| match self.record.access(event) {
            Some(Access::Lanes { way: Way::Store | Way::Atomic, size, global, addresses, .. }) => {
                let at = addresses[writer.lane as usize & 31];
                global >> writer.lane & 1 != 0 && at < to && from < at + u64::from(*size)
            }
            Some(Access::Bulk { load: false, pieces }) => {
                pieces.iter().any(|piece| piece.global.is_some_and(|at| at < to && from < at + u64::from(piece.bytes)))
            }
            _ => false,
        };
        let found = self.record.events.iter().enumerate().rev();
        let Some((number, event)) = found.map(|(n, e)| (n as u32, e)).find(|(_, e)| mine(e) && covers(e)) else {
            return;
        };
        let at = writer.lane;
        match self.record.access(event) {
            Some(Access::Lanes { addresses, size, .. }) => {
                let begin = addresses[at as usize & 31];
                let (from, to) = (from.max(begin), to.min(begin + u64::from(*size)));
                self.stored(number, at, from - begin, to - from, Some(from), None);
            }
            Some(Access::Bulk { pieces, .. }) => {
                let mut first = None;
                for piece in pieces {
                    let Some(global) = piece.global.filter(|&g| g < to && from < g + u64::from(piece.bytes)) else {
                        continue;
                    };
                    let (from, to) = (from.max(global), to.min(global + u64::from(piece.bytes)));
                    let bytes = SharedBytes { at: piece.shared + from - global, bytes: to - from };
                    first.get_or_insert((bytes, from, to));
                    self.read_shared(number, bytes);
                }
                if let Some((bytes, from, to)) = first {
                    self.passed(number, at, None, self.span(from, to), Some(bytes));
                }
            }
            _ => {}
        }
    }

    fn span(&self, from: u64, to: u64) -> Option<Span> {
        let (buffer, offset) = self.record.in_buffer(from)?;
        Some(Span { buffer: buffer.to_owned(), from: offset, to: offset + (to - from) })
    }

    /// Bytes that a lane's store wrote, counted from its address: the registers that they came from.
    fn stored(
        &mut self,
        number: u32,
        lane: u32,
        from: u64,
        bytes: u64,
        global: Option<u64>,
        shared: Option<SharedBytes>,
    ) {
        let Some(event) = self.event(number) else { return };
        let Some((elements, size)) = (match self.record.op(event.pc) {
            Some(Op::Store { a, size, .. }) => Some((a, u64::from(*size))),
            Some(Op::Atomic { a, ty, .. }) => Some((a, u64::from(ty.size()))),
            _ => None,
        }) else {
            return;
        };
        let mut first = None;
        for index in from / size..(from + bytes).div_ceil(size) {
            let Some(cell) = elements.get(index as usize).and_then(|&element| cell(element)) else { continue };
            let (begin, end) =
                (from.max(index * size) - index * size, (from + bytes).min((index + 1) * size) - index * size);
            let mask = some_bytes(begin as u32, (end - begin) as u32);
            first.get_or_insert((cell, mask, index as usize));
            self.read(number, cell, lane, mask);
        }
        let register = first.and_then(|(cell, mask, index)| self.named(number, cell, lane, mask, index, false));
        let global = global.and_then(|at| self.span(at, at + bytes));
        self.passed(number, lane, register, global, shared);
    }

    /// A register's name and value, as an event reads it or leaves it.
    fn named(
        &self,
        number: u32,
        cell: Cell,
        lane: u32,
        bytes: u8,
        index: usize,
        written: bool,
    ) -> Option<LaneRegister> {
        let event = self.event(number)?;
        let register = self.record.register(cell, event.pc, written)?;
        let value =
            if written { self.record.value_after(event, cell, lane) } else { self.value_before(number, cell, lane) };
        Some(LaneRegister { name: register.name.clone(), index, ty: register.ty, bytes, value })
    }

    /// An instruction took part.
    fn passed(
        &mut self,
        number: u32,
        lane: u32,
        register: Option<LaneRegister>,
        global: Option<Span>,
        shared: Option<SharedBytes>,
    ) {
        let Some(event) = self.event(number) else { return };
        let first = self.record.first.get(event.pc as usize).copied().unwrap_or(event.pc);
        let Some(line) = self.record.line(event.pc) else { return };
        let range = shared.map(|bytes| (bytes.at, bytes.at + bytes.bytes));
        self.events.entry(first).or_default().insert(number);
        let passage = self.passages.entry(first).or_insert_with(|| Passage {
            line: line.clone(),
            times: 0,
            warps: BTreeSet::new(),
            at: At { warp: event.warp, lane, register, global, shared },
            first: number,
            shared: range,
        });
        passage.warps.insert(event.warp);
        passage.first = passage.first.min(number);
        passage.shared = match (passage.shared, range) {
            (Some((a, b)), Some((c, d))) => Some((a.min(c), b.max(d))),
            (one, other) => one.or(other),
        };
    }

    /// The last event before another that wrote a register of a lane.
    fn definition(&self, before: u32, cell: Cell, lane: u32) -> Option<u32> {
        let warp = self.event(before)?.warp;
        let known = self.definitions.get(&(warp, cell))?;
        let end = known.partition_point(|&number| number < before);
        let taken = |number: &&u32| self.event(**number).is_some_and(|event| event.active >> lane & 1 != 0);
        known[..end].iter().rev().find(taken).copied()
    }

    fn value_before(&self, before: u32, cell: Cell, lane: u32) -> Option<u64> {
        if let Some(&constant) = self.record.constants.get(&cell) {
            return Some(constant);
        }
        let event = self.event(self.definition(before, cell, lane)?)?;
        self.record.value_after(event, cell, lane)
    }

    /// An event reads bytes of a lane's register.
    fn read(&mut self, before: u32, cell: Cell, lane: u32, bytes: u8) {
        if bytes == 0 || self.record.constants.contains_key(&cell) {
            return;
        }
        let Some(event) = self.definition(before, cell, lane) else { return };
        let known = self.seen.entry((event, cell, lane)).or_default();
        let new = bytes & !*known;
        *known |= bytes;
        if new != 0 {
            self.stack.push(Part { event, cell, lane, bytes: new });
        }
    }

    /// An event reads bytes of shared memory: the last writes of them before it.
    fn read_shared(&mut self, before: u32, wanted: SharedBytes) {
        for word in wanted.at / 4..(wanted.at + wanted.bytes).div_ceil(4) {
            let Some(known) = self.shared.get(&word) else { continue };
            let end = known.partition_point(|&(number, _)| number < before);
            let (from, to) = (wanted.at.max(4 * word), (wanted.at + wanted.bytes).min(4 * word + 4));
            // Each byte has its own last write; mostly they are one.
            let mut missing = some_bytes((from % 4) as u32, (to - from) as u32);
            let candidates: Vec<(u32, u32)> = known[..end].iter().rev().take(8).copied().collect();
            for (number, who) in candidates {
                if missing == 0 {
                    break;
                }
                missing &= !self.written_to_shared(number, who, 4 * word, missing);
            }
        }
    }

    /// Bytes `wanted` of the word at `at` that an event wrote; it follows them.
    fn written_to_shared(&mut self, number: u32, who: u32, at: u64, wanted: u8) -> u8 {
        let Some(event) = self.event(number) else { return 0 };
        let Some(access) = self.record.access(event) else { return 0 };
        let lane = who as usize & 31;
        let (begin, length) = match access {
            Access::Lanes { addresses, size, .. } => (addresses[lane], u64::from(*size)),
            Access::Copy { shared, size, .. } => (shared[lane], u64::from(*size)),
            Access::Rows { addresses, .. } => (addresses[lane], 16),
            Access::Bulk { pieces, .. } => match pieces.get(who as usize) {
                Some(piece) => (piece.shared, u64::from(piece.bytes)),
                None => return 0,
            },
            Access::Wgmma { .. } => return 0,
        };
        let covered = (0..4).filter(|byte| (begin..begin + length).contains(&(at + byte)));
        let covered = wanted & covered.fold(0, |mask, byte| mask | 1 << byte);
        for (from, count) in runs(covered) {
            let (from, bytes) = (at + from, SharedBytes { at: at + from, bytes: count });
            match access {
                Access::Lanes { .. } => self.stored(number, who, from - begin, count, None, Some(bytes)),
                Access::Copy { global, reads, .. } => {
                    let address = global[lane] + (from - begin);
                    if reads >> lane & 1 != 0 {
                        self.load(address, count);
                        let span = self.span(address, address + count);
                        self.passed(number, who, None, span, Some(bytes));
                    }
                }
                Access::Rows { .. } => self.stored_row(number, lane, from - begin, count, bytes),
                Access::Bulk { pieces, .. } => {
                    let global = pieces.get(who as usize).and_then(|piece| piece.global).map(|at| at + (from - begin));
                    if let Some(address) = global {
                        self.load(address, count);
                    }
                    let span = global.and_then(|address| self.span(address, address + count));
                    self.passed(number, event.active.trailing_zeros() & 31, None, span, Some(bytes));
                }
                Access::Wgmma { .. } => {}
            }
        }
        covered
    }

    /// Bytes of a row that `stmatrix` wrote.
    fn stored_row(&mut self, number: u32, row: usize, from: u64, count: u64, bytes: SharedBytes) {
        let Some(Op::StoreMatrix { transpose, a, .. }) = self.event(number).and_then(|event| self.record.op(event.pc))
        else {
            return;
        };
        let (matrix, row) = (row / 8, row % 8);
        let Some(cell) = a.get(matrix).and_then(|&element| cell(element)) else { return };
        let mut first = None;
        for column in (from / 2)..(from + count).div_ceil(2) {
            let column = column as usize & 7;
            let (i, j) = if *transpose { (column, row) } else { (row, column) };
            let (lane, half) = ((4 * i + j / 2) as u32, (j % 2) as u32);
            let mask = some_bytes(2 * half, 2);
            first.get_or_insert((lane, mask));
            self.read(number, cell, lane, mask);
        }
        if let Some((lane, mask)) = first {
            let register = self.named(number, cell, lane, mask, matrix, false);
            self.passed(number, lane, register, None, Some(bytes));
        }
    }

    /// Bytes of global memory are where it began.
    fn load(&mut self, address: u64, bytes: u64) {
        if let Some((buffer, offset)) = self.record.in_buffer(address) {
            // One entry for each buffer, so that its name is copied once.
            match self.loaded.get_mut(buffer) {
                Some(known) => known.push((offset, offset + bytes)),
                None => drop(self.loaded.insert(buffer.to_owned(), vec![(offset, offset + bytes)])),
            }
        }
    }

    fn into_origins(mut self) -> (Origins, Through) {
        for (first, passage) in &mut self.passages {
            passage.times = self.events.get(first).map_or(0, |events| events.len() as u64);
        }
        let mut passages: Vec<Passage> = self.passages.into_values().collect();
        passages.sort_by_key(|passage| passage.first);
        let origins = self.loaded.into_iter().map(|(buffer, mut ranges)| {
            ranges.sort_unstable();
            let mut merged: Vec<(u64, u64)> = Vec::new();
            for (from, to) in ranges {
                match merged.last_mut() {
                    Some((_, end)) if *end >= from => *end = (*end).max(to),
                    _ => merged.push((from, to)),
                }
            }
            Origin { buffer, ranges: merged }
        });
        let origins = origins.collect();
        let mut through = Through::new();
        for (event, cell, lane) in self.seen.into_keys() {
            let cells = through.entry(event).or_default();
            match cells.iter_mut().find(|(known, _)| *known == cell) {
                Some((_, lanes)) => *lanes |= 1 << lane,
                None => cells.push((cell, 1 << lane)),
            }
        }
        (Origins { passages, origins, cut: self.cut, other_block: self.other_block }, through)
    }
}

/// True if an event has kept its values.
pub(crate) fn has_values(event: &Event) -> bool {
    event.values != NOTHING
}
