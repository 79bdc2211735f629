//! Data types of buffers: Triton's, by the names that Triton, numpy and PyTorch give them.

use std::fmt;

use warpbook_emulator::TensorMapType;
use warpbook_emulator::arithmetic::formats::{E4M3, E5M2, Format};
use warpbook_gpu::ElementType;

/// The type of a buffer's elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)]
pub enum Dtype {
    /// One byte, 0 or 1, as in PyTorch.
    I1,
    I8,
    I16,
    I32,
    I64,
    U8,
    U16,
    U32,
    U64,
    F16,
    Bf16,
    F32,
    F64,
    /// Triton's `fp8e4nv`: no infinity, largest 448 (OCP 8-bit floating point specification, E4M3).
    F8E4m3,
    /// Triton's `fp8e5`: largest 57344 (OCP, E5M2).
    F8E5m2,
}

/// An element as a number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    /// Any integer that a buffer can hold; 0 or 1 for a bool.
    Int(i128),
    /// A floating-point number, exact.
    Float(f64),
}

impl Number {
    /// The value as a double; integers beyond 2^53 are rounded.
    pub fn to_f64(self) -> f64 {
        match self {
            Self::Int(value) => value as f64,
            Self::Float(value) => value,
        }
    }
}

impl Dtype {
    /// All data types: the integers first, then the floating-point types.
    pub const ALL: [Self; 15] = [
        Self::I1,
        Self::I8,
        Self::I16,
        Self::I32,
        Self::I64,
        Self::U8,
        Self::U16,
        Self::U32,
        Self::U64,
        Self::F16,
        Self::Bf16,
        Self::F32,
        Self::F64,
        Self::F8E4m3,
        Self::F8E5m2,
    ];

    /// The element type: where its width, format and names stand.
    pub const fn element(self) -> ElementType {
        match self {
            Self::I1 => ElementType::I1,
            Self::I8 => ElementType::I8,
            Self::I16 => ElementType::I16,
            Self::I32 => ElementType::I32,
            Self::I64 => ElementType::I64,
            Self::U8 => ElementType::U8,
            Self::U16 => ElementType::U16,
            Self::U32 => ElementType::U32,
            Self::U64 => ElementType::U64,
            Self::F16 => ElementType::F16,
            Self::Bf16 => ElementType::Bf16,
            Self::F32 => ElementType::F32,
            Self::F64 => ElementType::F64,
            Self::F8E4m3 => ElementType::E4m3,
            Self::F8E5m2 => ElementType::E5m2,
        }
    }

    /// The data type of buffers that an element type is; `None` for an element type that buffers do not have.
    pub fn from_element(element: ElementType) -> Option<Self> {
        Self::ALL.into_iter().find(|dtype| dtype.element() == element)
    }

    /// The type of any of its usual names: `f16`, `fp16`, `float16`, `half`.
    pub fn parse(name: &str) -> Option<Self> {
        ElementType::parse(name).and_then(Self::from_element)
    }

