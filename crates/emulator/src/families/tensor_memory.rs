//! Tensor memory: 128 lanes of 512 columns of 32 bits, which a block allocates by columns. PTX ISA 9.7.16.1.
//!
//! An address has the lane in its upper half and the column in its lower one. Each warp reaches a quarter of the lanes.
//! Loads and stores are late: registers have what was loaded, and cells what was stored, when it was waited for.
//!
//! Blocks of a pair (`.cta_group::2`) allocate the same columns, each of its own memory; neither waits here until the other
//! has come to its allocation.

use crate::families::{LaneFault, Step};
use crate::fault::FaultKind;
use crate::instrument::sanitizer::{Cells, TensorUse, columns};
use crate::program::{AddressOperand, Data, MemorySpace, Op, Slot, TensorAccess, TensorShape, Word};
use crate::state::access::Access;

const LANES: u32 = 128;
const COLUMNS: u32 = 512;
/// The fewest columns of an allocation.
const FEWEST: u32 = 32;
/// What is there before anything was written: a NaN as f32, as f16 and as bf16.
const UNTOUCHED: u32 = u32::MAX;

/// That of a block.
pub(crate) struct TensorMemory {
    cells: Vec<u32>,
    /// First column and number of columns, by the first.
    allocations: Vec<(u32, u32)>,
    /// What was allocated before, and given back.
    released: Vec<(u32, u32)>,
    /// Whether the block has said that it allocates no more.
    relinquished: bool,
}

/// A `tcgen05.ld` that was issued.
#[derive(Clone, Debug)]
pub(crate) struct PendingTensorLoad {
    /// Its instruction.
    pub pc: u32,
    address: u32,
}

/// A `tcgen05.st` that was issued.
#[derive(Clone, Debug)]
pub(crate) struct PendingTensorStore {
    pc: u32,
    address: u32,
    registers: Vec<Word>,
}

impl TensorShape {
    /// Row and column of the cell of a register of a lane.
    fn place(self, lane: u32, register: u32) -> (u32, u32) {
        match self {
            Self::Rows32 => (lane, register),
            Self::Halves { .. } => (lane & 15, register),
            Self::Rows16 { bits: 64 } => ((lane & 1) * 8 + lane / 4, (lane >> 1 & 1) + 2 * register),
            Self::Rows16 { bits: 128 } => (lane / 4 + 8 * (register & 1), (lane & 3) + 4 * (register / 2)),
            Self::Rows16 { .. } => {
                let column = (register & 1) + 2 * (lane & 3) + 8 * (register / 4);
                (lane / 4 + 8 * (register >> 1 & 1), column)
            }
        }
    }
}

impl TensorAccess {
    /// The address of each lane's cell of a register; the first of two where they are packed.
    fn cells(&self, address: u32, register: usize) -> [u32; 32] {
        std::array::from_fn(|lane| {
            let (row, column) = self.shape.place(lane as u32, register as u32);
            let column = if self.packed { 2 * column } else { column };
            let second = match self.shape {
                TensorShape::Halves { second } if lane >= 16 => second,
                _ => 0,
            };
            address.wrapping_add(second).wrapping_add(row << 16 | column)
        })
    }
}

impl TensorMemory {
    fn new() -> Self {
        let cells = vec![UNTOUCHED; (LANES * COLUMNS) as usize];
        Self { cells, allocations: Vec::new(), released: Vec::new(), relinquished: false }
    }

    /// First fit.
    fn allocate(&mut self, columns: u32) -> Result<u32, FaultKind> {
        if !columns.is_power_of_two() || !(FEWEST..=COLUMNS).contains(&columns) {
            let message =
                format!("{columns} columns of tensor memory cannot be allocated: 32, 64, 128, 256 or 512 can");
            return Err(FaultKind::TensorMemory(message));
        }
        if self.relinquished {
            let message = "the block has given up its permission to allocate tensor memory".to_owned();
            return Err(FaultKind::TensorMemory(message));
        }
        let mut first = 0;
        for (index, &(start, length)) in self.allocations.iter().enumerate() {
            if start - first >= columns {
                self.allocations.insert(index, (first, columns));
                return Ok(first);
            }
            first = start + length;
        }
        if COLUMNS - first < columns {
            let taken: u32 = self.allocations.iter().map(|(_, length)| length).sum();
            let message =
                format!("there are no {columns} columns of tensor memory left: {taken} of {COLUMNS} are allocated");
            return Err(FaultKind::TensorMemory(message));
        }
        self.allocations.push((first, columns));
        Ok(first)
    }

