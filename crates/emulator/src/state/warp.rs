//! A warp: 32 lanes, their registers, and where they are in the program.

use std::collections::VecDeque;

use super::pending::{PendingCopies, PendingStore, PendingTensorLoad, PendingTensorStore, PendingWgmma};
use super::shape::BlockShape;
use crate::program::{AddressOperand, Base, Data, Long, MemorySpace, Program, Slot, Word};

/// The mask of all 32 lanes.
pub(crate) const FULL: u32 = u32::MAX;
/// A place that no program counter has: lanes that only meet at the end.
const NOWHERE: u32 = u32::MAX;

/// Lanes that are at one place, and where they meet the others again.
#[derive(Clone, Copy, Debug)]
struct Frame {
    /// Index of the next operation of the lanes.
    pc: u32,
    /// Index of the operation at which they meet the others.
    reconverge: u32,
    /// The lanes, a bit for each.
    mask: u32,
}

/// What a warp is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// It can execute the next operation.
    Ready,
    /// Waits at the barrier of this number.
    AtBarrier(u32),
    /// Waits for this phase of the cluster's barrier to end.
    AtClusterBarrier(u64),
    /// All its lanes have exited.
    Done,
}

/// The registers and the position of a warp.
pub(crate) struct Warp {
    /// The 32-bit register file, by slot.
    pub words: Vec<Word>,
    /// The 64-bit register file, by slot.
    pub longs: Vec<Long>,
    /// The predicate file, by slot: a bit for each lane.
    pub predicates: Vec<u32>,
    /// Places of the lanes, the innermost divergence last.
    frames: Vec<Frame>,
    /// Whether it can go on, waits, or has ended.
    pub state: State,
    /// Number of the warp in its block.
    pub index: u32,
    /// `cp.async` operations that have not been carried out.
    pub copies: Vec<PendingCopies>,
    /// Groups that each lane has committed.
    pub committed: Word,
    /// `wgmma`s that have not been carried out, oldest first.
    pub wgmmas: VecDeque<PendingWgmma>,
    /// Number of groups of `wgmma`s that were committed.
    pub wgmma_groups: u32,
    /// Loads of tensor memory that have not been waited for.
    pub tensor_loads: Vec<PendingTensorLoad>,
    /// Stores to tensor memory that have not been waited for.
    pub tensor_stores: Vec<PendingTensorStore>,
    /// Bulk stores that have not been carried out.
    pub stores: Vec<PendingStore>,
    /// Number of groups of bulk stores that each lane has committed.
    pub store_groups: Word,
    /// The phase of the cluster's barrier in which it arrived last.
    pub cluster_phase: Option<u64>,
    /// Index of the operation by which it last tested a phase or looked at memory in vain, and the number of operations
    /// that it had executed then.
    polled: Option<(u32, u64)>,
    /// The object or the place that it tested then.
    polled_what: Option<Polled>,
    /// True if it has only waited since the test before.
    polls_again: bool,
    /// The loop that it goes round.
    round: Round,
    /// Number of operations that it has executed.
    pub executed: u64,
}

/// The object or place that a warp tests again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Polled {
    /// The mbarrier at an offset in shared memory.
    Mbarrier(u64),
    /// A place in shared or global memory.
    Memory(MemorySpace, u64),
}

/// The loop that a warp goes round.
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

/// Instructions of a loop that only waits: more between two tests of one phase are work.
const WAITING_LOOP: u64 = 64;
/// Rounds of a loop before it is looked at for the first time.
const FIRST_LOOK: u32 = 32;

impl Warp {
    pub fn new(program: &Program, index: u32, shape: &BlockShape, globals: &[u64]) -> Self {
        let threads = shape.threads();
        let lanes = (threads - index * 32).min(32);
        let mask = if lanes == 32 { FULL } else { (1 << lanes) - 1 };
        let mut warp = Self {
            words: vec![[0; 32]; program.words as usize],
            longs: vec![[0; 32]; program.longs as usize],
            predicates: vec![0; program.predicates as usize],
            frames: vec![Frame { pc: 0, reconverge: NOWHERE, mask }],
            state: State::Ready,
            index,
            copies: Vec::new(),
            committed: [0; 32],
            wgmmas: VecDeque::new(),
            wgmma_groups: 0,
            tensor_loads: Vec::new(),
            tensor_stores: Vec::new(),
            stores: Vec::new(),
            store_groups: [0; 32],
            cluster_phase: None,
            polled: None,
            polled_what: None,
            polls_again: false,
            round: Round::default(),
            executed: 0,
        };
        for &(slot, value) in &program.word_constants {
            warp.words[slot as usize] = [value; 32];
        }
        for &(slot, value) in &program.long_constants {
            warp.longs[slot as usize] = [value; 32];
        }
        for &(slot, global, addend) in &program.global_symbols {
            let address = globals.get(global).copied().unwrap_or_default();
            warp.longs[slot as usize] = [address.wrapping_add(addend as u64); 32];
        }
        for &slot in &program.true_predicates {
            warp.predicates[slot as usize] = FULL;
        }
        for &(slot, special) in &program.specials {
            warp.words[slot as usize] = std::array::from_fn(|lane| shape.special(special, index, lane as u32));
        }
        warp
    }

