//! The types of a matrix product: element types, forms of `mma.sync`, and how each architecture adds the products.

use warpbook_gpu::ElementType;

use super::formats::Format;

/// The 32 lanes of a 32-bit register.
pub type Plane = [u32; 32];

/// Which tensor core is emulated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Architecture {
    Turing,
    Ampere,
    Ada,
    Hopper,
    Blackwell,
}

impl Architecture {
    /// The tensor core of a compute capability: 80 for 8.0.
    pub fn from_capability(capability: u32) -> Self {
        match capability {
            0..80 => Self::Turing,
            80..89 => Self::Ampere,
            89 => Self::Ada,
            90 => Self::Hopper,
            _ => Self::Blackwell,
        }
    }
}

/// The element type of A or B.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Element {
    F16,
    Bf16,
    Tf32,
    E4m3,
    E5m2,
    S8,
    U8,
}

impl Element {
    /// The type by itself.
    #[inline(always)]
    pub const fn element_type(self) -> ElementType {
        match self {
            Self::F16 => ElementType::F16,
            Self::Bf16 => ElementType::Bf16,
            Self::Tf32 => ElementType::Tf32,
            Self::E4m3 => ElementType::E4m3,
            Self::E5m2 => ElementType::E5m2,
            Self::S8 => ElementType::I8,
            Self::U8 => ElementType::U8,
        }
    }

    /// The operand type that an element type is; `None` for the others.
    pub fn from_element_type(element: ElementType) -> Option<Self> {
        let all = [Self::F16, Self::Bf16, Self::Tf32, Self::E4m3, Self::E5m2, Self::S8, Self::U8];
        all.into_iter().find(|known| known.element_type() == element)
    }

    /// Elements in a 32-bit register.
    #[inline(always)]
    pub const fn per_register(self) -> usize {
        (32 / self.element_type().bits()) as usize
    }

    pub(super) fn format(self) -> Option<Format> {
        self.element_type().is_float().then(|| Format::from_element(self.element_type()))
    }
}

/// The type of C and D.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Accumulator {
    F32,
    F16,
    S32 { saturate: bool },
}

/// One `mma.sync` form; M and N as the instruction's shape says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mma {
    /// Rows: 16, or 8 for Turing's integer form.
    pub m: usize,
    /// The reduced extent: columns of A, rows of B.
    pub k: usize,
    /// Type of A.
    pub a: Element,
    /// Type of B.
    pub b: Element,
    /// Type of C and D.
    pub accumulator: Accumulator,
}

/// The fused sum of one architecture and element type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FusedSum {
    /// Fractional bits kept below the largest exponent.
    pub fraction_bits: i32,
    /// Products added in one step.
    pub step: usize,
    /// Mantissa bits of an f32 result.
    pub output_bits: u32,
}

impl FusedSum {
    /// How an architecture adds the products of an element type; `k` is the reduced extent of the instruction.
    pub fn for_architecture(architecture: Architecture, element: Element, k: usize) -> Self {
        let fp8 = matches!(element, Element::E4m3 | Element::E5m2);
        let halves = match element {
            Element::Tf32 => 4,
            _ if fp8 => 16,
            _ => 8,
        };
        let (fraction_bits, step) = match architecture {
            Architecture::Turing => (24, halves),
            Architecture::Ampere => (24, halves),
            Architecture::Ada if fp8 => (13, halves),
            Architecture::Ada => (24, halves),
            // `wgmma`'s; of `mma.sync`, see `fp8_of_hopper`.
            Architecture::Hopper if fp8 => (13, k),
            Architecture::Hopper | Architecture::Blackwell => (25, k),
        };
        let output_bits = if fp8 && fraction_bits == 13 { 13 } else { 23 };
        Self { fraction_bits, step: step.min(k), output_bits }
    }
}

/// The largest reduced extent of a form.
pub(super) const MAX_K: usize = 32;

/// Where element `index` of a register lies: shift and mask.
#[inline(always)]
pub(super) fn element_field(element: Element, index: usize) -> (u32, u32) {
    match element {
        Element::Tf32 => (13, 0x7ffff),
        Element::F16 | Element::Bf16 => (16 * index as u32, 0xffff),
        _ => (8 * index as u32, 0xff),
    }
}
