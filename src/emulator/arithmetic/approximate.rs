//! The approximate functions of PTX (`ex2.approx` and so on).
//!
//! `ex2`, `rcp`, `rsqrt` and `sqrt` have the bits of an H100: the correctly rounded value, and a correction of at most
//! 2 units in the last place for each of the 2^23 mantissas, recorded on one (`corrections/`, written by
//! benches/gpu/approximate.py). What depends on the rest of the argument was found there too: `rcp` on nothing, `rsqrt`
//! and `sqrt` on the parity of the exponent, `ex2` on the argument in units of 2^-23, rounded down (a negative one that
//! is not tiny is complemented, not negated). Whether other GPUs have the same tables was not verified.
//!
//! `lg2`, `sin`, `cos` and `tanh` are the correctly rounded value: the hardware's differs by 1 to 2 units for `lg2` away
//! from 1, and by much more near 1 and for the others.

use std::io::Read;
use std::sync::OnceLock;

use super::float::{bits32, flush};

const NAN: u32 = 0x7fff_ffff;
const INFINITY: u32 = 0x7f80_0000;
const MANTISSAS: usize = 1 << 23;
const FRACTION: u32 = MANTISSAS as u32 - 1;

/// What is added to the bits of the correctly rounded value, for each mantissa; two bits each, 2 stands for 0.
struct Corrections {
    compressed: &'static [u8],
    table: OnceLock<Box<[u8]>>,
}

impl Corrections {
    const fn of(compressed: &'static [u8]) -> Self {
        Self { compressed, table: OnceLock::new() }
    }

    #[inline]
    fn get(&self, mantissa: u32) -> i32 {
        let table = self.table.get_or_init(|| {
            let mut bytes = Vec::with_capacity(MANTISSAS);
            // The data is the program's own; what could not be read would be no correction.
            let _ = flate2::read::ZlibDecoder::new(self.compressed).read_to_end(&mut bytes);
            bytes.resize(MANTISSAS, 2);
            bytes.as_chunks::<4>().0.iter().map(|[a, b, c, d]| a | b << 2 | c << 4 | d << 6).collect()
        });
        let four = table.get(mantissa as usize / 4).copied().unwrap_or(0b1010_1010);
        i32::from(four >> (2 * (mantissa % 4)) & 3) - 2
    }
}

static EX2: Corrections = Corrections::of(include_bytes!("corrections/ex2.zlib"));
static RCP: Corrections = Corrections::of(include_bytes!("corrections/rcp.zlib"));
/// Of arguments in [1, 2) and in [2, 4), times any power of 4.
static RSQRT: [Corrections; 2] = [
    Corrections::of(include_bytes!("corrections/rsqrt_1.zlib")),
    Corrections::of(include_bytes!("corrections/rsqrt_2.zlib")),
];
static SQRT: [Corrections; 2] = [
    Corrections::of(include_bytes!("corrections/sqrt_1.zlib")),
    Corrections::of(include_bytes!("corrections/sqrt_2.zlib")),
];

fn rounded(value: f64) -> i32 {
    (value as f32).to_bits() as i32
}

