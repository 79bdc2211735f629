//! What can be observed of a launch, and what is reported.
//!
//! An observed launch runs its blocks one after the other, so that the report is the same from run to run; but for
//! counters: those of blocks that do not meet are the same in any order.

pub use super::timeline::{Activity, Interval, Recording, Timeline, WarpTimeline};

pub use super::counters::{Counted, Counters, Counting, Counts, Global, Shared, Traffic, Worst};
pub use super::differ::{Compared, Difference};
pub use super::origins::{At, Held, Origin, Origins, Passage, SharedBytes};
pub use super::record::{Record, Recorder};
pub use super::steps::{Change, StepTaken, Touch};
pub use super::watch::{Found, History, Point, Time, Watch, Watched, Watching};
pub use super::writers::{Span, Writer, Writers, Writing};
pub use crate::state::transfer::Piece;

pub use warpbook_ptx::PtxType;

use std::sync::Arc;

use crate::Module;
use crate::program::{Op, Program};
use warpbook_diagnostic::{Place, Source};
use warpbook_ptx::isa::Opcode;

/// What to observe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Observe {
    /// How much of everything.
    Counters {
        /// Blocks run one after the other where they can meet, so that those that wait for each other count the same from
        /// run to run.
        in_order: bool,
    },
    /// What each warp of a block does, step by step.
    Timeline {
        /// `%ctaid`
        block: [u32; 3],
    },
    /// All that the warps of a block do, or one of them.
    Record {
        /// `%ctaid`
        block: [u32; 3],
        /// Its number in the block; `None` for all.
        warp: Option<u32>,
    },
    /// Which instructions write to these bytes.
    Writers(Vec<Span>),
    /// Values at lines.
    Watch(Watching),
}

impl Observe {
    /// The only block that is of interest.
    pub fn block(&self) -> Option<[u32; 3]> {
        match self {
            Self::Counters { .. } | Self::Writers(_) => None,
            Self::Timeline { block } | Self::Record { block, .. } => Some(*block),
            Self::Watch(watching) => Some(watching.block),
        }
    }
}

/// What was observed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Observed {
    /// See [`Observe::Counters`].
    Counters(Counters),
    /// See [`Observe::Timeline`].
    Timeline(Timeline),
    /// See [`Observe::Record`].
    Record(Box<Record>),
    /// See [`Observe::Writers`].
    Writers(Writers),
    /// See [`Observe::Watch`]; one for each line.
    Watch(Vec<History>),
}

/// An instruction of the PTX and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Its line in the PTX, from 1.
    pub ptx: u32,
    /// Its text, in one line: `@%p1 ld.global.b32 {%r1}, [%rd1]`.
    pub text: String,
    /// Its opcode: `ld.global.b32`.
    pub opcode: Arc<Opcode>,
    /// Source places by `.loc`: its own, then the one that this was inlined at.
    pub places: Vec<Place>,
}

/// The instructions of a program as its text has them.
pub(crate) struct Instructions<'a> {
    program: &'a Program,
    source: &'a Source,
    module: &'a Module,
    /// Where each line of the text begins.
    starts: Vec<usize>,
}

impl<'a> Instructions<'a> {
    pub fn new(module: &'a Module, program: &'a Program) -> Self {
        let source = module.source();
        let ends = source.text.match_indices('\n').map(|(at, _)| at + 1);
        Self { program, source, module, starts: std::iter::once(0).chain(ends).collect() }
    }

    /// One past the last operation of the instruction that begins at `from`; `None` at the end.
    pub fn end(&self, from: usize) -> Option<usize> {
        let span = self.program.spans.get(from)?;
        let same = self.program.spans[from..].iter().take_while(|other| *other == span).count();
        Some(from + same)
    }

    /// The instruction of an operation; `None` for the end of the program, which is not written.
    pub fn line(&self, pc: usize) -> Option<Line> {
        let span = self.program.spans.get(pc)?;
        let text = self.source.text.get(span.clone())?;
        let opcode = self.program.opcodes.get(pc)?.clone();
        if pc + 1 == self.program.code.len() && matches!(self.program.code[pc].op, Op::Exit) && !opcode.is_exit() {
            return None;
        }
        let ptx = self.starts.partition_point(|&start| start <= span.start);
        let mut places = Vec::new();
        if let Some(line) = self.program.lines.get(pc).copied().flatten() {
            let inlined = line.inlined_at;
            for (file, line, column) in std::iter::once((line.file, line.line, line.column)).chain(inlined) {
                if let Some(path) = self.module.file(file) {
                    places.push(Place { path: path.to_owned(), line, column });
                }
            }
        }
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        Some(Line { ptx: ptx as u32 + self.source.first_line as u32 - 1, text, opcode, places })
    }
}
