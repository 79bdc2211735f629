//! `wgmma`: the tensor core reads B, and A where its descriptor is given, from shared memory, and works while the warp
//! goes on.
//! PTX ISA 9.7.15.5.
//!
//! An operation is carried out when its group is waited for, no sooner: a missing wait shows as wrong data. Where a wait
//! comes too late, ptxas puts one in before, and so is it here, which a launch says. Each warp of a warpgroup has 16 of the
//! 64 rows, which need nothing of the other warps' registers.

// Lanes are indices into several arrays at once.
#![allow(clippy::needless_range_loop)]

use crate::arithmetic::product::{Element, Plane};
use crate::descriptor::matrix::Matrix;
use crate::families::step::{LaneFailure, Step, at_lane};
use crate::fault::{Cause, Fault, Unsupported};
use crate::instrument::{Instrument, Misuse, Operation, Product};
use crate::program::{Data, Op, Wgmma, WgmmaSource};
use crate::state::access::Area;
use crate::state::environment::Arithmetic;
use crate::state::pending::{PendingWgmma, WgmmaOperand};
use warpbook_gpu::swizzled;

impl<I: Instrument> Step<'_, '_, I> {
    /// Takes what is to be known now: the registers of A and the descriptors.
    pub(in crate::families) fn issue_wgmma(&mut self, wgmma: &Wgmma) {
        let lane = self.active.trailing_zeros() as usize & 31;
        let a = match &wgmma.a {
            WgmmaSource::Registers(a) => WgmmaOperand::Planes(
                a.iter()
                    .map(|element| if let Data::Word(slot) = element { *self.word(*slot) } else { [0; 32] })
                    .collect(),
            ),
            WgmmaSource::Shared(slot, _) => WgmmaOperand::Descriptor(self.warp.longs[*slot as usize][lane]),
        };
        let number = self.block.memory.number_operation();
        let in_registers = if let WgmmaSource::Registers(a) = &wgmma.a { Some(&a[..]) } else { None };
        self.block.instrument.issued(self.issuer(lane), &Operation::Wgmma { number, a: in_registers });
        let pending = PendingWgmma {
            number,
            pc: self.pc,
            group: None,
            a,
            b: self.warp.longs[wgmma.b.0 as usize][lane],
            add: wgmma.add.is_none_or(|slot| self.warp.predicates[slot as usize] >> lane & 1 != 0),
        };
        self.warp.wgmmas.push_back(pending);
    }

    pub(in crate::families) fn commit_wgmmas(&mut self) {
        let group = self.warp.wgmma_groups;
        for pending in self.warp.wgmmas.iter_mut().filter(|pending| pending.group.is_none()) {
            pending.group = Some(group);
        }
        self.warp.wgmma_groups += 1;
    }

