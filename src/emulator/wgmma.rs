//! `wgmma`: the tensor core reads B, and A where it is told so, from shared memory, and works while the warp goes on.
//! PTX ISA 9.7.15.5.
//!
//! An operation is carried out when its group is waited for, no sooner: a missing wait shows as wrong data. Each warp of
//! a warpgroup has 16 of the 64 rows, which need nothing of the other warps' registers.

// Lanes are indices into several arrays at once.
#![allow(clippy::needless_range_loop)]

use super::arithmetic::tensor::{Element, Plane};
use super::execute::{LaneFault, Step};
use super::fault::FaultKind;
use super::launch::Arithmetic;
use super::program::{Data, Op, Wgmma, WgmmaSource, Word};

/// A `wgmma` that was issued.
#[derive(Clone, Debug)]
pub(super) struct PendingWgmma {
    /// Its instruction.
    pc: u32,
    /// `None` before `commit_group`.
    group: Option<u32>,
    /// A's registers, or its descriptor.
    a: Operand,
    /// B's descriptor.
    b: u64,
    /// Whether D is added.
    add: bool,
}

#[derive(Clone, Debug)]
enum Operand {
    Planes(Vec<Word>),
    Descriptor(u64),
}

/// A matrix in shared memory, as its descriptor says (PTX ISA 9.7.15.5.1, "Matrix Descriptor Format").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Matrix {
    start: u64,
    leading: u64,
    stride: u64,
    /// Bytes of a row of the swizzled pattern; 16 without swizzle.
    row: u64,
    mn_major: bool,
}

impl Matrix {
    pub fn of(descriptor: u64, mn_major: bool) -> Option<Self> {
        let field = |low: u32| (descriptor >> low & 0x3fff) << 4;
        // The pattern would begin off its own alignment.
        if descriptor >> 49 & 7 != 0 {
            return None;
        }
        let row = match descriptor >> 62 {
            0 => 16,
            1 => 128,
            2 => 64,
            _ => 32,
        };
        Some(Self { start: field(0), leading: field(16), stride: field(32), row, mn_major })
    }

    /// Shared address of the element in row or column `mn`, `k`; `size` is that of an element.
    pub fn address(&self, mn: u64, k: u64, size: u64) -> u64 {
        // Along the contiguous dimension, and across it.
        let (along, across) = if self.mn_major { (mn * size, k) } else { (k * size, mn) };
        let groups = across / 8;
        let pieces = along / self.row;
        let far = match (self.mn_major, self.row) {
            // Core matrices of 8 rows of 16 bytes.
            (false, 16) => groups * self.stride + pieces * self.leading,
            (true, 16) => groups * self.leading + pieces * self.stride,
            (false, _) => groups * self.stride + pieces * self.row,
            (true, _) => groups * self.stride + pieces * self.leading,
        };
        let address = self.start + far + across % 8 * self.row + along % self.row;
        swizzled(address, self.row)
    }
}

/// Exchanges 16-byte pieces within a pattern of `row` bytes: bits 7 to 9 of the address go over bits 4 to 6, as many as
/// the row has.
pub(super) fn swizzled(address: u64, row: u64) -> u64 {
    address ^ (address >> 7 & (row / 16 - 1)) << 4
}

fn size_of(element: Element) -> u64 {
    4 / element.per_register() as u64
}

impl Step<'_, '_> {
    /// Takes what is to be known now: the registers of A and the descriptors.
    pub(super) fn issue_wgmma(&mut self, wgmma: &Wgmma) {
        let lane = self.active.trailing_zeros() as usize & 31;
        let a = match &wgmma.a {
            WgmmaSource::Registers(a) => Operand::Planes(
                a.iter()
                    .map(|element| if let Data::Word(slot) = element { *self.word(*slot) } else { [0; 32] })
                    .collect(),
            ),
            WgmmaSource::Shared(slot, _) => Operand::Descriptor(self.warp.longs[*slot as usize][lane]),
        };
        let pending = PendingWgmma {
            pc: self.pc,
            group: None,
            a,
            b: self.warp.longs[wgmma.b.0 as usize][lane],
            add: wgmma.add.is_none_or(|slot| self.warp.predicates[slot as usize] >> lane & 1 != 0),
        };
        self.warp.wgmmas.push_back(pending);
    }

