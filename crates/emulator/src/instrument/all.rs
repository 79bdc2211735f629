//! Every instrument, in the order in which the run calls them.
//!
//! The checks come first: they look at an operation before it changes anything, and what they find is worth more than any
//! count of it, should both be wanted. One of the observers comes after them. Neither sees what the other does, so that
//! the order decides nothing else.

use std::collections::VecDeque;
use std::sync::Mutex;

use super::counters::{CountedBlocks, Counting};
use super::instructions::Instructions;
use super::observe::{Observe, Observed};
use super::record::Recorder;
use super::sanitizer::finding::Finding;
use super::sanitizer::{Checks, Sanitizer};
use super::timeline::Recording;
use super::watch::Watch;
use super::writers::Writing;
use super::{Execution, Instrument, Instrumentation, Misuse, Object, Operation, Product};
use crate::lock::locked;
use crate::program::{Op, Program};
use crate::state::access::{Area, Issuer};
use crate::state::environment::Environment;
use crate::state::pending::PendingLoad;
use crate::state::shape::BlockShape;
use crate::state::tensor_memory::Cells;
use crate::state::warp::Warp;

/// The instruments of one block.
pub(crate) struct All<'a> {
    sanitizer: Option<Box<Sanitizer<'a>>>,
    observer: Option<Box<Observer>>,
}

/// What observes a block: at most one of these.
pub(crate) enum Observer {
    /// How much of everything the block does.
    Counters(Counting),
    /// What each warp does, step by step.
    Timeline(Recording),
    /// All that the warps of the block do.
    Record(Recorder),
    /// Writes to the wanted bytes.
    Writers(Writing),
    /// Values at lines.
    Watch(Watch),
}

/// Calls a hook of each instrument.
macro_rules! each {
    ($all:ident.$hook:ident($($argument:expr),*)) => {
        if let Some(sanitizer) = &mut $all.sanitizer {
            sanitizer.$hook($($argument),*);
        }
        match $all.observer.as_deref_mut() {
            Some(Observer::Counters(counters)) => counters.$hook($($argument),*),
            Some(Observer::Timeline(timeline)) => timeline.$hook($($argument),*),
            Some(Observer::Record(record)) => record.$hook($($argument),*),
            Some(Observer::Writers(writers)) => writers.$hook($($argument),*),
            Some(Observer::Watch(watch)) => watch.$hook($($argument),*),
            None => {}
        }
    };
}

/// Calls a hook that only the checks take part in: accesses, and what orders them.
macro_rules! checks {
    ($all:ident.$hook:ident($($argument:expr),*)) => {
        $all.sanitizer.as_mut().map(|sanitizer| sanitizer.$hook($($argument),*)).unwrap_or_default()
    };
}

impl Instrument for All<'_> {
    fn wants_accesses(&self) -> bool {
        self.sanitizer.is_some()
    }

    fn in_lockstep(&self) -> bool {
        matches!(self.observer.as_deref(), Some(Observer::Timeline(_)))
    }

    fn ends_launch(&self) -> bool {
        matches!(self.observer.as_deref(), Some(Observer::Timeline(_) | Observer::Record(_) | Observer::Watch(_)))
    }

    fn executing(&mut self, at: &Execution<'_>, op: &Op) {
        each!(self.executing(at, op));
    }

    fn read(&mut self, issuer: Issuer, area: Area) {
        checks!(self.read(issuer, area));
    }

    fn written(&mut self, issuer: Issuer, area: Area, same: bool) {
        checks!(self.written(issuer, area, same));
    }

    fn changed(&mut self, issuer: Issuer, area: Area) {
        checks!(self.changed(issuer, area));
    }

    fn written_by_peer(&mut self, pc: u32, area: Area) {
        checks!(self.written_by_peer(pc, area));
    }

    fn tensor_written_by_peer(&mut self, cells: &[Cells]) {
        checks!(self.tensor_written_by_peer(cells));
    }

    fn released(&mut self, warp: u32, object: Object) {
        checks!(self.released(warp, object));
    }

    fn acquired(&mut self, warp: u32, object: Object) {
        checks!(self.acquired(warp, object));
    }

    fn completed(&mut self, object: Object) {
        checks!(self.completed(object));
    }

    fn initialised(&mut self, issuer: Issuer, object: Object) {
        checks!(self.initialised(issuer, object));
    }

    fn arrives(&mut self, issuer: Issuer, mbarrier: u64) {
        checks!(self.arrives(issuer, mbarrier));
    }

    fn awaits(&mut self, issuer: Issuer, mbarrier: u64, parity: bool) {
        checks!(self.awaits(issuer, mbarrier, parity));
    }

    fn tested(&mut self, issuer: Issuer, ended: bool) {
        each!(self.tested(issuer, ended));
    }

    fn issued(&mut self, issuer: Issuer, operation: &Operation<'_>) {
        each!(self.issued(issuer, operation));
    }

    fn operation_reads(&mut self, issuer: Issuer, number: u64, area: Area) -> bool {
        checks!(self.operation_reads(issuer, number, area))
    }

    fn operation_wrote(&mut self, area: Area) {
        checks!(self.operation_wrote(area));
    }

    fn operation_writes_edge(&mut self, issuer: Issuer, row: Area, area: Area, same: bool) {
        checks!(self.operation_writes_edge(issuer, row, area, same));
    }

    fn operation_stores(&mut self, issuer: Issuer, from: Area, to: Area) {
        checks!(self.operation_stores(issuer, from, to));
    }

    fn tensor_map_read(&mut self, issuer: Issuer, area: Area) {
        checks!(self.tensor_map_read(issuer, area));
    }

    fn multiplied(&mut self, issuer: Issuer, product: &Product<'_>) {
        checks!(self.multiplied(issuer, product));
    }

    fn landed(&mut self, issuer: Issuer, operation: &Operation<'_>) {
        checks!(self.landed(issuer, operation));
    }

    fn misused(&mut self, issuer: Issuer, misuse: Misuse) {
        checks!(self.misused(issuer, misuse));
    }

    fn round(&mut self, warps: &[Warp], loads: &VecDeque<PendingLoad>) {
        each!(self.round(warps, loads));
    }
}

