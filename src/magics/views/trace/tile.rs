//! Which lane and register hold an element of a tile, by the layouts of the kernel's TTGIR.

use serde_json::json;

use crate::launch::plan::LaunchPlan;
use crate::magics::views::observing::Element;
use warpbook_compiler::{Artifact, Stage};
use warpbook_device::emulation::Writer;
use warpbook_ir::layout::{Encoding, Place, aliases};
use warpbook_ir::{locations, places};

/// Elements of the largest tile that is searched.
const LARGEST: u64 = 1 << 18;

/// An element in a tensor's layout.
pub struct InTile {
    /// `tt.store`
    operation: String,
    /// `tensor<64x64xf32, #mma>`
    ty: String,
    /// The element's place in the tile.
    index: Vec<u32>,
    /// Everyone who holds it, lowest first.
    holders: Vec<Place>,
    /// True if the lane that stored it is one of them.
    confirmed: Option<bool>,
}

impl InTile {
    /// The entry as one line of text.
    pub fn text(&self) -> String {
        let Self { operation, ty, index, holders, confirmed } = self;
        let Some(first) = holders.first() else { return String::new() };
        let index = index.iter().map(u32::to_string).collect::<Vec<_>>().join(", ");
        let copies = if holders.len() > 1 {
            format!(", and {} more that hold a copy", holders.len() - 1)
        } else {
            String::new()
        };
        let seen = match confirmed {
            Some(true) => "; that lane stored it",
            Some(false) => "; another lane stored it, so the tile begins at another element",
            None => "",
        };
        format!(
            "TTGIR {operation} {ty}: element ({index}) of the tile in warp {}, lane {}, register {}{copies}{seen}",
            first.warp, first.lane, first.register
        )
    }

    /// The entry as JSON.
    pub fn facts(&self) -> serde_json::Value {
        json!({
            "operation": self.operation, "type": self.ty, "element": self.index, "confirmed": self.confirmed,
            "holders": self.holders.iter().map(|place| json!({
                "warp": place.warp, "lane": place.lane, "register": place.register,
            })).collect::<Vec<_>>(),
        })
    }
}

/// The element in the layouts of the store that wrote it, and of the dots that come before.
pub fn find_tiles(plan: &LaunchPlan, element: &Element, writer: &Writer) -> Vec<InTile> {
    let Some(text) = plan.version.artifact(Stage::Ttgir).and_then(Artifact::text) else { return Vec::new() };
    let lines = places::read_mlir(text);
    let plain = locations::remove(text);
    let known = aliases(&plain);
    let source = writer.line.places.first();
    let stores: Vec<(&str, bool)> = text
        .lines()
        .zip(&lines)
        .filter(|(line, _)| line.trim_start().starts_with("tt.store"))
        .map(|(line, places)| {
            let same = source.is_some_and(|source| {
                let name = source.path.rsplit('/').next().unwrap_or(&source.path);
                places.iter().any(|place| place.line == source.line && place.file == name)
            });
            (line, same)
        })
        .collect();
    let store = stores.iter().find(|(_, same)| *same).or_else(|| stores.first().filter(|_| stores.len() == 1));
    let mut found = Vec::new();
    if let Some((line, _)) = store
        && let Some(tile) = in_line("tt.store", line, &known, element, Some(writer))
    {
        found.push(tile);
    }
    // The last dot's accumulator, where the tile is the same.
    let mut dots = text.lines().filter(|line| line.contains("tt.dot ") || line.contains("warp_group_dot "));
    if let Some(tile) = dots.next_back().and_then(|line| in_line("dot", line, &known, element, None))
        && found.first().is_none_or(|store: &InTile| store.index == tile.index && store.ty != tile.ty)
    {
        found.push(tile);
    }
    found
}

fn in_line(
    operation: &str,
    line: &str,
    known: &std::collections::HashMap<&str, &str>,
    element: &Element,
    writer: Option<&Writer>,
) -> Option<InTile> {
    // The result's type, or that of the stored pointers, comes last.
    let line = line.split(" loc(").next().unwrap_or(line);
    let start = line.rfind("tensor<")?;
    let inside = line.get(start + 7..)?;
    let (shape_and_type, rest) = inside.split_once(", #")?;
    let encoding = format!("#{}", rest.split(['>', ',']).next()?);
    let mut shape: Vec<u32> = Vec::new();
    let mut left = shape_and_type;
    while let Some((extent, after)) = left.split_once('x') {
        let Ok(extent) = extent.parse() else { break };
        shape.push(extent);
        left = after;
    }
    if shape.len() != element.index.len() || shape.iter().map(|&extent| u64::from(extent)).product::<u64>() > LARGEST {
        return None;
    }
    let index: Vec<u32> = element.index.iter().zip(&shape).map(|(&at, &extent)| at as u32 % extent.max(1)).collect();
    let layout = Encoding::parse(&encoding, known).ok()?.layout(&shape).ok()?;
    let holders: Vec<Place> = layout.elements().filter(|(_, at)| *at == index).map(|(place, _)| place).collect();
    let is_storing =
        |place: &Place| writer.is_some_and(|writer| (place.warp, place.lane) == (writer.warp, writer.lane));
    let confirmed = writer.map(|_| holders.iter().any(is_storing));
    let element_type = left.trim_start_matches("!tt.ptr<").trim_end_matches('>');
    let extents = shape.iter().map(u32::to_string).collect::<Vec<_>>().join("x");
    let ty = format!("tensor<{extents}x{element_type}, {encoding}>");
    // The one that stored it first.
    let mut holders = holders;
    holders.sort_by_key(|place| (!is_storing(place), *place));
    (!holders.is_empty()).then_some(InTile { operation: operation.to_owned(), ty, index, holders, confirmed })
}
