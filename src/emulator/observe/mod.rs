//! Launches that are watched: counters. Nothing of it is there in other launches but a test for each instruction.
//!
//! An observed launch runs its blocks one after the other, so that what is told is the same from run to run.

mod banks;
mod class;
mod counters;
#[cfg(test)]
mod tests;
mod timeline;

pub use class::Class;
pub(super) use timeline::Stalled;
pub use timeline::{Activity, Interval, Recording, Timeline, WarpTimeline};

pub use counters::{Counted, Counters, Counting, Counts, Global, Shared, Traffic, Worst};

use super::Module;
use super::block::{BlockShape, Environment};
use super::execute::Step;
use super::program::{Op, Program};
use super::warp::Warp;
use crate::diagnostic::{Place, Source};

/// What to observe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Observe {
    /// How much of everything.
    Counters,
    /// What each warp of a block does, step by step.
    Timeline {
        /// `%ctaid`
        block: [u32; 3],
    },
}

/// What was observed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Observed {
    /// See [`Observe::Counters`].
    Counters(Counters),
    /// See [`Observe::Timeline`].
    Timeline(Timeline),
}

/// An instruction of the PTX and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Its line in the PTX, from 1.
    pub ptx: u32,
    /// Its text, in one line: `@%p1 ld.global.b32 {%r1}, [%rd1]`.
    pub text: String,
    /// Source places by `.loc`: its own, then the one that this was inlined at.
    pub places: Vec<Place>,
}

impl Line {
    /// `ld.global.b32`
    pub fn opcode(&self) -> &str {
        let mut words = self.text.trim_end_matches(';').split_whitespace();
        match words.next() {
            Some(guard) if guard.starts_with('@') => words.next().unwrap_or_default(),
            first => first.unwrap_or_default(),
        }
    }
}

/// The instructions of a program as its text has them.
pub(super) struct Instructions<'a> {
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
        if pc + 1 == self.program.code.len() && matches!(self.program.code[pc].op, Op::Exit) && !is_exit(text) {
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
        Some(Line { ptx: ptx as u32 + self.source.first_line as u32 - 1, text, places })
    }
}

fn is_exit(text: &str) -> bool {
    text.split_whitespace().any(|word| matches!(word.trim_end_matches(';'), "ret" | "ret.uni" | "exit"))
}

/// The records of one block.
pub enum Observer {
    /// See [`Observe::Counters`].
    Counters(Counting),
    /// See [`Observe::Timeline`].
    Timeline(Recording),
}

impl Observer {
    /// For one block, if it is to be observed.
    pub(super) fn new(observe: &Observe, program: &Program, shape: &BlockShape) -> Option<Box<Self>> {
        match observe {
            Observe::Counters => Some(Box::new(Self::Counters(Counting::new(program, shape)))),
            Observe::Timeline { block } if *block == shape.index => {
                Some(Box::new(Self::Timeline(Recording::new(shape.threads().div_ceil(32) as usize))))
            }
            Observe::Timeline { .. } => None,
        }
    }

    /// Whether every warp is to execute one instruction at a time.
    pub(super) fn in_lockstep(&self) -> bool {
        matches!(self, Self::Timeline(_))
    }

    /// Whether no other block is of interest.
    pub(super) fn is_alone(&self) -> bool {
        !matches!(self, Self::Counters(_))
    }

    /// Every warp had its turn; `loads` tells whether bulk loads of a warp are under way.
    pub(super) fn step(&mut self, warps: &[Warp], loads: &dyn Fn(u32) -> bool) {
        if let Self::Timeline(recording) = self {
            recording.step(warps, loads);
        }
    }

    /// A phase of an mbarrier was tested.
    pub(super) fn tested(&mut self, warp: u32, pc: u32, ended: bool) {
        match self {
            Self::Counters(counting) => counting.tested(pc, ended),
            Self::Timeline(recording) => recording.tested(warp, pc, ended),
        }
    }

    /// A bulk copy is issued, of so many bytes of shared memory, from or to the buffer at an address.
    pub(super) fn bulk(&mut self, environment: &Environment<'_>, pc: u32, load: bool, bytes: u64, address: u64) {
        match self {
            Self::Counters(counting) => counting.bulk(environment, pc, load, bytes, address),
            Self::Timeline(_) => {}
        }
    }

    /// Adds what another block's has.
    pub(super) fn join(&mut self, other: Self) {
        match (self, other) {
            (Self::Counters(own), Self::Counters(other)) => own.join(other),
            // Only one block has it.
            (Self::Timeline(_) | Self::Counters(_), _) => {}
        }
    }

    pub(super) fn told(self, module: &Module, program: &Program) -> Observed {
        let instructions = Instructions::new(module, program);
        match self {
            Self::Counters(counting) => Observed::Counters(counting.told(&instructions)),
            Self::Timeline(recording) => Observed::Timeline(recording.told(program, &instructions)),
        }
    }
}

impl Step<'_, '_> {
    /// Tells the observer of the instruction that is about to be executed; `mask` lanes are there.
    #[cold]
    pub(super) fn observe(&mut self, op: &Op, mask: u32) {
        let Some(mut observer) = self.memory.observer.take() else { return };
        match &mut *observer {
            Observer::Counters(counting) => counting.before(self, op, mask),
            Observer::Timeline(recording) => recording.before(self.warp.index, self.pc, op, self.active),
        }
        self.memory.observer = Some(observer);
    }
}
