//! `mbarrier`: a barrier in shared memory with phases, arrivals and bytes to come. PTX ISA 9.7.13.15.
//!
//! Its 64 bits are opaque in the ISA. Here, from the lowest: 20 bits of arrivals that are still missing, 20 bits of
//! arrivals per phase, 22 bits of bytes to come (signed), a bit that says that it is initialised, the phase's parity.
//!
//! Bytes of memory are an mbarrier from its `mbarrier.init` on, until it is invalidated or something else writes them: the
//! bits alone do not tell, as data may look the same.

use crate::families::step::{LaneFailure, Step, at_lane};
use crate::fault::{Cause, Fault};
use crate::instrument::{Instrument, MBARRIER_BYTES, Misuse, Object};
use crate::program::{AddressOperand, Data, MbarrierArrival, MemorySpace, Slot};
use crate::state::access::{Access, Area, Issuer};
use crate::state::block::BlockState;
use crate::state::block_memory::BlockMemory;
use crate::state::warp::lanes_of;
use warpbook_gpu::u64_from_le;

const COUNT_BITS: u32 = 20;
const COUNT_MASK: u64 = (1 << COUNT_BITS) - 1;
const BYTES_BITS: u32 = 22;
/// Bytes to come are at most so many (PTX ISA 9.7.13.15.2).
const MOST_BYTES: i64 = (1 << 20) - 1;

/// The object, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Mbarrier {
    /// Arrivals that the current phase still lacks.
    missing: u64,
    /// Arrivals that complete a phase.
    expected: u64,
    /// Bytes that the current phase still lacks.
    bytes: i64,
    valid: bool,
    /// Parity of the current phase.
    parity: bool,
}

impl Mbarrier {
    fn from_bits(bits: u64) -> Self {
        let bytes = bits >> (2 * COUNT_BITS) & ((1 << BYTES_BITS) - 1);
        Self {
            missing: bits & COUNT_MASK,
            expected: bits >> COUNT_BITS & COUNT_MASK,
            bytes: (bytes << (64 - BYTES_BITS)) as i64 >> (64 - BYTES_BITS),
            valid: bits >> 62 & 1 != 0,
            parity: bits >> 63 != 0,
        }
    }

    fn bits(self) -> u64 {
        let bytes = self.bytes as u64 & ((1 << BYTES_BITS) - 1);
        self.missing
            | self.expected << COUNT_BITS
            | bytes << (2 * COUNT_BITS)
            | u64::from(self.valid) << 62
            | u64::from(self.parity) << 63
    }

    /// True if something has come in the current phase.
    fn is_in_use(self) -> bool {
        self.missing != self.expected || self.bytes != 0
    }

    /// A phase ends when nothing is missing; whether it did.
    fn settle(&mut self) -> bool {
        let ends = self.missing == 0 && self.bytes == 0;
        if ends {
            self.parity = !self.parity;
            self.missing = self.expected;
        }
        ends
    }
}

impl BlockMemory {
    pub(in crate::families) fn mbarrier_place(&mut self, address: u64) -> Result<usize, Fault> {
        if !address.is_multiple_of(8) {
            return Err(Fault::Misaligned { address, size: 8 });
        }
        self.shared(Access { space: MemorySpace::Shared, name: "mbarrier access", size: 8 }, address)
    }

    fn mbarrier(&mut self, address: u64) -> Result<(usize, Mbarrier), Fault> {
        let at = self.mbarrier_place(address)?;
        let bits = u64_from_le(&self.shared[at..at + 8]);
        let found = Mbarrier::from_bits(bits);
        let is_own = self.mbarriers.get(&at) == Some(&bits);
        if is_own && found.valid { Ok((at, found)) } else { Err(Fault::NoMbarrier { address }) }
    }

    /// What an mbarrier lacks, for a report.
    pub(crate) fn describe_mbarrier(&mut self, address: u64) -> String {
        let Ok((_, found)) = self.mbarrier(address) else { return format!("an mbarrier at {address:#x}") };
        let s = if found.missing == 1 { "" } else { "s" };
        let bytes = if found.bytes == 0 { String::new() } else { format!(" and {} bytes", found.bytes) };
        let parity = u8::from(found.parity);
        format!(
            "the mbarrier at {address:#x}, whose phase of parity {parity} lacks {} arrival{s}{bytes}",
            found.missing
        )
    }

