//! The tables and pictures of `%tma`.

use serde_json::json;

use super::copy::{Copy, ROWS, banks};
use super::descriptor::Descriptor;
use crate::magics::views::layout::memory_grids;
use crate::render::grid::{Cell, Grid, Mark};
use crate::render::{Alternative, Block, Column, Document, Fold, Limited, Output, Prose, Table, bytes_text};
use crate::workspace::Workspace;
use warpbook_device::TensorMap;
use warpbook_gpu::swizzled;
use warpbook_ir::layout::Shared;

pub fn output(
    headline: &str,
    shown: &[&Descriptor],
    notes: &[String],
    at: Option<&[i64]>,
    workspace: &Workspace,
) -> Output {
    let mut document = Document::new(headline);
    let mut facts = Vec::new();
    for one in shown {
        let (body, fact) = descriptor(one, at, workspace);
        let otherwise = Some(format!("{}: in the picture", one.name).into());
        document.push(Limited { most: 3600, body: vec![body], otherwise });
        facts.push(fact);
    }
    notes.iter().for_each(|note| document.line(note));
    document.with_facts(json!({"descriptors": facts})).output()
}

/// What the hardware does not take of what the compiler chose. PTX ISA, "Tensors"; CUDA Driver API,
/// `cuTensorMapEncodeTiled`.
fn broken_box(one: &Descriptor) -> Vec<String> {
    let mut found = Vec::new();
    let block = one.block();
    if block.iter().any(|&extent| extent == 0 || extent > 256) {
        found.push("an extent of the box is not in 1 to 256".to_owned());
    }
    let inner = block.last().copied().unwrap_or(0).saturating_mul(one.element_bytes());
    if !inner.is_multiple_of(16) {
        found.push(format!("the inner extent has {inner} bytes, no multiple of 16"));
    }
    let swizzle = one.swizzle();
    if swizzle > 0 && inner > swizzle {
        found.push(format!("the inner extent has {inner} bytes, more than the swizzle of {swizzle}"));
    }
    found
}

/// Rules that a descriptor breaks; empty where all hold.
fn broken(one: &Descriptor) -> Vec<String> {
    match &one.map {
        Some(map) => map
            .broken()
            .iter()
            .map(|rule| format!("{}: {}, expected {}", rule.field, rule.problem, rule.expected))
            .collect(),
        None => broken_box(one),
    }
}

/// `128×64`, outermost first.
fn extents<T: ToString>(values: &[T]) -> String {
    values.iter().map(T::to_string).collect::<Vec<_>>().join("×")
}

/// The buffer that an address is in, with the offset.
fn place(address: u64, workspace: &Workspace) -> String {
    let buffer = workspace.buffers.iter().find(|buffer| {
        let bytes = buffer.numel() as u64 * buffer.dtype.size() as u64;
        buffer.place == workspace.device.place() && (buffer.address..buffer.address + bytes.max(1)).contains(&address)
    });
    match buffer {
        Some(buffer) if buffer.address == address => buffer.name.clone(),
        Some(buffer) => format!("{}+{:#x}", buffer.name, address - buffer.address),
        None => format!("{address:#x}"),
    }
}

/// Fields with the bits of the 128 bytes that hold them.
fn fields(map: &TensorMap, workspace: &Workspace) -> Vec<[String; 3]> {
    let mut rows = vec![[
        "address".to_owned(),
        "0–7".to_owned(),
        format!("{:#x} ({})", map.address, place(map.address, workspace)),
    ]];
    let mut add = |name: String, bytes: &str, value: String| rows.push([name, bytes.to_owned(), value]);
    add("dimensions".into(), "8, bits 4–6", map.rank().to_string());
    add(
        "element type".into(),
        "8, bits 7–10",
        match map.element.is_packed() {
            true => format!("{:?}, {} bits", map.element, map.element.global_bits()).to_lowercase(),
            false => format!("{:?}, {} bytes", map.element, map.element.size()).to_lowercase(),
        },
    );
    add("interleave".into(), "9, bits 3–4", format!("{:?}", map.interleave).to_lowercase());
    let swizzle = map.swizzle.bytes().map_or("none".to_owned(), |bytes| format!("{bytes} bytes"));
    add("swizzle".into(), "9, bits 5–6", swizzle);
    add("fill".into(), "9, bit 7", if map.fill_nan { "NaN" } else { "zero" }.to_owned());
    let promotion = ["none", "64 bytes", "128 bytes", "256 bytes"][usize::from(map.l2_promotion.min(3))];
    add("L2 promotion".into(), "10, bits 1–2", promotion.to_owned());
    for (dimension, extent) in map.dims.iter().enumerate() {
        let from = 32 + 4 * dimension;
        add(format!("extent {dimension}"), &format!("{from}–{}", from + 3), format!("{extent} elements"));
    }
    for (dimension, stride) in map.strides.iter().enumerate() {
        let from = 12 + 4 * dimension;
        add(
            format!("stride {}", dimension + 1),
            &format!("{from}–{}, and 4 bits", from + 3),
            format!("{stride} bytes"),
        );
    }
    for (dimension, extent) in map.tile.iter().enumerate() {
        let at = 55 + dimension;
        add(format!("box {dimension}"), &at.to_string(), format!("{extent} elements"));
    }
    if map.element_strides.iter().any(|&step| step != 1) {
        add("element strides".into(), "52–53", extents(&map.element_strides));
    }
    rows
}

