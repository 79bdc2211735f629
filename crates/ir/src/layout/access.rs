//! What a warp's accesses cost: rounds of shared memory, sectors of global memory.

use super::banks::{BANKS, bank, ways};
use super::linear::{Basis, Layout, Place};
use super::shared::Placed;

/// The kind of instruction by which a warp accesses shared memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Through {
    /// `ld.shared` or `st.shared`, with the number of bytes per lane.
    Lanes(u32),
    /// `ldmatrix` or `stmatrix`: rows of 16 bytes, eight a matrix.
    Matrices {
        /// True for the `.trans` form, which moves columns.
        transposed: bool,
    },
    /// The tensor core or the TMA unit: eight rows of 16 bytes at a time.
    Core,
}

/// Elements that are in the way of one another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Collision {
    /// Number of the bank, 0 to 31.
    pub bank: u32,
    /// An element of each of the words that want it at the same time, with the lane or row that asks.
    pub elements: Vec<(u32, Vec<u32>)>,
}

/// What the accesses of one warp cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedCost {
    /// The kind of instruction that makes the accesses.
    pub through: Through,
    /// Instructions of a warp; of matrices, loads of one 8×8 matrix.
    pub requests: u32,
    /// Number of rounds (wavefronts) of the instruction that needs most.
    pub rounds: u32,
    /// Rounds that it would take without conflicts.
    pub least: u32,
    /// An example of a bank conflict in that instruction; `None` if there is none.
    pub collision: Option<Collision>,
}

impl SharedCost {
    /// The access of a tensor in registers to shared memory, lane by lane.
    pub fn for_lanes(registers: &Layout, memory: &Placed) -> Self {
        let bytes = memory.element_bytes;
        // Registers that hold neighbours go into one instruction, up to 16 bytes, if nothing else moves an element
        // among its neighbours.
        let offset = |basis: &Basis| memory.offset(basis).unwrap_or(0);
        let offsets: Vec<u32> = registers.register.iter().map(offset).collect();
        let others: Vec<u32> = registers.lane.iter().chain(&registers.warp).map(offset).collect();
        let mut vector = Vec::new();
        while bytes << (vector.len() + 1) <= 16 {
            let low = (2 << vector.len()) - 1;
            let Some(bit) = offsets.iter().position(|&offset| offset == 1 << vector.len()) else { break };
            let rest = offsets.iter().enumerate().filter(|(at, _)| *at != bit && !vector.contains(at));
            let is_moved = rest.map(|(_, offset)| offset).chain(&others).any(|offset| offset & low != 0);
            if is_moved || memory.paddings.iter().any(|(interval, _)| *interval <= low) {
                break;
            }
            vector.push(bit);
        }
        let width = bytes << vector.len();
        let rest: Vec<usize> = (0..registers.register.len())
            .filter(|bit| !vector.contains(bit) && registers.register[*bit].iter().any(|&coordinate| coordinate != 0))
            .collect();
        let lanes_at_once = (128 / width.max(4)).min(32);
        let mut cost =
            Self { through: Through::Lanes(width), requests: 1 << rest.len(), rounds: 0, least: 0, collision: None };
        for request in 0..(1_u32 << rest.len().min(6)) {
            let chosen = rest.iter().enumerate().filter(|(bit, _)| request >> bit & 1 == 1);
            let register: u32 = chosen.map(|(_, bit)| 1 << bit).sum();
            let mut rounds = 0;
            let mut worst: Option<Collision> = None;
            for first in (0..32).step_by(lanes_at_once as usize) {
                let accesses: Vec<(u32, Vec<u32>, u32)> = (first..first + lanes_at_once)
                    .filter_map(|lane| {
                        let at = registers.element(Place { lane, register, ..Place::default() });
                        let (_, byte) = memory.byte(&at)?;
                        Some((lane, at, byte))
                    })
                    .collect();
                rounds += ways(accesses.iter().flat_map(|(_, _, byte)| words(*byte, width)));
                let collision = collision(&accesses, width);
                if collision.as_ref().map_or(0, |found| found.elements.len())
                    > worst.as_ref().map_or(1, |found| found.elements.len())
                {
                    worst = collision;
                }
            }
            if rounds > cost.rounds {
                cost.rounds = rounds;
                cost.collision = worst;
            }
        }
        cost.least = (32 / lanes_at_once).min(cost.rounds);
        cost
    }

