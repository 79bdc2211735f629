//! Loads and stores, lane by lane. PTX ISA 9.7.9.8, 9.7.9.11.

// Lanes and rows are indices into several arrays at once.
#![allow(clippy::needless_range_loop)]

use super::step::{LaneFailure, Step, at_lane};
use crate::decode::Decoder;
use crate::decode::modifiers::Modifiers;
use crate::instrument::Instrument;
use crate::program::{AddressOperand, Base, Data, MemorySpace, Op};
use crate::state::access::{Access, Area, Place};
use crate::state::memory::Allocation;
use crate::state::warp::lanes_of;
use warpbook_diagnostic::Result as Decoded;
use warpbook_gpu::u64_from_le;
use warpbook_ptx::Operand;

impl<'e, I: Instrument> Step<'_, 'e, I> {
    /// Reports that a lane reads.
    #[cold]
    pub(super) fn note_read(&mut self, place: &Place<'_>, size: u32, lane: usize) {
        let issuer = self.issuer(lane);
        if let Some(area) = Area::from_place(place, 0, size) {
            self.block.instrument.read(issuer, area);
        }
    }

    /// Reports that a lane is about to write an element.
    #[cold]
    pub(super) fn note_write(&mut self, place: &Place<'_>, offset: usize, size: u32, value: u64, lane: usize) {
        let issuer = self.issuer(lane);
        let unused = 64 - 8 * size;
        let same = self.block.memory.read(self.environment, place, offset, size) << unused == value << unused;
        if let Some(area) = Area::from_place(place, offset, size) {
            self.block.instrument.written(issuer, area, same);
        }
    }

    /// The allocation in global memory that the accesses of all 32 lanes lie in, each aligned, to registers of 32 bits;
    /// nothing where lanes are to be looked at one by one.
    fn allocation_of_all(&self, access: Access, data: &[Data], addresses: &[u64; 32]) -> Option<&'e Allocation> {
        let whole = access.space == MemorySpace::Global && self.active == u32::MAX && !self.is_watched();
        if !whole || data.iter().any(|element| matches!(element, Data::Long(_))) {
            return None;
        }
        let (mut least, mut greatest, mut bits) = (u64::MAX, 0, 0);
        for &address in addresses {
            (least, greatest, bits) = (least.min(address), greatest.max(address), bits | address);
        }
        let size = u64::from(access.size);
        let allocation = self.environment.memory.find(least, size)?;
        if self.environment.heap.holds(least) {
            return None;
        }
        (bits & (size - 1) == 0 && allocation.contains(greatest, size)).then_some(allocation)
    }

    pub(super) fn load(
        &mut self,
        space: MemorySpace,
        size: u32,
        signed: bool,
        d: &[Data],
        address: &AddressOperand,
    ) -> Result<(), LaneFailure> {
        if space == MemorySpace::Param && matches!(address.base, Base::None) {
            return self.load_parameter(size, signed, d, address.offset);
        }
        let addresses = self.addresses(address);
        let access = Access { space, name: "read", size: size * d.len() as u32 };
        if size == 4
            && let Some(allocation) = self.allocation_of_all(access, d, &addresses)
        {
            for (index, &element) in d.iter().enumerate() {
                if let Data::Word(slot) = element {
                    let register = &mut self.warp.words[slot as usize];
                    for lane in 0..32 {
                        register[lane] = allocation.load32(addresses[lane] - allocation.address + 4 * index as u64);
                    }
                }
            }
            return Ok(());
        }
        let unused = 64 - 8 * size;
        for lane in lanes_of(self.active) {
            if self.is_peer(space, addresses[lane]) {
                self.load_from_peer(access, addresses[lane], d, signed, lane).map_err(at_lane(lane))?;
                continue;
            }
            let place = self.place(access, addresses[lane], lane)?;
            if self.is_watched() {
                self.note_read(&place, access.size, lane);
            }
            for (index, &element) in d.iter().enumerate() {
                let mut value = self.block.memory.read(self.environment, &place, index * size as usize, size);
                if signed {
                    value = ((value << unused) as i64 >> unused) as u64;
                }
                match element {
                    Data::Sink => {}
                    Data::Word(slot) => self.warp.words[slot as usize][lane] = value as u32,
                    Data::Long(slot) => self.warp.longs[slot as usize][lane] = value,
                }
            }
        }
        Ok(())
    }

    fn load_parameter(&mut self, size: u32, signed: bool, d: &[Data], offset: i64) -> Result<(), LaneFailure> {
        for (index, &element) in d.iter().enumerate() {
            let at = usize::try_from(offset).unwrap_or(usize::MAX).saturating_add(index * size as usize);
            let bytes = self.environment.parameters.get(at..at.saturating_add(size as usize)).unwrap_or_default();
            let mut value = u64_from_le(bytes);
            if signed {
                let unused = 64 - 8 * size;
                value = ((value << unused) as i64 >> unused) as u64;
            }
            match element {
                Data::Sink => {}
                Data::Word(slot) => self.set_word(slot, &[value as u32; 32]),
                Data::Long(slot) => self.set_long(slot, &[value; 32]),
            }
        }
        Ok(())
    }

    pub(super) fn store(
        &mut self,
        space: MemorySpace,
        size: u32,
        a: &[Data],
        address: &AddressOperand,
    ) -> Result<(), LaneFailure> {
        let addresses = self.addresses(address);
        let access = Access { space, name: "write", size: size * a.len() as u32 };
        if size == 4
            && let Some(allocation) = self.allocation_of_all(access, a, &addresses)
        {
            self.block.memory.spin.changed();
            let none = [0; 32];
            for lane in 0..32 {
                for (index, &element) in a.iter().enumerate() {
                    let register = if let Data::Word(slot) = element { self.word(slot) } else { &none };
                    let offset = addresses[lane] - allocation.address + 4 * index as u64;
                    allocation.store32(offset, register[lane]);
                }
            }
            return Ok(());
        }
        for lane in lanes_of(self.active) {
            if self.is_peer(space, addresses[lane]) {
                self.store_to_peer(access, addresses[lane], a, lane).map_err(at_lane(lane))?;
                continue;
            }
            let place = self.place(access, addresses[lane], lane)?;
            for (index, &element) in a.iter().enumerate() {
                let value = self.value(element, lane);
                if self.is_watched() {
                    self.note_write(&place, index * size as usize, size, value, lane);
                }
                self.block.memory.write(&place, index * size as usize, size, value);
            }
        }
        Ok(())
    }
}

