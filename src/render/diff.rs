//! A comparison of two texts as HTML: changed lines with some around them, changed words set off.

use std::fmt::Write;
use std::ops::Range;

use super::escape_html;

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

/// The style of [`html`], once in an output.
pub const STYLE: &str = ".wb-d{font-family:var(--jp-code-font-family,ui-monospace,monospace);font-size:12px;\
    line-height:1.4;overflow-x:auto;margin:0}.wb-d div{white-space:pre;min-height:1.4em;width:max-content;\
    min-width:100%}.wb-d .r{background:rgba(220,60,60,.16)}.wb-d .a{background:rgba(50,170,80,.18)}\
    .wb-d del{text-decoration:none;background:rgba(220,60,60,.38)}.wb-d ins{text-decoration:none;\
    background:rgba(50,170,80,.42)}.wb-d .o{opacity:.75}";

/// At most `longest` lines of a comparison; changed lines alone say little, so some stand around them.
pub fn html(lines: &[DiffLine], longest: usize) -> String {
    let changed = |line: &DiffLine| !matches!(line, DiffLine::Same(_));
    let mut shown = vec![false; lines.len()];
    for (at, _) in lines.iter().enumerate().filter(|(_, line)| changed(line)) {
        let (from, to) = (at.saturating_sub(CONTEXT), (at + CONTEXT + 1).min(lines.len()));
        shown[from..to].fill(true);
    }
    let mut html = String::from("<div class=\"wb-d\">");
    let (mut written, mut hidden) = (0, 0);
    for (at, line) in lines.iter().enumerate() {
        if written >= longest {
            let left = lines[at..].iter().filter(|line| changed(line)).count();
            if left > 0 {
                let _ = write!(html, "<div class=\"o\">… {left} more changed lines</div>");
            }
            break;
        }
        if !shown[at] {
            hidden += 1;
            continue;
        }
        if hidden > 0 {
            let lines = if hidden == 1 { "line" } else { "lines" };
            let _ = write!(html, "<div class=\"o\">⋯ {hidden} unchanged {lines}</div>");
            hidden = 0;
        }
        written += 1;
        match line {
            DiffLine::Same(text) => {
                let _ = write!(html, "<div>  {}</div>", marked(text, &[], ""));
            }
            DiffLine::Removed(text, marks) => {
                let _ = write!(html, "<div class=\"r\">- {}</div>", marked(text, marks, "del"));
            }
            DiffLine::Added(text, marks) => {
                let _ = write!(html, "<div class=\"a\">+ {}</div>", marked(text, marks, "ins"));
            }
        }
    }
    html.push_str("</div>");
    html
}

fn marked(text: &str, marks: &[Range<usize>], tag: &str) -> String {
    let end = text.char_indices().nth(WIDEST).map_or(text.len(), |(end, _)| end);
    let (mut html, mut at) = (String::new(), 0);
    for mark in marks.iter().filter(|mark| mark.end <= end) {
        if let (Some(before), Some(inside)) = (text.get(at..mark.start), text.get(mark.clone())) {
            let _ = write!(html, "{}<{tag}>{}</{tag}>", escape_html(before), escape_html(inside));
            at = mark.end;
        }
    }
    html.push_str(&escape_html(text.get(at..end).unwrap_or_default()));
    if end < text.len() {
        html.push('…');
    }
    html
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_stand_in_their_surroundings() {
        let same = |at: usize| DiffLine::Same(format!("line {at}"));
        let mut lines: Vec<DiffLine> = (0..10).map(same).collect();
        let mark = std::iter::once(2..5).collect();
        lines.insert(5, DiffLine::Added("a <b> c".into(), mark));
        let html = html(&lines, 100);
        assert_eq!(
            html,
            "<div class=\"wb-d\"><div class=\"o\">⋯ 3 unchanged lines</div><div>  line 3</div><div>  line 4</div>\
             <div class=\"a\">+ a <ins>&lt;b&gt;</ins> c</div><div>  line 5</div><div>  line 6</div></div>"
        );
    }

    #[test]
    fn long_comparisons_and_lines_are_cut() {
        let lines: Vec<DiffLine> = (0..10).map(|_| DiffLine::Removed("é".repeat(500), vec![0..2, 998..1000])).collect();
        let html = html(&lines, 4);
        assert_eq!(html.matches("class=\"r\"").count(), 4);
        assert!(html.contains("… 6 more changed lines") && html.contains("<del>é</del>"));
    }
}
