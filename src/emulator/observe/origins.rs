//! Where a value came from: the operations that it was computed by, backwards from the store to the loads, byte by byte.
//!
//! Only values are followed, neither addresses nor guards: a masked load that did not happen has no origin.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::counters::Way;
use super::record::{Access, Cell, Event, NOTHING, Record};
use super::{Line, Span, Writer};
use crate::emulator::arithmetic::tensor::{Accumulator, Element, Mma};
use crate::emulator::execute::lanes_of;
use crate::emulator::program::{Data, Op, Shuffle, Wgmma, WgmmaSource};
use crate::emulator::visit::File;
use crate::emulator::wgmma::Matrix;
use crate::ptx::PtxType;

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
    /// How many.
    pub bytes: u64,
}

impl SharedBytes {
    /// The bank of the first byte.
    pub fn bank(&self) -> u64 {
        self.at / 4 % 32
    }
}

/// One of the times that an instruction took part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct At {
    /// The warp's number in its block.
    pub warp: u32,
    /// The lane.
    pub lane: u32,
    /// The register that it wrote, or stored from: its name, its place in the operand, its type, and which bytes of it.
    pub register: Option<(String, usize, PtxType, u8)>,
    /// What the register held.
    pub value: Option<u64>,
    /// Bytes of a buffer that it read or wrote.
    pub global: Option<Span>,
    /// Bytes of shared memory that it read or wrote.
    pub shared: Option<SharedBytes>,
}

/// An instruction that took part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passage {
    /// Where it stands.
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
    /// Its name.
    pub buffer: String,
    /// Ranges of bytes, in order, without overlaps: first, and one past the last.
    pub ranges: Vec<(u64, u64)>,
}

/// Where a value came from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origins {
    /// The instructions, in the order in which they were first executed.
    pub passages: Vec<Passage>,
    /// What was loaded.
    pub origins: Vec<Origin>,
    /// Whether it is not all, because the record or the search was too long.
    pub cut: bool,
    /// Whether a part came from another block's shared memory, where the search ends.
    pub other_block: bool,
}

/// Events and lanes that a value came through.
pub(super) type Through = HashMap<u32, u32>;

impl Record {
    /// Where the bytes of a write came from, and the events that they came through.
    pub(super) fn follow(&self, writer: &Writer) -> (Origins, Through) {
        let mut search = Search::new(self);
        search.start(writer);
        while let Some(part) = search.stack.pop() {
            if search.seen.len() > MOST_PARTS {
                search.cut = true;
                break;
            }
            search.expand(part);
        }
        search.told()
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
    through: Through,
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
            through: HashMap::new(),
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
    ) -> Option<((String, usize, PtxType, u8), Option<u64>)> {
        let event = self.event(number)?;
        let register = self.record.register(cell, event.pc, written)?;
        let value =
            if written { self.record.value_after(event, cell, lane) } else { self.value_before(number, cell, lane) };
        Some(((register.name.clone(), index, register.ty, bytes), value))
    }

