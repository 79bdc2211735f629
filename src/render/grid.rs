//! Grids of small coloured cells as SVG: readable on a light and on a dark page, and without colours.

use std::collections::BTreeMap;
use std::fmt::Write;

use maud::{Markup, html};

/// One cell of the grid.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cell {
    /// A few characters inside the cell.
    pub text: String,
    /// Its colour: degrees around the circle; `None` for a cell that holds nothing.
    pub hue: Option<u16>,
    /// How strong the colour is, 0 to 3.
    pub tone: u8,
    /// A thick line goes round cells of one region.
    pub region: u32,
    /// The cell's mark, drawn as a frame.
    pub mark: Mark,
}

/// What is special about a cell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mark {
    /// The cell has no mark.
    #[default]
    None,
    /// The reader chose this cell.
    Chosen,
    /// It is in the way of another.
    Bad,
}

impl Cell {
    /// What a lane holds: rows of four lanes, as fragments have them, are of one hue.
    pub fn in_lane(text: String, lane: u32, warp: u32) -> Self {
        Self {
            text,
            hue: Some((lane / 4 % 8 * 45 + 210) as u16 % 360),
            tone: (lane % 4) as u8,
            region: warp,
            mark: Mark::None,
        }
    }

    /// What a bank of 32 holds.
    pub fn in_bank(text: String, bank: u32) -> Self {
        let hue = Some((bank / 4 % 8 * 45 + 210) as u16 % 360);
        Self { text, hue, tone: (bank % 4) as u8, region: 0, mark: Mark::None }
    }

    /// With a mark.
    pub fn marked(mut self, mark: Mark) -> Self {
        self.mark = mark;
        self
    }
}

const HEIGHT: usize = 17;

/// A grid of cells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grid {
    /// Caption: what the drawing shows.
    pub caption: String,
    /// Labels over the columns.
    pub columns: Vec<String>,
    /// Rows, each with the label beside it.
    pub rows: Vec<(String, Vec<Cell>)>,
}

/// Rectangles of one kind, gathered into paths.
#[derive(Default)]
struct Paths {
    fills: BTreeMap<(u16, u8), String>,
    /// Lines between cells of different regions.
    thick: String,
    chosen: String,
    bad: String,
}

impl Grid {
    /// As HTML: the caption over a box that scrolls.
    pub fn html(&self) -> Markup {
        let Self { caption, columns, rows } = self;
        let widest =
            |texts: &mut dyn Iterator<Item = &String>| texts.map(|text| text.chars().count()).max().unwrap_or(0);
        let cells = || rows.iter().flat_map(|(_, cells)| cells);
        let width = (widest(&mut cells().map(|cell| &cell.text).chain(columns)).max(2) * 6 + 7).max(22);
        let left = widest(&mut rows.iter().map(|(label, _)| label)) * 6 + 8;
        let count = rows.iter().map(|(_, cells)| cells.len()).max().unwrap_or(0).max(columns.len());
        let (x, y) = (|column: usize| left + column * width, |row: usize| (row + 1) * HEIGHT);
        let paths = self.paths(left, width);
        let mut lines = String::new();
        for row in 0..=rows.len() {
            let _ = write!(lines, "M{left} {}h{}", y(row), count * width);
        }
        for column in 0..=count {
            let _ = write!(lines, "M{} {HEIGHT}v{}", x(column), rows.len() * HEIGHT);
        }
        let size = (left + count * width + 2, (rows.len() + 1) * HEIGHT + 2);
        let (middle, base) = (width / 2, HEIGHT - 5);
        picture(
            caption,
            size,
            html! {
                @for ((hue, tone), path) in &paths.fills {
                    path fill={ "hsl(" (hue) ",70%,55%)" } fill-opacity=(STRENGTHS[usize::from((*tone).min(3))]) d=(path) {}
                }
                path.wb-grid-lines d=(lines) {}
                @if !paths.thick.is_empty() { path.wb-grid-border d=(paths.thick) {} }
                @if !paths.bad.is_empty() { path.wb-grid-bad d=(paths.bad) {} }
                @if !paths.chosen.is_empty() { path.wb-grid-chosen d=(paths.chosen) {} }
                g.wb-grid-labels {
                    @for (column, label) in columns.iter().enumerate() {
                        text x=(x(column) + middle) y=(base) { (label) }
                    }
                    @for (row, (label, _)) in rows.iter().enumerate() {
                        text x=(left / 2) y=(y(row) + base) { (label) }
                    }
                }
                @for (row, (_, cells)) in rows.iter().enumerate() {
                    @for (column, cell) in cells.iter().enumerate().filter(|(_, cell)| !cell.text.is_empty()) {
                        text x=(x(column) + middle) y=(y(row) + base) { (cell.text) }
                    }
                }
            },
        )
    }

    fn paths(&self, left: usize, width: usize) -> Paths {
        let mut paths = Paths::default();
        for (row, (_, cells)) in self.rows.iter().enumerate() {
            for (column, cell) in cells.iter().enumerate() {
                let Some(hue) = cell.hue else { continue };
                let (left, top) = (left + column * width, (row + 1) * HEIGHT);
                let rectangle = format!("M{left} {top}h{width}v{HEIGHT}h-{width}z");
                paths.fills.entry((hue, cell.tone)).or_default().push_str(&rectangle);
                match cell.mark {
                    Mark::None => {}
                    Mark::Chosen => paths.chosen.push_str(&rectangle),
                    Mark::Bad => paths.bad.push_str(&rectangle),
                }
                let differs = |other: Option<&Cell>| {
                    other.is_some_and(|other| other.hue.is_some() && other.region != cell.region)
                };
                if differs(cells.get(column + 1)) {
                    let _ = write!(paths.thick, "M{} {top}v{HEIGHT}", left + width);
                }
                if differs(self.rows.get(row + 1).and_then(|(_, below)| below.get(column))) {
                    let _ = write!(paths.thick, "M{left} {}h{width}", top + HEIGHT);
                }
            }
        }
        paths
    }
}

