//! What an operation does, where one operation has several kinds.

use warpbook_ptx::PtxType;

/// What an atomic operation makes of the value in memory and its operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtomicOp {
    Add,
    Min,
    Max,
    And,
    Or,
    Xor,
    Exchange,
    CompareAndSwap,
    Increment,
    Decrement,
}

/// The element type of an atomic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtomicType {
    U32,
    S32,
    U64,
    S64,
    F32,
    F64,
    F16,
    Bf16,
    F16x2,
    Bf16x2,
    B16,
}

/// How lanes find their partner in `shfl`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shuffle {
    Up,
    Down,
    Butterfly,
    Index,
}

/// How `redux.sync` combines the values of the lanes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reduction {
    Add,
    MinSigned,
    MaxSigned,
    MinUnsigned,
    MaxUnsigned,
    /// The smaller f32; where `.NaN` is said, a NaN of any lane.
    MinFloat {
        propagates_nan: bool,
    },
    /// The larger f32; where `.NaN` is said, a NaN of any lane.
    MaxFloat {
        propagates_nan: bool,
    },
    And,
    Or,
    Xor,
}

/// How `setp` and logic combine two predicates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Logic {
    And,
    Or,
    Xor,
}

/// How a barrier combines the predicates of its threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BarrierReduction {
    And,
    Or,
    Count,
}

impl AtomicType {
    /// The type of PTX.
    pub const fn ptx_type(self) -> PtxType {
        match self {
            Self::U32 => PtxType::U32,
            Self::S32 => PtxType::S32,
            Self::U64 => PtxType::U64,
            Self::S64 => PtxType::S64,
            Self::F32 => PtxType::F32,
            Self::F64 => PtxType::F64,
            Self::F16 => PtxType::F16,
            Self::Bf16 => PtxType::Bf16,
            Self::F16x2 => PtxType::F16x2,
            Self::Bf16x2 => PtxType::Bf16x2,
            Self::B16 => PtxType::B16,
        }
    }

    /// Bytes of one element.
    pub const fn size(self) -> u32 {
        self.ptx_type().size()
    }
}

impl Shuffle {
    /// The lane whose word a lane gets; `None` where that is out of its segment. PTX ISA 9.7.9.6: `clamp` holds the segment
    /// mask and the clamp.
    pub fn partner(self, lane: u32, offset: u32, clamp: u32) -> Option<u32> {
        let (offset, segment, clamp) = (offset & 31, clamp >> 8 & 31, clamp & 31);
        let (low, high) = (lane & segment, lane & segment | clamp & !segment);
        let (source, inside) = match self {
            Shuffle::Up => (lane.wrapping_sub(offset), lane as i32 - offset as i32 >= high as i32),
            Shuffle::Down => (lane + offset, lane + offset <= high),
            Shuffle::Butterfly => (lane ^ offset, lane ^ offset <= high),
            Shuffle::Index => (low | offset & !segment, low | offset & !segment <= high),
        };
        inside.then_some(source)
    }
}