    pub(super) fn commit_wgmmas(&mut self) {
        let group = self.warp.wgmma_groups;
        for pending in self.warp.wgmmas.iter_mut().filter(|pending| pending.group.is_none()) {
            pending.group = Some(group);
        }
        self.warp.wgmma_groups += 1;
    }

    /// Carries out all groups but the `pending` latest.
    pub(super) fn wait_for_wgmmas(&mut self, pending: u32) -> Result<(), LaneFault> {
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
        match (&pending.a, &wgmma.a) {
            (Operand::Descriptor(descriptor), WgmmaSource::Shared(_, mn_major)) => {
                let matrix = matrix(*descriptor, *mn_major)?;
                for (register, plane) in a.iter_mut().enumerate().take(registers) {
                    let (rows, columns) = (register & 1, register >> 1);
                    self.gather(&matrix, step.a, plane, |lane| {
                        let k = (lane % 4 + columns * 4) * step.a.per_register();
                        (first_row + (lane / 4 + 8 * rows) as u64, k as u64)
                    })
                    .map_err(located)?;
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
            for (register, plane) in b.iter_mut().enumerate().take(step.b_registers()) {
                self.gather(&b_matrix, step.b, plane, |lane| {
                    let k = (lane % 4 + register * 4) * step.b.per_register();
                    ((tile * 8 + lane / 4) as u64, k as u64)
                })
                .map_err(located)?;
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
            for (element, plane) in slots.iter().zip(&d) {
                if let Data::Word(slot) = element {
                    self.warp.words[*slot as usize] = *plane;
                }
            }
        }
        Ok(())
    }

    /// A register of a fragment: for each lane the elements from (mn, k) on, along k.
    #[inline(always)]
    fn gather(
        &mut self,
        matrix: &Matrix,
        element: Element,
        plane: &mut Plane,
        place: impl Fn(usize) -> (u64, u64),
    ) -> Result<(), FaultKind> {
        let size = size_of(element);
        let shared = &self.memory.shared;
        let outside = |address: u64| FaultKind::OutOfBounds {
            access: "`wgmma` read",
            space: "shared",
            address,
            size: 4,
            near: Some(("shared memory".to_owned(), shared.len() as u64, address as i64)),
        };
        let mut highest = 0;
        for lane in 0..32 {
            let (mn, k) = place(lane);
            if matrix.mn_major && size < 4 {
                let mut register = 0;
                for index in 0..4 / size {
                    let address = matrix.address(mn, k + index, size);
                    let bytes = shared.get(address as usize..(address + size) as usize);
                    let bytes = bytes.ok_or_else(|| outside(address))?;
                    let bits = bytes.iter().rev().fold(0u32, |bits, &byte| bits << 8 | u32::from(byte));
                    register |= bits << (8 * size * index);
                    highest = highest.max(address + size);
                }
                plane[lane] = register;
            } else {
                let address = matrix.address(mn, k, size);
                let bytes = shared.get(address as usize..).and_then(|bytes| bytes.first_chunk::<4>());
                plane[lane] = u32::from_le_bytes(*bytes.ok_or_else(|| outside(address))?);
                highest = highest.max(address + 4);
            }
        }
        self.memory.shared_touched = self.memory.shared_touched.max(highest);
        Ok(())
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
    fn swizzles_are_their_own_inverse() {
        for row in [16, 32, 64, 128] {
            for address in (0..4096).step_by(16) {
                assert_eq!(swizzled(swizzled(address, row), row), address);
            }
        }
        assert_eq!(swizzled(128, 128), 128 + 16);
        assert_eq!(swizzled(256, 64), 256 + 32);
        assert_eq!(swizzled(256, 32), 256);
    }
}