    /// An instruction took part.
    fn passed(
        &mut self,
        number: u32,
        lane: u32,
        register: Option<((String, usize, PtxType, u8), Option<u64>)>,
        global: Option<Span>,
        shared: Option<SharedBytes>,
    ) {
        let Some(event) = self.event(number) else { return };
        *self.through.entry(number).or_default() |= 1 << lane;
        let first = self.record.first.get(event.pc as usize).copied().unwrap_or(event.pc);
        let Some(line) = self.record.line(event.pc) else { return };
        let (register, value) = register.map_or((None, None), |(register, value)| (Some(register), value));
        let range = shared.map(|bytes| (bytes.at, bytes.at + bytes.bytes));
        self.events.entry(first).or_default().insert(number);
        let passage = self.passages.entry(first).or_insert_with(|| Passage {
            line: line.clone(),
            times: 0,
            warps: BTreeSet::new(),
            at: At { warp: event.warp, lane, register, value, global, shared },
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

    /// What a part was made of.
    fn expand(&mut self, part: Part) {
        let Part { event: number, cell: wanted, lane, bytes } = part;
        let record = self.record;
        let Some(event) = self.event(number) else { return };
        let Some(op) = record.op(event.pc) else { return };
        let (mut index, mut global, mut shared) = (0, None, None);
        match op {
            Op::Load { d, size, .. } => {
                index = place_of(d, wanted).unwrap_or(0);
                let address = match record.access(event) {
                    Some(Access::Lanes { addresses, global, shared, .. }) => {
                        Some((addresses[lane as usize], global >> lane & 1 != 0, shared >> lane & 1 != 0))
                    }
                    _ => None,
                };
                match address {
                    Some((address, true, _)) => {
                        // A narrow load fills the register.
                        let bytes = if *size < 4 { some_bytes(0, *size) } else { bytes };
                        for (from, count) in runs(bytes) {
                            let at = address + index as u64 * u64::from(*size) + from;
                            self.load(at, count);
                            global = global.or_else(|| self.span(at, at + count));
                        }
                    }
                    Some((address, _, true)) => {
                        let bytes = if *size < 4 { some_bytes(0, *size) } else { bytes };
                        for (from, count) in runs(bytes) {
                            let own =
                                SharedBytes { at: address + index as u64 * u64::from(*size) + from, bytes: count };
                            shared = shared.or(Some(own));
                            self.read_shared(number, own);
                        }
                    }
                    Some(_) => {
                        self.other_block |=
                            matches!(op, Op::Load { space: crate::emulator::program::MemorySpace::Cluster, .. })
                    }
                    None => {}
                }
            }
            Op::Atomic { d, ty, .. } => {
                index = place_of(d, wanted).unwrap_or(0);
                if let Some(Access::Lanes { addresses, global: in_global, shared: in_shared, .. }) =
                    record.access(event)
                {
                    let (at, size) =
                        (addresses[lane as usize] + index as u64 * u64::from(ty.size()), u64::from(ty.size()));
                    if in_global >> lane & 1 != 0 {
                        self.load(at, size);
                        global = self.span(at, at + size);
                    } else if in_shared >> lane & 1 != 0 {
                        let own = SharedBytes { at, bytes: size };
                        shared = Some(own);
                        self.read_shared(number, own);
                    }
                }
            }
            Op::LoadMatrix { d, transpose, .. } => {
                index = place_of(d, wanted).unwrap_or(0);
                let Some(Access::Rows { addresses, .. }) = record.access(event) else { return };
                let (group, pair) = (lane as u64 / 4, lane as u64 % 4);
                if *transpose {
                    for half in [0, 1] {
                        let mask = bytes >> (2 * half) & 3;
                        for (from, count) in runs(mask) {
                            let row = 8 * index + 2 * pair as usize + half as usize;
                            let own = SharedBytes { at: addresses[row & 31] + 2 * group + from, bytes: count };
                            shared = shared.or(Some(own));
                            self.read_shared(number, own);
                        }
                    }
                } else {
                    for (from, count) in runs(bytes) {
                        let row = 8 * index + group as usize;
                        let own = SharedBytes { at: addresses[row & 31] + 4 * pair + from, bytes: count };
                        shared = shared.or(Some(own));
                        self.read_shared(number, own);
                    }
                }
            }
            Op::Mma { mma, d, a, b, c } => {
                index = place_of(d, wanted).unwrap_or(0);
                self.mma(number, mma, index, lane, bytes, (a, b, c));
            }
            Op::MmaF64 { d, a, b, c } => {
                index = d.iter().position(|&slot| (File::Long, slot) == wanted).unwrap_or(0);
                let (row, column) = (lane / 4, lane % 4 * 2 + index as u32);
                for k in (0..4).rev() {
                    self.read(number, (File::Long, *b), column * 4 + k, 0xff);
                    self.read(number, (File::Long, *a), row * 4 + k, 0xff);
                }
                self.read(number, (File::Long, c[index & 1]), lane, 0xff);
            }
            Op::Wgmma(wgmma) => {
                index = place_of(&wgmma.d, wanted).unwrap_or(0);
                shared = self.wgmma(number, wgmma, index, lane, bytes);
            }
            Op::Shuffle { mode, a, b, c, in_range, .. } => {
                if in_range.is_some_and(|p| (File::Predicate, p) == wanted) {
                    return;
                }
                let value = |slot| self.value_before(number, (File::Word, slot), lane).map(|value| value as u32);
                if let Some((b, c)) = value(*b).zip(value(*c)) {
                    let source = shuffled(*mode, lane, b, c);
                    self.read(number, (File::Word, *a), source, bytes);
                }
            }
            Op::VoteAll { .. }
            | Op::VoteAny { .. }
            | Op::VoteUniform { .. }
            | Op::Ballot { .. }
            | Op::MatchAny { .. }
            | Op::MatchAll { .. }
            | Op::Reduce { .. } => {
                for cell in self.reads(event.pc) {
                    lanes_of(event.active).for_each(|lane| self.read(number, cell, lane as u32, all_bytes(cell.0)));
                }
            }
            Op::SelectW { a, b, p, .. } => {
                self.select(number, lane, bytes, [(File::Word, *a), (File::Word, *b)], *p);
            }
            Op::SelectL { a, b, p, .. } => {
                self.select(number, lane, bytes, [(File::Long, *a), (File::Long, *b)], *p);
            }
            Op::ConvertPair { width, a, b, .. } => {
                let low = some_bytes(0, width / 8);
                if bytes & low != 0 {
                    self.read(number, (File::Word, *b), lane, 0xf);
                }
                if bytes & !low != 0 {
                    self.read(number, (File::Word, *a), lane, 0xf);
                }
            }
            Op::UnpackPair { a, .. } => {
                let mask = u8::from(bytes & 3 != 0) | u8::from(bytes & 0xc != 0) << 1;
                self.read(number, (File::Word, *a), lane, mask);
            }
            Op::PackHalves { low, high, .. } => {
                self.read(number, (File::Word, *high), lane, bytes >> 2 & 3);
                self.read(number, (File::Word, *low), lane, bytes & 3);
            }
            Op::PackWords { low, high, .. } => {
                self.read(number, (File::Word, *high), lane, bytes >> 4);
                self.read(number, (File::Word, *low), lane, bytes & 0xf);
            }
            Op::UnpackHalves { low, high, a } => {
                let is = |slot: &Option<u32>| slot.is_some_and(|slot| (File::Word, slot) == wanted);
                let mask = if is(low) { bytes & 3 } else { 0 } | if is(high) { (bytes & 3) << 2 } else { 0 };
                self.read(number, (File::Word, *a), lane, mask);
            }
            Op::UnpackLong { low, high, a } => {
                let is = |slot: &Option<u32>| slot.is_some_and(|slot| (File::Word, slot) == wanted);
                let mask = if is(low) { bytes } else { 0 } | if is(high) { bytes << 4 } else { 0 };
                self.read(number, (File::Long, *a), lane, mask);
            }
            Op::PackBytes { bytes: parts, .. } => {
                for (at, slot) in parts.iter().enumerate() {
                    self.read(number, (File::Word, *slot), lane, bytes >> at & 1);
                }
            }
            Op::UnpackBytes { d, a } => {
                let at = d.iter().position(|slot| slot.is_some_and(|slot| (File::Word, slot) == wanted)).unwrap_or(0);
                self.read(number, (File::Word, *a), lane, 1 << at);
            }
            Op::PackQuarters { parts, .. } => {
                for (at, slot) in parts.iter().enumerate() {
                    self.read(number, (File::Word, *slot), lane, bytes >> (2 * at) & 3);
                }
            }
            Op::UnpackQuarters { d, a } => {
                let at = d.iter().position(|slot| slot.is_some_and(|slot| (File::Word, slot) == wanted)).unwrap_or(0);
                self.read(number, (File::Long, *a), lane, 3 << (2 * at));
            }
            _ => self.lane_by_lane(number, event, op, lane, bytes),
        }
        let register = self.named(number, wanted, lane, bytes, index, true);
        self.passed(number, lane, register, global, shared);
    }

    fn reads(&self, pc: u32) -> Vec<Cell> {
        self.record.uses.get(pc as usize).map(|uses| uses.reads.clone()).unwrap_or_default()
    }

    fn select(&mut self, number: u32, lane: u32, bytes: u8, [a, b]: [Cell; 2], p: u32) {
        let predicate = (File::Predicate, p);
        match self.value_before(number, predicate, lane) {
            Some(0) => self.read(number, b, lane, bytes),
            Some(_) => self.read(number, a, lane, bytes),
            None => {
                self.read(number, b, lane, bytes);
                self.read(number, a, lane, bytes);
            }
        }
        // `1` or `0`: the value is the comparison's.
        if [a, b].iter().all(|cell| self.record.constants.contains_key(cell)) {
            self.read(number, predicate, lane, 1);
        }
    }

    /// An operation of each lane by itself.
    fn lane_by_lane(&mut self, number: u32, event: &Event, op: &Op, lane: u32, bytes: u8) {
        let opcode = self.record.line(event.pc).map_or("", |line| line.opcode());
        let mut parts = opcode.split('.');
        let base = parts.next().unwrap_or_default();
        let pair = parts.any(|part| part.ends_with("x2"));
        let reads = self.reads(event.pc);
        if let ("prmt", Op::W3(_, _, [a, b, selector])) = (base, op)
            && let Some(selector) = self.value_before(number, (File::Word, *selector), lane)
        {
            let mut masks = [0u8; 2];
            for byte in (0..4).filter(|byte| bytes >> byte & 1 != 0) {
                let from = (selector >> (4 * byte) & 7) as usize;
                masks[from / 4] |= 1 << (from % 4);
            }
            self.read(number, (File::Word, *b), lane, masks[1]);
            self.read(number, (File::Word, *a), lane, masks[0]);
            return;
        }
        // Two numbers to a packed pair: the first is the upper one.
        if let ("cvt", true, Op::W2(_, _, [upper, lower])) = (base, pair, op) {
            self.read(number, (File::Word, *lower), lane, if bytes & 3 != 0 { 0xf } else { 0 });
            self.read(number, (File::Word, *upper), lane, if bytes & 0xc != 0 { 0xf } else { 0 });
            return;
        }
        for cell in reads.into_iter().rev() {
            let mask = match base {
                "mov" | "and" | "or" | "xor" | "not" | "lop3" => bytes,
                _ if pair && base != "cvt" => {
                    (if bytes & 3 != 0 { 3 } else { 0 }) | (if bytes & 0xc != 0 { 0xc } else { 0 })
                }
                _ => all_bytes(cell.0),
            };
            self.read(number, cell, lane, mask & all_bytes(cell.0));
        }
    }

    /// PTX ISA 9.7.14.5: a row of A, a column of B and the element of C.
    fn mma(&mut self, number: u32, mma: &Mma, index: usize, lane: u32, bytes: u8, abc: (&[Data], &[Data], &[Data])) {
        let (a, b, c) = abc;
        let group = lane / 4;
        // Two rows in turn for an accumulator of two registers, or of four.
        let half = if mma.accumulator == Accumulator::F16 { index } else { index / 2 } & 1;
        // What is read last is followed first: the operands before the sum so far.
        if let Some(cell) = c.get(index).and_then(|&element| cell(element)) {
            self.read(number, cell, lane, bytes);
        }
        for column in columns(mma.accumulator, index, lane, bytes).into_iter().rev() {
            for quad in (0..4).rev() {
                for &element in b.iter().rev() {
                    if let Some(cell) = cell(element) {
                        self.read(number, cell, 4 * column + quad, 0xf);
                    }
                }
            }
        }
        for quad in (0..4).rev() {
            for (register, &element) in a.iter().enumerate().rev() {
                if let Some(cell) = cell(element).filter(|_| mma.m == 8 || register % 2 == half) {
                    self.read(number, cell, 4 * group + quad, 0xf);
                }
            }
        }
    }

    /// PTX ISA 9.7.15.5: as `mma`, with B, and perhaps A, in shared memory. The bytes of A, or else of B, that come
    /// first.
    fn wgmma(&mut self, number: u32, wgmma: &Wgmma, index: usize, lane: u32, bytes: u8) -> Option<SharedBytes> {
        let event = *self.event(number)?;
        let Some(Access::Wgmma { a, b, add }) = self.record.access(&event) else { return None };
        let step = &wgmma.step;
        let per_tile = if step.accumulator == Accumulator::F16 { 2 } else { 4 };
        let (tile, within) = ((index / per_tile) as u64, index % per_tile);
        let half = if per_tile == 2 { within } else { within / 2 } & 1;
        if *add && let Some(cell) = wgmma.c.get(index).and_then(|&element| cell(element)) {
            self.read(number, cell, lane, bytes);
        }
        let mut first = None;
        if let Some(matrix) = Matrix::of(*b, wgmma.b.1) {
            for column in columns(step.accumulator, within, lane, bytes) {
                for k in (0..step.k).rev() {
                    let own = element_of(&matrix, 8 * tile + u64::from(column), k, step.b);
                    first = Some(own);
                    self.read_shared(number, own);
                }
            }
        }
        match &wgmma.a {
            WgmmaSource::Registers(registers) => {
                for quad in (0..4).rev() {
                    for (register, &element) in registers.iter().enumerate().rev() {
                        if let Some(cell) = cell(element).filter(|_| register % 2 == half) {
                            self.read(number, cell, lane / 4 * 4 + quad, 0xf);
                        }
                    }
                }
            }
            WgmmaSource::Shared(_, mn_major) => {
                let row = u64::from(event.warp % 4) * 16 + u64::from(lane / 4) + 8 * half as u64;
                if let Some(matrix) = a.and_then(|descriptor| Matrix::of(descriptor, *mn_major)) {
                    for k in (0..step.k).rev() {
                        let own = element_of(&matrix, row, k, step.a);
                        first = Some(own);
                        self.read_shared(number, own);
                    }
                }
            }
        }
        first
    }

    fn told(mut self) -> (Origins, Through) {
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
        (Origins { passages, origins, cut: self.cut, other_block: self.other_block }, self.through)
    }
}

/// The columns of B that a part of an accumulator depends on, within 8.
fn columns(accumulator: Accumulator, index: usize, lane: u32, bytes: u8) -> Vec<u32> {
    let pair = lane % 4 * 2;
    match accumulator {
        // Both columns are in one register.
        Accumulator::F16 => {
            [(3, 0), (0xc, 1)].iter().filter(|(mask, _)| bytes & mask != 0).map(|(_, one)| pair + one).collect()
        }
        _ => vec![pair + (index as u32 & 1)],
    }
}

fn element_of(matrix: &Matrix, mn: u64, k: usize, element: Element) -> SharedBytes {
    let bytes = 4 / element.per_register() as u64;
    SharedBytes { at: matrix.address(mn, k as u64, bytes), bytes }
}

/// The lane that a shuffle takes from (PTX ISA 9.7.9.6).
fn shuffled(mode: Shuffle, lane: u32, b: u32, c: u32) -> u32 {
    let (offset, clamp, segment) = (b & 31, c & 31, c >> 8 & 31);
    let (low, high) = (lane & segment, lane & segment | clamp & !segment);
    let (source, ok) = match mode {
        Shuffle::Up => (lane.wrapping_sub(offset), lane as i32 - offset as i32 >= high as i32),
        Shuffle::Down => (lane + offset, lane + offset <= high),
        Shuffle::Butterfly => (lane ^ offset, lane ^ offset <= high),
        Shuffle::Index => (low | offset & !segment, low | offset & !segment <= high),
    };
    if ok { source & 31 } else { lane }
}

/// Whether an event has kept its values.
pub(super) fn has_values(event: &Event) -> bool {
    event.values != NOTHING
}
