//! What a conversion between two layouts of a tensor moves, and how Triton carries it out.

use super::linear::{Basis, Layout, Place};
use super::shared::flat;
use super::unsupported::Unsupported;
use crate::triton_version::TritonVersion;

/// How a conversion of layouts is carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Means {
    /// By renaming registers, or not at all.
    Registers,
    /// By `shfl.sync` between the lanes of each warp.
    Shuffles,
    /// Through shared memory: stored, a barrier, loaded.
    Shared,
    /// Through the shared memory of the cluster.
    Cluster,
}

impl Means {
    /// The means in a few words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Registers => "registers are renamed, nothing moves",
            Self::Shuffles => "warp shuffles",
            Self::Shared => "through shared memory",
            Self::Cluster => "through shared memory of the cluster",
        }
    }
}

/// What a version of Triton does where lanes of a warp hold copies of each other's elements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rule {
    /// 3.4 and before: what moves between lanes goes through shared memory then.
    WithoutCopies,
    /// After that: shuffles do as if each copy were an element of its own.
    #[default]
    WithCopies,
}

impl Rule {
    /// The rule of a version of Triton.
    pub fn from_version(triton: TritonVersion) -> Self {
        if triton.shuffles_copies() { Self::WithCopies } else { Self::WithoutCopies }
    }
}

/// How far an element has to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Distance {
    /// The same register of the same thread has it.
    None,
    /// In another register of the same thread.
    Register,
    /// In another lane of the same warp.
    Lane,
    /// In another warp of the same block.
    Warp,
    /// In another block of the same cluster.
    Block,
}

impl Distance {
    /// All distances, the nearest first.
    pub const ALL: [Self; 5] = [Self::None, Self::Register, Self::Lane, Self::Warp, Self::Block];

    /// The distance in a few words.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "stay in their register",
            Self::Register => "change the register",
            Self::Lane => "change the lane",
            Self::Warp => "change the warp",
            Self::Block => "change the block",
        }
    }
}

/// A conversion of a tensor from one layout to another, and what it moves.
#[derive(Clone, Debug)]
pub struct Conversion<'a> {
    from: &'a Layout,
    to: &'a Layout,
    /// How Triton carries it out.
    pub means: Means,
    /// Why not by something cheaper, where elements have to come from other lanes only.
    pub mixed: Option<usize>,
    /// True if it cannot be cheaper because lanes hold copies of elements.
    pub copies: bool,
    /// The places that hold each element before, row-major.
    holders: Vec<Vec<Place>>,
    /// Places afterwards, by how far their element has to come: the same order as [`Distance::ALL`].
    pub counts: [u64; 5],
}

/// Places of one layout that are looked at.
const MOST_PLACES: u64 = 1 << 21;

impl<'a> Conversion<'a> {
    /// The conversion of a tensor from one layout to another.
    pub fn new(from: &'a Layout, to: &'a Layout, rule: Rule) -> Result<Self, Unsupported> {
        if from.shape != to.shape {
            return Err(Unsupported(format!("a conversion from {:?} to {:?}", from.shape, to.shape)));
        }
        for layout in [from, to] {
            let bits = layout.register.len() + layout.lane.len() + layout.warp.len() + layout.block.len();
            if 1 << bits > MOST_PLACES {
                return Err(Unsupported(format!("a conversion of {} places", 1_u64 << bits)));
            }
        }
        let elements = from.shape.iter().map(|&extent| extent as usize).product();
        let mut holders = vec![Vec::new(); elements];
        for (place, at) in from.elements() {
            holders[flat(&at, &from.shape)].push(place);
        }
        let (means, mixed) = means(from, to);
        let copies = rule == Rule::WithoutCopies && means == Means::Shuffles && [from, to].into_iter().any(has_copies);
        let (means, mixed) = if copies { (Means::Shared, None) } else { (means, mixed) };
        let mut conversion = Self { from, to, means, mixed, copies, holders, counts: [0; 5] };
        for (place, at) in to.elements() {
            let (distance, _) = conversion.nearest(place, &at);
            conversion.counts[distance as usize] += 1;
        }
        Ok(conversion)
    }

