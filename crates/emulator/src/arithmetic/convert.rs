//! `cvt`: between every pair of integer and floating-point types (PTX ISA 9.7.9.21).

use super::formats::{BF16, E4M3, E5M2, F16, F32, F64, Format, Rounding, TF32, Value};
use warpbook_ptx::PtxType;

/// One `cvt`, decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conversion {
    /// Type of the result.
    pub to: PtxType,
    /// Type of the value that is converted.
    pub from: PtxType,
    /// Rounding between floating-point types, and from integers.
    pub rounding: Rounding,
    /// Rounding to an integral value (`.rni` and so on), to integers or within one floating-point type.
    pub integral: Option<Rounding>,
    /// `.ftz`
    pub flush: bool,
    /// `.sat`
    pub saturate: bool,
    /// `.satfinite`
    pub finite: bool,
    /// `.relu`
    pub relu: bool,
}

/// The format of a scalar floating-point type.
pub fn format_of(ty: PtxType) -> Option<Format> {
    Some(match ty {
        PtxType::F16 | PtxType::F16x2 => F16,
        PtxType::Bf16 | PtxType::Bf16x2 => BF16,
        PtxType::Tf32 => TF32,
        PtxType::F32 => F32,
        PtxType::F64 => F64,
        PtxType::E4m3 | PtxType::E4m3x2 => E4M3,
        PtxType::E5m2 | PtxType::E5m2x2 => E5M2,
        _ => return None,
    })
}

impl Conversion {
    /// Converts the bits of one scalar.
    pub fn apply(&self, bits: u64) -> u64 {
        match (format_of(self.from), format_of(self.to)) {
            (None, None) => self.integer_to_integer(bits),
            (None, Some(to)) => self.integer_to_float(to, bits),
            (Some(from), None) => self.float_to_integer(from, bits),
            (Some(from), Some(to)) => self.float_to_float(from, to, bits),
        }
    }

    fn source_integer(&self, bits: u64) -> i128 {
        let width = self.from.size() * 8;
        let value = if width == 64 { bits } else { bits & ((1 << width) - 1) };
        if self.from.is_signed() { i128::from((value << (64 - width)) as i64 >> (64 - width)) } else { value.into() }
    }

    fn limits(ty: PtxType) -> (i128, i128) {
        let width = ty.size() * 8;
        if ty.is_signed() { (-(1 << (width - 1)), (1 << (width - 1)) - 1) } else { (0, (1 << width) - 1) }
    }

    fn integer_bits(&self, value: i128) -> u64 {
        let width = self.to.size() * 8;
        let bits = value as u64;
        if width == 64 { bits } else { bits & ((1 << width) - 1) }
    }

    fn integer_to_integer(&self, bits: u64) -> u64 {
        let mut value = self.source_integer(bits);
        if self.saturate {
            let (low, high) = Self::limits(self.to);
            value = value.clamp(low, high);
        }
        self.integer_bits(value)
    }

    fn integer_to_float(&self, to: Format, bits: u64) -> u64 {
        let value = self.source_integer(bits);
        let value = if self.saturate { value.clamp(0, 1) } else { value };
        to.pack(value < 0, value.unsigned_abs(), 0, self.rounding, false)
    }

    /// NaN becomes 0, what is out of range is clamped. (From f64 and to 64 bits the hardware gives the top bit for NaN.)
    fn float_to_integer(&self, from: Format, bits: u64) -> u64 {
        let (low, high) = Self::limits(self.to);
        let value = match from.unpack(self.flushed(from, bits)) {
            Value::Nan if self.to.size() == 8 || from == F64 => return 1 << (8 * self.to.size() - 1),
            Value::Nan => 0,
            Value::Infinity(true) => low,
            Value::Infinity(false) => high,
            Value::Finite { negative, significand, exponent } => {
                let rounding = self.integral.unwrap_or(Rounding::TowardZero);
                round_to_integer(negative, significand, exponent, rounding).clamp(low, high)
            }
        };
        self.integer_bits(value)
    }

    fn flushed(&self, from: Format, bits: u64) -> u64 {
        if self.flush && from == F32 && bits & 0x7f80_0000 == 0 { bits & 0x8000_0000 } else { bits }
    }

    /// The bits of a NaN that survive: all that fit between f64 and others, and those of tf32. (As an H100 does.)
    fn kept_nan(&self, from: Format, to: Format, bits: u64) -> Option<u64> {
        if self.to == PtxType::Tf32 && from == F32 {
            let away = self.rounding == Rounding::NearestAway;
            return Some(match (away, self.finite) {
                (false, _) => 0x7fff_e000,
                (true, false) => bits & !0x1fff,
                (true, true) => (bits & !0x1fff) - 0x2000,
            });
        }
        if self.flush && from == F32 && to == F64 {
            return Some(0x7fff_ffff_e000_0000);
        }
        if from != F64 && to != F64 {
            return None;
        }
        let fraction = bits & ((1 << from.mantissa_bits) - 1);
        let fraction = if from.mantissa_bits > to.mantissa_bits {
            fraction >> (from.mantissa_bits - to.mantissa_bits)
        } else {
            fraction << (to.mantissa_bits - from.mantissa_bits)
        };
        let negative = bits >> (from.exponent_bits + from.mantissa_bits) & 1;
        let sign = negative << (to.exponent_bits + to.mantissa_bits);
        Some(sign | to.infinity() | 1 << (to.mantissa_bits - 1) | fraction)
    }

