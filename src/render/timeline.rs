//! What several actors do over steps, drawn: a band for each, coloured by activity. Readable on a light and on a dark
//! page: no background, text in the page's own colour.

use std::fmt::Write;
use std::ops::Range;

use maud::{Markup, html};

use super::numbers::grouped;

/// An activity: what it is called, its letter in text, its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// `waits at barrier`
    pub name: &'static str,
    /// `B`
    pub letter: char,
    /// `#E69F00`
    pub colour: &'static str,
}

/// An actor of the timeline: a row of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Band {
    /// `warp 3`
    pub label: String,
    /// Steps and the number of their kind, in order.
    pub spans: Vec<(Range<u32>, usize)>,
    /// What goes on beside it: one thin line for each of [`Drawing::strips`].
    pub strips: Vec<Vec<Range<u32>>>,
}

/// The whole drawing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drawing {
    /// Caption: what the drawing shows.
    pub title: String,
    /// Label of the horizontal axis, with its unit.
    pub axis: String,
    /// The steps that are drawn.
    pub steps: Range<u32>,
    /// The kinds of activities, each with its colour.
    pub kinds: Vec<Kind>,
    /// What goes on beside them.
    pub strips: Vec<Kind>,
    /// The actors, from top to bottom.
    pub bands: Vec<Band>,
    /// The largest number of letters in a line of the text.
    pub letters: u32,
}

const WIDTH: f64 = 860.0;
const LEFT: f64 = 64.0;
const TOP: f64 = 48.0;
const BAND: f64 = 16.0;
const STRIP: f64 = 4.0;
/// Columns of a drawing that has more steps.
const COLUMNS: u32 = 430;

impl Drawing {
    /// The number of columns, at most the given one, and the number of steps in each.
    fn columns(&self, most: u32) -> (usize, f64) {
        let length = self.steps.end.saturating_sub(self.steps.start).max(1);
        let columns = length.min(most);
        (columns as usize, f64::from(length) / f64::from(columns))
    }

    /// For each column the share of each kind.
    fn shares(&self, band: &Band, columns: usize, each: f64) -> Vec<Vec<f64>> {
        let mut shares = vec![vec![0.0; self.kinds.len()]; columns];
        for (span, kind) in &band.spans {
            spread(span, &self.steps, columns, each, |column, share| shares[column][*kind] += share);
        }
        shares
    }

    /// In text: one line of letters for each band; a letter stands for the activity that took most steps of its column.
    pub fn letters(&self) -> String {
        let (columns, each) = self.columns(self.letters);
        let mut lines: Vec<(String, String)> = Vec::new();
        let mut index = 0;
        while let Some(band) = self.bands.get(index) {
            // Those that do the same are one line.
            let alike = |other: &&Band| (&other.spans, &other.strips) == (&band.spans, &band.strips);
            let same = self.bands[index..].iter().take_while(alike).count();
            let label = match self.bands.get(index + same - 1).filter(|_| same > 1) {
                Some(last) => format!("{} to {}", band.label, last.label.rsplit(' ').next().unwrap_or_default()),
                None => band.label.clone(),
            };
            index += same;
            let shares = self.shares(band, columns, each);
            let letters: String = shares
                .iter()
                .map(|shares| {
                    let best =
                        (0..shares.len()).fold(0, |best, kind| if shares[kind] > shares[best] { kind } else { best });
                    match shares.get(best) {
                        Some(share) if *share > 0.0 => self.kinds[best].letter,
                        _ => ' ',
                    }
                })
                .collect();
            lines.push((label, letters.trim_end().to_owned()));
            for (strip, kind) in band.strips.iter().zip(&self.strips).filter(|(strip, _)| !strip.is_empty()) {
                let mut marks = vec![' '; columns];
                for span in strip {
                    spread(span, &self.steps, columns, each, |column, _| marks[column] = kind.letter);
                }
                let marks: String = marks.into_iter().collect();
                if !marks.trim().is_empty() {
                    lines.push((String::new(), marks.trim_end().to_owned()));
                }
            }
        }
        let width = lines.iter().map(|(label, _)| label.chars().count()).max().unwrap_or(0);
        let lines: Vec<String> =
            lines.into_iter().map(|(label, letters)| format!("{label:width$}  {letters}")).collect();
        lines.join("\n")
    }

