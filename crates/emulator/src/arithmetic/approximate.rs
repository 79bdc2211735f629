//! The approximate functions of PTX (`ex2.approx` and so on), with the bits of an H100 for every argument.
//!
//! What the [`interpolator`] gives for a reduced argument, and what the instruction and ptxas do around it: flushing,
//! exponents, special values, and the scaling of subnormal numbers where PTX has no `.ftz`. Verified against the sums of
//! all 2^32 results of each f32 form (tests/hardware/approximate.h100.zlib) and every result of the 16-bit forms. Whether other GPUs
//! have the same tables was not verified.

use super::float::{bits32, flush};
use super::formats::{F16, F32, Rounding};
use super::interpolator;

const NAN: u32 = 0x7fff_ffff;
const NAN_64: u64 = 0x7fff_ffff << 32;
const SIGN: u32 = 1 << 31;
const INFINITY: u32 = 0x7f80_0000;
const MANTISSAS: u32 = 1 << 23;
const FRACTION: u32 = MANTISSAS - 1;

/// Bits of a positive result whose exponent is moved by `shift`; 0 below the normal numbers, infinity above.
fn scaled(bits: u32, shift: i32) -> u32 {
    let exponent = (bits >> 23) as i32 + shift;
    match exponent {
        ..=0 => 0,
        255.. => INFINITY,
        _ => bits.wrapping_add_signed(shift << 23),
    }
}

/// `ex2.approx.ftz.f32`, for any argument but NaN.
fn ex2_unit(x: f32) -> u32 {
    let x = flush(x);
    if x >= 128.0 {
        return INFINITY;
    }
    if x < -150.0 {
        return 0;
    }
    let units = (f64::from(x.abs()) * f64::from(MANTISSAS)) as i32;
    // A negative fraction is complemented, not negated.
    let units = match (x < 0.0, units as u32 & FRACTION) {
        (false, _) => units,
        (true, 0) => -units,
        (true, _) => !units,
    };
    scaled(interpolator::power(units as u32 & FRACTION), units >> 23)
}

/// `rcp.approx.ftz.f32`, for any argument but NaN.
fn rcp_unit(x: f32) -> u32 {
    let x = flush(x);
    let (sign, bits) = (x.to_bits() & SIGN, x.to_bits() & !SIGN);
    let magnitude = match bits {
        0 => INFINITY,
        INFINITY => 0,
        _ => scaled(interpolator::reciprocal(bits & FRACTION), 127 - (bits >> 23) as i32),
    };
    sign | magnitude
}

/// Half of an even exponent below that of a number, whether the exponent is odd, and the mantissa.
fn halved(bits: u32) -> (i32, bool, u32) {
    let exponent = (bits >> 23) as i32 - 127;
    (exponent >> 1, exponent & 1 == 1, bits & FRACTION)
}

/// `rsqrt.approx.ftz.f32`, for any argument but NaN.
fn rsqrt_unit(x: f32) -> u32 {
    match flush(x).to_bits() {
        0 => INFINITY,
        SIGN => INFINITY | SIGN,
        INFINITY => 0,
        bits if bits & SIGN != 0 => NAN,
        bits => {
            let (half, odd, mantissa) = halved(bits);
            scaled(interpolator::reciprocal_root(odd, mantissa), -half)
        }
    }
}

/// `sqrt.approx.ftz.f32`, for any argument but NaN.
fn sqrt_unit(x: f32) -> u32 {
    match flush(x).to_bits() {
        bits @ (0 | SIGN | INFINITY) => bits,
        bits if bits & SIGN != 0 => NAN,
        bits => {
            let (half, odd, mantissa) = halved(bits);
            scaled(interpolator::root(odd, mantissa), half)
        }
    }
}

/// `lg2.approx.ftz.f32`, for any argument but NaN.
fn lg2_unit(x: f32) -> u32 {
    match flush(x).to_bits() {
        0 | SIGN => INFINITY | SIGN,
        INFINITY => INFINITY,
        bits if bits & SIGN != 0 => NAN,
        bits => interpolator::logarithm((bits >> 23) as i32 - 127, bits & FRACTION),
    }
}

/// The sign of an angle in radians, and the fraction of a turn that it is, in units of 2^-25; none for infinity and NaN.
/// ptxas multiplies by 1/2π, rounded toward zero.
fn turn(x: f32) -> Option<(u32, u32)> {
    const TURNS: u64 = 0xa2_f983;
    let (sign, bits) = (x.to_bits() & SIGN, x.to_bits() & !SIGN);
    if bits >= INFINITY {
        return None;
    }
    let exponent = (bits >> 23) as i32;
    if exponent == 0 {
        return Some((sign, 0));
    }
    let product = u64::from(bits & FRACTION | MANTISSAS) * TURNS;
    let dropped = if product >> 47 == 0 { 23 } else { 24 };
    // The unit of the product is 2^(exponent − 176).
    let shift = exponent - 176 + dropped + 25;
    let turns = product >> dropped;
    let turn = match shift {
        25.. => 0,
        0..25 => (turns as u32) << shift,
        -31..0 => (turns >> -shift) as u32,
        _ => 0,
    };
    Some((sign, turn & ((1 << 25) - 1)))
}

