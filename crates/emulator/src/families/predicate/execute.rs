//! What a comparison leaves in predicates.

use crate::families::step::Step;
use crate::instrument::Instrument;
use crate::program::{Logic, Slot};
use crate::state::warp::Warp;

impl<I: Instrument> Step<'_, '_, I> {
    pub(crate) fn compare(
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
}

pub(crate) fn combine_masks(logic: Logic, a: u32, b: u32) -> u32 {
    match logic {
        Logic::And => a & b,
        Logic::Or => a | b,
        Logic::Xor => a ^ b,
    }
}
