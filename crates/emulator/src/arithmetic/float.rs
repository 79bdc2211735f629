//! Scalar floating point as PTX fixes it: canonical NaN, flush to zero, rounding modes, min and max
//! (PTX ISA 9.7.3, 9.7.4). Values are bits.

use super::formats::{F32, F64, Format, Rounding, Value};

/// The NaN that f32 instructions write.
pub const NAN32: u32 = 0x7fff_ffff;

/// Flushes a subnormal f32 to a zero of its sign.
#[inline(always)]
pub fn flush(value: f32) -> f32 {
    if value.abs() < f32::MIN_POSITIVE { f32::from_bits(value.to_bits() & 0x8000_0000) } else { value }
}

/// Bits of a result: NaN becomes canonical.
#[inline(always)]
pub fn bits32(value: f32) -> u32 {
    if value.is_nan() { NAN32 } else { value.to_bits() }
}

/// The bit of an f64 NaN that makes it quiet.
const QUIET64: u64 = 1 << 51;

/// True if the bits of an f64 are a NaN.
#[inline(always)]
pub fn is_nan64(bits: u64) -> bool {
    bits & !(1 << 63) > 0x7ff0_0000_0000_0000
}

/// Bits of an f64 result. A NaN that went in comes out, quiet: the first of `operands` that is one. A new NaN is
/// 0xfff8000000000000. (As an H100 does; f32 has one NaN only.)
#[inline(always)]
pub fn result64<const N: usize>(value: f64, operands: [u64; N]) -> u64 {
    let mut nan = 0xfff8_0000_0000_0000;
    for bits in operands.into_iter().rev() {
        nan = if is_nan64(bits) { bits | QUIET64 } else { nan };
    }
    if value.is_nan() { nan } else { value.to_bits() }
}

/// `neg.f64`: a NaN keeps its sign.
#[inline(always)]
pub fn negate64(bits: u64) -> u64 {
    if is_nan64(bits) { bits | QUIET64 } else { bits ^ 1 << 63 }
}

/// `abs.f64`: a NaN keeps its sign.
#[inline(always)]
pub fn absolute64(bits: u64) -> u64 {
    if is_nan64(bits) { bits | QUIET64 } else { bits & !(1 << 63) }
}

/// `neg` and `abs` of an f16 or bf16 whose infinity is `infinity`: the magnitude, and the sign that it gets.
#[inline(always)]
pub fn half_with_sign(bits: u32, infinity: u32, sign: u32) -> u32 {
    let magnitude = bits & 0x7fff;
    if magnitude > infinity { 0x7fff } else { magnitude | sign & 0x8000 }
}

/// Whether `a·b + c` is too small for a normal number when it is rounded as if there were smaller ones: then `.ftz` makes
/// it zero. (Found on an H100, where ±2^-126 comes out of an f32 operation only if this is false.)
pub fn is_tiny(format: Format, a: u64, b: u64, c: u64, rounding: Rounding) -> bool {
    let wide = Format { exponent_bits: 11, ..format };
    let [a, b, c] = [a, b, c].map(|bits| wide.convert_from(format, bits, Rounding::NearestEven, false));
    let result = fused_multiply_add(wide, a, b, c, rounding);
    let field = result >> format.mantissa_bits & 0x7ff;
    let smallest = 1023 + 2 - (1 << (format.exponent_bits - 1));
    field < smallest
}

/// `.sat`: clamps to [0, 1]; NaN becomes +0.
#[inline(always)]
pub fn saturate(value: f32) -> f32 {
    if value > 0.0 { value.min(1.0) } else { 0.0 }
}

