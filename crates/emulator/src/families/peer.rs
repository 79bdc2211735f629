//! Distributed shared memory: loads, stores and atomics in the memory of another block of the cluster.
//! PTX ISA 5.1.7, "Shared State Space".

use super::step::Step;
use crate::fault::{Cause, Fault};
use crate::instrument::Instrument;
use crate::program::{AtomicOp, AtomicType, Data, MemorySpace};
use crate::state::access::{Access, Area, Place};

impl<I: Instrument> Step<'_, '_, I> {
    #[cold]
    pub(super) fn load_from_peer(
        &mut self,
        access: Access,
        address: u64,
        d: &[Data],
        signed: bool,
        lane: usize,
    ) -> Result<(), Cause> {
        let size = access.size / d.len().max(1) as u32;
        let unused = 64 - 8 * size;
        for (index, &element) in d.iter().enumerate() {
            let (peer, at) = self.cluster.peer(address)?;
            let place = Place::Shared(peer.memory.shared(aligned(access, at)?, at)?);
            let mut value = peer.memory.read(self.environment, &place, index * size as usize, size);
            if signed {
                value = ((value << unused) as i64 >> unused) as u64;
            }
            self.set_lane(element, lane, value);
        }
        Ok(())
    }

    #[cold]
    pub(super) fn store_to_peer(&mut self, access: Access, address: u64, a: &[Data], lane: usize) -> Result<(), Cause> {
        let size = access.size / a.len().max(1) as u32;
        for (index, &element) in a.iter().enumerate() {
            let value = self.value(element, lane);
            let (peer, at) = self.cluster.peer(address)?;
            let at = peer.memory.shared(aligned(access, at)?, at)?;
            peer.memory.write(&Place::Shared(at), index * size as usize, size, value);
            peer.instrument.written_by_peer(self.pc, Area::shared(at, access.size));
        }
        Ok(())
    }

    #[cold]
    pub(super) fn atomic_of_peer(
        &mut self,
        access: Access,
        address: u64,
        d: &[Data],
        (op, ty, a, b): (AtomicOp, AtomicType, &[Data], Option<Data>),
        lane: usize,
    ) -> Result<(), Cause> {
        for (index, &element) in a.iter().enumerate() {
            let (x, y) = (self.value(element, lane), b.map_or(0, |b| self.value(b, lane)));
            let (peer, at) = self.cluster.peer(address)?;
            let at = peer.memory.shared(aligned(access, at)?, at)?;
            let update = |old| ty.apply(op, old, x, y);
            let old = peer.memory.atomic(self.environment, &Place::Shared(at), index * ty.size() as usize, ty, update);
            peer.instrument.written_by_peer(self.pc, Area::shared(at, access.size));
            if let Some(&d) = d.get(index) {
                self.set_lane(d, lane, old);
            }
        }
        Ok(())
    }
}

/// The access, to its block's own memory, if its address is a multiple of its size.
fn aligned(access: Access, address: u64) -> Result<Access, Cause> {
    if address.is_multiple_of(access.size.max(1).into()) {
        Ok(Access { space: MemorySpace::Shared, ..access })
    } else {
        Err(Fault::Misaligned { address, size: access.size }.into())
    }
}
