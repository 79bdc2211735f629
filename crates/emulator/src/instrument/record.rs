//! Everything that the warps of one block do: each instruction with what it wrote and the memory that it touched.
//!
//! Method. An event is noted before each operation. What a register holds after an instruction is taken when its warp comes to
//! the next one: nothing but the warp itself (and the barrier that it waits at) writes to its registers. The searches of
//! [`super::origins`], [`super::differ`] and [`super::steps`] work on the record.
//!
//! Source. Dynamic slicing (B. Korel and J. Laski, "Dynamic Program Slicing", 1988), of values only.
//!
//! Deviations. The results of a `wgmma` are recorded at its wait.
//!
//! What it misses. Other blocks, also where they write to the block's shared memory; operands and results of `tcgen05`. A
//! record that grows beyond 4 Mi events or 256 MiB of values is cut, and says so.
//!
//! False alarms. None: it judges nothing.
//!
//! Cost. 24 bytes for each operation of a warp, 4 for each lane of a register of 32 bits that it writes. No block runs after
//! the recorded one; those before it run only if blocks can order themselves.

use std::collections::{HashMap, VecDeque};

use super::counters::Way;
use super::instructions::{Instructions, Line};
use super::{Execution, Instrument, Operation};
use crate::program::{File, Instruction, Long, Op, Program, Register, Slot, Use, WgmmaSource};
use crate::state::access::Issuer;
use crate::state::memory::GlobalMemory;
use crate::state::pending::PendingLoad;
use crate::state::shape::BlockShape;
use crate::state::transfer::Piece;
use crate::state::warp::{State, Warp, lanes_of};

/// Events that are kept at most.
const MOST_EVENTS: usize = 4 << 20;
/// Words of registers that are kept at most: 256 MiB.
const MOST_VALUES: usize = 64 << 20;
/// Stands for the values and the access of an event that has none.
pub(crate) const NOTHING: u32 = u32::MAX;

/// A register of a file.
pub(crate) type Cell = (File, Slot);

/// One operation of a warp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    /// Number of the warp in the block.
    pub warp: u32,
    /// Index of the operation.
    pub pc: u32,
    /// Lanes that came to the operation.
    pub present: u32,
    /// Lanes that took part.
    pub active: u32,
    /// Index of its first value; [`NOTHING`] for none.
    pub values: u32,
    /// Index of its access; [`NOTHING`] for none.
    pub access: u32,
}

/// The memory that an operation touched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Each lane by itself; `global` and `shared` are the lanes whose addresses lie there.
    Lanes { way: Way, size: u32, global: u32, shared: u32, addresses: Box<Long> },
    /// `cp.async`; the lanes in `reads` read, the others only write zeros.
    Copy { size: u32, shared: Box<Long>, global: Box<Long>, reads: u32 },
    /// `ldmatrix`, `stmatrix`: rows of 16 bytes.
    Rows { way: Way, count: u32, addresses: Box<Long> },
    /// The pieces of a bulk copy.
    Bulk { load: bool, pieces: Vec<Piece> },
    /// Descriptors of a `wgmma`, and whether it adds.
    Wgmma { a: Option<u64>, b: u64, add: bool },
}

/// What an operation reads and writes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Uses {
    /// Slot of the predicate that guards it, and whether it is negated.
    pub guard: Option<(Slot, bool)>,
    /// Registers that it reads, but for its guard.
    pub reads: Vec<Cell>,
    /// Registers that it writes.
    pub writes: Vec<Cell>,
    /// Registers whose values are kept: those that it writes, and at a wait those of the `wgmma`s.
    pub kept: Vec<Cell>,
}

impl Uses {
    pub fn from_program(program: &Program) -> Vec<Self> {
        let mut code = program.code.clone();
        code.iter_mut().map(Self::from_instruction).collect()
    }

