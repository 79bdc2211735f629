//! A path through several places, drawn: a line for each place, an arrow for each step from one to another. Readable on
//! a light and on a dark page: no background, text in the page's own colour.

use std::fmt::Write;

use super::escape_html;

/// A step.
#[derive(Clone, Debug, Default)]
pub struct Arrow {
    /// Numbers of the places.
    pub from: usize,
    /// See `from`; the same for a step that stays.
    pub to: usize,
    /// Over the arrow.
    pub label: String,
    /// Under it.
    pub note: String,
}

const WIDTH: f64 = 840.0;
/// Room for text on the right.
const MARGIN: f64 = 150.0;
const TOP: f64 = 44.0;
const PITCH: f64 = 46.0;
const COLOURS: [&str; 5] = ["#0072B2", "#CC79A7", "#E69F00", "#009E73", "#56B4E9"];

/// The drawing, for use in HTML.
pub fn svg(title: &str, places: &[&str], arrows: &[Arrow]) -> String {
    let each = WIDTH / places.len().max(1) as f64;
    let x = |place: usize| each * (place as f64 + 0.5);
    let height = TOP + PITCH * arrows.len() as f64 + 12.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {height}\" width=\"{0}\" role=\"img\" \
         style=\"max-width:100%;height:auto\" font-family=\"sans-serif\" font-size=\"12\" fill=\"currentColor\">\
         <title>{1}</title>",
        WIDTH + MARGIN,
        escape_html(title)
    );
    for (number, place) in places.iter().enumerate() {
        let (x, colour) = (x(number), COLOURS[number % COLOURS.len()]);
        let _ = write!(
            svg,
            "<rect x=\"{:.1}\" y=\"4\" width=\"120\" height=\"22\" rx=\"3\" fill=\"{colour}\" fill-opacity=\".3\"/>\
             <text x=\"{x:.1}\" y=\"19\" text-anchor=\"middle\">{}</text>\
             <path d=\"M{x:.1} 28V{:.1}\" stroke=\"{colour}\" stroke-dasharray=\"3 3\"/>",
            x - 60.0,
            escape_html(place),
            height - 4.0
        );
    }
    for (number, arrow) in arrows.iter().enumerate() {
        let y = TOP + PITCH * number as f64 + 20.0;
        let (from, to) = (x(arrow.from), x(arrow.to));
        let colour = COLOURS[arrow.to % COLOURS.len()];
        let stays = arrow.from == arrow.to;
        if stays {
            let _ = write!(svg, "<circle cx=\"{to:.1}\" cy=\"{y:.1}\" r=\"5\" fill=\"{colour}\"/>");
        } else {
            let sign = if to > from { -1.0 } else { 1.0 };
            let _ = write!(
                svg,
                "<path d=\"M{from:.1} {y:.1}H{:.1}\" stroke=\"{colour}\" stroke-width=\"2.5\"/>\
                 <path d=\"M{to:.1} {y:.1}l{:.1} -5v10z\" fill=\"{colour}\"/>",
                to + 7.0 * sign,
                9.0 * sign
            );
        }
        // Text begins at the left end of its arrow, or ends at its right one where there is more room.
        let (left, right) = (from.min(to), from.max(to));
        let middle = left > WIDTH * 0.55;
        let (at, anchor) =
            if middle { (if stays { right + 60.0 } else { right - 2.0 }, "end") } else { (left + 9.0, "start") };
        for (text, offset, size) in [(&arrow.label, -6.0, 12), (&arrow.note, 15.0, 11)] {
            let _ = write!(
                svg,
                "<text x=\"{:.1}\" y=\"{:.1}\" font-size=\"{size}\" text-anchor=\"{anchor}\">{}</text>",
                at.min(WIDTH + MARGIN - 2.0),
                y + offset,
                escape_html(text)
            );
        }
    }
    svg.push_str("</svg>");
    svg
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrows_go_from_place_to_place() {
        let arrow = |from, to| Arrow { from, to, label: "ld <a>".into(), note: "PTX 4".into() };
        let svg = svg("k & co", &["global", "shared"], &[arrow(0, 1), arrow(1, 1), arrow(1, 0)]);
        assert!(svg.contains("k &amp; co") && svg.contains("ld &lt;a&gt;") && svg.contains("PTX 4"));
        // To the right, a dot, to the left.
        assert!(
            svg.contains("M210.0 64.0H623.0")
                && svg.contains("<circle cx=\"630.0\"")
                && svg.contains("M630.0 156.0H217.0"),
            "{svg}"
        );
    }
}
