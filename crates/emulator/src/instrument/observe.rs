//! Launches that are watched: counters. Nothing of it is there in other launches but a test for each instruction.
//!
//! An observed launch runs its blocks one after the other, so that what is told is the same from run to run; but for
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
use crate::families::step::Step;
use crate::lock::locked;
use crate::program::{AddressOperand, Long, MemorySpace, Op, Program};
use crate::state::address::{named_block, resolve_generic};
use crate::state::environment::Environment;
use crate::state::shape::BlockShape;
use crate::state::warp::{Warp, lanes_of};
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
    /// Who writes to these bytes.
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

/// The records of one block.
pub enum Observer {
    /// See [`Observe::Counters`].
    Counters(Counting),
    /// See [`Observe::Timeline`].
    Timeline(Recording),
    /// See [`Observe::Record`].
    Record(Recorder),
    /// See [`Observe::Writers`].
    Writers(Writing),
    /// See [`Observe::Watch`].
    Watch(Watch),
}

impl Observer {
    /// For one block, if it is to be observed.
    pub(crate) fn new(observe: &Observe, environment: &Environment<'_>, shape: &BlockShape) -> Option<Box<Self>> {
        if observe.block().is_some_and(|block| block != shape.index) {
            return None;
        }
        let (program, memory) = (environment.program, environment.memory);
        Some(Box::new(match observe {
            Observe::Counters { .. } => {
                let idle = locked(&environment.counters).pop();
                let mut counting = idle.unwrap_or_else(|| Counting::new(program));
                counting.begin(shape);
                Self::Counters(counting)
            }
            Observe::Timeline { .. } => Self::Timeline(Recording::new(shape.threads().div_ceil(32) as usize)),
            Observe::Record { warp, .. } => Self::Record(Recorder::new(program, shape, *warp, memory)),
            Observe::Writers(spans) => Self::Writers(Writing::new(spans, shape, memory)),
            Observe::Watch(watching) => Self::Watch(Watch::new(watching, program, environment.source, shape, memory)),
        }))
    }

    /// Whether every warp is to execute one instruction at a time.
    pub(crate) fn in_lockstep(&self) -> bool {
        matches!(self, Self::Timeline(_))
    }

    /// Whether no other block is of interest.
    pub(crate) fn is_alone(&self) -> bool {
        matches!(self, Self::Timeline(_) | Self::Record(_) | Self::Watch(_))
    }

    /// Every warp had its turn; `loads` tells whether bulk loads of a warp are under way.
    pub(crate) fn step(&mut self, warps: &[Warp], loads: &dyn Fn(u32) -> bool) {
        match self {
            Self::Timeline(recording) => recording.step(warps, loads),
            Self::Record(recorder) => recorder.round(warps),
            Self::Watch(watch) => watch.round(warps),
            Self::Counters(_) | Self::Writers(_) => {}
        }
    }

    /// A phase of an mbarrier was tested.
    pub(crate) fn tested(&mut self, warp: u32, pc: u32, ended: bool) {
        match self {
            Self::Counters(counting) => counting.tested(pc, ended),
            Self::Timeline(recording) => recording.tested(warp, pc, ended),
            Self::Record(_) | Self::Writers(_) | Self::Watch(_) => {}
        }
    }

    /// A bulk copy is issued, of so many bytes of shared memory, from or to the buffer at an address.
    pub(crate) fn bulk(&mut self, environment: &Environment<'_>, pc: u32, load: bool, bytes: u64, address: u64) {
        if let Self::Counters(counting) = self {
            counting.bulk(environment, pc, load, bytes, address);
        }
    }

    /// Whether it wants to know which bytes a bulk copy moves.
    pub(crate) fn wants_pieces(&self) -> bool {
        matches!(self, Self::Record(_) | Self::Writers(_))
    }

    /// The bytes of a bulk copy that a lane issues.
    pub(crate) fn pieces(&mut self, (warp, lane, pc): (u32, u32, u32), load: bool, pieces: Vec<Piece>) {
        match self {
            Self::Record(recorder) => recorder.pieces(warp, load, pieces),
            Self::Writers(writing) if !load => writing.pieces(warp, lane, pc, &pieces),
            _ => {}
        }
    }

    /// Adds what another block's has.
    pub(crate) fn join(&mut self, other: Self) {
        match (self, other) {
            (Self::Counters(own), Self::Counters(other)) => own.join(other),
            (Self::Writers(own), Self::Writers(other)) => own.join(other),
            // Only one block has it.
            _ => {}
        }
    }

    pub(crate) fn told(self, module: &Module, program: &Program) -> Observed {
        let instructions = Instructions::new(module, program);
        match self {
            Self::Counters(counting) => Observed::Counters(counting.told(&instructions)),
            Self::Timeline(recording) => Observed::Timeline(recording.told(program, &instructions)),
            Self::Record(recorder) => Observed::Record(Box::new(recorder.told(program, &instructions))),
            Self::Writers(writing) => Observed::Writers(writing.told(&instructions)),
            Self::Watch(watch) => Observed::Watch(watch.told(program, &instructions)),
        }
    }
}

/// Where the active lanes' addresses lead: addresses in their space, lanes in global and lanes in the block's own shared
/// memory.
pub(crate) fn resolved(step: &Step<'_, '_>, space: MemorySpace, address: &AddressOperand) -> (Long, u32, u32) {
    let mut addresses = step.addresses(address);
    let (mut global, mut shared) = match space {
        MemorySpace::Global => (step.active, 0),
        MemorySpace::Shared => (0, step.active),
        _ => (0, 0),
    };
    if matches!(space, MemorySpace::Generic | MemorySpace::Cluster) {
        for lane in lanes_of(step.active) {
            // Another block's memory is reached by another way.
            if named_block(space, addresses[lane]) != 0 {
                continue;
            }
            let (space, resolved) = match space {
                MemorySpace::Generic => resolve_generic(addresses[lane]),
                _ => (MemorySpace::Shared, addresses[lane]),
            };
            addresses[lane] = resolved;
            match space {
                MemorySpace::Global => global |= 1 << lane,
                MemorySpace::Shared => shared |= 1 << lane,
                _ => {}
            }
        }
    }
    (addresses, global, shared)
}

impl Step<'_, '_> {
    /// Tells the observer of the instruction that is about to be executed; `mask` lanes are there.
    #[cold]
    pub(crate) fn observe(&mut self, op: &Op, mask: u32) {
        let Some(mut observer) = self.memory.observer.take() else { return };
        match &mut *observer {
            Observer::Counters(counting) => counting.before(self, op, mask),
            Observer::Timeline(recording) => recording.before(self.warp.index, self.pc, op, self.active),
            Observer::Record(recorder) => recorder.before(self, op, mask),
            Observer::Writers(writing) if self.active != 0 => writing.before(self, op),
            Observer::Writers(_) => {}
            Observer::Watch(watch) => watch.before(self),
        }
        self.memory.observer = Some(observer);
    }
}
