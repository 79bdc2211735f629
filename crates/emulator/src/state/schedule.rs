//! The order in which the warps of a block run: the usual one, or one that a seed chooses; and how a block that spins is
//! distinguished from one that works.

/// Instructions of a turn are at most this many, where a seed chooses.
const LONGEST_TURN: u64 = 256;

/// The order in which warps have their turns.
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

    /// True if a copy lands before it has to.
    pub fn lands_early(&mut self) -> bool {
        self.state != 0 && self.random().is_multiple_of(4)
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