    fn release(&mut self, first: u32, columns: u32) -> Result<(), FaultKind> {
        match self.allocations.iter().position(|&allocation| allocation == (first, columns)) {
            Some(index) => {
                let released = self.allocations.remove(index);
                if !self.released.contains(&released) {
                    self.released.push(released);
                }
                Ok(())
            }
            None => Err(FaultKind::TensorMemory(format!(
                "tensor memory address {first:#x} with {columns} columns is not what was allocated"
            ))),
        }
    }

    /// Whether there are so many columns from an address on.
    pub fn check(&self, access: &'static str, address: u32, columns: u32) -> Result<(), FaultKind> {
        let (lane, column) = (address >> 16, address & 0xffff);
        let holds = |&&(first, length): &&(u32, u32)| {
            column >= first && u64::from(column) + u64::from(columns) <= u64::from(first + length)
        };
        if lane < LANES && self.allocations.iter().any(|own| holds(&own)) {
            return Ok(());
        }
        if lane < LANES && self.released.iter().any(|own| holds(&own)) {
            let last = u64::from(column) + u64::from(columns) - 1;
            let which = if columns == 1 { format!("column {column}") } else { format!("columns {column} to {last}") };
            let message = format!("{access} of {which} of tensor memory, which `tcgen05.dealloc` has given back");
            return Err(FaultKind::TensorMemory(message));
        }
        let size = 4 * columns;
        Err(FaultKind::OutOfBounds { access, space: "tensor memory", address: address.into(), size, near: None })
    }

    /// A cell; one that is outside is as if untouched.
    #[inline(always)]
    pub fn cell(&self, lane: u32, column: u32) -> u32 {
        self.cells.get((lane * COLUMNS + column) as usize).copied().unwrap_or(UNTOUCHED)
    }

    /// Writes a cell.
    #[inline(always)]
    pub fn put(&mut self, lane: u32, column: u32, value: u32) {
        if let Some(cell) = self.cells.get_mut((lane * COLUMNS + column) as usize) {
            *cell = value;
        }
    }
}

/// There is none before it is allocated.
pub(crate) fn not_allocated() -> FaultKind {
    FaultKind::TensorMemory("no tensor memory is allocated".to_owned())
}

impl Step<'_, '_> {
    fn first_lane(&self) -> usize {
        self.active.trailing_zeros() as usize & 31
    }

    pub(crate) fn allocate_tensor(&mut self, address: &AddressOperand, columns: Slot) -> Result<(), LaneFault> {
        let lane = self.first_lane();
        let located = |kind| (kind, lane as u32);
        let columns = self.word(columns)[lane];
        let allocated = self.memory.tensor.get_or_insert_with(|| Box::new(TensorMemory::new())).allocate(columns);
        let first = allocated.map_err(located)?;
        let (at, thread, who) = (self.addresses(address)[lane], self.thread(lane), self.who(lane));
        let access = Access { space: MemorySpace::Shared, name: "write", size: 4 };
        let place = self.memory.place(self.environment, access, at, thread).map_err(located)?;
        if let Some(sanitizer) = &mut self.memory.sanitizer {
            sanitizer.write(who, at as usize, 4, false);
        }
        self.memory.write(&place, 0, 4, first.into());
        if let Some(sanitizer) = &mut self.memory.sanitizer {
            sanitizer.tensor_allocated();
        }
        Ok(())
    }

    pub(crate) fn release_tensor(&mut self, address: Slot, count: Slot) -> Result<(), LaneFault> {
        let lane = self.first_lane();
        let (first, count) = (self.word(address)[lane], self.word(count)[lane]);
        self.memory.do_all_tensor_work(self.environment, self.cluster);
        let tensor = self.memory.tensor.as_mut().ok_or_else(|| (not_allocated(), lane as u32))?;
        tensor.release(first, count).map_err(|kind| (kind, lane as u32))?;
        let who = self.who(lane);
        if let Some((sanitizer, checks)) = self.memory.sanitizer.as_mut().zip(self.environment.checks) {
            let cells: Vec<Cells> = columns(first, count).collect();
            sanitizer.tensor_access(checks, who, &cells, TensorUse::Release, 0);
        }
        Ok(())
    }