    /// The current phase of an mbarrier lacks one arrival more.
    pub(in crate::families) fn expect_one_more(&mut self, address: u64) -> Result<(), Fault> {
        let (at, mut mbarrier) = self.mbarrier(address)?;
        mbarrier.missing += 1;
        if mbarrier.missing > COUNT_MASK {
            return Err(Fault::MbarrierCount { count: mbarrier.missing });
        }
        self.put_mbarrier(at, mbarrier);
        Ok(())
    }

    fn put_mbarrier(&mut self, at: usize, mbarrier: Mbarrier) {
        let bits = mbarrier.bits();
        self.shared[at..at + 8].copy_from_slice(&bits.to_le_bytes());
        self.mbarriers.insert(at, bits);
    }
}

impl<I: Instrument> BlockState<I> {
    /// The tensor core arrives. At an mbarrier that is invalidated it has no effect: Triton 3.6 invalidates those that
    /// nobody waits for before their last commits have come.
    pub(in crate::families) fn arrive_once(&mut self, address: u64) -> Result<(), Cause> {
        let place = self.memory.mbarrier_place(address)?;
        let last = self.memory.mbarriers.get(&place).copied().map(Mbarrier::from_bits);
        if last.is_some_and(|last| !last.valid) {
            return Ok(());
        }
        let (at, mut mbarrier) = self.memory.mbarrier(address)?;
        mbarrier.missing = mbarrier.missing.checked_sub(1).ok_or(Fault::MbarrierCount { count: 1 })?;
        let ended = mbarrier.settle();
        self.memory.put_mbarrier(at, mbarrier);
        if ended {
            self.instrument.completed(Object::Mbarrier(at as u64));
        }
        Ok(())
    }

    /// Bytes of an asynchronous copy have come.
    pub(in crate::families) fn complete_bytes(&mut self, address: u64, bytes: u64) -> Result<(), Cause> {
        let (at, mut mbarrier) = self.memory.mbarrier(address)?;
        mbarrier.bytes -= bytes as i64;
        let ended = mbarrier.settle();
        self.memory.put_mbarrier(at, mbarrier);
        if ended {
            self.instrument.completed(Object::Mbarrier(at as u64));
        }
        Ok(())
    }
}

impl<I: Instrument> Step<'_, '_, I> {
    pub(in crate::families) fn mbarrier_init(
        &mut self,
        address: &AddressOperand,
        count: Slot,
    ) -> Result<(), LaneFailure> {
        let addresses = self.addresses(address);
        for lane in lanes_of(self.active) {
            let count = u64::from(self.word(count)[lane]);
            if count == 0 || count > COUNT_MASK {
                return Err((Fault::MbarrierCount { count }.into(), lane as u32));
            }
            let at = self.block.memory.mbarrier_place(addresses[lane]).map_err(at_lane(lane))?;
            // Triton initialises one anew for each tile of a persistent kernel; between phases that does no harm.
            let pending = self.block.memory.mbarrier(addresses[lane]).is_ok_and(|(_, old)| old.is_in_use());
            let issuer = self.issuer(lane);
            if pending {
                self.block.instrument.misused(issuer, Misuse::MbarrierInUse(at as u64));
            }
            let fresh = Mbarrier { missing: count, expected: count, bytes: 0, valid: true, parity: false };
            self.block.memory.put_mbarrier(at, fresh);
            self.block.instrument.initialised(issuer, Object::Mbarrier(at as u64));
        }
        Ok(())
    }

    pub(in crate::families) fn mbarrier_invalidate(&mut self, address: &AddressOperand) -> Result<(), LaneFailure> {
        let addresses = self.addresses(address);
        for lane in lanes_of(self.active) {
            let (at, mbarrier) = self.block.memory.mbarrier(addresses[lane]).map_err(at_lane(lane))?;
            self.block.memory.put_mbarrier(at, Mbarrier { valid: false, ..mbarrier });
            self.block.instrument.initialised(self.issuer(lane), Object::Mbarrier(at as u64));
        }
        Ok(())
    }

