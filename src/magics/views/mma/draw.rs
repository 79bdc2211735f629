//! The pictures of `%mma`: how a dot is cut into instructions, what one of them reads, how `ldmatrix` deals out rows.

use std::collections::{BTreeMap, BTreeSet};

use super::instruction::{Family, Instruction, Place, number_of};
use super::link::Dot;
use crate::render::grid::{Cell, Grid, Mark};
use crate::render::{Alternative, Block, Column, Fold, Prose, Table};
use warpbook_gpu::{DescriptorFormat, InstructionDescriptor, MatrixDescriptor};
use warpbook_ir::layout::Placed;
use warpbook_ptx::isa::{MmaKind, Modifier, Opcode};

/// Cells of a picture along one side.
const MOST_CELLS: u32 = 32;

/// True if an operand is in registers.
pub fn is_registers(place: &Place) -> bool {
    matches!(place, Place::Registers(_))
}

/// `0–3, 8`
fn ranges(numbers: &BTreeSet<usize>) -> String {
    let mut parts: Vec<(usize, usize)> = Vec::new();
    for &number in numbers {
        match parts.last_mut() {
            Some((_, last)) if *last + 1 == number => *last = number,
            _ => parts.push((number, number)),
        }
    }
    let shown: Vec<String> = parts
        .iter()
        .take(3)
        .map(|(first, last)| if first == last { first.to_string() } else { format!("{first}–{last}") })
        .collect();
    if parts.len() > 3 { format!("{},…", shown.join(",")) } else { shown.join(",") }
}

/// A dot: how it is cut into instructions, and one of them.
pub fn dot(dot: &Dot, instructions: &[Instruction], chosen: Option<usize>) -> Fold {
    let [m, n, k] = dot.shape;
    let [count_m, count_n, count_k] = dot.counts();
    let own: Vec<usize> = dot.instructions.iter().map(|(at, _)| *at).collect();
    let per = match own.first().map(|at| instructions[*at].family) {
        Some(Family::Mma) => "of each warp",
        Some(Family::Wgmma) => "of each warpgroup",
        _ => "of a block",
    };
    let count = count_m * count_n * count_k;
    let plural = if count == 1 { "instruction" } else { "instructions" };
    let line = format!(
        "{} (line {}), {m}×{n}×{k}: {count} {plural} {per}, {count_m} along M × {count_n} along N × {count_k} along K, {}",
        dot.name, dot.line, dot.known_by
    );
    let mut fold = Fold::section(line).open(true);
    let shown = chosen.filter(|at| own.contains(at)).or(own.first().copied());
    let tile = shown.and_then(|at| dot.instructions.iter().find(|(own, _)| *own == at)).map(|(_, tile)| *tile);
    let picture = |caption: String, rows: usize, columns: usize| {
        let mut held: BTreeMap<(u32, u32), BTreeSet<usize>> = BTreeMap::new();
        for (at, tile) in &dot.instructions {
            held.entry((tile[rows], tile[columns])).or_default().insert(number_of(instructions, *at));
        }
        let counts = dot.counts();
        let (height, width) = (counts[rows].min(MOST_CELLS), counts[columns].min(MOST_CELLS));
        let label = |dimension: usize| {
            let step = dot.step[dimension];
            (0..counts[dimension].min(MOST_CELLS)).map(|at| (at * step).to_string()).collect::<Vec<_>>()
        };
        let cells: Vec<(String, Vec<Cell>)> = (0..height)
            .zip(label(rows))
            .map(|(row, label)| {
                let cell = |column: u32| {
                    let text = held.get(&(row, column)).map(ranges).unwrap_or_default();
                    let hue = Some(((row * 3 + column * 45) % 360) as u16);
                    let mark = match tile {
                        Some(tile) if tile[rows] == row && tile[columns] == column => Mark::Chosen,
                        _ => Mark::None,
                    };
                    Cell { text, hue, tone: (row % 4) as u8, region: 0, mark }
                };
                (label, (0..width).map(cell).collect())
            })
            .collect();
        vec![Grid { caption, columns: label(columns), rows: cells }.into()]
    };
    if !dot.instructions.is_empty() {
        fold.push(Block::Columns(vec![
            picture(format!("A, {m}×{k}: the instructions that read each tile"), 0, 2),
            picture(format!("B, {k}×{n}"), 2, 1),
            picture(format!("D, {m}×{n}: the instructions that add to each tile"), 0, 1),
        ]));
    }
    if let (Some(at), Some(tile)) = (shown, tile) {
        fold.push(draw_instruction(dot, &instructions[at], number_of(instructions, at), tile));
        // What the others begin with, where they have descriptors.
        starts(dot, instructions).into_iter().for_each(|others| fold.push(others));
    }
    fold
}

