//! The words behind the name of an instruction: `.global`, `.v4`, `.rn`, `.f32`, `.m16n8k16`.

use std::fmt;

use warpbook_gpu::ElementType;

use crate::types::PtxType;

/// Defines [`Modifier`] from the words that PTX spells.
macro_rules! modifiers {
    ($($(#[$note:meta])* $variant:ident $text:literal)+) => {
        /// A modifier of an opcode. A word may mean different things in different instructions (`.hi`); what a modifier
        /// means is said by the instruction that takes it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Modifier {
            $($(#[$note])* #[doc = concat!("`.", $text, "`")] $variant,)+
            /// A type that registers and variables can have.
            Type(PtxType),
            /// The extents of a matrix: `.m16n8k16`.
            Shape(MatrixShape),
            /// What `mma` and `tcgen05.mma` multiply: `.kind::f8f6f4`.
            Kind(MmaKind),
        }

        /// The words that stand for themselves.
        const WORDS: &[(&str, Modifier)] = &[$(($text, Modifier::$variant),)+];

        fn word(text: &str) -> Option<Modifier> {
            match text {
                $($text => Some(Modifier::$variant),)+
                _ => None,
            }
        }

        fn text(modifier: Modifier) -> Option<&'static str> {
            match modifier {
                $(Modifier::$variant => Some($text),)+
                Modifier::Type(ty) => Some(ty.name()),
                Modifier::Shape(_) | Modifier::Kind(_) => None,
            }
        }
    };
}

modifiers! {
    // Arithmetic: parts of a product, rounding, saturation.
    Hi "hi"
    Lo "lo"
    Wide "wide"
    Sat "sat"
    CarryOut "cc"
    Ftz "ftz"
    NoFtz "noftz"
    Rn "rn"
    Rna "rna"
    Rz "rz"
    Rm "rm"
    Rp "rp"
    Rs "rs"
    Rni "rni"
    Rzi "rzi"
    Rmi "rmi"
    Rpi "rpi"
    Approx "approx"
    Full "full"
    PropagateNan "NaN"
    XorSign "xorsign"
    Abs "abs"
    Relu "relu"
    SatFinite "satfinite"
    ShiftAmount "shiftamt"
    // Shifts and permutations.
    Left "l"
    Right "r"
    Wrap "wrap"
    Clamp "clamp"
    F4e "f4e"
    B4e "b4e"
    Rc8 "rc8"
    Ecl "ecl"
    Ecr "ecr"
    Rc16 "rc16"
    // Comparisons; `.lo` and `.hi` are above.
    Eq "eq"
    Ne "ne"
    Lt "lt"
    Le "le"
    Gt "gt"
    Ge "ge"
    Ls "ls"
    Hs "hs"
    Equ "equ"
    Neu "neu"
    Ltu "ltu"
    Leu "leu"
    Gtu "gtu"
    Geu "geu"
    Num "num"
    IsNan "nan"
    Finite "finite"
    Infinite "infinite"
    Number "number"
    NotANumber "notanumber"
    Normal "normal"
    Subnormal "subnormal"
    // Operations of reductions, votes, atomics.
    And "and"
    Or "or"
    Xor "xor"
    Popc "popc"
    Add "add"
    Min "min"
    Max "max"
    Inc "inc"
    Dec "dec"
    Exch "exch"
    Cas "cas"
    All "all"
    Any "any"
    Uni "uni"
    Ballot "ballot"
    Up "up"
    Down "down"
    Bfly "bfly"
    Idx "idx"
    // State spaces.
    Global "global"
    Shared "shared"
    SharedCta "shared::cta"
    SharedCluster "shared::cluster"
    Local "local"
    Const "const"
    Param "param"
    ParamEntry "param::entry"
    ParamFunc "param::func"
    To "to"
    // Scopes.
    Cta "cta"
    Cluster "cluster"
    Gpu "gpu"
    Sys "sys"
    Gl "gl"
    // Orders of memory.
    Weak "weak"
    Relaxed "relaxed"
    Acquire "acquire"
    Release "release"
    AcqRel "acq_rel"
    Sc "sc"
    Mmio "mmio"
    Volatile "volatile"
    Proxy "proxy"
    Alias "alias"
    TensormapGeneric "tensormap::generic"
    AsyncGeneric "async::generic"
    SyncRestrictSharedCta "sync_restrict::shared::cta"
    SyncRestrictSharedCluster "sync_restrict::shared::cluster"
    MbarrierInit "mbarrier_init"
    Level "level"
    // Caches.
    Ca "ca"
    Cg "cg"
    Cs "cs"
    Lu "lu"
    Cv "cv"
    Wb "wb"
    Wt "wt"
    Nc "nc"
    L1 "L1"
    L2 "L2"
    L1EvictNormal "L1::evict_normal"
    L1EvictUnchanged "L1::evict_unchanged"
    L1EvictFirst "L1::evict_first"
    L1EvictLast "L1::evict_last"
    L1NoAllocate "L1::no_allocate"
    L2EvictNormal "L2::evict_normal"
    L2EvictUnchanged "L2::evict_unchanged"
    L2EvictFirst "L2::evict_first"
    L2EvictLast "L2::evict_last"
    L2CacheHint "L2::cache_hint"
    L2Prefetch64 "L2::64B"
    L2Prefetch128 "L2::128B"
    L2Prefetch256 "L2::256B"
    Fractional "fractional"
    Range "range"
    // Vectors and repetitions.
    V2 "v2"
    V4 "v4"
    V8 "v8"
    X1 "x1"
    X2 "x2"
    X4 "x4"
    X8 "x8"
    X16 "x16"
    X32 "x32"
    X64 "x64"
    X128 "x128"
    // Who executes, and for whom.
    Sync "sync"
    Aligned "aligned"
    Async "async"
    CtaGroup1 "cta_group::1"
    CtaGroup2 "cta_group::2"
    MulticastCluster "multicast::cluster"
    // Bulk copies and tensor maps.
    Read "read"
    BulkGroup "bulk_group"
    MbarrierCompleteTx "mbarrier::complete_tx::bytes"
    MbarrierArriveOne "mbarrier::arrive::one"
    CpMask "cp_mask"
    Tile "tile"
    TileGather4 "tile::gather4"
    TileScatter4 "tile::scatter4"
    Im2col "im2col"
    Im2colNoOffs "im2col_no_offs"
    Im2colW "im2col::w"
    Im2colW128 "im2col::w::128"
    D1 "1d"
    D2 "2d"
    D3 "3d"
    D4 "4d"
    D5 "5d"
    GlobalAddress "global_address"
    Rank "rank"
    BoxDim "box_dim"
    GlobalDim "global_dim"
    GlobalStride "global_stride"
    ElementStride "element_stride"
    ElemType "elemtype"
    InterleaveLayout "interleave_layout"
    SwizzleMode "swizzle_mode"
    SwizzleAtomicity "swizzle_atomicity"
    FillMode "fill_mode"
    // Barriers in memory.
    Parity "parity"
    NoComplete "noComplete"
    NoInc "noinc"
    ExpectTx "expect_tx"
    // Matrices.
    MatrixA "a"
    MatrixB "b"
    MatrixC "c"
    MatrixD "d"
    Row "row"
    Col "col"
    Trans "trans"
    BlockScale "block_scale"
    ScaleVec1X "scale_vec::1X"
    ScaleVec2X "scale_vec::2X"
    ScaleVec4X "scale_vec::4X"
    Block16 "block16"
    Block32 "block32"
    CollectorAFill "collector::a::fill"
    CollectorAUse "collector::a::use"
    CollectorALastUse "collector::a::lastuse"
    CollectorADiscard "collector::a::discard"
    AShift "ashift"
    Lanes32Bits32 "32x32b"
    Lanes16Bits64 "16x64b"
    Lanes16Bits128 "16x128b"
    Lanes16Bits256 "16x256b"
    Lanes16Bits32Twice "16x32bx2"
    Rows128Bits256 "128x256b"
    Rows128Bits128 "128x128b"
    Rows64Bits128 "64x128b"
    Rows32Bits128 "32x128b"
    Rows4Bits256 "4x256b"
    Pack16 "pack::16b"
    Unpack16 "unpack::16b"
    WarpX4 "warpx4"
    WarpX2Half02_13 "warpx2::02_13"
    WarpX2Half01_23 "warpx2::01_23"
    // Types that only opcodes name: no register and no variable is declared with them.
    S16x2 "s16x2"
    U16x2 "u16x2"
    B1 "b1"
    S4 "s4"
    U4 "u4"
    E2m1 "e2m1"
    E2m3 "e2m3"
    E3m2 "e3m2"
    E2m1x2 "e2m1x2"
    E2m3x2 "e2m3x2"
    E3m2x2 "e3m2x2"
    Ue8m0 "ue8m0"
    Ue4m3 "ue4m3"
    Ue8m0x2 "ue8m0x2"
    B1024 "b1024"
}

impl Modifier {
    /// The modifier that a word spells; `None` for a word that is none.
    pub fn parse(text: &str) -> Option<Self> {
        word(text)
            .or_else(|| text.parse().ok().map(Self::Type))
            .or_else(|| text.strip_prefix("kind::").and_then(MmaKind::parse).map(Self::Kind))
            .or_else(|| MatrixShape::parse(text).map(Self::Shape))
    }

    /// Every modifier that is one fixed word and no type of registers.
    pub fn words() -> impl Iterator<Item = Self> {
        WORDS.iter().map(|&(_, modifier)| modifier)
    }

    /// The type, where it is one that registers and variables can have.
    pub fn ty(self) -> Option<PtxType> {
        match self {
            Self::Type(ty) => Some(ty),
            _ => None,
        }
    }

    /// The number of elements of a vector: 4 for `.v4`.
    pub fn vector_length(self) -> Option<usize> {
        Some(match self {
            Self::V2 => 2,
            Self::V4 => 4,
            Self::V8 => 8,
            _ => return None,
        })
    }

    /// The number of repetitions: 4 for `.x4`.
    pub fn repetitions(self) -> Option<usize> {
        Some(match self {
            Self::X1 => 1,
            Self::X2 => 2,
            Self::X4 => 4,
            Self::X8 => 8,
            Self::X16 => 16,
            Self::X32 => 32,
            Self::X64 => 64,
            Self::X128 => 128,
            _ => return None,
        })
    }

    /// The number of dimensions of a tensor: 2 for `.2d`.
    pub fn dimensions(self) -> Option<usize> {
        Some(match self {
            Self::D1 => 1,
            Self::D2 => 2,
            Self::D3 => 3,
            Self::D4 => 4,
            Self::D5 => 5,
            _ => return None,
        })
    }

    /// True if it is a hint about a cache's level that changes no value: `.L2::128B`, `.L1::evict_last`.
    pub fn is_cache_level_hint(self) -> bool {
        self.is_l1_eviction()
            || matches!(
                self,
                Self::L1NoAllocate
                    | Self::L2EvictNormal
                    | Self::L2EvictUnchanged
                    | Self::L2EvictFirst
                    | Self::L2EvictLast
                    | Self::L2CacheHint
                    | Self::L2Prefetch64
                    | Self::L2Prefetch128
                    | Self::L2Prefetch256
            )
    }

    /// True if it says when the first-level cache may drop the line: `.L1::evict_last`.
    pub fn is_l1_eviction(self) -> bool {
        matches!(self, Self::L1EvictNormal | Self::L1EvictUnchanged | Self::L1EvictFirst | Self::L1EvictLast)
    }

    /// True if it names shared memory: `.shared`, `.shared::cta`, `.shared::cluster`.
    pub fn is_shared(self) -> bool {
        matches!(self, Self::Shared | Self::SharedCta | Self::SharedCluster)
    }

    /// True if it names a state space of parameters.
    pub fn is_param(self) -> bool {
        matches!(self, Self::Param | Self::ParamEntry | Self::ParamFunc)
    }
}

impl fmt::Display for Modifier {
    /// The word without its dot.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (text(*self), self) {
            (Some(text), _) => f.write_str(text),
            (None, Self::Shape(shape)) => shape.fmt(f),
            (None, Self::Kind(kind)) => write!(f, "kind::{}", kind.name()),
            (None, _) => Ok(()),
        }
    }
}

