//! Layouts of Blackwell's tensor memory: 128 lanes (rows) by 512 columns of 32 bits. (PTX ISA, "Tensor Memory".)

use super::fields::Fields;
use super::linear::{Cluster, Input, Layout};
use super::shape::check_shape;
use super::unsupported::Unsupported;

/// `#ttng.tensor_memory_encoding`, or the layout of the scales of a block-scaled product.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorMemory {
    /// Rows and columns of one instruction's block; `None` for scales.
    block: Option<[u32; 2]>,
    /// Columns from one element to the next.
    stride: Stride,
    /// Parts of the cluster's blocks along M and N.
    split: [u32; 2],
    /// True if two blocks work as a pair (`twoCTAs`).
    two_blocks: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stride {
    Columns(u32),
    /// Each element has a column of 32 bits to itself; how many of its own size that is, its type says.
    Unpacked,
}

impl TensorMemory {
    pub(super) fn parse(fields: &Fields<'_>) -> Result<Self, Unsupported> {
        let is = |name: &str| fields.text(name).is_ok_and(|text| text == "true");
        let stride = match (fields.power("colStride", 32), fields.text("unpacked")) {
            (Ok(columns), _) => Stride::Columns(columns),
            (_, Ok("true")) => Stride::Unpacked,
            _ => Stride::Columns(1),
        };
        let block = [fields.power("blockM", 128)?, fields.power("blockN", 512)?];
        if ![64, 128].contains(&block[0]) {
            return Err(Unsupported(format!("tensor memory of {} rows", block[0])));
        }
        Ok(Self { block: Some(block), stride, split: Self::split_of(fields), two_blocks: is("twoCTAs") })
    }

    pub(super) fn parse_scales(fields: &Fields<'_>) -> Result<Self, Unsupported> {
        Ok(Self { block: None, stride: Stride::Columns(1), split: Self::split_of(fields), two_blocks: false })
    }

    fn split_of(fields: &Fields<'_>) -> [u32; 2] {
        ["CTASplitM", "CTASplitN"].map(|name| fields.power(name, 16).unwrap_or(1))
    }

    /// The element in each row (`lane`) and column (`register`) of each block's tensor memory. A column is as wide as an
    /// element; a place that no element is at has the zero vector.
    pub fn layout(&self, shape: &[u32], element_bits: u32) -> Result<Layout, Unsupported> {
        check_shape(shape)?;
        let &[rows, columns] = shape else {
            return Err(Unsupported(format!("tensor memory of {} dimensions", shape.len())));
        };
        let [along_m, along_n] = self.split;
        if rows < along_m || columns < along_n {
            return Err(Unsupported(format!("{along_m}×{along_n} parts of {rows}×{columns}")));
        }
        let Some([block_m, block_n]) = self.block else {
            let layout = scales([rows / along_m, columns / along_n]);
            return Ok(layout.fit(shape, &[0, 1], &Cluster::dealt(&self.split, &self.split, &[0, 1])));
        };
        let stride = match self.stride {
            Stride::Columns(columns) => columns,
            Stride::Unpacked => (32 / element_bits.max(1)).max(1),
        };
        // Two blocks with 64 rows each: as one block of 128 rows, turned over.
        let turned = block_m == 64 && self.two_blocks && along_m > 1;
        let (block_m, along_m) = if turned { (128, along_m / 2) } else { (block_m, along_m) };
        let mut layout = tile(block_m, block_n, stride, [rows / along_m, columns / along_n])?;
        let mut parts = Vec::new();
        for (dimension, parts_along) in [(0, along_m), (1, along_n)] {
            let mut extent = layout.shape[dimension];
            for _ in 0..parts_along.ilog2() {
                let mut basis = vec![0; 2];
                basis[dimension] = extent;
                parts.push(basis);
                extent *= 2;
            }
            layout.shape[dimension] = extent;
        }
        if turned {
            // The last row bit tells the blocks apart, and the last column bit takes its place.
            let block = layout.lane.pop().unwrap_or_else(|| vec![0; 2]);
            let column = layout.register.pop().unwrap_or_else(|| vec![0; 2]);
            layout.lane.push(column);
            parts.insert(0, block);
        }
        layout.block = parts;
        layout.shape = shape.to_vec();
        Ok(layout)
    }

    /// The layout in a few words.
    pub fn describe(&self) -> String {
        match self.block {
            None => "scales".to_owned(),
            Some([m, n]) => format!("blocks of {m}×{n}{}", if self.two_blocks { ", two blocks together" } else { "" }),
        }
    }
}

fn tile(block_m: u32, block_n: u32, stride: u32, [rows, columns]: [u32; 2]) -> Result<Layout, Unsupported> {
    let block_n = block_n.min(columns);
    if rows < block_m {
        return Err(Unsupported(format!("{rows} rows in blocks of {block_m}")));
    }
    let mut layout = Layout::trivial(2).copies(stride, Input::Register);
    if block_m == 128 {
        layout = layout.times(128, Input::Lane, 0).times(block_n, Input::Register, 1);
    } else {
        // 64 rows lie in the lanes 0 to 15 of each warp; the other 16 have the next block, if there is one.
        layout = layout.times(16, Input::Lane, 0).times(block_n, Input::Register, 1);
        let next = if rows > 64 {
            vec![64, 0]
        } else if columns > block_n {
            vec![0, block_n]
        } else {
            vec![0, 0]
        };
        layout.shape = vec![if next[0] > 0 { 128 } else { 64 }, if next[1] > 0 { 2 * block_n } else { block_n }];
        layout.lane.extend([next, vec![16, 0], vec![32, 0]]);
    }
    Ok(layout.grow(&[rows, columns], &[0, 1]))
}

/// Scales: 32 rows, the same in each warp, 4 of a row side by side. (PTX ISA, "Scale Factor A Layout".)
fn scales(part: [u32; 2]) -> Layout {
    let layout = Layout::trivial(2).times(32, Input::Lane, 0).copies(4, Input::Lane);
    layout.times(4, Input::Register, 1).times(2, Input::Register, 0).grow(&part, &[0, 1])
}