fn descriptor_format(instruction: &Instruction) -> DescriptorFormat {
    if instruction.family == Family::Tcgen05 { DescriptorFormat::Tcgen05 } else { DescriptorFormat::Wgmma }
}

/// One instruction: its tile, its descriptors, what it reads.
fn draw_instruction(dot: &Dot, instruction: &Instruction, number: usize, tile: [u32; 3]) -> Alternative {
    let from = [0, 1, 2].map(|at| tile[at] * dot.step[at]);
    let span = |at: usize| format!("{}–{}", from[at], from[at] + dot.tile[at].min(dot.shape[at]) - 1);
    let mut text =
        format!("  {number} (PTX line {}): rows {} × columns {}, k {}", instruction.line, span(0), span(1), span(2));
    let warps = if instruction.family == Family::Mma { " of warp 0" } else { "" };
    let mut blocks = vec![Block::Line(Prose::from(format!(
        "instruction {number}{warps}, PTX line {}, `{}`: rows {} of A, columns {} of B, k {}",
        instruction.line,
        instruction.opcode,
        span(0),
        span(1),
        span(2)
    )))];
    let placed_at =
        |address: Option<u64>| address.map_or("an address known when it runs".to_owned(), |at| format!("{at:#x}"));
    if let Some(value) = instruction.descriptor {
        let kind = instruction.opcode.matrix_kind().unwrap_or(MmaKind::F16);
        let decoded = InstructionDescriptor(value);
        blocks.push(fields(
            "instruction descriptor",
            format!("{value:#010x}"),
            &decoded.fields(|code| kind.operand_type(code)),
        ));
        text += &format!("\n  instruction descriptor {value:#010x}: M {}, N {}", decoded.m(), decoded.n());
        if let Place::TensorMemory(address) = instruction.d {
            let line = format!("D in tensor memory at {}", placed_at(address));
            text += &format!("\n  {line}");
            blocks.push(Block::Line(line.into()));
        }
    }
    let (mut tables, mut pictures): (Vec<Vec<Block>>, Vec<Vec<Block>>) = (Vec::new(), Vec::new());
    for (at, (name, place)) in [("A", &instruction.a), ("B", &instruction.b)].into_iter().enumerate() {
        match place {
            Place::Shared(Some(bits)) => {
                let format = descriptor_format(instruction);
                let decoded = MatrixDescriptor::decode(*bits, format);
                let title = format!("descriptor of {name}");
                tables.push(vec![fields(&title, format!("{bits:#018x}"), &decoded.fields(format))]);
                let swizzle = decoded.swizzle.map_or("?".to_owned(), |swizzle| swizzle.bytes().to_string());
                text += &format!(
                    "\n  {name} at {:#x}, leading {}, stride {}, swizzle {swizzle}",
                    decoded.start, decoded.leading, decoded.stride
                );
                if let Some(placed) = &dot.memory[at] {
                    let (first, size) = if at == 0 {
                        ([from[0], from[2]], [dot.tile[0], dot.tile[2]])
                    } else {
                        ([from[2], from[1]], [dot.tile[2], dot.tile[1]])
                    };
                    pictures.push(vec![read(name, placed, first, size).into()]);
                }
            }
            Place::Shared(None) => {
                text += &format!("\n  {name}'s descriptor is computed when it runs");
                tables.push(vec![Block::Line(format!("the descriptor of {name} is computed when it runs").into())]);
            }
            Place::TensorMemory(address) => {
                text += &format!("\n  {name} in tensor memory at {}", placed_at(*address));
            }
            Place::Registers(_) => {}
        }
    }
    if !tables.is_empty() {
        let whose = match instruction.undecided.iter().any(|which| [1, 2].contains(&which.operand)) {
            true => "values of the last launch, when block (0, 0, 0) first reaches the instruction",
            false => "values of the first pass through the code; shared memory begins at 0",
        };
        blocks.extend([Block::Columns(tables), Block::Line(whose.into()), Block::Columns(pictures)]);
    }
    Alternative::new(text, blocks)
}

/// The fields of a descriptor under its value: bits, name, value.
fn fields(name: &str, value: String, fields: &[[String; 3]]) -> Block {
    Table::new([Column::text("bits"), Column::text(name), Column::text(value)]).rows(fields.iter().cloned()).into()
}

