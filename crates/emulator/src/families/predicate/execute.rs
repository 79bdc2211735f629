//! What comparisons leave in predicates, and choices by a predicate.

use crate::families::step::Step;
use crate::instrument::Instrument;
use crate::lanes::WordCompare;
use crate::program::{Logic, Slot};
use crate::state::warp::Warp;

impl<I: Instrument> Step<'_, '_, I> {
    pub(in crate::families) fn compare(
        &mut self,
        mask: u32,
        d: Slot,
        complement: Option<Slot>,
        combine: Option<(Logic, Slot, bool)>,
    ) {
        let with = |mask: u32, warp: &Warp| match combine {
            Some((logic, p, negated)) => {
                let p = warp.predicates[p as usize];
                combine_masks(logic, mask, if negated { !p } else { p })
            }
            None => mask,
        };
        let (yes, no) = (with(mask, self.warp), with(!mask, self.warp));
        self.set_predicate(d, yes);
        if let Some(complement) = complement {
            self.set_predicate(complement, no);
        }
    }

    /// `set`: `ones` in lanes where the comparison holds, 0 in the others.
    #[inline(always)]
    pub(in crate::families) fn set_by_comparison(&mut self, f: WordCompare, d: Slot, [a, b]: [Slot; 2], ones: u32) {
        let mask = f(self.word(a), self.word(b));
        let value = std::array::from_fn(|lane| if mask >> lane & 1 != 0 { ones } else { 0 });
        self.set_word(d, &value);
    }

    /// `selp` of 32 bits.
    #[inline(always)]
    pub(in crate::families) fn select32(&mut self, d: Slot, [a, b]: [Slot; 2], p: Slot) {
        let (a, b, p) = (self.word(a), self.word(b), self.warp.predicates[p as usize]);
        let value = std::array::from_fn(|lane| if p >> lane & 1 != 0 { a[lane] } else { b[lane] });
        self.set_word(d, &value);
    }

    /// `selp` of 64 bits.
    #[inline(always)]
    pub(in crate::families) fn select64(&mut self, d: Slot, [a, b]: [Slot; 2], p: Slot) {
        let (a, b, p) = (self.long(a), self.long(b), self.warp.predicates[p as usize]);
        let value = std::array::from_fn(|lane| if p >> lane & 1 != 0 { a[lane] } else { b[lane] });
        self.set_long(d, &value);
    }
}

pub(in crate::families) fn combine_masks(logic: Logic, a: u32, b: u32) -> u32 {
    match logic {
        Logic::And => a & b,
        Logic::Or => a | b,
        Logic::Xor => a ^ b,
    }
}
