//! Registers and memory at lines of the PTX, each time that a warp comes there.
//!
//! Method. Before the instruction of a watched line is executed, what is watched is copied; registers that the instruction
//! writes are copied when its warp comes to the next one.
//!
//! Source. None: it is the watchpoint of a debugger.
//!
//! Deviations. Memory has the value before the instruction, a written register the one after it.
//!
//! What it misses. Values between two of the lines. More than 65,536 times at a line are cut, and the history says so. A
//! register that holds nothing at a line is reported with the lines between which it lives.
//!
//! False alarms. None: it judges nothing.
//!
//! Cost. A comparison for each instruction and line. No block runs after the watched one.

use std::collections::{HashMap, VecDeque};

use super::instructions::{Instructions, Line};
use super::writers::Span;
use super::{Execution, Instrument};
use crate::program::{File, Op, Program, Slot};
use crate::state::memory::GlobalMemory;
use crate::state::pending::PendingLoad;
use crate::state::shape::BlockShape;
use crate::state::warp::{State, Warp};
use warpbook_gpu::u64_from_le;
use warpbook_ptx::PtxType;

/// Times that are kept of a line at most, of all warps together.
const MOST: usize = 1 << 16;

/// What is watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Watched {
    /// A register by its name: `%r12`.
    Register(String),
    /// Bytes of the block's shared memory.
    Shared {
        /// Offset of the first byte in shared memory.
        at: u64,
        /// Number of bytes: 1, 2, 4 or 8.
        bytes: u32,
    },
    /// Bytes of a buffer: 1, 2, 4 or 8.
    Global(Span),
}

/// What is watched, in which block and of which warp.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watching {
    /// `%ctaid`
    pub block: [u32; 3],
    /// Number of the warp in the block; `None` for all warps.
    pub warp: Option<u32>,
    /// The watched lines, and what is watched at each.
    pub points: Vec<Point>,
}

/// What is watched at a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Point {
    /// The line of the PTX, as [`Line::ptx`] counts.
    pub line: u32,
    /// The registers and the bytes that are watched there.
    pub watched: Vec<Watched>,
}

/// One time that a warp was there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Time {
    /// The warp's number in its block.
    pub warp: u32,
    /// How often the warp was there before.
    pub number: u32,
    /// The lanes that took part.
    pub active: u32,
    /// Of each watched thing the 32 lanes; one value for memory.
    pub values: Vec<Vec<u64>>,
}

/// What a register is, at the line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// A register that lives there, and whether the instruction writes it.
    Register {
        /// The type that the register is declared with.
        ty: PtxType,
        /// True if the instruction writes it: then its value is the one after the instruction.
        written: bool,
    },
    /// The text has the register, but at this line it holds nothing; the PTX lines between which it lives.
    Elsewhere {
        /// The first line at which it lives.
        from: u32,
        /// The last line at which it lives.
        to: u32,
    },
    /// Memory, as it is before the instruction.
    Memory,
    /// There is no such register, buffer or byte.
    Unknown,
}

/// The whole history of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History {
    /// The instruction; `None` if none begins on the line.
    pub line: Option<Line>,
    /// Lines of the PTX on which instructions begin.
    pub lines: Vec<u32>,
    /// What each watched thing is.
    pub found: Vec<Found>,
    /// Names of all registers of the text.
    pub names: Vec<String>,
    /// Each time, in the order in which they came.
    pub times: Vec<Time>,
    /// True if there were more times.
    pub cut: bool,
    /// Warps of the block.
    pub warps: u32,
}

/// A register to take: file, slot, whether the instruction writes it.
type Taken = (File, Slot, bool);

/// The histories of a block while it runs.
#[derive(Debug)]
pub struct Watch {
    lines: Vec<AtLine>,
}

impl Instrument for Watch {
    fn executing(&mut self, at: &Execution<'_>, _: &Op) {
        self.lines.iter_mut().for_each(|line| line.before(at));
    }

    fn round(&mut self, warps: &[Warp], _: &VecDeque<PendingLoad>) {
        self.lines.iter_mut().for_each(|line| line.round(warps));
    }
}