    fn from_instruction(instruction: &mut Instruction) -> Self {
        let guard = instruction.guard;
        let mut uses = Self { guard, ..Self::default() };
        let mut is_guard = guard.is_some();
        instruction.visit(&mut |file, how, slot| match how {
            Use::Read if is_guard => is_guard = false,
            Use::Read => uses.reads.push((file, *slot)),
            Use::Write => uses.writes.push((file, *slot)),
        });
        match &instruction.op {
            // Its results come with the wait.
            Op::Wgmma(_) => {}
            Op::WgmmaWait { .. } => uses.kept = std::mem::take(&mut uses.reads),
            _ => uses.kept.clone_from(&uses.writes),
        }
        uses
    }
}

/// Words that a register takes among the values.
pub(crate) fn words_of(file: File) -> usize {
    match file {
        File::Word => 32,
        File::Long => 64,
        File::Predicate => 1,
    }
}

/// An allocation, as it was while the block ran.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Area {
    pub label: String,
    pub address: u64,
    pub length: u64,
}

/// The record of a block while it runs.
#[derive(Debug)]
pub struct Recorder {
    block: [u32; 3],
    /// Number of the only warp that is recorded; `None` for all warps.
    warp: Option<u32>,
    uses: Vec<Uses>,
    areas: Vec<Area>,
    events: Vec<Event>,
    values: Vec<u32>,
    accesses: Vec<Access>,
    /// The event of each warp whose values are still to be taken.
    pending: Vec<Option<usize>>,
    cut: bool,
}

impl Instrument for Recorder {
    fn executing(&mut self, at: &Execution<'_>, op: &Op) {
        self.before(at, op, at.present);
    }

    fn issued(&mut self, issuer: Issuer, operation: &Operation<'_>) {
        if let Operation::Bulk { load, side, shared, .. } = operation {
            self.pieces(issuer.warp, *load, side.pieces(*shared));
        }
    }

    fn round(&mut self, warps: &[Warp], _: &VecDeque<PendingLoad>) {
        for warp in warps.iter().filter(|warp| warp.state == State::Done) {
            self.finish(warp);
        }
    }
}

impl Recorder {
    pub(crate) fn new(program: &Program, shape: &BlockShape, warp: Option<u32>, memory: &GlobalMemory) -> Self {
        let area =
            |one: &crate::Allocation| Area { label: one.label.clone(), address: one.address, length: one.length };
        Self {
            block: shape.index,
            warp,
            uses: Uses::from_program(program),
            areas: memory.allocations().iter().map(area).collect(),
            events: Vec::new(),
            values: Vec::new(),
            accesses: Vec::new(),
            pending: vec![None; shape.threads().div_ceil(32) as usize],
            cut: false,
        }
    }

    /// Takes what the last instruction of a warp has left in its registers.
    fn finish(&mut self, warp: &Warp) {
        let Some(event) = self.pending.get_mut(warp.index as usize).and_then(Option::take) else { return };
        let Some(event) = self.events.get_mut(event) else { return };
        let Some(uses) = self.uses.get(event.pc as usize) else { return };
        if uses.kept.is_empty() {
            return;
        }
        let wanted: usize = uses.kept.iter().map(|(file, _)| words_of(*file)).sum();
        if self.values.len() + wanted > MOST_VALUES {
            self.cut = true;
            return;
        }
        event.values = self.values.len() as u32;
        for &(file, slot) in &uses.kept {
            let slot = slot as usize;
            match file {
                File::Word => self.values.extend_from_slice(warp.words.get(slot).unwrap_or(&[0; 32])),
                File::Long => {
                    let lanes = warp.longs.get(slot).unwrap_or(&[0; 32]);
                    self.values.extend(lanes.iter().flat_map(|value| [*value as u32, (*value >> 32) as u32]));
                }
                File::Predicate => self.values.push(warp.predicates.get(slot).copied().unwrap_or_default()),
            }
        }
    }

