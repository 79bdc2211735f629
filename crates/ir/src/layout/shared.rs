//! Layouts of shared memory: the byte that holds an element.

use super::linear::{Basis, Cluster, Input, Layout};
use super::shape::{check_rank, check_shape};
use super::unsupported::Unsupported;

/// A layout of shared memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shared {
    /// The order of the elements in memory.
    pub order: Order,
    /// Blocks of a cluster, each with a part of its own.
    pub cluster: Cluster,
}

/// The order of elements in shared memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// `#ttg.swizzled_shared`: groups of `vec` elements along the fastest dimension change places from row to row.
    Swizzled {
        /// Number of neighbouring elements that the swizzle keeps together.
        vec: u32,
        /// Number of successive rows with the same swizzle.
        per_phase: u32,
        /// Number of different swizzles.
        max_phase: u32,
        /// Numbers of the dimensions, the fastest first.
        order: Vec<usize>,
    },
    /// `#ttg.nvmma_shared`: what TMA writes and the tensor core reads.
    Nvmma {
        /// Bytes of the swizzle: 0, 32, 64 or 128.
        swizzle: u32,
        /// True if the first dimension is the fastest.
        transposed: bool,
        /// Number of bits in an element.
        element_bits: u32,
        /// True if each 8 bytes of 4-bit elements are followed by 8 unused bytes.
        fp4_padded: bool,
        /// Number of dimensions.
        rank: usize,
    },
    /// `#ttg.padded_shared`: padding after every group of elements.
    Padded {
        /// After how many elements, how many are left out.
        paddings: Vec<(u32, u32)>,
        /// One vector for each bit of the offset without the paddings.
        offset: Vec<Basis>,
        /// One for each bit of the block number.
        block: Vec<Basis>,
    },
    /// `#ttg.shared_linear`: the vectors themselves.
    Linear {
        /// One for each bit of the offset.
        offset: Vec<Basis>,
        /// One for each bit of the block number.
        block: Vec<Basis>,
    },
}

/// A tensor laid out in shared memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// The element at each offset (`register`) of each block.
    pub layout: Layout,
    /// After how many elements, how many are left out.
    pub paddings: Vec<(u32, u32)>,
    /// Number of bytes in an element.
    pub element_bytes: u32,
    /// (block, offset in elements) of each element, row-major.
    places: Vec<(u32, u32)>,
}

impl Shared {
    /// An `#ttg.nvmma_shared` of two dimensions.
    pub fn nvmma(swizzle: u32, element_bits: u32) -> Self {
        let order = Order::Nvmma { swizzle, transposed: false, element_bits, fp4_padded: false, rank: 2 };
        Self { order, cluster: Cluster::default() }
    }

    /// Number of dimensions of the tensor.
    pub fn rank(&self) -> usize {
        match &self.order {
            Order::Swizzled { order, .. } => order.len(),
            Order::Nvmma { rank, .. } => *rank,
            Order::Padded { offset, block, .. } | Order::Linear { offset, block } => {
                offset.iter().chain(block).map(Vec::len).next().unwrap_or(1)
            }
        }
    }

    /// The element at each offset, for a tensor of this shape; `register` is the offset.
    pub fn layout(&self, shape: &[u32]) -> Result<Layout, Unsupported> {
        check_shape(shape)?;
        let rank = shape.len();
        check_rank(self.rank(), rank)?;
        let (part, _) = self.cluster.split(shape);
        match &self.order {
            Order::Swizzled { vec, per_phase, max_phase, order } => {
                let mut layout = Layout::trivial(rank).times(part[order[0]], Input::Register, order[0]);
                if let &[columns, rows, ..] = order.as_slice() {
                    let mut row = 1;
                    while row < part[rows] {
                        let mut basis = vec![0; rank];
                        basis[rows] = row;
                        basis[columns] = (vec * (row / per_phase % max_phase)) % part[columns];
                        layout.register.push(basis);
                        row *= 2;
                    }
                    layout.shape[rows] = part[rows];
                    for &dimension in &order[2..] {
                        layout = layout.times(part[dimension], Input::Register, dimension);
                    }
                }
                Ok(layout.fit(shape, order, &self.cluster))
            }
            Order::Nvmma { swizzle, transposed, element_bits, fp4_padded, .. } => {
                let nvmma = Nvmma {
                    swizzle: *swizzle,
                    transposed: *transposed,
                    element_bits: *element_bits,
                    fp4_padded: *fp4_padded,
                };
                Ok(nvmma.layout(&part)?.fit(shape, &(0..rank).collect::<Vec<_>>(), &self.cluster))
            }
            Order::Padded { offset, block, .. } | Order::Linear { offset, block } => {
                let (register, block) = (offset.clone(), block.clone());
                let layout = Layout { shape: Vec::new(), register, lane: Vec::new(), warp: Vec::new(), block };
                let covered = layout.covered();
                if covered.iter().zip(shape).any(|(covered, extent)| covered < extent) {
                    return Err(Unsupported(format!("a tensor of {shape:?} in a layout of {covered:?}")));
                }
                Ok(layout.shrink(shape))
            }
        }
    }

