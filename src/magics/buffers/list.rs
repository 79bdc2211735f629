//! `%bufs`: lists buffers and scalars.

use serde_json::json;

use crate::magics::declare::Typed;
use crate::magics::{Example, Kind, Magic, Needs, Spec};
use crate::render::{Column, Document, Output, Table, bytes_text};
use crate::workspace::{Context, Workspace};
use warpbook_device::{Buffer, Device};
use warpbook_diagnostic::Result;

/// `%bufs`
pub struct Bufs;

const SPEC: Spec = Spec {
    name: "bufs",
    kind: Kind::Line,
    summary: "list the buffers and the named scalars",
    arguments: &[],
    options: &[],
    details: "",
    examples: &[Example { cell: "%bufs", needs: Needs::Buffers, shows: "a     f16   [64, 64]  8 KiB" }],
};

impl Magic for Bufs {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn run(&self, _: &Typed<'_>, workspace: &mut Workspace, _: Context<'_>) -> Result<Option<Output>> {
        // Where they live is said where it is not all in one place.
        let apart = !workspace.is_in_one_place();
        let rows: Vec<Vec<String>> = workspace.buffers.iter().map(|buffer| row(buffer, apart)).collect();
        let scalars: Vec<String> = workspace.scalars.iter().map(|(name, value)| format!("{name} = {value}")).collect();
        if rows.is_empty() && scalars.is_empty() {
            return Ok(Some(Output::text("no buffers; `%buf a = zeros(4)` makes one")));
        }
        let mut document = Document::default();
        if !rows.is_empty() {
            let mut columns = ["name", "type", "shape"].map(Column::text).to_vec();
            columns.push(Column::number("size").left_in_text());
            columns.extend(apart.then(|| Column::text("device")));
            columns.extend(["address", "made by"].map(Column::text));
            document.push(Table::new(columns).rows(rows));
            let of_device = |device: &dyn Device| {
                let total: u64 = workspace.buffers_at(device.place()).map(|buffer| buffer.bytes).sum();
                let name = if apart { device.place().to_string() } else { device.name() };
                (total > 0 || !apart).then(|| format!("{} on {name}", bytes_text(total)))
            };
            let devices = if apart { usize::MAX } else { 1 };
            let total = workspace.devices().take(devices).filter_map(of_device).collect::<Vec<_>>().join(", ");
            document.line(total);
        }
        if !scalars.is_empty() {
            document.line(scalars.join(", "));
        }
        let list: Vec<_> = workspace.buffers.iter().map(facts).collect();
        Ok(Some(document.with_facts(json!({ "buffers": list })).output()))
    }
}

fn row(buffer: &Buffer, apart: bool) -> Vec<String> {
    let mut row = vec![
        buffer.name.clone(),
        buffer.dtype.to_string(),
        format!("{:?}", buffer.shape),
        bytes_text(buffer.bytes),
        format!("{:#x}", buffer.address),
        buffer.recipe.text(),
    ];
    if apart {
        row.insert(4, buffer.place.to_string());
    }
    row
}

fn facts(buffer: &Buffer) -> serde_json::Value {
    json!({
        "name": buffer.name,
        "dtype": buffer.dtype.name(),
        "shape": buffer.shape,
        "bytes": buffer.bytes,
        "device": buffer.place.to_string(),
        "address": buffer.address,
        "recipe": buffer.recipe.text(),
    })
}