    /// The access of a dot operand to shared memory by `ldmatrix`, where its rows are as that needs them.
    pub fn for_matrices(registers: &Layout, memory: &Placed) -> Option<Self> {
        let bytes = memory.element_bytes;
        if bytes > 4 || registers.lane.len() != 5 || !memory.paddings.is_empty() {
            return None;
        }
        // Offsets within 16 bytes: first those of one register of 32 bits, then two bits of the lane.
        let (within, across) = ((4 / bytes).ilog2() as usize, (16 / bytes).ilog2() as usize);
        let offset = memory.layout.register.get(..across)?;
        let straight = offset[..within].iter().eq(registers.register.get(..within)?)
            && offset[within..].iter().eq(&registers.lane[..2]);
        // Transposed, elements of 16 bits: eight lanes' rows are its columns.
        let transposed = bytes == 2 && offset.iter().eq(&registers.lane[2..]);
        if !straight && !transposed {
            return None;
        }
        let row_bits: Vec<Place> = if straight {
            (2..5).map(|bit| Place { lane: 1 << bit, ..Place::default() }).collect()
        } else {
            let lanes = (0..2).map(|bit| Place { lane: 1 << bit, ..Place::default() });
            std::iter::once(Place { register: 1, ..Place::default() }).chain(lanes).collect()
        };
        let registers_held = registers.register.iter().filter(|basis| basis.iter().any(|&coordinate| coordinate != 0));
        let requests = 1 << registers_held.count().saturating_sub(within);
        let mut cost = Self::for_rows(memory, |row| {
            let bits = row_bits.iter().enumerate().filter(|(bit, _)| row >> bit & 1 == 1);
            let place = bits.fold(Place::default(), |place, (_, bit)| Place {
                lane: place.lane | bit.lane,
                register: place.register | bit.register,
                ..place
            });
            registers.element(place)
        });
        cost.through = Through::Matrices { transposed: !straight };
        cost.requests = requests;
        Some(cost)
    }

    /// Eight rows of 16 bytes that the tensor core reads together.
    pub fn for_core(memory: &Placed) -> Option<Self> {
        let rank = memory.layout.shape.len();
        let contiguous = memory.layout.register.first()?.iter().position(|&coordinate| coordinate != 0)?;
        let row = if rank < 2 {
            return None;
        } else if contiguous == rank - 1 {
            rank - 2
        } else {
            rank - 1
        };
        if memory.layout.shape[row] < 8 {
            return None;
        }
        Some(Self::for_rows(memory, |number| {
            let mut at = vec![0; rank];
            at[row] = number;
            at
        }))
    }

    fn for_rows(memory: &Placed, first: impl Fn(u32) -> Vec<u32>) -> Self {
        let rows: Vec<(u32, Vec<u32>, u32)> = (0..8)
            .filter_map(|row| {
                let at = first(row);
                let (_, byte) = memory.byte(&at)?;
                Some((row, at, byte))
            })
            .collect();
        let rounds = ways(rows.iter().flat_map(|(_, _, byte)| words(*byte, 16)));
        let collision = collision(&rows, 16).filter(|_| rounds > 1);
        Self { through: Through::Core, requests: 1, rounds, least: 1, collision }
    }
}

fn words(byte: u32, width: u32) -> impl Iterator<Item = u32> {
    (0..width.div_ceil(4)).map(move |word| byte + 4 * word)
}

/// The bank that most different words want.
fn collision(accesses: &[(u32, Vec<u32>, u32)], width: u32) -> Option<Collision> {
    let mut banks: Vec<Vec<(u32, u32, &Vec<u32>)>> = vec![Vec::new(); BANKS as usize];
    for (lane, at, byte) in accesses {
        for word in words(*byte, width) {
            let found = &mut banks[bank(word) as usize];
            if !found.iter().any(|(known, _, _)| *known == word / 4) {
                found.push((word / 4, *lane, at));
            }
        }
    }
    let worst = (0..banks.len()).rev().max_by_key(|&bank| banks[bank].len())?;
    if banks[worst].len() < 2 {
        return None;
    }
    let elements = banks[worst].iter().map(|(_, lane, at)| (*lane, (*at).clone())).collect();
    Some(Collision { bank: worst as u32, elements })
}

/// What a warp's access to global memory costs, if neighbours along one dimension are neighbours in memory and rows begin
/// at sectors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GlobalCost {
    /// The dimension along which neighbours are neighbours in memory.
    pub along: usize,
    /// Bytes that a lane moves with one instruction.
    pub width: u32,
    /// Number of instructions that one warp executes.
    pub requests: u32,
    /// Sectors of 32 bytes that one of them touches.
    pub sectors: u32,
    /// Number of sectors that the same bytes would need without gaps.
    pub least: u32,
}

