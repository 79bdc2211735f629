//! What the lanes of a warp do together: shuffles, matches, reductions.

use crate::arithmetic::float;
use crate::families::step::Step;
use crate::instrument::Instrument;
use crate::program::{Data, Long, Reduction, Shuffle, Slot};
use crate::state::warp::lanes_of;

impl<I: Instrument> Step<'_, '_, I> {
    /// PTX ISA 9.7.9.6: `c` holds the segment mask and the clamp.
    pub(in crate::families) fn shuffle(
        &mut self,
        mode: Shuffle,
        d: Slot,
        in_range: Option<Slot>,
        a: Slot,
        b: Slot,
        c: Slot,
    ) {
        let (a, b, c) = (self.word(a), self.word(b), self.word(c));
        let mut value = [0; 32];
        let mut valid = 0;
        for lane in 0..32u32 {
            let source = mode.partner(lane, b[lane as usize], c[lane as usize]);
            valid |= u32::from(source.is_some()) << lane;
            value[lane as usize] = a[source.unwrap_or(lane) as usize & 31];
        }
        self.set_word(d, &value);
        if let Some(p) = in_range {
            self.set_predicate(p, valid);
        }
    }

    /// Executes the instruction `vote.all`.
    #[inline(always)]
    pub(in crate::families) fn vote_all(&mut self, d: Slot, p: Slot) {
        let holds = self.warp.predicates[p as usize] & self.active == self.active;
        self.set_predicate(d, all_or_none(holds));
    }

    /// Executes the instruction `vote.any`.
    #[inline(always)]
    pub(in crate::families) fn vote_any(&mut self, d: Slot, p: Slot) {
        let holds = self.warp.predicates[p as usize] & self.active != 0;
        self.set_predicate(d, all_or_none(holds));
    }

    /// Executes the instruction `vote.uni`.
    #[inline(always)]
    pub(in crate::families) fn vote_uniform(&mut self, d: Slot, p: Slot) {
        let holds = self.warp.predicates[p as usize] & self.active;
        self.set_predicate(d, all_or_none(holds == 0 || holds == self.active));
    }

    /// Executes the instruction `vote.ballot`.
    #[inline(always)]
    pub(in crate::families) fn ballot(&mut self, d: Slot, p: Slot) {
        let ballot = self.warp.predicates[p as usize] & self.active;
        self.set_word(d, &[ballot; 32]);
    }

    /// Executes the instruction `redux.sync`.
    #[inline(always)]
    pub(in crate::families) fn reduce(&mut self, op: Reduction, d: Slot, a: Slot) {
        let a = self.word(a);
        let result = lanes_of(self.active).map(|lane| a[lane]).reduce(|x, y| combine(op, x, y)).unwrap_or(0);
        let result = match op {
            // A NaN is the canonical one, that of a lane alone too.
            Reduction::MinFloat { .. } | Reduction::MaxFloat { .. } => float::bits32(f32::from_bits(result)),
            _ => result,
        };
        self.set_word(d, &[result; 32]);
    }

    pub(in crate::families) fn match_any(&mut self, d: Slot, a: Data) {
        let values: Long = std::array::from_fn(|lane| self.value(a, lane));
        let value = std::array::from_fn(|lane| {
            lanes_of(self.active)
                .filter(|&other| values[other] == values[lane])
                .fold(0, |mask, other| mask | 1 << other)
        });
        self.set_word(d, &value);
    }

    pub(in crate::families) fn match_all(&mut self, d: Slot, p: Option<Slot>, a: Data) {
        let first = self.active.trailing_zeros() as usize;
        let expected = self.value(a, first);
        let same = lanes_of(self.active).all(|lane| self.value(a, lane) == expected);
        self.set_word(d, &[if same { self.active } else { 0 }; 32]);
        if let Some(p) = p {
            self.set_predicate(p, all_or_none(same));
        }
    }

    pub(in crate::families) fn elect(&mut self, d: Option<Slot>, p: Slot) {
        let leader = self.active.trailing_zeros();
        if let Some(d) = d {
            self.set_word(d, &[leader; 32]);
        }
        self.set_predicate(p, 1 << leader);
    }
}

fn all_or_none(holds: bool) -> u32 {
    if holds { u32::MAX } else { 0 }
}

fn combine(op: Reduction, a: u32, b: u32) -> u32 {
    match op {
        Reduction::Add => a.wrapping_add(b),
        Reduction::MinSigned => (a as i32).min(b as i32) as u32,
        Reduction::MaxSigned => (a as i32).max(b as i32) as u32,
        Reduction::MinUnsigned => a.min(b),
        Reduction::MaxUnsigned => a.max(b),
        Reduction::MinFloat { propagates_nan } | Reduction::MaxFloat { propagates_nan }
            if propagates_nan && (f32::from_bits(a).is_nan() || f32::from_bits(b).is_nan()) =>
        {
            float::bits32(f32::NAN)
        }
        Reduction::MinFloat { .. } => float::min32(f32::from_bits(a), f32::from_bits(b)),
        Reduction::MaxFloat { .. } => float::max32(f32::from_bits(a), f32::from_bits(b)),
        Reduction::And => a & b,
        Reduction::Or => a | b,
        Reduction::Xor => a ^ b,
    }
}
