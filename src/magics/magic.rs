//! What a magic is: its declaration, one use of it in a cell, and the trait that runs it.

use std::ops::Range;

use crate::render::Output;
use crate::workspace::{Context, Workspace};
use warpbook_diagnostic::{Diagnostic, Result, Source};

/// The kind of a magic: it takes one line, or the whole cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `%name …`
    Line,
    /// `%%name …` and the cell's body.
    Cell,
}

/// An option of a magic, for parsing, completion and help.
#[derive(Clone, Copy, Debug)]
pub struct OptionSpec {
    /// With its dashes: `--bench`.
    pub name: &'static str,
    /// The placeholder of its value; empty for a switch.
    pub value: &'static str,
    /// One line of help.
    pub help: &'static str,
}

/// What the reader can know of a magic without running it.
#[derive(Clone, Copy, Debug)]
pub struct Spec {
    /// Without percent signs.
    pub name: &'static str,
    /// Line or cell.
    pub kind: Kind,
    /// One line: what it does.
    pub summary: &'static str,
    /// The synopsis after the name: `NAME = INIT(…)`.
    pub usage: &'static str,
    /// More words and examples, in Markdown.
    pub details: &'static str,
    /// Its options.
    pub options: &'static [OptionSpec],
}

impl Spec {
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

/// Refuses arguments, for a magic that takes none.
pub fn no_arguments(call: &Call<'_>) -> Result<()> {
    if call.arguments.is_empty() {
        return Ok(());
    }
    let name = &call.cell.text[call.name.clone()];
    let error = Diagnostic::error("unexpected-argument", format!("`{name}` takes no arguments"));
    Err(error.at(call.arguments.clone(), ""))
}

/// A magic. What runs it, completes its arguments and prints its help knows it by this trait alone.
pub trait Magic: Sync {
    /// What it is called and what it takes.
    fn spec(&self) -> &'static Spec;
    /// Words that its arguments may hold besides the names of the workspace, for completion.
    fn words(&self) -> Vec<String> {
        Vec::new()
    }
    /// Runs it. What it returns is displayed after whatever it displayed itself.
    fn run(&self, call: &Call<'_>, workspace: &mut Workspace, context: Context<'_>) -> Result<Option<Output>>;
}