/// The extents of a matrix operation, in elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MatrixShape {
    /// Number of rows of the result.
    pub m: u16,
    /// Number of columns of the result.
    pub n: u16,
    /// Elements along the dimension that is summed over; `None` for a matrix that is only moved (`.m8n8`).
    pub k: Option<u16>,
}

impl MatrixShape {
    /// A shape with three extents.
    pub const fn mnk(m: u16, n: u16, k: u16) -> Self {
        Self { m, n, k: Some(k) }
    }

    /// A shape with two extents.
    pub const fn mn(m: u16, n: u16) -> Self {
        Self { m, n, k: None }
    }

    fn parse(text: &str) -> Option<Self> {
        let (m, rest) = text.strip_prefix('m')?.split_once('n')?;
        let (n, k) = match rest.split_once('k') {
            Some((n, k)) => (n, Some(extent(k)?)),
            None => (rest, None),
        };
        Some(Self { m: extent(m)?, n: extent(n)?, k })
    }
}

/// A number as it is printed again: without sign and leading zeros.
fn extent(text: &str) -> Option<u16> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    text.parse().ok().filter(|_| is_plain)
}

impl fmt::Display for MatrixShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "m{}n{}", self.m, self.n)?;
        self.k.map_or(Ok(()), |k| write!(f, "k{k}"))
    }
}

