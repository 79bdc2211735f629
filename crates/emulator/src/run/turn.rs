//! A warp's turn: instruction after instruction until it waits, ends or faults.

use super::block::{Arrival, Stop};
use crate::families::step::Step;
use crate::fault::{Fault, FaultKind, Thread};
use crate::program::{BarrierReduction, File, MemorySpace, Op, Slot, Use};
use crate::state::access::Who;
use crate::state::address::resolve_generic;
use crate::state::block_memory::BlockMemory;
use crate::state::cluster::Cluster;
use crate::state::environment::Environment;
use crate::state::pending::PendingWgmma;
use crate::state::shape::BlockShape;
use crate::state::warp::Warp;

impl Step<'_, '_> {
    /// Where in shared or global memory an instruction looks: that of its first lane.
    fn looks_at(&self, op: &Op) -> Option<(u32, MemorySpace, u64)> {
        let (Op::Load { space, address, .. } | Op::Atomic { space, address, .. }) = op else { return None };
        let address = self.addresses(address)[self.active.trailing_zeros() as usize & 31];
        let (space, address) = match space {
            MemorySpace::Generic => resolve_generic(address),
            space => (*space, address),
        };
        matches!(space, MemorySpace::Global | MemorySpace::Shared | MemorySpace::Cluster)
            .then_some((self.pc, space, address))
    }
}

impl Warp {
    /// Runs until the turn is over, a barrier, the end or a fault.
    pub(crate) fn run(
        &mut self,
        environment: &Environment<'_>,
        shape: &BlockShape,
        memory: &mut BlockMemory,
        cluster: &mut Cluster,
        turn: u32,
    ) -> Result<Stop, Box<Fault>> {
        for _ in 0..turn {
            let Some((pc, mask)) = self.current() else { return Ok(Stop::Exit) };
            let Some(instruction) = environment.program.code.get(pc as usize) else { return Ok(Stop::Exit) };
            self.executed += 1;
            let active = match instruction.guard {
                None => mask,
                Some((slot, negated)) => {
                    let holds = self.predicates[slot as usize];
                    mask & if negated { !holds } else { holds }
                }
            };
            if !self.tensor_loads.is_empty() && active != 0 {
                Step { warp: self, environment, memory, cluster, active, pc }.land_used_tensor_loads();
            }
            if memory.sanitizer.is_some() {
                self.check_registers(environment, memory, pc, active);
                self.check_aligned(environment, memory, pc, active);
                let guard = instruction.guard.map(|(slot, _)| slot);
                Step { warp: self, environment, memory, cluster, active, pc }.follow_undefined(
                    &instruction.op,
                    guard,
                    mask,
                );
            }
            if !self.wgmmas.is_empty() && active != 0 && memory.sanitizer.is_none() {
                let mut step = Step { warp: self, environment, memory, cluster, active, pc };
                if let Err((kind, lane)) = step.repair_wgmma_wait() {
                    return Err(self.fault(environment, shape, kind, lane, pc));
                }
            }
            if memory.observer.is_some() {
                Step { warp: self, environment, memory, cluster, active, pc }.observe(&instruction.op, mask);
            }
            match &instruction.op {
                Op::Branch { target, reconverge } => {
                    self.branch(*target, *reconverge, active);
                    if *target <= pc && active != 0 && self.comes_round(*target, pc) {
                        return Ok(Stop::Poll);
                    }
                }
                Op::Exit => {
                    self.advance();
                    self.exit(active);
                }
                _ if active == 0 => self.advance(),
                Op::Barrier { id, threads, arrive, reduction } => {
                    let lane = active.trailing_zeros() as usize;
                    let number = self.words[*id as usize][lane];
                    let arrival = Arrival {
                        barrier: number & 15,
                        number,
                        pc,
                        threads: threads.map(|slot| self.words[slot as usize][lane]),
                        mask: active,
                        waits: !arrive,
                        reduction: reduction
                            .map(|(kind, d, p): (BarrierReduction, Slot, Slot)| (kind, d, self.predicates[p as usize])),
                    };
                    self.note_of_round(true, None);
                    self.advance();
                    return Ok(Stop::Barrier(arrival));
                }
                Op::ClusterArrive => {
                    self.note_of_round(true, None);
                    self.advance();
                    return Ok(Stop::ClusterArrive(active.count_ones()));
                }
                Op::ClusterWait => {
                    self.advance();
                    return Ok(Stop::ClusterWait);
                }
                Op::MbarrierWait { d, address, phase } => {
                    let mut step = Step { warp: self, environment, memory, cluster, active, pc };
                    let mbarrier = step.addresses(address)[active.trailing_zeros() as usize & 31];
                    match step.mbarrier_wait(*d, address, *phase) {
                        Ok(ended) => {
                            if let Some(observer) = &mut memory.observer {
                                observer.tested(self.index, pc, ended);
                            }
                            self.advance();
                            if ended {
                                self.waited();
                            } else {
                                self.poll(pc, mbarrier);
                                return Ok(Stop::Poll);
                            }
                        }
                        Err((kind, lane)) => return Err(self.fault(environment, shape, kind, lane, pc)),
                    }
                }
                op => {
                    let mut step = Step { warp: self, environment, memory, cluster, active, pc };
                    let looked = if step.warp.is_watched() { step.looks_at(op) } else { None };
                    let changes = step.memory.spin.changes();
                    if let Err((kind, lane)) = step.execute(op) {
                        let pc = step.pc;
                        return Err(self.fault(environment, shape, kind, lane, pc));
                    }
                    if self.is_watched() {
                        self.note_of_round(op.acts() || memory.spin.changes() != changes, looked);
                    }
                    self.advance();
                    // Long texts take their time; cancellation is seen between turns.
                    if matches!(op, Op::Print { .. }) {
                        return Ok(Stop::Turn);
                    }
                }
            }
        }
        Ok(Stop::Turn)
    }

