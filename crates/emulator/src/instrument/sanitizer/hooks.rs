//! What the checks make of what the run reports.

use super::clock::Knowledge;
use super::finding::{Reach, Rule};
use super::flow::Follower;
use super::global::Kind;
use super::{Cell, Sanitizer};
use crate::instrument::{Execution, Instrument, Misuse, Object, Operation, Product};
use crate::program::Op;
use crate::state::access::{Area, Issuer};
use crate::state::tensor_memory::{Cells, TensorUse, columns};

impl Instrument for Sanitizer<'_> {
    fn executing(&mut self, at: &Execution<'_>, op: &Op) {
        self.check_registers(at);
        Follower { sanitizer: self, at }.follow_undefined(op);
    }

    fn read(&mut self, issuer: Issuer, area: Area) {
        let Area { shared, address, size } = area;
        let memory = self.checks.memory;
        match (self.is_strong(issuer), shared) {
            (true, _) => self.strong_read(issuer, area, || memory.describe(address)),
            (false, true) => self.read_shared(issuer, address as usize, size as usize),
            (false, false) => self.global_read(issuer, address, size, || memory.describe(address)),
        }
    }

    fn written(&mut self, issuer: Issuer, area: Area, same: bool) {
        let Area { shared, address, size } = area;
        let memory = self.checks.memory;
        match (self.is_strong(issuer), shared) {
            (true, _) => self.strong_write(issuer, area, || memory.describe(address)),
            (false, true) => self.write_shared(issuer, address as usize, size as usize, same),
            (false, false) => self.global_write(issuer, (address, size), same, || memory.describe(address)),
        }
    }

    fn changed(&mut self, issuer: Issuer, area: Area) {
        self.atomic(issuer, area);
    }

    /// Only the cluster's barriers and mbarriers order what another block does: it is not compared with anything.
    fn written_by_peer(&mut self, pc: u32, area: Area) {
        let (at, size) = (area.address as usize, area.size as usize);
        self.undefined.set_shared(at, size, 0, None);
        self.note_write(at, size, Cell::written_by_agent(0, 0, pc));
    }

    fn tensor_written_by_peer(&mut self, cells: &[Cells]) {
        self.tensor_written_elsewhere(cells);
    }

    fn released(&mut self, warp: u32, object: Object) {
        let now = self.now(warp);
        let Some(known) = self.known.get_mut(warp as usize) else { return };
        match object {
            // What the warp knows of is visible to the other proxy from now on.
            Object::AsyncProxy => return known.proxy.join(&known.clock),
            Object::TensorMapProxy => known.maps.join(&known.clock),
            Object::TensorMemory => known.tensor.learn(warp as usize, now),
            Object::WgmmaRegisters => {
                if let Some(unfenced) = self.unfenced.get_mut(warp as usize) {
                    *unfenced = Some(std::collections::HashMap::new());
                }
                return;
            }
            Object::Barrier(_) | Object::ClusterBarrier(_) | Object::Mbarrier(_) => {
                let known = known.clone();
                if let Object::Mbarrier(at) = object {
                    self.mark_mbarrier(at, true);
                    self.mbarrier_seen(warp, at);
                }
                self.phases(object).arrived.join(&known);
            }
            Object::Warp | Object::TensorMap(_) | Object::TensorLoads | Object::TensorStores => {}
        }
        // The lanes of the warp know of each other too.
        self.tick(warp);
    }

    fn acquired(&mut self, warp: u32, object: Object) {
        match object {
            Object::Barrier(_) | Object::Mbarrier(_) => {
                let released = self.phases(object).released.clone();
                self.learn(warp, &released);
                if let Object::Mbarrier(at) = object {
                    self.mbarrier_waited(warp, at);
                    self.loads_awaited(at);
                }
            }
            // Other warps of the block may go on later.
            Object::ClusterBarrier(_) => {
                let arrived = self.phases(object).arrived.clone();
                self.learn(warp, &arrived);
            }
            Object::TensorMap(address) => self.map_acquired(warp, address),
            Object::TensorMemory => {
                let known = self.known.get(warp as usize);
                if let Some((Knowledge { tensor, .. }, fenced)) = known.zip(self.tensor.fenced.get_mut(warp as usize)) {
                    fenced.join(tensor);
                }
            }
            Object::TensorLoads => self.tensor_waited(warp, TensorUse::Load),
            Object::TensorStores => self.tensor_waited(warp, TensorUse::Store),
            Object::Warp | Object::AsyncProxy | Object::TensorMapProxy | Object::WgmmaRegisters => {}
        }
    }

    fn completed(&mut self, object: Object) {
        if let Object::Mbarrier(at) = object {
            self.mbarrier_ends(at);
        }
        let is_mbarrier = matches!(object, Object::Mbarrier(_));
        let phases = self.phases(object);
        if is_mbarrier {
            phases.ended += 1;
            phases.arrived.clock.learn(phases.agent, phases.ended);
            phases.released = phases.arrived.clone();
        } else {
            phases.released = std::mem::take(&mut phases.arrived);
        }
    }

    fn initialised(&mut self, issuer: Issuer, object: Object) {
        if let Object::Mbarrier(at) = object {
            self.mbarrier_begins(issuer, at);
        }
    }

    fn arrives(&mut self, issuer: Issuer, mbarrier: u64) {
        self.phases(Object::Mbarrier(mbarrier)).last_arrival = Some(issuer.pc);
    }

    fn awaits(&mut self, issuer: Issuer, mbarrier: u64, parity: bool) {
        self.mbarrier_awaited(issuer, mbarrier, parity);
    }

    fn issued(&mut self, issuer: Issuer, operation: &Operation<'_>) {
        let warp = issuer.warp;
        match *operation {
            Operation::Copy(area) => self.copy_issued(issuer, area.address as usize, area.size as usize),
            Operation::Bulk { load: true, .. } | Operation::Commit { .. } | Operation::Numbered(_) => {}
            Operation::Bulk { number, .. } => self.issue(warp, number, 0, [0; 2]),
            Operation::Incoming { area, mbarrier, from_peer } => {
                let (at, size) = (area.address as usize, area.size as usize);
                match mbarrier {
                    None => self.written_by_peer(issuer.pc, area),
                    Some(mbarrier) if from_peer => self.load_issued_by_peer(issuer.pc, mbarrier, at, size),
                    Some(mbarrier) => self.load_issued(issuer, mbarrier, at, size),
                }
            }
            Operation::Wgmma { number, a } => {
                let rows = a.map_or([0; 2], |a| self.undefined_rows(warp, a));
                self.issue(warp, number, 0, rows);
            }
            Operation::TensorLoad { access, address } => {
                self.tensor_access(issuer, &access.all_cells(address), TensorUse::Load, 0);
            }
            Operation::TensorStore { access, address } => {
                self.tensor_access(issuer, &access.all_cells(address), TensorUse::Store, 0);
                for (slot, cells) in access.words(address) {
                    self.undefined_to_tensor(warp, slot, &cells);
                }
            }
            Operation::TensorCore { number, touched } => {
                let core = self.core_issues(warp);
                for (how, cells) in touched {
                    self.tensor_access(issuer, cells, *how, core);
                }
                self.issue(warp, number, core, [0; 2]);
            }
            Operation::TensorAllocation { first, columns: count } => self.tensor_allocated(columns(first, count)),
            Operation::TensorRelease { first, columns: count } => {
                let cells: Vec<Cells> = columns(first, count).collect();
                self.tensor_access(issuer, &cells, TensorUse::Release, 0);
            }
        }
    }

    fn operation_reads(&mut self, issuer: Issuer, number: u64, area: Area) -> bool {
        let (address, size) = (area.address, area.size as usize);
        if area.shared {
            return self.read_later(issuer, number, address as usize, size);
        }
        if let Some(other) = self.checks.shadow().edge_by(self.shape.linear_index, address, area.size, Kind::Read) {
            let memory = self.checks.memory;
            self.report(Rule::OverwrittenEdge { other }, issuer, None, || memory.describe(address));
        }
        let unwritten = self.checks.is_unwritten(address, size);
        if unwritten {
            let (rule, memory) = (Rule::Undefined { reach: Reach::Bulk, origin: None }, self.checks.memory);
            self.report(rule, issuer, None, || memory.describe(address));
        }
        unwritten
    }

    fn operation_wrote(&mut self, area: Area) {
        self.checks.written(area.address, area.size as usize);
    }

    fn operation_stores(&mut self, issuer: Issuer, from: Area, to: Area) {
        let (bits, origin) = self.undefined.shared(from.address as usize, from.size as usize);
        if bits != 0 {
            let memory = self.checks.memory;
            let rule = Rule::Undefined { reach: Reach::Global, origin };
            self.report(rule, issuer, None, || memory.describe(to.address));
        }
    }

    fn operation_writes_edge(&mut self, issuer: Issuer, row: Area, edge: Area, same: bool) {
        self.edge_written(issuer, row, edge, same);
    }

    fn tensor_map_read(&mut self, issuer: Issuer, area: Area) {
        self.map_read(issuer, area.address);
    }

    fn multiplied(&mut self, issuer: Issuer, product: &Product<'_>) {
        self.forget_current();
        let Some(then) = self.operations.get(&product.number) else { return };
        let rows = [0, 1].map(|half| product.rows[half] | then.rows[half]);
        let values = self.undefined_values(issuer.warp, product.c);
        let undefined = (rows, product.columns);
        self.set_product(issuer.warp, product.d, &values, undefined, Some(issuer.pc), u32::MAX);
    }

    fn landed(&mut self, issuer: Issuer, operation: &Operation<'_>) {
        match *operation {
            Operation::Copy(area) => self.copy_landed(issuer, area.address as usize, area.size as usize),
            Operation::Incoming { area, mbarrier: Some(mbarrier), .. } => {
                self.load_landed(issuer, mbarrier, area.address as usize, area.size as usize);
            }
            Operation::TensorLoad { access, address } => {
                for (slot, cells) in access.words(address) {
                    self.undefined_from_tensor(issuer.warp, slot, &cells, issuer.pc);
                }
            }
            Operation::Numbered(number) => {
                self.forget_current();
                self.operations.remove(&number);
            }
            // A commit of what a warp gave to the tensor core: the mbarrier's next phase knows of all before it.
            Operation::Commit { number, mbarrier } => {
                let core = self.core(issuer.warp);
                self.forget_current();
                let Some(then) = self.operations.remove(&number) else { return };
                let phases = self.phases(Object::Mbarrier(mbarrier));
                phases.last_arrival = Some(issuer.pc);
                phases.arrived.join(&then.known);
                phases.arrived.clock.learn(core, then.core);
                phases.arrived.tensor.learn(core, then.core);
            }
            _ => {}
        }
    }

    fn misused(&mut self, issuer: Issuer, misuse: Misuse) {
        match misuse {
            Misuse::Barrier(misuse) => self.report(Rule::Barrier(misuse), issuer, None, String::new),
            Misuse::MbarrierInUse(at) => self.mbarrier_begins_twice(issuer, at),
            Misuse::WgmmaUnwaited(other) => self.wgmma_repaired(issuer, other),
            Misuse::PartOfWarp => self.report(Rule::Divergent, issuer, None, String::new),
            Misuse::Unwaited if self.is_of_the_core(issuer) => self.core_unwaited(issuer),
            Misuse::Unwaited => self.report(Rule::Unwaited, issuer, None, String::new),
        }
    }
}

impl Sanitizer<'_> {
    /// The block has ended, and not by a fault.
    pub fn finish(&mut self) {
        self.loads_left();
    }

    /// True if the instruction is a load or a store that orders threads.
    fn is_strong(&self, issuer: Issuer) -> bool {
        self.checks.program.strong.get(issuer.pc as usize) == Some(&true)
    }

    /// True if the tensor core of `tcgen05` carries the instruction out.
    fn is_of_the_core(&self, issuer: Issuer) -> bool {
        let op = self.checks.program.code.get(issuer.pc as usize).map(|instruction| &instruction.op);
        matches!(op, Some(Op::TensorMma(_) | Op::TensorCopy(_)))
    }
}