    /// Lays out a tensor whose elements have `element_bytes` bytes.
    pub fn placed(&self, shape: &[u32], element_bytes: u32) -> Result<Placed, Unsupported> {
        let layout = self.layout(shape)?;
        let paddings = if let Order::Padded { paddings, .. } = &self.order { paddings.clone() } else { Vec::new() };
        let element_bytes = match self.order {
            Order::Nvmma { element_bits, .. } => (element_bits / 8).max(1),
            _ => element_bytes.max(1),
        };
        let elements = shape.iter().map(|&extent| extent as usize).product();
        if elements > 1 << 22 || layout.register.len() + layout.block.len() > 22 {
            return Err(Unsupported(format!("{elements} elements in shared memory")));
        }
        let mut places = vec![(0, u32::MAX); elements];
        let count = layout.places();
        for block in 0..count.block {
            for register in 0..count.register {
                let at = layout.element(super::linear::Place { block, register, ..Default::default() });
                let flat = flat(&at, shape);
                // Of several the first.
                if places[flat].1 == u32::MAX {
                    places[flat] = (block, register);
                }
            }
        }
        Ok(Placed { layout, paddings, element_bytes, places })
    }
}

/// The row-major number of an element.
pub(super) fn flat(at: &[u32], shape: &[u32]) -> usize {
    at.iter().zip(shape).fold(0, |flat, (&index, &extent)| flat * extent as usize + index as usize)
}

impl Placed {
    /// The block and the byte in its buffer that an element is at; `None` outside the tensor.
    pub fn byte(&self, at: &[u32]) -> Option<(u32, u32)> {
        if at.len() != self.layout.shape.len() || at.iter().zip(&self.layout.shape).any(|(at, extent)| at >= extent) {
            return None;
        }
        let (block, offset) = *self.places.get(flat(at, &self.layout.shape))?;
        Some((block, self.byte_of_offset(offset)))
    }

    /// The offset of an element in its block's buffer, in elements and without paddings.
    pub(super) fn offset(&self, at: &[u32]) -> Option<u32> {
        self.places.get(flat(at, &self.layout.shape)).map(|(_, offset)| *offset)
    }

    /// The byte of an offset, paddings before it counted.
    pub fn byte_of_offset(&self, offset: u32) -> u32 {
        let padding: u32 = self.paddings.iter().map(|(interval, padding)| offset / interval * padding).sum();
        (offset + padding) * self.element_bytes
    }

    /// Number of bytes of one block's buffer.
    pub fn bytes(&self) -> u32 {
        let last = (1 << self.layout.register.len()) - 1;
        self.byte_of_offset(last) + self.element_bytes
    }
}

struct Nvmma {
    swizzle: u32,
    transposed: bool,
    element_bits: u32,
    fp4_padded: bool,
}

impl Nvmma {
    /// The extents of one TMA box: at most 256, and as many bytes as the swizzle along the contiguous dimension.
    fn tile(&self, part: &[u32]) -> Result<Vec<u32>, Unsupported> {
        let mut tile = part.to_vec();
        let contiguous = if self.transposed { 0 } else { tile.len() - 1 };
        let packed = if self.fp4_padded { 2 } else { 1 };
        tile[contiguous] *= packed;
        tile.iter_mut().for_each(|extent| *extent = (*extent).min(256));
        if self.swizzle > 0 {
            let wide = 8 * self.swizzle / self.element_bits;
            if tile[contiguous] < wide {
                return Err(Unsupported(format!("rows shorter than the swizzle of {} bytes: {part:?}", self.swizzle)));
            }
            tile[contiguous] = wide;
        }
        tile[contiguous] /= packed;
        Ok(tile)
    }

