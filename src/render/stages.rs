//! Texts side by side whose lines belong to one another. Without scripts each is a text to read; a click, a hover or
//! the arrow keys mark a line and all that belong to it.

use std::fmt::Write;
use std::io::Write as _;
use std::ops::Range;

use base64::Engine;
use flate2::Compression;
use flate2::write::ZlibEncoder;

use super::{escape_html, grouped};

const STYLE: &str = include_str!("stages.css");
const SCRIPT: &str = include_str!("stages.js");

/// A line.
#[derive(Clone, Debug, Default)]
pub struct Line {
    /// What stands before it.
    pub label: String,
    /// Its text.
    pub text: String,
    /// Bytes that are set off.
    pub strong: Option<Range<usize>>,
    /// Lines with a key in common belong together.
    pub keys: Vec<u32>,
    /// Lines with the same one belong together more closely.
    pub fine: Option<u32>,
    /// Keys of what uses it, where it has lost its own place: it belongs to them less closely, and its label is slanted.
    pub uses: Vec<u32>,
}

/// A text.
#[derive(Clone, Debug)]
pub struct Pane {
    /// `TTGIR`
    pub title: String,
    /// A few words beside the title.
    pub note: String,
    /// Whether it is open at first.
    pub open: bool,
    /// Its lines.
    pub lines: Vec<Line>,
}

/// Lines that the browser lays out together, and only when they are seen.
const CHUNK: usize = 80;
/// Lines of a text that are there without scripts; the middle of a longer one is compressed, for the script to unpack.
const PLAIN: usize = 1200;
/// Lines of a text that are there at all.
const LONGEST: usize = 40_000;

/// Characters of a line that are shown.
const WIDEST: usize = 400;

/// All panes as HTML, under a headline.
pub fn html(headline: &str, panes: &[Pane]) -> String {
    html_over(headline, panes, "")
}

/// All panes as HTML, under a headline and over some more of it.
pub fn html_over(headline: &str, panes: &[Pane], below: &str) -> String {
    let mut html =
        format!("<div class=\"wb-s\"><style>{STYLE}</style><div><strong>{}</strong></div>", escape_html(headline));
    html.push_str("<div class=\"wb-row\">");
    for pane in panes {
        let title = escape_html(&pane.title);
        let widest = pane.lines.iter().map(|line| line.label.chars().count()).max().unwrap_or(0);
        let open = if pane.open { " open" } else { "" };
        let _ = write!(
            html,
            "<details{open}><summary>{title} <small>{}</small></summary>\
             <div class=\"wb-t\" tabindex=\"0\" aria-label=\"{title}\" style=\"--n:{widest}ch\">",
            escape_html(&pane.note)
        );
        let more = pane.lines.len().saturating_sub(PLAIN);
        let (head, rest) = pane.lines.split_at(if more > 0 { PLAIN / 2 } else { pane.lines.len() });
        let (middle, tail) = rest.split_at(more);
        chunks(head, &mut html);
        if more > 0 {
            folded(middle, &mut html);
        }
        chunks(tail, &mut html);
        html.push_str("</div></details>");
    }
    html.push_str("</div>");
    html.push_str(below);
    html.push_str("<script>");
    html.push_str(SCRIPT);
    html.push_str("</script></div>");
    html
}

/// Lines that no reader without scripts sees: a 1.2 MB text takes a tenth of that in a notebook.
fn folded(lines: &[Line], html: &mut String) {
    let (kept, cut) = lines.split_at(lines.len().min(LONGEST));
    let mut unfolded = String::new();
    chunks(kept, &mut unfolded);
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    // Writing into memory does not fail.
    let packed = encoder.write_all(unfolded.as_bytes()).and_then(|()| encoder.finish()).unwrap_or_default();
    let packed = base64::engine::general_purpose::STANDARD.encode(packed);
    let _ = write!(html, "<p z=\"{packed}\">… {} lines, shown where scripts run …</p>", grouped(kept.len() as u64));
    if !cut.is_empty() {
        let _ = write!(html, "<p>… {} lines: %edit has them …</p>", grouped(cut.len() as u64));
    }
}

