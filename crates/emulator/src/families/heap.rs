//! `malloc` and `free` of device code: calls, whose bytes the heap of the module gives ([`crate::state::heap`]).

use super::step::{LaneFailure, Step, at_lane};
use crate::fault::Fault;
use crate::instrument::Instrument;
use crate::state::warp::lanes_of;

impl<I: Instrument> Step<'_, '_, I> {
    /// `malloc`: bytes and result are eight bytes of local memory each; the result is zero if the heap is full.
    pub(super) fn allocate_in_heap(&mut self, size: u32, d: Option<u32>) {
        for lane in lanes_of(self.active) {
            let address = self.environment.heap.allocate(self.local(lane, size, 8)).unwrap_or(0);
            if let Some(d) = d {
                self.set_local(lane, d, &address.to_le_bytes());
            }
        }
    }

    /// `free` of an address in eight bytes of local memory; zero is no memory and nothing happens.
    pub(super) fn free_in_heap(&mut self, address: u32) -> Result<(), LaneFailure> {
        for lane in lanes_of(self.active) {
            let address = self.local(lane, address, 8);
            if address != 0 {
                let fault = |piece| at_lane(lane)(Fault::Free { address, piece });
                self.environment.heap.free(address).map_err(fault)?;
            }
        }
        Ok(())
    }
}
