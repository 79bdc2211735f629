//! What a check found: a rule that was broken, and where.

use crate::fault::Thread;
use crate::instrument::BarrierMisuse;

/// Where a value that nothing has written may not come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reach {
    /// The address of an access.
    Address,
    /// The guard of a branch, of a barrier or of an access.
    Branch,
    /// A store to global memory.
    Global,
    /// What an atomic changes in global memory.
    Atomic,
    /// What a bulk load takes from global memory.
    Bulk,
}

/// What a tensor map's write lacks before a bulk tensor copy sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MapFence {
    /// `fence.proxy.tensormap::generic.acquire`
    Acquire,
    /// `fence.proxy.tensormap::generic.release`
    Release,
}

/// What is missing between two accesses of tensor memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Missing {
    /// `tcgen05.wait::ld`
    WaitLoad,
    /// `tcgen05.wait::st`
    WaitStore,
    /// `tcgen05.commit`, and a wait for the phase of its mbarrier.
    Commit,
    /// Whatever orders two warps.
    Order,
    /// The allocation: `tcgen05.dealloc` has given it back.
    Allocation,
    /// `tcgen05.fence` on either side of what orders them.
    Fence,
}

/// Whose bytes a store of tiles writes behind a row of its tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Edge {
    /// Bytes of another buffer, or of none.
    Elsewhere,
    /// Bytes that another instruction of the kernel has used before.
    Used {
        /// The instruction that has used them.
        other: u32,
    },
}

/// A rule that was broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rule {
    /// Two accesses of one place, at least one a write, that nothing puts in order. The program counter is the other's.
    Race {
        /// In shared memory, or in global.
        shared: bool,
        /// The other instruction.
        other: u32,
    },
    /// A read of shared memory that nothing wrote.
    Uninitialised,
    /// A value that nothing has written decides something. The program counter is of the instruction that read it, or
    /// left it as it was; `None` for a register that no instruction has written.
    Undefined {
        /// What the value decides.
        reach: Reach,
        /// The instruction that the value comes from.
        origin: Option<u32>,
    },
    /// A write of the generic proxy that the asynchronous proxy reads without a fence between them.
    ProxyFence {
        /// The instruction that wrote.
        other: u32,
    },
    /// A tensor map that the kernel wrote and a bulk tensor copy uses without a fence between them.
    TensorMapFence {
        /// The instruction that wrote.
        other: u32,
        /// What is missing.
        fence: MapFence,
    },
    /// A register of a `wgmma` that has not been waited for.
    WgmmaRegister {
        /// The `wgmma` that is still at work.
        other: u32,
    },
    /// A `wgmma` whose registers were written with no `wgmma.fence` since.
    WgmmaFence {
        /// The instruction that wrote a register; `None` where there was no fence at all.
        other: Option<u32>,
    },
    /// Two accesses of tensor memory with something missing between them.
    Tensor {
        /// The instruction of the earlier access.
        other: u32,
        /// What has to stand between them.
        missing: Missing,
    },
    /// A `tcgen05.mma` that takes tensor memory that nothing has written.
    TensorUntouched,
    /// A bulk copy that was not waited for before its thread ends.
    Unwaited,
    /// A barrier that is misused.
    Barrier(BarrierMisuse),
    /// An mbarrier that is initialised once more.
    MbarrierTwice {
        /// The earlier `mbarrier.init`.
        other: u32,
    },
    /// A wait for a phase of an mbarrier after which another one has ended.
    Overtaken {
        /// The last arrival at the mbarrier.
        other: Option<u32>,
    },
    /// A wait for a phase of an mbarrier after which another one can end before the wait, in another order of warps.
    Overtakable {
        /// The last arrival of the phase after.
        other: Option<u32>,
    },
    /// Zeros that a store of tiles writes behind a row of its tensor, where they are not the tensor's to write.
    StoreEdge(Edge),
    /// An access of bytes that a store of tiles has written behind a row of its tensor.
    OverwrittenEdge {
        /// The store of tiles that has cleared them.
        other: u32,
    },
    /// The bytes of an mbarrier that is in use are written.
    MbarrierOverwritten {
        /// The `mbarrier.init` of the mbarrier.
        other: u32,
    },
    /// A barrier or another collective operation that only some lanes of a warp execute together.
    Divergent,
}

/// A rule that was broken, and where it was broken first.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The rule that was broken.
    pub rule: Rule,
    /// Index of the operation that broke it.
    pub pc: u32,
    /// The thread that broke it.
    pub thread: Thread,
    /// Who did the other access: `warp 3`.
    pub other: Option<String>,
    /// Where in memory: `shared address 0x400`, `byte 16 of x`.
    pub place: String,
    /// How often the same two instructions did it.
    pub count: u64,
}
