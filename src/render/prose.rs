//! Words, parts of which are set off: code, a name, a word of less weight.

use maud::{Markup, html};

/// How a part of some words looks in HTML. In text only code differs: it stands between backticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Ordinary text, in the font of its surroundings.
    Plain,
    /// A name, a command or an instruction, as it is written in a cell.
    Code,
    /// What the eye should find first.
    Strong,
    /// What matters less than the words around it.
    Faint,
    /// Something that was added, or that holds.
    Added,
    /// Something that was removed.
    Removed,
}

/// Words. A newline in it starts a new line in both forms.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Prose {
    parts: Vec<(Style, String)>,
}

impl Prose {
    /// Words in which a backtick is a backtick: for a text that is not Warpbook's own, such as a line of a kernel.
    pub fn plain(text: impl Into<String>) -> Self {
        Self { parts: vec![(Style::Plain, text.into())] }
    }

    /// The same with one more part.
    pub fn with(mut self, style: Style, text: impl Into<String>) -> Self {
        self.parts.push((style, text.into()));
        self
    }

    /// As text, code between backticks.
    pub fn text(&self) -> String {
        let part = |(style, text): &(Style, String)| match style {
            Style::Code => format!("`{text}`"),
            _ => text.clone(),
        };
        self.parts.iter().map(part).collect()
    }

    /// As HTML, without an element around it.
    pub fn html(&self) -> Markup {
        html! {
            @for (style, text) in &self.parts {
                @match style {
                    Style::Plain => (text),
                    Style::Code => code.wb-document-code { (text) },
                    Style::Strong => strong { (text) },
                    Style::Faint => span.wb-document-faint { (text) },
                    Style::Added => span.wb-document-added { (text) },
                    Style::Removed => span.wb-document-removed { (text) },
                }
            }
        }
    }
}

/// What stands between two backticks is code. Where they do not pair up within a line, they are backticks.
impl From<&str> for Prose {
    fn from(text: &str) -> Self {
        let parts: Vec<&str> = text.split('`').collect();
        let is_code = |at: usize| at % 2 == 1;
        let pairs_up = parts.len() % 2 == 1
            && parts.iter().enumerate().all(|(at, part)| !is_code(at) || !part.is_empty() && !part.contains('\n'));
        if !pairs_up {
            return Self::plain(text);
        }
        let style = |at| if is_code(at) { Style::Code } else { Style::Plain };
        let parts = parts.into_iter().enumerate().filter(|(_, part)| !part.is_empty());
        Self { parts: parts.map(|(at, part)| (style(at), part.to_owned())).collect() }
    }
}

impl From<String> for Prose {
    fn from(text: String) -> Self {
        Self::from(text.as_str())
    }
}

impl From<&String> for Prose {
    fn from(text: &String) -> Self {
        Self::from(text.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_stands_between_backticks() {
        let line = Prose::from("`%show a` shows <a>");
        assert_eq!(line.text(), "`%show a` shows <a>");
        assert_eq!(line.html().into_string(), "<code class=\"wb-document-code\">%show a</code> shows &lt;a&gt;");
        for text in ["one ` alone", "``", "`over\ntwo lines`"] {
            assert_eq!(Prose::from(text), Prose::plain(text));
        }
    }

    #[test]
    fn parts_are_set_off() {
        let line = Prose::plain("cse ").with(Style::Removed, "−3").with(Style::Faint, " & more");
        assert_eq!(line.text(), "cse −3 & more");
        assert_eq!(
            line.html().into_string(),
            "cse <span class=\"wb-document-removed\">−3</span><span class=\"wb-document-faint\"> &amp; more</span>"
        );
    }
}