    /// Letters and what they mean, of the activities that occur.
    pub fn legend(&self) -> String {
        let entries = self.used().into_iter().chain(self.used_strips());
        entries.map(|kind| format!("{} {}", kind.letter, kind.name)).collect::<Vec<_>>().join(" · ")
    }

    fn used(&self) -> Vec<&Kind> {
        let is_used = |kind: usize| self.bands.iter().any(|band| band.spans.iter().any(|(_, own)| *own == kind));
        self.kinds.iter().enumerate().filter(|(kind, _)| is_used(*kind)).map(|(_, kind)| kind).collect()
    }

    fn used_strips(&self) -> Vec<&Kind> {
        let is_used = |kind: usize| self.bands.iter().any(|band| band.strips.get(kind).is_some_and(|s| !s.is_empty()));
        self.strips.iter().enumerate().filter(|(kind, _)| is_used(*kind)).map(|(_, kind)| kind).collect()
    }

    /// The drawing as HTML, with an SVG.
    pub fn html(&self) -> Markup {
        let pitch = BAND + STRIP * self.strips.len() as f64 + 8.0;
        let bottom = TOP + pitch * self.bands.len() as f64;
        let (width, height) = (LEFT + WIDTH + 24.0, bottom + 40.0);
        let (paths, strips) = self.paths(pitch);
        let paths = paths.iter().zip(&self.kinds).chain(strips.iter().zip(&self.strips));
        html! {
            svg.wb-timeline viewBox={ "0 0 " (width) " " (height) } width=(width) role="img" {
                title { (self.title) }
                text.wb-timeline-title x="0" y="14" { (self.title) }
                (self.drawn_legend())
                @for (index, band) in self.bands.iter().enumerate() {
                    text x="0" y=(at(TOP + pitch * index as f64 + 12.5)) { (band.label) }
                }
                @for (path, kind) in paths.filter(|(path, _)| !path.is_empty()) {
                    path fill=(kind.colour) d=(path) { title { (kind.name) } }
                }
                (self.drawn_axis(bottom))
            }
        }
    }

    /// One path for each activity, and one for each of what goes on beside them.
    fn paths(&self, pitch: f64) -> (Vec<String>, Vec<String>) {
        let (columns, each) = self.columns(COLUMNS);
        let wide = WIDTH / columns as f64;
        let mut paths = vec![String::new(); self.kinds.len()];
        let mut strips = vec![String::new(); self.strips.len()];
        for (index, band) in self.bands.iter().enumerate() {
            let top = TOP + pitch * index as f64;
            self.draw_band(&self.shares(band, columns, each), top, wide, &mut paths);
            for (number, strip) in band.strips.iter().enumerate().take(strips.len()) {
                let mut covered = vec![0.0; columns];
                for span in strip {
                    spread(span, &self.steps, columns, each, |column, share| covered[column] += share);
                }
                let top = top + BAND + STRIP * number as f64 + 1.0;
                for (column, _) in covered.iter().enumerate().filter(|(_, share)| **share > 0.0) {
                    rectangle(&mut strips[number], LEFT + column as f64 * wide, top, wide, STRIP - 1.0);
                }
            }
        }
        (paths, strips)
    }

    fn drawn_legend(&self) -> Markup {
        let mut x = 0.0;
        let kinds = self.used().into_iter().map(|kind| (kind, 10.0));
        let kinds = kinds.chain(self.used_strips().into_iter().map(|kind| (kind, STRIP - 1.0)));
        let entries: Vec<(&Kind, f64, f64)> = kinds
            .map(|(kind, height)| {
                let from = x;
                x += 30.0 + 7.0 * kind.name.chars().count() as f64;
                (kind, height, from)
            })
            .collect();
        html! {
            @for (kind, height, x) in entries {
                rect x=(x) y=(at(36.0 - height)) width="10" height=(height) fill=(kind.colour) {}
                text x=(x + 14.0) y="36" { (kind.name) }
            }
        }
    }

    /// Each column is divided as its steps are.
    fn draw_band(&self, shares: &[Vec<f64>], top: f64, wide: f64, paths: &mut [String]) {
        let whole = |column: usize| shares.get(column)?.iter().position(|share| *share > 0.999);
        let mut column = 0;
        while column < shares.len() {
            let left = LEFT + column as f64 * wide;
            // Neighbours that are all of one kind are one rectangle.
            if let Some(kind) = whole(column) {
                let same = (column..shares.len()).take_while(|&other| whole(other) == Some(kind)).count();
                rectangle(&mut paths[kind], left, top, wide * same as f64, BAND);
                column += same;
                continue;
            }
            let mut y = top + BAND;
            for (kind, share) in shares[column].iter().enumerate().filter(|(_, share)| **share > 0.0) {
                y -= share * BAND;
                rectangle(&mut paths[kind], left, y, wide, share * BAND);
            }
            column += 1;
        }
    }

