//! What can be observed of a launch, and what is reported.
//!
//! An observed launch runs its blocks one after the other, so that the report is the same from run to run; but for
//! counters: those of blocks that do not meet are the same in any order.

pub use super::counters::{Counted, Counters, Counting, Counts, Global, Shared, Traffic, Worst};
pub use super::differ::{Compared, Difference};
pub use super::instructions::Line;
pub use super::origins::{At, LaneRegister, Origin, Origins, Passage, SharedBytes};
pub use super::record::{Record, Recorder};
pub use super::steps::{Change, StepTaken, Touch};
pub use super::timeline::{Activity, Interval, Recording, Timeline, WarpTimeline};
pub use super::watch::{Found, History, Point, Time, Watch, Watched, Watching};
pub use super::writers::{Span, Writer, Writers, Writing};
pub use crate::state::transfer::Piece;

pub use warpbook_ptx::PtxType;

/// What a launch is to observe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Observe {
    /// How often each instruction is executed, and what its accesses ask of memory.
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
        /// Number of the warp in the block; `None` for all warps.
        warp: Option<u32>,
    },
    /// Which instructions write to these bytes.
    Writers(Vec<Span>),
    /// Values of registers and memory at lines of the PTX.
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

/// What a launch has observed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Observed {
    /// The report of [`Observe::Counters`].
    Counters(Counters),
    /// The report of [`Observe::Timeline`].
    Timeline(Timeline),
    /// The report of [`Observe::Record`].
    Record(Box<Record>),
    /// The report of [`Observe::Writers`].
    Writers(Writers),
    /// The report of [`Observe::Watch`], for each watched line.
    Watch(Vec<History>),
}
