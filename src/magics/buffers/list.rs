//! `%bufs`: lists buffers and scalars.

use serde_json::json;

use crate::magics::{Call, Kind, Magic, Spec, no_arguments};
use crate::render::{Output, bytes_text, table};
use crate::workspace::{Context, Workspace};
use warpbook_device::{Buffer, Device};
use warpbook_diagnostic::Result;

/// `%bufs`
pub struct Bufs;

impl Magic for Bufs {
    fn spec(&self) -> &'static Spec {
        &Spec {
            name: "bufs",
            kind: Kind::Line,
            summary: "list the buffers and the named scalars",
            usage: "",
            details: "",
            options: &[],
        }
    }

    fn run(&self, call: &Call<'_>, workspace: &mut Workspace, _: Context<'_>) -> Result<Option<Output>> {
        no_arguments(call)?;
        // Where they live is said where it is not all in one place.
        let apart = !workspace.is_in_one_place();
        let mut rows: Vec<Vec<String>> = workspace.buffers.iter().map(|buffer| row(buffer, apart)).collect();
        let scalars: Vec<String> = workspace.scalars.iter().map(|(name, value)| format!("{name} = {value}")).collect();
        if rows.is_empty() && scalars.is_empty() {
            return Ok(Some(Output::text("no buffers; `%buf a = zeros(4)` makes one")));
        }
        let mut text = String::new();
        let mut html = String::new();
        if !rows.is_empty() {
            let header = ["name", "type", "shape", "size", "address", "made by"];
            rows.insert(0, header.map(str::to_owned).to_vec());
            if apart {
                rows[0].insert(4, "device".to_owned());
            }
            (text, html) = table::both(&rows);
            let of_device = |device: &dyn Device| {
                let total: u64 = workspace.buffers_at(device.place()).map(|buffer| buffer.bytes).sum();
                let name = if apart { device.place().to_string() } else { device.name() };
                (total > 0 || !apart).then(|| format!("{} on {name}", bytes_text(total)))
            };
            let devices = if apart { usize::MAX } else { 1 };
            let total = workspace.devices().take(devices).filter_map(of_device).collect::<Vec<_>>().join(", ");
            text.push_str(&format!("\n{total}"));
            html.push_str(&format!("<div>{total}</div>"));
        }
        if !scalars.is_empty() {
            let line = scalars.join(", ");
            text.push_str(&format!("{}{line}", if text.is_empty() { "" } else { "\n" }));
            html.push_str(&format!("<div>{}</div>", crate::render::escape_html(&line)));
        }
        let list: Vec<_> = workspace.buffers.iter().map(facts).collect();
        Ok(Some(Output::text(text).with_html(html).with_facts(json!({ "buffers": list }))))
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
