//! `wgmma`: the tensor core reads B, and A where it is told so, from shared memory, and works while the warp goes on.
//! PTX ISA 9.7.15.5.
//!
//! An operation is carried out when its group is waited for, no sooner: a missing wait shows as wrong data. Where a wait
//! comes too late, ptxas puts one in before, and so is it here, which a launch says. Each warp of a warpgroup has 16 of the
//! 64 rows, which need nothing of the other warps' registers.

// Lanes are indices into several arrays at once.
#![allow(clippy::needless_range_loop)]

use crate::arithmetic::tensor::{Element, Plane};
use crate::families::{LaneFault, Step};
use crate::fault::FaultKind;
use crate::instrument::sanitizer::{Snapshot, quads};
use crate::program::{Data, Op, Slot, Wgmma, WgmmaSource, Word};
use crate::run::launch::Arithmetic;
use warpbook_gpu::{DescriptorFormat, MatrixDescriptor, Swizzle, swizzled};

/// A `wgmma` that was issued.
#[derive(Clone, Debug)]
pub(crate) struct PendingWgmma {
    /// Its instruction.
    pub pc: u32,
    /// `None` before `commit_group`.
    group: Option<u32>,
    /// A's registers, or its descriptor.
    a: Operand,
    /// B's descriptor.
    b: u64,
    /// Whether D is added.
    add: bool,
    /// What the warp knew then, in a checked launch.
    then: Option<Box<Snapshot>>,
}

#[derive(Clone, Debug)]
enum Operand {
    Planes(Vec<Word>),
    Descriptor(u64),
}

/// A matrix in shared memory, as its descriptor says (PTX ISA 9.7.15.5.1, "Matrix Descriptor Format").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Matrix {
    start: u64,
    leading: u64,
    stride: u64,
    /// Bytes of a row of the swizzled pattern; 16 without swizzle.
    row: u64,
    mn_major: bool,
}

impl Matrix {
    pub fn of(descriptor: u64, mn_major: bool) -> Option<Self> {
        let descriptor = MatrixDescriptor::decode(descriptor, DescriptorFormat::Wgmma);
        let swizzle = descriptor.swizzle?;
        // The pattern would begin off its own alignment; without a swizzle the field says nothing.
        if swizzle != Swizzle::None && descriptor.base_offset != 0 {
            return None;
        }
        Some(Self::from_descriptor(descriptor, swizzle, mn_major))
    }