impl Watch {
    pub(crate) fn new(
        watching: &Watching,
        program: &Program,
        source: &warpbook_diagnostic::Source,
        shape: &BlockShape,
        memory: &GlobalMemory,
    ) -> Self {
        let at = |point| AtLine::new(point, watching.warp, program, source, shape, memory);
        Self { lines: watching.points.iter().map(at).collect() }
    }

    pub(crate) fn into_report(self, program: &Program, instructions: &Instructions<'_>) -> Vec<History> {
        self.lines.into_iter().map(|line| line.into_report(program, instructions)).collect()
    }
}

/// The history of a line.
#[derive(Debug)]
struct AtLine {
    warp: Option<u32>,
    watched: Vec<Watched>,
    /// First and last operation of the instruction at the line.
    operations: Option<(u32, u32)>,
    registers: Vec<Option<Taken>>,
    addresses: Vec<Option<u64>>,
    counts: HashMap<u32, u32>,
    times: Vec<Time>,
    /// Of each warp the time whose written registers are still to be taken.
    pending: Vec<Option<usize>>,
    cut: bool,
}

impl AtLine {
    fn new(
        point: &Point,
        warp: Option<u32>,
        program: &Program,
        source: &warpbook_diagnostic::Source,
        shape: &BlockShape,
        memory: &GlobalMemory,
    ) -> Self {
        let operations = operations_at(program, source, point.line);
        let registers = point.watched.iter().map(|watched| match watched {
            Watched::Register(name) => operations.and_then(|operations| taken(program, name, operations)),
            _ => None,
        });
        let addresses = point.watched.iter().map(|watched| match watched {
            Watched::Global(span) => {
                let area = memory.allocations().iter().find(|area| area.label == span.buffer)?;
                Some(area.address + span.from)
            }
            _ => None,
        });
        let warps = shape.threads().div_ceil(32) as usize;
        Self {
            operations,
            registers: registers.collect(),
            addresses: addresses.collect(),
            warp,
            watched: point.watched.clone(),
            counts: HashMap::new(),
            times: Vec::new(),
            pending: vec![None; warps],
            cut: false,
        }
    }

    fn finish(&mut self, warp: &Warp) {
        let Some(time) = self.pending.get_mut(warp.index as usize).and_then(Option::take) else { return };
        let Some(time) = self.times.get_mut(time) else { return };
        for (register, values) in self.registers.iter().zip(&mut time.values) {
            if let Some((file, slot, true)) = register {
                *values = lanes(warp, *file, *slot);
            }
        }
    }

    fn round(&mut self, warps: &[Warp]) {
        for warp in warps.iter().filter(|warp| warp.state == State::Done) {
            self.finish(warp);
        }
    }

    fn before(&mut self, at: &Execution<'_>) {
        let Some((first, last)) = self.operations else { return };
        // An instruction of several operations is over after the last of them.
        if !(first..=last).contains(&at.pc) || at.pc == first {
            self.finish(at.warp);
        }
        if at.pc != first || self.warp.is_some_and(|warp| warp != at.warp.index) {
            return;
        }
        if self.times.len() >= MOST {
            self.cut = true;
            return;
        }
        let values = self.watched.iter().zip(&self.registers).zip(&self.addresses);
        let values = values.map(|((watched, register), address)| match (watched, register, address) {
            (_, Some((file, slot, _)), _) => lanes(at.warp, *file, *slot),
            (Watched::Shared { at: first, bytes }, ..) => {
                let shared = at.memory.shared.get(*first as usize..(*first + u64::from(*bytes)) as usize);
                shared.map(|bytes| vec![u64_from_le(bytes)]).unwrap_or_default()
            }
            (Watched::Global(span), _, Some(address)) => {
                let mut bytes = vec![0; (span.to - span.from) as usize];
                match at.environment.memory.read(*address, &mut bytes) {
                    true => vec![u64_from_le(&bytes)],
                    false => Vec::new(),
                }
            }
            _ => Vec::new(),
        });
        let values = values.collect();
        let count = self.counts.entry(at.warp.index).or_default();
        let number = *count;
        *count += 1;
        if let Some(pending) = self.pending.get_mut(at.warp.index as usize) {
            *pending = Some(self.times.len());
        }
        self.times.push(Time { warp: at.warp.index, number, active: at.active, values });
    }

