//! Which tile of which dot of the TTGIR an instruction of the PTX computes.

use std::collections::HashMap;

use super::instruction::{Family, Instruction, Place};
use warpbook_gpu::{DescriptorFormat, MatrixDescriptor};
use warpbook_ir::layout::{Encoding, Placed};
use warpbook_ir::shaped::{Kind, Operation, Shaped};

/// A dot of the TTGIR, as its instructions cut it up.
#[derive(Clone, Debug)]
pub struct Dot {
    /// The operation of the TTGIR: `%30 = tt.dot`.
    pub name: String,
    /// Its line in the TTGIR.
    pub line: u32,
    /// M, N and K of the whole.
    pub shape: [u32; 3],
    /// How far one instruction's tile is from the next.
    pub step: [u32; 3],
    /// Extents `[m, n, k]` of the tile that one instruction multiplies.
    pub tile: [u32; 3],
    /// A and B where they are in shared memory.
    pub memory: [Option<Placed>; 2],
    /// The instructions, by their number among all, with their tiles counted along M, N and K.
    pub instructions: Vec<(usize, [u32; 3])>,
    /// How the link was found, in a few words for the reader.
    pub known_by: &'static str,
}

impl Dot {
    /// How many tiles there are along M, N and K.
    pub fn counts(&self) -> [u32; 3] {
        [0, 1, 2].map(|at| (self.shape[at] / self.step[at].max(1)).max(1))
    }

    fn expected(&self) -> usize {
        self.counts().iter().map(|&count| count as usize).product()
    }
}

struct Open<'a> {
    dot: Dot,
    family: Family,
    operation: &'a Operation,
}

/// The dots of a text with the instructions that compute them, and what could not be linked.
pub fn link(
    operations: &[Operation],
    aliases: &HashMap<&str, &str>,
    instructions: &[Instruction],
) -> (Vec<Dot>, Option<String>) {
    let products: Vec<(usize, &Instruction)> =
        instructions.iter().enumerate().filter(|(_, instruction)| instruction.is_product()).collect();
    let mut rest = products.as_slice();
    let mut dots = Vec::new();
    for operation in operations {
        let Some((_, first)) = rest.first() else { break };
        let Some(mut open) = open(operation, aliases, first) else { continue };
        let expected = open.dot.expected();
        let same = rest.iter().take(expected).take_while(|(_, one)| one.opcode == first.opcode).count();
        if same < expected || open.family != first.family {
            let what = format!(
                "{} (line {}) should become {expected} instructions, but the PTX has {same} of `{}` there",
                open.dot.name, operation.line, first.opcode
            );
            return (dots, Some(what));
        }
        let own = &rest[..expected];
        rest = &rest[expected..];
        place(&mut open.dot, own);
        dots.push(open.dot);
    }
    let left = rest.len();
    let note = (left > 0).then(|| format!("{left} more instructions belong to no dot of the TTGIR"));
    (dots, note)
}

fn open<'a>(operation: &'a Operation, aliases: &HashMap<&str, &str>, first: &Instruction) -> Option<Open<'a>> {
    let is_dot = ["tt.dot", "ttng.warp_group_dot", "ttng.tc_gen5_mma"].contains(&operation.name.as_str());
    if !is_dot || operation.types.len() < 3 {
        return None;
    }
    let [a, b, d] = [0, 1, 2].map(|at| &operation.types[at]);
    let last = |shaped: &Shaped| {
        let rank = shaped.shape.len();
        (rank >= 2).then(|| [shaped.shape[rank - 2], shaped.shape[rank - 1]])
    };
    let ([m, k], [_, n]) = (last(a)?, last(b)?);
    let tile = first.shape?;
    let (family, step) = match Encoding::parse(&d.encoding, aliases).ok()? {
        Encoding::Mma(mma) => {
            let rank = mma.warps_per_cta.len();
            let (along_m, along_n) = (mma.warps_per_cta[rank - 2], mma.warps_per_cta[rank - 1]);
            if mma.version == 2 {
                (Family::Mma, [tile[0] * along_m, tile[1] * along_n, tile[2]])
            } else {
                (Family::Wgmma, [16 * along_m, tile[1] * along_n, tile[2]])
            }
        }
        Encoding::TensorMemory(_) => (Family::Tcgen05, tile),
        // Plain FMA has no instruction of its own.
        _ => return None,
    };
    let memory = [a, b].map(|shaped| placed(shaped, aliases));
    let name = operation
        .result
        .as_ref()
        .map_or_else(|| operation.name.clone(), |result| format!("{result} = {}", operation.name));
    let dot = Dot {
        name,
        line: operation.line,
        shape: [m, n, k],
        step,
        tile,
        memory,
        instructions: Vec::new(),
        known_by: "",
    };
    Some(Open { dot, family, operation }).filter(|open| !open.operation.types.is_empty())
}