    /// As `tcgen05` has it (PTX ISA 9.7.16.5.1): the swizzle is elsewhere. What is refused, is so by name.
    pub fn of_tcgen05(descriptor: u64, mn_major: bool) -> Result<Self, &'static str> {
        let descriptor = MatrixDescriptor::decode(descriptor, DescriptorFormat::Tcgen05);
        match (descriptor.swizzle, descriptor.base_offset) {
            _ if descriptor.is_leading_absolute => Err("a `tcgen05` descriptor with an absolute leading address"),
            // The base offset says nothing without a swizzle.
            (Some(Swizzle::None), _) => Ok(Self::from_descriptor(descriptor, Swizzle::None, mn_major)),
            (_, 1..) => Err("a `tcgen05` descriptor with a base offset"),
            (Some(Swizzle::Bytes128Atom32), _) => {
                Err("the 128-byte swizzle of 32-byte pieces in a `tcgen05` descriptor")
            }
            (Some(swizzle), _) => Ok(Self::from_descriptor(descriptor, swizzle, mn_major)),
            (None, _) => Err("a `tcgen05` descriptor whose swizzling mode has no meaning"),
        }
    }

    fn from_descriptor(descriptor: MatrixDescriptor, swizzle: Swizzle, mn_major: bool) -> Self {
        let MatrixDescriptor { start, leading, stride, .. } = descriptor;
        let row = swizzle.row_bytes().into();
        Self { start: start.into(), leading: leading.into(), stride: stride.into(), row, mn_major }
    }

    /// Shared address of a byte of a row or column, K-major.
    pub fn byte(&self, mn: u64, byte: u64) -> u64 {
        swizzled(self.start + self.across(mn) + self.along(byte), self.row)
    }

    /// Shared address of the element in row or column `mn`, `k`; `size` is that of an element.
    #[inline(always)]
    pub fn address(&self, mn: u64, k: u64, size: u64) -> u64 {
        swizzled(self.start + self.of_mn(mn, size) + self.of_k(k, size), self.row)
    }

    /// What row or column `mn` adds to an address, before the swizzle; `size` is that of an element.
    #[inline(always)]
    fn of_mn(&self, mn: u64, size: u64) -> u64 {
        if self.mn_major { self.along(mn * size) } else { self.across(mn) }
    }

    /// What `k` adds.
    #[inline(always)]
    fn of_k(&self, k: u64, size: u64) -> u64 {
        if self.mn_major { self.across(k) } else { self.along(k * size) }
    }

    /// Along the contiguous dimension, in bytes: rows of the pattern lie side by side.
    #[inline(always)]
    fn along(&self, bytes: u64) -> u64 {
        let apart = match (self.mn_major, self.row) {
            // Core matrices of 8 rows of 16 bytes.
            (true, 16) => self.stride,
            (false, 16) | (true, _) => self.leading,
            (false, _) => self.row,
        };
        (bytes >> self.row.trailing_zeros()) * apart + (bytes & (self.row - 1))
    }

    /// Across it: rows of the pattern in groups of 8.
    #[inline(always)]
    fn across(&self, index: u64) -> u64 {
        let apart = if self.mn_major && self.row == 16 { self.leading } else { self.stride };
        (index >> 3) * apart + (index & 7) * self.row
    }
}

fn size_of(element: Element) -> u64 {
    4 / element.per_register() as u64
}

impl Wgmma {
    /// Whether a word is its accumulator. A's registers may be other values' by now: they were taken when it was issued.
    pub(crate) fn holds(&self, slot: Slot) -> bool {
        self.d.iter().any(|element| matches!(element, Data::Word(own) if *own == slot))
    }

    /// Its registers of 32 bits: the accumulator, and A where it lies in registers.
    pub(crate) fn words(&self) -> impl Iterator<Item = Slot> {
        self.d.iter().filter_map(Data::word).chain(self.a_words())
    }

    /// The registers of A, where it lies in registers.
    pub(crate) fn a_words(&self) -> impl Iterator<Item = Slot> {
        let a = if let WgmmaSource::Registers(a) = &self.a { a.iter() } else { [].iter() };
        a.filter_map(Data::word)
    }
}

impl Step<'_, '_> {
    /// Takes what is to be known now: the registers of A and the descriptors.
    pub(crate) fn issue_wgmma(&mut self, wgmma: &Wgmma) {
        let lane = self.active.trailing_zeros() as usize & 31;
        let a = match &wgmma.a {
            WgmmaSource::Registers(a) => Operand::Planes(
                a.iter()
                    .map(|element| if let Data::Word(slot) = element { *self.word(*slot) } else { [0; 32] })
                    .collect(),
            ),
            WgmmaSource::Shared(slot, _) => Operand::Descriptor(self.warp.longs[*slot as usize][lane]),
        };
        let mut then = self.memory.sanitizer.as_mut().and_then(|sanitizer| sanitizer.issue(self.warp.index));
        if let (Some(then), WgmmaSource::Registers(a)) = (&mut then, &wgmma.a) {
            then.rows = self.undefined_rows(a);
        }
        let pending = PendingWgmma {
            then,
            pc: self.pc,
            group: None,
            a,
            b: self.warp.longs[wgmma.b.0 as usize][lane],
            add: wgmma.add.is_none_or(|slot| self.warp.predicates[slot as usize] >> lane & 1 != 0),
        };
        self.warp.wgmmas.push_back(pending);
    }

