//! The global side of a bulk copy: which bytes of shared memory it pairs with which of global memory.

use crate::descriptor::tensor_map::{TensorMap, TensorMapType};
use warpbook_gpu::swizzled;

/// The global side, with its operands known.
#[derive(Clone, Debug)]
pub(crate) enum GlobalSide {
    Plain {
        address: u64,
        bytes: u32,
    },
    Tensor {
        map: Box<TensorMap>,
        first: [i64; 5],
    },
    /// The block's own shared memory.
    Shared {
        address: u64,
        bytes: u32,
    },
}

impl GlobalSide {
    /// Which bytes of shared memory lie where in global memory, at most 16 together.
    pub fn pieces(&self, shared: u64) -> Vec<Piece> {
        let mut pieces = Vec::new();
        match self {
            Self::Plain { address, bytes } => {
                let offsets = (0..*bytes).step_by(16).map(u64::from);
                pieces.extend(offsets.map(|at| Piece { shared: shared + at, global: Some(address + at), bytes: 16 }));
            }
            Self::Tensor { map, first } => {
                let row_bytes = map.row_bytes() as u64;
                let unit = map.element.packed_bytes() as u64;
                let each = |row: &Row| {
                    let inside = row.skipped as u64..(row.skipped + row.inside) as u64;
                    for at in (0..row_bytes).step_by(16) {
                        let own = swizzled(shared + row.offset + at, map.pattern());
                        let end = (at + 16).min(row_bytes);
                        // The place in the row of global memory, where padding is not. The edge of the tensor may lie
                        // within a piece.
                        let (first, end) = (at / 16 * unit, at / 16 * unit + unit.min(end - at));
                        let (from, to) = (first.max(inside.start).min(end), end.min(inside.end).max(first));
                        let bounds = [first, from, to.max(from), end];
                        for (number, bound) in bounds.windows(2).enumerate().filter(|(_, bound)| bound[0] < bound[1]) {
                            pieces.push(Piece {
                                shared: own + (bound[0] - first),
                                global: (number == 1).then(|| row.address + bound[0] - inside.start),
                                bytes: (bound[1] - bound[0]) as u32,
                            });
                        }
                        if unit < 16 {
                            let bytes = (16 - unit) as u32;
                            pieces.push(Piece { shared: own + unit, global: None, bytes });
                        }
                    }
                    Ok::<(), std::convert::Infallible>(())
                };
                // The closure does not fail.
                let _ = map.rows(first, each);
            }
            Self::Shared { .. } => {}
        }
        pieces
    }

    /// Where in global memory the copy, or its tensor, begins; `None` where no byte of global memory is moved.
    pub fn address(&self) -> Option<u64> {
        match self {
            Self::Plain { address, .. } => Some(*address),
            Self::Tensor { map, .. } => Some(map.address),
            Self::Shared { .. } => None,
        }
    }

    /// Bytes of shared memory.
    pub fn shared_bytes(&self) -> usize {
        match self {
            Self::Plain { bytes, .. } | Self::Shared { bytes, .. } => *bytes as usize,
            Self::Tensor { map, .. } => map.tile_bytes() as usize,
        }
    }
}

/// One row of a box: contiguous in shared memory, and as far as it is inside of the tensor in global memory too.
pub(crate) struct Row {
    /// Offset in the box as it lies in shared memory, before the swizzle.
    pub offset: u64,
    /// Global address of its first element that is inside.
    pub address: u64,
    /// Bytes of global memory before that element, and those that are inside.
    pub skipped: usize,
    pub inside: usize,
    /// Bytes of the box behind the last element of the tensor's own row, up to the next multiple of 16 bytes from the row's
    /// first element: a store of tiles writes them too.
    pub edge: usize,
}

impl TensorMap {
    /// Bytes of a row of the box in shared memory.
    pub(crate) fn row_bytes(&self) -> usize {
        self.tile.first().map_or(0, |&extent| extent as usize) * self.element.shared_bits() as usize / 8
    }

