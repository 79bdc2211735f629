//! What each warp of a block does, step by step.
//!
//! Method. The block runs in lockstep: in each step every warp that does not wait executes one instruction. What is under way
//! lands as late as it may, as in every launch.
//!
//! Source. None: it shows an order of events, no time. No instruction takes longer than another.
//!
//! Deviations. A GPU issues from some warps of a block only, and not in turn.
//!
//! What it misses. Other blocks. A timeline of more than 4 Mi intervals is cut, and says so.
//!
//! False alarms. None: it judges nothing.
//!
//! Cost. Every instruction is a turn of its own, which a plain run of the block does not pay. No block runs after it.

use std::collections::VecDeque;

use super::instructions::{Instructions, Line};
use super::{Execution, Instrument};
use crate::program::{MemorySpace, Op, Program};
use crate::state::access::Issuer;
use crate::state::pending::PendingLoad;
use crate::state::warp::{State, Warp};

/// Intervals that are kept at most; a longer block is cut off.
const MOST: usize = 4 << 20;

/// What a warp does in a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Activity {
    /// Arithmetic, branches, and all that is nothing else.
    Compute,
    /// An access of shared memory.
    Shared,
    /// Global memory: loads, stores, atomics, `cp.async`.
    Global,
    /// A bulk copy is issued.
    Bulk,
    /// `mma`, or a `wgmma` is issued.
    Tensor,
    /// Waits at a barrier.
    Barrier,
    /// Waits for a phase of an mbarrier.
    Mbarrier,
}

impl Activity {
    /// All, in the order of the legend.
    pub const ALL: [Self; 7] =
        [Self::Compute, Self::Shared, Self::Global, Self::Bulk, Self::Tensor, Self::Barrier, Self::Mbarrier];

    /// The name of the activity in the legend.
    pub fn name(self) -> &'static str {
        match self {
            Self::Compute => "compute",
            Self::Shared => "shared memory",
            Self::Global => "global memory",
            Self::Bulk => "TMA issue",
            Self::Tensor => "mma, wgmma issue",
            Self::Barrier => "waits at barrier",
            Self::Mbarrier => "waits at mbarrier",
        }
    }

    /// True if the warp only waits.
    pub fn waits(self) -> bool {
        matches!(self, Self::Barrier | Self::Mbarrier)
    }

    fn from_op(op: &Op) -> Self {
        match op {
            Op::Load { space, .. } | Op::Store { space, .. } | Op::Atomic { space, .. } => match space {
                MemorySpace::Global | MemorySpace::Generic => Self::Global,
                MemorySpace::Shared | MemorySpace::Cluster => Self::Shared,
                MemorySpace::Local | MemorySpace::Param => Self::Compute,
            },
            Op::LoadMatrix { .. } | Op::StoreMatrix { .. } => Self::Shared,
            Op::CopyAsync { .. } => Self::Global,
            Op::BulkLoad { .. } | Op::BulkStore { .. } => Self::Bulk,
            Op::Mma { .. } | Op::SmallMma(_) | Op::MmaF64 { .. } | Op::Wgmma(_) | Op::TensorMma(_) => Self::Tensor,
            _ => Self::Compute,
        }
    }
}

/// Steps in which a warp does the same: `from..to`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval {
    /// What the warp does in these steps.
    pub activity: Activity,
    /// The first step, from 0.
    pub from: u32,
    /// One past the last step.
    pub to: u32,
    /// The instruction that it waits at, or the first one.
    pc: u32,
}

/// The steps of one warp.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WarpTimeline {
    /// What it does, without gaps until it ends.
    pub intervals: Vec<Interval>,
    /// When `wgmma`s of it were under way, `from..to`.
    pub wgmmas: Vec<(u32, u32)>,
    /// When copies that it had issued were under way: `cp.async`, bulk copies.
    pub copies: Vec<(u32, u32)>,
}

impl WarpTimeline {
    /// Steps of an activity.
    pub fn steps(&self, activity: Activity) -> u64 {
        let own = self.intervals.iter().filter(|interval| interval.activity == activity);
        own.map(|interval| u64::from(interval.to - interval.from)).sum()
    }
}

/// The steps of a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timeline {
    /// Number of steps until the block ended, or until the report was cut.
    pub steps: u32,
    /// The timeline of each warp, by the warp's number.
    pub warps: Vec<WarpTimeline>,
    /// True if the block went on after the last step that is reported.
    pub cut: bool,
    /// Where warps waited: the instruction, whether at a barrier or an mbarrier, and the steps of all warps together.
    /// Longest first.
    pub waits: Vec<(Line, Activity, u64)>,
}

