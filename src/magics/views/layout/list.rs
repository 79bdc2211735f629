//! All layouts of a TTGIR, its conversions and its accesses to memory.

use std::collections::BTreeMap;

use super::moves::{self, Group};
use super::source::{Source, by_x};
use crate::render::{Alternative, Block, Column, Document, Table};
use warpbook_ir::layout::Unsupported;
use warpbook_ir::shaped::Operation;

/// Rows of a table that are shown.
const ROWS: usize = 24;
/// Most characters of the text form.
const MOST_TEXT: usize = 3900;

pub fn list(headline: &str, source: &Source<'_>) -> Document {
    let mut lines = Vec::new();
    let mut layouts = Table::from_titles(["layout", "", "of the tensors (how often)"]);
    let mut names: Vec<&&str> = source.aliases.keys().collect();
    names.sort();
    let mut counts: BTreeMap<(String, Vec<u32>), usize> = BTreeMap::new();
    for used in source.uses() {
        *counts.entry((used.encoding, used.shape)).or_default() += 1;
    }
    for name in names {
        let attribute = source.aliases.get(*name).copied().unwrap_or_default();
        if attribute.ends_with("shared_memory") {
            continue;
        }
        let shapes = counts.iter().filter(|((encoding, _), _)| encoding == name);
        let shapes: Vec<String> = shapes.map(|((_, shape), count)| format!("{} ×{count}", by_x(shape))).collect();
        let attribute = attribute.trim_start_matches("#ttg.").trim_start_matches("#ttng.");
        lines.push(format!("{name}  {attribute}  {}", shapes.join(", ")));
        layouts.push([(*name).to_string(), attribute.to_owned(), shapes.join(", ")]);
    }
    let mut tables: Vec<Block> = vec![layouts.into()];
    let moved: Vec<(&Operation, Group, String)> = source
        .operations
        .iter()
        .filter_map(|operation| {
            let moved = moves::find_move(operation, source)?;
            let text = |Unsupported(what): Unsupported| format!("not computed: {what}");
            Some(match moved {
                Ok(moved) => (operation, moved.group(), moved.describe().unwrap_or_else(text)),
                Err(error) => {
                    let group = if operation.name == "ttg.convert_layout" { Group::Conversion } else { Group::Memory };
                    (operation, group, text(error))
                }
            })
        })
        .collect();
    let groups = [
        (Group::Conversion, "conversion", "conversions"),
        (Group::Memory, "access to shared or tensor memory", "accesses to shared or tensor memory"),
        (Group::Global, "access to global memory", "accesses to global memory"),
    ];
    for (group, one, many) in groups {
        let of_group: Vec<_> = moved.iter().filter(|(_, own, _)| *own == group).collect();
        let title = format!("{} {}", of_group.len(), if of_group.len() == 1 { one } else { many });
        lines.push(title.clone());
        if of_group.is_empty() {
            tables.push(Block::Line(title.into()));
            continue;
        }
        let titles = [title.as_str(), "from", "to", "how"];
        let mut table = Table::new(titles.map(Column::text));
        for (operation, _, text) in of_group.iter().take(ROWS) {
            let name = operation.result.clone().unwrap_or_else(|| operation.name.clone());
            let describe = |at: Option<&warpbook_ir::shaped::Shaped>| {
                at.map(|shaped| format!("{} {}", shaped.describe(), shaped.encoding)).unwrap_or_default()
            };
            let (from, to) = (describe(operation.types.first()), describe(operation.types.get(1)));
            let between = if to.is_empty() { from.clone() } else { format!("{from} -> {to}") };
            lines.push(format!("  {name}  {between}: {text}"));
            table.push([name, from, to, text.clone()]);
        }
        if of_group.len() > ROWS {
            let more = format!("… {} more", of_group.len() - ROWS);
            lines.push(format!("  {more}"));
            table.push([more]);
        }
        tables.push(table.into());
    }
    let mut text = lines.join("\n");
    let most = MOST_TEXT.saturating_sub(headline.len() + 1);
    if text.len() > most {
        let end = (0..=most).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
        text.truncate(end);
        text.truncate(text.rfind('\n').unwrap_or(end));
        text += "\n… more in the table";
    }
    Document::new(headline).with(Alternative::new(text, tables))
}
