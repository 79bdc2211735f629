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
use crate::state::paths::{Path, Wait};
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
    /// No lane can go on: all wait.
    Waits,
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
            let Some((pc, mask)) = self.paths.current() else {
                match self.paths.is_empty() {
                    true => return Ok(Stop::Exit),
                    false if self.meets_barrier_alone(environment) => continue,
                    false => return Ok(Stop::Waits),
                }
            };
            if let Some(stop) = self.execute(environment, shape, block, cluster, (pc, mask))? {
                return Ok(stop);
            }
        }
        self.paths.turn_ends();
        Ok(Stop::Turn)
    }

    /// Executes the operation at an index for the lanes that are there; why the turn ends, if it does.
    #[inline(always)]
    fn execute<I: Instrument>(
        &mut self,
        environment: &Environment<'_>,
        shape: &BlockShape,
        block: &mut BlockState<I>,
        cluster: &mut Cluster<I>,
        (pc, mask): (u32, u32),
    ) -> Result<Option<Stop>, Box<Failure>> {
        let Some(instruction) = environment.program.code.get(pc as usize) else { return Ok(Some(Stop::Exit)) };
        let active = match instruction.guard {
            None => mask,
            Some((slot, negated)) => {
                let holds = self.predicates[slot as usize];
                mask & if negated { !holds } else { holds }
            }
        };
        if active != 0
            && !self.is_gathered(instruction.gather, active)
            && !self.gather(environment, shape, block, cluster, (instruction.gather, active, pc))?
        {
            return Ok(None);
        }
        self.count_execution();
        if active != 0 && !(self.tensor_loads.is_empty() && self.wgmmas.is_empty()) {
            self.settle_registers(environment, shape, block, cluster, (active, pc))?;
        }
        let BlockState { memory, instrument } = &mut *block;
        let execution = Execution { environment, memory, warp: self, pc, present: mask, active };
        instrument.executing(&execution, &instruction.op);
        match &instruction.op {
            Op::Branch { target, reconverge } => {
                self.paths.branch(*target, *reconverge, active);
                if *target <= pc && active != 0 && self.comes_round(*target, pc) && !self.yields(environment) {
                    return Ok(Some(Stop::Poll));
                }
            }
            Op::Exit => {
                self.paths.advance();
                self.paths.exit(active);
                if self.paths.is_divided() {
                    self.release_gathered(environment, shape, block, cluster)?;
                }
            }
            _ if active == 0 => self.paths.advance(),
            Op::Barrier { id, threads, arrive, reduction } => {
                let arrival = Arrival::new(self, (*id, *threads), !arrive, *reduction, (active, pc));
                self.note_of_round(true, None);
                self.paths.advance();
                if arrival.waits {
                    self.paths.park(active, Wait::Barrier(arrival.barrier));
                }
                return Ok(Some(Stop::Barrier(arrival)));
            }
            Op::ClusterArrive => {
                self.note_of_round(true, None);
                self.paths.advance();
                return Ok(Some(Stop::ClusterArrive(active.count_ones())));
            }
            Op::ClusterWait => {
                self.paths.advance();
                // Without an arrival there is no phase to wait for.
                self.paths.park(active, Wait::ClusterBarrier(self.cluster_phase.unwrap_or(u64::MAX)));
                return Ok(Some(Stop::ClusterWait));
            }
            Op::MbarrierWait { d, address, phase } => {
                let mut step = Step { warp: self, environment, block, cluster, active, pc };
                let mbarrier = step.addresses(address)[active.trailing_zeros() as usize & 31];
                let ended = match step.mbarrier_wait(*d, address, *phase) {
                    Ok(ended) => ended,
                    Err((kind, lane)) => return Err(self.fault(environment, shape, kind, lane, pc)),
                };
                let lane = active.trailing_zeros() & 31;
                block.instrument.tested(Issuer { warp: self.index, lane, pc }, ended);
                self.paths.advance();
                if !self.goes_on_after_test(environment, ended, (pc, mbarrier)) {
                    return Ok(Some(Stop::Poll));
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
                self.paths.advance();
                // Long texts take their time; cancellation is seen between turns.
                if matches!(op, Op::Print { .. }) {
                    return Ok(Some(Stop::Turn));
                }
            }
        }
        Ok(None)
    }

    /// Registers that an operation uses have what `tcgen05.ld` and `wgmma` bring to them.
    fn settle_registers<I: Instrument>(
        &mut self,
        environment: &Environment<'_>,
        shape: &BlockShape,
        block: &mut BlockState<I>,
        cluster: &mut Cluster<I>,
        (active, pc): (u32, u32),
    ) -> Result<(), Box<Failure>> {
        let mut step = Step { warp: self, environment, block, cluster, active, pc };
        if !step.warp.tensor_loads.is_empty() {
            step.land_used_tensor_loads();
        }
        if !step.warp.wgmmas.is_empty()
            && let Err((kind, lane)) = step.repair_wgmma_wait()
        {
            return Err(self.fault(environment, shape, kind, lane, pc));
        }
        Ok(())
    }

    /// The phase of an mbarrier was tested, by the operation at an index, and has ended or not. True if the warp's turn goes
    /// on: the phase has ended, or other lanes of the warp can do something meanwhile.
    fn goes_on_after_test(&mut self, environment: &Environment<'_>, ended: bool, (pc, mbarrier): (u32, u64)) -> bool {
        let Some(polling) = self.polling() else { return true };
        if ended {
            polling.waited();
            return true;
        }
        polling.poll(pc, mbarrier);
        !polling.did_something_new() && self.yields(environment)
    }

    /// Counts an operation of the path being executed.
    #[inline(always)]
    pub(super) fn count_execution(&mut self) {
        self.executed += 1;
        if let Some(polling) = self.polling() {
            polling.executed += 1;
        }
    }

    /// The lanes being executed only wait. True if others of the warp are executed now, which may make what they wait for.
    fn yields(&mut self, environment: &Environment<'_>) -> bool {
        self.paths.yields() || self.paths.is_divided() && self.meets_barrier_alone(environment)
    }

    /// Lanes that wait for the rest of their warp at a barrier arrive without them, who cannot come now: a barrier counts
    /// threads. True if there are any.
    fn meets_barrier_alone(&mut self, environment: &Environment<'_>) -> bool {
        let at_barrier = |path: &Path| {
            let instruction = environment.program.code.get(path.pc as usize);
            path.wait == Wait::Warp
                && matches!(
                    instruction.map(|instruction| &instruction.op),
                    Some(Op::Barrier { .. } | Op::ClusterArrive | Op::ClusterWait)
                )
        };
        self.paths.release_alone(at_barrier)
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