/// `a·b + c` in a format with any rounding, exactly: for f16, bf16 and the directed roundings of f32 and f64.
pub fn fused_multiply_add(format: Format, a: u64, b: u64, c: u64, rounding: Rounding) -> u64 {
    use Value::{Finite, Infinity, Nan};
    let (a, b, c) = (format.unpack(a), format.unpack(b), format.unpack(c));
    let sign_of = |value: Value| match value {
        Nan => false,
        Infinity(negative) | Finite { negative, .. } => negative,
    };
    let is_zero = |value: Value| matches!(value, Finite { significand: 0, .. });
    let product_negative = sign_of(a) != sign_of(b);
    let sign_bit = 1u64 << (format.exponent_bits + format.mantissa_bits);
    let infinity = |negative: bool| if negative { sign_bit | format.infinity() } else { format.infinity() };
    match (a, b, c) {
        (Nan, _, _) | (_, Nan, _) | (_, _, Nan) => format.nan(),
        (Infinity(_), other, _) | (other, Infinity(_), _) if is_zero(other) => format.nan(),
        (Infinity(_), _, Infinity(negative)) | (_, Infinity(_), Infinity(negative)) if negative != product_negative => {
            format.nan()
        }
        (Infinity(_), _, _) | (_, Infinity(_), _) => infinity(product_negative),
        (_, _, Infinity(negative)) => infinity(negative),
        (
            Finite { significand: sa, exponent: ea, .. },
            Finite { significand: sb, exponent: eb, .. },
            Finite { negative: nc, significand: sc, exponent: ec },
        ) => {
            let product = u128::from(sa) * u128::from(sb);
            let (negative, sum, exponent) = add_exactly((product_negative, product, ea + eb), (nc, sc.into(), ec));
            if sum == 0 {
                // Exact cancellation gives +0 (−0 when rounding down); equal signs keep theirs.
                let negative = if product_negative == nc { nc } else { rounding == Rounding::Down };
                return if negative { sign_bit } else { 0 };
            }
            format.pack(negative, sum, exponent, rounding, false)
        }
    }
}

type Term = (bool, u128, i32);

/// The sum of two signed terms; where they are too far apart for 128 bits, the smaller is kept as a sticky bit.
fn add_exactly(a: Term, b: Term) -> Term {
    if a.1 == 0 {
        return b;
    }
    if b.1 == 0 {
        return a;
    }
    let top = |term: &Term| term.2 + 128 - term.1.leading_zeros() as i32;
    let (large, small) = if top(&a) >= top(&b) { (a, b) } else { (b, a) };
    // The large term with its top bit at bit 125: room for a carry, and every lower bit a fraction.
    let shift = large.1.leading_zeros() as i32 - 2;
    let large_bits = if shift >= 0 { large.1 << shift } else { large.1 >> -shift };
    let exponent = large.2 - shift;
    let distance = exponent - small.2;
    let (small_bits, inexact) = if distance <= 0 {
        (small.1 << -distance, false)
    } else if distance > 127 {
        (0, true)
    } else {
        (small.1 >> distance, small.1 & ((1 << distance) - 1) != 0)
    };
    // What was cut off becomes the lowest bit of the result, which is far below every format's last bit.
    let sticky = u128::from(inexact);
    if large.0 == small.0 {
        (large.0, (large_bits + small_bits) | sticky, exponent)
    } else if large_bits >= small_bits + sticky {
        (large.0, (large_bits - small_bits - sticky) | sticky, exponent)
    } else {
        (small.0, small_bits - large_bits, exponent)
    }
}

/// `fma.rn.f32`
#[inline(always)]
pub fn fma32(a: f32, b: f32, c: f32) -> u32 {
    bits32(a.mul_add(b, c))
}

/// An f32 operation with a directed rounding: `a·b + c` rounded once.
pub fn fma32_rounded(a: u32, b: u32, c: u32, rounding: Rounding) -> u32 {
    fused_multiply_add(F32, a.into(), b.into(), c.into(), rounding) as u32
}

/// An f64 operation with a directed rounding: `a·b + c` rounded once.
pub fn fma64_rounded(a: u64, b: u64, c: u64, rounding: Rounding) -> u64 {
    fused_multiply_add(F64, a, b, c, rounding)
}

/// The quotient with any rounding.
pub fn divide_rounded(format: Format, a: u64, b: u64, rounding: Rounding) -> u64 {
    let (ua, ub) = (format.unpack(a), format.unpack(b));
    match (ua, ub) {
        (
            Value::Finite { negative: na, significand: sa, exponent: ea },
            Value::Finite { negative: nb, significand: sb, exponent: eb },
        ) if sa != 0 && sb != 0 => {
            let shift = u128::from(sa).leading_zeros() as i32 - 1;
            let dividend = u128::from(sa) << shift;
            let quotient = dividend / u128::from(sb);
            let sticky = u128::from(!dividend.is_multiple_of(u128::from(sb)));
            format.pack(na != nb, quotient << 1 | sticky, ea - eb - shift - 1, rounding, false)
        }
        // Zeros, infinities and NaN do not round.
        _ => format.from_f64(format.to_f64(a) / format.to_f64(b)),
    }
}

