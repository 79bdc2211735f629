//! Element types of tensors and buffers: width, format and names, each stated here once.

use std::fmt;

use serde::{Serialize, Serializer};

/// The type of one element, in memory or as an operand of a tensor core.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ElementType {
    /// A truth value, 0 or 1, in one byte as in PyTorch.
    I1,
    /// A signed integer of 8 bits.
    I8,
    /// A signed integer of 16 bits.
    I16,
    /// A signed integer of 32 bits.
    I32,
    /// A signed integer of 64 bits.
    I64,
    /// An unsigned integer of 8 bits.
    U8,
    /// An unsigned integer of 16 bits.
    U16,
    /// An unsigned integer of 32 bits.
    U32,
    /// An unsigned integer of 64 bits.
    U64,
    /// IEEE 754 binary16.
    F16,
    /// bfloat16: the upper half of a binary32.
    Bf16,
    /// TensorFloat-32: a binary32 of which tensor cores read the upper 19 bits (PTX ISA 5.2.3).
    Tf32,
    /// IEEE 754 binary32.
    F32,
    /// IEEE 754 binary64.
    F64,
    /// 8-bit float with 3 bits of fraction and no infinity, largest 448 (OCP 8-bit floating point specification, E4M3).
    E4m3,
    /// 8-bit float with 2 bits of fraction, largest 57344 (OCP, E5M2).
    E5m2,
    /// AMD's E4M3: no infinity, no negative zero, one more in the bias.
    E4m3Fnuz,
    /// AMD's E5M2: no infinity, no negative zero, one more in the bias.
    E5m2Fnuz,
    /// Triton's E4M3 with a bias of 11, which software converts.
    E4m3B11Fnuz,
    /// 6-bit float with 3 bits of fraction; every code is a number (OCP Microscaling formats, E2M3).
    E2m3,
    /// 6-bit float with 2 bits of fraction; every code is a number (OCP Microscaling formats, E3M2).
    E3m2,
    /// 4-bit float with 1 bit of fraction; every code is a number (OCP Microscaling formats, E2M1).
    E2m1,
}

/// What the codes of a floating-point type with the largest exponent mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Specials {
    /// Infinity and NaN, as in IEEE 754.
    InfinityAndNan,
    /// NaN for one code of each sign; all others are numbers.
    NanOnly,
    /// NaN for the code that would be a negative zero; all others are numbers, of a bias that is not that of IEEE 754.
    NanAsNegativeZero,
    /// Nothing special: every code is a number.
    None,
}

/// The bits of a floating-point type under its sign bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FloatFormat {
    /// Width of the exponent field, in bits.
    pub exponent_bits: u32,
    /// Width of the stored fraction, in bits.
    pub mantissa_bits: u32,
    /// Codes with the largest exponent.
    pub specials: Specials,
}

/// The names of a type.
struct Names {
    element: ElementType,
    /// What Warpbook shows: `f16`.
    shown: &'static str,
    /// In Triton's signatures: `fp16`.
    triton: &'static str,
    /// In MLIR; empty where MLIR's integers have no sign or Triton's dialects have no such type.
    mlir: &'static str,
    /// In PTX: `s32`, `e4m3`; empty for a type that PTX does not have.
    ptx: &'static str,
    /// Further names of Triton, numpy and PyTorch.
    others: &'static [&'static str],
}

const fn names(
    element: ElementType,
    shown: &'static str,
    triton: &'static str,
    mlir: &'static str,
    ptx: &'static str,
    others: &'static [&'static str],
) -> Names {
    Names { element, shown, triton, mlir, ptx, others }
}

const NAMES: [Names; 22] = {
    use ElementType as T;
    [
        names(T::I1, "i1", "i1", "i1", "", &["bool", "int1", "bool_"]),
        names(T::I8, "i8", "i8", "i8", "s8", &["int8"]),
        names(T::I16, "i16", "i16", "i16", "s16", &["int16", "short"]),
        names(T::I32, "i32", "i32", "i32", "s32", &["int32", "int"]),
        names(T::I64, "i64", "i64", "i64", "s64", &["int64", "long"]),
        names(T::U8, "u8", "u8", "", "u8", &["uint8"]),
        names(T::U16, "u16", "u16", "", "u16", &["uint16"]),
        names(T::U32, "u32", "u32", "", "u32", &["uint32"]),
        names(T::U64, "u64", "u64", "", "u64", &["uint64"]),
        names(T::F16, "f16", "fp16", "f16", "f16", &["float16", "half"]),
        names(T::Bf16, "bf16", "bf16", "bf16", "bf16", &["bfloat16"]),
        names(T::Tf32, "tf32", "tf32", "tf32", "tf32", &[]),
        names(T::F32, "f32", "fp32", "f32", "f32", &["float32", "float"]),
        names(T::F64, "f64", "fp64", "f64", "f64", &["float64", "double"]),
        names(T::E4m3, "f8e4m3", "fp8e4nv", "f8E4M3FN", "e4m3", &["float8e4nv", "float8_e4m3fn", "f8e4m3fn", "e4m3"]),
        names(T::E5m2, "f8e5m2", "fp8e5", "f8E5M2", "e5m2", &["float8e5", "float8_e5m2", "e5m2"]),
        names(T::E4m3Fnuz, "f8e4m3fnuz", "fp8e4b8", "f8E4M3FNUZ", "", &["float8_e4m3fnuz"]),
        names(T::E5m2Fnuz, "f8e5m2fnuz", "fp8e5b16", "f8E5M2FNUZ", "", &["float8_e5m2fnuz"]),
        names(T::E4m3B11Fnuz, "f8e4m3b11fnuz", "fp8e4b15", "f8E4M3B11FNUZ", "", &[]),
        names(T::E2m3, "e2m3", "e2m3", "f6E2M3FN", "e2m3", &[]),
        names(T::E3m2, "e3m2", "e3m2", "f6E3M2FN", "e3m2", &[]),
        names(T::E2m1, "e2m1", "e2m1", "f4E2M1FN", "e2m1", &[]),
    ]
};

