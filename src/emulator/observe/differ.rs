//! The first operation at which two versions of a kernel come to different values.

use std::collections::HashMap;

use super::origins::has_values;
use super::record::{Access, Cell, Event, Record};
use super::{Line, Writer, counters::Way};
use crate::emulator::execute::lanes_of;
use crate::emulator::program::Op;
use crate::ptx::PtxType;

/// Two instructions of the same text that left different values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// In both versions.
    pub lines: [Line; 2],
    /// The register, in both.
    pub registers: [String; 2],
    /// How it is declared.
    pub ty: PtxType,
    /// The warp's number in its block.
    pub warp: u32,
    /// The first lane that differs.
    pub lane: u32,
    /// How many lanes differ.
    pub lanes: u32,
    /// What it held.
    pub values: [u64; 2],
    /// How often the warp had been at the instruction before.
    pub time: u32,
    /// What the instruction reads: names and values in both versions.
    pub operands: Vec<[(String, PtxType, u64); 2]>,
}

/// What two records of a block have to say of a value that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compared {
    /// The first difference on the way to the value; `None` if all that the versions have in common is the same.
    pub first: Option<Difference>,
    /// Instructions on that way that the other version does not have, in their order.
    pub own: Vec<Line>,
    /// Instructions on that way that both have.
    pub common: u64,
}

impl Record {
    /// Follows a value of this version back and compares what its instructions left with the other version's. `pairs`
    /// are lines of both PTXs that hold the same instruction.
    pub fn compare(&self, other: &Self, writer: &Writer, pairs: &HashMap<u32, u32>) -> Compared {
        let (_, through) = self.follow(writer);
        let theirs = Counterparts::of(other);
        let mut counts: HashMap<(u32, u32), u32> = HashMap::new();
        let mut found = Compared { first: None, own: Vec::new(), common: 0 };
        let accumulators = self.accumulators(&through);
        for (number, event) in self.events.iter().enumerate() {
            let count = counts.entry((event.warp, event.pc)).or_default();
            let time = *count;
            *count += 1;
            let is_wait = matches!(self.op(event.pc), Some(Op::WgmmaWait { .. }));
            let lanes = match through.get(&(number as u32)) {
                Some(&lanes) => lanes,
                None if is_wait && !accumulators.is_empty() => u32::MAX,
                None => continue,
            };
            let Some(line) = self.line(event.pc) else { continue };
            let Some(&paired) = pairs.get(&line.ptx) else {
                if found.own.iter().all(|own| own.ptx != line.ptx) {
                    found.own.push(line.clone());
                }
                continue;
            };
            found.common += 1;
            let within = event.pc - self.first.get(event.pc as usize).copied().unwrap_or(event.pc);
            let Some((their_number, their)) = theirs.find(other, paired, within, event.warp, time) else { continue };
            let wanted: Vec<(usize, Cell)> = match is_wait {
                true => {
                    let kept = self.uses[event.pc as usize].kept.iter().copied().enumerate();
                    kept.filter(|(_, cell)| accumulators.contains_key(&(event.warp, *cell))).collect()
                }
                false => self.uses[event.pc as usize].kept.iter().copied().enumerate().collect(),
            };
            if let Some(difference) = self.differs((number as u32, event), (other, their_number, their), lanes, &wanted)
            {
                let their_line = other.line(their.pc).cloned().unwrap_or_else(|| line.clone());
                found.first = Some(Difference { lines: [line.clone(), their_line], time, ..difference });
                return found;
            }
        }
        found
    }

    /// Accumulators of `wgmma` that a value came through.
    fn accumulators(&self, through: &HashMap<u32, u32>) -> HashMap<(u32, Cell), ()> {
        let events = through.keys().filter_map(|&number| self.events.get(number as usize));
        let wgmmas = events.filter(|event| matches!(self.op(event.pc), Some(Op::Wgmma(_))));
        wgmmas
            .flat_map(|event| self.uses[event.pc as usize].writes.iter().map(|cell| ((event.warp, *cell), ())))
            .collect()
    }