    pub(crate) fn relinquish_tensor(&mut self) {
        self.memory.tensor.get_or_insert_with(|| Box::new(TensorMemory::new())).relinquished = true;
    }

    /// Whether the warp may access these cells: its own quarter of the lanes, of columns that are allocated.
    fn check_tensor(&self, name: &'static str, access: &TensorAccess, address: u32) -> Result<(), FaultKind> {
        let tensor = self.memory.tensor.as_ref().ok_or_else(not_allocated)?;
        let quarter = self.warp.index % 4;
        let mut columns = (u32::MAX, 0);
        for register in [0, access.registers.len().saturating_sub(1)] {
            for cell in access.cells(address, register) {
                let (lane, column) = (cell >> 16, cell & 0xffff);
                if lane / 32 != quarter {
                    let (first, last) = (32 * quarter, 32 * quarter + 31);
                    let message = format!(
                        "warp {} reaches lanes {first} to {last} of tensor memory, not {lane}",
                        self.warp.index
                    );
                    return Err(FaultKind::TensorMemory(message));
                }
                columns = (columns.0.min(column), columns.1.max(column + u32::from(access.packed)));
            }
        }
        tensor.check(name, address & !0xffff | columns.0, columns.1 + 1 - columns.0)
    }

    /// In a checked launch: a warp's access of tensor memory.
    fn note_tensor(&mut self, access: &TensorAccess, address: u32, how: TensorUse) {
        let who = self.who(self.first_lane());
        let Some((sanitizer, checks)) = self.memory.sanitizer.as_mut().zip(self.environment.checks) else { return };
        let mut cells: Vec<Cells> = Vec::new();
        for register in 0..access.registers.len() {
            let own = access.cells(address, register).into_iter();
            cells.extend(
                own.flat_map(|cell| (0..=u32::from(access.packed)).map(move |second| Cells::of(cell + second))),
            );
        }
        cells.sort_unstable();
        cells.dedup();
        sanitizer.tensor_access(checks, who, &cells, how, 0);
    }

    /// In a checked launch: undefined values go from registers to the cells of a store, or from those of a load to its
    /// registers.
    fn follow_tensor(&mut self, access: &TensorAccess, address: u32, pc: u32, stores: bool) {
        if self.memory.sanitizer.is_none() {
            return;
        }
        for (register, element) in access.registers.iter().enumerate() {
            let Data::Word(slot) = *element else { continue };
            let cells = access.cells(address, register);
            if stores {
                self.undefined_to_tensor(slot, &cells);
            } else {
                self.undefined_from_tensor(slot, &cells, pc);
            }
        }
    }

    pub(crate) fn issue_tensor_load(&mut self, access: &TensorAccess) -> Result<(), LaneFault> {
        let lane = self.first_lane();
        let address = self.addresses(&access.address)[lane] as u32;
        self.check_tensor("read", access, address).map_err(|kind| (kind, lane as u32))?;
        self.note_tensor(access, address, TensorUse::Load);
        self.warp.tensor_loads.push(PendingTensorLoad { pc: self.pc, address });
        Ok(())
    }

    pub(crate) fn wait_for_tensor_loads(&mut self) {
        for load in std::mem::take(&mut self.warp.tensor_loads) {
            self.land_tensor_load(&load);
        }
        if let Some(sanitizer) = &mut self.memory.sanitizer {
            sanitizer.tensor_waited(self.warp.index, TensorUse::Load);
        }
    }

