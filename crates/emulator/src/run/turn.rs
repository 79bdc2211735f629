//! A warp's turn: instruction after instruction until it waits, ends or faults.

use crate::families::barrier::Arrival;
use crate::families::step::Step;
use crate::fault::{Cause, Failure, Thread};
use crate::instrument::{Execution, Instrument, Misuse};
use crate::program::{MemorySpace, Op};
use crate::state::access::Issuer;
use crate::state::address::resolve_generic;
use crate::state::block::BlockState;
use crate::state::cluster::Cluster;
use crate::state::environment::Environment;
use crate::state::shape::BlockShape;
use crate::state::warp::Warp;

impl<I: Instrument> Step<'_, '_, I> {
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

/// Why a warp stopped.
pub(crate) enum Stop {
    /// The turn is over, and the warp can go on.
    Turn,
    /// It came to a barrier; the instruction is done.
    Barrier(Arrival),
    /// So many threads arrived at the cluster's barrier.
    ClusterArrive(u32),
    /// It waits for the phase of the cluster's barrier in which it arrived.
    ClusterWait,
    /// It tested the phase of an mbarrier that has not ended, or went round a loop that waits for a change of memory.
    Poll,
    /// All lanes have exited.
    Exit,
}

impl Warp {
    /// Runs until the turn is over, a barrier, the end or a fault.
    pub(crate) fn run<I: Instrument>(
        &mut self,
        environment: &Environment<'_>,
        shape: &BlockShape,
        block: &mut BlockState<I>,
        cluster: &mut Cluster<I>,
        turn: u32,
    ) -> Result<Stop, Box<Failure>> {
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
                Step { warp: self, environment, block, cluster, active, pc }.land_used_tensor_loads();
            }
            if !self.wgmmas.is_empty() && active != 0 && block.instrument.repairs_waits() {
                let mut step = Step { warp: self, environment, block, cluster, active, pc };
                if let Err((kind, lane)) = step.repair_wgmma_wait() {
                    return Err(self.fault(environment, shape, kind, lane, pc));
                }
            }
            let BlockState { memory, instrument } = &mut *block;
            let execution = Execution { environment, memory, warp: self, pc, present: mask, active };
            instrument.executing(&execution, &instruction.op);
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
                    let arrival = Arrival::new(self, (*id, *threads), !arrive, *reduction, (active, pc));
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
                    let mut step = Step { warp: self, environment, block, cluster, active, pc };
                    let mbarrier = step.addresses(address)[active.trailing_zeros() as usize & 31];
                    match step.mbarrier_wait(*d, address, *phase) {
                        Ok(ended) => {
                            let lane = active.trailing_zeros() & 31;
                            block.instrument.tested(Issuer { warp: self.index, lane, pc }, ended);
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
                    let mut step = Step { warp: self, environment, block, cluster, active, pc };
                    let looked = if step.warp.is_watched() { step.looks_at(op) } else { None };
                    let changes = step.block.memory.spin.changes();
                    if let Err((kind, lane)) = step.execute(op) {
                        let pc = step.pc;
                        return Err(self.fault(environment, shape, kind, lane, pc));
                    }
                    if self.is_watched() {
                        self.note_of_round(op.acts() || block.memory.spin.changes() != changes, looked);
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
    pub(crate) fn finish_stores<I: Instrument>(
        &mut self,
        environment: &Environment<'_>,
        shape: &BlockShape,
        block: &mut BlockState<I>,
        cluster: &mut Cluster<I>,
    ) -> Result<(), Box<Failure>> {
        for store in &self.stores {
            let issuer = Issuer { warp: self.index, lane: store.lane, pc: store.pc };
            block.instrument.misused(issuer, Misuse::Unwaited);
        }
        let mut step = Step { warp: self, environment, block, cluster, active: u32::MAX, pc: 0 };
        match step.wait_for_stores(None) {
            Ok(()) => Ok(()),
            Err((kind, lane)) => {
                let pc = step.pc;
                Err(self.fault(environment, shape, kind, lane, pc))
            }
        }
    }

    pub(crate) fn fault(
        &self,
        environment: &Environment<'_>,
        shape: &BlockShape,
        cause: impl Into<Cause>,
        lane: u32,
        pc: u32,
    ) -> Box<Failure> {
        let thread = Thread { block: shape.index, thread: shape.thread(self.index, lane), warp: self.index, lane };
        let span = environment.program.spans.get(pc as usize).cloned().unwrap_or(0..0);
        let line = environment.program.lines.get(pc as usize).copied().flatten();
        let source = line.map(|line| (line.file.to_string(), line.line, line.column));
        Box::new(Failure { thread: Some(thread), span, source, ..Failure::nowhere(cause) })
    }
}
