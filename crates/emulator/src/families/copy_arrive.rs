//! `cp.async.mbarrier.arrive`: an mbarrier hears when the copies of a thread have ended. PTX ISA 9.7.13.15.16.
//!
//! The copies are late, as those that nobody waits for: they land when every warp of the block waits.

use super::step::{LaneFailure, Step, at_lane};
use crate::decode::Decoder;
use crate::decode::modifiers::Modifiers;
use crate::fault::Cause;
use crate::instrument::{Instrument, Object};
use crate::program::{AddressOperand, Op};
use crate::state::block::Block;
use crate::state::cluster::Cluster;
use crate::state::environment::Environment;
use crate::state::pending::PendingArrival;
use crate::state::warp::lanes_of;
use warpbook_diagnostic::Result as Decoded;
use warpbook_ptx::isa::Modifier;
use warpbook_ptx::{Operand, PtxType};

impl<I: Instrument> Block<I> {
    /// The copies of the first warp that an mbarrier is to hear of land, and their arrivals come; `None` if there are none.
    /// Thread and operation come with the outcome, for a report.
    pub(crate) fn land_copies(
        &mut self,
        environment: &Environment<'_>,
        cluster: &mut Cluster<I>,
    ) -> Option<(u32, u32, Result<(), Cause>)> {
        let warp = self.warps.iter_mut().find(|warp| !warp.copy_arrivals.is_empty())?;
        let arrival = warp.copy_arrivals.pop_front()?;
        let (active, pc) = (arrival.lanes, arrival.pc);
        let mut step = Step { warp, environment, block: &mut self.state, cluster, active, pc };
        let first = active.trailing_zeros();
        let (lane, outcome) = match step.land_before(&arrival) {
            Ok(()) => (first, Ok(())),
            Err((cause, lane)) => (lane, Err(cause)),
        };
        let pc = step.pc;
        Some((step.warp.index * 32 + lane, pc, outcome))
    }
}

impl<I: Instrument> Step<'_, '_, I> {
    /// Executes the instruction `cp.async.mbarrier.arrive`.
    pub(super) fn issue_copy_arrival(&mut self, address: &AddressOperand, counts: bool) -> Result<(), LaneFailure> {
        let mbarrier = self.addresses(address);
        if counts {
            for lane in lanes_of(self.active) {
                self.block.memory.expect_one_more(mbarrier[lane]).map_err(at_lane(lane))?;
            }
        }
        let executed = self.warp.executed;
        self.warp.copy_arrivals.push_back(PendingArrival { lanes: self.active, mbarrier, executed, pc: self.pc });
        Ok(())
    }

    /// Carries out the copies that stand before an arrival, and arrives.
    fn land_before(&mut self, arrival: &PendingArrival) -> Result<(), LaneFailure> {
        let mut all = std::mem::take(&mut self.warp.copies);
        for copies in all.iter_mut().filter(|copies| copies.executed < arrival.executed) {
            let due = copies.lanes & arrival.lanes;
            // A fault is that of the copy.
            self.pc = copies.pc;
            self.carry_out(copies, due)?;
            copies.lanes &= !due;
        }
        all.retain(|copies| copies.lanes != 0);
        self.warp.copies = all;
        self.pc = arrival.pc;
        for lane in lanes_of(arrival.lanes) {
            let address = arrival.mbarrier[lane];
            let at = self.block.memory.mbarrier_place(address).map_err(at_lane(lane))?;
            self.block.instrument.released(self.warp.index, Object::Mbarrier(at as u64));
            self.block.arrive_once(address).map_err(at_lane(lane))?;
        }
        Ok(())
    }
}

impl Decoder<'_> {
    /// Decodes the instruction `cp.async.mbarrier.arrive`.
    pub(crate) fn copy_arrive(&mut self, m: &mut Modifiers<'_>, o: &[Operand]) -> Decoded<()> {
        let counts = !m.take(Modifier::NoInc);
        m.take_all(&[Modifier::Shared, Modifier::SharedCta, Modifier::Type(PtxType::B64)]);
        let address = self.shared_address(o.first())?;
        self.emit(Op::CopyArrive { address, counts });
        Ok(())
    }
}
