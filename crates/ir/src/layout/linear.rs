//! Linear layouts: the coordinates of a tensor as the exclusive or of one vector for each bit of the register, lane,
//! warp and block number. (Zhou et al., "Linear Layouts: Robust Code Generation of Efficient Tensor Computation Using
//! F₂", arXiv 2505.23819.)

/// A vector of coordinates, one for each dimension of the tensor.
pub type Basis = Vec<u32>;

/// The place that holds an element.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Number of the block in its cluster.
    pub block: u32,
    /// Number of the warp in its block.
    pub warp: u32,
    /// Number of the lane in its warp.
    pub lane: u32,
    /// The register of the lane, counted in elements.
    pub register: u32,
}

/// The part of the hardware that a basis belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Input {
    Register,
    Lane,
    Warp,
}

/// How the blocks of a cluster share a tensor: one vector for each bit of the block number, in units of a block's part.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cluster(pub Vec<Basis>);

impl Cluster {
    /// The blocks as older Tritons say them: `per_cluster` of them along each dimension, among which `split` parts are
    /// dealt out, dimensions in `order`, fastest first.
    pub(super) fn dealt(per_cluster: &[u32], split: &[u32], order: &[usize]) -> Self {
        let mut bases = Vec::new();
        for &dimension in order {
            let (blocks, parts) = (per_cluster[dimension].max(1), split[dimension].max(1));
            for bit in 0..blocks.ilog2() {
                let mut basis = vec![0; order.len()];
                if bit < parts.ilog2() {
                    basis[dimension] = 1 << bit;
                }
                bases.push(basis);
            }
        }
        Self(bases)
    }

    /// The blocks without a dimension's part in them.
    pub(super) fn shared_along(&self, dimension: usize) -> Self {
        let mut bases = self.0.clone();
        bases.iter_mut().filter_map(|basis| basis.get_mut(dimension)).for_each(|coordinate| *coordinate = 0);
        Self(bases)
    }

    /// The shape of a block's part of a tensor, and the vectors of the block number.
    pub(super) fn split(&self, shape: &[u32]) -> (Vec<u32>, Vec<Basis>) {
        let mut bases = self.0.clone();
        let mut part = shape.to_vec();
        for (dimension, extent) in part.iter_mut().enumerate() {
            let whole = *extent;
            let mut most = 0;
            for basis in &mut bases {
                let Some(coordinate) = basis.get_mut(dimension) else { continue };
                if *coordinate >= whole {
                    *coordinate = 0;
                }
                most = most.max(*coordinate);
            }
            *extent = if most == 0 { whole } else { (whole / (most + 1).next_power_of_two()).max(1) };
            bases.iter_mut().filter_map(|basis| basis.get_mut(dimension)).for_each(|coordinate| *coordinate *= *extent);
        }
        (part, bases)
    }
}

/// A layout of a tensor over registers, lanes, warps and blocks. Memory is described with it too: offsets, or columns of
/// tensor memory, are then `register`, and rows of tensor memory `lane`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Extents of what the vectors below cover.
    pub shape: Vec<u32>,
    /// One vector for each bit of the register number, lowest first.
    pub register: Vec<Basis>,
    /// One vector for each bit of the lane number.
    pub lane: Vec<Basis>,
    /// One vector for each bit of the warp number.
    pub warp: Vec<Basis>,
    /// One vector for each bit of the block number.
    pub block: Vec<Basis>,
}

impl Layout {
    /// A single element of a tensor of `rank` dimensions.
    pub(super) fn trivial(rank: usize) -> Self {
        Self { shape: vec![1; rank], register: Vec::new(), lane: Vec::new(), warp: Vec::new(), block: Vec::new() }
    }

    fn bases(&mut self, input: Input) -> &mut Vec<Basis> {
        match input {
            Input::Register => &mut self.register,
            Input::Lane => &mut self.lane,
            Input::Warp => &mut self.warp,
        }
    }

    /// Repeats the layout `count` times along a dimension, with more bits of `input`. `count` is a power of two.
    pub(super) fn times(mut self, count: u32, input: Input, dimension: usize) -> Self {
        let rank = self.shape.len();
        let mut extent = self.shape.get(dimension).copied().unwrap_or(1);
        for _ in 0..count.max(1).ilog2() {
            let mut basis = vec![0; rank];
            if let Some(slot) = basis.get_mut(dimension) {
                *slot = extent;
            }
            self.bases(input).push(basis);
            extent *= 2;
        }
        if let Some(slot) = self.shape.get_mut(dimension) {
            *slot = extent;
        }
        self
    }

    /// More bits of `input` that change nothing: `count` of them hold the same.
    pub(super) fn copies(mut self, count: u32, input: Input) -> Self {
        let rank = self.shape.len();
        for _ in 0..count.max(1).ilog2() {
            self.bases(input).push(vec![0; rank]);
        }
        self
    }

