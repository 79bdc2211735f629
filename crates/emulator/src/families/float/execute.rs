//! Fused multiply-adds in formats, with roundings and modifiers that have no function of their own.

use crate::arithmetic::float;
use crate::arithmetic::formats::{F64, Format, Rounding};
use crate::families::step::Step;
use crate::instrument::Instrument;
use crate::program::Data;
use crate::state::warp::lanes_of;

impl<I: Instrument> Step<'_, '_, I> {
    pub(in crate::families) fn fma(
        &mut self,
        how: (Format, Rounding, u8),
        packed: bool,
        d: Data,
        [a, b, c]: [Data; 3],
    ) {
        let (format, rounding, flags) = how;
        for lane in lanes_of(self.active) {
            let (x, y, z) = (self.value(a, lane), self.value(b, lane), self.value(c, lane));
            let element = |x, y, z| fused(format, rounding, flags, x, y, z);
            let value = if packed {
                let low = element(x & 0xffff, y & 0xffff, z & 0xffff);
                element(x >> 16 & 0xffff, y >> 16 & 0xffff, z >> 16 & 0xffff) << 16 | low
            } else {
                element(x, y, z)
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
