//! Loops in which lanes only wait: they test the phase of an mbarrier, or look at memory, until others change it.

use crate::program::MemorySpace;

/// Instructions of a loop that only waits: more between two tests of one phase are work.
const WAITING_LOOP: u64 = 64;
/// Rounds of a loop before it is looked at for the first time.
const FIRST_LOOK: u32 = 32;

/// The object or place that lanes test again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Polled {
    /// The mbarrier at an offset in shared memory.
    Mbarrier(u64),
    /// A place in shared or global memory.
    Memory(MemorySpace, u64),
}

/// The loop that lanes go round.
#[derive(Clone, Copy, Debug, Default)]
struct Round {
    /// Index of the first operation of the loop.
    first: u32,
    /// Index of the branch back.
    branch: u32,
    /// Number of operations that had been executed when the branch was taken last.
    then: u64,
    /// How often the branch was taken.
    times: u32,
    /// Hash of all registers and places of lanes there, where the loop is watched.
    state: Option<u64>,
    /// True if anything but registers was changed since.
    acted: bool,
    /// The operation that looked at memory since, and the place; `None` if none has.
    looked: Option<(u32, MemorySpace, u64)>,
}

/// What the lanes of one path have tested, and the loop that they are in.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Polling {
    /// Number of operations that the lanes have executed.
    pub executed: u64,
    /// Index of the operation by which they last tested a phase or looked at memory in vain, and the number of operations
    /// that they had executed then.
    polled: Option<(u32, u64)>,
    /// The object or the place that they tested then.
    what: Option<Polled>,
    /// True if they have only waited since the test before.
    again: bool,
    /// The loop that they go round.
    round: Round,
}

impl Polling {
    /// Remembers a test of a phase that had not ended.
    pub fn poll(&mut self, pc: u32, mbarrier: u64) {
        self.what = Some(Polled::Mbarrier(mbarrier));
        let again = self.polled.is_some_and(|(at, then)| at == pc && self.executed - then <= WAITING_LOOP);
        self.again = again;
        self.polled = Some((pc, self.executed));
    }

    /// The phase that they tested has ended.
    pub fn waited(&mut self) {
        self.again = false;
    }

    /// True if lanes at `pc` go round a loop that only tests a phase or looks at memory.
    pub fn only_waits(&self, pc: u32) -> bool {
        let inside = match self.what {
            Some(Polled::Memory(..)) => (self.round.first..=self.round.branch).contains(&pc),
            _ => true,
        };
        inside && self.again && self.polled.is_some_and(|(_, then)| self.executed - then <= WAITING_LOOP)
    }

    /// True if they did anything between their last two tests of a phase but to wait.
    pub fn did_something_new(&self) -> bool {
        !self.again
    }

    /// Index of the operation by which they test or look again and again; `None` if they do something else.
    pub fn last_test(&self) -> Option<u32> {
        self.polled.map(|(pc, _)| pc)
    }

    /// What they look at again and again.
    pub fn what(&self) -> Option<Polled> {
        self.what
    }

    /// True if the loop that they go round is watched.
    #[inline(always)]
    pub fn is_watched(&self) -> bool {
        self.round.state.is_some()
    }

    /// What an instruction of a watched loop did.
    pub fn note(&mut self, acted: bool, looked: Option<(u32, MemorySpace, u64)>) {
        self.round.acted |= acted;
        self.round.looked = looked.or(self.round.looked);
    }

    /// A branch back is taken. True if it is time to ask [`Self::only_looks`]: a loop that works is seldom looked at.
    pub fn comes_round(&mut self, first: u32, branch: u32) -> bool {
        let again = self.round.branch == branch && self.executed - self.round.then <= WAITING_LOOP;
        if !again {
            self.round = Round { first, branch, then: self.executed, ..Round::default() };
            return false;
        }
        self.round.times = self.round.times.saturating_add(1);
        self.round.then = self.executed;
        let times = self.round.times;
        let is_time = self.round.state.is_some() || times >= FIRST_LOOK && times.is_power_of_two();
        if !is_time {
            (self.round.acted, self.round.looked) = (false, None);
        }
        is_time
    }

    /// True if the loop only waits for a change of memory; `now` is a hash of the registers and places of the lanes. That is
    /// so where it has looked at some memory, every register is what it was a round ago, and nothing was changed: then it
    /// goes round until someone else does.
    pub fn only_looks(&mut self, now: u64) -> bool {
        let Round { state, acted, looked, .. } = self.round;
        (self.round.acted, self.round.looked, self.round.state) = (false, None, None);
        if state.is_some_and(|state| state != now || acted) {
            return false;
        }
        self.round.state = Some(now);
        let Some((pc, space, address)) = looked.filter(|_| state.is_some()) else { return false };
        self.round.times = FIRST_LOOK;
        self.polled = Some((pc, self.executed));
        self.what = Some(Polled::Memory(space, address));
        self.again = true;
        true
    }
}