/// The square root with any rounding.
pub fn root_rounded(format: Format, a: u64, rounding: Rounding) -> u64 {
    match format.unpack(a) {
        Value::Finite { negative: false, significand, exponent } if significand != 0 => {
            let mut shift = u128::from(significand).leading_zeros() as i32 - 2;
            shift -= (exponent - shift) & 1;
            let radicand = u128::from(significand) << shift;
            let root = radicand.isqrt();
            let sticky = u128::from(root * root != radicand);
            format.pack(false, root << 1 | sticky, (exponent - shift) / 2 - 1, rounding, false)
        }
        _ => format.from_f64(format.to_f64(a).sqrt()),
    }
}

/// `min`/`max` of two values of any format as f64 comparisons; NaN loses unless `propagate`.
pub fn minimum_maximum(format: Format, a: u64, b: u64, want_max: bool, propagate: bool) -> u64 {
    let is_nan = |bits| format.unpack(bits) == Value::Nan;
    match (is_nan(a), is_nan(b)) {
        (true, true) if format == F64 => return b | QUIET64,
        (true, true) => return format.nan(),
        (true, false) | (false, true) if propagate => return format.nan(),
        (true, false) => return b,
        (false, true) => return a,
        (false, false) => {}
    }
    let order = format.to_f64(a).total_cmp(&format.to_f64(b));
    if order.is_lt() == want_max { b } else { a }
}

/// The bits of `max.f32`: −0 is less than +0, and of a NaN and a number the number is the result.
#[inline(always)]
pub fn max32(a: f32, b: f32) -> u32 {
    if a.is_nan() {
        bits32(b)
    } else if b.is_nan() || a > b || (a == b && a.is_sign_positive()) {
        a.to_bits()
    } else {
        b.to_bits()
    }
}

/// The bits of `min.f32`: −0 is less than +0, and of a NaN and a number the number is the result.
#[inline(always)]
pub fn min32(a: f32, b: f32) -> u32 {
    if a.is_nan() {
        bits32(b)
    } else if b.is_nan() || a < b || (a == b && a.is_sign_negative()) {
        a.to_bits()
    } else {
        b.to_bits()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arithmetic::formats::F16;

    fn random(state: &mut u64) -> u64 {
        *state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        *state ^ *state >> 29
    }

    #[test]
    fn exact_fma_agrees_with_the_host_s() {
        let mut state = 7;
        for _ in 0..200_000 {
            let [a, b, c] = [(); 3].map(|()| f32::from_bits(random(&mut state) as u32));
            let expected = fma32(a, b, c);
            let found = fma32_rounded(a.to_bits(), b.to_bits(), c.to_bits(), Rounding::NearestEven);
            assert_eq!(found, expected, "{a:e} {b:e} {c:e}");
            let [a, b, c] = [(); 3].map(|()| f64::from_bits(random(&mut state)));
            let found = fma64_rounded(a.to_bits(), b.to_bits(), c.to_bits(), Rounding::NearestEven);
            let expected = a.mul_add(b, c);
            let same = if expected.is_nan() { f64::from_bits(found).is_nan() } else { found == expected.to_bits() };
            assert!(same, "{a:e} {b:e} {c:e}");
        }
    }

    #[test]
    fn exact_division_and_root_agree_with_the_host_s() {
        let mut state = 9;
        for _ in 0..100_000 {
            let [a, b] = [(); 2].map(|()| f32::from_bits(random(&mut state) as u32));
            let divided = divide_rounded(F32, a.to_bits().into(), b.to_bits().into(), Rounding::NearestEven);
            assert_eq!(divided as u32, bits32(a / b), "{a:e} / {b:e}");
            let root = root_rounded(F32, a.to_bits().into(), Rounding::NearestEven);
            assert_eq!(root as u32, bits32(a.sqrt()), "sqrt {a:e}");
        }
    }

    #[test]
    fn directed_roundings_differ_by_one_unit() {
        let (one, three) = (1f32.to_bits().into(), 3f32.to_bits().into());
        let down = divide_rounded(F32, one, three, Rounding::Down);
        let up = divide_rounded(F32, one, three, Rounding::Up);
        assert_eq!(up, down + 1);
    }

    #[test]
    fn minimum_and_maximum_order_zeros_and_drop_nan() {
        assert_eq!(max32(-0.0, 0.0), 0);
        assert_eq!(min32(0.0, -0.0), 0x8000_0000);
        assert_eq!(max32(f32::NAN, 1.0), 1f32.to_bits());
        assert_eq!(max32(f32::NAN, f32::NAN), NAN32);
        assert_eq!(minimum_maximum(F16, 0x7e01, 0x3c00, true, true), F16.nan());
        assert_eq!(minimum_maximum(F16, 0x3c00, 0x4000, false, false), 0x3c00);
    }
}
