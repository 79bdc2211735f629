//! Conversions of a lane at a time, for those that have no function over all lanes.

use crate::arithmetic::convert::Conversion;
use crate::families::step::Step;
use crate::instrument::Instrument;
use crate::program::{Data, Slot};
use crate::state::warp::lanes_of;

impl<I: Instrument> Step<'_, '_, I> {
    pub(in crate::families) fn convert(&mut self, conversion: &Conversion, d: Data, a: Data) {
        for lane in lanes_of(self.active) {
            let mut value = conversion.apply(self.value(a, lane));
            if conversion.to.is_signed() {
                // A register wider than the type holds it sign-extended; decoding narrows 16-bit registers.
                let unused = 64 - 8 * conversion.to.size();
                value = ((value << unused) as i64 >> unused) as u64;
            }
            self.set_lane(d, lane, value);
        }
    }

    /// Two values to the halves of a register, `width` bits each.
    #[inline(always)]
    pub(in crate::families) fn convert_pair(
        &mut self,
        conversion: &Conversion,
        width: u32,
        d: Slot,
        [a, b]: [Slot; 2],
    ) {
        let (upper, lower) = (self.word(a), self.word(b));
        let value = std::array::from_fn(|lane| {
            (conversion.apply(upper[lane].into()) << width | conversion.apply(lower[lane].into())) as u32
        });
        self.set_word(d, &value);
    }

    pub(in crate::families) fn unpack_pair(&mut self, conversion: &Conversion, d: Slot, a: Slot) {
        let (from, to) = (conversion.from.size() * 8, conversion.to.size() * 8);
        let pairs = self.word(a);
        let value = std::array::from_fn(|lane| {
            let pair = u64::from(pairs[lane]);
            let low = conversion.apply(pair & ((1 << from) - 1));
            (conversion.apply(pair >> from & ((1 << from) - 1)) << to | low) as u32
        });
        self.set_word(d, &value);
    }
}