/// `ex2.approx.f32`: 2^x. Without `.ftz`, ptxas squares the power of half the argument where that is below -126.
pub fn ex2(x: f32) -> u32 {
    if x.is_nan() {
        return NAN;
    }
    if x < -126.0 {
        let root = f32::from_bits(ex2_unit(x * 0.5));
        return bits32(root * root);
    }
    ex2_unit(x)
}

/// `lg2.approx.f32`: a subnormal argument is scaled into the normal numbers.
pub fn lg2(x: f32) -> u32 {
    if x.is_nan() {
        return NAN;
    }
    if x.is_subnormal() {
        return bits32(f32::from_bits(lg2_unit(x * 16_777_216.0)) - 24.0);
    }
    lg2_unit(x)
}

/// `rcp.approx.f32`: arguments and results outside of the normal numbers are scaled into them and back.
pub fn rcp(x: f32) -> u32 {
    if x.is_nan() {
        return NAN;
    }
    if x.is_subnormal() {
        let scale = 16_777_216.0;
        return bits32(f32::from_bits(rcp_unit(x * scale)) * scale);
    }
    if x.abs() > f32::from_bits(0x7e80_0000) && x.is_finite() {
        return bits32(f32::from_bits(rcp_unit(x * 0.25)) * 0.25);
    }
    rcp_unit(x)
}

/// `rsqrt.approx.f32`
pub fn rsqrt(x: f32) -> u32 {
    if x.is_nan() {
        return NAN;
    }
    if x.is_subnormal() {
        return bits32(f32::from_bits(rsqrt_unit(x * 16_777_216.0)) * 4096.0);
    }
    rsqrt_unit(x)
}

/// `sqrt.approx.f32`
pub fn sqrt(x: f32) -> u32 {
    if x.is_nan() {
        return NAN;
    }
    if x.is_subnormal() {
        return bits32(f32::from_bits(sqrt_unit(x * 16_777_216.0)) / 4096.0);
    }
    sqrt_unit(x)
}

/// `sin.approx.f32`, with and without `.ftz`.
pub fn sin(x: f32) -> u32 {
    turn(x).map_or(NAN, |(sign, turn)| sign ^ interpolator::sine(turn))
}

/// `cos.approx.f32`, with and without `.ftz`: a quarter of a turn ahead of the sine.
pub fn cos(x: f32) -> u32 {
    turn(x).map_or(NAN, |(_, turn)| interpolator::sine(turn + MANTISSAS))
}

/// `tanh.approx.f32`: subnormal numbers are themselves.
pub fn tanh(x: f32) -> u32 {
    if x.is_nan() {
        return NAN;
    }
    x.to_bits() & SIGN | interpolator::hyperbolic_tangent(x.to_bits() & !SIGN)
}

/// `div.full.f32` and `div.approx.f32`: the product with the reciprocal. Both operands are scaled where the divisor, or for
/// `.full` its reciprocal, would not be a normal number.
pub fn divide(a: f32, b: f32, full: bool) -> f32 {
    let (mut a, mut b) = (a, b);
    if full && b.is_finite() && b.abs() > f32::from_bits(0x7e80_0000) {
        (a, b) = (a * 0.25, b * 0.25);
    } else if b.is_subnormal() {
        (a, b) = (a * 16_777_216.0, b * 16_777_216.0);
    }
    if b.is_nan() {
        return f32::NAN;
    }
    a * f32::from_bits(rcp_unit(b))
}

/// `f(x)` with subnormal inputs and results flushed to zero (`.ftz`).
#[inline]
pub fn flushed(f: fn(f32) -> u32, x: u32) -> u32 {
    flush(f32::from_bits(f(flush(f32::from_bits(x))))).to_bits()
}

/// An f16 function: that of f32, rounded toward zero; what is too large is infinite.
fn to_f16(bits: u32) -> u32 {
    if bits & !SIGN > INFINITY {
        return 0x7fff;
    }
    if bits & !SIGN >= 65536f32.to_bits() {
        return bits >> 16 & 0x8000 | 0x7c00;
    }
    F16.convert_from(F32, bits.into(), Rounding::TowardZero, false) as u32
}

/// A bf16 function: that of f32, rounded toward zero.
fn to_bf16(bits: u32) -> u32 {
    if bits & !SIGN > INFINITY { 0x7fff } else { bits >> 16 }
}

fn from_f16(bits: u32) -> f32 {
    f32::from_bits(super::narrow::f32_from_f16(bits))
}

/// `ex2.approx.f16`
pub fn ex2_f16(x: u32) -> u32 {
    let x = from_f16(x);
    if x.is_nan() { 0x7fff } else { to_f16(ex2_unit(x)) }
}

/// `ex2.approx.ftz.bf16`
pub fn ex2_bf16(x: u32) -> u32 {
    let x = f32::from_bits(x << 16);
    if x.is_nan() { 0x7fff } else { to_bf16(ex2_unit(x)) }
}

