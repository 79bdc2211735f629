//! The pictures of `%mma`: how a dot is cut into instructions, what one of them reads, how `ldmatrix` deals out rows.

use std::collections::{BTreeMap, BTreeSet};

use super::instruction::{Family, Instruction, Place, number_of};
use super::link::Dot;
use crate::render::grid::{self, Cell, Mark};
use crate::render::{escape_html, table};
use warpbook_gpu::{DescriptorFormat, InstructionDescriptor, MatrixDescriptor};
use warpbook_ir::layout::Placed;
use warpbook_ptx::isa::{MmaKind, Modifier, Opcode};

/// Cells of a picture along one side.
const MOST: u32 = 32;

/// Whether an operand is in registers.
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

/// A dot: a line of text, and its picture.
pub fn dot(dot: &Dot, instructions: &[Instruction], chosen: Option<usize>) -> (String, String) {
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
    let mut html = format!("<details open><summary><strong>{}</strong></summary>", escape_html(&line));
    let shown = chosen.filter(|at| own.contains(at)).or(own.first().copied());
    let tile = shown.and_then(|at| dot.instructions.iter().find(|(own, _)| *own == at)).map(|(_, tile)| *tile);
    let picture = |title: &str, rows: usize, columns: usize| {
        let mut held: BTreeMap<(u32, u32), BTreeSet<usize>> = BTreeMap::new();
        for (at, tile) in &dot.instructions {
            held.entry((tile[rows], tile[columns])).or_default().insert(number_of(instructions, *at));
        }
        let counts = dot.counts();
        let (height, width) = (counts[rows].min(MOST), counts[columns].min(MOST));
        let label = |dimension: usize| {
            let step = dot.step[dimension];
            (0..counts[dimension].min(MOST)).map(|at| (at * step).to_string()).collect::<Vec<_>>()
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
        grid::html(title, &label(columns), &cells)
    };
    if !dot.instructions.is_empty() {
        html += &format!(
            "<div class=\"wb-s\"><div>{}</div><div>{}</div><div>{}</div></div>",
            picture(&format!("A, {m}×{k}: the instructions that read each tile"), 0, 2),
            picture(&format!("B, {k}×{n}"), 2, 1),
            picture(&format!("D, {m}×{n}: those that add to each tile"), 0, 1)
        );
    }
    let mut line = line;
    if let (Some(at), Some(tile)) = (shown, tile) {
        let instruction = &instructions[at];
        let (text, drawn) = one(dot, instruction, number_of(instructions, at), tile);
        line += &text;
        html += &drawn;
        // What the others begin with, where they have descriptors.
        html += &starts(dot, instructions);
    }
    html += "</details>";
    (line, html)
}

fn descriptor_format(instruction: &Instruction) -> DescriptorFormat {
    if instruction.family == Family::Tcgen05 { DescriptorFormat::Tcgen05 } else { DescriptorFormat::Wgmma }
}

/// One instruction: its tile, its descriptors, what it reads.
fn one(dot: &Dot, instruction: &Instruction, number: usize, tile: [u32; 3]) -> (String, String) {
    let from = [0, 1, 2].map(|at| tile[at] * dot.step[at]);
    let span = |at: usize| format!("{}–{}", from[at], from[at] + dot.tile[at].min(dot.shape[at]) - 1);
    let mut text =
        format!("\n  {number} (PTX line {}): rows {} × columns {}, k {}", instruction.line, span(0), span(1), span(2));
    let warps = if instruction.family == Family::Mma { " of warp 0" } else { "" };
    let mut html = format!(
        "<div class=\"wb-c\">instruction {number}{warps}, PTX line {}, <code>{}</code>: rows {} of A, columns {} of B, k {}</div>",
        instruction.line,
        escape_html(&instruction.opcode.to_string()),
        span(0),
        span(1),
        span(2)
    );
    if let Some(value) = instruction.descriptor {
        let kind = instruction.opcode.matrix_kind().unwrap_or(MmaKind::F16).name();
        let mut rows = vec![["bits", "instruction descriptor", &format!("{value:#010x}")].map(str::to_owned).to_vec()];
        let decoded = InstructionDescriptor(value);
        rows.extend(decoded.fields(kind).iter().map(|field| field.to_vec()));
        html += &table::both(&rows).1;
        text += &format!("\n  instruction descriptor {value:#010x}: M {}, N {}", decoded.m(), decoded.n());
        if let Place::TensorMemory(address) = &instruction.d {
            let address = address.map_or("an address known when it runs".to_owned(), |address| format!("{address:#x}"));
            text += &format!("\n  D in tensor memory at {address}");
            html += &format!("<div class=\"wb-c\">D in tensor memory, address {address}</div>");
        }
    }
    let mut tables = String::new();
    let mut pictures = String::new();
    for (at, (name, place)) in [("A", &instruction.a), ("B", &instruction.b)].into_iter().enumerate() {
        match place {
            Place::Shared(Some(bits)) => {
                let decoded = MatrixDescriptor::decode(*bits, descriptor_format(instruction));
                let mut rows = vec![
                    ["bits", &format!("descriptor of {name}"), &format!("{bits:#018x}")].map(str::to_owned).to_vec(),
                ];
                rows.extend(decoded.fields(descriptor_format(instruction)).iter().map(|field| field.to_vec()));
                tables += &format!("<div>{}</div>", table::both(&rows).1);
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
                    pictures += &format!("<div>{}</div>", read(name, placed, first, size));
                }
            }
            Place::Shared(None) => {
                text += &format!("\n  {name}'s descriptor is computed when it runs");
                tables += &format!("<div>the descriptor of {name} is computed when it runs</div>");
            }
            Place::TensorMemory(address) => {
                let address =
                    address.map_or("an address known when it runs".to_owned(), |address| format!("{address:#x}"));
                text += &format!("\n  {name} in tensor memory at {address}");
            }
            Place::Registers(_) => {}
        }
    }
    if !tables.is_empty() {
        let whose = match instruction.undecided.iter().any(|which| [1, 2].contains(&which.operand)) {
            true => "values of the last launch, where block (0, 0, 0) comes first",
            false => "values of the first pass through the code; shared memory begins at 0",
        };
        html += &format!(
            "<div class=\"wb-s\">{tables}</div><div class=\"wb-c\">{whose}</div><div class=\"wb-s\">{pictures}</div>"
        );
    }
    (text, html)
}

