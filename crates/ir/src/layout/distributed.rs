//! The layouts of tensors in registers: which register of which lane holds which element.

use super::encoding::{Blocked, Encoding, Mma};
use super::linear::{Input, Layout};
use super::shape::{check_rank, check_shape};
use super::unsupported::Unsupported;

impl Encoding {
    /// The layout of a tensor of this shape; extents are powers of two.
    pub fn layout(&self, shape: &[u32]) -> Result<Layout, Unsupported> {
        check_shape(shape)?;
        let rank = shape.len();
        let wants = |has: usize| check_rank(has, rank);
        match self {
            Self::Blocked(blocked) => {
                wants(blocked.order.len())?;
                blocked.check()?;
                let Blocked { size_per_thread, threads_per_warp, warps_per_cta, order, cluster } = blocked;
                let layout = Layout::trivial(rank).times_each(size_per_thread, Input::Register, order);
                let layout = layout.times_each(threads_per_warp, Input::Lane, order);
                Ok(layout.times_each(warps_per_cta, Input::Warp, order).fit(shape, order, cluster))
            }
            Self::Slice(dimension, parent) => {
                if *dimension > rank {
                    return Err(Unsupported(format!("dimension {dimension} of {rank}")));
                }
                let mut whole = shape.to_vec();
                whole.insert(*dimension, 1);
                Ok(parent.layout(&whole)?.without(*dimension))
            }
            Self::Mma(mma) => {
                wants(mma.warps_per_cta.len())?;
                mma.check(rank)?;
                let [m, n] = [rank - 2, rank - 1];
                let extent = |dimension: usize| mma.instr_shape.get(dimension).copied().unwrap_or(1);
                // Only `mma.sync` of several batches names a batch.
                let tile = if mma.version == 2 { [extent(m), extent(n)] } else { [extent(0), extent(1)] };
                let tile = mma_tile(rank, tile[0], tile[1], 2, n, m);
                let layout = tile.times_each(&mma.warps_per_cta, Input::Warp, &mma.warp_order());
                Ok(layout.fit(shape, &row_major(rank), &mma.cluster))
            }
            Self::DotOperand { index, parent, k_width } => {
                let k = if *index == 0 { rank.wrapping_sub(1) } else { rank.wrapping_sub(2) };
                match parent.as_ref() {
                    Self::Mma(mma) => {
                        wants(mma.warps_per_cta.len())?;
                        mma.check(rank)?;
                        mma.operand(*index, *k_width, shape)
                    }
                    Self::Blocked(blocked) => {
                        wants(blocked.order.len())?;
                        blocked.check()?;
                        if rank < 2 {
                            return Err(Unsupported("dot operands of one dimension".to_owned()));
                        }
                        Ok(blocked.operand(k, shape))
                    }
                    _ => Err(Unsupported("dot operands of a layout that is neither nvidia_mma nor blocked".to_owned())),
                }
            }
            Self::Linear(layout) => {
                wants(layout.shape.len())?;
                let block = layout.block.clone();
                let mut fitted = layout.clone().grow(shape, &row_major(rank));
                fitted.block = block;
                Ok(fitted.shrink(shape))
            }
            Self::Shared(_) => Err(Unsupported("a layout of shared memory has no lanes".to_owned())),
            Self::TensorMemory(_) => Err(Unsupported("a layout of tensor memory has no registers".to_owned())),
        }
    }
}

/// Numbers of the dimensions, the last one first: row-major order.
pub(super) fn row_major(rank: usize) -> Vec<usize> {
    (0..rank).rev().collect()
}

impl Blocked {
    fn check(&self) -> Result<(), Unsupported> {
        let rank = self.order.len();
        let lists = [&self.size_per_thread, &self.threads_per_warp, &self.warps_per_cta];
        let bits: u32 = lists.into_iter().flatten().map(|count| count.ilog2()).sum();
        if lists.into_iter().any(|list| list.len() != rank) || bits > 22 {
            return Err(Unsupported("a blocked layout whose parts do not fit each other".to_owned()));
        }
        Ok(())
    }