/// `tanh.approx.f16`
pub fn tanh_f16(x: u32) -> u32 {
    to_f16(tanh(from_f16(x)))
}

/// `tanh.approx.bf16`
pub fn tanh_bf16(x: u32) -> u32 {
    to_bf16(tanh(f32::from_bits(x << 16)))
}

/// `rcp.approx.ftz.f64`: of the upper word of the argument, and the upper word of the result.
pub fn rcp_f64(x: u64) -> u64 {
    let high = (x >> 32) as u32;
    let (sign, bits) = (high & SIGN, high & !SIGN);
    let magnitude = match bits {
        ..0x10_0000 => 0x7ff0_0000,
        0x7ff0_0000 => 0,
        0x7ff0_0001.. => return NAN_64,
        _ => {
            let units = interpolator::reciprocal_units((bits & 0xf_ffff) << 3);
            high_word(units, 39, 1023 - (bits >> 20) as i32)
        }
    };
    u64::from(sign | magnitude) << 32
}

/// `rsqrt.approx.ftz.f64`: of the upper word of the argument, and the upper word of the result.
pub fn rsqrt_unit_f64(x: u64) -> u64 {
    let high = (x >> 32) as u32;
    let magnitude = match high {
        ..0x10_0000 => 0x7ff0_0000,
        SIGN..0x8010_0000 => 0xfff0_0000,
        0x7ff0_0000 => 0,
        0x7ff0_0001.. => return NAN_64,
        _ => {
            let exponent = (high >> 20) as i32 - 1023;
            let units = interpolator::reciprocal_root_units(exponent & 1 == 1, (high & 0xf_ffff) << 3);
            high_word(units, 40, -(exponent >> 1))
        }
    };
    u64::from(magnitude) << 32
}

/// The upper word of an f64 of `units` of 2^-`places`, between ½ and 1, times a power of two; 0 below the normal numbers.
fn high_word(units: u64, places: u32, shift: i32) -> u32 {
    let whole = units >> places != 0;
    let mantissa = units >> (places - if whole { 20 } else { 21 });
    match shift + if whole { 1023 } else { 1022 } {
        ..=0 => 0,
        exponent => ((exponent - 1) << 20) as u32 + mantissa as u32,
    }
}

/// `rsqrt.approx.f64`: the upper word, and one step of the iteration that ptxas adds.
pub fn rsqrt_f64(x: u64) -> u64 {
    let value = f64::from_bits(x);
    if value.is_nan() {
        return (value + value).to_bits();
    }
    if value == 0.0 {
        return x | 0x7ff0_0000_0000_0000;
    }
    if value < 0.0 {
        return 0xfff8_0000_0000_0000;
    }
    if value.is_infinite() {
        return 0;
    }
    let step = |value: f64| {
        let root = f64::from_bits(rsqrt_unit_f64(value.to_bits()));
        let error = value.mul_add(-(root * root), 1.0);
        error.mul_add(0.375, 0.5).mul_add(root * error, root)
    };
    if value.is_subnormal() { (step(value * 2f64.powi(54)) * 2f64.powi(27)).to_bits() } else { step(value).to_bits() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn special_values() {
        assert_eq!(f32::from_bits(ex2(3.0)), 8.0);
        assert_eq!(f32::from_bits(ex2(-1.0)), 0.5);
        assert_eq!(f32::from_bits(ex2(-1e-9)), 1.0);
        assert_eq!(ex2(f32::NEG_INFINITY), 0);
        assert_eq!(f32::from_bits(lg2(0.0)), f32::NEG_INFINITY);
        assert_eq!(f32::from_bits(lg2(8.0)), 3.0);
        assert_eq!(f32::from_bits(lg2(f32::from_bits(1))), -149.0);
        assert_eq!(rcp(-0.0), f32::NEG_INFINITY.to_bits());
        assert_eq!(rcp(f32::INFINITY), 0);
        assert_eq!(f32::from_bits(rcp(4.0)), 0.25);
        assert_eq!(rsqrt(-1.0), NAN);
        assert_eq!(f32::from_bits(rsqrt(f32::from_bits(2))), 2f32.powi(74));
        assert_eq!(f32::from_bits(sqrt(16.0)), 4.0);
        assert_eq!(sqrt(-0.0), 0x8000_0000);
        assert_eq!(flushed(ex2, (-140f32).to_bits()), 0);
        assert_eq!(divide(1.0, 0.0, true), f32::INFINITY);
        assert_eq!(sin(-0.0), 0x8000_0000);
        assert_eq!(f32::from_bits(cos(0.0)), 1.0);
        assert_eq!(sin(f32::INFINITY), NAN);
        assert_eq!(f32::from_bits(tanh(f32::NEG_INFINITY)), -1.0);
        assert_eq!(rcp_f64((-0f64).to_bits()), f64::NEG_INFINITY.to_bits());
        assert_eq!(f64::from_bits(rcp_f64(8f64.to_bits())), 0.125);
        assert_eq!(f64::from_bits(rsqrt_f64(16f64.to_bits())), 0.25);
    }
}
