//! The facts about a kernel that a launch needs, each with its source.

//!
//! Each reader takes what its text really says; the rest is a [`Origin::Default`] that a [`comment`] in the text, the
//! parent version or an option of the magic fills, in that order of weakness: directive, comment, parent, default, and
//! options above all.

pub mod comment;
mod cubin;
mod encode;
mod inherit;
mod metadata;
mod ptx;
mod signature;

pub use cubin::{Resources, embedded_ptx, from_cubin, resources};
pub use encode::{GivenArgument, GivenKind, encode};
pub use inherit::inherit;
pub use metadata::from_compiler;
pub use ptx::{from_ptx, mentions_parameter, resolve_scratch};

use std::fmt;

/// The source of a fact about a kernel, named as the reader sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// An attribute of the IR: `ttg.shared`.
    IrAttribute(String),
    /// A PTX directive: `.reqntid`.
    PtxDirective(String),
    /// An attribute of the cubin: `EIATTR_REQNTID`.
    CubinAttribute(String),
    /// Metadata that the compiler returned beside the text.
    Compiler,
    /// A version of this kernel that the session already has.
    Parent(u32),
    /// An option in the magic's header: `--shared`.
    Option(String),
    /// The `// warpbook:` comment in the text.
    Comment,
    /// A default, with the reason why this value was taken.
    Default(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::IrAttribute(name) | Self::PtxDirective(name) | Self::CubinAttribute(name) | Self::Option(name) => {
                f.write_str(name)
            }
            Self::Compiler => f.write_str("compiler metadata"),
            Self::Parent(version) => write!(f, "v{version}"),
            Self::Comment => f.write_str("warpbook comment"),
            Self::Default(reason) => write!(f, "default: {reason}"),
        }
    }
}

/// A value and where it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sourced<T> {
    /// The value itself.
    pub value: T,
    /// The attribute, directive or option that gave the value.
    pub origin: Origin,
}

impl<T> Sourced<T> {
    /// A value with its origin.
    pub fn new(value: T, origin: Origin) -> Self {
        Self { value, origin }
    }

    /// A default value with the reason why it was taken.
    pub fn default(value: T, reason: impl Into<String>) -> Self {
        Self::new(value, Origin::Default(reason.into()))
    }

    /// True if no text gave the value, so that a default was taken.
    pub fn is_default(&self) -> bool {
        matches!(self.origin, Origin::Default(_))
    }
}

/// What a kernel parameter holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ParamKind {
    /// A device pointer; the Triton element type where it is known (`fp16`, `*fp16` without its star).
    Pointer {
        /// Triton's name of the pointee: `fp16`, `bf16`, `fp8e4nv`, `i1`, `i32`, …; `None` from PTX on.
        element: Option<String>,
    },
    /// A scalar by Triton's name: `i1 i8 i16 i32 i64 u8 … fp16 bf16 fp32 fp64`; from PTX on only its width is known
    /// (`b32`, or the PTX type as it is written: `u64`, `f32`).
    Scalar {
        /// Triton's name of the type.
        ty: String,
    },
    /// A 128-byte host tensor-map (TMA) descriptor, passed by value.
    TensorMap,
    /// A structure of C, passed by value.
    Bytes,
}

/// One parameter of the compiled entry function, in order, without Triton's own trailing scratch pointers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Param {
    /// The name in the source, where it is known; otherwise as the IR names it (`arg0`, `kernel_param_0`).
    pub name: String,
    /// What the parameter holds.
    pub kind: ParamKind,
    /// Bytes in the parameter block.
    pub size: u32,
    /// Alignment in the parameter block, in bytes.
    pub align: u32,
    /// `tt.divisibility` that the code was compiled under; `None` if it is not known.
    pub divisibility: Option<u32>,
}

impl Param {
    /// The type as a user writes it: `*fp16`, `i32`, `tensormap`; `*?` if the pointee is not known.
    pub fn type_name(&self) -> String {
        match &self.kind {
            ParamKind::Pointer { element } => format!("*{}", element.as_deref().unwrap_or("?")),
            ParamKind::Scalar { ty } => ty.clone(),
            ParamKind::TensorMap => "tensormap".to_owned(),
            ParamKind::Bytes => format!("bytes{}", self.size),
        }
    }

    /// True if the parameter can be a pointer of Triton's own.
    pub fn may_be_scratch(&self) -> bool {
        match &self.kind {
            ParamKind::Pointer { .. } => true,
            ParamKind::Scalar { ty } => matches!(ty.as_str(), "u64" | "b64"),
            ParamKind::TensorMap | ParamKind::Bytes => false,
        }
    }
}

/// A scratch area that Triton's code expects behind a trailing pointer parameter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scratch {
    /// Bytes for each program (block) of the grid; times `num_ctas` for a cluster.
    pub size: u64,
    /// Alignment in bytes.
    pub align: u64,
}

/// How a host tensor descriptor has to be encoded (`tensordesc_meta`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorDesc {
    /// Swizzle mode: 0 none, 1 32 bytes, 2 64 bytes, 3 128 bytes.
    pub swizzle: u32,
    /// Bytes per element.
    pub element_size: u32,
    /// Element type: the number of a `CUtensorMapDataType`.
    pub element_type: u32,
    /// Box extents, outermost first.
    pub block_size: Vec<u32>,
    /// True if elements of fp4 are padded to 8 bytes of data in 16 bytes of shared memory.
    pub fp4_padded: bool,
}

/// Everything that a launch needs to know about a kernel besides its arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaunchMeta {
    /// The entry function's name.
    pub entry: Sourced<String>,
    /// The user's parameters, in order.
    pub params: Sourced<Vec<Param>>,
    /// Number of pointer parameters that Triton adds after the user's (global scratch, profile scratch).
    pub scratch_params: Sourced<u32>,
    /// Warps per block, as Triton counts them (without warp-specialised partitions).
    pub num_warps: Sourced<u32>,
    /// Threads per block to launch with (32 × warps, partitions included).
    pub threads: Sourced<u32>,
    /// Extents of a block of more than one dimension, whose product is `threads`; CUDA C has such blocks.
    pub block: Option<[u32; 3]>,
    /// Dynamic shared memory, bytes.
    pub shared: Sourced<u32>,
    /// Blocks per cluster, [x, y, z].
    pub cluster: Sourced<[u32; 3]>,
    /// True if a grid counts blocks where the kernel has clusters, as in CUDA C; in Triton it counts clusters.
    pub grid_counts_blocks: bool,
    /// Global scratch per program.
    pub global_scratch: Sourced<Scratch>,
    /// Profile scratch per program.
    pub profile_scratch: Sourced<Scratch>,
    /// Tensor memory columns (sm_100).
    pub tmem: Sourced<u32>,
    /// How each host descriptor parameter is encoded, in the order of the descriptor parameters.
    pub tensor_descs: Vec<TensorDesc>,
    /// True if floating-point contraction was allowed when PTX was written and assembled.
    pub fp_fusion: Sourced<bool>,
    /// True if all blocks have to be resident together (`launch_cooperative_grid`).
    pub cooperative: Sourced<bool>,
    /// True if the kernel may begin before the previous kernel has ended: programmatic dependent launch (`launch_pdl`).
    pub dependent: Sourced<bool>,
}

impl LaunchMeta {
    /// Threads of a block along each axis.
    pub fn block_extents(&self) -> [u32; 3] {
        self.block.unwrap_or([self.threads.value, 1, 1])
    }
}