/// How strong a colour is, by a cell's tone.
const STRENGTHS: [&str; 4] = [".2", ".34", ".48", ".62"];

/// A drawing under its caption.
fn picture(caption: &str, (width, height): (usize, usize), drawing: Markup) -> Markup {
    html! {
        div.wb-grid-caption { (caption) }
        div.wb-grid-frame tabindex="0" {
            svg.wb-grid-picture role="img" width=(width) height=(height) viewBox={ "0 0 " (width) " " (height) } {
                title { (caption) }
                (drawing)
            }
        }
    }
}

/// Shares of a whole as a bar; those that are none are left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bar {
    /// Caption: what the drawing shows.
    pub caption: String,
    /// Names, counts, and colours as degrees around the circle.
    pub parts: Vec<(String, u64, u16)>,
}

impl Bar {
    /// As HTML: the bar over its legend.
    pub fn html(&self) -> Markup {
        const WIDTH: u64 = 720;
        let whole: u64 = self.parts.iter().map(|(_, count, _)| count).sum::<u64>().max(1);
        let parts: Vec<&(String, u64, u16)> = self.parts.iter().filter(|(_, count, _)| *count > 0).collect();
        let mut done = 0;
        let spans: Vec<(u64, u64)> = parts
            .iter()
            .map(|(_, count, _)| {
                let (from, to) = (done * WIDTH / whole, (done + count) * WIDTH / whole);
                done += count;
                (from, (to - from).max(1))
            })
            .collect();
        picture(
            &self.caption,
            (WIDTH as usize, 20 + 16 * parts.len()),
            html! {
                @for (line, ((name, count, hue), (from, width))) in parts.iter().zip(spans).enumerate() {
                    @let (colour, y) = (format!("hsl({hue},70%,55%)"), 20 + 16 * line);
                    @let share = format!("{:.0}", *count as f64 * 100.0 / whole as f64);
                    rect x=(from) y="0" width=(width) height="14" fill=(colour) fill-opacity=".6" {}
                    rect x="0" y=(y) width="10" height="10" fill=(colour) fill-opacity=".6" {}
                    text.wb-grid-entry x="16" y=(y + 9) { (count) " (" (share) " %) " (name) }
                }
            },
        )
    }
}

/// Boxes with arrows between them: the way of one element from place to place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Way {
    /// Caption: what the drawing shows.
    pub caption: String,
    /// Each place, and over the arrow that leads there what moves the element.
    pub stations: Vec<(String, String)>,
}

impl Way {
    /// The boxes and arrows as an HTML block with an SVG.
    pub fn html(&self) -> Markup {
        let mut x = 4;
        let mut drawn = Vec::new();
        for (at, (place, by)) in self.stations.iter().enumerate() {
            let arrow = (at > 0).then(|| {
                let (from, length) = (x, by.chars().count() * 6 + 26);
                x += length;
                (from, length, by)
            });
            let width = place.chars().count() * 7 + 18;
            drawn.push((arrow, x, width, place));
            x += width;
        }
        picture(
            &self.caption,
            (x + 6, 44),
            html! {
                @for (arrow, x, width, place) in drawn {
                    @if let Some((from, length, by)) = arrow {
                        path.wb-grid-arrow d={ "M" (from) " 24h" (length - 4) "l-5 -4m5 4l-5 4" } {}
                        text x=(from + length / 2 - 2) y="18" { (by) }
                    }
                    rect.wb-grid-station x=(x) y="10" width=(width) height="26" rx="4" {}
                    text.wb-grid-place x=(x + width / 2) y="27" { (place) }
                }
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_coloured_and_bordered() {
        let row = vec![
            Cell::in_lane("T0:0".into(), 0, 0),
            Cell::in_lane("T1<".into(), 1, 1).marked(Mark::Chosen),
            Cell { text: "-".into(), ..Cell::default() },
        ];
        let (columns, rows) = (vec!["0".into(), "1".into()], vec![("0".into(), row)]);
        let html = Grid { caption: "a & b".into(), columns, rows }.html().into_string();
        assert!(html.contains("hsl(210,70%,55%)\" fill-opacity=\".2\"") && html.contains("a &amp; b"), "{html}");
        assert!(html.contains(">T1&lt;</text>") && html.contains("wb-grid-chosen"), "{html}");
        // Between the warps a thick line, and none before the empty cell.
        assert!(html.contains("<path class=\"wb-grid-border\" d=\"M45 17v17\">"), "{html}");
    }

    #[test]
    fn shares_fill_the_bar() {
        let parts = vec![("stay".into(), 3, 120), ("go".into(), 1, 0), ("none".into(), 0, 0)];
        let html = Bar { caption: "moves".into(), parts }.html().into_string();
        assert!(html.contains("3 (75 %) stay") && html.contains("1 (25 %) go") && !html.contains("none"), "{html}");
        assert!(html.contains("x=\"540\" y=\"0\" width=\"180\""), "{html}");
    }

    #[test]
    fn an_arrow_leads_from_place_to_place() {
        let stations = vec![("T0:1".into(), String::new()), ("bank <3>".into(), "st.shared".into())];
        let html = Way { caption: "the way".into(), stations }.html().into_string();
        assert_eq!(html.matches("wb-grid-arrow").count(), 1);
        assert!(html.contains(">st.shared</text>") && html.contains(">bank &lt;3&gt;</text>"), "{html}");
    }
}
