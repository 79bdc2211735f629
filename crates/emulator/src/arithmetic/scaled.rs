//! Dot products of small floats with block scales, as Blackwell's tensor cores have them: modelled after "MMA-Sim"
//! (arXiv 2511.10909), not verified on hardware. PTX ISA 9.7.14.3 ("Block scaling"), 9.7.16.7.
//!
//! Products are exact. With a scale for 32 fp8, fp6 or fp4 elements, each product is a term whose exponent the scales
//! shift; of fp4 alone, the products of a group are added first, exactly, and their sum is the term. Terms and
//! accumulator are aligned to the largest exponent, truncated to a number of fractional bits, added and truncated to f32.

use warpbook_gpu::{ElementType, FloatFormat, Specials};

use super::formats::{E4M3, F32, Format, Rounding, Value};

/// The element type of A or B.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Small {
    /// fp8 with 3 bits of fraction.
    E4m3,
    /// fp8 with 2 bits of fraction.
    E5m2,
    /// fp6 with 3 bits of fraction.
    E2m3,
    /// fp6 with 2 bits of fraction.
    E3m2,
    /// fp4 with 1 bit of fraction.
    E2m1,
}

impl Small {
    /// The type by itself.
    pub const fn element(self) -> ElementType {
        match self {
            Self::E4m3 => ElementType::E4m3,
            Self::E5m2 => ElementType::E5m2,
            Self::E2m3 => ElementType::E2m3,
            Self::E3m2 => ElementType::E3m2,
            Self::E2m1 => ElementType::E2m1,
        }
    }

    /// The small type that an element type is; `None` for the others.
    pub fn from_element(element: ElementType) -> Option<Self> {
        [Self::E4m3, Self::E5m2, Self::E2m3, Self::E3m2, Self::E2m1]
            .into_iter()
            .find(|small| small.element() == element)
    }

    /// Bits of an element.
    pub const fn bits(self) -> u32 {
        self.element().bits()
    }

    /// Exponent bits and fraction bits of a format without infinities and NaN; `None` where there are such.
    fn finite(self) -> Option<(u32, u32)> {
        match self.element().float_format() {
            Some(FloatFormat { exponent_bits, mantissa_bits, specials: Specials::None }) => {
                Some((exponent_bits, mantissa_bits))
            }
            _ => None,
        }
    }

    /// An element by its code.
    fn part(self, code: u32) -> Part {
        let Some((exponent_bits, fraction_bits)) = self.finite() else {
            return Part::from_code(Format::from_element(self.element()), code);
        };
        let field = code >> fraction_bits & ((1 << exponent_bits) - 1);
        let fraction = (code & ((1 << fraction_bits) - 1)) as i32;
        let significand = if field == 0 { fraction } else { fraction | 1 << fraction_bits };
        let negative = code >> (exponent_bits + fraction_bits) & 1 != 0;
        let bias = (1 << (exponent_bits - 1)) - 1;
        Part {
            significand: if negative { -significand } else { significand },
            lowest: field.max(1) as i32 - bias - fraction_bits as i32,
            fraction_bits: fraction_bits as i32,
            special: None,
        }
    }
}

/// The type of the scales.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScaleType {
    /// A power of two.
    Ue8m0,
    /// fp8 without its sign.
    Ue4m3,
}

impl ScaleType {
    fn part(self, code: u8) -> Part {
        match self {
            Self::Ue4m3 => Part::from_code(E4M3, (code & 0x7f).into()),
            Self::Ue8m0 => Part {
                significand: 1,
                lowest: i32::from(code) - 127,
                fraction_bits: 0,
                special: (code == 0xff).then_some(f64::NAN),
            },
        }
    }
}

/// significand · 2^lowest
#[derive(Clone, Copy, Debug)]
struct Part {
    significand: i32,
    lowest: i32,
    fraction_bits: i32,
    /// An infinity or a NaN.
    special: Option<f64>,
}

