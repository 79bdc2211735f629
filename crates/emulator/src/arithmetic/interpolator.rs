//! The interpolator of an NVIDIA multiprocessor, bit for bit: a table chooses a segment by the argument's upper bits, and
//! the lower bits go into a quadratic in fixed point, whose square has only its upper partial products.
//!
//! The shape is that of Oberman and Siu, "A High-Performance Area-Efficient Multifunction Interpolator" (ARITH 2005). The
//! coefficients ([`super::coefficients`]) and the columns that are left out of the square were recovered from every result
//! of an H100: each segment has one set of integers that gives all of its results.

use super::coefficients::{EX2, LG2, RCP, RSQRT, SINE, SQRT, TANH};

/// `x²` in units of 2^`DROP`, without the partial products below that: those of bits i < j have the weight 2^(i+j+1).
#[inline(always)]
fn square<const DROP: u32>(x: u32) -> i64 {
    let x = u64::from(x);
    let mut dropped = 0;
    for i in 0..DROP.div_ceil(2) {
        let row = (1u64 << (DROP - 1 - i)).saturating_sub(2 << i);
        let others = (x & row) << (i + 1);
        dropped += (x >> i & 1) * ((1 << (2 * i)) + others);
    }
    ((x * x - dropped) >> DROP) as i64
}

/// The quadratic of a segment, `low` bits into it.
#[inline(always)]
fn quadratic<const DROP: u32>([base, slope, curvature]: [i64; 3], low: u32) -> u64 {
    (base + slope * i64::from(low) + curvature * square::<DROP>(low)) as u64
}

/// 64 segments of a 23-bit fraction.
#[inline(always)]
fn of_64(table: &[[i64; 3]; 64], fraction: u32) -> u64 {
    quadratic::<19>(table[(fraction >> 17 & 63) as usize], fraction & 0x1_ffff)
}

/// The bits of an f32 that has the first 24 bits of `value` in units of 2^-`places`.
#[inline(always)]
fn truncated(value: u64, places: i32) -> u32 {
    if value == 0 {
        return 0;
    }
    let top = 63 - value.leading_zeros() as i32;
    let mantissa = if top > 23 { value >> (top - 23) } else { value << (23 - top) };
    (((top - places + 126) << 23) + mantissa as i32) as u32
}

/// 2^f for a fraction f of 23 bits: the bits of an f32 in [1, 2].
pub fn power(fraction: u32) -> u32 {
    truncated(of_64(&EX2, fraction), 38)
}

/// log₂ of a number with this exponent and mantissa.
pub fn logarithm(exponent: i32, mantissa: u32) -> u32 {
    if exponent == 0 && mantissa == 0 {
        return 0;
    }
    // 36 bits after the point; the complement of a negative sum is its magnitude.
    let sum = (i64::from(exponent) << 36) + (of_64(&LG2, mantissa) >> 2) as i64;
    if sum < 0 { 0x8000_0000 | truncated(!sum as u64, 36) } else { truncated(sum as u64, 36) }
}

/// 1/x for a mantissa of 23 bits, in units of 2^-39.
pub fn reciprocal_units(mantissa: u32) -> u64 {
    quadratic::<17>(RCP[(mantissa >> 16 & 127) as usize], mantissa & 0xffff)
}

/// 1/x for 1 ≤ x < 2: the bits of an f32 in (½, 1].
pub fn reciprocal(mantissa: u32) -> u32 {
    truncated(reciprocal_units(mantissa), 39)
}

/// 1/√x for 1 ≤ x < 2, or where `odd` for 2 ≤ x < 4, in units of 2^-40.
pub fn reciprocal_root_units(odd: bool, mantissa: u32) -> u64 {
    if !odd && mantissa == 0 { 1 << 40 } else { of_64(&RSQRT[usize::from(odd)], mantissa) }
}

/// 1/√x for 1 ≤ x < 2, or where `odd` for 2 ≤ x < 4: the bits of an f32 in (½, 1].
pub fn reciprocal_root(odd: bool, mantissa: u32) -> u32 {
    truncated(reciprocal_root_units(odd, mantissa), 40)
}

/// √x for 1 ≤ x < 2, or where `odd` for 2 ≤ x < 4: the bits of an f32 in [1, 2).
pub fn root(odd: bool, mantissa: u32) -> u32 {
    truncated(of_64(&SQRT[usize::from(odd)], mantissa), if odd { 39 } else { 40 })
}

/// The sine of a turn's fraction in units of 2^-25.
pub fn sine(turn: u32) -> u32 {
    let (quadrant, within) = (turn >> 23 & 3, turn & 0x7f_ffff);
    let within = if quadrant & 1 == 0 { within } else { within ^ 0x7f_ffff };
    (quadrant & 2) << 30 | truncated(of_64(&SINE, within), 37)
}

/// Bits of the mantissa that count, from 2^-8 on, and the first segment of each power of two.
const TANH_PLACES: [(u32, u32); 11] =
    [(17, 0), (17, 1), (17, 2), (18, 3), (18, 5), (19, 7), (19, 11), (19, 15), (20, 19), (21, 27), (20, 43)];

/// tanh of a positive number.
pub fn hyperbolic_tangent(bits: u32) -> u32 {
    let exponent = (bits >> 23) as usize;
    let Some(&(width, first)) = exponent.checked_sub(119).and_then(|at| TANH_PLACES.get(at)) else {
        return if exponent < 119 { bits } else { 1f32.to_bits() };
    };
    let place = (bits & 0x7f_ffff) >> (23 - width);
    let segment = TANH[(first + (place >> 17)) as usize % TANH.len()];
    truncated(quadratic::<19>(segment, place & 0x1_ffff), 42)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_square_has_its_upper_partial_products() {
        // 11111010000: 2²⁰ from the top bit, 2²⁰ and 2¹⁹ from it and the next two.
        assert_eq!(square::<19>(2000), 5);
        assert_eq!(square::<19>(1023), 0);
        assert_eq!(square::<19>(1024), 2);
        for x in (0..1 << 17).step_by(997) {
            let bit = |i: u32| u64::from(x >> i & 1);
            let mut sum = 0;
            for i in 0..17 {
                for j in i..17 {
                    let weight = if i == j { 2 * i } else { i + j + 1 };
                    sum += if weight >= 19 { (bit(i) * bit(j)) << (weight - 19) } else { 0 };
                }
            }
            assert_eq!(square::<19>(x), sum as i64, "{x}");
        }
    }

    #[test]
    fn truncation_keeps_24_bits() {
        assert_eq!(f32::from_bits(truncated(3 << 36, 37)), 1.5);
        assert_eq!(f32::from_bits(truncated(25737, 37)), 25737.0 / 137_438_953_472.0);
        assert_eq!(f32::from_bits(truncated(0x1ff_ffff, 0)), 33_554_430.0);
    }
}
