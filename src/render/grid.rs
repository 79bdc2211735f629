//! Grids of small coloured cells as SVG: readable on a light and on a dark page, and without colours.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::escape_html;

/// One cell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cell {
    /// A few characters.
    pub text: String,
    /// Its colour: degrees around the circle; `None` for a cell that holds nothing.
    pub hue: Option<u16>,
    /// How strong the colour is, 0 to 3.
    pub tone: u8,
    /// A thick line goes round cells of one region.
    pub region: u32,
    /// Whether it is told apart from all others.
    pub mark: Mark,
}

/// What is special about a cell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mark {
    /// Nothing.
    #[default]
    None,
    /// The reader asked for it.
    Chosen,
    /// It is in the way of another.
    Bad,
}

impl Cell {
    /// What a lane holds: rows of four lanes, as fragments have them, are of one hue.
    pub fn of_lane(text: String, lane: u32, warp: u32) -> Self {
        Self {
            text,
            hue: Some((lane / 4 % 8 * 45 + 210) as u16 % 360),
            tone: (lane % 4) as u8,
            region: warp,
            mark: Mark::None,
        }
    }

    /// What a bank of 32 holds.
    pub fn of_bank(text: String, bank: u32) -> Self {
        let hue = Some((bank / 4 % 8 * 45 + 210) as u16 % 360);
        Self { text, hue, tone: (bank % 4) as u8, region: 0, mark: Mark::None }
    }

    /// With a mark.
    pub fn marked(mut self, mark: Mark) -> Self {
        self.mark = mark;
        self
    }
}

/// The style of [`html`], once in an output.
pub const STYLE: &str = ".wb-gs{overflow:auto;max-height:680px;margin:4px 0}.wb-gs.wb-gs svg{display:block;max-width:none;\
    font:10px var(--jp-code-font-family,ui-monospace,monospace)}.wb-gs text{fill:currentColor;text-anchor:middle}\
    .wb-gs .l{opacity:.65}.wb-c{margin-top:8px;font-size:12px}.wb-t{font-family:var(--jp-code-font-family,monospace);\
    font-size:12px}.wb-t pre{margin:4px 0;white-space:pre-wrap;font-size:12px;line-height:1.35}.wb-t table{font-size:12px}\
    .wb-t summary{cursor:pointer;margin-top:6px}.wb-s{display:flex;flex-wrap:wrap;gap:0 28px}.wb-s>div{min-width:0}";

const HEIGHT: usize = 17;

/// A grid with a caption; labels of columns and of rows stand beside it.
pub fn html(caption: &str, columns: &[String], rows: &[(String, Vec<Cell>)]) -> String {
    let widest = |texts: &mut dyn Iterator<Item = &String>| texts.map(|text| text.chars().count()).max().unwrap_or(0);
    let cells = || rows.iter().flat_map(|(_, cells)| cells);
    let width = (widest(&mut cells().map(|cell| &cell.text).chain(columns)).max(2) * 6 + 7).max(22);
    let left = widest(&mut rows.iter().map(|(label, _)| label)) * 6 + 8;
    let count = rows.iter().map(|(_, cells)| cells.len()).max().unwrap_or(0).max(columns.len());
    let (whole_width, whole_height) = (left + count * width + 2, (rows.len() + 1) * HEIGHT + 2);
    let (x, y) = (|column: usize| left + column * width, |row: usize| (row + 1) * HEIGHT);
    let caption = escape_html(caption);
    let mut html = format!(
        "<div class=\"wb-c\">{caption}</div><div class=\"wb-gs\" tabindex=\"0\"><svg role=\"img\" width=\"{whole_width}\" \
         height=\"{whole_height}\" viewBox=\"0 0 {whole_width} {whole_height}\"><title>{caption}</title>"
    );
    // Cells of one colour are one path.
    let mut fills: BTreeMap<(u16, u8), String> = BTreeMap::new();
    let (mut thick, mut chosen, mut bad) = (String::new(), String::new(), String::new());
    for (row, (_, cells)) in rows.iter().enumerate() {
        for (column, cell) in cells.iter().enumerate() {
            let Some(hue) = cell.hue else { continue };
            let (left, top) = (x(column), y(row));
            let rectangle = format!("M{left} {top}h{width}v{HEIGHT}h-{width}z");
            fills.entry((hue, cell.tone)).or_default().push_str(&rectangle);
            match cell.mark {
                Mark::None => {}
                Mark::Chosen => chosen.push_str(&rectangle),
                Mark::Bad => bad.push_str(&rectangle),
            }
            let differs =
                |other: Option<&Cell>| other.is_some_and(|other| other.hue.is_some() && other.region != cell.region);
            if differs(cells.get(column + 1)) {
                let _ = write!(thick, "M{} {top}v{HEIGHT}", left + width);
            }
            if differs(rows.get(row + 1).and_then(|(_, below)| below.get(column))) {
                let _ = write!(thick, "M{left} {}h{width}", top + HEIGHT);
            }
        }
    }
    for ((hue, tone), path) in fills {
        let strength = [".2", ".34", ".48", ".62"][usize::from(tone.min(3))];
        let _ = write!(html, "<path fill=\"hsl({hue},70%,55%)\" fill-opacity=\"{strength}\" d=\"{path}\"/>");
    }
    let mut lines = String::new();
    for row in 0..=rows.len() {
        let _ = write!(lines, "M{left} {}h{}", y(row), count * width);
    }
    for column in 0..=count {
        let _ = write!(lines, "M{} {HEIGHT}v{}", x(column), rows.len() * HEIGHT);
    }
    let _ = write!(html, "<path stroke=\"currentColor\" stroke-opacity=\".22\" d=\"{lines}\"/>");
    for (path, colour, line) in [(thick, "currentColor", "1.6"), (bad, "#e5484d", "2"), (chosen, "#f5a524", "3")] {
        if !path.is_empty() {
            let _ = write!(html, "<path fill=\"none\" stroke=\"{colour}\" stroke-width=\"{line}\" d=\"{path}\"/>");
        }
    }
    html.push_str("<g class=\"l\">");
    for (column, label) in columns.iter().enumerate() {
        let _ =
            write!(html, "<text x=\"{}\" y=\"{}\">{}</text>", x(column) + width / 2, HEIGHT - 5, escape_html(label));
    }
    for (row, (label, _)) in rows.iter().enumerate() {
        let _ = write!(html, "<text x=\"{}\" y=\"{}\">{}</text>", left / 2, y(row) + HEIGHT - 5, escape_html(label));
    }
    html.push_str("</g>");
    for (row, (_, cells)) in rows.iter().enumerate() {
        for (column, cell) in cells.iter().enumerate().filter(|(_, cell)| !cell.text.is_empty()) {
            let (x, y) = (x(column) + width / 2, y(row) + HEIGHT - 5);
            let _ = write!(html, "<text x=\"{x}\" y=\"{y}\">{}</text>", escape_html(&cell.text));
        }
    }
    html.push_str("</svg></div>");
    html
}

