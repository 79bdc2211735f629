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
    /// Instructions that the warp had executed when it was issued.
    pub executed: u64,
    /// Offset in shared memory that each lane copies to.
    pub shared: Long,
    /// Global address that each lane copies from.
    pub global: Long,
    /// Bytes that each lane copies: 4, 8 or 16.
    pub size: u32,
    /// Bytes that are read, the others being zero; `None` where all are read.
    pub source_sizes: Option<Box<Word>>,
    /// Index of the operation that issued it.
    pub pc: u32,
}

/// An arrival of lanes of a warp at mbarriers, which comes when all of their copies before it have ended.
#[derive(Clone, Debug)]
pub(crate) struct PendingArrival {
    /// The lanes that arrive.
    pub lanes: u32,
    /// Offset in shared memory of each lane's mbarrier.
    pub mbarrier: Long,
    /// Instructions that the warp had executed when it was issued: earlier copies have to end before.
    pub executed: u64,
    /// Index of the operation that issued it.
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
    /// Number of the operation among those of the block.
    pub number: u64,
}

/// A of a `wgmma`, as it was when the operation was issued.
#[derive(Clone, Debug)]
pub(crate) enum WgmmaOperand {
    /// Values of the registers that hold A.
    Planes(Vec<Word>),
    /// Matrix descriptor of A in shared memory.
    Descriptor(u64),
}

/// A bulk load that was issued.
#[derive(Clone, Debug)]
pub(crate) struct PendingLoad {
    /// The bytes of global memory, or of another block, that are loaded.
    pub side: GlobalSide,
    /// Offset in shared memory that they are loaded to.
    pub shared: u64,
    /// Offset of the mbarrier that is signalled.
    pub mbarrier: u64,
    /// Ranks of the blocks that it goes to, a bit for each; `None` for the block that issued it.
    pub ranks: Option<u32>,
    /// The last bit of the rank of the block of the pair whose mbarrier is signalled, where that is not the block that the
    /// bytes go to.
    pub signalled: Option<u32>,
    /// The reduction with what is in shared memory; `None` for a copy.
    pub reduce: Option<BulkReduction>,
    /// Index of the operation that issued it, for reports.
    pub pc: u32,
    /// Number of the thread that issued it, for reports.
    pub thread: u32,
}

/// A bulk store that a lane issued.
#[derive(Clone, Debug)]
pub(crate) struct PendingStore {
    /// Number of the warp that issued it.
    pub warp: u32,
    /// Number of the lane that issued it.
    pub lane: u32,
    /// `None` before `commit_group`.
    pub group: Option<u32>,
    /// The bytes of global memory, or of another block, that are written.
    pub side: GlobalSide,
    /// Offset in shared memory that they come from.
    pub shared: u64,
    /// The reduction with what is at the destination; `None` for a copy.
    pub reduce: Option<BulkReduction>,
    /// Index of the operation that issued it.
    pub pc: u32,
    /// Number of the operation among those of the block.
    pub number: u64,
}

/// A `tcgen05.ld` that was issued.
#[derive(Clone, Debug)]
pub(crate) struct PendingTensorLoad {
    /// Index of the operation that issued it.
    pub pc: u32,
    /// Address of the first cell in tensor memory.
    pub address: u32,
}

/// A `tcgen05.st` that was issued.
#[derive(Clone, Debug)]
pub(crate) struct PendingTensorStore {
    /// Index of the operation that issued it.
    pub pc: u32,
    /// Address of the first cell in tensor memory.
    pub address: u32,
    /// Values of the registers that are stored.
    pub registers: Vec<Word>,
}

/// An operation of the tensor core of `tcgen05` that a thread has issued.
#[derive(Clone, Debug)]
pub(crate) struct TensorWork {
    /// Index of the operation that issued it, for reports.
    pub pc: u32,
    /// Number of the thread that issued it, for reports.
    pub thread: u32,
    /// The work itself, with its operands.
    pub what: TensorTask,
    /// Number of the operation among those of the block.
    pub number: u64,
}

/// The work of a `tcgen05` operation, with the operands that it was issued with.
#[derive(Clone, Debug)]
pub(crate) enum TensorTask {
    /// `tcgen05.mma`
    Multiply(MmaOperands),
    /// `tcgen05.cp`: from a matrix descriptor to an address in tensor memory.
    Copy { address: u32, descriptor: u64 },
    /// `tcgen05.commit`: the offset of the mbarrier, and the ranks of the blocks, a bit for each; `None` for this
    /// block.
    Commit { mbarrier: u64, ranks: Option<u32> },
}

/// The operands of a `tcgen05.mma`, known when it is issued.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MmaOperands {
    /// Address of the accumulator in tensor memory.
    pub d: u32,
    /// Matrix descriptor of A, or its address in tensor memory.
    pub a: u64,
    /// Matrix descriptor of B.
    pub b: u64,
    /// The instruction descriptor.
    pub description: u32,
    /// Addresses of the scales of A and of B in tensor memory; 0 where there are none.
    pub scales: [u32; 2],
    /// True if D is added.
    pub add: bool,
}