    /// How far the element at a place has to come, and from where.
    pub fn nearest(&self, place: Place, at: &[u32]) -> (Distance, Place) {
        let distance = |from: &Place| {
            if from.block != place.block {
                Distance::Block
            } else if from.warp != place.warp {
                Distance::Warp
            } else if from.lane != place.lane {
                Distance::Lane
            } else if from.register != place.register {
                Distance::Register
            } else {
                Distance::None
            }
        };
        let holders = self.holders.get(flat(at, &self.from.shape)).map_or(&[][..], Vec::as_slice);
        let nearest = holders.iter().map(|from| (distance(from), *from)).min();
        nearest.unwrap_or((Distance::Block, Place::default()))
    }

    /// The ways of one element: where each of its places afterwards takes it from.
    pub fn ways_of(&self, at: &[u32]) -> Vec<(Place, Distance, Place)> {
        let places = self.to.elements().filter(|(_, element)| element == at);
        let found = places.map(|(place, at)| {
            let (distance, from) = self.nearest(place, &at);
            (from, distance, place)
        });
        found.collect()
    }

    /// True if every element stays where it is.
    pub fn is_nothing(&self) -> bool {
        self.counts[1..].iter().all(|&count| count == 0)
    }
}

/// True if lanes of a warp hold the same elements.
fn has_copies(layout: &Layout) -> bool {
    layout.lane.iter().any(|basis| basis.iter().all(|&coordinate| coordinate == 0))
}

/// The parts of the hardware, from the inside out.
fn parts(layout: &Layout) -> [&[Basis]; 4] {
    [&layout.register, &layout.lane, &layout.warp, &layout.block]
}

fn number(basis: &[u32], shape: &[u32]) -> u64 {
    flat(basis, shape) as u64
}

/// A bit of the register (0), lane (1), warp (2) or block number (3).
type Bit = (usize, usize);

/// Triton's decision (`minimalCvtLayout`, `cvtNeedsWarpShuffle`): for each bit of the place afterwards the place
/// before that it is taken from, as few bits as possible; parts in which that is the identity, from the outside in, need
/// no exchange. Within warps shuffles do if at most one bit of the register number changes places with one of the lane's.
fn means(from: &Layout, to: &Layout) -> (Means, Option<usize>) {
    let (source, wanted) = (parts(from), parts(to));
    // What is the same on both sides is mapped to itself, copies included.
    let same: Vec<bool> = source.iter().zip(&wanted).map(|(source, wanted)| source == wanted).collect();
    let solve = |skip: &dyn Fn(usize) -> bool| -> Option<Vec<(Bit, Vec<Bit>)>> {
        let mut columns: Vec<(u64, Vec<Bit>)> = Vec::new();
        for (part, bases) in source.iter().enumerate().filter(|(part, _)| !skip(*part)) {
            for (bit, basis) in bases.iter().enumerate() {
                let (rest, used) = reduce(number(basis, &from.shape), &columns);
                if rest != 0 {
                    columns.push((rest, toggled(used, (part, bit))));
                }
            }
        }
        let mut map = Vec::new();
        for (part, bases) in wanted.iter().enumerate().filter(|(part, _)| !skip(*part)) {
            for (bit, basis) in bases.iter().enumerate() {
                let (rest, used) = reduce(number(basis, &to.shape), &columns);
                if rest != 0 {
                    return None;
                }
                map.push(((part, bit), used));
            }
        }
        Some(map)
    };
    let map = solve(&|part| same[part]);
    let (map, kept) = match map {
        Some(map) => (map, same),
        None => (solve(&|_| false).unwrap_or_default(), vec![false; 4]),
    };
    // The identity on a part, which no other part goes into.
    let is_identity = |part: usize| {
        if kept[part] {
            return !map.iter().any(|(_, used)| used.iter().any(|(other, _)| *other == part));
        }
        source[part].len() == wanted[part].len()
            && map.iter().all(|(bit, used)| {
                if bit.0 == part { *used == [*bit] } else { used.iter().all(|(other, _)| *other != part) }
            })
    };
    let outermost = (0..4).rev().find(|&part| !is_identity(part));
    match outermost {
        None | Some(0) => (Means::Registers, None),
        Some(1) => {
            let mixed = mixed(from, to);
            let means = if mixed.is_some_and(|mixed| mixed < 2) { Means::Shuffles } else { Means::Shared };
            (means, mixed)
        }
        Some(2) => (Means::Shared, None),
        Some(_) => (Means::Cluster, None),
    }
}

