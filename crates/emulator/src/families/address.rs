//! Generic addresses, and those of the blocks of a cluster.

use super::step::Step;
use crate::instrument::Instrument;
use crate::program::{Data, MemorySpace, Slot};
use crate::state::address::{LOCAL_WINDOW, PARAM_WINDOW, RANK_SHIFT, SHARED_WINDOW, named_block, resolve_generic};
use crate::state::warp::lanes_of;

impl<I: Instrument> Step<'_, '_, I> {
    pub(crate) fn enter_window(&mut self, space: MemorySpace, d: Slot, a: Slot) {
        let window = window(space);
        let value = self.long(a).map(|address| address.wrapping_add(window));
        self.set_long(d, &value);
    }

    pub(crate) fn leave_window(&mut self, space: MemorySpace, d: Slot, a: Slot) {
        let window = window(space);
        let value = self.long(a).map(|address| address.wrapping_sub(window));
        self.set_long(d, &value);
    }

    pub(crate) fn is_space(&mut self, space: MemorySpace, d: Slot, a: Slot) {
        let a = self.long(a);
        let own = self.block.memory.rank + 1;
        let is = |address: u64| match (resolve_generic(address).0, space) {
            (MemorySpace::Shared, MemorySpace::Cluster) => true,
            (MemorySpace::Shared, MemorySpace::Shared) => {
                let named = named_block(MemorySpace::Generic, address);
                named == 0 || named == own
            }
            (found, space) => found == space,
        };
        let mask = (0..32).fold(0, |mask, lane| mask | u32::from(is(a[lane])) << lane);
        self.set_predicate(d, mask);
    }

    pub(crate) fn map_address(&mut self, d: Data, a: Data, rank: Slot) {
        for lane in lanes_of(self.active) {
            let rank = u64::from(self.word(rank)[lane]).wrapping_add(1) & 0xff;
            let address = self.value(a, lane) & !(0xff << RANK_SHIFT) | rank << RANK_SHIFT;
            self.set_lane(d, lane, address);
        }
    }

    pub(crate) fn rank_of(&mut self, d: Slot, a: Data) {
        let own = self.block.memory.rank;
        let value = std::array::from_fn(|lane| match self.value(a, lane) >> RANK_SHIFT & 0xff {
            0 => own,
            named => named as u32 - 1,
        });
        self.set_word(d, &value);
    }
}

fn window(space: MemorySpace) -> u64 {
    match space {
        MemorySpace::Shared | MemorySpace::Cluster => SHARED_WINDOW,
        MemorySpace::Local => LOCAL_WINDOW,
        MemorySpace::Param => PARAM_WINDOW,
        _ => 0,
    }
}
