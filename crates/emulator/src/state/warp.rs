//! A warp: 32 lanes, their registers, and where they are in the program.

use std::collections::VecDeque;

use super::paths::{Paths, Wait};
use super::pending::{
    PendingArrival, PendingCopies, PendingStore, PendingTensorLoad, PendingTensorStore, PendingWgmma,
};
use super::polling::{Polled, Polling};
use super::shape::BlockShape;
use crate::program::{AddressOperand, Base, Data, Long, MemorySpace, Program, Slot, Word};

/// The mask of all 32 lanes.
pub(crate) const FULL: u32 = u32::MAX;
/// What a warp is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Some of its lanes can execute the next operation.
    Ready,
    /// All its lanes wait for others: [`Paths::leaves`] says for what.
    Waits,
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
    /// Where its lanes are.
    pub paths: Paths,
    /// Whether it can go on, waits, or has ended.
    pub state: State,
    /// Number of the warp in its block.
    pub index: u32,
    /// `cp.async` operations that have not been carried out.
    pub copies: Vec<PendingCopies>,
    /// Arrivals that come when copies have ended, oldest first: `cp.async.mbarrier.arrive`.
    pub copy_arrivals: VecDeque<PendingArrival>,
    /// What each lane keeps for the calls that have not returned: registers, and the number of the call.
    pub call_stack: Box<[Vec<u64>; 32]>,
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
    /// Number of operations that it has executed.
    pub executed: u64,
}

impl Warp {
    pub fn new(program: &Program, index: u32, shape: &BlockShape, globals: &[u64]) -> Self {
        let threads = shape.threads();
        let lanes = (threads - index * 32).min(32);
        let mask = if lanes == 32 { FULL } else { (1 << lanes) - 1 };
        let mut warp = Self {
            words: vec![[0; 32]; program.words as usize],
            longs: vec![[0; 32]; program.longs as usize],
            predicates: vec![0; program.predicates as usize],
            paths: Paths::new(mask),
            state: State::Ready,
            index,
            copies: Vec::new(),
            copy_arrivals: VecDeque::new(),
            call_stack: Box::default(),
            committed: [0; 32],
            wgmmas: VecDeque::new(),
            wgmma_groups: 0,
            tensor_loads: Vec::new(),
            tensor_stores: Vec::new(),
            stores: Vec::new(),
            store_groups: [0; 32],
            cluster_phase: None,
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

    /// What the path being executed has tested; nothing when all lanes have ended.
    pub fn polling(&mut self) -> Option<&mut Polling> {
        self.paths.top_mut().map(|path| &mut path.polling)
    }

    /// It has no turn while none of its lanes can go on.
    pub fn rest(&mut self) {
        self.state = if self.paths.current().is_some() { State::Ready } else { State::Waits };
    }

    /// True if it goes round a loop that only tests a phase or looks at memory.
    pub fn only_waits(&self) -> bool {
        self.paths.top().is_some_and(|path| path.polling.only_waits(path.pc))
    }

    /// True if it did anything between its last two tests of a phase but to wait.
    pub fn did_something_new(&self) -> bool {
        self.paths.top().is_none_or(|path| path.polling.did_something_new())
    }

    /// Where it looks at memory again and again.
    pub fn looks_at(&self) -> Option<(MemorySpace, u64)> {
        let mut ready = self.paths.leaves().filter(|path| self.state == State::Ready && path.wait == Wait::None);
        ready.find_map(|path| match path.polling.what() {
            Some(Polled::Memory(space, address)) => Some((space, address)),
            _ => None,
        })
    }

    /// True if the loop that it goes round is watched.
    #[inline(always)]
    pub fn is_watched(&self) -> bool {
        self.paths.top().is_some_and(|path| path.polling.is_watched())
    }

    /// What an instruction of a watched loop did.
    pub fn note_of_round(&mut self, acted: bool, looked: Option<(u32, MemorySpace, u64)>) {
        if let Some(polling) = self.polling() {
            polling.note(acted, looked);
        }
    }

    /// A branch back is taken: whether the loop only waits for a change of memory.
    pub fn comes_round(&mut self, first: u32, branch: u32) -> bool {
        if !self.polling().is_some_and(|polling| polling.comes_round(first, branch)) {
            return false;
        }
        let now = self.fingerprint();
        self.polling().is_some_and(|polling| polling.only_looks(now))
    }

    /// A hash of all registers, and of where the lanes are.
    fn fingerprint(&self) -> u64 {
        let mix = |hash: u64, value: u64| (hash ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
        let words = self.words.as_flattened().iter().map(|&word| u64::from(word));
        let predicates = self.predicates.iter().map(|&lanes| u64::from(lanes));
        let places = self.paths.places().flat_map(|place| place.map(u64::from));
        let longs = self.longs.as_flattened().iter().copied();
        words.chain(predicates).chain(places).chain(longs).fold(0, mix)
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
