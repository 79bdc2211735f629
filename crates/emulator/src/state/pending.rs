//! Asynchronous operations that have been issued and not been carried out.

use super::transfer::GlobalSide;
use crate::program::{BulkReduction, Long, Word};

/// One `cp.async` of a warp that has not been carried out for all of its lanes.
#[derive(Clone, Debug)]
pub(crate) struct PendingCopies {
    /// The lanes that it is still to be carried out for.
    pub lanes: u32,
    /// The commit group, the same in these lanes; `None` before `commit_group`.
    pub group: Option<u32>,
    pub shared: Long,
    pub global: Long,
    pub size: u32,
    /// Bytes that are read, the others being zero; `None` where all are read.
    pub source_sizes: Option<Box<Word>>,
    pub pc: u32,
}

/// A `wgmma` that was issued.
#[derive(Clone, Debug)]
pub(crate) struct PendingWgmma {
    /// Index of the operation that issued it.
    pub pc: u32,
    /// `None` before `commit_group`.
    pub group: Option<u32>,
    /// A's registers, or its descriptor.
    pub a: WgmmaOperand,
    /// Matrix descriptor of B.
    pub b: u64,
    /// True if D is added.
    pub add: bool,
    /// Its number among the operations of the block.
    pub number: u64,
}

#[derive(Clone, Debug)]
pub(crate) enum WgmmaOperand {
    Planes(Vec<Word>),
    Descriptor(u64),
}

/// A bulk load that was issued.
#[derive(Clone, Debug)]
pub(crate) struct PendingLoad {
    pub side: GlobalSide,
    pub shared: u64,
    pub mbarrier: u64,
    /// Ranks of the blocks that it goes to, a bit for each; `None` for the block that issued it.
    pub ranks: Option<u32>,
    /// The last bit of the rank of the block of the pair whose mbarrier is signalled, where that is not the block that the
    /// bytes go to.
    pub signalled: Option<u32>,
    pub reduce: Option<BulkReduction>,
    /// Its instruction and thread, for reports.
    pub pc: u32,
    pub thread: u32,
}

/// A bulk store that a lane issued.
#[derive(Clone, Debug)]
pub(crate) struct PendingStore {
    pub warp: u32,
    pub lane: u32,
    /// `None` before `commit_group`.
    pub group: Option<u32>,
    pub side: GlobalSide,
    pub shared: u64,
    pub reduce: Option<BulkReduction>,
    /// Index of the operation that issued it.
    pub pc: u32,
    /// Its number among the operations of the block.
    pub number: u64,
}

/// A `tcgen05.ld` that was issued.
#[derive(Clone, Debug)]
pub(crate) struct PendingTensorLoad {
    /// Index of the operation that issued it.
    pub pc: u32,
    pub address: u32,
}

/// A `tcgen05.st` that was issued.
#[derive(Clone, Debug)]
pub(crate) struct PendingTensorStore {
    pub pc: u32,
    pub address: u32,
    pub registers: Vec<Word>,
}

/// What a thread has given the tensor core to do.
#[derive(Clone, Debug)]
pub(crate) struct TensorWork {
    /// Its instruction and thread, for reports.
    pub pc: u32,
    pub thread: u32,
    pub what: TensorTask,
    /// Its number among the operations of the block.
    pub number: u64,
}

#[derive(Clone, Debug)]
pub(crate) enum TensorTask {
    Multiply(MmaOperands),
    Copy { address: u32, descriptor: u64 },
    Commit { mbarrier: u64, ranks: Option<u32> },
}

/// The operands of a `tcgen05.mma`, known when it is issued.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MmaOperands {
    pub d: u32,
    /// A descriptor, or an address in tensor memory.
    pub a: u64,
    pub b: u64,
    pub description: u32,
    pub scales: [u32; 2],
    pub add: bool,
}