    /// Loads whose registers the instruction uses have landed there: that needs no wait. What is done to tensor memory is not
    /// ordered by it (PTX ISA, "tcgen05 memory consistency model", register dependencies).
    pub(crate) fn land_used_tensor_loads(&mut self) {
        let program = self.environment.program;
        let Some(used) = program.tensor_load_slots.get(self.pc as usize).filter(|used| !used.is_empty()) else {
            return;
        };
        let holds = |load: &PendingTensorLoad| match program.code.get(load.pc as usize).map(|i| &i.op) {
            Some(Op::TensorLoad(access)) => {
                access.registers.iter().any(|data| matches!(data, Data::Word(slot) if used.contains(slot)))
            }
            _ => false,
        };
        let (landed, others): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.warp.tensor_loads).into_iter().partition(holds);
        self.warp.tensor_loads = others;
        landed.iter().for_each(|load| self.land_tensor_load(load));
    }

    fn land_tensor_load(&mut self, &PendingTensorLoad { pc, address }: &PendingTensorLoad) {
        let environment = self.environment;
        let Some(Op::TensorLoad(access)) = environment.program.code.get(pc as usize).map(|i| &i.op) else { return };
        let Some(tensor) = &self.memory.tensor else { return };
        for (register, element) in access.registers.iter().enumerate() {
            let Data::Word(slot) = element else { continue };
            let value = access.cells(address, register).map(|cell| {
                let (lane, column) = (cell >> 16, cell & 0xffff);
                match (tensor.cell(lane, column), access.packed) {
                    (value, false) => value,
                    (low, true) => low & 0xffff | tensor.cell(lane, column + 1) << 16,
                }
            });
            self.warp.words[*slot as usize] = value;
        }
        self.follow_tensor(access, address, pc, false);
    }

    pub(crate) fn issue_tensor_store(&mut self, access: &TensorAccess) -> Result<(), LaneFault> {
        let lane = self.first_lane();
        let address = self.addresses(&access.address)[lane] as u32;
        self.check_tensor("write", access, address).map_err(|kind| (kind, lane as u32))?;
        let register = |data: &Data| if let Data::Word(slot) = data { *self.word(*slot) } else { [0; 32] };
        let registers = access.registers.iter().map(register).collect();
        self.note_tensor(access, address, TensorUse::Store);
        self.follow_tensor(access, address, self.pc, true);
        self.warp.tensor_stores.push(PendingTensorStore { pc: self.pc, address, registers });
        Ok(())
    }

    pub(crate) fn wait_for_tensor_stores(&mut self) -> Result<(), LaneFault> {
        let environment = self.environment;
        for PendingTensorStore { pc, address, registers } in std::mem::take(&mut self.warp.tensor_stores) {
            let Some(Op::TensorStore(access)) = environment.program.code.get(pc as usize).map(|i| &i.op) else {
                continue;
            };
            let Some(tensor) = &mut self.memory.tensor else { continue };
            for (register, values) in registers.iter().enumerate() {
                for (cell, &value) in access.cells(address, register).into_iter().zip(values) {
                    let (lane, column) = (cell >> 16, cell & 0xffff);
                    if access.packed {
                        tensor.put(lane, column, value & 0xffff);
                        tensor.put(lane, column + 1, value >> 16);
                    } else {
                        tensor.put(lane, column, value);
                    }
                }
            }
        }
        if let Some(sanitizer) = &mut self.memory.sanitizer {
            sanitizer.tensor_waited(self.warp.index, TensorUse::Store);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_allocated_by_first_fit() {
        let mut tensor = TensorMemory::new();
        let mut allocate = |columns| tensor.allocate(columns);
        assert_eq!((allocate(128), allocate(256), allocate(64)), (Ok(0), Ok(128), Ok(384)));
        assert!(allocate(128).is_err() && allocate(48).is_err() && allocate(16).is_err());
        assert_eq!(tensor.release(0, 128), Ok(()));
        assert!(tensor.release(0, 128).is_err());
        assert_eq!((tensor.allocate(64), tensor.allocate(64)), (Ok(0), Ok(64)));
        tensor.relinquished = true;
        assert!(tensor.allocate(32).is_err());
    }

    #[test]
    fn every_shape_covers_its_cells_once() {
        let shapes = [
            (TensorShape::Rows32, 4, 32, 4),
            (TensorShape::Rows16 { bits: 64 }, 4, 16, 8),
            (TensorShape::Rows16 { bits: 128 }, 4, 16, 8),
            (TensorShape::Rows16 { bits: 256 }, 8, 16, 16),
        ];
        for (shape, registers, rows, columns) in shapes {
            let mut seen: Vec<(u32, u32)> =
                (0..registers).flat_map(|register| (0..32).map(move |lane| shape.place(lane, register))).collect();
            seen.sort_unstable();
            let all: Vec<(u32, u32)> =
                (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column))).collect();
            assert_eq!(seen, all, "{shape:?}");
        }
    }
}
