//! State spaces and fundamental types.

use std::fmt;
use std::str::FromStr;

/// State spaces (PTX ISA 5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Space {
    Register,
    Global,
    Shared,
    Const,
    Param,
    Local,
    Generic,
}

/// Fundamental types (PTX ISA 5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum PtxType {
    S8,
    S16,
    S32,
    S64,
    U8,
    U16,
    U32,
    U64,
    B8,
    B16,
    B32,
    B64,
    B128,
    F16,
    F16x2,
    F32x2,
    Bf16,
    Bf16x2,
    F32,
    F64,
    Tf32,
    E4m3,
    E5m2,
    E4m3x2,
    E5m2x2,
    Pred,
}

impl PtxType {
    const NAMES: [(&'static str, Self); 26] = [
        ("s8", Self::S8),
        ("s16", Self::S16),
        ("s32", Self::S32),
        ("s64", Self::S64),
        ("u8", Self::U8),
        ("u16", Self::U16),
        ("u32", Self::U32),
        ("u64", Self::U64),
        ("b8", Self::B8),
        ("b16", Self::B16),
        ("b32", Self::B32),
        ("b64", Self::B64),
        ("b128", Self::B128),
        ("f16", Self::F16),
        ("f16x2", Self::F16x2),
        ("f32x2", Self::F32x2),
        ("bf16", Self::Bf16),
        ("bf16x2", Self::Bf16x2),
        ("f32", Self::F32),
        ("f64", Self::F64),
        ("tf32", Self::Tf32),
        ("e4m3", Self::E4m3),
        ("e5m2", Self::E5m2),
        ("e4m3x2", Self::E4m3x2),
        ("e5m2x2", Self::E5m2x2),
        ("pred", Self::Pred),
    ];

    /// Bytes in memory; a predicate counts as one.
    pub fn size(self) -> u32 {
        match self {
            Self::S8 | Self::U8 | Self::B8 | Self::E4m3 | Self::E5m2 | Self::Pred => 1,
            Self::S16 | Self::U16 | Self::B16 | Self::F16 | Self::Bf16 | Self::E4m3x2 | Self::E5m2x2 => 2,
            Self::S32 | Self::U32 | Self::B32 | Self::F32 | Self::Tf32 => 4,
            Self::F16x2 | Self::Bf16x2 => 4,
            Self::S64 | Self::U64 | Self::B64 | Self::F64 | Self::F32x2 => 8,
            Self::B128 => 16,
        }
    }

    /// `.s8` to `.s64`
    pub fn is_signed(self) -> bool {
        matches!(self, Self::S8 | Self::S16 | Self::S32 | Self::S64)
    }

    /// Any floating-point type, packed ones included.
    pub fn is_float(self) -> bool {
        use PtxType as T;
        matches!(
            self,
            T::F16
                | T::F16x2
                | T::F32x2
                | T::Bf16
                | T::Bf16x2
                | T::F32
                | T::F64
                | T::Tf32
                | T::E4m3
                | T::E5m2
                | T::E4m3x2
                | T::E5m2x2
        )
    }

    /// The name without its dot.
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, ty)| *ty == self).map_or("?", |(name, _)| name)
    }
}

impl fmt::Display for PtxType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for PtxType {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        Self::NAMES.iter().find(|(known, _)| *known == name).map(|(_, ty)| *ty).ok_or(())
    }
}