/// What a launch wants of its instruments, and what they have handed in.
pub(crate) struct Wanted<'a> {
    checks: Option<Checks<'a>>,
    observe: Option<&'a Observe>,
    counted: CountedBlocks,
    found: Mutex<Found>,
}

/// What the blocks that have ended have handed in.
#[derive(Default)]
struct Found {
    findings: Vec<Finding>,
    accesses: u64,
    observer: Option<Observer>,
}

impl<'a> Wanted<'a> {
    /// The instruments of one launch: its checks, and what it observes.
    pub fn new(checks: Option<Checks<'a>>, observe: Option<&'a Observe>) -> Self {
        Self { checks, observe, counted: CountedBlocks::default(), found: Mutex::default() }
    }

    /// What the checks share, and what they have found, with the number of accesses.
    pub fn take_findings(&self) -> Option<(&Checks<'a>, Vec<Finding>, u64)> {
        let checks = self.checks.as_ref()?;
        let mut found = locked(&self.found);
        Some((checks, std::mem::take(&mut found.findings), found.accesses))
    }

    /// What was observed.
    pub fn take_observed(&self, program: &Program, instructions: &Instructions<'_>) -> Option<Observed> {
        let counters = self.counted.take().map(Observer::Counters);
        let observer = locked(&self.found).observer.take().or(counters)?;
        Some(match observer {
            Observer::Counters(counting) => Observed::Counters(counting.into_report(instructions)),
            Observer::Timeline(recording) => Observed::Timeline(recording.into_report(program, instructions)),
            Observer::Record(recorder) => Observed::Record(Box::new(recorder.into_report(program, instructions))),
            Observer::Writers(writing) => Observed::Writers(writing.into_report(instructions)),
            Observer::Watch(watch) => Observed::Watch(watch.into_report(program, instructions)),
        })
    }

    fn observer(&self, environment: &Environment<'_>, shape: &BlockShape) -> Option<Observer> {
        let observe = self.observe?;
        if observe.block().is_some_and(|block| block != shape.index) {
            return None;
        }
        let (program, memory) = (environment.program, environment.memory);
        Some(match observe {
            Observe::Counters { .. } => Observer::Counters(self.counted.count(program, shape)),
            Observe::Timeline { .. } => Observer::Timeline(Recording::new(shape.threads().div_ceil(32) as usize)),
            Observe::Record { warp, .. } => Observer::Record(Recorder::new(program, shape, *warp, memory)),
            Observe::Writers(spans) => Observer::Writers(Writing::new(spans, shape, memory)),
            Observe::Watch(watching) => {
                Observer::Watch(Watch::new(watching, program, environment.source, shape, memory))
            }
        })
    }
}

impl Observer {
    /// Two blocks' as one; of the observers that hand in block by block, only the writers watch more than one.
    fn joined(self, other: Self) -> Self {
        match (self, other) {
            (Self::Writers(mut own), Self::Writers(other)) => {
                own.join(other);
                Self::Writers(own)
            }
            (own, _) => own,
        }
    }
}

impl<'a> Instrumentation for &'a Wanted<'a> {
    type Block = All<'a>;

    fn begin(&self, environment: &Environment<'_>, shape: &BlockShape) -> All<'a> {
        let wanted: &'a Wanted<'a> = self;
        All {
            sanitizer: wanted.checks.as_ref().map(|checks| Box::new(Sanitizer::new(checks, shape))),
            observer: wanted.observer(environment, shape).map(Box::new),
        }
    }

    fn end(&self, block: All<'a>, failed: bool) {
        if let Some(mut sanitizer) = block.sanitizer {
            if !failed {
                sanitizer.finish();
            }
            let mut found = locked(&self.found);
            found.accesses += sanitizer.accesses;
            for finding in sanitizer.findings {
                let known =
                    found.findings.iter_mut().find(|known| (known.rule, known.pc) == (finding.rule, finding.pc));
                match known {
                    Some(known) => known.count += finding.count,
                    None => found.findings.push(finding),
                }
            }
        }
        // What was observed of a block that has failed is not the whole.
        match block.observer.filter(|_| !failed).map(|observer| *observer) {
            Some(Observer::Counters(counting)) => self.counted.keep(counting),
            Some(observer) => {
                let mut found = locked(&self.found);
                found.observer = Some(match found.observer.take() {
                    Some(known) => known.joined(observer),
                    None => observer,
                });
            }
            None => {}
        }
    }
}