fn chunks(lines: &[Line], html: &mut String) {
    lines.chunks(CHUNK).for_each(|lines| chunk(lines, html));
}

fn chunk(lines: &[Line], html: &mut String) {
    html.push_str("<div class=\"wb-c\">");
    for line in lines {
        let _ = write!(html, "<div n=\"{}\"", line.label);
        if !line.keys.is_empty() {
            let keys: Vec<String> = line.keys.iter().map(u32::to_string).collect();
            let _ = write!(html, " k=\"{}\"", keys.join(" "));
        }
        if let Some(fine) = line.fine {
            let _ = write!(html, " p=\"{fine}\"");
        }
        if !line.uses.is_empty() {
            let uses: Vec<String> = line.uses.iter().map(u32::to_string).collect();
            let _ = write!(html, " u=\"{}\"", uses.join(" "));
        }
        html.push('>');
        if let Some((end, _)) = line.text.char_indices().nth(WIDEST) {
            let left = line.text[end..].chars().count();
            let _ = write!(html, "{} <i>… {left} characters</i></div>", escape_html(&line.text[..end]));
            continue;
        }
        match line.strong.clone().filter(|span| line.text.get(span.clone()).is_some()) {
            Some(span) => {
                html.push_str(&escape_html(&line.text[..span.start]));
                let _ = write!(html, "<b>{}</b>", escape_html(&line.text[span.clone()]));
                comment(&line.text[span.end..], html);
            }
            None => html.push_str(&escape_html(&line.text)),
        }
        html.push_str("</div>");
    }
    html.push_str("</div>");
}

/// The rest of a line, its comment set back.
fn comment(text: &str, html: &mut String) {
    match text.find("//") {
        Some(at) => {
            html.push_str(&escape_html(&text[..at]));
            let _ = write!(html, "<i>{}</i>", escape_html(&text[at..]));
        }
        None => html.push_str(&escape_html(text)),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn pane(count: usize) -> Pane {
        let line = |at: usize| Line {
            label: at.to_string(),
            text: "tt.load <x> // y".into(),
            strong: Some(0..7),
            keys: vec![at as u32, 7],
            fine: Some(3),
            uses: Vec::new(),
        };
        Pane { title: "TTIR".into(), note: "1 line".into(), open: true, lines: (0..count).map(line).collect() }
    }

    #[test]
    fn lines_carry_their_keys() {
        let html = html("k <v1>", &[pane(2)]);
        assert!(html.contains("<div n=\"1\" k=\"1 7\" p=\"3\"><b>tt.load</b> &lt;x&gt; <i>// y</i></div>"), "{html}");
        assert!(html.contains("k &lt;v1&gt;") && html.contains("<details open><summary>TTIR <small>1 line"));
        assert!(!html.contains("http"));
    }

    #[test]
    fn the_middle_of_a_long_text_is_compressed() {
        let html = html("", &[pane(PLAIN + 5000)]);
        assert_eq!(html.matches("<b>tt.load</b>").count(), PLAIN);
        assert!(html.contains("… 5 000 lines, shown where scripts run …"));
        let packed = html.split("z=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("what is compressed");
        assert!(packed.len() < 100_000, "{} bytes", packed.len());
        let packed = base64::engine::general_purpose::STANDARD.decode(packed).expect("base64");
        let mut middle = String::new();
        flate2::read::ZlibDecoder::new(packed.as_slice()).read_to_string(&mut middle).expect("zlib");
        assert_eq!(middle.matches("<b>tt.load</b>").count(), 5000);
        assert!(middle.starts_with("<div class=\"wb-c\"><div n=\"600\" k=\"600 7\""), "{}", &middle[..80]);
    }
}
