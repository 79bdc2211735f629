//! Mbarriers of the block: the bytes that they take, and waits that come too late.

use super::Sanitizer;
use super::clock::Wait;
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
        phases.waits.clear();
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
        phases.test = Some(issuer);
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
            if !self.found.contains_key(&(Rule::Overtakable { other }, issuer.pc)) {
                self.report(Rule::Overtaken { other }, issuer, None, place);
            }
        }
    }

    /// A warp has found that a phase has ended; where it has tested a parity, the next phase must not end before that test.
    pub(super) fn mbarrier_waited(&mut self, warp: u32, at: u64) {
        let event = self.now(warp);
        let phases = self.phases(Object::Mbarrier(at));
        if let Some(issuer) = phases.test.take().filter(|issuer| issuer.warp == warp) {
            let ended = phases.ended;
            phases.waits.insert(warp, Wait { issuer, event, ended });
        }
    }

    /// A phase is about to end. Where no thread that has arrived knows of a test for the phase before, the test could have
    /// come after this end in another order of warps. Nothing is recorded of what other blocks of a cluster know.
    pub(super) fn mbarrier_ends(&mut self, at: u64) {
        if self.shape.cluster.iter().product::<u32>() > 1 {
            return;
        }
        let phases = self.phases(Object::Mbarrier(at));
        let (ended, other) = (phases.ended, phases.last_arrival);
        let is_known = |(&warp, wait): (&u32, &Wait)| phases.arrived.clock.get(warp as usize) >= wait.event;
        let unknown = phases.waits.iter().filter(|each| each.1.ended == ended && !is_known(*each));
        let issuers: Vec<Issuer> = unknown.map(|(_, wait)| wait.issuer).collect();
        for issuer in issuers {
            let is_overtaken = |(rule, pc): &(Rule, u32)| matches!(rule, Rule::Overtaken { .. }) && *pc == issuer.pc;
            if !self.found.keys().any(is_overtaken) {
                self.report(Rule::Overtakable { other }, issuer, None, || format!("shared address {at:#x}"));
            }
        }
    }
}
