//! Mbarriers of the block: the bytes that they take, and waits that come too late.

use super::Sanitizer;
use super::finding::Rule;
use crate::instrument::{MBARRIER_BYTES, Object};
use crate::state::access::Issuer;

impl Sanitizer<'_> {
    /// Marks the bytes of an mbarrier: in use from the first arrival on. Triton 3.6 initialises some that it never uses,
    /// where tiles come.
    pub(super) fn mark_mbarrier(&mut self, at: u64, in_use: bool) {
        let cells = self.cells.iter_mut().skip(at as usize).take(MBARRIER_BYTES as usize);
        cells.for_each(|cell| cell.mbarrier = in_use);
    }

    /// An mbarrier is initialised or invalidated. Whoever uses it has to know of that; its bytes are no data.
    pub(super) fn mbarrier_begins(&mut self, issuer: Issuer, at: u64) {
        self.mark_mbarrier(at, false);
        self.write_shared(issuer, at as usize, MBARRIER_BYTES as usize, false);
        let phases = self.phases(Object::Mbarrier(at));
        phases.first = phases.ended;
    }

    /// An mbarrier is initialised in the middle of a phase.
    pub(super) fn mbarrier_begins_twice(&mut self, issuer: Issuer, at: u64) {
        let Some(other) = self.cells.get(at as usize).map(|cell| cell.pc) else { return };
        self.report(Rule::MbarrierTwice { other }, issuer, None, || format!("shared address {at:#x}"));
    }

    /// A warp arrives: it sees which phase is going on.
    pub(super) fn mbarrier_seen(&mut self, warp: u32, at: u64) {
        let warps = self.warps;
        let phases = self.phases(Object::Mbarrier(at));
        phases.seen_at_arrival.resize(warps, 0);
        if let Some(seen) = phases.seen_at_arrival.get_mut(warp as usize) {
            *seen = phases.ended;
        }
    }

    /// A warp tests the phase of this parity. It is late where the phase that it means, the first of this parity that it
    /// does not know the end of, was followed by another one that has ended too: the parity is the same again.
    pub(super) fn mbarrier_awaited(&mut self, issuer: Issuer, at: u64, parity: bool) {
        let warp = issuer.warp as usize;
        let phases = self.phases(Object::Mbarrier(at));
        let (agent, first, ended, other) = (phases.agent, phases.first, phases.ended, phases.last_arrival);
        let at_arrival = phases.seen_at_arrival.get(warp).copied().unwrap_or_default();
        let known = self.known.get(warp).map_or(0, |known| known.clock.get(agent));
        let seen = known.max(first).max(at_arrival);
        let means_the_next = ((seen - first) % 2 == 1) == parity;
        if means_the_next && ended >= seen + 2 {
            let place = || {
                format!(
                    "shared address {at:#x}, of which {} phases have ended since its warp knew of one",
                    ended - seen
                )
            };
            self.report(Rule::Overtaken { other }, issuer, None, place);
        }
    }
}
