//! What a magic declares of itself, and one use of it in a cell.

use std::ops::Range;

use super::declare::argument::Declared;
use super::example::Example;
use warpbook_diagnostic::Source;

/// The kind of a magic: it takes one line, or the whole cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `%name …`
    Line,
    /// `%%name …` and the cell's body.
    Cell,
}

/// What the reader can know of a magic without running it.
#[derive(Clone, Copy)]
pub struct Spec {
    /// Name of the magic, without percent signs.
    pub name: &'static str,
    /// Line magic or cell magic.
    pub kind: Kind,
    /// One line that says what the magic does.
    pub summary: &'static str,
    /// Positional arguments in their order.
    pub arguments: &'static [&'static dyn Declared],
    /// Its options, in the order of its help.
    pub options: &'static [&'static dyn Declared],
    /// More about it, in Markdown; each line is a paragraph.
    pub details: &'static str,
    /// Cells that show what it does, the plainest first.
    pub examples: &'static [Example],
}

/// Options of a usage line that are spelt out; more are `[OPTIONS]`.
const SPELT_OUT: usize = 5;

impl Spec {
    /// How it is written: `%step [KERNEL[@VERSION]] [--warp W]`.
    pub fn usage_line(&self) -> String {
        let mut parts = vec![self.title()];
        parts.extend(self.arguments.iter().map(|argument| argument.usage()));
        match self.options.len() {
            0..=SPELT_OUT => parts.extend(self.options.iter().map(|option| option.usage())),
            _ => parts.push("[OPTIONS]".to_owned()),
        }
        parts.join(" ")
    }

    /// The name with its percent signs: `%buf`, `%%ptx`.
    pub fn title(&self) -> String {
        match self.kind {
            Kind::Line => format!("%{}", self.name),
            Kind::Cell => format!("%%{}", self.name),
        }
    }
}

/// One use of a magic in a cell.
#[derive(Clone, Debug)]
pub struct Call<'a> {
    /// The whole cell; every span below and in diagnostics is into its text.
    pub cell: &'a Source,
    /// Bytes of the magic with its percent signs.
    pub name: Range<usize>,
    /// Bytes after the name, up to the end of the line (for a cell magic: of the header, which goes on over lines
    /// until its brackets balance), trimmed.
    pub arguments: Range<usize>,
    /// Bytes of the body of a cell magic; empty for a line magic.
    pub body: Range<usize>,
}

impl Call<'_> {
    /// The text of the arguments.
    pub fn arguments_text(&self) -> &str {
        &self.cell.text[self.arguments.clone()]
    }

    /// The text of the body.
    pub fn body_text(&self) -> &str {
        &self.cell.text[self.body.clone()]
    }
}