    fn differs(
        &self,
        (number, event): (u32, &Event),
        (other, their_number, their): (&Self, u32, &Event),
        lanes: u32,
        wanted: &[(usize, Cell)],
    ) -> Option<Difference> {
        if !has_values(event) || !has_values(their) {
            return None;
        }
        let lanes = lanes & event.active & their.active;
        for &(index, cell) in wanted {
            let &their_cell = other.uses.get(their.pc as usize)?.kept.get(index)?;
            let differing = lanes_of(lanes).filter(|&lane| {
                self.value_after(event, cell, lane as u32) != other.value_after(their, their_cell, lane as u32)
            });
            let mask = differing.fold(0u32, |mask, lane| mask | 1 << lane);
            if mask == 0 {
                continue;
            }
            let lane = mask.trailing_zeros();
            let is_wait = matches!(self.op(event.pc), Some(Op::WgmmaWait { .. }));
            let register = self.register(cell, event.pc, !is_wait)?;
            let their_register = other.register(their_cell, their.pc, !is_wait)?;
            let mut operands = Vec::new();
            let reads = self.uses.get(event.pc as usize)?.reads.iter().zip(&other.uses.get(their.pc as usize)?.reads);
            for (&own, &theirs) in reads.take(4) {
                let (Some(a), Some(b)) = (self.register(own, event.pc, false), other.register(theirs, their.pc, false))
                else {
                    continue;
                };
                let values = (self.last_value(number, own, lane), other.last_value(their_number, theirs, lane));
                if let (Some(x), Some(y)) = values {
                    operands.push([(a.name.clone(), a.ty, x), (b.name.clone(), b.ty, y)]);
                }
            }
            return Some(Difference {
                lines: [
                    Line { ptx: 0, text: String::new(), places: Vec::new() },
                    Line { ptx: 0, text: String::new(), places: Vec::new() },
                ],
                registers: [register.name.clone(), their_register.name.clone()],
                ty: register.ty,
                warp: event.warp,
                lane,
                lanes: mask.count_ones(),
                values: [
                    self.value_after(event, cell, lane).unwrap_or_default(),
                    other.value_after(their, their_cell, lane).unwrap_or_default(),
                ],
                time: 0,
                operands,
            });
        }
        None
    }

    /// What a register held before an event: it was written not too long ago.
    pub(super) fn last_value(&self, before: u32, cell: Cell, lane: u32) -> Option<u64> {
        if let Some(&constant) = self.constants.get(&cell) {
            return Some(constant);
        }
        let warp = self.events.get(before as usize)?.warp;
        let earlier = self.events.get(..before as usize)?.iter().rev().filter(|event| event.warp == warp);
        let wrote = |event: &&Event| {
            event.active >> lane & 1 != 0
                && self.uses.get(event.pc as usize).is_some_and(|uses| uses.kept.contains(&cell))
        };
        earlier.take(1 << 16).find(wrote).and_then(|event| self.value_after(event, cell, lane))
    }

    /// Whether any lane stores to a buffer's bytes here, for those who want to tell.
    pub fn stores(&self) -> u64 {
        let is_store = |event: &&Event| matches!(self.access(event), Some(Access::Lanes { way: Way::Store, global, .. }) if *global != 0);
        self.events.iter().filter(is_store).count() as u64
    }
}

/// Events of a record by line, place in the instruction and warp.
struct Counterparts {
    events: HashMap<(u32, u32, u32), Vec<u32>>,
}

impl Counterparts {
    fn of(record: &Record) -> Self {
        let mut events: HashMap<(u32, u32, u32), Vec<u32>> = HashMap::new();
        for (number, event) in record.events.iter().enumerate() {
            let Some(line) = record.line(event.pc) else { continue };
            let within = event.pc - record.first.get(event.pc as usize).copied().unwrap_or(event.pc);
            events.entry((line.ptx, within, event.warp)).or_default().push(number as u32);
        }
        Self { events }
    }

    fn find<'a>(&self, record: &'a Record, ptx: u32, within: u32, warp: u32, time: u32) -> Option<(u32, &'a Event)> {
        let &number = self.events.get(&(ptx, within, warp))?.get(time as usize)?;
        Some((number, record.events.get(number as usize)?))
    }
}