    fn float_to_float(&self, from: Format, to: Format, bits: u64) -> u64 {
        // To f16, `.ftz` changes nothing.
        let mut bits = if to == super::formats::F16 { bits } else { self.flushed(from, bits) };
        if from.unpack(bits) == Value::Nan
            && !self.saturate
            && let Some(kept) = self.kept_nan(from, to, bits)
        {
            return kept;
        }
        if let Some(rounding) = self.integral
            && let Value::Finite { negative, significand, exponent } = from.unpack(bits)
            && exponent < 0
        {
            let value = round_to_integer(negative, significand, exponent, rounding);
            bits = from.pack(negative, value.unsigned_abs(), 0, Rounding::NearestEven, false);
        }
        // Between equal types a value passes unchanged, NaN excepted.
        let mut result = to.convert_from(from, bits, self.rounding, self.finite);
        if self.flush && to == F32 && result & 0x7f80_0000 == 0 {
            result &= 0x8000_0000;
        }
        let sign = 1u64 << (to.exponent_bits + to.mantissa_bits);
        if self.relu && result & sign != 0 {
            result = 0;
        }
        if self.saturate {
            let value = to.to_f64(result);
            result = to.from_f64(if value > 0.0 { value.min(1.0) } else { 0.0 });
        }
        if self.to == PtxType::Tf32 { result << 13 } else { result }
    }
}

fn round_to_integer(negative: bool, significand: u64, exponent: i32, rounding: Rounding) -> i128 {
    let magnitude = if exponent >= 0 {
        if significand == 0 {
            0
        } else if exponent > 63 {
            // Beyond every integer type; the caller clamps.
            i128::MAX
        } else {
            i128::from(significand) << exponent
        }
    } else {
        let shift = -exponent;
        let (quotient, remainder, half) = if shift > 64 {
            (0u64, u128::from(significand != 0), 2u128)
        } else {
            let wide = u128::from(significand);
            ((wide >> shift) as u64, wide & ((1 << shift) - 1), 1 << (shift - 1))
        };
        let up = match rounding {
            Rounding::NearestEven => remainder > half || remainder == half && quotient & 1 == 1,
            Rounding::NearestAway => remainder >= half,
            Rounding::TowardZero => false,
            Rounding::Down => negative && remainder != 0,
            Rounding::Up => !negative && remainder != 0,
        };
        i128::from(quotient) + i128::from(up)
    };
    if negative { -magnitude } else { magnitude }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conversion(to: PtxType, from: PtxType) -> Conversion {
        Conversion {
            to,
            from,
            rounding: Rounding::NearestEven,
            integral: None,
            flush: false,
            saturate: false,
            finite: false,
            relu: false,
        }
    }

    #[test]
    fn integers_extend_and_saturate() {
        assert_eq!(conversion(PtxType::S64, PtxType::S32).apply(0xffff_fffe), u64::MAX - 1);
        assert_eq!(conversion(PtxType::U64, PtxType::U32).apply(0xffff_fffe), 0xffff_fffe);
        let saturating = Conversion { saturate: true, ..conversion(PtxType::S8, PtxType::S32) };
        assert_eq!(saturating.apply(1000), 127);
        assert_eq!(saturating.apply(-1000i32 as u32 as u64), 0x80);
    }

    #[test]
    fn floats_to_integers_clamp() {
        let to_s32 = Conversion { integral: Some(Rounding::TowardZero), ..conversion(PtxType::S32, PtxType::F32) };
        let apply = |value: f32| to_s32.apply(value.to_bits().into()) as u32 as i32;
        assert_eq!((apply(-1.7), apply(1e20), apply(f32::NAN), apply(-1e20)), (-1, i32::MAX, 0, i32::MIN));
        let nearest = Conversion { integral: Some(Rounding::NearestEven), ..to_s32 };
        assert_eq!(nearest.apply(2.5f32.to_bits().into()), 2);
        assert_eq!(nearest.apply(1e-30f32.to_bits().into()), 0);
    }

    #[test]
    fn integers_to_floats_round() {
        let to_f32 = conversion(PtxType::F32, PtxType::U64);
        assert_eq!(f32::from_bits(to_f32.apply(u64::MAX) as u32), u64::MAX as f32);
        let to_f32 = conversion(PtxType::F32, PtxType::S32);
        assert_eq!(f32::from_bits(to_f32.apply(-16_777_217i32 as u32 as u64) as u32), -16_777_216.0);
    }

    #[test]
    fn floats_round_relu_and_tf32() {
        let to_f16 = Conversion { relu: true, ..conversion(PtxType::F16, PtxType::F32) };
        assert_eq!(to_f16.apply((-1f32).to_bits().into()), 0);
        assert_eq!(to_f16.apply(1f32.to_bits().into()), 0x3c00);
        let tf32 = Conversion { rounding: Rounding::NearestAway, ..conversion(PtxType::Tf32, PtxType::F32) };
        assert_eq!(tf32.apply(0x3f80_1000) as u32, 0x3f80_2000);
        let integral = Conversion { integral: Some(Rounding::Down), ..conversion(PtxType::F32, PtxType::F32) };
        assert_eq!(f32::from_bits(integral.apply((-0.5f32).to_bits().into()) as u32), -1.0);
    }
}
