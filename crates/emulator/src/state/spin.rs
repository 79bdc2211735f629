//! How a block that waits for another one is distinguished from a block that works.

/// Fruitless questions after which a block is taken to wait for another one.
const FRUITLESS: u32 = 64;
/// Addresses that are remembered: a warp may ask at 32.
const REMEMBERED: usize = 64;

/// Tells a block that spins (on a lock, a flag, a counter) from one that works: it asks by atomics that change nothing,
/// at the same addresses again and again, and changes nothing otherwise; or all its warps only wait, and some of them go
/// round and come back as they were ([`crate::state::warp::Warp::comes_round`]).
#[derive(Clone, Copy, Debug)]
pub struct Spin {
    /// Addresses of the last atomics that changed nothing, by a part of the address.
    tried: [u64; REMEMBERED],
    /// Number of atomics at known addresses that changed nothing, since the turn began.
    fruitless: u32,
    /// True if the block has changed global memory in this turn.
    changed: bool,
    /// True if nothing will happen in the block before global memory changes.
    certain: bool,
    /// Number of changes of global memory, and of changes of shared memory by atomics.
    changes: u64,
}

impl Default for Spin {
    fn default() -> Self {
        Self { tried: [0; REMEMBERED], fruitless: 0, changed: false, certain: false, changes: 0 }
    }
}

impl Spin {
    /// The block gets its turn.
    pub fn next_turn(&mut self) {
        (self.fruitless, self.changed, self.certain) = (0, false, false);
    }

    /// Nothing will happen in the block before global memory changes.
    pub fn waits(&mut self) {
        (self.fruitless, self.certain) = (FRUITLESS, true);
    }

    /// Number of changes of memory so far.
    pub fn changes(&self) -> u64 {
        self.changes
    }

    /// An atomic operation changed shared memory.
    pub fn changed_shared(&mut self) {
        self.changes += 1;
    }

    /// Global memory changed.
    #[inline(always)]
    pub fn changed(&mut self) {
        (self.fruitless, self.changed) = (0, true);
        self.changes += 1;
    }

    /// An atomic operation left what is at an address as it was.
    pub fn left_as_it_was(&mut self, address: u64) {
        let known = &mut self.tried[(address / 4) as usize % REMEMBERED];
        if *known == address {
            self.fruitless = self.fruitless.saturating_add(1);
        }
        *known = address;
    }

    /// True if the block waits for another one.
    #[inline(always)]
    pub fn is_on(&self) -> bool {
        self.fruitless >= FRUITLESS
    }

    /// True if it waits, and has changed nothing in its turn.
    pub fn is_fruitless(&self) -> bool {
        self.is_on() && !self.changed
    }

    /// True if that is certain.
    pub fn is_certain(&self) -> bool {
        self.certain
    }
}