fn descriptor(one: &Descriptor, at: Option<&[i64]>, workspace: &Workspace) -> (Block, serde_json::Value) {
    let block = one.block();
    let element_bytes = one.element_bytes();
    let bytes = block.iter().map(|&extent| u64::from(extent)).product::<u64>() * u64::from(element_bytes);
    let swizzle = one.swizzle();
    let swizzled_by = if swizzle == 0 { "no swizzle".to_owned() } else { format!("swizzle {swizzle} B") };
    if block.is_empty() {
        return (Block::Line(format!("{}: {}", one.name, one.from).into()), json!({"name": one.name}));
    }
    let rules = broken(one);
    let rules = if rules.is_empty() { "the hardware's rules hold".to_owned() } else { rules.join("; ") };
    let summary = format!(
        "{}: box {} of {element_bytes} B elements · {} per copy · {swizzled_by} · {rules}",
        one.name,
        extents(&block),
        bytes_text(bytes)
    );
    let mut fold = Fold::section(summary).open(true);
    fold.push(Alternative::in_html([Prose::from(one.from).into()]));
    if let Some(map) = &one.map {
        let dims: Vec<u64> = map.dims.iter().rev().copied().collect();
        let strides: Vec<u64> = map.strides.iter().rev().copied().collect();
        let text = format!(
            "  tensor {} at {}, rows {} bytes apart, {}",
            extents(&dims),
            place(map.address, workspace),
            if strides.is_empty() { "-".to_owned() } else { extents(&strides) },
            one.from
        );
        let table = Table::from_titles(["field (dimension 0 is contiguous)", "byte", "value"]);
        let mut columns = vec![vec![table.rows(fields(map, workspace)).into()]];
        if let Some(raw) = &one.bytes {
            let lines: Vec<String> = raw
                .chunks(16)
                .take(5)
                .enumerate()
                .map(|(line, sixteen)| {
                    let hex: Vec<String> = sixteen.iter().map(|byte| format!("{byte:02x}")).collect();
                    format!("{:>3}  {}", line * 16, hex.join(" "))
                })
                .collect();
            let title = Prose::from("its bytes (the rest are zero)");
            columns.push(vec![title.into(), Block::Verbatim(lines.join("\n"))]);
        }
        fold.push(Alternative::new(text, [Block::Columns(columns)]));
    }
    let mut fact = json!({
        "name": one.name, "box": block, "element_bytes": element_bytes, "bytes": bytes, "swizzle": swizzle,
        "from": one.from,
    });
    if one.map.as_ref().is_some_and(|map| map.element.is_packed()) {
        fold.push(Block::Line("copies of elements of less than a byte are not drawn".to_owned().into()));
    } else if let (Some(map), Some(at)) = (&one.map, at) {
        let (drawn, moved) = copied(map, at, swizzle, workspace);
        fold.push(drawn);
        fact["copy"] = moved;
    } else if let [.., rows, columns] = block[..]
        && rows.is_power_of_two()
        && columns.is_power_of_two()
        && [1, 2, 4, 8].contains(&element_bytes)
    {
        let shared = Shared::nvmma(swizzle, element_bytes * 8);
        if let Ok(placed) = shared.placed(&[rows, columns], element_bytes) {
            memory_grids(&placed, None, None).into_iter().for_each(|block| fold.push(block));
        }
    }
    (fold.into(), fact)
}

