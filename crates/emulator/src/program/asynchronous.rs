//! Operands of asynchronous operations: bulk copies, mbarriers, tensor maps, `wgmma`.

use super::{AddressOperand, AtomicOp, AtomicType, Data, Elements, MemorySpace, Slot};
use crate::arithmetic::tensor::Mma;

/// The global side of a bulk copy.
#[derive(Clone, Debug)]
pub enum BulkSource {
    /// Contiguous bytes of global memory, and a slot with their number.
    Plain { address: AddressOperand, bytes: Slot },
    /// A box of a tensor: the map's generic address, and coordinates, innermost first.
    /// With `rows`, four rows of a matrix: a column and four rows (`.tile::gather4`, `.tile::scatter4`).
    Tensor { map: AddressOperand, coordinates: Box<[Slot]>, rows: bool },
    /// Bytes of the block's own shared memory, to another block's, and a slot with their number.
    Shared { address: AddressOperand, bytes: Slot },
}

/// The reduction of a bulk copy, with what is at its destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BulkReduction {
    pub op: AtomicOp,
    /// `None` for that of the tensor map.
    pub ty: Option<AtomicType>,
}

/// What comes to an mbarrier.
#[derive(Clone, Debug)]
pub struct MbarrierArrival {
    /// `Cluster` where it may be another block's.
    pub space: MemorySpace,
    pub address: AddressOperand,
    /// Number of arrivals of each lane; `None` where only bytes are expected.
    pub arrivals: Option<Slot>,
    /// True if later phases expect as many arrivals fewer.
    pub drop: bool,
    /// Bytes to expect; negative ones have come.
    pub bytes: Option<Slot>,
}

/// The fields that `tensormap.replace` changes (PTX ISA 9.7.9.28).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MapField {
    GlobalAddress,
    Rank,
    BoxDim,
    GlobalDim,
    GlobalStride,
    ElementStride,
    ElementType,
    InterleaveLayout,
    SwizzleMode,
    SwizzleAtomicity,
    FillMode,
}

/// Where the A matrix of a `wgmma` lies.
#[derive(Clone, Debug)]
pub enum WgmmaSource {
    /// In registers, as the fragments of `mma.sync`.
    Registers(Elements),
    /// In shared memory: a slot with the matrix descriptor, and whether it is MN-major.
    Shared(Slot, bool),
}

/// The operands of a `wgmma.mma_async`.
#[derive(Clone, Debug)]
pub struct Wgmma {
    /// The shape and types of a step of 8 columns, as an `mma.sync` has them.
    pub step: Mma,
    /// Columns: a multiple of 8, up to 256.
    pub n: usize,
    /// Accumulator: the registers that are read, and the same ones, which are written.
    pub c: Elements,
    pub d: Elements,
    pub a: WgmmaSource,
    /// Descriptor of B, and whether it is MN-major.
    pub b: (Slot, bool),
    /// True if D is added; `None` for always.
    pub add: Option<Slot>,
    /// Signs of A and of B.
    pub negate: [bool; 2],
}

impl Wgmma {
    /// True if a word is its accumulator. A's registers may be other values' by now: they were taken when it was issued.
    pub fn holds(&self, slot: Slot) -> bool {
        self.d.iter().any(|element| matches!(element, Data::Word(own) if *own == slot))
    }

    /// Its registers of 32 bits: the accumulator, and A where it lies in registers.
    pub fn words(&self) -> impl Iterator<Item = Slot> {
        self.d.iter().filter_map(Data::word).chain(self.a_words())
    }

    /// The registers of A, where it lies in registers.
    pub fn a_words(&self) -> impl Iterator<Item = Slot> {
        let a = if let WgmmaSource::Registers(a) = &self.a { a.iter() } else { [].iter() };
        a.filter_map(Data::word)
    }
}