/// The tile of an operand in shared memory in pieces of eight rows of 16 bytes; those that the instruction reads are
/// marked.
fn read(name: &str, placed: &Placed, first: [u32; 2], size: [u32; 2]) -> String {
    let shape = &placed.layout.shape;
    let rank = shape.len();
    let contiguous =
        placed.layout.register.first().and_then(|basis| basis.iter().position(|&coordinate| coordinate != 0));
    let along_rows = contiguous == Some(rank - 2);
    let piece = (16 / placed.element_bytes).max(1);
    let step = if along_rows { [piece, 8] } else { [8, piece] };
    let extents = [shape[rank - 2], shape[rank - 1]];
    let counts = [0, 1].map(|at| (extents[at] / step[at]).clamp(1, MOST));
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
    grid::html(&caption, &label(1), &rows)
}

/// A table of all instructions of a dot that have descriptors.
fn starts(dot: &Dot, instructions: &[Instruction]) -> String {
    let mut rows = vec![["", "PTX line", "M", "N", "K", "A at", "B at"].map(str::to_owned).to_vec()];
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
        rows.push(row);
    }
    if rows.len() < 3 {
        return String::new();
    }
    format!("<details><summary>all of them</summary>{}</details>", table::both(&rows).1)
}

/// `ldmatrix` and `stmatrix`: a line of text, and which thread has which element of a matrix.
pub fn matrices(opcode: &Opcode) -> (String, String) {
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
                Cell::of_lane(format!("T{lane}:{}", if along % 2 == 0 { "lo" } else { "hi" }), lane, 0)
            };
            (format!("row {row}"), (0..8).map(cell).collect())
        })
        .collect();
    let columns: Vec<String> = (0..8).map(|column| column.to_string()).collect();
    let caption = format!("one matrix of elements of 16 bits: the thread and the half of its register. It {line}");
    (line.clone(), grid::html(&caption, &columns, &rows))
}
