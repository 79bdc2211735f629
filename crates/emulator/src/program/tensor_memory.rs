//! Operands of Blackwell's tensor cores: `tcgen05` with its tensor memory (PTX ISA 9.7.16), and `mma` of small floats.

use super::{AddressOperand, Elements, Slot};
use crate::arithmetic::scaled::{ScaleType, Small};
use warpbook_ptx::isa::MmaKind;

/// How the cells of an access lie over lanes and registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TensorShape {
    /// `.32x32b`: a lane of the warp has a row.
    Rows32,
    /// `.16x64b`, `.16x128b`, `.16x256b`: sixteen rows, four lanes to a row of so many bits.
    Rows16 {
        /// 64, 128 or 256.
        bits: u32,
    },
    /// `.16x32bx2`: sixteen rows; the upper lanes have cells further on.
    Halves {
        /// What is added to the address for them.
        second: u32,
    },
}

/// A `tcgen05.ld` or `tcgen05.st` of a warp.
#[derive(Clone, Debug)]
pub struct TensorAccess {
    /// How the cells lie over lanes and registers.
    pub shape: TensorShape,
    /// Two 16-bit cells to a register.
    pub packed: bool,
    /// Address of the first cell: lane in the upper half, column in the lower.
    pub address: AddressOperand,
    /// The registers that are stored, or loaded to.
    pub registers: Elements,
}

/// Where A lies.
#[derive(Clone, Debug)]
pub enum TensorSource {
    /// In shared memory: a matrix descriptor.
    Shared(Slot),
    /// In tensor memory.
    Tensor(AddressOperand),
}

/// The operands of a `tcgen05.mma`.
#[derive(Clone, Debug)]
pub struct TensorMma {
    /// The kind, which says what types the elements have.
    pub kind: MmaKind,
    /// `.cta_group::2`: for both blocks of a pair.
    pub pair: bool,
    /// Elements that share a scale.
    pub scaled: Option<u32>,
    /// The accumulator, in tensor memory.
    pub d: AddressOperand,
    /// Where A lies.
    pub a: TensorSource,
    /// Descriptor of B.
    pub b: Slot,
    /// The instruction descriptor.
    pub description: Slot,
    /// Scales of A and of B, in tensor memory.
    pub scales: Option<[AddressOperand; 2]>,
    /// True if D is added; `None` for always.
    pub add: Option<Slot>,
}

/// The operands of a `tcgen05.cp`, which copies from shared to tensor memory.
#[derive(Clone, Debug)]
pub struct TensorCopy {
    /// `.cta_group::2`: in both blocks of a pair.
    pub pair: bool,
    /// Address of the first cell in tensor memory.
    pub address: AddressOperand,
    /// The matrix descriptor.
    pub descriptor: Slot,
    /// Number of rows.
    pub rows: u32,
    /// Number of bits of a row.
    pub bits: u32,
    /// First lanes of the copies that are made of it.
    pub copies: &'static [u32],
}

/// The operands of a `tcgen05.commit`.
#[derive(Clone, Debug)]
pub struct TensorCommit {
    /// Address of the mbarrier that is signalled.
    pub address: AddressOperand,
    /// The blocks whose mbarriers at that place are signalled, a bit for each; `None` for this block.
    pub multicast: Option<Slot>,
}

/// An `mma.sync` of fp4, fp6 or fp8, with or without scales.
#[derive(Clone, Debug)]
pub struct SmallMma {
    /// Type of A.
    pub a_type: Small,
    /// Type of B.
    pub b_type: Small,
    /// The reduced extent.
    pub k: usize,
    /// Two fp4 elements to a byte, not one.
    pub alone: bool,
    /// Type of the scales, and elements that share one.
    pub scale: Option<(ScaleType, usize)>,
    /// Registers of the results.
    pub d: Elements,
    /// Registers with the fragments of A.
    pub a: Elements,
    /// Registers with the fragments of B.
    pub b: Elements,
    /// Registers of the values that the products are added to.
    pub c: Elements,
    /// Of A and B, where there are scales: register, first byte, which lanes of each four.
    pub scales: Vec<(Slot, usize, usize)>,
}

impl TensorShape {
    /// Row and column of the cell of a register of a lane.
    pub fn place(self, lane: u32, register: u32) -> (u32, u32) {
        match self {
            Self::Rows32 => (lane, register),
            Self::Halves { .. } => (lane & 15, register),
            Self::Rows16 { bits: 64 } => ((lane & 1) * 8 + lane / 4, (lane >> 1 & 1) + 2 * register),
            Self::Rows16 { bits: 128 } => (lane / 4 + 8 * (register & 1), (lane & 3) + 4 * (register / 2)),
            Self::Rows16 { .. } => {
                let column = (register & 1) + 2 * (lane & 3) + 8 * (register / 4);
                (lane / 4 + 8 * (register >> 1 & 1), column)
            }
        }
    }
}

impl TensorAccess {
    /// Its registers of 32 bits, each with the address of every lane's cell.
    pub fn words(&self, address: u32) -> impl Iterator<Item = (Slot, [u32; 32])> {
        let registers = self.registers.iter().enumerate();
        registers.filter_map(move |(register, data)| Some((data.word()?, self.cells(address, register))))
    }

    /// The address of each lane's cell of a register; the first of two where they are packed.
    pub fn cells(&self, address: u32, register: usize) -> [u32; 32] {
        std::array::from_fn(|lane| {
            let (row, column) = self.shape.place(lane as u32, register as u32);
            let column = if self.packed { 2 * column } else { column };
            let second = match self.shape {
                TensorShape::Halves { second } if lane >= 16 => second,
                _ => 0,
            };
            address.wrapping_add(second).wrapping_add(row << 16 | column)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shape_covers_its_cells_once() {
        let shapes = [
            (TensorShape::Rows32, 4, 32, 4),
            (TensorShape::Rows16 { bits: 64 }, 4, 16, 8),
            (TensorShape::Rows16 { bits: 128 }, 4, 16, 8),
            (TensorShape::Rows16 { bits: 256 }, 8, 16, 16),
        ];
        for (shape, registers, rows, columns) in shapes {
            let mut seen: Vec<(u32, u32)> =
                (0..registers).flat_map(|register| (0..32).map(move |lane| shape.place(lane, register))).collect();
            seen.sort_unstable();
            let all: Vec<(u32, u32)> =
                (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column))).collect();
            assert_eq!(seen, all, "{shape:?}");
        }
    }
}
