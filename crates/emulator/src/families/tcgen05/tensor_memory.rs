//! Tensor memory: 128 lanes of 512 columns of 32 bits, which a block allocates by columns. PTX ISA 9.7.16.1.
//!
//! An address has the lane in its upper half and the column in its lower one. Each warp reaches a quarter of the lanes.
//! Loads and stores are late: registers have what was loaded, and cells what was stored, when it was waited for.
//!
//! Blocks of a pair (`.cta_group::2`) allocate the same columns, each of its own memory; neither waits here until the other
//! has come to its allocation.

use crate::families::step::{LaneFailure, Step, at_lane};
use crate::fault::Fault;
use crate::instrument::{Instrument, Object, Operation};
use crate::program::{AddressOperand, Data, MemorySpace, Op, Slot, TensorAccess};
use crate::state::access::{Access, Area, Issuer};
use crate::state::pending::{PendingTensorLoad, PendingTensorStore};
use crate::state::tensor_memory::{TensorMemory, not_allocated};

impl<I: Instrument> Step<'_, '_, I> {
    fn first_lane(&self) -> usize {
        self.active.trailing_zeros() as usize & 31
    }

    pub(in crate::families) fn allocate_tensor(
        &mut self,
        address: &AddressOperand,
        columns: Slot,
    ) -> Result<(), LaneFailure> {
        let lane = self.first_lane();
        let columns = self.word(columns)[lane];
        let is_checked = self.block.instrument.wants_accesses();
        let tensor = self.block.memory.tensor.get_or_insert_with(|| Box::new(TensorMemory::new(is_checked)));
        let allocated = tensor.allocate(columns);
        let first = allocated.map_err(at_lane(lane))?;
        let (at, thread, issuer) = (self.addresses(address)[lane], self.thread(lane), self.issuer(lane));
        let access = Access { space: MemorySpace::Shared, name: "write", size: 4 };
        let place = self.block.memory.place(self.environment, access, at, thread).map_err(at_lane(lane))?;
        self.block.instrument.written(issuer, Area::shared(at as usize, 4), false);
        self.block.memory.write(&place, 0, 4, first.into());
        self.block.instrument.issued(issuer, &Operation::TensorAllocation { first, columns });
        Ok(())
    }

    pub(in crate::families) fn release_tensor(&mut self, address: Slot, count: Slot) -> Result<(), LaneFailure> {
        let lane = self.first_lane();
        let (first, count) = (self.word(address)[lane], self.word(count)[lane]);
        self.block.do_all_tensor_work(self.environment, self.cluster);
        let tensor = self.block.memory.tensor.as_mut().ok_or_else(|| (not_allocated().into(), lane as u32))?;
        tensor.release(first, count).map_err(at_lane(lane))?;
        let operation = Operation::TensorRelease { first, columns: count };
        self.block.instrument.issued(self.issuer(lane), &operation);
        Ok(())
    }

    pub(in crate::families) fn relinquish_tensor(&mut self) {
        let is_checked = self.block.instrument.wants_accesses();
        let tensor = self.block.memory.tensor.get_or_insert_with(|| Box::new(TensorMemory::new(is_checked)));
        tensor.relinquished = true;
    }

    /// True if the warp may access these cells: its own quarter of the lanes, of columns that are allocated.
    fn check_tensor(&self, name: &'static str, access: &TensorAccess, address: u32) -> Result<(), Fault> {
        let tensor = self.block.memory.tensor.as_ref().ok_or_else(not_allocated)?;
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
                    return Err(Fault::TensorMemory(message));
                }
                columns = (columns.0.min(column), columns.1.max(column + u32::from(access.packed)));
            }
        }
        tensor.check(name, address & !0xffff | columns.0, columns.1 + 1 - columns.0)
    }

    pub(in crate::families) fn issue_tensor_load(&mut self, access: &TensorAccess) -> Result<(), LaneFailure> {
        let lane = self.first_lane();
        let address = self.addresses(&access.address)[lane] as u32;
        self.check_tensor("read", access, address).map_err(at_lane(lane))?;
        self.block.instrument.issued(self.issuer(lane), &Operation::TensorLoad { access, address });
        self.warp.tensor_loads.push(PendingTensorLoad { pc: self.pc, address });
        Ok(())
    }

    pub(in crate::families) fn wait_for_tensor_loads(&mut self) {
        for load in std::mem::take(&mut self.warp.tensor_loads) {
            self.land_tensor_load(&load);
        }
        self.block.instrument.acquired(self.warp.index, Object::TensorLoads);
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
        let Some(tensor) = &self.block.memory.tensor else { return };
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
        let issuer = Issuer { pc, ..self.issuer(self.first_lane()) };
        self.block.instrument.landed(issuer, &Operation::TensorLoad { access, address });
    }

    pub(in crate::families) fn issue_tensor_store(&mut self, access: &TensorAccess) -> Result<(), LaneFailure> {
        let lane = self.first_lane();
        let address = self.addresses(&access.address)[lane] as u32;
        self.check_tensor("write", access, address).map_err(at_lane(lane))?;
        let register = |data: &Data| if let Data::Word(slot) = data { *self.word(*slot) } else { [0; 32] };
        let registers = access.registers.iter().map(register).collect();
        self.block.instrument.issued(self.issuer(lane), &Operation::TensorStore { access, address });
        self.warp.tensor_stores.push(PendingTensorStore { pc: self.pc, address, registers });
        Ok(())
    }

    pub(in crate::families) fn wait_for_tensor_stores(&mut self) -> Result<(), LaneFailure> {
        let environment = self.environment;
        for PendingTensorStore { pc, address, registers } in std::mem::take(&mut self.warp.tensor_stores) {
            let Some(Op::TensorStore(access)) = environment.program.code.get(pc as usize).map(|i| &i.op) else {
                continue;
            };
            let Some(tensor) = &mut self.block.memory.tensor else { continue };
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
        self.block.instrument.acquired(self.warp.index, Object::TensorStores);
        Ok(())
    }
}