    fn before(&mut self, at: &Execution<'_>, op: &Op, mask: u32) {
        if self.warp.is_some_and(|warp| warp != at.warp.index) {
            return;
        }
        self.finish(at.warp);
        if self.events.len() >= MOST_EVENTS {
            self.cut = true;
            return;
        }
        let access = match access(at, op) {
            Some(access) => {
                self.accesses.push(access);
                self.accesses.len() as u32 - 1
            }
            None => NOTHING,
        };
        if let Some(pending) = self.pending.get_mut(at.warp.index as usize) {
            *pending = Some(self.events.len());
        }
        self.events.push(Event {
            warp: at.warp.index,
            pc: at.pc,
            present: mask,
            active: at.active,
            values: NOTHING,
            access,
        });
    }

    /// The operation that is executed is a bulk copy of these bytes.
    fn pieces(&mut self, warp: u32, load: bool, pieces: Vec<Piece>) {
        let Some(event) = self.events.last_mut().filter(|event| event.warp == warp) else { return };
        match self.accesses.get_mut(event.access as usize) {
            // Of another lane.
            Some(Access::Bulk { pieces: known, .. }) => known.extend(pieces),
            _ => {
                event.access = self.accesses.len() as u32;
                self.accesses.push(Access::Bulk { load, pieces });
            }
        }
    }

    pub(crate) fn into_report(self, program: &Program, instructions: &Instructions<'_>) -> Record {
        let code = program.code.clone();
        let mut lines: Vec<Option<Line>> = vec![None; code.len()];
        let mut first: Vec<u32> = (0..code.len() as u32).collect();
        let mut from = 0;
        while let Some(to) = instructions.end(from) {
            let line = instructions.line(from);
            for pc in from..to.min(code.len()) {
                lines[pc].clone_from(&line);
                first[pc] = from as u32;
            }
            from = to;
        }
        let mut by_cell: HashMap<Cell, Vec<u32>> = HashMap::new();
        for (number, register) in program.registers.iter().enumerate() {
            by_cell.entry((register.file, register.slot)).or_default().push(number as u32);
        }
        let words = program.word_constants.iter().map(|&(slot, value)| ((File::Word, slot), u64::from(value)));
        let longs = program.long_constants.iter().map(|&(slot, value)| ((File::Long, slot), value));
        let truths = program.true_predicates.iter().map(|&slot| ((File::Predicate, slot), 1));
        Record {
            block: self.block,
            code,
            uses: self.uses,
            lines,
            first,
            registers: program.registers.clone(),
            by_cell,
            constants: words.chain(longs).chain(truths).collect(),
            areas: self.areas,
            events: self.events,
            values: self.values,
            accesses: self.accesses,
            cut: self.cut,
        }
    }
}

/// The memory that an operation is about to touch; bulk copies tell theirs themselves.
fn access(at: &Execution<'_>, op: &Op) -> Option<Access> {
    let lanes = |way, space, address, size| {
        let (addresses, global, shared) = at.resolved(space, address);
        Access::Lanes { way, size, global, shared, addresses: Box::new(addresses) }
    };
    if at.active == 0 {
        return None;
    }
    Some(match op {
        Op::Load { space, size, d, address, .. } => lanes(Way::Load, *space, address, size * d.len() as u32),
        Op::Store { space, size, a, address } => lanes(Way::Store, *space, address, size * a.len() as u32),
        Op::Atomic { space, ty, a, address, .. } => lanes(Way::Atomic, *space, address, ty.size() * a.len() as u32),
        Op::LoadMatrix { count, address, .. } => {
            Access::Rows { way: Way::Load, count: *count, addresses: Box::new(at.addresses(address)) }
        }
        Op::StoreMatrix { a, address, .. } => {
            Access::Rows { way: Way::Store, count: a.len() as u32, addresses: Box::new(at.addresses(address)) }
        }
        Op::CopyAsync { size, shared, global, source_size, ignore } => {
            let ignored = ignore.map_or(0, |p| at.warp.predicates[p as usize]);
            let reads = lanes_of(at.active & !ignored)
                .filter(|&lane| source_size.is_none_or(|slot| at.word(slot)[lane] > 0))
                .fold(0, |mask, lane| mask | 1 << lane);
            let (shared, global) = (Box::new(at.addresses(shared)), Box::new(at.addresses(global)));
            Access::Copy { size: *size, shared, global, reads }
        }
        Op::Wgmma(wgmma) => {
            let lane = at.active.trailing_zeros() as usize & 31;
            let a = match &wgmma.a {
                WgmmaSource::Registers(_) => None,
                WgmmaSource::Shared(slot, _) => Some(at.warp.longs[*slot as usize][lane]),
            };
            let add = wgmma.add.is_none_or(|slot| at.warp.predicates[slot as usize] >> lane & 1 != 0);
            Access::Wgmma { a, b: at.warp.longs[wgmma.b.0 as usize][lane], add }
        }
        _ => return None,
    })
}