    /// The name that Warpbook shows: `f16`.
    pub fn name(self) -> &'static str {
        self.element().name()
    }

    /// Bytes of one element.
    pub const fn size(self) -> usize {
        self.element().bytes() as usize
    }

    /// True if it is a floating-point type.
    pub const fn is_float(self) -> bool {
        self.element().is_float()
    }

    /// The layout of its bits; `None` for integers and for `f64`, which is the host's own.
    fn format(self) -> Option<Format> {
        (self.is_float() && self != Self::F64).then(|| Format::from_element(self.element()))
    }

    /// The least and the largest value of an integer type.
    pub fn range(self) -> Option<(i128, i128)> {
        self.element().integer_range()
    }

    /// Appends an element. Floating-point types round to nearest, ties to even; what is too large becomes infinity, or
    /// NaN in `f8e4m3`, which has none. Integers are cut to their width, as a C cast does; a float becomes an integer
    /// by truncation, clamped to the range.
    pub fn encode(self, number: Number, bytes: &mut Vec<u8>) {
        let Some((low, high)) = self.range() else {
            let value = number.to_f64();
            let bits = self.format().map_or(value.to_bits(), |format| format.from_f64(value));
            bytes.extend_from_slice(&bits.to_le_bytes()[..self.size()]);
            return;
        };
        let integer = match number {
            Number::Int(value) if self == Self::I1 => i128::from(value != 0),
            Number::Int(value) => value,
            Number::Float(value) if self == Self::I1 => i128::from(value != 0.0),
            Number::Float(value) => (value.trunc() as i128).clamp(low, high),
        };
        bytes.extend_from_slice(&integer.to_le_bytes()[..self.size()]);
    }

    /// One element from its bytes; missing bytes count as zero.
    pub fn decode(self, bytes: &[u8]) -> Number {
        let mut wide = [0; 8];
        let size = self.size().min(bytes.len());
        wide[..size].copy_from_slice(&bytes[..size]);
        let bits = u64::from_le_bytes(wide);
        let signed = |width: u32| i128::from((bits << (64 - width)) as i64 >> (64 - width));
        match self {
            Self::I1 => Number::Int(i128::from(bits != 0)),
            Self::I8 => Number::Int(signed(8)),
            Self::I16 => Number::Int(signed(16)),
            Self::I32 => Number::Int(signed(32)),
            Self::I64 => Number::Int(signed(64)),
            Self::U8 | Self::U16 | Self::U32 | Self::U64 => Number::Int(bits.into()),
            Self::F32 => Number::Float(f32::from_bits(bits as u32).into()),
            Self::F64 => Number::Float(f64::from_bits(bits)),
            Self::F16 => Number::Float(half::f16::from_bits(bits as u16).to_f64()),
            Self::Bf16 => Number::Float(half::bf16::from_bits(bits as u16).to_f64()),
            Self::F8E4m3 => Number::Float(E4M3.to_f64(bits)),
            Self::F8E5m2 => Number::Float(E5M2.to_f64(bits)),
        }
    }

    /// A value rounded as storing it in this type rounds it.
    pub fn round(self, value: f64) -> f64 {
        let mut bytes = Vec::with_capacity(8);
        self.encode(Number::Float(value), &mut bytes);
        self.decode(&bytes).to_f64()
    }
}

impl From<Dtype> for TensorMapType {
    fn from(dtype: Dtype) -> Self {
        match dtype {
            Dtype::I1 | Dtype::I8 | Dtype::U8 | Dtype::F8E4m3 | Dtype::F8E5m2 => Self::U8,
            Dtype::I16 | Dtype::U16 => Self::U16,
            Dtype::I32 => Self::I32,
            Dtype::U32 => Self::U32,
            Dtype::I64 => Self::I64,
            Dtype::U64 => Self::U64,
            Dtype::F16 => Self::F16,
            Dtype::Bf16 => Self::Bf16,
            Dtype::F32 => Self::F32,
            Dtype::F64 => Self::F64,
        }
    }
}

impl fmt::Display for Dtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back_to_their_type() {
        for dtype in Dtype::ALL {
            assert_eq!(Dtype::parse(dtype.name()), Some(dtype));
            assert_eq!(Dtype::parse(dtype.element().triton()), Some(dtype));
        }
        assert_eq!(Dtype::parse("f17"), None);
    }

    #[test]
    fn small_types_come_back_bit_for_bit() {
        for dtype in Dtype::ALL.into_iter().filter(|dtype| dtype.size() <= 2 && *dtype != Dtype::I1) {
            for bits in 0..1u32 << (8 * dtype.size()) {
                let bytes = bits.to_le_bytes();
                let number = dtype.decode(&bytes);
                if number.to_f64().is_nan() {
                    continue;
                }
                let mut encoded = Vec::new();
                dtype.encode(number, &mut encoded);
                assert_eq!(encoded, bytes[..dtype.size()], "{dtype} {bits:#x}");
            }
        }
    }

    #[test]
    fn rounding_and_limits() {
        assert_eq!(Dtype::F16.round(65520.0), f64::INFINITY);
        assert!(Dtype::F8E4m3.round(1e6).is_nan());
        assert_eq!(Dtype::F8E4m3.round(448.0), 448.0);
        assert_eq!(Dtype::I8.round(300.7), 127.0);
        assert_eq!(Dtype::I32.round(-2.9), -2.0);
        assert_eq!(Dtype::I1.round(0.5), 1.0);
        let mut bytes = Vec::new();
        Dtype::U64.encode(Number::Int(u64::MAX.into()), &mut bytes);
        assert_eq!(Dtype::U64.decode(&bytes), Number::Int(u64::MAX.into()));
        bytes.clear();
        Dtype::I64.encode(Number::Int(i64::MIN.into()), &mut bytes);
        assert_eq!(Dtype::I64.decode(&bytes), Number::Int(i64::MIN.into()));
    }
}