impl GlobalCost {
    /// The cost of the access to a tensor in registers, whose elements have `element_bytes` bytes. Neighbours along the
    /// dimension `along` are neighbours in memory.
    pub fn compute(registers: &Layout, along: usize, element_bytes: u32) -> Self {
        let along = along.min(registers.shape.len().saturating_sub(1));
        let neighbour = |bit: usize| {
            registers.register.iter().position(|basis| {
                basis.iter().enumerate().all(|(at, &coordinate)| coordinate == if at == along { 1 << bit } else { 0 })
            })
        };
        let most = (16 / element_bytes.max(1)).max(1).ilog2() as usize;
        let vector: Vec<usize> = (0..).map_while(neighbour).take(most).collect();
        let width = element_bytes << vector.len();
        let rest = (0..registers.register.len())
            .filter(|bit| !vector.contains(bit) && registers.register[*bit].iter().any(|&coordinate| coordinate != 0));
        let mut touched: Vec<(Vec<u32>, u32)> = Vec::new();
        let mut bytes: Vec<Vec<u32>> = Vec::new();
        for lane in 0..32 {
            let at = registers.element(Place { lane, ..Place::default() });
            let mut row = at.clone();
            row[along] = 0;
            let start = at[along] * element_bytes;
            for sector in start / 32..=(start + width - 1) / 32 {
                touched.push((row.clone(), sector));
            }
            bytes.push(at);
        }
        touched.sort();
        touched.dedup();
        bytes.sort();
        bytes.dedup();
        Self {
            along,
            width,
            requests: 1 << rest.count(),
            sectors: touched.len() as u32,
            least: (bytes.len() as u32 * width).div_ceil(32),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::{Cluster, Encoding, Order, Shared};

    fn layout(text: &str, shape: &[u32]) -> Layout {
        let encoding = Encoding::parse(text, &std::collections::HashMap::new());
        encoding.and_then(|encoding| encoding.layout(shape)).expect("a layout")
    }

    fn swizzled(max_phase: u32) -> Placed {
        let order = Order::Swizzled { vec: 8, per_phase: 1, max_phase, order: vec![1, 0] };
        Shared { order, cluster: Cluster::default() }.placed(&[64, 64], 2).expect("a layout")
    }

    const OPERAND: &str = "#ttg.dot_op<{opIdx = 0, parent = #ttg.nvidia_mma<{versionMajor = 2, versionMinor = 0, warpsPerCTA = [4, 1], instrShape = [16, 8]}>, kWidth = 2}>";

    #[test]
    fn a_swizzle_keeps_ldmatrix_free_of_conflicts() {
        let operand = layout(OPERAND, &[64, 64]);
        let rounds = |placed: &Placed| SharedCost::for_matrices(&operand, placed).map(|cost| cost.rounds);
        assert_eq!([1, 2, 8].map(|phases| rounds(&swizzled(phases))), [Some(8), Some(4), Some(1)]);
        for swizzle in [32, 64, 128] {
            let placed = Shared::nvmma(swizzle, 16).placed(&[64, 64], 2).expect("a layout");
            assert_eq!(SharedCost::for_core(&placed).map(|cost| cost.rounds), Some(1), "{swizzle}");
        }
        let cost = SharedCost::for_matrices(&operand, &swizzled(1)).expect("matrices");
        let rows: Vec<u32> = cost.collision.expect("a collision").elements.iter().map(|(_, at)| at[0]).collect();
        assert_eq!((cost.through, rows), (Through::Matrices { transposed: false }, (0..8).collect()));
    }

    #[test]
    fn sectors_follow_the_order() {
        let blocked = |order: &str| {
            format!(
                "#ttg.blocked<{{sizePerThread = [1, 4], threadsPerWarp = [4, 8], warpsPerCTA = [4, 1], order = {order}}}>"
            )
        };
        let cost = GlobalCost::compute(&layout(&blocked("[1, 0]"), &[64, 64]), 1, 4);
        assert_eq!((cost.along, cost.width, cost.sectors, cost.least, cost.requests), (1, 16, 16, 16, 8));
        // One lane a row: each reads four bytes of a sector.
        let column =
            "#ttg.blocked<{sizePerThread = [1, 1], threadsPerWarp = [32, 1], warpsPerCTA = [1, 4], order = [1, 0]}>";
        let cost = GlobalCost::compute(&layout(column, &[64, 64]), 1, 4);
        assert_eq!((cost.along, cost.sectors, cost.least), (1, 32, 4));
    }

    #[test]
    fn lanes_of_a_column_collide() {
        let columns =
            "#ttg.blocked<{sizePerThread = [1, 1], threadsPerWarp = [32, 1], warpsPerCTA = [1, 1], order = [0, 1]}>";
        let placed = Shared {
            order: Order::Swizzled { vec: 1, per_phase: 1, max_phase: 1, order: vec![1, 0] },
            cluster: Cluster::default(),
        }
        .placed(&[32, 32], 4)
        .expect("a layout");
        let cost = SharedCost::for_lanes(&layout(columns, &[32, 32]), &placed);
        assert_eq!((cost.through, cost.rounds, cost.least), (Through::Lanes(16), 32, 4));
        assert_eq!(cost.collision.map(|found| found.elements.len()), Some(8));
    }
}
