//! What an instruction works on: the lanes of a warp that take part, its block and its cluster.

use crate::fault::Cause;
use crate::instrument::Instrument;
use crate::program::{AddressOperand, Data, Long, MemorySpace, Slot, Word};
use crate::state::access::{Access, Issuer, Place};
use crate::state::block::BlockState;
use crate::state::cluster::Cluster;
use crate::state::environment::Environment;
use crate::state::warp::Warp;

/// A fault of one lane, before its place is known.
pub(crate) type LaneFailure = (Cause, u32);

/// Says which lane an operation has failed in.
pub(super) fn at_lane<E: Into<Cause>>(lane: usize) -> impl Fn(E) -> LaneFailure {
    move |cause| (cause.into(), lane as u32)
}

/// An operation that is carried out.
pub(crate) struct Step<'s, 'e, I> {
    /// The warp that executes the operation.
    pub warp: &'s mut Warp,
    /// What all blocks of the launch share.
    pub environment: &'s Environment<'e>,
    /// Memory of the block, and the instrument that watches it.
    pub block: &'s mut BlockState<I>,
    /// The other blocks of the cluster.
    pub cluster: &'s mut Cluster<I>,
    /// The lanes that take part.
    pub active: u32,
    /// Index of the operation.
    pub pc: u32,
}

impl<'e, I: Instrument> Step<'_, 'e, I> {
    #[inline(always)]
    pub(super) fn word(&self, slot: Slot) -> &Word {
        &self.warp.words[slot as usize]
    }

    #[inline(always)]
    pub(super) fn long(&self, slot: Slot) -> &Long {
        &self.warp.longs[slot as usize]
    }

    #[inline(always)]
    pub(super) fn set_word(&mut self, slot: Slot, value: &Word) {
        self.warp.write_word(slot, value, self.active);
    }

    #[inline(always)]
    pub(super) fn set_long(&mut self, slot: Slot, value: &Long) {
        self.warp.write_long(slot, value, self.active);
    }

    pub(super) fn set_predicate(&mut self, slot: Slot, value: u32) {
        self.warp.write_predicate(slot, value, self.active);
    }

    pub(super) fn value(&self, data: Data, lane: usize) -> u64 {
        self.warp.value(data, lane)
    }

    pub(super) fn set_lane(&mut self, data: Data, lane: usize, value: u64) {
        match data {
            Data::Sink => {}
            Data::Word(slot) => self.warp.words[slot as usize][lane] = value as u32,
            Data::Long(slot) => self.warp.longs[slot as usize][lane] = value,
        }
    }

    pub(crate) fn addresses(&self, operand: &AddressOperand) -> Long {
        self.warp.addresses(operand)
    }

    pub(super) fn thread(&self, lane: usize) -> u32 {
        self.warp.thread(lane)
    }

    /// Where one lane's access goes, its alignment and bounds checked.
    #[inline]
    pub(super) fn place(&mut self, access: Access, address: u64, lane: usize) -> Result<Place<'e>, LaneFailure> {
        let thread = self.thread(lane);
        self.block.memory.place(self.environment, access, address, thread).map_err(at_lane(lane))
    }

    /// True if an address is in another block's shared memory.
    #[inline(always)]
    pub(super) fn is_peer(&self, space: MemorySpace, address: u64) -> bool {
        self.block.memory.is_peer(space, address)
    }

    /// True if instruments want to hear of each lane's accesses.
    #[inline(always)]
    pub(super) fn is_watched(&self) -> bool {
        self.block.instrument.wants_accesses()
    }

    /// A lane, for reports.
    pub(super) fn issuer(&self, lane: usize) -> Issuer {
        Issuer { warp: self.warp.index, lane: lane as u32, pc: self.pc }
    }
}
