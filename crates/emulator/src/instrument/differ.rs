//! The first operation at which two versions of a kernel come to different values.

use std::collections::HashMap;

use super::instructions::Line;
use super::origins::{Through, has_values};
use super::record::{Cell, Event, Record};
use super::writers::Writer;
use crate::program::Op;
use crate::state::warp::lanes_of;
use warpbook_ptx::PtxType;

/// Two instructions of the same text that left different values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The line of the instruction in the first and in the second version.
    pub lines: [Line; 2],
    /// The name of the register in the first and in the second version.
    pub registers: [String; 2],
    /// The type that the register is declared with.
    pub ty: PtxType,
    /// The warp's number in its block.
    pub warp: u32,
    /// The first lane that differs.
    pub lane: u32,
    /// Number of lanes whose values differ.
    pub lanes: u32,
    /// The value of the lane in the first and in the second version.
    pub values: [u64; 2],
    /// How often the warp had been at the instruction before.
    pub time: u32,
    /// What the instruction reads: names and values in both versions.
    pub operands: Vec<[(String, PtxType, u64); 2]>,
}

/// How the records of a block differ on the way to a value.
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
        let theirs = Counterparts::from_record(other);
        let mut counts: HashMap<(u32, u32), u32> = HashMap::new();
        let mut found = Compared { first: None, own: Vec::new(), common: 0 };
        let accumulators = self.accumulators(&through);
        for (number, event) in self.events.iter().enumerate() {
            let count = counts.entry((event.warp, event.pc)).or_default();
            let time = *count;
            *count += 1;
            let is_wait = matches!(self.op(event.pc), Some(Op::WgmmaWait { .. }));
            let own = through.get(&(number as u32)).map(Vec::as_slice);
            let kept = self.uses.get(event.pc as usize).map_or(&[][..], |uses| &uses.kept);
            // The results of `wgmma`s come with the wait.
            let lanes_of_cell = |cell: Cell| match own {
                Some(own) => own.iter().find(|(known, _)| *known == cell).map(|(_, lanes)| *lanes),
                None => accumulators.get(&(event.warp, cell)).copied().filter(|_| is_wait),
            };
            let wanted = kept.iter().enumerate();
            let wanted = wanted.filter_map(|(index, &cell)| Some((index, cell, lanes_of_cell(cell)?)));
            let wanted: Vec<(usize, Cell, u32)> = wanted.collect();
            if own.is_none() && wanted.is_empty() {
                continue;
            }
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
            let sides = [(self, number as u32, event), (other, their_number, their)];
            if let Some(difference) = differs(sides, &wanted) {
                let their_line = other.line(their.pc).cloned().unwrap_or_else(|| line.clone());
                found.first = Some(difference.into_difference([line.clone(), their_line], time));
                return found;
            }
        }
        found
    }

    /// Accumulators of `wgmma` that a value came through, with their lanes.
    fn accumulators(&self, through: &Through) -> HashMap<(u32, Cell), u32> {
        let mut found: HashMap<(u32, Cell), u32> = HashMap::new();
        for (&number, cells) in through {
            let Some(event) = self.events.get(number as usize) else { continue };
            if matches!(self.op(event.pc), Some(Op::Wgmma(_))) {
                cells.iter().for_each(|&(cell, lanes)| *found.entry((event.warp, cell)).or_default() |= lanes);
            }
        }
        found
    }

    /// What a register held before an event: it was written not too long ago.
    pub(crate) fn last_value(&self, before: u32, cell: Cell, lane: u32) -> Option<u64> {
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
}

/// A difference without its place in the texts.
struct Found {
    registers: [String; 2],
    ty: PtxType,
    warp: u32,
    lane: u32,
    lanes: u32,
    values: [u64; 2],
    operands: Vec<[(String, PtxType, u64); 2]>,
}

impl Found {
    fn into_difference(self, lines: [Line; 2], time: u32) -> Difference {
        let Self { registers, ty, warp, lane, lanes, values, operands } = self;
        Difference { lines, registers, ty, warp, lane, lanes, values, time, operands }
    }
}

/// The first register of those wanted that two events left with other bits in one of the lanes.
fn differs(sides: [(&Record, u32, &Event); 2], wanted: &[(usize, Cell, u32)]) -> Option<Found> {
    let [(record, number, event), (other, their_number, their)] = sides;
    if !has_values(event) || !has_values(their) {
        return None;
    }
    let (uses, their_uses) = (record.uses.get(event.pc as usize)?, other.uses.get(their.pc as usize)?);
    for &(index, cell, lanes) in wanted {
        let &their_cell = their_uses.kept.get(index)?;
        let values = |lane: u32| (record.value_after(event, cell, lane), other.value_after(their, their_cell, lane));
        let differing = lanes_of(lanes & event.active & their.active).filter(|&lane| {
            let (own, theirs) = values(lane as u32);
            own != theirs
        });
        let mask = differing.fold(0u32, |mask, lane| mask | 1 << lane);
        if mask == 0 {
            continue;
        }
        let lane = mask.trailing_zeros();
        let is_wait = matches!(record.op(event.pc), Some(Op::WgmmaWait { .. }));
        let registers = (record.register(cell, event.pc, !is_wait)?, other.register(their_cell, their.pc, !is_wait)?);
        let operand = |(&own, &theirs): (&Cell, &Cell)| {
            let (a, b) = (record.register(own, event.pc, false)?, other.register(theirs, their.pc, false)?);
            let values = (record.last_value(number, own, lane)?, other.last_value(their_number, theirs, lane)?);
            Some([(a.name.clone(), a.ty, values.0), (b.name.clone(), b.ty, values.1)])
        };
        let (own, theirs) = values(lane);
        return Some(Found {
            registers: [registers.0.name.clone(), registers.1.name.clone()],
            ty: registers.0.ty,
            warp: event.warp,
            lane,
            lanes: mask.count_ones(),
            values: [own?, theirs?],
            operands: uses.reads.iter().zip(&their_uses.reads).take(4).filter_map(operand).collect(),
        });
    }
    None
}

/// Events of a record by line, place in the instruction and warp.
struct Counterparts {
    events: HashMap<(u32, u32, u32), Vec<u32>>,
}

impl Counterparts {
    fn from_record(record: &Record) -> Self {
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