    /// The lanes that execute the next instruction, and its place; `None` when all have exited.
    pub fn current(&mut self) -> Option<(u32, u32)> {
        loop {
            let frame = self.frames.last()?;
            if frame.mask == 0 || frame.pc == frame.reconverge {
                self.frames.pop();
            } else {
                return Some((frame.pc, frame.mask));
            }
        }
    }

    /// Remembers a test of a phase that had not ended.
    pub fn poll(&mut self, pc: u32, mbarrier: u64) {
        self.polled_what = Some(Polled::Mbarrier(mbarrier));
        let again = self.polled.is_some_and(|(at, then)| at == pc && self.executed - then <= WAITING_LOOP);
        self.polls_again = again;
        self.polled = Some((pc, self.executed));
    }

    /// The phase that it tested has ended.
    pub fn waited(&mut self) {
        self.polls_again = false;
    }

    /// True if it goes round a loop that only tests a phase or looks at memory.
    pub fn only_waits(&self) -> bool {
        let inside = match self.polled_what {
            Some(Polled::Memory(..)) => {
                let Round { first, branch, .. } = self.round;
                self.frames.last().is_some_and(|frame| (first..=branch).contains(&frame.pc))
            }
            _ => true,
        };
        inside && self.polls_again && self.polled.is_some_and(|(_, then)| self.executed - then <= WAITING_LOOP)
    }

    /// True if it did anything between its last two tests of a phase but to wait.
    pub fn polled_something_new(&self) -> bool {
        !self.polls_again
    }

    /// Where it tests a phase or looks at memory again and again; `None` if it does something else.
    pub fn last_poll(&self) -> Option<u32> {
        self.polled.filter(|_| self.state == State::Ready).map(|(pc, _)| pc)
    }

    /// What it looks at again and again.
    pub fn polled_what(&self) -> Option<Polled> {
        self.polled_what.filter(|_| self.last_poll().is_some())
    }

    /// True if the loop that it goes round is watched.
    #[inline(always)]
    pub fn is_watched(&self) -> bool {
        self.round.state.is_some()
    }

    /// What an instruction of a watched loop did.
    pub fn note_of_round(&mut self, acted: bool, looked: Option<(u32, MemorySpace, u64)>) {
        self.round.acted |= acted;
        self.round.looked = looked.or(self.round.looked);
    }

    /// A branch back is taken: whether the loop only waits for a change of memory. That is so where it has looked at some,
    /// every register is what it was a round ago, and nothing was changed: then it goes round until someone else does.
    pub fn comes_round(&mut self, first: u32, branch: u32) -> bool {
        let again = self.round.branch == branch && self.executed - self.round.then <= WAITING_LOOP;
        if !again {
            self.round = Round { first, branch, then: self.executed, ..Round::default() };
            return false;
        }
        let Round { times, state, acted, looked, .. } = self.round;
        let times = times.saturating_add(1);
        self.round = Round { first, branch, then: self.executed, times, ..Round::default() };
        // A loop that works is seldom looked at.
        if state.is_none() && !(times >= FIRST_LOOK && times.is_power_of_two()) {
            return false;
        }
        let now = Some(self.fingerprint());
        if state.is_some() && (state != now || acted) {
            return false;
        }
        self.round.state = now;
        let Some((pc, space, address)) = looked.filter(|_| state.is_some()) else { return false };
        self.round.times = FIRST_LOOK;
        self.polled = Some((pc, self.executed));
        self.polled_what = Some(Polled::Memory(space, address));
        self.polls_again = true;
        true
    }

