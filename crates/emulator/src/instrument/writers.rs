//! Which instructions write to given bytes of global memory.
//!
//! Method. The addresses of every store, atomic and bulk store are compared with the bytes; the first and the last write are
//! kept, and how many there were.
//!
//! Source. None: it is the watchpoint of a debugger.
//!
//! Deviations. A write counts also if it leaves the bytes as they are. A bulk store counts where it is issued.
//!
//! What it misses. Nothing that the kernel writes by itself.
//!
//! False alarms. None: it judges nothing.
//!
//! Cost. Blocks run one after the other.

use super::instructions::{Instructions, Line};
use super::{Execution, Instrument, Operation};
use crate::program::Op;
use crate::state::access::Issuer;
use crate::state::memory::GlobalMemory;
use crate::state::shape::BlockShape;
use crate::state::transfer::Piece;
use crate::state::warp::lanes_of;

/// Bytes of a buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// Name of the buffer.
    pub buffer: String,
    /// Offset of the first byte.
    pub from: u64,
    /// Offset of the byte past the last one.
    pub to: u64,
}

/// A write to one of the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Write {
    block: [u32; 3],
    warp: u32,
    lane: u32,
    pc: u32,
    /// The first of the watched bytes that it wrote.
    address: u64,
}

/// A write, as it is reported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Writer {
    /// `%ctaid`
    pub block: [u32; 3],
    /// The warp's number in its block.
    pub warp: u32,
    /// The lane; of a bulk copy the one that issued it.
    pub lane: u32,
    /// The instruction that wrote, as the text has it.
    pub line: Line,
    /// The first of the watched bytes that it wrote.
    pub span: Span,
}

/// The writes to the watched bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Writers {
    /// The first write, in the order of the emulated blocks.
    pub first: Option<Writer>,
    /// The last write, in the order of the emulated blocks.
    pub last: Option<Writer>,
    /// Number of writes.
    pub count: u64,
}

/// The writes of a block, or of several that have ended.
#[derive(Debug, Default)]
pub struct Writing {
    block: [u32; 3],
    /// Address ranges of the watched bytes, in order, without overlaps: first address, and one past the last.
    wanted: Vec<(u64, u64)>,
    /// For each range, the name of its buffer and the address at which the buffer begins.
    buffers: Vec<(String, u64)>,
    first: Option<Write>,
    last: Option<Write>,
    count: u64,
}

impl Instrument for Writing {
    fn executing(&mut self, at: &Execution<'_>, op: &Op) {
        if at.active != 0 {
            self.before(at, op);
        }
    }

    fn issued(&mut self, issuer: Issuer, operation: &Operation<'_>) {
        if let Operation::Bulk { load: false, side, shared, .. } = operation {
            self.pieces(issuer.warp, issuer.lane, issuer.pc, &side.pieces(*shared));
        }
    }
}

impl Writing {
    pub(crate) fn new(spans: &[Span], shape: &BlockShape, memory: &GlobalMemory) -> Self {
        let mut all: Vec<(u64, u64, &str, u64)> = spans
            .iter()
            .filter_map(|span| {
                let area = memory.allocations().iter().find(|area| area.label == span.buffer)?;
                Some((area.address + span.from, area.address + span.to, span.buffer.as_str(), area.address))
            })
            .collect();
        all.sort_unstable();
        let wanted = all.iter().map(|&(from, to, ..)| (from, to)).collect();
        let buffers = all.iter().map(|&(_, _, buffer, address)| (buffer.to_owned(), address)).collect();
        Self { block: shape.index, wanted, buffers, ..Self::default() }
    }

    /// The first wanted byte in a range.
    fn hit(&self, from: u64, to: u64) -> Option<u64> {
        let next = self.wanted.partition_point(|&(_, end)| end <= from);
        self.wanted.get(next).map(|&(start, _)| start.max(from)).filter(|&at| at < to)
    }

    fn note(&mut self, warp: u32, lane: u32, pc: u32, from: u64, bytes: u64) {
        let Some(address) = self.hit(from, from + bytes) else { return };
        let write = Write { block: self.block, warp, lane, pc, address };
        self.first.get_or_insert(write);
        self.last = Some(write);
        self.count += 1;
    }

    fn before(&mut self, at: &Execution<'_>, op: &Op) {
        let (space, address, size) = match op {
            Op::Store { space, size, a, address } => (*space, address, size * a.len() as u32),
            Op::Atomic { space, ty, a, address, .. } => (*space, address, ty.size() * a.len() as u32),
            _ => return,
        };
        let (addresses, global, _) = at.resolved(space, address);
        for lane in lanes_of(global) {
            self.note(at.warp.index, lane as u32, at.pc, addresses[lane], size.into());
        }
    }

    fn pieces(&mut self, warp: u32, lane: u32, pc: u32, pieces: &[Piece]) {
        for piece in pieces {
            if let Some(address) = piece.global {
                self.note(warp, lane, pc, address, piece.bytes.into());
            }
        }
    }

    /// Adds another block's, which ended later.
    pub fn join(&mut self, other: Self) {
        self.first = self.first.or(other.first);
        self.last = other.last.or(self.last);
        self.count += other.count;
    }

    pub(crate) fn into_report(self, instructions: &Instructions<'_>) -> Writers {
        let tell = |write: Write| {
            let Write { block, warp, lane, pc, address } = write;
            let next = self.wanted.partition_point(|&(_, end)| end <= address);
            let (_, to) = self.wanted.get(next)?;
            let (buffer, base) = self.buffers.get(next)?;
            let span = Span { buffer: buffer.clone(), from: address - base, to: to - base };
            Some(Writer { block, warp, lane, line: instructions.line(pc as usize)?, span })
        };
        Writers { first: self.first.and_then(tell), last: self.last.and_then(tell), count: self.count }
    }
}
