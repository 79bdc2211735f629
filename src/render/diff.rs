//! A comparison of two texts as HTML: changed lines with some around them, changed words set off.

use std::ops::Range;

use maud::{Markup, html};

/// A comparison of two texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diff {
    /// All lines of both texts.
    pub lines: Vec<DiffLine>,
    /// Lines that are shown.
    pub most: usize,
}

/// One line of a comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DiffLine {
    /// In both texts.
    Same(String),
    /// In the first one only, with the bytes that its counterpart does not have.
    Removed(String, Vec<Range<usize>>),
    /// In the second one only.
    Added(String, Vec<Range<usize>>),
}

/// Unchanged lines that are shown around a change.
const CONTEXT: usize = 2;
/// Characters of a line that are shown.
const WIDEST: usize = 300;

impl Diff {
    /// As HTML. Changed lines alone say little, so some stand around them.
    pub fn html(&self) -> Markup {
        html! { div.wb-diff tabindex="0" { @for part in self.parts() { (part.html()) } } }
    }

    /// What is shown, in order.
    fn parts(&self) -> Vec<Part<'_>> {
        let lines = &self.lines;
        let is_changed = |line: &DiffLine| !matches!(line, DiffLine::Same(_));
        let mut is_shown = vec![false; lines.len()];
        for (at, _) in lines.iter().enumerate().filter(|(_, line)| is_changed(line)) {
            let (from, to) = (at.saturating_sub(CONTEXT), (at + CONTEXT + 1).min(lines.len()));
            is_shown[from..to].fill(true);
        }
        let mut parts = Vec::new();
        let (mut written, mut hidden) = (0, 0);
        for (at, line) in lines.iter().enumerate() {
            if written >= self.most {
                let left = lines[at..].iter().filter(|line| is_changed(line)).count();
                parts.extend((left > 0).then(|| Part::Omitted(format!("… {left} more changed lines"))));
                break;
            }
            if !is_shown[at] {
                hidden += 1;
                continue;
            }
            if hidden > 0 {
                let lines = if hidden == 1 { "line" } else { "lines" };
                parts.push(Part::Omitted(format!("⋯ {hidden} unchanged {lines}")));
                hidden = 0;
            }
            written += 1;
            parts.push(Part::Line(line));
        }
        parts
    }
}

/// A line of what is shown.
enum Part<'a> {
    Line(&'a DiffLine),
    /// What stands in the place of lines that are not shown.
    Omitted(String),
}

impl Part<'_> {
    fn html(&self) -> Markup {
        html! {
            @match self {
                Self::Omitted(what) => div.wb-diff-line.wb-diff-omitted { (what) },
                Self::Line(DiffLine::Same(text)) => div.wb-diff-line { "  " (words(text, &[], None)) },
                Self::Line(DiffLine::Removed(text, marks)) => {
                    div.wb-diff-line.wb-diff-removed { "- " (words(text, marks, Some(Mark::Removed))) }
                }
                Self::Line(DiffLine::Added(text, marks)) => {
                    div.wb-diff-line.wb-diff-added { "+ " (words(text, marks, Some(Mark::Added))) }
                }
            }
        }
    }
}

/// How changed words of a line are set off.
#[derive(Clone, Copy)]
enum Mark {
    Removed,
    Added,
}

/// The text of a line, the marked bytes set off, cut where it is too wide.
fn words(text: &str, marks: &[Range<usize>], mark: Option<Mark>) -> Markup {
    let end = text.char_indices().nth(WIDEST).map_or(text.len(), |(end, _)| end);
    let mut parts: Vec<(&str, bool)> = Vec::new();
    let mut at = 0;
    for range in marks.iter().filter(|range| range.end <= end) {
        if let (Some(before), Some(inside)) = (text.get(at..range.start), text.get(range.clone())) {
            parts.extend([(before, false), (inside, true)]);
            at = range.end;
        }
    }
    parts.push((text.get(at..end).unwrap_or_default(), false));
    html! {
        @for (part, is_marked) in parts {
            @match mark.filter(|_| is_marked) {
                Some(Mark::Removed) => del.wb-diff-word { (part) },
                Some(Mark::Added) => ins.wb-diff-word { (part) },
                None => (part),
            }
        }
        @if end < text.len() { "…" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn html(lines: Vec<DiffLine>, most: usize) -> String {
        Diff { lines, most }.html().into_string()
    }

    #[test]
    fn changes_stand_in_their_surroundings() {
        let same = |at: usize| DiffLine::Same(format!("line {at}"));
        let mut lines: Vec<DiffLine> = (0..10).map(same).collect();
        let mark = std::iter::once(2..5).collect();
        lines.insert(5, DiffLine::Added("a <b> c".into(), mark));
        let line = |class: &str, text: &str| format!("<div class=\"wb-diff-line{class}\">{text}</div>");
        let expected = [
            line(" wb-diff-omitted", "⋯ 3 unchanged lines"),
            line("", "  line 3"),
            line("", "  line 4"),
            line(" wb-diff-added", "+ a <ins class=\"wb-diff-word\">&lt;b&gt;</ins> c"),
            line("", "  line 5"),
            line("", "  line 6"),
        ];
        assert_eq!(html(lines, 100), format!("<div class=\"wb-diff\" tabindex=\"0\">{}</div>", expected.concat()));
    }

    #[test]
    fn long_comparisons_and_lines_are_cut() {
        let lines: Vec<DiffLine> = (0..10).map(|_| DiffLine::Removed("é".repeat(500), vec![0..2, 998..1000])).collect();
        let html = html(lines, 4);
        assert_eq!(html.matches("wb-diff-removed").count(), 4);
        assert!(html.contains("… 6 more changed lines") && html.contains("<del class=\"wb-diff-word\">é</del>"));
    }
}