    pub(crate) fn commit_wgmmas(&mut self) {
        let group = self.warp.wgmma_groups;
        for pending in self.warp.wgmmas.iter_mut().filter(|pending| pending.group.is_none()) {
            pending.group = Some(group);
        }
        self.warp.wgmma_groups += 1;
    }

    /// Carries out all groups but the `pending` latest.
    pub(crate) fn wait_for_wgmmas(&mut self, pending: u32) -> Result<(), LaneFault> {
        let due = |group: Option<u32>, groups: u32| group.is_some_and(|group| group + pending < groups);
        while self.warp.wgmmas.front().is_some_and(|first| due(first.group, self.warp.wgmma_groups)) {
            let Some(first) = self.warp.wgmmas.pop_front() else { break };
            let environment = self.environment;
            if let Some(Op::Wgmma(wgmma)) = environment.program.code.get(first.pc as usize).map(|i| &i.op) {
                let waited_at = std::mem::replace(&mut self.pc, first.pc);
                self.carry_out_wgmma(wgmma, &first)?;
                self.pc = waited_at;
            }
        }
        Ok(())
    }

    /// As ptxas (its remark C7517): where an instruction has to do with the accumulator of a `wgmma` that is waited for
    /// later, a wait is put in before it. Triton's own code for f16 accumulators needs that.
    pub(crate) fn repair_wgmma_wait(&mut self) -> Result<(), LaneFault> {
        let code = &self.environment.program.code;
        let Some(slots) = self.environment.program.accumulator_slots.get(self.pc as usize) else { return Ok(()) };
        let holds = |pending: &PendingWgmma| match code.get(pending.pc as usize).map(|instruction| &instruction.op) {
            Some(Op::Wgmma(wgmma)) => slots.iter().any(|slot| wgmma.holds(*slot)),
            _ => false,
        };
        let Some(last) = self.warp.wgmmas.iter().rposition(holds) else { return Ok(()) };
        self.memory.repaired.insert(self.pc);
        let used_at = self.pc;
        for pending in self.warp.wgmmas.drain(..=last).collect::<Vec<_>>() {
            if let Some(Op::Wgmma(wgmma)) = code.get(pending.pc as usize).map(|instruction| &instruction.op) {
                self.pc = pending.pc;
                self.carry_out_wgmma(wgmma, &pending)?;
            }
        }
        self.pc = used_at;
        Ok(())
    }

