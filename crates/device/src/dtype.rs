//! Data types of buffers: Triton's, by the names that Triton, numpy and PyTorch give them.

use std::fmt;

use warpbook_emulator::TensorMapType;
use warpbook_emulator::arithmetic::formats::{BF16, E4M3, E5M2, F16, F32, Format};

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

    /// The type of any of its usual names: `f16`, `fp16`, `float16`, `half`.
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "i1" | "bool" | "int1" | "bool_" => Self::I1,
            "i8" | "int8" => Self::I8,
            "i16" | "int16" | "short" => Self::I16,
            "i32" | "int32" | "int" => Self::I32,
            "i64" | "int64" | "long" => Self::I64,
            "u8" | "uint8" => Self::U8,
            "u16" | "uint16" => Self::U16,
            "u32" | "uint32" => Self::U32,
            "u64" | "uint64" => Self::U64,
            "f16" | "fp16" | "float16" | "half" => Self::F16,
            "bf16" | "bfloat16" => Self::Bf16,
            "f32" | "fp32" | "float32" | "float" => Self::F32,
            "f64" | "fp64" | "float64" | "double" => Self::F64,
            "f8e4m3" | "fp8e4nv" | "float8e4nv" | "float8_e4m3fn" | "f8e4m3fn" | "e4m3" => Self::F8E4m3,
            "f8e5m2" | "fp8e5" | "float8e5" | "float8_e5m2" | "e5m2" => Self::F8E5m2,
            _ => return None,
        })
    }

    /// The name that Warpbook shows: `f16`.
    pub fn name(self) -> &'static str {
        match self {
            Self::I1 => "i1",
            Self::I8 => "i8",
            Self::I16 => "i16",
            Self::I32 => "i32",
            Self::I64 => "i64",
            Self::U8 => "u8",
            Self::U16 => "u16",
            Self::U32 => "u32",
            Self::U64 => "u64",
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
            Self::F32 => "f32",
            Self::F64 => "f64",
            Self::F8E4m3 => "f8e4m3",
            Self::F8E5m2 => "f8e5m2",
        }
    }

    /// The name in Triton's signatures: `fp16`.
    pub fn triton(self) -> &'static str {
        match self {
            Self::F16 => "fp16",
            Self::F32 => "fp32",
            Self::F64 => "fp64",
            Self::F8E4m3 => "fp8e4nv",
            Self::F8E5m2 => "fp8e5",
            other => other.name(),
        }
    }

    /// Bytes of one element.
    pub fn size(self) -> usize {
        match self {
            Self::I1 | Self::I8 | Self::U8 | Self::F8E4m3 | Self::F8E5m2 => 1,
            Self::I16 | Self::U16 | Self::F16 | Self::Bf16 => 2,
            Self::I32 | Self::U32 | Self::F32 => 4,
            Self::I64 | Self::U64 | Self::F64 => 8,
        }
    }

    /// True if it is a floating-point type.
    pub fn is_float(self) -> bool {
        self == Self::F64 || self.format().is_some()
    }

    /// The layout of its bits; `None` for integers and for `f64`, which is the host's own.
    fn format(self) -> Option<Format> {
        match self {
            Self::F16 => Some(F16),
            Self::Bf16 => Some(BF16),
            Self::F32 => Some(F32),
            Self::F8E4m3 => Some(E4M3),
            Self::F8E5m2 => Some(E5M2),
            _ => None,
        }
    }

    /// The least and the largest value of an integer type.
    pub fn range(self) -> Option<(i128, i128)> {
        let signed = |bits: u32| (-(1i128 << (bits - 1)), (1i128 << (bits - 1)) - 1);
        let unsigned = |bits: u32| (0, (1i128 << bits) - 1);
        Some(match self {
            Self::I1 => (0, 1),
            Self::I8 => signed(8),
            Self::I16 => signed(16),
            Self::I32 => signed(32),
            Self::I64 => signed(64),
            Self::U8 => unsigned(8),
            Self::U16 => unsigned(16),
            Self::U32 => unsigned(32),
            Self::U64 => unsigned(64),
            _ => return None,
        })
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
            assert_eq!(Dtype::parse(dtype.triton()), Some(dtype));
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
