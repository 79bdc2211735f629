//! Binary floating-point formats, unpacked and packed with any rounding of PTX (PTX ISA 5.2, 9.7.9.21).

use warpbook_gpu::{ElementType, FloatFormat, Specials};

/// A binary format with a sign, `exponent_bits` and `mantissa_bits`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Format {
    /// Width of the exponent field.
    pub exponent_bits: u32,
    /// Width of the stored fraction.
    pub mantissa_bits: u32,
    /// True if the largest exponent field means infinity and NaN (IEEE); e4m3 has NaN at all-ones only, no infinity.
    pub has_infinity: bool,
}

/// IEEE 754 binary16 (`.f16`).
pub const F16: Format = Format::from_element(ElementType::F16);
/// bfloat16 (`.bf16`): the upper half of a binary32.
pub const BF16: Format = Format::from_element(ElementType::Bf16);
/// tf32 with its 10 fraction bits alone (a register holds them in the upper 19 bits of a 32-bit word).
pub const TF32: Format = Format::from_element(ElementType::Tf32);
/// IEEE 754 binary32 (`.f32`).
pub const F32: Format = Format::from_element(ElementType::F32);
/// IEEE 754 binary64 (`.f64`).
pub const F64: Format = Format::from_element(ElementType::F64);
/// fp8 e4m3 (`e4m3fn`): no infinity, NaN is 0x7f.
pub const E4M3: Format = Format::from_element(ElementType::E4m3);
/// fp8 e5m2: has infinities and NaN, as IEEE formats do.
pub const E5M2: Format = Format::from_element(ElementType::E5m2);

/// How a value that lies between two representable ones is rounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rounding {
    /// `.rn`: to nearest, ties to even.
    NearestEven,
    /// `.rna`: to nearest, ties away from zero.
    NearestAway,
    /// `.rz`: toward zero.
    TowardZero,
    /// `.rm`: toward negative infinity.
    Down,
    /// `.rp`: toward positive infinity.
    Up,
}

/// A value of a format, split into sign, significand and exponent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value {
    /// Not a number.
    Nan,
    /// Infinity with its sign.
    Infinity(bool),
    /// (−1)^negative · significand · 2^exponent; zero has significand 0.
    Finite {
        /// True for a negative value.
        negative: bool,
        /// Significand, an integer.
        significand: u64,
        /// Power of two.
        exponent: i32,
    },
}

impl Format {
    /// The format of an element type.
    ///
    /// # Panics
    ///
    /// For an integer, and for a type without NaN or with another bias than IEEE 754 has; in a constant, the build fails.
    pub const fn from_element(element: ElementType) -> Self {
        match element.float_format() {
            Some(FloatFormat { exponent_bits, mantissa_bits, specials: Specials::InfinityAndNan }) => {
                Self { exponent_bits, mantissa_bits, has_infinity: true }
            }
            Some(FloatFormat { exponent_bits, mantissa_bits, specials: Specials::NanOnly }) => {
                Self { exponent_bits, mantissa_bits, has_infinity: false }
            }
            _ => panic!("not a floating-point type with NaN and the bias of IEEE 754"),
        }
    }

    const fn bias(self) -> i32 {
        (1 << (self.exponent_bits - 1)) - 1
    }

    const fn exponent_mask(self) -> u64 {
        (1 << self.exponent_bits) - 1
    }

    const fn sign_shift(self) -> u32 {
        self.exponent_bits + self.mantissa_bits
    }

    /// The canonical NaN of NVIDIA hardware in this format: all ones but the sign.
    pub const fn nan(self) -> u64 {
        (1 << self.sign_shift()) - 1
    }

    /// Positive infinity; NaN for a format that has none.
    pub const fn infinity(self) -> u64 {
        if self.has_infinity { self.exponent_mask() << self.mantissa_bits } else { self.nan() }
    }

    /// The largest finite value.
    pub const fn largest(self) -> u64 {
        if self.has_infinity { self.infinity() - 1 } else { self.nan() - 1 }
    }

    /// Takes bits apart.
    pub fn unpack(self, bits: u64) -> Value {
        let negative = bits >> self.sign_shift() & 1 == 1;
        let field = bits >> self.mantissa_bits & self.exponent_mask();
        let fraction = bits & ((1 << self.mantissa_bits) - 1);
        if field == self.exponent_mask() {
            if self.has_infinity {
                return if fraction == 0 { Value::Infinity(negative) } else { Value::Nan };
            }
            if fraction == (1 << self.mantissa_bits) - 1 {
                return Value::Nan;
            }
        }
        let lowest = 1 - self.bias() - self.mantissa_bits as i32;
        match field {
            0 => Value::Finite { negative, significand: fraction, exponent: lowest },
            _ => Value::Finite {
                negative,
                significand: fraction | 1 << self.mantissa_bits,
                exponent: lowest + field as i32 - 1,
            },
        }
    }