/// What the warps of a block did.
#[derive(Clone, Debug)]
pub struct Record {
    pub(crate) block: [u32; 3],
    pub(crate) code: Vec<Instruction>,
    pub(crate) uses: Vec<Uses>,
    /// The instruction of each operation, and the first operation of that instruction.
    pub(crate) lines: Vec<Option<Line>>,
    pub(crate) first: Vec<u32>,
    pub(crate) registers: Vec<Register>,
    by_cell: HashMap<Cell, Vec<u32>>,
    pub(crate) constants: HashMap<Cell, u64>,
    pub(crate) areas: Vec<Area>,
    pub(crate) events: Vec<Event>,
    pub(crate) values: Vec<u32>,
    pub(crate) accesses: Vec<Access>,
    /// True if it was longer than what is kept.
    pub cut: bool,
}

impl PartialEq for Record {
    fn eq(&self, other: &Self) -> bool {
        (self.block, &self.lines, &self.events) == (other.block, &other.lines, &other.events)
            && (&self.values, &self.accesses, self.cut) == (&other.values, &other.accesses, other.cut)
    }
}

impl Eq for Record {}

impl Record {
    /// `%ctaid`
    pub fn block(&self) -> [u32; 3] {
        self.block
    }

    pub(crate) fn op(&self, pc: u32) -> Option<&Op> {
        self.code.get(pc as usize).map(|instruction| &instruction.op)
    }

    pub(crate) fn line(&self, pc: u32) -> Option<&Line> {
        self.lines.get(pc as usize)?.as_ref()
    }

    pub(crate) fn access(&self, event: &Event) -> Option<&Access> {
        self.accesses.get(event.access as usize)
    }

    /// The register that a cell holds, read or written by an operation.
    pub(crate) fn register(&self, cell: Cell, pc: u32, written: bool) -> Option<&Register> {
        let at = 2 * pc + u32::from(written);
        let known = self.by_cell.get(&cell)?.iter().filter_map(|&number| self.registers.get(number as usize));
        known.filter(|register| (register.live.0..=register.live.1).contains(&at)).max_by_key(|own| own.live.0)
    }

    /// What a lane of a cell held after an event, where that is known.
    pub(crate) fn value_after(&self, event: &Event, cell: Cell, lane: u32) -> Option<u64> {
        if event.values == NOTHING {
            return None;
        }
        let mut at = event.values as usize;
        for &(file, slot) in &self.uses.get(event.pc as usize)?.kept {
            if (file, slot) == cell {
                let (lane, value) = (lane as usize, self.values.get(at..)?);
                return Some(match file {
                    File::Word => u64::from(*value.get(lane)?),
                    File::Long => u64::from(*value.get(2 * lane)?) | u64::from(*value.get(2 * lane + 1)?) << 32,
                    File::Predicate => u64::from(value.first()? >> lane & 1),
                });
            }
            at += words_of(file);
        }
        None
    }

    /// The buffer of an address, and the offset in it.
    pub(crate) fn in_buffer(&self, address: u64) -> Option<(&str, u64)> {
        let found = self.areas.partition_point(|area| area.address <= address).checked_sub(1)?;
        let area = self.areas.get(found)?;
        let offset = address - area.address;
        (offset < area.length).then_some((area.label.as_str(), offset))
    }
}