    /// The operand of a dot by plain FMA: a thread holds all of K for its rows or columns.
    fn operand(&self, k: usize, shape: &[u32]) -> Layout {
        let Self { size_per_thread, threads_per_warp, warps_per_cta, order, cluster } = self;
        let mut size = size_per_thread.clone();
        size[k] = shape[k];
        let layout = Layout::trivial(shape.len()).times_each(&size, Input::Register, order);
        let layout = broadcast(layout, threads_per_warp, Input::Lane, order, k);
        let layout = broadcast(layout, warps_per_cta, Input::Warp, order, k);
        layout.fit(shape, order, &cluster.shared_along(k))
    }
}

impl Mma {
    fn check(&self, rank: usize) -> Result<(), Unsupported> {
        if !(2..=3).contains(&rank) || self.instr_shape.len() < 2 {
            return Err(Unsupported(format!("an instruction of shape {:?} in {rank} dimensions", self.instr_shape)));
        }
        Ok(())
    }

    /// The order in which warps are dealt out: the last dimension first for `mma.sync`, M first for `wgmma`.
    fn warp_order(&self) -> Vec<usize> {
        let mut order = row_major(self.warps_per_cta.len());
        if self.version == 3 {
            order.swap(0, 1);
        }
        order
    }

    fn operand(&self, index: u32, k_width: u32, shape: &[u32]) -> Result<Layout, Unsupported> {
        let rank = shape.len();
        let (inner, outer, rows) = if index == 0 { (rank - 1, rank - 2, 16) } else { (rank - 2, rank - 1, 8) };
        if k_width == 0 {
            return Err(Unsupported("an operand of an MMA without kWidth".to_owned()));
        }
        let layout = mma_tile(rank, rows, k_width * 8, k_width, inner, outer);
        let layout = broadcast(layout, &self.warps_per_cta, Input::Warp, &self.warp_order(), inner);
        let mut order = vec![inner, outer];
        order.extend((0..rank - 2).rev());
        Ok(layout.fit(shape, &order, &self.cluster.shared_along(inner)))
    }
}

/// [`Layout::times_each`], but those along K hold the same.
fn broadcast(layout: Layout, counts: &[u32], input: Input, order: &[usize], k: usize) -> Layout {
    order.iter().fold(layout, |layout, &dimension| {
        let count = counts.get(dimension).copied().unwrap_or(1);
        if dimension == k { layout.copies(count, input) } else { layout.times(count, input, dimension) }
    })
}

/// The fragment of an `mma`: four lanes along the inner dimension, `k_width` elements each, eight along the outer one.
fn mma_tile(rank: usize, outer_extent: u32, inner_extent: u32, k_width: u32, inner: usize, outer: usize) -> Layout {
    Layout::trivial(rank)
        .times(k_width, Input::Register, inner)
        .times(4, Input::Lane, inner)
        .times(8, Input::Lane, outer)
        .times(outer_extent / 8, Input::Register, outer)
        .times(inner_extent / (k_width * 4), Input::Register, inner)
}

/// The fragment of an instruction's operand: `outer` rows of A or columns of B, `k` along the other dimension, `k_width`
/// elements in a register; spread over the warps of a warpgroup where there are several.
pub fn operand_fragment(is_b: bool, outer: u32, k: u32, k_width: u32, warps: u32) -> Layout {
    let (inner_at, outer_at) = if is_b { (0, 1) } else { (1, 0) };
    let rows = outer / warps.max(1);
    let narrow = k_width.min(k / 4).max(1);
    mma_tile(2, rows, k, narrow, inner_at, outer_at).times(warps, Input::Warp, outer_at)
}

/// The fragment of an instruction's accumulator.
pub fn accumulator_fragment(m: u32, n: u32, warps: u32) -> Layout {
    mma_tile(2, m / warps.max(1), n, 2, 1, 0).times(warps, Input::Warp, 0)
}
