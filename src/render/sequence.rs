//! A path through several places, drawn: a line for each place, an arrow for each step from one to another. Readable on
//! a light and on a dark page: no background, text in the page's own colour.

use maud::{Markup, html};

/// A path through several places.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sequence {
    /// Caption: what the path shows.
    pub title: String,
    /// The places, from the left.
    pub places: Vec<String>,
    /// The steps, from the top.
    pub arrows: Vec<Arrow>,
}

/// A step from one place to another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Arrow {
    /// The number of the place where it begins.
    pub from: usize,
    /// The number of the place where it ends; the same for a step that stays.
    pub to: usize,
    /// Text over the arrow.
    pub label: String,
    /// A sentence under the step.
    pub note: String,
}

const WIDTH: f64 = 840.0;
/// Room for text on the right.
const MARGIN: f64 = 150.0;
const TOP: f64 = 44.0;
const PITCH: f64 = 46.0;
const COLOURS: [&str; 5] = ["#0072B2", "#CC79A7", "#E69F00", "#009E73", "#56B4E9"];

/// The colour of a place.
fn colour(place: usize) -> &'static str {
    COLOURS[place % COLOURS.len()]
}

/// A number of an SVG.
fn at(number: f64) -> String {
    format!("{number:.1}")
}

impl Sequence {
    /// The drawing as HTML, with an SVG.
    pub fn html(&self) -> Markup {
        let height = TOP + PITCH * self.arrows.len() as f64 + 12.0;
        let width = WIDTH + MARGIN;
        html! {
            svg.wb-sequence viewBox={ "0 0 " (width) " " (height) } width=(width) role="img" {
                title { (self.title) }
                @for (number, place) in self.places.iter().enumerate() {
                    @let x = self.x(number);
                    rect x=(at(x - 60.0)) y="4" width="120" height="22" rx="3" fill=(colour(number)) fill-opacity=".3" {}
                    text x=(at(x)) y="19" text-anchor="middle" { (place) }
                    path d={ "M" (at(x)) " 28V" (at(height - 4.0)) } stroke=(colour(number)) stroke-dasharray="3 3" {}
                }
                @for (number, arrow) in self.arrows.iter().enumerate() {
                    (self.arrow(arrow, TOP + PITCH * number as f64 + 20.0))
                }
            }
        }
    }

    /// The middle of a place.
    fn x(&self, place: usize) -> f64 {
        WIDTH / self.places.len().max(1) as f64 * (place as f64 + 0.5)
    }

    fn arrow(&self, arrow: &Arrow, y: f64) -> Markup {
        let (from, to) = (self.x(arrow.from), self.x(arrow.to));
        let stays = arrow.from == arrow.to;
        let back = if to > from { -1.0 } else { 1.0 };
        // Text begins at the left end of its arrow, or ends at its right one where there is more room.
        let (left, right) = (from.min(to), from.max(to));
        let (text, anchor) = match left > WIDTH * 0.55 {
            true if stays => (right + 60.0, "end"),
            true => (right - 2.0, "end"),
            false => (left + 9.0, "start"),
        };
        let text = at(text.min(WIDTH + MARGIN - 2.0));
        html! {
            @if stays {
                circle cx=(at(to)) cy=(at(y)) r="5" fill=(colour(arrow.to)) {}
            } @else {
                path d={ "M" (at(from)) " " (at(y)) "H" (at(to + 7.0 * back)) } stroke=(colour(arrow.to)) stroke-width="2.5" {}
                path d={ "M" (at(to)) " " (at(y)) "l" (at(9.0 * back)) " -5v10z" } fill=(colour(arrow.to)) {}
            }
            text x=(text) y=(at(y - 6.0)) text-anchor=(anchor) { (arrow.label) }
            text.wb-sequence-note x=(text) y=(at(y + 15.0)) text-anchor=(anchor) { (arrow.note) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrows_go_from_place_to_place() {
        let arrow = |from, to| Arrow { from, to, label: "ld <a>".into(), note: "PTX 4".into() };
        let places = vec!["global".into(), "shared".into()];
        let sequence = Sequence { title: "k & co".into(), places, arrows: vec![arrow(0, 1), arrow(1, 1), arrow(1, 0)] };
        let svg = sequence.html().into_string();
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
