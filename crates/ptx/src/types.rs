//! State spaces and fundamental types.

use std::fmt;
use std::str::FromStr;
use warpbook_gpu::ElementType;

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
    const ALL: [Self; 26] = [
        Self::S8,
        Self::S16,
        Self::S32,
        Self::S64,
        Self::U8,
        Self::U16,
        Self::U32,
        Self::U64,
        Self::B8,
        Self::B16,
        Self::B32,
        Self::B64,
        Self::B128,
        Self::F16,
        Self::F16x2,
        Self::F32x2,
        Self::Bf16,
        Self::Bf16x2,
        Self::F32,
        Self::F64,
        Self::Tf32,
        Self::E4m3,
        Self::E5m2,
        Self::E4m3x2,
        Self::E5m2x2,
        Self::Pred,
    ];

    /// The type of one element: of the two of a packed type, of the one of any other; `None` for bits and predicates.
    pub const fn element(self) -> Option<ElementType> {
        Some(match self {
            Self::S8 => ElementType::I8,
            Self::S16 => ElementType::I16,
            Self::S32 => ElementType::I32,
            Self::S64 => ElementType::I64,
            Self::U8 => ElementType::U8,
            Self::U16 => ElementType::U16,
            Self::U32 => ElementType::U32,
            Self::U64 => ElementType::U64,
            Self::F16 | Self::F16x2 => ElementType::F16,
            Self::Bf16 | Self::Bf16x2 => ElementType::Bf16,
            Self::F32 | Self::F32x2 => ElementType::F32,
            Self::F64 => ElementType::F64,
            Self::Tf32 => ElementType::Tf32,
            Self::E4m3 | Self::E4m3x2 => ElementType::E4m3,
            Self::E5m2 | Self::E5m2x2 => ElementType::E5m2,
            Self::B8 | Self::B16 | Self::B32 | Self::B64 | Self::B128 | Self::Pred => return None,
        })
    }

    /// Bytes in memory; a predicate counts as one.
    pub const fn size(self) -> u32 {
        let elements = match self {
            Self::F16x2 | Self::Bf16x2 | Self::F32x2 | Self::E4m3x2 | Self::E5m2x2 => 2,
            _ => 1,
        };
        match (self, self.element()) {
            (_, Some(element)) => elements * element.bytes(),
            (Self::B128, None) => 16,
            (Self::B64, None) => 8,
            (Self::B32, None) => 4,
            (Self::B16, None) => 2,
            (_, None) => 1,
        }
    }

    /// `.s8` to `.s64`
    pub fn is_signed(self) -> bool {
        matches!(self, Self::S8 | Self::S16 | Self::S32 | Self::S64)
    }

    /// `.b8` to `.b128`
    pub fn is_bits(self) -> bool {
        matches!(self, Self::B8 | Self::B16 | Self::B32 | Self::B64 | Self::B128)
    }

    /// Any floating-point type, packed ones included.
    pub const fn is_float(self) -> bool {
        matches!(self.element(), Some(element) if element.is_float())
    }

    /// The name without its dot.
    pub const fn name(self) -> &'static str {
        match (self, self.element()) {
            (Self::F16x2, _) => "f16x2",
            (Self::Bf16x2, _) => "bf16x2",
            (Self::F32x2, _) => "f32x2",
            (Self::E4m3x2, _) => "e4m3x2",
            (Self::E5m2x2, _) => "e5m2x2",
            (_, Some(element)) => element.ptx(),
            (Self::B8, None) => "b8",
            (Self::B16, None) => "b16",
            (Self::B32, None) => "b32",
            (Self::B64, None) => "b64",
            (Self::B128, None) => "b128",
            (_, None) => "pred",
        }
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
        Self::ALL.into_iter().find(|ty| ty.name() == name).ok_or(())
    }
}
