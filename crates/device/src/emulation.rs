//! What the emulator offers beside running a launch: what it can observe of one ([`Observe`]), and what it found
//! ([`Observed`], [`CheckReport`]). This list is all that users of a device see of the emulator; a GPU offers none of it.

pub use warpbook_emulator::CheckReport;
pub use warpbook_emulator::observe::{Line, Observe, Observed, PtxType, Span};

// Counters of instructions and of buffers.
pub use warpbook_emulator::observe::{Counted, Counters, Counts, Traffic, Worst};

// What each warp does over time.
pub use warpbook_emulator::observe::{Activity, Timeline, WarpTimeline};

// Values of registers and memory.
pub use warpbook_emulator::observe::{Found, History, Point, Time, Watched, Watching};

// A block, recorded step by step; two records compared; where a value comes from.
pub use warpbook_emulator::observe::{
    Difference, LaneRegister, Origins, Passage, Record, StepTaken, Touch, Writer, Writers,
};