/// Shares of a whole as a bar, those that are none left out; colours are degrees around the circle.
pub fn bar(caption: &str, parts: &[(String, u64, u16)]) -> String {
    const WIDTH: u64 = 720;
    let whole: u64 = parts.iter().map(|(_, count, _)| count).sum::<u64>().max(1);
    let parts: Vec<&(String, u64, u16)> = parts.iter().filter(|(_, count, _)| *count > 0).collect();
    let caption = escape_html(caption);
    let height = 20 + 16 * parts.len();
    let mut html = format!(
        "<div class=\"wb-c\">{caption}</div><div class=\"wb-gs\"><svg role=\"img\" width=\"{WIDTH}\" height=\"{height}\" \
         viewBox=\"0 0 {WIDTH} {height}\"><title>{caption}</title>"
    );
    let mut done = 0;
    for (line, (name, count, hue)) in parts.into_iter().enumerate() {
        let (from, to) = (done * WIDTH / whole, (done + count) * WIDTH / whole);
        done += count;
        let colour = format!("fill=\"hsl({hue},70%,55%)\" fill-opacity=\".6\"");
        let y = 20 + 16 * line;
        let share = *count as f64 * 100.0 / whole as f64;
        let _ = write!(
            html,
            "<rect x=\"{from}\" y=\"0\" width=\"{}\" height=\"14\" {colour}/><rect x=\"0\" y=\"{y}\" width=\"10\" \
             height=\"10\" {colour}/><text x=\"16\" y=\"{}\" style=\"text-anchor:start\">{count} ({share:.0} %) {}</text>",
            (to - from).max(1),
            y + 9,
            escape_html(name)
        );
    }
    html.push_str("</svg></div>");
    html
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_coloured_and_bordered() {
        let row = vec![
            Cell::of_lane("T0:0".into(), 0, 0),
            Cell::of_lane("T1<".into(), 1, 1).marked(Mark::Chosen),
            Cell { text: "-".into(), ..Cell::default() },
        ];
        let html = html("a & b", &["0".into(), "1".into()], &[("0".into(), row)]);
        assert!(html.contains("hsl(210,70%,55%)\" fill-opacity=\".2\"") && html.contains("a &amp; b"), "{html}");
        assert!(html.contains(">T1&lt;</text>") && html.contains("stroke=\"#f5a524\""), "{html}");
        // Between the warps a thick line, and none before the empty cell.
        assert_eq!(html.matches("stroke-width=\"1.6\"").count(), 1);
    }

    #[test]
    fn shares_fill_the_bar() {
        let html = bar("moves", &[("stay".into(), 3, 120), ("go".into(), 1, 0), ("none".into(), 0, 0)]);
        assert!(html.contains("3 (75 %) stay") && html.contains("1 (25 %) go") && !html.contains("none"), "{html}");
        assert!(html.contains("x=\"540\" y=\"0\" width=\"180\""), "{html}");
    }
}