    /// [`Self::times`] for each dimension, in this order.
    pub(super) fn times_each(self, counts: &[u32], input: Input, order: &[usize]) -> Self {
        order.iter().fold(self, |layout, &dimension| {
            let count = counts.get(dimension).copied().unwrap_or(1);
            layout.times(count, input, dimension)
        })
    }

    /// Covers exactly `shape`: each block its part, and in it what is missing is repeated in more registers, dimension
    /// by dimension in `order`; what is too much holds copies.
    pub(super) fn fit(self, shape: &[u32], order: &[usize], cluster: &Cluster) -> Self {
        let (part, block) = cluster.split(shape);
        let mut layout = self.grow(&part, order).shrink(&part);
        layout.block = block;
        layout.shape = shape.to_vec();
        layout
    }

    /// Repeats what is missing of a shape in more registers, dimension by dimension in `order`.
    pub(super) fn grow(mut self, shape: &[u32], order: &[usize]) -> Self {
        for &dimension in order {
            let (has, wants) = (self.shape[dimension], shape[dimension]);
            if has < wants {
                self = self.times(wants / has, Input::Register, dimension);
            }
        }
        self
    }

    /// Coordinates beyond a shape become zero: those places hold copies.
    pub(super) fn shrink(mut self, shape: &[u32]) -> Self {
        for bases in [&mut self.register, &mut self.lane, &mut self.warp, &mut self.block] {
            for basis in bases {
                for (coordinate, &extent) in basis.iter_mut().zip(shape) {
                    if *coordinate >= extent {
                        *coordinate = 0;
                    }
                }
            }
        }
        self.shape = shape.to_vec();
        self
    }

    /// Without a dimension, and without the registers that then hold nothing of their own.
    pub(super) fn without(mut self, dimension: usize) -> Self {
        for bases in [&mut self.register, &mut self.lane, &mut self.warp, &mut self.block] {
            for basis in bases {
                basis.remove(dimension);
            }
        }
        self.shape.remove(dimension);
        self.register.retain(|basis| basis.iter().any(|&coordinate| coordinate != 0));
        self
    }

    /// The extents that the vectors reach.
    pub(super) fn covered(&self) -> Vec<u32> {
        let all = || self.register.iter().chain(&self.lane).chain(&self.warp).chain(&self.block);
        let rank = all().map(Vec::len).max().unwrap_or(1);
        let most = |at: usize| all().filter_map(|basis| basis.get(at)).max().copied().unwrap_or(0);
        (0..rank).map(|at| if most(at) == 0 { 1 } else { (most(at) + 1).next_power_of_two() }).collect()
    }

    /// How many registers, lanes, warps and blocks there are.
    pub fn places(&self) -> Place {
        let count = |bases: &[Basis]| 1 << bases.len();
        Place {
            block: count(&self.block),
            warp: count(&self.warp),
            lane: count(&self.lane),
            register: count(&self.register),
        }
    }

    /// Itself, unless it has more places than anyone wants to look at.
    pub fn small(self) -> Result<Self, super::Unsupported> {
        let bits = self.register.len() + self.lane.len() + self.warp.len() + self.block.len();
        if bits > 21 { Err(super::Unsupported(format!("{} places", 1_u64 << bits.min(63)))) } else { Ok(self) }
    }

    /// Coordinates of the element that a place holds, outermost first.
    pub fn element(&self, place: Place) -> Vec<u32> {
        let mut element = vec![0; self.shape.len()];
        let parts = [
            (&self.register, place.register),
            (&self.lane, place.lane),
            (&self.warp, place.warp),
            (&self.block, place.block),
        ];
        for (bases, number) in parts {
            for (bit, basis) in bases.iter().enumerate() {
                if number >> bit & 1 == 1 {
                    element.iter_mut().zip(basis).for_each(|(sum, coordinate)| *sum ^= coordinate);
                }
            }
        }
        element
    }

    /// All places with their elements, registers fastest.
    pub fn elements(&self) -> impl Iterator<Item = (Place, Vec<u32>)> + '_ {
        let Place { block, warp, lane, register } = self.places();
        (0..block).flat_map(move |block| {
            (0..warp).flat_map(move |warp| {
                (0..lane).flat_map(move |lane| {
                    (0..register).map(move |register| {
                        let place = Place { block, warp, lane, register };
                        (place, self.element(place))
                    })
                })
            })
        })
    }

    /// Number of places that hold each element.
    pub fn holders(&self) -> u64 {
        let Place { block, warp, lane, register } = self.places();
        let places = u64::from(block) * u64::from(warp) * u64::from(lane) * u64::from(register);
        places / self.shape.iter().map(|&extent| u64::from(extent)).product::<u64>().max(1)
    }
}
