//! Texts side by side whose lines belong to one another. Without scripts each is a text to read; a click, a hover or
//! the arrow keys mark a line and all that belong to it.

use std::io::Write;
use std::ops::Range;

use base64::Engine;
use flate2::Compression;
use flate2::write::ZlibEncoder;
use maud::{Markup, html};

use super::numbers::grouped;
use super::script::script;

const SCRIPT: &str = include_str!("scripts/stages.js");

/// Texts side by side.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Panes {
    /// The texts, from the left.
    pub panes: Vec<Pane>,
}

/// A line of a text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PaneLine {
    /// The label at the left of the line, such as its number.
    pub label: String,
    /// Text of the line without its newline.
    pub text: String,
    /// Bytes of the text that are emphasised.
    pub strong: Option<Range<usize>>,
    /// Keys of the line. Lines that share a key are linked.
    pub keys: Vec<u32>,
    /// Lines that share this number are linked more closely.
    pub fine: Option<u32>,
    /// Keys of what uses it, where it has lost its own place: it belongs to them less closely, and its label is slanted.
    pub uses: Vec<u32>,
}

/// One text among those side by side.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pane {
    /// Title over the text: `TTGIR`.
    pub title: String,
    /// A few words beside the title.
    pub note: String,
    /// True if it is open at first.
    pub open: bool,
    /// The lines of the text, in order.
    pub lines: Vec<PaneLine>,
}

/// Lines that the browser lays out together, and only when they are seen.
const CHUNK: usize = 80;
/// Lines of a text that are there without scripts; the middle of a longer one is compressed, for the script to unpack.
const PLAIN: usize = 1200;
/// Lines of a text that are there at all.
const LONGEST: usize = 40_000;

/// Characters of a line that are shown.
const WIDEST: usize = 400;

impl Panes {
    /// As HTML, with the script that links the lines.
    pub fn html(&self) -> Markup {
        html! {
            div.wb-stages {
                div.wb-stages-row { @for pane in &self.panes { (pane.html()) } }
                (script(SCRIPT))
            }
        }
    }
}

impl Pane {
    fn html(&self) -> Markup {
        let widest = self.lines.iter().map(|line| line.label.chars().count()).max().unwrap_or(0);
        let more = self.lines.len().saturating_sub(PLAIN);
        let (head, rest) = self.lines.split_at(if more > 0 { PLAIN / 2 } else { self.lines.len() });
        let (middle, tail) = rest.split_at(more);
        html! {
            details.wb-stages-pane open[self.open] {
                summary.wb-stages-title { (self.title) " " small.wb-stages-note { (self.note) } }
                div.wb-stages-text tabindex="0" aria-label=(self.title) style={ "--wb-stages-label:" (widest) "ch" } {
                    (chunks(head))
                    @if more > 0 { (packed(middle)) }
                    (chunks(tail))
                }
            }
        }
    }
}

/// Lines that no reader without scripts sees: a 1.2 MB text takes a tenth of that in a notebook.
fn packed(lines: &[PaneLine]) -> Markup {
    let (kept, cut) = lines.split_at(lines.len().min(LONGEST));
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    // Writing into memory does not fail.
    let written = encoder.write_all(chunks(kept).into_string().as_bytes());
    let bytes = written.and_then(|()| encoder.finish()).unwrap_or_default();
    let bytes = base64::engine::general_purpose::STANDARD.encode(bytes);
    html! {
        p.wb-stages-packed data-packed=(bytes) { "… " (grouped(kept.len() as u64)) " lines, shown where scripts run …" }
        @if !cut.is_empty() {
            p.wb-stages-packed { "… " (grouped(cut.len() as u64)) " lines: %edit has them …" }
        }
    }
}

fn chunks(lines: &[PaneLine]) -> Markup {
    html! {
        @for lines in lines.chunks(CHUNK) {
            div.wb-stages-chunk { @for line in lines { (line.html()) } }
        }
    }
}

impl PaneLine {
    /// What the script and the style read stands in its data: `n` the label, `k` the keys, `u` the keys of what uses
    /// it, `p` the closer key. A text has thousands of lines, so these names are short.
    fn html(&self) -> Markup {
        let numbers = |numbers: &[u32]| {
            let numbers: Vec<String> = numbers.iter().map(u32::to_string).collect();
            (!numbers.is_empty()).then(|| numbers.join(" "))
        };
        html! {
            div data-n=(self.label) data-k=[numbers(&self.keys)] data-p=[self.fine] data-u=[numbers(&self.uses)] {
                (self.words())
            }
        }
    }

    fn words(&self) -> Markup {
        if let Some((end, _)) = self.text.char_indices().nth(WIDEST) {
            let left = self.text[end..].chars().count();
            return html! { (self.text[..end]) " " i { "… " (left) " characters" } };
        }
        let Some(span) = self.strong.clone().filter(|span| self.text.get(span.clone()).is_some()) else {
            return html! { (self.text) };
        };
        // The comment behind the operation is set back.
        let rest = &self.text[span.end..];
        let (rest, comment) = rest.split_at(rest.find("//").unwrap_or(rest.len()));
        html! {
            (self.text[..span.start]) b { (self.text[span]) } (rest)
            @if !comment.is_empty() { i { (comment) } }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn panes(count: usize) -> String {
        let line = |at: usize| PaneLine {
            label: at.to_string(),
            text: "tt.load <x> // y".into(),
            strong: Some(0..7),
            keys: vec![at as u32, 7],
            fine: Some(3),
            uses: Vec::new(),
        };
        let lines = (0..count).map(line).collect();
        Panes { panes: vec![Pane { title: "TTIR <v1>".into(), note: "1 line".into(), open: true, lines }] }
            .html()
            .into_string()
    }

    #[test]
    fn lines_carry_their_keys() {
        let html = panes(2);
        let line = "<div data-n=\"1\" data-k=\"1 7\" data-p=\"3\"><b>tt.load</b> &lt;x&gt; <i>// y</i></div>";
        assert!(html.contains(line), "{html}");
        assert!(html.contains("TTIR &lt;v1&gt; <small class=\"wb-stages-note\">1 line</small>"), "{html}");
        assert!(!html.contains("http"));
    }

    #[test]
    fn the_middle_of_a_long_text_is_compressed() {
        let html = panes(PLAIN + 5000);
        assert_eq!(html.matches("<b>tt.load</b>").count(), PLAIN);
        assert!(html.contains("… 5 000 lines, shown where scripts run …"));
        let packed =
            html.split("data-packed=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("what is compressed");
        assert!(packed.len() < 100_000, "{} bytes", packed.len());
        let packed = base64::engine::general_purpose::STANDARD.decode(packed).expect("base64");
        let mut middle = String::new();
        flate2::read::ZlibDecoder::new(packed.as_slice()).read_to_string(&mut middle).expect("zlib");
        assert_eq!(middle.matches("<b>tt.load</b>").count(), 5000);
        assert!(
            middle.starts_with("<div class=\"wb-stages-chunk\"><div data-n=\"600\" data-k=\"600 7\""),
            "{}",
            &middle[..90]
        );
    }
}