/// The records of the block while it runs.
#[derive(Debug, Default)]
pub struct Recording {
    step: u32,
    warps: Vec<WarpTimeline>,
    /// What each warp did in this step, and where.
    now: Vec<Option<(Activity, u32)>>,
    /// The mbarrier test that each warp repeats.
    testing: Vec<Option<u32>>,
    /// Where each warp came to its barrier.
    last: Vec<u32>,
    kept: usize,
    cut: bool,
}

impl Instrument for Recording {
    fn executing(&mut self, at: &Execution<'_>, op: &Op) {
        self.before(at.warp.index, at.pc, op, at.active);
    }

    fn tested(&mut self, issuer: Issuer, ended: bool) {
        if let Some(testing) = self.testing.get_mut(issuer.warp as usize) {
            *testing = (!ended).then_some(issuer.pc);
        }
    }

    fn round(&mut self, warps: &[Warp], loads: &VecDeque<PendingLoad>) {
        self.step(warps, loads);
    }
}

impl Recording {
    /// Begins with a block of so many warps.
    pub fn new(warps: usize) -> Self {
        Self {
            warps: vec![WarpTimeline::default(); warps],
            now: vec![None; warps],
            testing: vec![None; warps],
            last: vec![0; warps],
            ..Self::default()
        }
    }

    /// A warp is about to execute an instruction.
    fn before(&mut self, warp: u32, pc: u32, op: &Op, active: u32) {
        if let (Some(now), Some(last)) = (self.now.get_mut(warp as usize), self.last.get_mut(warp as usize)) {
            // What is predicated off does nothing.
            *now = Some((if active == 0 { Activity::Compute } else { Activity::from_op(op) }, pc));
            *last = pc;
        }
    }

    /// The step is over.
    fn step(&mut self, warps: &[Warp], loads: &VecDeque<PendingLoad>) {
        if self.kept >= MOST || self.step == u32::MAX {
            self.cut = true;
            return;
        }
        let step = self.step;
        for (index, warp) in warps.iter().enumerate() {
            let now = self.now[index].take();
            let (activity, pc) = match (now, self.testing[index]) {
                (Some(_), Some(pc)) => (Activity::Mbarrier, pc),
                (Some(now), None) => now,
                // It waited, even if another one has released it in this very step.
                (None, _) if warp.state != State::Done => (Activity::Barrier, self.last[index]),
                (None, _) => continue,
            };
            let own = &mut self.warps[index];
            match own.intervals.last_mut() {
                Some(last) if last.activity == activity && last.to == step && (!activity.waits() || last.pc == pc) => {
                    last.to += 1;
                }
                _ => {
                    self.kept += 1;
                    own.intervals.push(Interval { activity, from: step, to: step + 1, pc });
                }
            }
            if !warp.wgmmas.is_empty() {
                extend(&mut own.wgmmas, step);
            }
            if !warp.copies.is_empty()
                || !warp.stores.is_empty()
                || loads.iter().any(|load| load.thread / 32 == warp.index)
            {
                extend(&mut own.copies, step);
            }
        }
        self.step += 1;
    }

    pub(crate) fn into_report(self, program: &Program, instructions: &Instructions<'_>) -> Timeline {
        let mut waits: Vec<(u32, Activity, u64)> = Vec::new();
        for interval in self.warps.iter().flat_map(|warp| &warp.intervals).filter(|interval| interval.activity.waits())
        {
            let steps = u64::from(interval.to - interval.from);
            match waits.iter_mut().find(|(pc, activity, _)| (*pc, *activity) == (interval.pc, interval.activity)) {
                Some((.., total)) => *total += steps,
                None => waits.push((interval.pc, interval.activity, steps)),
            }
        }
        waits.sort_by_key(|&(pc, _, steps)| (std::cmp::Reverse(steps), pc));
        let known = |pc: u32| (pc as usize) < program.code.len();
        let waits = waits
            .into_iter()
            .filter(|&(pc, ..)| known(pc))
            .filter_map(|(pc, activity, steps)| Some((instructions.line(pc as usize)?, activity, steps)));
        Timeline { steps: self.step, cut: self.cut, waits: waits.collect(), warps: self.warps }
    }
}

fn extend(spans: &mut Vec<(u32, u32)>, step: u32) {
    match spans.last_mut() {
        Some((_, to)) if *to == step => *to += 1,
        _ => spans.push((step, step + 1)),
    }
}