impl Decoder<'_> {
    /// Decodes the instructions `ld` and `ldu`.
    pub(crate) fn load(&mut self, m: &mut Modifiers<'_>, o: &[Operand]) -> Decoded<()> {
        let ty = self.memory_type(m)?;
        let space = self.take_memory(m)?;
        let o = self.arguments(o, 2)?;
        let d = self.elements_out(&o[0], ty.size())?;
        self.take_vector(m, d.len())?;
        let (space, address) = self.address(o.get(1), space)?;
        self.emit(Op::Load { space, size: ty.size(), signed: ty.is_signed(), d, address });
        Ok(())
    }

    /// Decodes the instruction `st`.
    pub(crate) fn store(&mut self, m: &mut Modifiers<'_>, o: &[Operand]) -> Decoded<()> {
        let ty = self.memory_type(m)?;
        let space = self.take_memory(m)?;
        let o = self.arguments(o, 2)?;
        let a = self.elements_in(&o[1], ty.size())?;
        self.take_vector(m, a.len())?;
        let (space, address) = self.address(o.first(), space)?;
        if space == MemorySpace::Param {
            return Err(self.malformed("kernel parameters cannot be written"));
        }
        self.emit(Op::Store { space, size: ty.size(), a, address });
        Ok(())
    }
}