/// Takes columns out of a vector as long as one fits; those that were used.
fn reduce(mut vector: u64, columns: &[(u64, Vec<Bit>)]) -> (u64, Vec<Bit>) {
    let mut used = Vec::new();
    for (column, bits) in columns {
        // Each column has a highest bit that the columns after it lack.
        if vector & highest(*column) != 0 {
            vector ^= column;
            for &bit in bits {
                used = toggled(used, bit);
            }
        }
    }
    used.sort_unstable();
    (vector, used)
}

fn highest(vector: u64) -> u64 {
    1 << (63 - vector.leading_zeros())
}

fn toggled(mut bits: Vec<Bit>, bit: Bit) -> Vec<Bit> {
    match bits.iter().position(|known| *known == bit) {
        Some(at) => {
            bits.remove(at);
        }
        None => bits.push(bit),
    }
    bits
}

/// How many bits of the register number change places with bits of the lane number; `None` where the layouts are no
/// permutation of one another.
fn mixed(from: &Layout, to: &Layout) -> Option<usize> {
    let used = |bases: &[Basis]| -> Vec<u64> {
        bases.iter().map(|basis| number(basis, &from.shape)).filter(|&vector| vector != 0).collect()
    };
    // Registers that hold copies do not count; lanes do.
    let lanes =
        |layout: &Layout| -> Vec<u64> { layout.lane.iter().map(|basis| number(basis, &layout.shape)).collect() };
    let pad = |mut vectors: Vec<u64>, length: usize| {
        vectors.resize(length.max(vectors.len()), 0);
        vectors
    };
    let (source, wanted) = (used(&from.register), used(&to.register));
    let count = source.len().max(wanted.len());
    let (source, wanted) = (pad(source, count), pad(wanted, count));
    let (source_lanes, wanted_lanes) = (lanes(from), lanes(to));
    if source_lanes.len() != wanted_lanes.len() {
        return None;
    }
    let all = |registers: &[u64], lanes: &[u64]| -> Vec<u64> { registers.iter().chain(lanes).copied().collect() };
    let (before, after) = (all(&source, &source_lanes), all(&wanted, &wanted_lanes));
    let mut target: Vec<Option<usize>> = before
        .iter()
        .enumerate()
        .map(|(at, &vector)| match vector {
            0 => (after[at] == 0).then_some(at),
            vector => after.iter().position(|&other| other == vector),
        })
        .collect();
    if before.iter().zip(&target).any(|(&vector, target)| vector != 0 && target.is_none()) {
        // What only copies hold before: other lanes or registers take their place.
        return None;
    }
    // The bits that are free before go to those that are free afterwards, in order.
    let taken: Vec<usize> = target.iter().flatten().copied().collect();
    let mut free = (0..after.len()).filter(|at| !taken.contains(at));
    for slot in target.iter_mut().filter(|slot| slot.is_none()) {
        *slot = free.next();
    }
    Some((0..count).filter(|&at| target[at].is_some_and(|to| to >= count)).count())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::Encoding;

    fn layout(text: &str, shape: &[u32]) -> Layout {
        let encoding = Encoding::parse(text, &std::collections::HashMap::new());
        encoding.and_then(|encoding| encoding.layout(shape)).expect("a layout")
    }

    fn blocked(size: [u32; 2], threads: [u32; 2], warps: [u32; 2], order: [u32; 2]) -> String {
        format!(
            "#ttg.blocked<{{sizePerThread = {size:?}, threadsPerWarp = {threads:?}, warpsPerCTA = {warps:?}, order = {order:?}}}>"
        )
    }

    #[test]
    fn conversions_are_as_cheap_as_they_can_be() {
        let shape = [32, 32];
        let of = |text: &str| layout(text, &shape);
        let rows = of(&blocked([1, 4], [4, 8], [4, 1], [1, 0]));
        let same = Conversion::new(&rows, &rows, Rule::default()).expect("a conversion");
        assert_eq!((same.means, same.is_nothing(), same.counts[0]), (Means::Registers, true, 1024));
        // Four elements of a row become a column of four: registers and lanes change places.
        let columns = of(&blocked([4, 1], [8, 4], [1, 4], [0, 1]));
        let shared = Conversion::new(&rows, &columns, Rule::default()).expect("a conversion");
        assert_eq!(shared.means, Means::Shared);
        assert!(shared.counts[Distance::Warp as usize] > 0, "{:?}", shared.counts);
        // One bit changes sides.
        let lanes = of(&blocked([1, 2], [2, 16], [4, 1], [1, 0]));
        let wide = Conversion::new(&rows, &lanes, Rule::default()).expect("a conversion");
        assert_eq!(wide.counts.iter().sum::<u64>(), 1024);
        let ways = wide.ways_of(&[0, 2]);
        assert_eq!(ways.len(), 1, "{ways:?}");
        assert_eq!((ways[0].0.lane, ways[0].0.register, ways[0].1), (0, 2, Distance::Lane));
    }

    #[test]
    fn a_register_order_is_renamed() {
        let before = layout(
            "#ttg.linear<{register = [[0, 1], [1, 0]], lane = [[0, 2], [0, 4], [2, 0], [4, 0], [8, 0]], warp = [], block = []}>",
            &[16, 8],
        );
        let after = layout(
            "#ttg.linear<{register = [[1, 0], [0, 1]], lane = [[0, 2], [0, 4], [2, 0], [4, 0], [8, 0]], warp = [], block = []}>",
            &[16, 8],
        );
        let renamed = Conversion::new(&before, &after, Rule::default()).expect("a conversion");
        assert_eq!((renamed.means, renamed.counts), (Means::Registers, [64, 64, 0, 0, 0]));
        let lanes = layout(
            "#ttg.linear<{register = [[0, 1], [0, 2]], lane = [[1, 0], [0, 4], [2, 0], [4, 0], [8, 0]], warp = [], block = []}>",
            &[16, 8],
        );
        let shuffled = Conversion::new(&before, &lanes, Rule::default()).expect("a conversion");
        assert_eq!((shuffled.means, shuffled.mixed), (Means::Shuffles, Some(1)));
    }

    #[test]
    fn copies_in_lanes_are_shuffled_by_newer_versions() {
        let of = |lanes: &str| {
            let vectors = "#ttg.linear<{register = [[8, 0], [0, 1]], lane = LANES, warp = [], block = []}>";
            layout(&vectors.replace("LANES", lanes), &[16, 8])
        };
        let before = of("[[1, 0], [2, 0], [0, 2], [0, 0], [0, 4]]");
        let after = of("[[2, 0], [1, 0], [0, 2], [0, 0], [0, 4]]");
        let by = |triton: &str, to| {
            let conversion =
                Conversion::new(&before, to, Rule::from_version(TritonVersion::parse(triton))).expect("a conversion");
            (conversion.means, conversion.copies)
        };
        assert_eq!(by("3.4.0", &after), (Means::Shared, true));
        assert_eq!((by("3.6.0", &after), by("3.9.0", &after)), ((Means::Shuffles, false), (Means::Shuffles, false)));
        assert_eq!(by("3.4.0", &before), (Means::Registers, false));
    }
}