fn placed(shaped: &Shaped, aliases: &HashMap<&str, &str>) -> Option<Placed> {
    if shaped.kind != Kind::Memory {
        return None;
    }
    match Encoding::parse(&shaped.encoding, aliases).ok()? {
        Encoding::Shared(shared) => {
            let shape = &shaped.shape[shaped.shape.len().saturating_sub(shared.rank())..];
            shared.placed(shape, shaped.element_bits()? / 8).ok()
        }
        _ => None,
    }
}

/// Counts the tiles of a dot's instructions.
fn place(dot: &mut Dot, own: &[(usize, &Instruction)]) {
    let is_tcgen05 = own[0].1.family == Family::Tcgen05;
    let format = if is_tcgen05 { DescriptorFormat::Tcgen05 } else { DescriptorFormat::Wgmma };
    if let Some(tiles) = by_descriptors(dot, own, format) {
        dot.known_by = "by the addresses in the descriptors";
        dot.instructions = own.iter().map(|(at, _)| *at).zip(tiles).collect();
        return;
    }
    let counts = dot.counts();
    let registers = |place: &Place| if let Place::Registers(names) = place { Some(names.clone()) } else { None };
    // The order of the three loops: the one under which equal registers are equal tiles.
    for order in [[2, 0, 1], [0, 1, 2], [2, 1, 0], [0, 2, 1], [1, 0, 2], [1, 2, 0]] {
        let tiles: Vec<[u32; 3]> = (0..own.len() as u32)
            .map(|number| {
                let (mut rest, mut tile) = (number, [0; 3]);
                for &dimension in order.iter().rev() {
                    tile[dimension] = rest % counts[dimension];
                    rest /= counts[dimension];
                }
                tile
            })
            .collect();
        let mut held: HashMap<(usize, [u32; 2]), String> = HashMap::new();
        let mut taken: HashMap<(usize, String), [u32; 2]> = HashMap::new();
        let fits = own.iter().zip(&tiles).all(|((_, one), tile)| {
            [(0, &one.a, [tile[0], tile[2]]), (1, &one.b, [tile[1], tile[2]])].into_iter().all(|(which, place, key)| {
                let Some(names) = registers(place) else { return true };
                let is_same = held.entry((which, key)).or_insert_with(|| names.clone()) == &names;
                is_same && *taken.entry((which, names)).or_insert(key) == key
            })
        });
        if fits {
            dot.known_by = if own.iter().any(|(_, one)| registers(&one.a).is_some() && registers(&one.b).is_some()) {
                "by the registers that hold A and B"
            } else {
                "by their order"
            };
            dot.instructions = own.iter().map(|(at, _)| *at).zip(tiles).collect();
            return;
        }
    }
    dot.known_by = "not known: registers are used again";
}

/// The tiles by what each descriptor begins with, the first one's being the beginning of the whole.
fn by_descriptors(dot: &Dot, own: &[(usize, &Instruction)], format: DescriptorFormat) -> Option<Vec<[u32; 3]>> {
    let start = |place: &Place| match place {
        Place::Shared(Some(bits)) => Some(MatrixDescriptor::decode(*bits, format).start),
        _ => None,
    };
    let first_b = start(&own[0].1.b)?;
    let first_a = start(&own[0].1.a);
    let element_at = |placed: &Placed| -> HashMap<u32, [u32; 2]> {
        let shape = &placed.layout.shape;
        let (rows, columns) = (shape[shape.len() - 2], shape[shape.len() - 1]);
        let mut found = HashMap::new();
        for row in 0..rows {
            for column in 0..columns {
                let mut at = vec![0; shape.len() - 2];
                at.extend([row, column]);
                if let Some((_, byte)) = placed.byte(&at) {
                    found.insert(byte, [row, column]);
                }
            }
        }
        found
    };
    let of_b = element_at(dot.memory[1].as_ref()?);
    let of_a = dot.memory[0].as_ref().map(element_at);
    let counts = dot.counts();
    let mut tiles = Vec::new();
    for (number, (_, one)) in own.iter().enumerate() {
        let [k, n] = *of_b.get(&start(&one.b)?.checked_sub(first_b)?)?;
        let m = match (&of_a, first_a) {
            (Some(of_a), Some(first)) => {
                let [m, k_of_a] = *of_a.get(&start(&one.a)?.checked_sub(first)?)?;
                if k_of_a != k {
                    return None;
                }
                m / dot.step[0]
            }
            // A is in registers: rows come first.
            _ => number as u32 / (counts[1] * counts[2]).max(1),
        };
        tiles.push([m, n / dot.step[1], k / dot.step[2]]);
    }
    Some(tiles)
}
