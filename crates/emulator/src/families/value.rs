//! Values of lanes: conversions, comparisons, fused multiply-adds in formats that have no function of their own.

use super::step::Step;
use crate::arithmetic::convert::Conversion;
use crate::arithmetic::float;
use crate::arithmetic::formats::{F64, Format, Rounding};
use crate::instrument::Instrument;
use crate::program::{Data, Logic, Slot};
use crate::state::warp::{Warp, lanes_of};

impl<I: Instrument> Step<'_, '_, I> {
    pub(crate) fn convert(&mut self, conversion: &Conversion, d: Data, a: Data) {
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

    pub(crate) fn unpack_pair(&mut self, conversion: &Conversion, d: Slot, a: Slot) {
        let (from, to) = (conversion.from.size() * 8, conversion.to.size() * 8);
        let pairs = self.word(a);
        let value = std::array::from_fn(|lane| {
            let pair = u64::from(pairs[lane]);
            let low = conversion.apply(pair & ((1 << from) - 1));
            (conversion.apply(pair >> from & ((1 << from) - 1)) << to | low) as u32
        });
        self.set_word(d, &value);
    }

    pub(crate) fn fma(&mut self, how: (Format, Rounding, u8), packed: bool, d: Data, [a, b, c]: [Data; 3]) {
        let (format, rounding, flags) = how;
        for lane in lanes_of(self.active) {
            let (x, y, z) = (self.value(a, lane), self.value(b, lane), self.value(c, lane));
            let one = |x, y, z| fused(format, rounding, flags, x, y, z);
            let value = if packed {
                let low = one(x & 0xffff, y & 0xffff, z & 0xffff);
                one(x >> 16 & 0xffff, y >> 16 & 0xffff, z >> 16 & 0xffff) << 16 | low
            } else {
                one(x, y, z)
            };
            self.set_lane(d, lane, value);
        }
    }
}

fn fused(format: Format, rounding: Rounding, flags: u8, a: u64, b: u64, c: u64) -> u64 {
    let sign = 1u64 << (format.exponent_bits + format.mantissa_bits);
    let flush = |bits: u64| if flags & 1 != 0 && bits & format.infinity() == 0 { bits & sign } else { bits };
    let (a, b, c) = (flush(a), flush(b), flush(c));
    let mut result = flush(float::fused_multiply_add(format, a, b, c, rounding));
    if flags & 1 != 0 && result & !sign == 1 << format.mantissa_bits && float::is_tiny(format, a, b, c, rounding) {
        result &= sign;
    }
    if format == F64 {
        result = float::result64(f64::from_bits(result), [b, c, a]);
    }
    if flags & 2 != 0 {
        let value = format.to_f64(result);
        result = format.from_f64(if value > 0.0 { value.min(1.0) } else { 0.0 });
    }
    if flags & 4 != 0 && result & sign != 0 {
        result = 0;
    }
    result
}

pub(crate) fn combine_masks(logic: Logic, a: u32, b: u32) -> u32 {
    match logic {
        Logic::And => a & b,
        Logic::Or => a | b,
        Logic::Xor => a ^ b,
    }
}
