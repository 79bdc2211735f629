//! The operations of a decoded program.

use super::{
    AddressOperand, AtomicOp, AtomicType, BarrierReduction, BulkReduction, BulkSource, Data, Elements, File, Logic,
    Long, MapField, MbarrierArrival, MemorySpace, Reduction, Shuffle, Slot, SmallMma, TensorAccess, TensorCommit,
    TensorCopy, TensorMma, Wgmma, Word,
};
use crate::arithmetic::convert::Conversion;
use crate::arithmetic::formats::{Format, Rounding};
use crate::arithmetic::tensor::Mma;

/// One operation. Field names: `d` destination, `a b c` sources, `p` predicate.
#[derive(Clone, Debug)]
pub enum Op {
    /// A function of one 32-bit value for each lane: destination, source.
    Unary32(fn(&mut Word, &Word), Slot, Slot),
    /// A function of two 32-bit values.
    Binary32(fn(&mut Word, &Word, &Word), Slot, [Slot; 2]),
    /// A function of three 32-bit values.
    Ternary32(fn(&mut Word, &Word, &Word, &Word), Slot, [Slot; 3]),
    /// A function of one 64-bit value.
    Unary64(fn(&mut Long, &Long), Slot, Slot),
    /// A function of two 64-bit values.
    Binary64(fn(&mut Long, &Long, &Long), Slot, [Slot; 2]),
    /// A function of three 64-bit values.
    Ternary64(fn(&mut Long, &Long, &Long, &Long), Slot, [Slot; 3]),
    /// A 64-bit result of a 32-bit value: `cvt.u64.u32`.
    WidenTo64(fn(&mut Long, &Word), Slot, Slot),
    /// A 32-bit result of a 64-bit value: `cvt.u32.u64`, `popc.b64`.
    NarrowTo32(fn(&mut Word, &Long), Slot, Slot),
    /// `mul.wide` of two 32-bit values.
    WideMultiply(fn(&mut Long, &Word, &Word), Slot, [Slot; 2]),
    /// `mad.wide`: a product of two 32-bit values added to a 64-bit value.
    WideMultiplyAdd(fn(&mut Long, &Word, &Word, &Long), Slot, [Slot; 3]),
    /// `shl`, `shr` of a 64-bit value by a 32-bit amount.
    Shift64(fn(&mut Long, &Long, &Word), Slot, [Slot; 2]),
    /// `cvt` in general.
    Convert {
        conversion: Conversion,
        d: Data,
        a: Data,
    },
    /// `cvt` of two f32 (`a` upper, `b` lower) to a packed pair.
    ConvertPair {
        conversion: Conversion,
        width: u32,
        d: Slot,
        a: Slot,
        b: Slot,
    },
    /// `cvt` of a packed fp8 pair to a packed f16 pair.
    UnpackPair {
        conversion: Conversion,
        d: Slot,
        a: Slot,
    },
    /// Three operands with a rounding or a format that has no function of its own.
    Fma {
        format: Format,
        rounding: Rounding,
        packed: bool,
        flags: u8,
        d: Data,
        a: Data,
        b: Data,
        c: Data,
    },
    /// `bfe` of a 64-bit value; position and length of the field are 32-bit values.
    ExtractField64 {
        signed: bool,
        d: Slot,
        a: Slot,
        position: Slot,
        length: Slot,
    },
    /// `bfi` into a 64-bit value.
    InsertField64 {
        d: Slot,
        field: Slot,
        base: Slot,
        position: Slot,
        length: Slot,
    },
    /// `bfi` into a 32-bit value.
    InsertField32 {
        d: Slot,
        field: Slot,
        base: Slot,
        position: Slot,
        length: Slot,
    },
    /// `lop3`: a function of three bits, given as a table of eight.
    Logic3 {
        d: Slot,
        a: Slot,
        b: Slot,
        c: Slot,
        table: u32,
    },
    /// `setp`: a comparison of 32-bit values to a predicate, combined with another predicate.
    Compare32 {
        f: fn(&Word, &Word) -> u32,
        d: Slot,
        complement: Option<Slot>,
        a: Slot,
        b: Slot,
        combine: Option<(Logic, Slot, bool)>,
    },
    /// `setp` of 64-bit values.
    Compare64 {
        f: fn(&Long, &Long) -> u32,
        d: Slot,
        complement: Option<Slot>,
        a: Slot,
        b: Slot,
        combine: Option<(Logic, Slot, bool)>,
    },
    /// `set`: a comparison to all ones or 1.0.
    SetByComparison {
        f: fn(&Word, &Word) -> u32,
        d: Slot,
        a: Slot,
        b: Slot,
        ones: u32,
    },
    /// `testp`: a test of a 32-bit value to a predicate.
    Test {
        f: fn(&Word) -> u32,
        d: Slot,
        a: Slot,
    },
    /// `selp` of 32-bit values.
    Select32 {
        d: Slot,
        a: Slot,
        b: Slot,
        p: Slot,
    },
    /// `selp` of 64-bit values.
    Select64 {
        d: Slot,
        a: Slot,
        b: Slot,
        p: Slot,
    },
    PredicateLogic {
        logic: Logic,
        d: Slot,
        a: Slot,
        b: Slot,
    },
    PredicateNot {
        d: Slot,
        a: Slot,
    },
    PredicateMove {
        d: Slot,
        a: Slot,
    },
    /// Halves of words and longs.
    PackWords {
        d: Slot,
        low: Slot,
        high: Slot,
    },
    UnpackLong {
        low: Option<Slot>,
        high: Option<Slot>,
        a: Slot,
    },
    PackHalves {
        d: Slot,
        low: Slot,
        high: Slot,
    },
    UnpackHalves {
        low: Option<Slot>,
        high: Option<Slot>,
        a: Slot,
    },
    PackBytes {
        d: Slot,
        bytes: [Slot; 4],
    },
    UnpackBytes {
        d: [Option<Slot>; 4],
        a: Slot,
    },
    PackQuarters {
        d: Slot,
        parts: [Slot; 4],
    },
    UnpackQuarters {
        d: [Option<Slot>; 4],
        a: Slot,
    },
    /// Memory. `size` is of one element, in bytes; `signed` extends on load.
    Load {
        space: MemorySpace,
        size: u32,
        signed: bool,
        d: Elements,
        address: AddressOperand,
    },
    Store {
        space: MemorySpace,
        size: u32,
        a: Elements,
        address: AddressOperand,
    },
    Atomic {
        space: MemorySpace,
        op: AtomicOp,
        ty: AtomicType,
        d: Elements,
        address: AddressOperand,
        a: Elements,
        b: Option<Data>,
    },
    CopyAsync {
        size: u32,
        shared: AddressOperand,
        global: AddressOperand,
        source_size: Option<Slot>,
        ignore: Option<Slot>,
    },
    CopyCommit,
    /// `fence.proxy.async`
    ProxyFence,
    /// `fence.proxy.tensormap::generic`: a release, or an acquire of the map at an address.
    MapFence {
        acquire: Option<AddressOperand>,
    },
    /// `wgmma.fence`: only a check notes it; registers are taken when the operation is carried out.
    WgmmaFence,
    /// `bar.warp.sync`: likewise; lanes run in step, and those that diverged meet at their post-dominator.
    WarpSync,
    CopyWait {
        pending: u32,
    },
    /// `cp.async.mbarrier.arrive`: an arrival when the lane's copies have ended; `counts` is true if the phase expects one
    /// arrival more for it (without `.noinc`).
    CopyArrive {
        address: AddressOperand,
        counts: bool,
    },
    LoadMatrix {
        count: u32,
        transpose: bool,
        d: Elements,
        address: AddressOperand,
    },
    StoreMatrix {
        transpose: bool,
        a: Elements,
        address: AddressOperand,
    },
    Mma {
        mma: Mma,
        d: Elements,
        a: Elements,
        b: Elements,
        c: Elements,
    },
    SmallMma(Box<SmallMma>),
    MmaF64 {
        d: [Slot; 2],
        a: Slot,
        b: Slot,
        c: [Slot; 2],
    },
    /// `wgmma.mma_async`: this warp's 16 rows of the 64. It is carried out when it is waited for.
    Wgmma(Box<Wgmma>),
    WgmmaCommit,
    /// Carries out all but the `pending` latest groups. `registers` are those of every accumulator of the kernel: they
    /// are in use until here.
    WgmmaWait {
        pending: u32,
        registers: Elements,
    },
    /// `tcgen05.alloc`: so many columns; their address goes to shared memory.
    TensorAllocate {
        address: AddressOperand,
        columns: Slot,
    },
    /// `tcgen05.dealloc`
    TensorRelease {
        address: Slot,
        columns: Slot,
    },
    /// `tcgen05.relinquish_alloc_permit`
    TensorPermit,
    /// `tcgen05.ld`: registers have the cells when they are first used, or when the load was waited for.
    TensorLoad(Box<TensorAccess>),
    /// `tcgen05.st`: cells have the registers when they were waited for.
    TensorStore(Box<TensorAccess>),
    /// `tcgen05.wait::ld`
    TensorWaitLoads,
    /// `tcgen05.wait::st`
    TensorWaitStores,
    /// `tcgen05.fence::before_thread_sync`, or `::after_thread_sync`: only a check notes it.
    TensorFence {
        before: bool,
    },
    /// `tcgen05.mma`: carried out before the commit after it tells its mbarrier.
    TensorMma(Box<TensorMma>),
    /// `tcgen05.cp`: in order with `tcgen05.mma`.
    TensorCopy(Box<TensorCopy>),
    TensorCommit(Box<TensorCommit>),
    /// `mbarrier.init`
    MbarrierInit {
        address: AddressOperand,
        count: Slot,
    },
    /// `mbarrier.inval`
    MbarrierInvalidate {
        address: AddressOperand,
    },
    /// `mbarrier.arrive`, `.arrive_drop`, `.arrive.expect_tx`, `.expect_tx` and `.complete_tx`; where the state goes.
    MbarrierArrive {
        arrival: MbarrierArrival,
        d: Option<Slot>,
    },
    /// `mbarrier.try_wait` and `.test_wait`, of a parity or of a state.
    MbarrierWait {
        d: Slot,
        address: AddressOperand,
        phase: Data,
    },
    /// `cp.async.bulk(.tensor)` from global to shared memory, of one block or of all whose bits are set, and
    /// `cp(.reduce).async.bulk` from the block's shared memory to another's. With `.cta_group::2` the mbarrier may be that of
    /// the pair's other block.
    BulkLoad {
        shared: AddressOperand,
        source: BulkSource,
        mbarrier: AddressOperand,
        multicast: Option<Slot>,
        reduce: Option<BulkReduction>,
        pair: bool,
    },
    /// `cp.async.bulk(.tensor)` and `cp.reduce.async.bulk(.tensor)` from shared to global memory.
    BulkStore {
        shared: AddressOperand,
        target: BulkSource,
        reduce: Option<BulkReduction>,
    },
    BulkCommit,
    BulkWait {
        pending: u32,
    },
    /// `tensormap.replace.tile`: a field of a tensor map in memory.
    TensorMapReplace {
        field: MapField,
        index: u32,
        address: AddressOperand,
        space: MemorySpace,
        value: Data,
    },
    /// `tensormap.cp_fenceproxy`: 128 bytes from shared to global memory.
    TensorMapCopy {
        global: AddressOperand,
        shared: AddressOperand,
    },
    /// `shfl`: the value of another lane, and whether there is one.
    Shuffle {
        mode: Shuffle,
        d: Slot,
        in_range: Option<Slot>,
        a: Slot,
        b: Slot,
        c: Slot,
    },
    VoteAll {
        d: Slot,
        p: Slot,
    },
    VoteAny {
        d: Slot,
        p: Slot,
    },
    VoteUniform {
        d: Slot,
        p: Slot,
    },
    Ballot {
        d: Slot,
        p: Slot,
    },
    ActiveMask {
        d: Slot,
    },
    MatchAny {
        d: Slot,
        a: Data,
    },
    MatchAll {
        d: Slot,
        p: Option<Slot>,
        a: Data,
    },
    Reduce {
        op: Reduction,
        d: Slot,
        a: Slot,
    },
    Elect {
        d: Option<Slot>,
        p: Slot,
    },
    /// Generic addresses of shared and local memory.
    ToGeneric {
        space: MemorySpace,
        d: Slot,
        a: Slot,
    },
    FromGeneric {
        space: MemorySpace,
        d: Slot,
        a: Slot,
    },
    IsSpace {
        space: MemorySpace,
        d: Slot,
        a: Slot,
    },
    /// `mapa`: the address of the same place in the memory of the block of a rank.
    MapAddress {
        d: Data,
        a: Data,
        rank: Slot,
    },
    /// `getctarank`: the rank of the block that a shared address names.
    RankOf {
        d: Slot,
        a: Data,
    },
    /// `barrier.cluster`
    ClusterArrive,
    ClusterWait,
    Clock {
        d: Data,
    },
    /// `bra`: to the operation `target`; lanes meet again at `reconverge`.
    Branch {
        target: u32,
        reconverge: u32,
    },
    Barrier {
        id: Slot,
        threads: Option<Slot>,
        arrive: bool,
        reduction: Option<(BarrierReduction, Slot, Slot)>,
    },
    /// The place in local memory of the first frame.
    FirstFrame {
        d: Slot,
    },
    /// A fault unless so many bytes fit behind the frames that there are.
    StackRoom {
        stack: Slot,
        bytes: u32,
    },
    /// The frame of a function that calls itself: its place goes to `base`, that of the next frame to `next`.
    EnterFrame {
        base: Slot,
        stack: Slot,
        next: Slot,
        bytes: u32,
    },
    /// A call that the branch behind it carries out: the caller's registers and the number of the call are kept.
    Call {
        site: u32,
        saved: Box<[(File, Slot)]>,
    },
    /// The call has returned: the registers have what was kept.
    Returned {
        saved: Box<[(File, Slot)]>,
    },
    /// The number of the call that the function returns to.
    ReturnSite {
        d: Slot,
    },
    Nothing,
    Exit,
    Trap,
    /// `vprintf(format, arguments)`, addresses as longs; the result goes to `d`.
    Print {
        d: Option<u32>,
        format: u32,
        arguments: u32,
    },
    /// `malloc(size)`: offsets of the size and of the result in local memory.
    Malloc {
        size: u32,
        d: Option<u32>,
    },
    /// `free(address)`: the offset of the address in local memory.
    Free {
        address: u32,
    },
    /// `__assertfail(message, file, line, function, size)`: offsets of the parameter variables in local memory.
    Assert {
        parameters: [u32; 4],
    },
}

impl Op {
    /// True if it changes anything but registers. Whether an atomic does, its memory knows.
    pub fn acts(&self) -> bool {
        matches!(
            self,
            Self::Store { .. }
                | Self::StoreMatrix { .. }
                | Self::Atomic { space: MemorySpace::Cluster, .. }
                | Self::CopyAsync { .. }
                | Self::CopyCommit
                | Self::CopyArrive { .. }
                | Self::Wgmma(_)
                | Self::WgmmaCommit
                | Self::TensorAllocate { .. }
                | Self::TensorRelease { .. }
                | Self::TensorPermit
                | Self::TensorLoad(_)
                | Self::TensorStore(_)
                | Self::TensorMma(_)
                | Self::TensorCopy(_)
                | Self::TensorCommit(_)
                | Self::MbarrierInit { .. }
                | Self::MbarrierInvalidate { .. }
                | Self::MbarrierArrive { .. }
                | Self::BulkLoad { .. }
                | Self::BulkStore { .. }
                | Self::BulkCommit
                | Self::TensorMapReplace { .. }
                | Self::TensorMapCopy { .. }
                | Self::Print { .. }
                | Self::Malloc { .. }
                | Self::Free { .. }
        )
    }
}
