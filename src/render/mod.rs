//! Bundles of text, HTML, SVG and JSON: what a cell shows.

pub mod array;
pub mod diff;
pub mod grid;
pub mod player;
pub mod plot;
pub mod sequence;
pub mod stages;
pub mod table;
pub mod timeline;

use serde_json::Value;

/// The media type of an output's numbers.
pub const FACTS: &str = "application/vnd.warpbook+json";

/// One output in several forms, richest last. `text` is always there, short and the same from run to run
/// (measured times excepted); `html` is self-contained and readable with scripts off.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Output {
    /// `text/plain`
    pub text: String,
    /// `text/html`
    pub html: Option<String>,
    /// `image/svg+xml`
    pub svg: Option<String>,
    /// `application/json`: an output that is JSON. JupyterLab shows it rather than the HTML.
    pub json: Option<Value>,
    /// [`FACTS`]: the numbers, for programs; no frontend shows them.
    pub facts: Option<Value>,
}

impl Output {
    /// An output that is text only.
    pub fn text(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }

    /// Adds `text/html`.
    pub fn with_html(mut self, html: impl Into<String>) -> Self {
        self.html = Some(html.into());
        self
    }

    /// Adds `image/svg+xml`.
    pub fn with_svg(mut self, svg: impl Into<String>) -> Self {
        self.svg = Some(svg.into());
        self
    }

    /// Adds [`FACTS`].
    pub fn with_facts(mut self, facts: Value) -> Self {
        self.facts = Some(facts);
        self
    }
}

/// Escapes text for HTML content and attribute values.
pub fn escape_html(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

/// `96 KiB`, or bytes where that is no whole number.
pub fn bytes_text(bytes: u64) -> String {
    match bytes {
        b if b >= 1 << 20 && b.is_multiple_of(1 << 20) => format!("{} MiB", b >> 20),
        b if b >= 1 << 10 && b.is_multiple_of(1 << 10) => format!("{} KiB", b >> 10),
        b => format!("{} B", grouped(b)),
    }
}

/// A number with its thousands apart.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}