    fn layout(&self, part: &[u32]) -> Result<Layout, Unsupported> {
        let rank = part.len();
        let tile = self.tile(part)?;
        if self.swizzle == 0 {
            let layout = (0..rank).rev().fold(Layout::trivial(rank), |layout, dimension| {
                layout.times(tile[dimension], Input::Register, dimension)
            });
            return Ok(layout.grow(part, &row_last(rank)));
        }
        if rank < 2 {
            return Err(Unsupported("a swizzle of one dimension".to_owned()));
        }
        // Rows of the pattern, all dimensions but the contiguous one taken together.
        let outer: u32 = tile[..rank - 1].iter().product();
        let (rows, columns) = if self.transposed { (tile[rank - 1], outer) } else { (outer, tile[rank - 1]) };
        let core = self.core();
        if core.shape[0] > rows || core.shape[1] > columns {
            return Err(Unsupported(format!("less than 8 rows of the swizzle of {} bytes: {part:?}", self.swizzle)));
        }
        let flat = core.grow(&[rows, columns], &[0, 1]);
        let mut turned = tile.clone();
        if self.transposed {
            turned.rotate_left(1);
        }
        let offsets = flat.register.iter().map(|basis| {
            let mut rest = basis[0] * columns + basis[1];
            let mut at = vec![0; rank];
            for dimension in (0..rank).rev() {
                at[dimension] = rest % turned[dimension];
                rest /= turned[dimension];
            }
            if self.transposed {
                at.rotate_right(1);
            }
            at
        });
        let mut layout = Layout::trivial(rank);
        layout.register = offsets.collect();
        layout.shape = tile;
        Ok(layout.grow(part, &(0..rank).collect::<Vec<_>>()))
    }

    /// Eight rows of the pattern.
    fn core(&self) -> Layout {
        let vec = 128 / self.element_bits;
        let (per_phase, max_phase) = match self.swizzle {
            32 => (4, 2),
            64 => (2, 4),
            _ => (1, 8),
        };
        let packed = |column: u32| if self.fp4_padded { column / 16 * 8 + column % 8 } else { column };
        let columns = 8 * self.swizzle / self.element_bits;
        let mut layout = Layout::trivial(2);
        let bits = |count: u32| (0..count.ilog2()).map(|bit| 1 << bit);
        layout.register.extend(bits(columns).map(|column| vec![0, packed(column)]));
        layout.register.extend(bits(8).map(|row: u32| vec![row, packed(vec * (row / per_phase % max_phase))]));
        layout.shape = vec![8, packed(columns - 1) + 1];
        layout
    }
}

/// Dimensions in the order in which a layout without a swizzle is repeated.
fn row_last(rank: usize) -> Vec<usize> {
    (0..rank).rev().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_byte_holds_one_element() {
        let nvmma =
            |swizzle, transposed| Order::Nvmma { swizzle, transposed, element_bits: 16, fp4_padded: false, rank: 2 };
        for order in [
            Order::Swizzled { vec: 8, per_phase: 2, max_phase: 4, order: vec![0, 1] },
            nvmma(128, false),
            nvmma(32, true),
            nvmma(0, false),
        ] {
            let shared = Shared { order, cluster: Cluster::default() };
            let placed = shared.placed(&[64, 64], 2).expect("a layout");
            let byte = |at: u32| placed.byte(&[at / 64, at % 64]).expect("inside").1;
            let mut bytes: Vec<u32> = (0..64 * 64).map(byte).collect();
            bytes.sort_unstable();
            assert!(bytes.iter().zip(0..).all(|(byte, at): (&u32, u32)| *byte == at * 2), "{shared:?}");
            assert_eq!((placed.bytes(), placed.byte(&[64, 0]), placed.byte(&[1])), (8192, None, None));
        }
    }

    #[test]
    fn paddings_make_room() {
        let offset = vec![vec![0, 1], vec![0, 2], vec![1, 0], vec![2, 0]];
        let order = Order::Padded { paddings: vec![(4, 2), (8, 4)], offset, block: Vec::new() };
        let placed = Shared { order, cluster: Cluster::default() }.placed(&[4, 4], 2).expect("a layout");
        assert_eq!(
            [[0, 3], [1, 0], [2, 0], [3, 3]].map(|at| placed.byte(&at)),
            [6, 12, 32, 50].map(|byte| Some((0, byte)))
        );
    }
}