    fn carry_out_wgmma(&mut self, wgmma: &Wgmma, pending: &PendingWgmma) -> Result<(), LaneFault> {
        let lane = self.active.trailing_zeros();
        let located = |kind| (kind, lane);
        let matrix = |descriptor: u64, mn_major: bool| {
            Matrix::of(descriptor, mn_major)
                .ok_or_else(|| located(FaultKind::Unsupported("a `wgmma` descriptor with a base offset".to_owned())))
        };
        let step = &wgmma.step;
        let first_row = u64::from(self.warp.index % 4) * 16;
        let mut a: [Plane; 4] = [[0; 32]; 4];
        let registers = step.a_registers();
        let mut undefined_rows = pending.then.as_ref().map_or([0; 2], |then| then.rows);
        match (&pending.a, &wgmma.a) {
            (Operand::Descriptor(descriptor), WgmmaSource::Shared(_, mn_major)) => {
                let matrix = matrix(*descriptor, *mn_major)?;
                for (register, plane) in a.iter_mut().enumerate().take(registers) {
                    let (rows, columns) = (register & 1, register >> 1);
                    let first = (first_row + 8 * rows as u64, 4 * columns * step.a.per_register());
                    let lanes = self.gather(&matrix, step.a, plane, first, pending.then.as_deref()).map_err(located)?;
                    undefined_rows[rows] |= quads(lanes);
                }
            }
            (Operand::Planes(planes), _) => {
                for (to, from) in a.iter_mut().zip(planes) {
                    *to = *from;
                }
            }
            (Operand::Descriptor(_), WgmmaSource::Registers(_)) => {}
        }
        if wgmma.negate[0] {
            a.iter_mut().for_each(|plane| negate(step.a, plane));
        }
        let b_matrix = matrix(pending.b, wgmma.b.1)?;
        let fast = self.environment.arithmetic == Arithmetic::Fast;
        let per_tile = step.c_registers();
        for tile in 0..wgmma.n / 8 {
            let mut b: [Plane; 2] = [[0; 32]; 2];
            let mut undefined_columns = 0;
            for (register, plane) in b.iter_mut().enumerate().take(step.b_registers()) {
                let first = (8 * tile as u64, 4 * register * step.b.per_register());
                let lanes = self.gather(&b_matrix, step.b, plane, first, pending.then.as_deref()).map_err(located)?;
                undefined_columns |= quads(lanes);
            }
            if wgmma.negate[1] {
                b.iter_mut().for_each(|plane| negate(step.b, plane));
            }
            let slots = &wgmma.d[tile * per_tile..][..per_tile];
            let mut c: [Plane; 4] = [[0; 32]; 4];
            if pending.add {
                for (to, element) in c.iter_mut().zip(&wgmma.c[tile * per_tile..]) {
                    if let Data::Word(slot) = element {
                        *to = *self.word(*slot);
                    }
                }
            }
            let mut d: [Plane; 4] = [[0; 32]; 4];
            let planes = [&a.each_ref()[..registers], &b.each_ref()[..step.b_registers()], &c.each_ref()[..per_tile]];
            step.execute_wgmma(self.environment.architecture, fast, &mut self.memory.operands, planes, &mut d);
            if pending.then.is_some() {
                let sums = &wgmma.c[tile * per_tile..][..per_tile];
                let sums = if pending.add { self.undefined_values(sums) } else { Vec::new() };
                self.set_product(slots, &sums, (undefined_rows, undefined_columns), Some(pending.pc));
            }
            for (element, plane) in slots.iter().zip(&d) {
                if let Data::Word(slot) = element {
                    self.warp.words[*slot as usize] = *plane;
                }
            }
        }
        Ok(())
    }

    /// A register of a fragment: 8 rows or columns from `mn` on, for each of them 4 lanes with neighbours along k. In a
    /// checked launch, the lanes whose elements are undefined.
    #[inline(always)]
    fn gather(
        &mut self,
        matrix: &Matrix,
        element: Element,
        plane: &mut Plane,
        (mn, k): (u64, usize),
        then: Option<&Snapshot>,
    ) -> Result<u32, FaultKind> {
        let (size, per) = (size_of(element), element.per_register());
        // What is contiguous comes in pieces of 16 bytes: a row's four registers, or 8 rows' elements of one k.
        let scattered = matrix.mn_major && per > 1;
        let (mut highest, mut outside) = (0, false);
        let shared = &self.memory.shared;
        let mut piece = |mn: u64, k: u64| -> [u8; 16] {
            let address = swizzled(matrix.start + matrix.of_mn(mn, size) + matrix.of_k(k, size), matrix.row);
            highest = highest.max(address + 16);
            let bytes = shared.get(address as usize..).and_then(<[u8]>::first_chunk);
            outside |= bytes.is_none();
            bytes.copied().unwrap_or_default()
        };
        if scattered {
            for column in 0..4 {
                let low = piece(mn, (k + 2 * column) as u64);
                let high = piece(mn, (k + 2 * column + 1) as u64);
                for row in 0..8 {
                    let [low, high] = [low, high].map(|piece| [piece[2 * row], piece[2 * row + 1]]);
                    plane[4 * row + column] = u32::from_le_bytes([low[0], low[1], high[0], high[1]]);
                }
            }
        } else {
            for (row, registers) in plane.as_chunks_mut::<4>().0.iter_mut().enumerate() {
                let bytes = piece(mn + row as u64, k as u64);
                for (register, bytes) in registers.iter_mut().zip(bytes.as_chunks::<4>().0) {
                    *register = u32::from_le_bytes(*bytes);
                }
            }
        }
        if outside {
            return Err(FaultKind::OutOfBounds {
                access: "`wgmma` read",
                space: "shared",
                address: highest - 16,
                size: 16,
                near: Some(("shared memory".to_owned(), shared.len() as u64, (highest - 16) as i64)),
            });
        }
        self.memory.shared_touched = self.memory.shared_touched.max(highest);
        let mut undefined = 0;
        if let Some(then) = then {
            let length = if scattered { size } else { 4 };
            for lane in 0..32 {
                for index in 0..if scattered { per } else { 1 } {
                    let along = matrix.of_k((k + lane % 4 * per + index) as u64, size);
                    let across = matrix.of_mn(mn + (lane / 4) as u64, size);
                    let address = swizzled(matrix.start + across + along, matrix.row);
                    let who = self.who(lane);
                    if let Some(sanitizer) = &mut self.memory.sanitizer {
                        let found = sanitizer.read_later(who, then, address as usize, length as usize);
                        undefined |= u32::from(found) << lane;
                    }
                }
            }
        }
        Ok(undefined)
    }
}