    /// Bytes of a row of the box in global memory, as if all of it were inside of the tensor.
    pub(crate) fn global_row_bytes(&self) -> usize {
        self.global_bytes(self.tile.first().map_or(0, |&extent| extent.into())) as usize
    }

    /// A row of global memory as shared memory has it: padding follows each sixteen elements of a padded type.
    pub(crate) fn padded(&self, row: &[u8]) -> Vec<u8> {
        let packed = self.element.packed_bytes();
        let padding = vec![0; 16 - packed];
        row.chunks(packed).flat_map(|bytes| bytes.iter().chain(&padding)).copied().collect()
    }

    /// A row of shared memory as global memory has it: without padding.
    pub(crate) fn without_padding(&self, row: &[u8]) -> Vec<u8> {
        let packed = self.element.packed_bytes();
        row.chunks(16).flat_map(|bytes| bytes.iter().take(packed)).copied().collect()
    }

    /// The place in a row of shared memory of a byte of the row of global memory.
    pub(crate) fn place_in_row(&self, byte: u64) -> u64 {
        let packed = self.element.packed_bytes() as u64;
        byte / packed * 16 + byte % packed
    }

    pub(crate) fn pattern(&self) -> u64 {
        self.swizzle.bytes().unwrap_or(16).into()
    }

    /// Calls `each` for every row of the box at these coordinates.
    pub(crate) fn rows<E>(&self, first: &[i64; 5], mut each: impl FnMut(&Row) -> Result<(), E>) -> Result<(), E> {
        let bits = self.element.global_bits() as i64;
        let (Some(&width), Some(&extent)) = (self.tile.first(), self.dims.first()) else { return Ok(()) };
        let begin = first[0].max(0);
        let end = (first[0] + i64::from(width)).min(extent as i64);
        let (skipped, inside) = ((begin - first[0]) * bits / 8, (end - begin).max(0) * bits / 8);
        let row_end = extent as i64 * bits / 8;
        let covered = (first[0] + i64::from(width)) * bits / 8;
        let padded = (row_end as u64).next_multiple_of(16) as i64;
        let edge = if inside > 0 { (padded.min(covered) - row_end).max(0) } else { 0 };
        let count: u64 = self.tile.iter().skip(1).map(|&extent| u64::from(extent)).product();
        let mut index = [0i64; 5];
        for number in 0..count {
            let mut address = self.address as i64 + begin * bits / 8;
            let mut outside = false;
            for dimension in 1..self.rank() {
                let at = first[dimension] + index[dimension];
                outside |= at < 0 || at >= self.dims[dimension] as i64;
                address = address.wrapping_add(at.wrapping_mul(self.strides[dimension - 1] as i64));
            }
            each(&Row {
                offset: number * self.row_bytes() as u64,
                address: address as u64,
                skipped: skipped.min(self.global_row_bytes() as i64) as usize,
                inside: if outside { 0 } else { inside as usize },
                edge: if outside { 0 } else { edge as usize },
            })?;
            for (at, &extent) in index.iter_mut().zip(&self.tile).take(self.rank()).skip(1) {
                *at += 1;
                if *at < i64::from(extent) {
                    break;
                }
                *at = 0;
            }
        }
        Ok(())
    }

    /// What fills the elements outside of the tensor.
    pub(crate) fn filler(&self, bytes: &mut [u8]) {
        bytes.fill(0);
        if self.fill_nan {
            let nan: &[u8] = match self.element {
                TensorMapType::F16 => &0x7fffu16.to_le_bytes(),
                TensorMapType::Bf16 => &0x7fffu16.to_le_bytes(),
                TensorMapType::F64 => &0x7fff_ffff_ffff_ffffu64.to_le_bytes(),
                _ => &0x7fff_ffffu32.to_le_bytes(),
            };
            for element in bytes.chunks_exact_mut(nan.len()) {
                element.copy_from_slice(nan);
            }
        }
    }
}

/// Bytes of shared memory and the bytes of global memory that a bulk copy has there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Offset in the block's shared memory.
    pub shared: u64,
    /// Device address; `None` for what lies outside of the tensor.
    pub global: Option<u64>,
    /// Number of bytes.
    pub bytes: u32,
}