impl ElementType {
    const fn names(self) -> &'static Names {
        // The table is in the order of the enumeration; a test holds that.
        &NAMES[self as usize]
    }

    /// The type of any of its names: `f16`, `fp16`, `float16`, `half`; `None` for a name that no type has.
    pub fn parse(name: &str) -> Option<Self> {
        let has = |row: &&Names| row.shown == name || row.triton == name || row.others.contains(&name);
        NAMES.iter().find(has).map(|row| row.element)
    }

    /// The type of the name in Triton's signatures: `fp16`.
    pub fn from_triton(name: &str) -> Option<Self> {
        NAMES.iter().find(|row| row.triton == name).map(|row| row.element)
    }

    /// The type of MLIR's name: `f8E4M3FN`. MLIR's integers have no sign and count as signed.
    pub fn from_mlir(name: &str) -> Option<Self> {
        NAMES.iter().find(|row| !row.mlir.is_empty() && row.mlir == name).map(|row| row.element)
    }

    /// The name that Warpbook shows: `f16`.
    pub fn name(self) -> &'static str {
        self.names().shown
    }

    /// The name in Triton's signatures: `fp16`.
    pub fn triton(self) -> &'static str {
        self.names().triton
    }

    /// The name in PTX: `s32` for [`Self::I32`]; empty for a type that PTX does not have.
    pub const fn ptx(self) -> &'static str {
        self.names().ptx
    }

    /// Number of bits of an element; 8 for [`Self::I1`] and 32 for [`Self::Tf32`], which are stored so.
    pub const fn bits(self) -> u32 {
        match self {
            Self::E2m1 => 4,
            Self::E2m3 | Self::E3m2 => 6,
            Self::I1 | Self::I8 | Self::U8 => 8,
            Self::E4m3 | Self::E5m2 | Self::E4m3Fnuz | Self::E5m2Fnuz | Self::E4m3B11Fnuz => 8,
            Self::I16 | Self::U16 | Self::F16 | Self::Bf16 => 16,
            Self::I32 | Self::U32 | Self::F32 | Self::Tf32 => 32,
            Self::I64 | Self::U64 | Self::F64 => 64,
        }
    }

    /// Number of bytes that an element alone takes in memory.
    pub const fn bytes(self) -> u32 {
        self.bits().div_ceil(8)
    }

    /// The bits under the sign; `None` for an integer.
    pub const fn float_format(self) -> Option<FloatFormat> {
        let (exponent_bits, mantissa_bits, specials) = match self {
            Self::F16 => (5, 10, Specials::InfinityAndNan),
            Self::Bf16 => (8, 7, Specials::InfinityAndNan),
            Self::Tf32 => (8, 10, Specials::InfinityAndNan),
            Self::F32 => (8, 23, Specials::InfinityAndNan),
            Self::F64 => (11, 52, Specials::InfinityAndNan),
            Self::E5m2 => (5, 2, Specials::InfinityAndNan),
            Self::E4m3 => (4, 3, Specials::NanOnly),
            Self::E4m3Fnuz | Self::E4m3B11Fnuz => (4, 3, Specials::NanAsNegativeZero),
            Self::E5m2Fnuz => (5, 2, Specials::NanAsNegativeZero),
            Self::E2m3 => (2, 3, Specials::None),
            Self::E3m2 => (3, 2, Specials::None),
            Self::E2m1 => (2, 1, Specials::None),
            _ => return None,
        };
        Some(FloatFormat { exponent_bits, mantissa_bits, specials })
    }

    /// The least and the largest value of an integer; `None` for a float.
    pub fn integer_range(self) -> Option<(i128, i128)> {
        let bits = self.bits();
        match self {
            Self::I1 => Some((0, 1)),
            Self::I8 | Self::I16 | Self::I32 | Self::I64 => Some((-(1 << (bits - 1)), (1 << (bits - 1)) - 1)),
            Self::U8 | Self::U16 | Self::U32 | Self::U64 => Some((0, (1 << bits) - 1)),
            _ => None,
        }
    }

    /// True if it is a floating-point type.
    pub const fn is_float(self) -> bool {
        self.float_format().is_some()
    }
}

impl fmt::Display for ElementType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// As Triton's name: that is what its compiler understands.
impl Serialize for ElementType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.triton())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back_to_their_type_and_to_no_other() {
        for (index, row) in NAMES.iter().enumerate() {
            assert_eq!(row.element as usize, index, "{}", row.element);
            for name in [row.shown, row.triton].iter().chain(row.others) {
                assert_eq!(ElementType::parse(name), Some(row.element), "{name}");
            }
            assert_eq!(ElementType::from_triton(row.triton), Some(row.element));
            if !row.mlir.is_empty() {
                assert_eq!(ElementType::from_mlir(row.mlir), Some(row.element), "{}", row.mlir);
            }
        }
        assert_eq!((ElementType::parse("f17"), ElementType::from_mlir("")), (None, None));
    }

    #[test]
    fn a_float_is_its_sign_exponent_and_fraction() {
        for row in &NAMES {
            let Some(format) = row.element.float_format() else { continue };
            // Of a tf32's 32 bits, 19 have a meaning.
            let unused = if row.element == ElementType::Tf32 { 13 } else { 0 };
            assert_eq!(1 + format.exponent_bits + format.mantissa_bits + unused, row.element.bits(), "{}", row.element);
        }
    }
}
