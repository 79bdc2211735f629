//! Vector clocks: what an agent of a block knows of the others' past.

use std::collections::BTreeMap;

use crate::state::access::Issuer;

/// The latest event of each agent that happened before. Agents are warps, then their tensor
/// cores, then mbarriers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Clock(Vec<u32>);

impl Clock {
    /// The latest event of an agent that is known; 0 for none.
    pub fn get(&self, agent: usize) -> u32 {
        self.0.get(agent).copied().unwrap_or(0)
    }

    /// Learns of an event.
    pub fn learn(&mut self, agent: usize, event: u32) {
        if self.0.len() <= agent {
            self.0.resize(agent + 1, 0);
        }
        self.0[agent] = self.0[agent].max(event);
    }

    /// Learns everything that another knows.
    pub fn join(&mut self, other: &Self) {
        if self.0.len() < other.0.len() {
            self.0.resize(other.0.len(), 0);
        }
        for (own, theirs) in self.0.iter_mut().zip(&other.0) {
            *own = (*own).max(*theirs);
        }
    }
}

/// An event that no warp knows of: an operation that has not landed.
pub(super) const NEVER: u32 = u32::MAX;

/// The events that a warp knows of, or that an object hands on to the warps that wait at it.
#[derive(Clone, Debug, Default)]
pub(super) struct Knowledge {
    /// Events that happened before.
    pub clock: Clock,
    /// Writes of the generic proxy that are visible to the asynchronous one.
    pub proxy: Clock,
    /// Writes of the generic proxy that are released to the tensormap proxy.
    pub maps: Clock,
    /// Operations of tensor memory before a `tcgen05.fence::before_thread_sync`.
    pub tensor: Clock,
}

impl Knowledge {
    pub fn join(&mut self, other: &Self) {
        self.clock.join(&other.clock);
        self.proxy.join(&other.proxy);
        self.maps.join(&other.maps);
        self.tensor.join(&other.tensor);
    }
}

/// A warp has found that a phase of an mbarrier has ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wait {
    /// The instruction that tested the parity, and the lane.
    pub issuer: Issuer,
    /// The warp's event.
    pub event: u32,
    /// Number of phases that had ended.
    pub ended: u32,
}

/// An object with phases, such as an mbarrier.
#[derive(Default)]
pub(super) struct Phases {
    /// Number of the agent that stands for the asynchronous writes which the object counts.
    pub agent: usize,
    /// Number of phases that have ended.
    pub ended: u32,
    /// Number of phases that had ended when the object began anew.
    pub first: u32,
    /// For each warp, the number of phases that had ended when it arrived last.
    pub seen_at_arrival: Vec<u32>,
    /// Index of the operation that arrived last.
    pub last_arrival: Option<u32>,
    /// Test of a parity that is going on.
    pub test: Option<Issuer>,
    /// Last test of each warp that found a phase of a parity ended, by the warp's number.
    pub waits: BTreeMap<u32, Wait>,
    /// What the warps that have arrived in this phase know.
    pub arrived: Knowledge,
    /// What the warps learn that wait for the last phase.
    pub released: Knowledge,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joining_keeps_the_later_event_of_each() {
        let (mut a, mut b) = (Clock::default(), Clock::default());
        a.learn(0, 5);
        b.learn(0, 3);
        b.learn(2, 7);
        a.join(&b);
        assert_eq!((a.get(0), a.get(1), a.get(2), a.get(9)), (5, 0, 7, 0));
    }
}
