//! The order in which the warps of a block run: the usual one, or one that a seed chooses; and how a block that spins is
//! told from one that works.

/// Instructions of a turn are at most this many, where a seed chooses.
const LONGEST_TURN: u64 = 256;

/// Whose turn it is.
pub(crate) struct Schedule {
    /// State of the generator (xorshift64*); 0 for the usual order.
    state: u64,
    order: Vec<usize>,
}

impl Schedule {
    /// For one block. Seed 0 is the usual order: warps by their number, copies as late as they may be.
    pub fn new(seed: u64, block: u64, warps: usize) -> Self {
        let mixed = (seed ^ block.wrapping_mul(0x9e37_79b9_7f4a_7c15)).wrapping_mul(0xbf58_476d_1ce4_e5b9) | 1;
        Self { state: if seed == 0 { 0 } else { mixed }, order: (0..warps).collect() }
    }

    fn random(&mut self) -> u64 {
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        self.state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32
    }

    /// Every warp has had its turn.
    pub fn next_round(&mut self) {
        if self.state != 0 {
            for last in (1..self.order.len()).rev() {
                let other = (self.random() % (last as u64 + 1)) as usize;
                self.order.swap(last, other);
            }
        }
    }

    /// The warp whose turn it is.
    pub fn warp(&self, turn: usize) -> usize {
        self.order.get(turn).copied().unwrap_or(turn)
    }

    /// Instructions of a turn.
    pub fn turn(&mut self, usual: u32) -> u32 {
        if self.state == 0 { usual } else { (1 + self.random() % LONGEST_TURN) as u32 }
    }

    /// Whether a copy lands before it has to.
    pub fn lands_early(&mut self) -> bool {
        self.state != 0 && self.random().is_multiple_of(4)
    }
}

/// Fruitless questions after which a block is taken to wait for another one.
const FRUITLESS: u32 = 64;
/// Addresses that are remembered: a warp may ask at 32.
const REMEMBERED: usize = 64;

/// Tells a block that spins (on a lock, a flag, a counter) from one that works: it asks by atomics that change nothing,
/// at the same addresses again and again, and changes nothing otherwise; or all its warps only wait, and some of them go
/// round and come back as they were ([`crate::state::warp::Warp::comes_round`]).
#[derive(Clone, Copy, Debug)]
pub struct Spin {
    /// By a part of the address.
    asked: [u64; REMEMBERED],
    fruitless: u32,
    changed: bool,
    certain: bool,
    /// Changes of global memory, and by atomics of shared memory.
    changes: u64,
}

impl Default for Spin {
    fn default() -> Self {
        Self { asked: [0; REMEMBERED], fruitless: 0, changed: false, certain: false, changes: 0 }
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

    /// How often anything was changed.
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
        let known = &mut self.asked[(address / 4) as usize % REMEMBERED];
        if *known == address {
            self.fruitless = self.fruitless.saturating_add(1);
        }
        *known = address;
    }

    /// Whether the block waits for another one.
    #[inline(always)]
    pub fn is_on(&self) -> bool {
        self.fruitless >= FRUITLESS
    }

    /// Whether it waits, and has changed nothing in its turn.
    pub fn is_fruitless(&self) -> bool {
        self.is_on() && !self.changed
    }

    /// Whether that is certain.
    pub fn is_certain(&self) -> bool {
        self.certain
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_order_again_and_every_warp_its_turn() {
        let orders = |seed| {
            let mut schedule = Schedule::new(seed, 3, 8);
            (0..20)
                .map(|_| {
                    schedule.next_round();
                    (0..8).map(|turn| schedule.warp(turn)).collect::<Vec<_>>()
                })
                .collect::<Vec<_>>()
        };
        assert_eq!(orders(7), orders(7));
        assert_ne!(orders(7), orders(8));
        assert!(orders(0).iter().all(|order| order.is_sorted()));
        for mut order in orders(7) {
            order.sort_unstable();
            assert_eq!(order, (0..8).collect::<Vec<_>>());
        }
    }
}