/// Changes the sign of each element of a register.
fn negate(element: Element, plane: &mut Plane) {
    let signs = match element {
        Element::Tf32 => 0x8000_0000,
        Element::F16 | Element::Bf16 => 0x8000_8000,
        Element::E4m3 | Element::E5m2 => 0x8080_8080,
        Element::S8 | Element::U8 => 0,
    };
    plane.iter_mut().for_each(|register| *register ^= signs);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_follow_the_canonical_layouts() {
        // K-major, 128-byte swizzle, 8-row groups 1024 bytes apart; k = 16 of f16 are 32 bytes.
        let descriptor = (0x400 >> 4) | (1u64 << 16) | (1024u64 >> 4) << 32 | 1 << 62;
        let matrix = Matrix::of(descriptor, false).expect("a matrix");
        assert_eq!(matrix.address(0, 0, 2), 0x400);
        assert_eq!(matrix.address(1, 0, 2), 0x400 + 128 + 16);
        assert_eq!(matrix.address(9, 8, 2), 0x400 + 1024 + 128);
        // MN-major, 128-byte swizzle: 64 columns of f16 are a row; groups of 8 k are `stride` apart.
        let descriptor = (4096u64 >> 4) << 16 | (1024u64 >> 4) << 32 | 1 << 62;
        let matrix = Matrix::of(descriptor, true).expect("a matrix");
        assert_eq!(matrix.address(0, 1, 2), 128 + 16);
        assert_eq!(matrix.address(64, 0, 2), 4096);
        assert_eq!(matrix.address(0, 8, 2), 1024);
        // Without swizzle, K-major: core matrices of 128 bytes.
        let descriptor = (256u64 >> 4) << 16 | (512u64 >> 4) << 32;
        let matrix = Matrix::of(descriptor, false).expect("a matrix");
        assert_eq!(matrix.address(0, 8, 2), 256);
        assert_eq!(matrix.address(8, 0, 2), 512);
        assert_eq!(matrix.address(1, 1, 2), 18);
    }

    #[test]
    fn a_base_offset_says_nothing_without_a_swizzle() {
        // Triton 3.6: a block of scales, 512 bytes into a tile, and the tile itself.
        let tile = 70_403_103_916_032;
        assert_eq!(Matrix::of_tcgen05(tile + (1 << 51) + 32, false), Matrix::of_tcgen05(tile + 32, false));
        assert!(Matrix::of_tcgen05(tile | 2 << 61 | 1 << 51, false).is_err());
        assert!(Matrix::of(1 << 51, false).is_some() && Matrix::of(1 << 51 | 1 << 62, false).is_none());
    }
}