/// What a product of matrices is made of, as `.kind::` says. PTX ISA 9.7.16.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MmaKind {
    /// Elements of f16 or bf16, 16 bits each.
    F16,
    /// Elements of tf32, 32 bits each.
    Tf32,
    /// Floats of 8, 6 and 4 bits, a byte each.
    F8f6f4,
    /// Integers of 8 bits, one byte each.
    I8,
    /// As `F8f6f4`, with a scale for each block of elements.
    Mxf8f6f4,
    /// Floats of 4 bits, two to a byte, with scales of 8 bits of exponent.
    Mxf4,
    /// Floats of 4 bits, two to a byte, with scales of either type.
    Mxf4nvf4,
}

impl MmaKind {
    const ALL: [Self; 7] = [Self::F16, Self::Tf32, Self::F8f6f4, Self::I8, Self::Mxf8f6f4, Self::Mxf4, Self::Mxf4nvf4];

    /// `f8f6f4`
    pub fn name(self) -> &'static str {
        match self {
            Self::F16 => "f16",
            Self::Tf32 => "tf32",
            Self::F8f6f4 => "f8f6f4",
            Self::I8 => "i8",
            Self::Mxf8f6f4 => "mxf8f6f4",
            Self::Mxf4 => "mxf4",
            Self::Mxf4nvf4 => "mxf4nvf4",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Extent k of a product of dense matrices: 32 bytes of elements of A, a byte or more each, or two to a byte.
    pub fn k(self) -> usize {
        match self {
            Self::F16 => 16,
            Self::Tf32 => 8,
            Self::F8f6f4 | Self::I8 | Self::Mxf8f6f4 => 32,
            Self::Mxf4 | Self::Mxf4nvf4 => 64,
        }
    }

    /// True if all elements are fp4, two in each byte.
    pub fn is_fp4_alone(self) -> bool {
        matches!(self, Self::Mxf4 | Self::Mxf4nvf4)
    }

    /// The type of A or B that a code in the instruction descriptor means; `None` for a code without a meaning. PTX ISA
    /// 9.7.16.4.2.
    pub fn operand_type(self, code: u32) -> Option<ElementType> {
        use ElementType as T;
        match (self, code) {
            (Self::F16, 0) => Some(T::F16),
            (Self::F16, 1) => Some(T::Bf16),
            (Self::Tf32, 2) => Some(T::Tf32),
            (Self::I8, 0) => Some(T::U8),
            (Self::I8, 1) => Some(T::I8),
            (Self::F8f6f4 | Self::Mxf8f6f4, 0) => Some(T::E4m3),
            (Self::F8f6f4 | Self::Mxf8f6f4, 1) => Some(T::E5m2),
            (Self::F8f6f4 | Self::Mxf8f6f4, 3) => Some(T::E2m3),
            (Self::F8f6f4 | Self::Mxf8f6f4, 4) => Some(T::E3m2),
            (Self::F8f6f4 | Self::Mxf8f6f4, 5) | (Self::Mxf4 | Self::Mxf4nvf4, 1) => Some(T::E2m1),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_printed_as_it_is_read() {
        for modifier in Modifier::words() {
            assert_eq!(Modifier::parse(&modifier.to_string()), Some(modifier), "{modifier}");
        }
        for text in ["f32", "bf16x2", "pred", "m16n8k16", "m64n256k8", "m8n8", "kind::mxf4nvf4", "kind::i8"] {
            assert_eq!(Modifier::parse(text).map(|modifier| modifier.to_string()).as_deref(), Some(text));
        }
        for text in ["", "wrong", "m016n8k16", "m16n8k", "mn", "m+1n8", "kind::", "kind::f32", "F32"] {
            assert_eq!(Modifier::parse(text), None, "{text}");
        }
    }
}
