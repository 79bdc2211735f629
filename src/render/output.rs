//! What a cell shows, in several forms.

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

    /// Adds an HTML form, `text/html`.
    pub fn with_html(mut self, html: impl Into<String>) -> Self {
        self.html = Some(html.into());
        self
    }

    /// Adds a drawing, `image/svg+xml`.
    pub fn with_svg(mut self, svg: impl Into<String>) -> Self {
        self.svg = Some(svg.into());
        self
    }

    /// Adds JSON for programs under the MIME type [`FACTS`].
    pub fn with_facts(mut self, facts: Value) -> Self {
        self.facts = Some(facts);
        self
    }
}