    fn drawn_axis(&self, bottom: f64) -> Markup {
        let length = f64::from(self.steps.end.saturating_sub(self.steps.start).max(1));
        let rough = length / 8.0;
        let power = 10f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|factor| factor * power).find(|step| *step >= rough);
        let step = step.unwrap_or(rough).max(1.0);
        let first = (f64::from(self.steps.start) / step).ceil();
        let marks = (0..).map(|mark| (first + f64::from(mark)) * step);
        html! {
            path.wb-timeline-axis d={ "M" (LEFT) " " (bottom) "h" (WIDTH) } {}
            @for mark in marks.take_while(|mark| *mark <= f64::from(self.steps.end)) {
                @let x = at(LEFT + (mark - f64::from(self.steps.start)) / length * WIDTH);
                path.wb-timeline-axis d={ "M" (x) " " (bottom) "v4" } {}
                text x=(x) y=(at(bottom + 16.0)) text-anchor="middle" { (grouped(mark as u64)) }
            }
            text x=(LEFT + WIDTH / 2.0) y=(bottom + 33.0) text-anchor="middle" { (self.axis) }
        }
    }
}

/// A number of an SVG.
fn at(number: f64) -> String {
    format!("{number:.1}")
}

fn rectangle(path: &mut String, x: f64, y: f64, width: f64, height: f64) {
    let _ = write!(path, "M{x:.1} {y:.1}h{width:.2}v{height:.1}h-{width:.2}z");
}

/// Calls `each` with every column that a span reaches into, and the share of the column that it takes.
fn spread(span: &Range<u32>, steps: &Range<u32>, columns: usize, wide: f64, mut each: impl FnMut(usize, f64)) {
    let from = f64::from(span.start.max(steps.start).saturating_sub(steps.start));
    let to = f64::from(span.end.min(steps.end).saturating_sub(steps.start));
    if to <= from {
        return;
    }
    let (first, last) = ((from / wide) as usize, ((to / wide).ceil() as usize).min(columns));
    for column in first..last {
        let (left, right) = (column as f64 * wide, (column + 1) as f64 * wide);
        let share = (to.min(right) - from.max(left)) / wide;
        if share > 0.0 {
            each(column, share);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KINDS: [Kind; 2] = [
        Kind { name: "compute", letter: 'c', colour: "#999999" },
        Kind { name: "waits <here>", letter: 'B', colour: "#E69F00" },
    ];
    const STRIPS: [Kind; 1] = [Kind { name: "under way", letter: '-', colour: "#009E73" }];

    fn drawing(steps: Range<u32>, letters: u32) -> Drawing {
        let band = Band { label: "warp 0".into(), spans: vec![(0..6, 0), (6..9, 1)], strips: vec![vec![2..4]] };
        Drawing {
            title: "k & co".into(),
            axis: "steps".into(),
            steps,
            kinds: KINDS.to_vec(),
            strips: STRIPS.to_vec(),
            bands: vec![band],
            letters,
        }
    }

    #[test]
    fn letters_follow_the_steps() {
        assert_eq!(drawing(0..9, 100).letters(), "warp 0  ccccccBBB\n          --");
        assert_eq!(drawing(4..9, 100).letters(), "warp 0  ccBBB");
        // Three steps a column.
        assert_eq!(drawing(0..9, 3).letters(), "warp 0  ccB\n        --");
        assert_eq!(drawing(0..9, 3).legend(), "c compute · B waits <here> · - under way");
    }

    #[test]
    fn a_drawing_has_title_axis_and_legend() {
        let svg = drawing(0..9, 3).html().into_string();
        assert!(svg.contains("k &amp; co") && svg.contains("waits &lt;here&gt;") && svg.contains(">steps<"), "{svg}");
        // Equal neighbours are one rectangle: 6 of 9 columns of 860 units.
        assert!(svg.contains("M64.0 48.0h573.33v16.0h-573.33z"), "{svg}");
    }
}
