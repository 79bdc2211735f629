//! What a magic is, and the table of all of them.

use std::ops::Range;

use super::buffers::{Buf, Bufs, Check, Free, Let, Load, Reset, Save, Show};
use super::launch::{
    CompareDevices, CountersMagic, Ncu, Relaunch, Sanitize, StageMagic, StepMagic, TimelineMagic, TraceMagic,
    WatchMagic,
};
use super::settings::{Config, DeviceMagic, Move, TargetMagic, TritonMagic};
use crate::render::Output;
use crate::workspace::{Context, Workspace};
use warpbook_compiler::Stage;
use warpbook_diagnostic::{Diagnostic, Result, Source};

/// Whether a magic takes one line or the whole cell.
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
    Err(Box::new(error.at(call.arguments.clone(), "")))
}

/// A magic.
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

/// Every magic, in the order of the reference.
pub fn registry() -> &'static [&'static dyn Magic] {
    &[
        &StageMagic(Stage::Triton),
        &StageMagic(Stage::Gluon),
        &StageMagic(Stage::Ttir),
        &StageMagic(Stage::Ttgir),
        &StageMagic(Stage::Llir),
        &StageMagic(Stage::Ptx),
        &StageMagic(Stage::Cubin),
        &Relaunch,
        &CompareDevices,
        &Sanitize,
        &CountersMagic,
        &TimelineMagic,
        &WatchMagic,
        &TraceMagic,
        &StepMagic,
        &Ncu,
        &super::edit::Edit,
        &super::patch::Patch,
        &super::views::Stages,
        &super::views::PassesMagic,
        &super::views::Diff,
        &super::views::LayoutMagic,
        &super::views::Dump,
        &super::views::Mma,
        &super::views::Tma,
        &super::views::Sass,
        &super::views::ResourcesMagic,
        &super::views::Expect,
        &Let,
        &Buf,
        &Bufs,
        &Show,
        &Check,
        &Load,
        &Save,
        &Free,
        &Reset,
        &TargetMagic,
        &DeviceMagic,
        &Move,
        &TritonMagic,
        &Config,
        &super::help::Help,
        &super::clear::Clear,
    ]
}

/// The magic of a name and kind.
pub fn find(name: &str, kind: Kind) -> Option<&'static dyn Magic> {
    registry().iter().copied().find(|magic| magic.spec().name == name && magic.spec().kind == kind)
}

/// The names of all magics of a kind.
pub fn names(kind: Kind) -> impl Iterator<Item = &'static str> {
    registry().iter().map(|magic| magic.spec()).filter(move |spec| spec.kind == kind).map(|spec| spec.name)
}