impl Part {
    fn from_code(format: Format, code: u32) -> Self {
        let fraction_bits = format.mantissa_bits as i32;
        match format.unpack(code.into()) {
            Value::Finite { negative, significand, exponent } => Self {
                significand: if negative { -(significand as i32) } else { significand as i32 },
                lowest: exponent,
                fraction_bits,
                special: None,
            },
            Value::Nan => Self { significand: 1, lowest: 0, fraction_bits, special: Some(f64::NAN) },
            Value::Infinity(negative) => {
                let special = Some(if negative { f64::NEG_INFINITY } else { f64::INFINITY });
                Self { significand: if negative { -1 } else { 1 }, lowest: 0, fraction_bits, special }
            }
        }
    }

    fn value(self) -> f64 {
        self.special.unwrap_or(f64::from(self.significand) * 2f64.powi(self.lowest))
    }
}

/// A dot product of one row and one column.
#[derive(Clone, Debug)]
pub struct ScaledDot {
    a: Vec<Part>,
    b: Vec<Part>,
    /// The type of the scales, and how many elements share one.
    scale: Option<(ScaleType, usize)>,
    /// Products that are added exactly before they are terms.
    group: usize,
    fraction_bits: i32,
}

/// Terms are aligned to this exponent or a larger one, as Hopper has it.
const SMALLEST_ALIGNMENT: i32 = -133;

/// Products of fp4 that are added exactly.
const GROUP: usize = 16;

impl ScaledDot {
    /// `alone` tells a kind that takes fp4 only.
    pub fn new(a: Small, b: Small, scale: Option<(ScaleType, usize)>, alone: bool) -> Self {
        let table = |small: Small| (0..1 << small.bits()).map(|code| small.part(code)).collect();
        let (group, fraction_bits) = if alone { (GROUP, 35) } else { (1, 25) };
        Self { a: table(a), b: table(b), scale, group, fraction_bits }
    }

    /// A scale for each group of elements, of A and of B; as many as are needed.
    pub fn dot(&self, a: &[u8], b: &[u8], scales: [&[u8]; 2], c: f32) -> f32 {
        let part = |table: &[Part], code: u8| table[usize::from(code) % table.len()];
        let scale = |k: usize| {
            let (ty, vector) = self.scale?;
            let code = |side: usize| scales[side].get(k / vector).copied().unwrap_or_default();
            Some((ty.part(code(0)), ty.part(code(1))))
        };
        // Up to 64 products, the accumulator: significand, lowest exponent, exponent of alignment.
        let mut terms: [(i64, i32, i32); 65] = [(0, 0, 0); 65];
        let mut count = 0;
        let mut special: Option<f64> = None;
        for first in (0..a.len().min(b.len()).min(64)).step_by(self.group) {
            let scaled = scale(first);
            let (mut sum, mut lowest, mut alignment) = (0i64, 0, 0);
            for k in first..(first + self.group).min(a.len()).min(b.len()) {
                let (x, y) = (part(&self.a, a[k]), part(&self.b, b[k]));
                let (of_a, of_b) = scaled.map_or((1.0, 1.0), |(p, q)| (p.value(), q.value()));
                if x.special.is_some() || y.special.is_some() || of_a.is_nan() || of_b.is_nan() {
                    *special.get_or_insert(0.0) += x.value() * y.value() * of_a * of_b;
                    continue;
                }
                let product = i64::from(x.significand) * i64::from(y.significand);
                if self.group == 1 {
                    (sum, lowest) = (product, x.lowest + y.lowest);
                    alignment = lowest + x.fraction_bits + y.fraction_bits;
                } else {
                    // Products of fp4 are multiples of a quarter.
                    sum += product << (x.lowest + y.lowest + 2);
                    (lowest, alignment) = (-2, 0);
                }
            }
            if let Some((p, q)) = scaled {
                sum *= i64::from(p.significand) * i64::from(q.significand);
                lowest += p.lowest + q.lowest;
                alignment += p.lowest + q.lowest + p.fraction_bits + q.fraction_bits;
            }
            if sum != 0 {
                terms[count] = (sum, lowest, alignment);
                count += 1;
            }
        }
        if special.is_some() || !c.is_finite() {
            let decisive = special.unwrap_or(0.0) + if c.is_finite() { 0.0 } else { f64::from(c) };
            return f32::from_bits(super::float::bits32(decisive as f32));
        }
        if c != 0.0 {
            let bits = c.to_bits();
            let field = (bits >> 23 & 0xff) as i32;
            let fraction = i64::from(bits & 0x7f_ffff) | if field == 0 { 0 } else { 1 << 23 };
            let exponent = field.max(1) - 127;
            terms[count] = (if bits >> 31 != 0 { -fraction } else { fraction }, exponent - 23, exponent);
            count += 1;
        }
        self.sum(&terms[..count])
    }