/// What a copy moves.
fn copied(map: &TensorMap, at: &[i64], swizzle: u32, workspace: &Workspace) -> (Alternative, serde_json::Value) {
    let copy = Copy::new(map, at);
    let fill = if map.fill_nan { "NaN" } else { "zeros" };
    let corner = at.iter().map(i64::to_string).collect::<Vec<_>>().join(",");
    let mut text = match copy.span() {
        Some((from, to)) => format!(
            "  at [{corner}]: {} from {} to {} (address {from:#x})",
            bytes_text(copy.moved),
            place(from, workspace),
            place(to - 1, workspace)
        ),
        None => format!("  at [{corner}]: all of the box is outside the tensor, nothing is read"),
    };
    if copy.filled > 0 {
        text += &format!(", {} outside the tensor: {fill} on load, not written on store", bytes_text(copy.filled));
    }
    let head = text.clone();
    let mut rows = Vec::new();
    let pieces = copy.row_bytes / 16;
    // A row of 16 bytes is one without a swizzle.
    let landed = |byte: u32| swizzled(byte.into(), swizzle.max(16).into()) as u32;
    for row in copy.rows.iter().take(ROWS) {
        let at: Vec<String> = row.at.iter().map(i64::to_string).collect();
        let global = row.global.map_or("outside".to_owned(), |(from, _)| place(from, workspace));
        let size = map.element.size() as u32;
        let places: Vec<u32> = (0..pieces).map(|piece| landed(row.shared + piece * 16)).collect();
        let range = format!("{:x}–{:x}", row.shared, row.shared + copy.row_bytes - 1);
        let of_banks: Vec<String> = places.iter().take(8).map(|place| banks(*place)).collect();
        rows.push([
            format!("[{}]", at.join(",")),
            global,
            (row.parts[1] * size).to_string(),
            ((row.parts[0] + row.parts[2]) * size).to_string(),
            range,
            of_banks.join(" "),
        ]);
    }
    let more = copy.rows.len().saturating_sub(ROWS);
    for row in rows.iter().take(4) {
        text += &format!(
            "\n    {} {}: {} B, {} B filled, shared {}, banks {}",
            row[0], row[1], row[2], row[3], row[4], row[5]
        );
    }
    if copy.rows.len() > 4 {
        text += &format!("\n    … {} rows more", copy.rows.len() - 4);
    }
    // The box as it lies in shared memory.
    let cells: Vec<(String, Vec<Cell>)> = copy
        .rows
        .iter()
        .take(ROWS)
        .map(|row| {
            let size = map.element.size() as u32;
            let cell = |piece: u32| {
                let byte = landed(row.shared + piece * 16);
                let (first, last) = (piece * 16 / size, (piece * 16 + 15) / size);
                let (from, to) = (row.parts[0], row.parts[0] + row.parts[1]);
                let outside = row.global.is_none() || last < from || first >= to;
                let partly = !outside && (first < from || last >= to);
                let hue = Some((byte / 16 % 8 * 45 + 210) as u16 % 360);
                let mark = if outside || partly { Mark::Bad } else { Mark::None };
                Cell {
                    text: format!("{byte:x}"),
                    hue,
                    tone: if outside { 0 } else { 2 },
                    region: u32::from(outside),
                    mark,
                }
            };
            let at: Vec<String> = row.at.iter().map(i64::to_string).collect();
            (at.join(","), (0..pieces).map(cell).collect())
        })
        .collect();
    let per = 16 / map.element.size().max(1) as i64;
    let innermost = at.last().copied().unwrap_or(0);
    let labels: Vec<String> = (0..pieces).map(|piece| (innermost + i64::from(piece) * per).to_string()).collect();
    let cut = if more > 0 { format!(" (its first {ROWS} rows)") } else { String::new() };
    let red = if copy.filled > 0 { "; red: outside the tensor" } else { "" };
    let caption = format!(
        "the box{cut} in pieces of 16 bytes: the byte of shared memory (hex) that each goes to, coloured by its banks{red}"
    );
    let [row, global, shared, banks] =
        ["row", "global", "shared (hex)", "banks of its pieces of 16 bytes"].map(Column::text);
    let [bytes, filled] = ["bytes", "filled"].map(Column::number);
    let table = Table::new([row, global, bytes, filled, shared, banks]).rows(rows);
    let mut row_by_row = Fold::new("row by row").with(table);
    if more > 0 {
        row_by_row.push(Prose::from(format!("… {more} rows more")));
    }
    let grid = Grid { caption, columns: labels, rows: cells };
    let drawn = [Prose::from(head.trim()).into(), grid.into(), row_by_row.into()];
    let span = copy.span();
    (
        Alternative::new(text, drawn),
        json!({"moved": copy.moved, "filled": copy.filled, "rows": copy.rows.len(),
        "from": span.map(|span| span.0), "to": span.map(|span| span.1)}),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use warpbook_compiler::TensorDesc;

    #[test]
    fn rules_of_the_hardware() {
        let desc = |swizzle, block_size: &[u32]| Descriptor {
            name: "a".to_owned(),
            compiled: Some(TensorDesc {
                swizzle,
                element_size: 2,
                element_type: 6,
                block_size: block_size.to_vec(),
                fp4_padded: false,
            }),
            map: None,
            bytes: None,
            from: "",
        };
        assert_eq!(broken(&desc(3, &[128, 64])), Vec::<String>::new());
        assert_eq!(broken(&desc(3, &[128, 128])), ["the inner extent has 256 bytes, more than the swizzle of 128"]);
        assert_eq!(broken(&desc(0, &[512, 4])).len(), 2);
    }
}
