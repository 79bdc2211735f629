//! What an instruction works on: the lanes of a warp that take part, its block and its cluster.

use crate::fault::FaultKind;
use crate::program::{AddressOperand, Base, Data, Long, Slot, Word};
use crate::state::access::{Access, Place, Who};
use crate::state::block_memory::BlockMemory;
use crate::state::cluster::Cluster;
use crate::state::environment::Environment;
use crate::state::warp::Warp;

/// A fault of one lane, before its place is known.
pub(crate) type LaneFault = (FaultKind, u32);

pub(crate) struct Step<'s, 'e> {
    pub warp: &'s mut Warp,
    pub environment: &'s Environment<'e>,
    pub memory: &'s mut BlockMemory,
    /// The block's peers.
    pub cluster: &'s mut Cluster,
    /// The lanes that take part.
    pub active: u32,
    pub pc: u32,
}

impl<'e> Step<'_, 'e> {
    #[inline(always)]
    pub(crate) fn word(&self, slot: Slot) -> &Word {
        &self.warp.words[slot as usize]
    }

    #[inline(always)]
    pub(crate) fn long(&self, slot: Slot) -> &Long {
        &self.warp.longs[slot as usize]
    }

    #[inline(always)]
    pub(crate) fn set_word(&mut self, slot: Slot, value: &Word) {
        self.warp.write_word(slot, value, self.active);
    }

    #[inline(always)]
    pub(crate) fn set_long(&mut self, slot: Slot, value: &Long) {
        self.warp.write_long(slot, value, self.active);
    }

    pub(crate) fn set_predicate(&mut self, slot: Slot, value: u32) {
        self.warp.write_predicate(slot, value, self.active);
    }

    pub(crate) fn value(&self, data: Data, lane: usize) -> u64 {
        match data {
            Data::Sink => 0,
            Data::Word(slot) => self.word(slot)[lane].into(),
            Data::Long(slot) => self.long(slot)[lane],
        }
    }

    pub(crate) fn set_lane(&mut self, data: Data, lane: usize, value: u64) {
        match data {
            Data::Sink => {}
            Data::Word(slot) => self.warp.words[slot as usize][lane] = value as u32,
            Data::Long(slot) => self.warp.longs[slot as usize][lane] = value,
        }
    }

    pub(crate) fn addresses(&self, operand: &AddressOperand) -> Long {
        match operand.base {
            Base::None => [operand.offset as u64; 32],
            Base::Word(slot) => {
                let (base, offset) = (self.word(slot), operand.offset as u32);
                std::array::from_fn(|lane| base[lane].wrapping_add(offset).into())
            }
            Base::Long(slot) => {
                let (base, offset) = (self.long(slot), operand.offset as u64);
                std::array::from_fn(|lane| base[lane].wrapping_add(offset))
            }
        }
    }

    pub(crate) fn thread(&self, lane: usize) -> u32 {
        self.warp.index * 32 + lane as u32
    }

    /// Where one lane's access goes, its alignment and bounds checked.
    #[inline]
    pub(crate) fn place(&mut self, access: Access, address: u64, lane: usize) -> Result<Place<'e>, LaneFault> {
        let thread = self.thread(lane);
        self.memory.place(self.environment, access, address, thread).map_err(|kind| (kind, lane as u32))
    }

    pub(crate) fn who(&self, lane: usize) -> Who {
        Who { warp: self.warp.index, lane: lane as u32, pc: self.pc }
    }
}