    fn into_report(self, program: &Program, instructions: &Instructions<'_>) -> History {
        let found = self.watched.iter().zip(&self.registers).zip(&self.addresses);
        let found = found.map(|((watched, register), address)| match (watched, register) {
            (Watched::Register(name), Some((file, slot, written))) => {
                let own = program.registers.iter().find(|own| (&own.name, own.file, own.slot) == (name, *file, *slot));
                own.map_or(Found::Unknown, |own| Found::Register { ty: own.ty, written: *written })
            }
            (Watched::Register(name), None) => elsewhere(program, instructions, name),
            (Watched::Shared { .. }, _) => Found::Memory,
            (Watched::Global(_), _) => {
                if address.is_some() {
                    Found::Memory
                } else {
                    Found::Unknown
                }
            }
        });
        let found = found.collect();
        let mut lines = Vec::new();
        let mut from = 0;
        while let Some(to) = instructions.end(from) {
            lines.extend(instructions.line(from).map(|line| line.ptx));
            from = to;
        }
        let mut names: Vec<String> = program.registers.iter().map(|register| register.name.clone()).collect();
        names.sort();
        names.dedup();
        History {
            line: self.operations.and_then(|(first, _)| instructions.line(first as usize)),
            lines,
            found,
            names,
            times: self.times,
            cut: self.cut,
            warps: self.pending.len() as u32,
        }
    }
}

fn elsewhere(program: &Program, instructions: &Instructions<'_>, name: &str) -> Found {
    let own = program.registers.iter().filter(|register| register.name == name);
    let range = own.fold(None, |range: Option<(u32, u32)>, register| {
        let (from, to) = range.unwrap_or(register.live);
        Some((from.min(register.live.0), to.max(register.live.1)))
    });
    let line = |position: u32| instructions.line(position as usize / 2).map_or(0, |line| line.ptx);
    range.map_or(Found::Unknown, |(from, to)| Found::Elsewhere { from: line(from), to: line(to) })
}

fn lanes(warp: &Warp, file: File, slot: Slot) -> Vec<u64> {
    let slot = slot as usize;
    match file {
        File::Word => warp.words.get(slot).map(|lanes| lanes.iter().map(|&value| value.into()).collect()),
        File::Long => warp.longs.get(slot).map(|lanes| lanes.to_vec()),
        File::Predicate => {
            warp.predicates.get(slot).map(|mask| (0..32).map(|lane| u64::from(mask >> lane & 1)).collect())
        }
    }
    .unwrap_or_default()
}

/// First and last operation of the instruction that begins on a line.
fn operations_at(program: &Program, source: &warpbook_diagnostic::Source, line: u32) -> Option<(u32, u32)> {
    let number = line.checked_sub(source.first_line as u32)? as usize;
    let mut lines = source.text.split_inclusive('\n');
    let start: usize = lines.by_ref().take(number).map(str::len).sum();
    let length = lines.next()?.len();
    let span = program.spans.iter().find(|span| (start..start + length).contains(&span.start))?;
    let own = |other: &std::ops::Range<usize>| other == span;
    let (first, last) = (program.spans.iter().position(own)?, program.spans.iter().rposition(own)?);
    Some((first as u32, last as u32))
}

/// The slot of a register that lives at an instruction.
fn taken(program: &Program, name: &str, (first, last): (u32, u32)) -> Option<Taken> {
    let own = program.registers.iter().filter(|register| register.name == name);
    let at = own.filter(|register| register.live.0 <= 2 * last + 1 && register.live.1 >= 2 * first);
    at.map(|register| {
        let mut written = false;
        for pc in first..=last {
            if let Some(instruction) = program.code.get(pc as usize) {
                instruction.clone().visit(&mut |file, how, slot| {
                    written |= how == crate::program::Use::Write && (file, *slot) == (register.file, register.slot);
                });
            }
        }
        (register.file, register.slot, written)
    })
    // The one that the instruction itself names, of several.
    .min_by_key(|(.., written)| !*written)
}