    /// What bulk stores are left when the warp ends.
    pub(crate) fn finish_stores(
        &mut self,
        environment: &Environment<'_>,
        shape: &BlockShape,
        memory: &mut BlockMemory,
        cluster: &mut Cluster,
    ) -> Result<(), Box<Fault>> {
        if let Some(sanitizer) = &mut memory.sanitizer {
            for store in &self.stores {
                sanitizer.unwaited(Who { warp: self.index, lane: store.lane, pc: store.pc });
            }
        }
        let mut step = Step { warp: self, environment, memory, cluster, active: u32::MAX, pc: 0 };
        match step.wait_for_stores(None) {
            Ok(()) => Ok(()),
            Err((kind, lane)) => {
                let pc = step.pc;
                Err(self.fault(environment, shape, kind, lane, pc))
            }
        }
    }

    /// In a checked launch: whether an instruction touches what a `wgmma` is still working on, and whether a
    /// `wgmma.fence` stands between a register's write and a `wgmma` that takes it.
    fn check_registers(&self, environment: &Environment<'_>, memory: &mut BlockMemory, pc: u32, active: u32) {
        let Some((sanitizer, checks)) = memory.sanitizer.as_mut().zip(environment.checks) else { return };
        if checks.wgmma_words.is_empty() || active == 0 {
            return;
        }
        let who = Who { warp: self.index, lane: active.trailing_zeros(), pc };
        let code = &environment.program.code;
        match code.get(pc as usize).map(|instruction| &instruction.op) {
            Some(Op::Wgmma(wgmma)) => return sanitizer.wgmma_takes(who, wgmma.words()),
            Some(Op::WgmmaWait { .. }) | None => return,
            _ => {}
        }
        let uses = checks.uses.get(pc as usize).map(Vec::as_slice).unwrap_or_default();
        let words = uses.iter().filter(|(file, _, slot)| *file == File::Word && checks.wgmma_words.contains(slot));
        for &(_, how, slot) in words {
            let holds = |pending: &&PendingWgmma| match code.get(pending.pc as usize).map(|i| &i.op) {
                Some(Op::Wgmma(wgmma)) => wgmma.holds(slot),
                _ => false,
            };
            if let Some(pending) = self.wgmmas.iter().find(holds) {
                return sanitizer.wgmma_register(who, pending.pc);
            }
            if how == Use::Write {
                sanitizer.register_written(who, slot);
            }
        }
    }

    /// In a checked launch: whether lanes are missing from what all of a warp have to execute together.
    fn check_aligned(&self, environment: &Environment<'_>, memory: &mut BlockMemory, pc: u32, active: u32) {
        let Some((sanitizer, checks)) = memory.sanitizer.as_mut().zip(environment.checks) else { return };
        if active != 0 && checks.aligned.get(pc as usize) == Some(&true) && active != self.live() {
            sanitizer.divergent(Who { warp: self.index, lane: active.trailing_zeros(), pc });
        }
    }

    pub(crate) fn fault(
        &self,
        environment: &Environment<'_>,
        shape: &BlockShape,
        kind: FaultKind,
        lane: u32,
        pc: u32,
    ) -> Box<Fault> {
        let thread = Thread { block: shape.index, thread: shape.thread(self.index, lane), warp: self.index, lane };
        let span = environment.program.spans.get(pc as usize).cloned().unwrap_or(0..0);
        let line = environment.program.lines.get(pc as usize).copied().flatten();
        let source = line.map(|line| (line.file.to_string(), line.line, line.column));
        Box::new(Fault { thread: Some(thread), span, source, ..Fault::nowhere(kind) })
    }
}