    /// Rounds (−1)^negative · significand · 2^exponent into the format. With `saturate`, what would overflow becomes
    /// the largest finite value. A lower bit of the significand may stand for "some more below" (sticky).
    pub fn pack(self, negative: bool, significand: u128, exponent: i32, rounding: Rounding, saturate: bool) -> u64 {
        let sign = u64::from(negative) << self.sign_shift();
        if significand == 0 {
            return sign;
        }
        let lowest = 1 - self.bias() - self.mantissa_bits as i32;
        let width = 128 - significand.leading_zeros() as i32;
        // The exponent of the last fraction bit that the format keeps for this value.
        let kept = (exponent + width - 1 - self.mantissa_bits as i32).max(lowest);
        let shift = kept - exponent;
        let rounded = if shift <= 0 {
            (significand << (-shift).min(127)) as u64
        } else if shift > 127 {
            u64::from(away_from_zero(negative, rounding))
        } else {
            let quotient = (significand >> shift) as u64;
            let remainder = significand & ((1 << shift) - 1);
            let half = 1u128 << (shift - 1);
            let up = match rounding {
                Rounding::NearestEven => remainder > half || remainder == half && quotient & 1 == 1,
                Rounding::NearestAway => remainder >= half,
                _ => remainder != 0 && away_from_zero(negative, rounding),
            };
            quotient + u64::from(up)
        };
        // A carry out of the significand moves into the exponent field by itself.
        let field = (kept - lowest) as u64;
        let magnitude = (field << self.mantissa_bits) + rounded;
        let limit = self.largest();
        if magnitude > limit {
            let stays_finite = saturate
                || match rounding {
                    Rounding::NearestEven | Rounding::NearestAway => false,
                    Rounding::TowardZero => true,
                    Rounding::Down => !negative,
                    Rounding::Up => negative,
                };
            return if stays_finite { sign | limit } else { sign | self.infinity() };
        }
        sign | magnitude
    }

    /// Converts bits of another format; NaN becomes the canonical one.
    pub fn convert_from(self, from: Self, bits: u64, rounding: Rounding, saturate: bool) -> u64 {
        match from.unpack(bits) {
            Value::Nan => self.nan(),
            Value::Infinity(negative) => {
                let magnitude = if saturate { self.largest() } else { self.infinity() };
                u64::from(negative) << self.sign_shift() | magnitude
            }
            Value::Finite { negative, significand, exponent } => {
                self.pack(negative, significand.into(), exponent, rounding, saturate)
            }
        }
    }

    /// The value as f64; exact for every format but none wider than f64.
    pub fn to_f64(self, bits: u64) -> f64 {
        f64::from_bits(F64.convert_from(self, bits, Rounding::NearestEven, false))
    }

    /// The nearest value to an f64, ties to even.
    pub fn from_f64(self, value: f64) -> u64 {
        self.convert_from(F64, value.to_bits(), Rounding::NearestEven, false)
    }
}

/// Whether a directed rounding takes an inexact value to the larger magnitude.
fn away_from_zero(negative: bool, rounding: Rounding) -> bool {
    match rounding {
        Rounding::Down => negative,
        Rounding::Up => !negative,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f16_and_bf16_agree_with_the_half_crate_on_every_value() {
        for bits in 0..=u16::MAX {
            let (f, b) = (half::f16::from_bits(bits), half::bf16::from_bits(bits));
            if !f.is_nan() {
                assert_eq!(F16.to_f64(bits.into()), f.to_f64());
                assert_eq!(F16.from_f64(f.to_f64()), u64::from(bits));
            }
            if !b.is_nan() {
                assert_eq!(BF16.to_f64(bits.into()), b.to_f64());
            }
        }
    }

    #[test]
    fn rounding_to_nearest_agrees_with_the_half_crate() {
        let mut state = 1u64;
        for _ in 0..200_000 {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let value = f32::from_bits((state >> 32) as u32);
            if value.is_nan() {
                continue;
            }
            let convert =
                |format: Format| format.convert_from(F32, value.to_bits().into(), Rounding::NearestEven, false);
            assert_eq!(convert(F16), u64::from(half::f16::from_f32(value).to_bits()), "{value:e}");
            assert_eq!(convert(BF16), u64::from(half::bf16::from_f32(value).to_bits()), "{value:e}");
            assert_eq!(F32.from_f64(f64::from(value)), u64::from(value.to_bits()));
        }
    }

    #[test]
    fn directed_rounding_brackets_the_value() {
        let third = (1.0f64 / 3.0).to_bits();
        let round = |mode| F16.to_f64(F16.convert_from(F64, third, mode, false));
        assert!(round(Rounding::Down) < 1.0 / 3.0 && 1.0 / 3.0 < round(Rounding::Up));
        assert_eq!(round(Rounding::TowardZero), round(Rounding::Down));
        let tiny = 1e-30f64.to_bits();
        assert_eq!(F16.convert_from(F64, tiny, Rounding::Up, false), 1);
        assert_eq!(F16.convert_from(F64, tiny, Rounding::Down, false), 0);
    }

    #[test]
    fn fp8_has_its_special_values() {
        assert_eq!(E4M3.to_f64(0x7e), 448.0);
        assert_eq!(E4M3.unpack(0x7f), Value::Nan);
        assert_eq!(E4M3.from_f64(1e6), 0x7f);
        assert_eq!(E4M3.convert_from(F64, 1e6f64.to_bits(), Rounding::NearestEven, true), 0x7e);
        assert_eq!(E5M2.to_f64(0x7b), 57344.0);
        assert_eq!(E5M2.from_f64(f64::NEG_INFINITY), 0xfc);
        assert_eq!(E4M3.to_f64(0x01), 2f64.powi(-9));
        for bits in (0..=0xffu64).filter(|b| b & 0x7f != 0x7f) {
            assert_eq!(E4M3.from_f64(E4M3.to_f64(bits)), bits);
        }
    }
}
