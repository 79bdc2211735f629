//! What each operation makes its result of.

use super::{Part, Search, SharedBytes, all_bytes, cell, place_of, runs, some_bytes};
use crate::arithmetic::product::{Accumulator, Element, Mma};
use crate::descriptor::matrix::Matrix;
use crate::instrument::record::{Access, Cell, Event};
use crate::program::{Data, File, MemorySpace, Op, Shuffle, Wgmma, WgmmaSource};
use crate::state::warp::lanes_of;
use warpbook_ptx::isa::{Flow, Opcode};

impl Search<'_> {
    /// What a part was made of.
    pub(super) fn expand(&mut self, part: Part) {
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
                    Some(_) => self.other_block |= matches!(op, Op::Load { space: MemorySpace::Cluster, .. }),
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
            Op::Select32 { a, b, p, .. } => {
                self.select(number, lane, bytes, [(File::Word, *a), (File::Word, *b)], *p);
            }
            Op::Select64 { a, b, p, .. } => {
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