/// The tile of an operand in shared memory in pieces of eight rows of 16 bytes; those that the instruction reads are
/// marked.
fn read(name: &str, placed: &Placed, first: [u32; 2], size: [u32; 2]) -> Grid {
    let shape = &placed.layout.shape;
    let rank = shape.len();
    let contiguous =
        placed.layout.register.first().and_then(|basis| basis.iter().position(|&coordinate| coordinate != 0));
    let along_rows = contiguous == Some(rank - 2);
    let piece = (16 / placed.element_bytes).max(1);
    let step = if along_rows { [piece, 8] } else { [8, piece] };
    let extents = [shape[rank - 2], shape[rank - 1]];
    let counts = [0, 1].map(|at| (extents[at] / step[at]).clamp(1, MOST_CELLS));
    let label = |at: usize| (0..counts[at]).map(|number| (number * step[at]).to_string()).collect::<Vec<_>>();
    let rows: Vec<(String, Vec<Cell>)> = (0..counts[0])
        .zip(label(0))
        .map(|(row, label)| {
            let cell = |column: u32| {
                let at = [row * step[0], column * step[1]];
                let mut element = vec![0; rank - 2];
                element.extend(at);
                let byte = placed.byte(&element).map_or(0, |(_, byte)| byte);
                let is_read =
                    (0..2).all(|side| at[side] + step[side] > first[side] && at[side] < first[side] + size[side]);
                let hue = Some(((byte / 1024) % 8 * 45 + 210) as u16 % 360);
                let mark = if is_read { Mark::Chosen } else { Mark::None };
                Cell { text: format!("{byte:x}"), hue, tone: (byte / 128 % 4) as u8, region: 0, mark }
            };
            (label, (0..counts[1]).map(cell).collect())
        })
        .collect();
    let caption = format!(
        "{name} in shared memory, in pieces of {}×{} elements with the byte (hex) that each begins at; marked: what is read",
        step[0], step[1]
    );
    Grid { caption, columns: label(1), rows }
}

/// A table of all instructions of a dot; `None` where there is only one.
fn starts(dot: &Dot, instructions: &[Instruction]) -> Option<Fold> {
    let columns = ["", "PTX line", "M", "N", "K"].map(Column::number);
    let mut table = Table::new(columns.into_iter().chain(["A at", "B at"].map(Column::text)));
    for (at, tile) in dot.instructions.iter().take(64) {
        let instruction = &instructions[*at];
        let start = |place: &Place| match place {
            Place::Shared(Some(bits)) => {
                format!("{:#x}", MatrixDescriptor::decode(*bits, descriptor_format(instruction)).start)
            }
            Place::Shared(None) => "computed".to_owned(),
            Place::TensorMemory(_) => "tensor memory".to_owned(),
            Place::Registers(names) => {
                let parts: Vec<&str> = names.split(',').collect();
                match parts.as_slice() {
                    [first, .., last] => format!("{first}…{last}"),
                    [first] => (*first).to_owned(),
                    [] => String::new(),
                }
            }
        };
        let tiles = [0, 1, 2].map(|side| (tile[side] * dot.step[side]).to_string());
        let mut row = vec![number_of(instructions, *at).to_string(), instruction.line.to_string()];
        row.extend(tiles);
        row.extend([start(&instruction.a), start(&instruction.b)]);
        table.push(row);
    }
    (table.len() > 1).then(|| Fold::new("all of them").with(table))
}

/// `ldmatrix` and `stmatrix`: a line of text, and which thread has which element of a matrix.
pub fn matrices(opcode: &Opcode) -> (String, Grid) {
    let count = opcode.modifiers().find_map(Modifier::repetitions).unwrap_or(1);
    let transposed = opcode.has(Modifier::Trans);
    let verb = if opcode.is_store() { "stores" } else { "loads" };
    let line = format!(
        "{verb} {count} {} of 8 rows of 16 bytes{}; lane 8i+r has the address of row r of matrix i, register i its elements",
        if count == 1 { "matrix" } else { "matrices" },
        if transposed { ", transposed" } else { "" }
    );
    let rows: Vec<(String, Vec<Cell>)> = (0..8_u32)
        .map(|row| {
            let cell = |column: u32| {
                let (across, along) = if transposed { (column, row) } else { (row, column) };
                let lane = across * 4 + along / 2;
                Cell::in_lane(format!("T{lane}:{}", if along % 2 == 0 { "lo" } else { "hi" }), lane, 0)
            };
            (format!("row {row}"), (0..8).map(cell).collect())
        })
        .collect();
    let columns: Vec<String> = (0..8).map(|column| column.to_string()).collect();
    let caption = format!("one matrix of elements of 16 bits: the thread and the half of its register. It {line}");
    (line, Grid { caption, columns, rows })
}
