//! A warp, instruction by instruction.

use super::instructions::Line;
use super::origins::SharedBytes;
use super::record::{Access, Event, Record};
use crate::state::warp::lanes_of;
use warpbook_ptx::PtxType;

/// A register that an instruction wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// `%r12`
    pub register: String,
    /// The type that the register is declared with.
    pub ty: PtxType,
    /// What its 32 lanes hold; those that the instruction did not write too.
    pub values: Vec<u64>,
}

/// Memory that an instruction touched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Touch {
    /// `reads`, `writes`, `updates`, `copies`.
    pub way: &'static str,
    /// The buffer; `None` for shared memory.
    pub buffer: Option<String>,
    /// Lane and offset.
    pub lanes: Vec<(u32, u64)>,
    /// Bytes of each lane.
    pub bytes: u32,
}

/// One instruction of a warp.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepTaken {
    /// How many instructions the warp has executed before.
    pub number: u32,
    /// The instruction, as the text has it.
    pub line: Line,
    /// Lanes that came to the instruction, a bit for each.
    pub present: u32,
    /// Lanes that took part, a bit for each.
    pub active: u32,
    /// Registers that it wrote.
    pub changes: Vec<Change>,
    /// Memory that it touched.
    pub touches: Vec<Touch>,
}

impl Record {
    /// Instructions of a warp, from one that `from` accepts on. Also how many the warp executed in all.
    pub fn steps(&self, warp: u32, count: usize, from: impl Fn(u32, &Line) -> bool) -> (Vec<StepTaken>, u32) {
        let (mut steps, mut number, mut started): (Vec<StepTaken>, u32, bool) = (Vec::new(), 0, false);
        let mut last: Option<&Event> = None;
        for event in self.events.iter().filter(|event| event.warp == warp) {
            let Some(line) = self.line(event.pc) else { continue };
            let first = self.first.get(event.pc as usize).copied().unwrap_or(event.pc);
            let same = last.is_some_and(|last| {
                event.pc == last.pc + 1 && self.first.get(last.pc as usize).copied() == Some(first)
            });
            last = Some(event);
            if !same {
                number += 1;
                started |= from(number - 1, line);
                if started && steps.len() < count {
                    let (changes, touches) = (Vec::new(), Vec::new());
                    let (present, active) = (event.present, event.active);
                    steps.push(StepTaken { number: number - 1, line: line.clone(), present, active, changes, touches });
                }
            }
            // What comes after the last step is only counted.
            if let Some(step) = steps.last_mut().filter(|step| step.number == number - 1) {
                step.changes.extend(self.changes(event));
                step.touches.extend(self.touches(event));
            }
        }
        (steps, number)
    }

    fn changes(&self, event: &Event) -> Vec<Change> {
        let Some(uses) = self.uses.get(event.pc as usize).filter(|_| event.active != 0) else { return Vec::new() };
        let is_wait = uses.writes.is_empty();
        let changes = uses.kept.iter().filter_map(|&cell| {
            let register = self.register(cell, event.pc, !is_wait)?;
            let values = (0..32).map(|lane| self.value_after(event, cell, lane)).collect::<Option<Vec<u64>>>()?;
            Some(Change { register: register.name.clone(), ty: register.ty, values })
        });
        changes.collect()
    }

    fn touches(&self, event: &Event) -> Vec<Touch> {
        let mut found: Vec<Touch> = Vec::new();
        let mut add = |way: &'static str, buffer: Option<&str>, lane: u32, offset: u64, bytes: u32| {
            let known = found.iter_mut().find(|touch| touch.buffer.as_deref() == buffer && touch.way == way);
            match known {
                Some(touch) => touch.lanes.push((lane, offset)),
                None => {
                    found.push(Touch { way, buffer: buffer.map(str::to_owned), lanes: vec![(lane, offset)], bytes })
                }
            }
        };
        match self.access(event) {
            Some(Access::Lanes { way, size, global, shared, addresses }) => {
                for lane in lanes_of(*global) {
                    if let Some((buffer, offset)) = self.in_buffer(addresses[lane]) {
                        add(way.name(), Some(buffer), lane as u32, offset, *size);
                    }
                }
                for lane in lanes_of(*shared) {
                    add(way.name(), None, lane as u32, addresses[lane], *size);
                }
            }
            Some(Access::Copy { size, shared, global, reads }) => {
                for lane in lanes_of(*reads) {
                    if let Some((buffer, offset)) = self.in_buffer(global[lane]) {
                        add("copies from", Some(buffer), lane as u32, offset, *size);
                    }
                }
                for lane in lanes_of(event.active) {
                    add("copies to", None, lane as u32, shared[lane], *size);
                }
            }
            Some(Access::Rows { way, count, addresses }) => {
                for row in 0..8 * *count {
                    add(way.name(), None, row, addresses[row as usize & 31], 16);
                }
            }
            Some(Access::Bulk { load, pieces }) => {
                let lane = event.active.trailing_zeros() & 31;
                let bytes: u32 = pieces.iter().map(|piece| piece.bytes).sum();
                let first = pieces.iter().find_map(|piece| Some((piece, piece.global?)));
                if let Some((buffer, offset)) = first.and_then(|(_, address)| self.in_buffer(address)) {
                    add(if *load { "copies from" } else { "copies to" }, Some(buffer), lane, offset, bytes);
                }
                if let Some(piece) = pieces.first() {
                    let shared = SharedBytes { at: piece.shared, bytes: bytes.into() };
                    add(if *load { "copies to" } else { "copies from" }, None, lane, shared.at, bytes);
                }
            }
            Some(Access::Wgmma { .. }) | None => {}
        }
        found
    }
}
