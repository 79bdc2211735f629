//! What one bulk copy at a coordinate moves: rows of global memory, what is filled, and where it lands.

use warpbook_device::TensorMap;
use warpbook_ir::layout::bank;

/// Most rows of a box that the text lists.
pub const ROWS: usize = 32;

/// One row of the box.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Coordinates of its first element, outermost first.
    pub at: Vec<i64>,
    /// Global addresses, from and to (not included); `None` where all of it is outside the tensor.
    pub global: Option<(u64, u64)>,
    /// Elements before the tensor, inside and behind it.
    pub parts: [u32; 3],
    /// Byte in shared memory at which the row begins, before the swizzle.
    pub shared: u32,
}

/// What one bulk copy of a tensor map's box moves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copy {
    /// All rows of the box, in the order of shared memory.
    pub rows: Vec<Row>,
    /// Number of bytes in a row.
    pub row_bytes: u32,
    /// Number of bytes read from global memory.
    pub moved: u64,
    /// Number of bytes that are outside the tensor and filled instead of read.
    pub filled: u64,
}

impl Copy {
    /// The copy of a map's box at coordinates, outermost first as Triton has them.
    pub fn new(map: &TensorMap, at: &[i64]) -> Self {
        let size = map.element.size();
        let rank = map.rank();
        // As the driver counts: the innermost first.
        let corner: Vec<i64> = at.iter().rev().copied().collect();
        let width = map.tile[0];
        let row_bytes = width * size as u32;
        let outer: Vec<u32> = map.tile[1..].to_vec();
        let count: u64 = outer.iter().map(|&extent| u64::from(extent)).product();
        let mut copy = Self { rows: Vec::new(), row_bytes, moved: 0, filled: 0 };
        for number in 0..count {
            let mut rest = number;
            let mut place = vec![corner[0]];
            for (dimension, &extent) in outer.iter().enumerate() {
                let step = map.element_strides.get(dimension + 1).copied().unwrap_or(1);
                place.push(corner[dimension + 1] + (rest % u64::from(extent)) as i64 * i64::from(step));
                rest /= u64::from(extent);
            }
            let is_inside = (1..rank).all(|dimension| (0..map.dims[dimension] as i64).contains(&place[dimension]));
            let (from, to) = (place[0], place[0] + i64::from(width));
            let inside = if is_inside { (from.max(0), to.min(map.dims[0] as i64)) } else { (from, from) };
            let held = (inside.1 - inside.0).max(0);
            let before = if held > 0 { inside.0 - from } else { 0 };
            let global = (held > 0).then(|| {
                let row: u64 = (1..rank).map(|dimension| place[dimension] as u64 * map.strides[dimension - 1]).sum();
                let start = map.address.wrapping_add(row).wrapping_add(inside.0 as u64 * size);
                (start, start + held as u64 * size)
            });
            copy.moved += held as u64 * size;
            copy.filled += (i64::from(width) - held) as u64 * size;
            if copy.rows.len() < 4096 {
                copy.rows.push(Row {
                    at: place.iter().rev().copied().collect(),
                    global,
                    parts: [before as u32, held as u32, (i64::from(width) - held - before) as u32],
                    shared: number as u32 * row_bytes,
                });
            }
        }
        copy
    }

    /// Global addresses from the first to the last, of what is inside.
    pub fn span(&self) -> Option<(u64, u64)> {
        let spans = || self.rows.iter().filter_map(|row| row.global);
        Some((spans().map(|(from, _)| from).min()?, spans().map(|(_, to)| to).max()?))
    }
}

/// The banks that 16 bytes at a place lie in, as `4–7`.
pub fn banks(byte: u32) -> String {
    let first = bank(byte);
    format!("{first}–{}", first + 3)
}

#[cfg(test)]
mod tests {
    use super::*;
    use warpbook_device::{Interleave, TensorMapSwizzle, TensorMapType};

    fn map() -> TensorMap {
        TensorMap {
            element: TensorMapType::F16,
            address: 0x1000,
            dims: vec![100, 10],
            strides: vec![256],
            tile: vec![64, 4],
            element_strides: vec![1, 1],
            interleave: Interleave::None,
            swizzle: TensorMapSwizzle::B128,
            l2_promotion: 2,
            fill_nan: false,
        }
    }

    #[test]
    fn what_is_outside_is_filled() {
        let copy = Copy::new(&map(), &[0, 0]);
        assert_eq!((copy.moved, copy.filled, copy.span()), (512, 0, Some((0x1000, 0x1000 + 3 * 256 + 128))));
        let edge = Copy::new(&map(), &[8, 64]);
        assert_eq!((edge.moved, edge.filled), (2 * 72, 2 * 56 + 2 * 128));
        assert_eq!(
            (edge.rows[1].parts, edge.rows[1].global),
            ([0, 36, 28], Some((0x1000 + 9 * 256 + 128, 0x1000 + 9 * 256 + 200)))
        );
        assert_eq!((edge.rows[2].global, edge.rows[2].at.clone()), (None, vec![10, 64]));
        let before = Copy::new(&map(), &[-1, -8]);
        assert_eq!((before.rows[0].global, before.rows[1].parts), (None, [8, 56, 0]));
        assert_eq!(Copy::new(&map(), &[50, 0]).span(), None);
    }

    #[test]
    fn sixteen_bytes_lie_in_four_banks() {
        assert_eq!(banks(144), "4–7");
    }
}
