//! What each operation makes its result of.

use super::{Part, Search, SharedBytes, all_bytes, cell, place_of, runs, some_bytes};
use crate::arithmetic::product::{Accumulator, Element, Mma};
use crate::descriptor::matrix::Matrix;
use crate::instrument::record::{Access, Cell, Event};
use crate::instrument::writers::Span;
use crate::program::{Data, File, MemorySpace, Op, Slot, Wgmma, WgmmaSource};
use crate::state::warp::lanes_of;
use warpbook_ptx::isa::{Flow, Opcode};

/// A part whose origin is looked for, and what executed the instruction that wrote it.
struct Wanted<'a> {
    /// The number of the event.
    number: u32,
    event: &'a Event,
    cell: Cell,
    lane: u32,
    /// A bit for each byte.
    bytes: u8,
}

/// Where an instruction took a part from, as far as it was memory.
#[derive(Default)]
struct Found {
    /// The place of the register among those that the instruction writes.
    index: usize,
    /// The first bytes of a buffer.
    global: Option<Span>,
    /// The first bytes of shared memory.
    shared: Option<SharedBytes>,
}

impl Search<'_> {
    /// What a part was made of.
    pub(super) fn expand(&mut self, part: Part) {
        let Part { event: number, cell: wanted, lane, bytes } = part;
        let record = self.record;
        let Some(event) = self.event(number) else { return };
        let Some(op) = record.op(event.pc) else { return };
        let source = Wanted { number, event, cell: wanted, lane, bytes };
        let Some(Found { index, global, shared }) = self.expand_op(&source, op) else { return };
        let register = self.named(number, wanted, lane, bytes, index, true);
        self.passed(number, lane, register, global, shared);
    }

    /// `None` where the part is not made of anything that the record has.
    fn expand_op(&mut self, wanted: &Wanted<'_>, op: &Op) -> Option<Found> {
        let &Wanted { number, event, cell, lane, bytes } = wanted;
        match op {
            Op::Load { d, size, space, .. } => return Some(self.expand_load(wanted, d, *size, *space)),
            Op::Atomic { d, ty, .. } => return Some(self.expand_atomic(wanted, d, ty.size())),
            Op::LoadMatrix { d, transpose, .. } => return self.expand_load_matrix(wanted, d, *transpose),
            Op::Mma { mma, d, a, b, c } => {
                let index = place_of(d, cell).unwrap_or(0);
                self.mma(number, mma, index, lane, bytes, (a, b, c));
                return Some(Found { index, ..Found::default() });
            }
            Op::MmaF64 { d, a, b, c } => {
                let index = d.iter().position(|&slot| (File::Long, slot) == cell).unwrap_or(0);
                self.mma_f64(wanted, index, (*a, *b, c[index & 1]));
                return Some(Found { index, ..Found::default() });
            }
            Op::Wgmma(wgmma) => {
                let index = place_of(&wgmma.d, cell).unwrap_or(0);
                let shared = self.wgmma(number, wgmma, index, lane, bytes);
                return Some(Found { index, shared, ..Found::default() });
            }
            Op::Shuffle { in_range: Some(p), .. } if (File::Predicate, *p) == cell => return None,
            Op::Shuffle { mode, a, b, c, .. } => {
                let value = |slot| self.value_before(number, (File::Word, slot), lane).map(|value| value as u32);
                if let Some((b, c)) = value(*b).zip(value(*c)) {
                    let source = mode.partner(lane, b, c).map_or(lane, |source| source & 31);
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
            Op::Select32 { a, b, p, .. } => {
                self.select(number, lane, bytes, [(File::Word, *a), (File::Word, *b)], *p);
            }
            Op::Select64 { a, b, p, .. } => {
                self.select(number, lane, bytes, [(File::Long, *a), (File::Long, *b)], *p);
            }
            Op::ConvertPair { .. }
            | Op::UnpackPair { .. }
            | Op::PackHalves { .. }
            | Op::PackWords { .. }
            | Op::PackBytes { .. }
            | Op::PackQuarters { .. }
            | Op::UnpackHalves { .. }
            | Op::UnpackLong { .. }
            | Op::UnpackBytes { .. }
            | Op::UnpackQuarters { .. } => self.expand_packed(wanted, op),
            _ => self.lane_by_lane(number, event, op, lane, bytes),
        }
        Some(Found::default())
    }

    /// A load; of a narrow one, all bytes that fill the register.
    fn expand_load(&mut self, wanted: &Wanted<'_>, d: &[Data], size: u32, space: MemorySpace) -> Found {
        let index = place_of(d, wanted.cell).unwrap_or(0);
        let mut found = Found { index, ..Found::default() };
        let Some(Access::Lanes { addresses, global, shared, .. }) = self.record.access(wanted.event) else {
            return found;
        };
        let (lane, offset) = (wanted.lane as usize, index as u64 * u64::from(size));
        let (address, in_global, in_shared) =
            (addresses[lane] + offset, global >> lane & 1 != 0, shared >> lane & 1 != 0);
        if !in_global && !in_shared {
            self.other_block |= space == MemorySpace::Cluster;
            return found;
        }
        let bytes = if size < 4 { some_bytes(0, size) } else { wanted.bytes };
        for (from, count) in runs(bytes) {
            let at = address + from;
            if in_global {
                self.load(at, count);
                found.global = found.global.or_else(|| self.span(at, at + count));
            } else {
                let own = SharedBytes { at, bytes: count };
                found.shared = found.shared.or(Some(own));
                self.read_shared(wanted.number, own);
            }
        }
        found
    }

    /// The value in memory before an atomic.
    fn expand_atomic(&mut self, wanted: &Wanted<'_>, d: &[Data], size: u32) -> Found {
        let index = place_of(d, wanted.cell).unwrap_or(0);
        let mut found = Found { index, ..Found::default() };
        if let Some(Access::Lanes { addresses, global, shared, .. }) = self.record.access(wanted.event) {
            let size = u64::from(size);
            let at = addresses[wanted.lane as usize] + index as u64 * size;
            if global >> wanted.lane & 1 != 0 {
                self.load(at, size);
                found.global = self.span(at, at + size);
            } else if shared >> wanted.lane & 1 != 0 {
                let own = SharedBytes { at, bytes: size };
                found.shared = Some(own);
                self.read_shared(wanted.number, own);
            }
        }
        found
    }

    /// `ldmatrix`: bytes of a row, or halves of two rows where the matrices are transposed.
    fn expand_load_matrix(&mut self, wanted: &Wanted<'_>, d: &[Data], transpose: bool) -> Option<Found> {
        let index = place_of(d, wanted.cell).unwrap_or(0);
        let Some(Access::Rows { addresses, .. }) = self.record.access(wanted.event) else { return None };
        let (group, pair) = (wanted.lane as u64 / 4, wanted.lane as u64 % 4);
        let mut shared = None;
        let mut read = |search: &mut Self, row: usize, offset: u64, bytes: u64| {
            let own = SharedBytes { at: addresses[row & 31] + offset, bytes };
            shared = shared.or(Some(own));
            search.read_shared(wanted.number, own);
        };
        if transpose {
            for half in [0, 1] {
                for (from, count) in runs(wanted.bytes >> (2 * half) & 3) {
                    read(self, 8 * index + 2 * pair as usize + half as usize, 2 * group + from, count);
                }
            }
        } else {
            for (from, count) in runs(wanted.bytes) {
                read(self, 8 * index + group as usize, 4 * pair + from, count);
            }
        }
        Some(Found { index, shared, ..Found::default() })
    }

    fn mma_f64(&mut self, wanted: &Wanted<'_>, index: usize, (a, b, c): (Slot, Slot, Slot)) {
        let &Wanted { number, lane, .. } = wanted;
        let (row, column) = (lane / 4, lane % 4 * 2 + index as u32);
        for k in (0..4).rev() {
            self.read(number, (File::Long, b), column * 4 + k, 0xff);
            self.read(number, (File::Long, a), row * 4 + k, 0xff);
        }
        self.read(number, (File::Long, c), lane, 0xff);
    }

    /// Packing and unpacking: which bytes of which register.
    fn expand_packed(&mut self, wanted: &Wanted<'_>, op: &Op) {
        let &Wanted { number, cell, lane, bytes, .. } = wanted;
        match op {
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
                let is = |slot: &Option<u32>| slot.is_some_and(|slot| (File::Word, slot) == cell);
                let mask = if is(low) { bytes & 3 } else { 0 } | if is(high) { (bytes & 3) << 2 } else { 0 };
                self.read(number, (File::Word, *a), lane, mask);
            }
            Op::UnpackLong { low, high, a } => {
                let is = |slot: &Option<u32>| slot.is_some_and(|slot| (File::Word, slot) == cell);
                let mask = if is(low) { bytes } else { 0 } | if is(high) { bytes << 4 } else { 0 };
                self.read(number, (File::Long, *a), lane, mask);
            }
            Op::PackBytes { bytes: parts, .. } => {
                for (at, slot) in parts.iter().enumerate() {
                    self.read(number, (File::Word, *slot), lane, bytes >> at & 1);
                }
            }
            Op::UnpackBytes { d, a } => {
                let at = d.iter().position(|slot| slot.is_some_and(|slot| (File::Word, slot) == cell)).unwrap_or(0);
                self.read(number, (File::Word, *a), lane, 1 << at);
            }
            Op::PackQuarters { parts, .. } => {
                for (at, slot) in parts.iter().enumerate() {
                    self.read(number, (File::Word, *slot), lane, bytes >> (2 * at) & 3);
                }
            }
            Op::UnpackQuarters { d, a } => {
                let at = d.iter().position(|slot| slot.is_some_and(|slot| (File::Word, slot) == cell)).unwrap_or(0);
                self.read(number, (File::Long, *a), lane, 3 << (2 * at));
            }
            _ => {}
        }
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
        let opcode = self.record.line(event.pc).map(|line| &*line.opcode);
        let flow = opcode.map_or(Flow::Mixed, Opcode::flow);
        let converts = opcode.is_some_and(|opcode| opcode.description().flow == Flow::Converted);
        let reads = self.reads(event.pc);
        if let (Flow::Permuted, Op::Ternary32(_, _, [a, b, selector])) = (flow, op)
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
        if let (true, Flow::Halfwise, Op::Binary32(_, _, [upper, lower])) = (converts, flow, op) {
            self.read(number, (File::Word, *lower), lane, if bytes & 3 != 0 { 0xf } else { 0 });
            self.read(number, (File::Word, *upper), lane, if bytes & 0xc != 0 { 0xf } else { 0 });
            return;
        }
        for cell in reads.into_iter().rev() {
            let mask = match flow {
                Flow::Bytewise | Flow::Masked => bytes,
                Flow::Halfwise if !converts => {
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
        if let Some(matrix) = Matrix::from_wgmma(*b, wgmma.b.1) {
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
                if let Some(matrix) = a.and_then(|descriptor| Matrix::from_wgmma(descriptor, *mn_major)) {
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