    /// Carries out all groups but the `pending` latest.
    pub(in crate::families) fn wait_for_wgmmas(&mut self, pending: u32) -> Result<(), LaneFailure> {
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
    pub(crate) fn repair_wgmma_wait(&mut self) -> Result<(), LaneFailure> {
        let code = &self.environment.program.code;
        let Some(slots) = self.environment.program.accumulator_slots.get(self.pc as usize) else { return Ok(()) };
        let holds = |pending: &PendingWgmma| match code.get(pending.pc as usize).map(|instruction| &instruction.op) {
            Some(Op::Wgmma(wgmma)) => slots.iter().any(|slot| wgmma.holds(*slot)),
            _ => false,
        };
        let Some(last) = self.warp.wgmmas.iter().rposition(holds) else { return Ok(()) };
        self.block.memory.repaired.insert(self.pc);
        let issuer = self.issuer(self.active.trailing_zeros() as usize & 31);
        for pending in self.warp.wgmmas.iter().take(last + 1) {
            self.block.instrument.misused(issuer, Misuse::WgmmaUnwaited(pending.pc));
        }
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

    fn carry_out_wgmma(&mut self, wgmma: &Wgmma, pending: &PendingWgmma) -> Result<(), LaneFailure> {
        let lane = self.active.trailing_zeros();
        let matrix = |descriptor: u64, mn_major: bool| {
            Matrix::from_wgmma(descriptor, mn_major).ok_or_else(|| {
                at_lane(lane as usize)(Unsupported("a `wgmma` descriptor with a base offset".to_owned()))
            })
        };
        let step = &wgmma.step;
        let first_row = u64::from(self.warp.index % 4) * 16;
        let mut a: [Plane; 4] = [[0; 32]; 4];
        let registers = step.a_registers();
        let mut undefined_rows = [0; 2];
        match (&pending.a, &wgmma.a) {
            (WgmmaOperand::Descriptor(descriptor), WgmmaSource::Shared(_, mn_major)) => {
                let matrix = matrix(*descriptor, *mn_major)?;
                for (register, plane) in a.iter_mut().enumerate().take(registers) {
                    let (rows, columns) = (register & 1, register >> 1);
                    let first = (first_row + 8 * rows as u64, 4 * columns * step.a.per_register());
                    let lanes =
                        self.gather(&matrix, step.a, plane, first, pending.number).map_err(at_lane(lane as usize))?;
                    undefined_rows[rows] |= quads(lanes);
                }
            }
            (WgmmaOperand::Planes(planes), _) => {
                for (to, from) in a.iter_mut().zip(planes) {
                    *to = *from;
                }
            }
            (WgmmaOperand::Descriptor(_), WgmmaSource::Registers(_)) => {}
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
                let lanes =
                    self.gather(&b_matrix, step.b, plane, first, pending.number).map_err(at_lane(lane as usize))?;
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
            step.execute_wgmma(self.environment.architecture, fast, &mut self.block.memory.operands, planes, &mut d);
            if self.is_watched() {
                let c = if pending.add { &wgmma.c[tile * per_tile..][..per_tile] } else { &[] };
                let (rows, columns) = (undefined_rows, undefined_columns);
                let product = Product { number: pending.number, d: slots, c, rows, columns };
                self.block.instrument.multiplied(self.issuer(lane as usize & 31), &product);
            }
            for (element, plane) in slots.iter().zip(&d) {
                if let Data::Word(slot) = element {
                    self.warp.words[*slot as usize] = *plane;
                }
            }
        }
        let operation = Operation::Numbered(pending.number);
        self.block.instrument.landed(self.issuer(lane as usize & 31), &operation);
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
        number: u64,
    ) -> Result<u32, Cause> {
        let (size, per) = (bytes_of(element), element.per_register());
        // What is contiguous comes in pieces of 16 bytes: a row's four registers, or 8 rows' elements of one k.
        let scattered = matrix.mn_major && per > 1;
        let (mut highest, mut outside) = (0, false);
        let shared = &self.block.memory.shared;
        let mut piece = |mn: u64, k: u64| -> [u8; 16] {
            let address = swizzled(matrix.start + matrix.row_offset(mn, size) + matrix.k_offset(k, size), matrix.row);
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
            return Err(Fault::OutOfBounds {
                access: "`wgmma` read",
                space: "shared",
                address: highest - 16,
                size: 16,
                near: Some(("shared memory".to_owned(), shared.len() as u64, (highest - 16) as i64)),
            }
            .into());
        }
        self.block.memory.shared_touched = self.block.memory.shared_touched.max(highest);
        let mut undefined = 0;
        if self.is_watched() {
            let length = if scattered { size } else { 4 };
            for lane in 0..32 {
                for index in 0..if scattered { per } else { 1 } {
                    let along = matrix.k_offset((k + lane % 4 * per + index) as u64, size);
                    let across = matrix.row_offset(mn + (lane / 4) as u64, size);
                    let address = swizzled(matrix.start + across + along, matrix.row);
                    let area = Area::shared(address as usize, length as u32);
                    let found = self.block.instrument.operation_reads(self.issuer(lane), number, area);
                    undefined |= u32::from(found) << lane;
                }
            }
        }
        Ok(undefined)
    }
}

/// Groups of four lanes that any of these lanes belongs to.
fn quads(lanes: u32) -> u32 {
    (0..8).fold(0, |rows, quad| rows | u32::from(lanes >> (4 * quad) & 15 != 0) << quad)
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

/// Bytes of an element in shared memory.
fn bytes_of(element: Element) -> u64 {
    4 / element.per_register() as u64
}