    /// A hash of all registers, and of where the lanes are.
    fn fingerprint(&self) -> u64 {
        let mix = |hash: u64, value: u64| (hash ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
        let words = self.words.as_flattened().iter().map(|&word| u64::from(word));
        let predicates = self.predicates.iter().map(|&lanes| u64::from(lanes));
        let frames = self.frames.iter().flat_map(|frame| [frame.pc, frame.reconverge, frame.mask].map(u64::from));
        let longs = self.longs.as_flattened().iter().copied();
        words.chain(predicates).chain(frames).chain(longs).fold(0, mix)
    }

    /// Goes to the next instruction.
    #[inline(always)]
    pub fn advance(&mut self) {
        if let Some(frame) = self.frames.last_mut() {
            frame.pc += 1;
        }
    }

    /// `taken` of the active lanes go to `target`, the others on.
    pub fn branch(&mut self, target: u32, reconverge: u32, taken: u32) {
        let Some(frame) = self.frames.last_mut() else { return };
        let stay = frame.mask & !taken;
        let next = frame.pc + 1;
        if stay == 0 {
            frame.pc = target;
        } else if taken == 0 {
            frame.pc = next;
        } else if reconverge == NOWHERE {
            frame.pc = next;
            frame.mask = stay;
            self.frames.push(Frame { pc: target, reconverge: NOWHERE, mask: taken });
        } else {
            frame.pc = reconverge;
            for (pc, mask) in [(next, stay), (target, taken)] {
                if pc != reconverge {
                    self.frames.push(Frame { pc, reconverge, mask });
                }
            }
        }
    }

    /// Lanes leave the kernel.
    pub fn exit(&mut self, lanes: u32) {
        for frame in &mut self.frames {
            frame.mask &= !lanes;
        }
    }

    /// Lanes that have not exited.
    pub fn live(&self) -> u32 {
        self.frames.iter().fold(0, |mask, frame| mask | frame.mask)
    }

    /// What a register holds in a lane; zero for none.
    #[inline(always)]
    pub fn value(&self, data: Data, lane: usize) -> u64 {
        match data {
            Data::Sink => 0,
            Data::Word(slot) => self.words[slot as usize][lane].into(),
            Data::Long(slot) => self.longs[slot as usize][lane],
        }
    }

    /// The address of each lane.
    #[inline]
    pub fn addresses(&self, operand: &AddressOperand) -> Long {
        match operand.base {
            Base::None => [operand.offset as u64; 32],
            Base::Word(slot) => {
                let (base, offset) = (&self.words[slot as usize], operand.offset as u32);
                std::array::from_fn(|lane| base[lane].wrapping_add(offset).into())
            }
            Base::Long(slot) => {
                let (base, offset) = (&self.longs[slot as usize], operand.offset as u64);
                std::array::from_fn(|lane| base[lane].wrapping_add(offset))
            }
        }
    }

    /// The number of a lane's thread in its block.
    pub fn thread(&self, lane: usize) -> u32 {
        self.index * 32 + lane as u32
    }

    /// Writes the active lanes of a word.
    #[inline(always)]
    pub fn write_word(&mut self, slot: Slot, value: &Word, mask: u32) {
        let register = &mut self.words[slot as usize];
        if mask == FULL {
            *register = *value;
        } else {
            for lane in 0..32 {
                register[lane] = if mask >> lane & 1 != 0 { value[lane] } else { register[lane] };
            }
        }
    }

    /// Writes the active lanes of a long.
    #[inline(always)]
    pub fn write_long(&mut self, slot: Slot, value: &Long, mask: u32) {
        let register = &mut self.longs[slot as usize];
        if mask == FULL {
            *register = *value;
        } else {
            for lane in 0..32 {
                register[lane] = if mask >> lane & 1 != 0 { value[lane] } else { register[lane] };
            }
        }
    }

    /// Writes the active lanes of a predicate.
    #[inline(always)]
    pub fn write_predicate(&mut self, slot: Slot, value: u32, mask: u32) {
        let register = &mut self.predicates[slot as usize];
        *register = *register & !mask | value & mask;
    }
}

/// The numbers of the lanes in a mask, rising.
pub(crate) fn lanes_of(mask: u32) -> impl Iterator<Item = usize> {
    let mut rest = mask;
    std::iter::from_fn(move || {
        if rest == 0 {
            return None;
        }
        let lane = rest.trailing_zeros() as usize;
        rest &= rest - 1;
        Some(lane)
    })
}