/// Bits of a positive result whose exponent is moved by `shift`; 0 below the normal numbers, infinity above.
fn scaled(bits: i32, shift: i32) -> u32 {
    let exponent = (bits >> 23) + shift;
    match exponent {
        ..=0 => 0,
        255.. => INFINITY,
        _ => (bits + (shift << 23)) as u32,
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
    let units = (f64::from(x.abs()) * MANTISSAS as f64) as i32;
    let units = if x < 0.0 && units > 0 { !units } else { units };
    let fraction = units as u32 & FRACTION;
    let power = rounded((f64::from(fraction) / MANTISSAS as f64).exp2()) + EX2.get(fraction);
    scaled(power, units >> 23)
}

/// `rcp.approx.ftz.f32`, for any argument but NaN.
fn rcp_unit(x: f32) -> u32 {
    let x = flush(x);
    let (sign, bits) = (x.to_bits() & 0x8000_0000, x.to_bits() & 0x7fff_ffff);
    let magnitude = match bits {
        0 => INFINITY,
        INFINITY => 0,
        _ => {
            let mantissa = bits & FRACTION;
            let one = f64::from(f32::from_bits(127 << 23 | mantissa));
            scaled(rounded(1.0 / one) + RCP.get(mantissa), 127 - (bits >> 23) as i32)
        }
    };
    sign | magnitude
}

/// The argument of a root as 1 ≤ base < 4 and an even power of two; its mantissa, and which half of [1, 4) it is in.
fn even(bits: u32) -> (f64, i32, u32, usize) {
    let exponent = (bits >> 23) as i32 - 127;
    let odd = exponent & 1;
    let base = f64::from(f32::from_bits(((127 + odd) as u32) << 23 | bits & FRACTION));
    (base, (exponent - odd) / 2, bits & FRACTION, odd as usize)
}

/// `rsqrt.approx.ftz.f32`, for any argument but NaN.
fn rsqrt_unit(x: f32) -> u32 {
    let x = flush(x);
    match x.to_bits() {
        0 => INFINITY,
        0x8000_0000 => INFINITY | 0x8000_0000,
        INFINITY => 0,
        bits if bits >> 31 != 0 => NAN,
        bits => {
            let (base, half, mantissa, odd) = even(bits);
            scaled(rounded(1.0 / base.sqrt()) + RSQRT[odd].get(mantissa), -half)
        }
    }
}

/// `sqrt.approx.ftz.f32`, for any argument but NaN.
fn sqrt_unit(x: f32) -> u32 {
    let x = flush(x);
    match x.to_bits() {
        bits @ (0 | 0x8000_0000 | INFINITY) => bits,
        bits if bits >> 31 != 0 => NAN,
        bits => {
            let (base, half, mantissa, odd) = even(bits);
            scaled(rounded(base.sqrt()) + SQRT[odd].get(mantissa), half)
        }
    }
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
    if x.is_subnormal() && x > 0.0 {
        return bits32(f32::from_bits(rsqrt_unit(x * 16_777_216.0)) * 4096.0);
    }
    rsqrt_unit(x)
}

/// `sqrt.approx.f32`
pub fn sqrt(x: f32) -> u32 {
    if x.is_nan() {
        return NAN;
    }
    if x.is_subnormal() && x > 0.0 {
        return bits32(f32::from_bits(sqrt_unit(x * 16_777_216.0)) / 4096.0);
    }
    sqrt_unit(x)
}

/// `div.full.f32` and `div.approx.f32`: the product with the reciprocal. `.full` scales both operands where the divisor
/// or its reciprocal would not be a normal number.
pub fn divide(a: f32, b: f32, full: bool) -> f32 {
    let (mut a, mut b) = (a, b);
    if full && b.is_finite() {
        if b.abs() > f32::from_bits(0x7e80_0000) {
            (a, b) = (a * 0.25, b * 0.25);
        } else if b.is_subnormal() {
            (a, b) = (a * 16_777_216.0, b * 16_777_216.0);
        }
    }
    if b.is_nan() {
        return f32::NAN;
    }
    a * f32::from_bits(rcp_unit(b))
}

macro_rules! through_f64 {
    ($($(#[$doc:meta])* $name:ident |$x:ident| $value:expr;)*) => {
        $($(#[$doc])*
        #[inline]
        pub fn $name(x: f32) -> u32 {
            let $x = f64::from(x);
            bits32(($value) as f32)
        })*
    };
}

through_f64! {
    /// `lg2.approx.f32`
    lg2 |x| x.log2();
    /// `sin.approx.f32`
    sin |x| x.sin();
    /// `cos.approx.f32`
    cos |x| x.cos();
    /// `tanh.approx.f32`
    tanh |x| x.tanh();
}

/// `f(x)` with subnormal inputs and results flushed to zero (`.ftz`).
#[inline]
pub fn flushed(f: fn(f32) -> u32, x: u32) -> u32 {
    flush(f32::from_bits(f(flush(f32::from_bits(x))))).to_bits()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn special_values() {
        assert_eq!(f32::from_bits(ex2(3.0)), 8.0);
        assert_eq!(f32::from_bits(ex2(-1e-9)), 1.0);
        assert_eq!(ex2(f32::NEG_INFINITY), 0);
        assert_eq!(f32::from_bits(lg2(0.0)), f32::NEG_INFINITY);
        assert_eq!(rcp(-0.0), f32::NEG_INFINITY.to_bits());
        assert_eq!(rcp(f32::INFINITY), 0);
        assert_eq!(f32::from_bits(rcp(4.0)), 0.25);
        assert_eq!(rsqrt(-1.0), NAN);
        assert_eq!(f32::from_bits(rsqrt(f32::from_bits(2))), 2f32.powi(74));
        assert_eq!(f32::from_bits(sqrt(16.0)), 4.0);
        assert_eq!(sqrt(-0.0), 0x8000_0000);
        assert_eq!(flushed(ex2, (-140f32).to_bits()), 0);
        assert_eq!(divide(1.0, 0.0, true), f32::INFINITY);
    }

    /// Σ bits · (2·mantissa + 1) over all mantissas, as an H100 gave it: every result of these binades.
    #[test]
    fn whole_binades_have_the_bits_of_an_h100() {
        let sum = |f: fn(f32) -> u32, exponent: u32| {
            (0..MANTISSAS as u32).fold(0u64, |sum, mantissa| {
                let bits = f(f32::from_bits(exponent << 23 | mantissa));
                sum.wrapping_add(u64::from(bits).wrapping_mul(2 * u64::from(mantissa) + 1))
            })
        };
        assert_eq!(sum(ex2, 127), 0x7514_e0e9_17ab_950e);
        assert_eq!(sum(rcp, 127), 0x46f4_2047_e2dd_df03);
        assert_eq!(sum(rsqrt, 127), 0xfcb3_3e16_4802_0413);
        assert_eq!(sum(rsqrt, 128), 0x58a2_2bef_4804_d2fa);
        assert_eq!(sum(sqrt, 127), 0x33dc_1314_03ef_9280);
        assert_eq!(sum(sqrt, 128), 0x44ed_1f17_3670_8513);
    }
}