    pub(in crate::families) fn mbarrier_arrive(
        &mut self,
        arrival: &MbarrierArrival,
        d: Option<Slot>,
    ) -> Result<(), LaneFailure> {
        let addresses = self.addresses(&arrival.address);
        for lane in lanes_of(self.active) {
            let count = arrival.arrivals.map_or(0, |slot| u64::from(self.word(slot)[lane]));
            let bytes = arrival.bytes.map_or(0, |slot| i64::from(self.word(slot)[lane] as i32));
            let is_peer = self.is_peer(arrival.space, addresses[lane]);
            let (block, address) = if is_peer {
                self.cluster.peer(addresses[lane]).map_err(at_lane(lane))?
            } else {
                (&mut *self.block, addresses[lane])
            };
            let (at, mut mbarrier) = block.memory.mbarrier(address).map_err(at_lane(lane))?;
            let state = mbarrier.bits();
            mbarrier.bytes += bytes;
            if mbarrier.bytes.abs() > MOST_BYTES {
                return Err(at_lane(lane)(Fault::MbarrierBytes { bytes: mbarrier.bytes }));
            }
            mbarrier.missing =
                mbarrier.missing.checked_sub(count).ok_or(at_lane(lane)(Fault::MbarrierCount { count }))?;
            if arrival.drop {
                // What is expected never is less than what is missing.
                mbarrier.expected -= count.min(mbarrier.expected);
            }
            let ended = mbarrier.settle();
            block.memory.put_mbarrier(at, mbarrier);
            let issuer = Issuer { warp: self.warp.index, lane: lane as u32, pc: self.pc };
            let object = Object::Mbarrier(at as u64);
            block.instrument.arrives(issuer, at as u64);
            // What another block's warp knows says nothing about this block's memory.
            if !is_peer {
                block.instrument.read(issuer, Area::shared(at, MBARRIER_BYTES));
                block.instrument.released(issuer.warp, object);
            }
            if ended {
                block.instrument.completed(object);
            }
            if let Some(d) = d {
                self.warp.longs[d as usize][lane] = state;
            }
        }
        Ok(())
    }

    /// Tests a phase; whether every lane's has ended.
    pub(crate) fn mbarrier_wait(
        &mut self,
        d: Slot,
        address: &AddressOperand,
        phase: Data,
    ) -> Result<bool, LaneFailure> {
        let addresses = self.addresses(address);
        let mut ended = 0;
        for lane in lanes_of(self.active) {
            let (at, mbarrier) = self.block.memory.mbarrier(addresses[lane]).map_err(at_lane(lane))?;
            self.block.instrument.read(self.issuer(lane), Area::shared(at, MBARRIER_BYTES));
            let waited_for = match phase {
                Data::Word(slot) => self.word(slot)[lane] & 1 != 0,
                Data::Long(slot) => Mbarrier::from_bits(self.warp.longs[slot as usize][lane]).parity,
                Data::Sink => false,
            };
            // A state says which phase is meant; a parity does not.
            if matches!(phase, Data::Word(_)) {
                self.block.instrument.awaits(self.issuer(lane), at as u64, waited_for);
            }
            ended |= u32::from(mbarrier.parity != waited_for) << lane;
            if mbarrier.parity != waited_for {
                self.block.instrument.acquired(self.warp.index, Object::Mbarrier(at as u64));
            }
        }
        self.warp.write_predicate(d, ended, self.active);
        Ok(ended == self.active)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bits_hold_every_field() {
        let one = Mbarrier { missing: 3, expected: COUNT_MASK, bytes: -5, valid: true, parity: true };
        assert_eq!(Mbarrier::from_bits(one.bits()), one);
        let other = Mbarrier { missing: COUNT_MASK, expected: 1, bytes: (1 << 21) - 1, valid: false, parity: false };
        assert_eq!(Mbarrier::from_bits(other.bits()), other);
    }

    #[test]
    fn a_phase_wants_arrivals_and_bytes() {
        let mut mbarrier = Mbarrier { missing: 1, expected: 1, bytes: 16, valid: true, parity: false };
        mbarrier.missing = 0;
        mbarrier.settle();
        assert!(!mbarrier.parity);
        mbarrier.bytes = 0;
        mbarrier.settle();
        assert!(mbarrier.parity && mbarrier.missing == 1);
    }
}
