//! The records of a block's tensor memory.

use super::clock::Clock;
use super::undefined::Origin;
use crate::state::tensor_memory::{Cells, TOGETHER, TensorUse};

const COLUMNS: u32 = 512;
const LANES: u32 = 128;

/// An access of some cells.
#[derive(Clone, Copy, Debug)]
pub(super) struct Touch {
    pub warp: u32,
    pub how: TensorUse,
    /// When it ends: an event of the warp or of its tensor core; `NEVER` before its wait.
    pub ends: u32,
    /// When it was issued.
    pub issued: u32,
    pub pc: u32,
}

#[derive(Clone, Debug)]
pub(super) struct Record {
    pub write: Option<Touch>,
    /// The last of each warp and of its tensor core, since the write.
    pub reads: Vec<Touch>,
    /// The `tcgen05.dealloc` that has given the cells back, until they are allocated again.
    pub released: Option<Touch>,
    /// Lanes that hold an undefined value, and where it comes from.
    pub undefined: u16,
    pub origin: Origin,
}

impl Record {
    /// Nothing has written the cells.
    pub fn untouched() -> Self {
        Self { write: None, reads: Vec::new(), released: None, undefined: u16::MAX, origin: None }
    }

    /// The cells hold what an access has written, or what another block has.
    pub fn written(write: Option<Touch>) -> Self {
        Self { write, reads: Vec::new(), released: None, undefined: 0, origin: None }
    }
}

/// Records of a block's tensor memory.
pub(super) struct TensorShadow {
    /// Made by the first access.
    pub records: Vec<Record>,
    /// By warp: operations that it gave to the tensor core.
    pub issued: Vec<u32>,
    /// By warp: cells of loads and of stores that have not been waited for.
    pub pending: Vec<[Vec<Cells>; 2]>,
    /// By warp: what it knows of through a `tcgen05.fence::after_thread_sync`.
    pub fenced: Vec<Clock>,
}

impl TensorShadow {
    pub fn new(warps: usize) -> Self {
        Self {
            records: Vec::new(),
            issued: vec![0; warps],
            pending: vec![Default::default(); warps],
            fenced: vec![Clock::default(); warps],
        }
    }

    pub fn record(&mut self, cells: Cells) -> Option<&mut Record> {
        if self.records.is_empty() {
            self.records = vec![Record::untouched(); (LANES / TOGETHER * COLUMNS) as usize];
        }
        self.records.get_mut((cells.group * COLUMNS + cells.column) as usize)
    }
}