    fn sum(&self, terms: &[(i64, i32, i32)]) -> f32 {
        let largest = terms.iter().map(|term| term.2).max().unwrap_or(SMALLEST_ALIGNMENT).max(SMALLEST_ALIGNMENT);
        let unit = largest - self.fraction_bits;
        let total: i128 = terms
            .iter()
            .map(|&(significand, lowest, _)| {
                let (magnitude, shift) = (i128::from(significand.unsigned_abs()), lowest - unit);
                let aligned = if shift >= 0 { magnitude << shift.min(64) } else { magnitude >> (-shift).min(127) };
                if significand < 0 { -aligned } else { aligned }
            })
            .sum();
        let bits = F32.pack(total < 0, total.unsigned_abs(), unit, Rounding::TowardZero, false) as u32;
        // What underflows is +0.
        f32::from_bits(if bits == 1 << 31 { 0 } else { bits })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_values_of_fp4_and_fp6() {
        let values = |small: Small, codes: std::ops::Range<u32>| -> Vec<f64> {
            codes.map(|code| small.part(code).value()).collect()
        };
        assert_eq!(values(Small::E2m1, 0..8), [0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0]);
        assert_eq!(values(Small::E2m1, 9..11), [-0.5, -1.0]);
        assert_eq!(values(Small::E2m3, 0..10)[7..], [0.875, 1.0, 1.125]);
        assert_eq!(values(Small::E2m3, 31..32), [7.5]);
        assert_eq!(values(Small::E3m2, 0..5), [0.0, 0.0625, 0.125, 0.1875, 0.25]);
        assert_eq!(values(Small::E3m2, 31..32), [28.0]);
    }

    #[test]
    fn scales_multiply_their_group() {
        let dot = ScaledDot::new(Small::E2m1, Small::E2m1, Some((ScaleType::Ue4m3, 16)), true);
        // 64 products of 1.5 · 2, in groups with scales 1, 2, 0.5, 1.75 of A and 1 of B.
        let (a, b) = ([3u8; 64], [4u8; 64]);
        let scales: [&[u8]; 2] = [&[0x38, 0x40, 0x30, 0x3e], &[0x38; 4]];
        assert_eq!(dot.dot(&a, &b, scales, 0.25), 16.0 * 3.0 * (1.0 + 2.0 + 0.5 + 1.75) + 0.25);
        let dot = ScaledDot::new(Small::E4m3, Small::E5m2, Some((ScaleType::Ue8m0, 32)), false);
        let (a, b) = ([0x38u8; 32], [0x3cu8; 32]);
        assert_eq!(dot.dot(&a, &b, [&[130], &[126]], 1.0), 32.0 * 4.0 + 1.0);
        assert!(dot.dot(&a, &b, [&[255], &[126]], 1.0).is_nan());
        assert_eq!(dot.dot(&a, &[0x7c; 32], [&[127], &[127]], 1.0), f32::INFINITY);
    }

    #[test]
    fn what_is_too_small_is_cut_off() {
        let dot = ScaledDot::new(Small::E4m3, Small::E4m3, None, false);
        // 1·1 is the largest term (2^0): 25 bits below it are kept of an accumulator, and the result has 23.
        let (mut a, b) = ([0u8; 32], [0x38u8; 32]);
        a[0] = 0x38;
        assert_eq!(dot.dot(&a, &b, [&[], &[]], 2f32.powi(-23)), 1.0 + 2f32.powi(-23));
        assert_eq!(dot.dot(&a, &b, [&[], &[]], -2f32.powi(-25)), 1.0 - 2f32.powi(-24));
        assert_eq!(dot.dot(&a, &b, [&[], &[]], -2f32.powi(-26)), 1.0);
    }
}
