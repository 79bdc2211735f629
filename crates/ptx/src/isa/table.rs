//! The instructions of PTX, a row each.
//!
//! A row is: a sentence, then variant and spellings, sections of the PTX ISA 8.7, work, flow, roles of the operands, and
//! what differs from [`Description::DEFAULT`]. [`Description`] says what each of these means. A new row does not compile
//! until the emulator's decoder has an arm for it, be it one that refuses it.

use super::Class::{
    Atomic, Barrier, Branch, Bulk, Collective as WarpCollective, Compare, Conversion, CopyAsync, Mbarrier, Move, Other,
    SharedLoad, SharedStore, Special, Tensor,
};
use super::Work::{Arithmetic, Is, Load, Store};
use super::forms::Architecture;
use super::{Class, Description, Flow, Ordering, Role};

macro_rules! instructions {
    ($($(#[doc = $summary:literal])+ $variant:ident = $($name:literal)|+, $section:literal, $work:expr, $flow:ident,
        [$($role:ident)*] $(, $field:ident: $value:expr)*;)+) => {
        /// An instruction of PTX: what the PTX ISA has a section for. Its modifiers are no part of it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Mnemonic {
            $($(#[doc = $summary])+ $variant,)+
        }

        /// A row for each mnemonic, in the order of their declaration.
        static TABLE: &[Description] = &[$(Description {
            names: &[$($name),+],
            summary: concat!($($summary),+).trim_ascii_start(),
            section: $section,
            work: $work,
            flow: Flow::$flow,
            operands: &[$(Role::$role),*],
            $($field: $value,)*
            ..Description::DEFAULT
        },)+];

        impl Mnemonic {
            /// Every instruction, in the order of the table.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];
        }
    };
}

instructions! {
    // Arithmetic.

    /// Adds two values.
    Add = "add", "9.7.1.1, 9.7.2.1, 9.7.3.3, 9.7.4.1", Arithmetic, Mixed, [Written Read Read];
    /// Adds two values and the carry.
    AddC = "addc", "9.7.2.2", Is(Other), Mixed, [Written Read Read];
    /// Subtracts the second value from the first.
    Sub = "sub", "9.7.1.2, 9.7.2.3, 9.7.3.4, 9.7.4.2", Arithmetic, Mixed, [Written Read Read];
    /// Subtracts the second value and the borrow from the first.
    SubC = "subc", "9.7.2.4", Is(Other), Mixed, [Written Read Read];
    /// Multiplies two values.
    Mul = "mul", "9.7.1.3, 9.7.3.5, 9.7.4.3", Arithmetic, Mixed, [Written Read Read];
    /// Multiplies two values and adds a third.
    Mad = "mad", "9.7.1.4, 9.7.2.5, 9.7.3.7", Arithmetic, Mixed, [Written Read Read Read];
    /// Multiplies two values and adds a third and the carry.
    MadC = "madc", "9.7.2.6", Is(Other), Mixed, [Written Read Read Read];
    /// Multiplies the lower 24 bits of two values.
    Mul24 = "mul24", "9.7.1.5", Arithmetic, Mixed, [Written Read Read];
    /// Multiplies the lower 24 bits of two values and adds a third.
    Mad24 = "mad24", "9.7.1.6", Is(Other), Mixed, [Written Read Read Read];
    /// Multiplies two values and adds a third, with one rounding.
    Fma = "fma", "9.7.3.6, 9.7.4.4", Arithmetic, Mixed, [Written Read Read Read];
    /// Adds the absolute difference of two values to a third.
    Sad = "sad", "9.7.1.7", Arithmetic, Mixed, [Written Read Read Read];
    /// Divides the first value by the second.
    Div = "div", "9.7.1.8, 9.7.3.8", Arithmetic, Mixed, [Written Read Read];
    /// The remainder of a division.
    Rem = "rem", "9.7.1.9", Arithmetic, Mixed, [Written Read Read];
    /// The absolute value.
    Abs = "abs", "9.7.1.10, 9.7.3.9, 9.7.4.6", Arithmetic, Mixed, [Written Read];
    /// The negated value.
    Neg = "neg", "9.7.1.11, 9.7.3.10, 9.7.4.5", Arithmetic, Mixed, [Written Read];
    /// The smaller of two values.
    Min = "min", "9.7.1.12, 9.7.3.11, 9.7.4.7", Arithmetic, Mixed, [Written Read Read Read];
    /// The larger of two values.
    Max = "max", "9.7.1.13, 9.7.3.12, 9.7.4.8", Arithmetic, Mixed, [Written Read Read Read];
    /// The sum of the products of four pairs of bytes, added to a third value.
    Dp4a = "dp4a", "9.7.1.23", Arithmetic, Mixed, [Written Read Read Read], target: Architecture::later(61);
    /// The sum of the products of two pairs of halves and bytes, added to a third value.
    Dp2a = "dp2a", "9.7.1.24", Arithmetic, Mixed, [Written Read Read Read], target: Architecture::later(61);
    /// The second value with the sign of the first.
    CopySign = "copysign", "9.7.3.2", Arithmetic, Mixed, [Written Read Read];

    // Functions of floating-point values.

    /// The reciprocal.
    Rcp = "rcp", "9.7.3.13, 9.7.3.14", Is(Special), Mixed, [Written Read];
    /// The square root.
    Sqrt = "sqrt", "9.7.3.15", Is(Special), Mixed, [Written Read];
    /// The reciprocal of the square root, approximately.
    Rsqrt = "rsqrt", "9.7.3.16, 9.7.3.17", Is(Special), Mixed, [Written Read];
    /// The sine, approximately.
    Sin = "sin", "9.7.3.18", Is(Special), Mixed, [Written Read];
    /// The cosine, approximately.
    Cos = "cos", "9.7.3.19", Is(Special), Mixed, [Written Read];
    /// The logarithm to base 2, approximately.
    Lg2 = "lg2", "9.7.3.20", Is(Special), Mixed, [Written Read];
    /// 2 to the power of the value, approximately.
    Ex2 = "ex2", "9.7.3.21, 9.7.4.10", Is(Special), Mixed, [Written Read];
    /// The hyperbolic tangent, approximately.
    Tanh = "tanh", "9.7.3.22, 9.7.4.9", Is(Special), Mixed, [Written Read], target: Architecture::later(75);

    // Bits.

    /// Bits that are one in both values.
    And = "and", "9.7.8.1", Arithmetic, Masked, [Written Read Read];
    /// Bits that are one in either value.
    Or = "or", "9.7.8.2", Arithmetic, Bytewise, [Written Read Read];
    /// Bits that differ.
    Xor = "xor", "9.7.8.3", Arithmetic, Bytewise, [Written Read Read];
    /// The inverted bits.
    Not = "not", "9.7.8.4", Arithmetic, Bytewise, [Written Read];
    /// One where the value is zero, otherwise zero.
    Cnot = "cnot", "9.7.8.5", Arithmetic, Mixed, [Written Read];
    /// A function of three bits, given as a table, for each bit of three values.
    Lop3 = "lop3", "9.7.8.6", Arithmetic, Bytewise, [Written Read Read Read Read], target: Architecture::later(50);
    /// 32 bits of two words that are shifted together.
    Shf = "shf", "9.7.8.7", Arithmetic, Mixed, [Written Read Read Read], target: Architecture::later(32);
    /// Shifts left.
    Shl = "shl", "9.7.8.8", Arithmetic, ShiftedUp, [Written Read Read];
    /// Shifts right, with the sign where the type has one.
    Shr = "shr", "9.7.8.9", Arithmetic, ShiftedDown, [Written Read Read];
    /// Four bytes of two words, chosen by the third operand.
    Prmt = "prmt", "9.7.9.7", Arithmetic, Permuted, [Written Read Read Read];
    /// A field of bits.
    Bfe = "bfe", "9.7.1.19", Arithmetic, Mixed, [Written Read Read Read];
    /// The second value with a field of the first.
    Bfi = "bfi", "9.7.1.20", Arithmetic, Mixed, [Written Read Read Read Read];
    /// A mask of ones: where it begins, and how many there are.
    Bmsk = "bmsk", "9.7.1.22", Arithmetic, Mixed, [Written Read Read], target: Architecture::later(70);
    /// The number of bits that are one.
    Popc = "popc", "9.7.1.14", Arithmetic, Mixed, [Written Read];
    /// The number of leading zeros.
    Clz = "clz", "9.7.1.15", Arithmetic, Mixed, [Written Read];
    /// The place of the most significant bit that is no sign.
    Bfind = "bfind", "9.7.1.16", Arithmetic, Mixed, [Written Read];
    /// The place of the n-th bit that is one.
    Fns = "fns", "9.7.1.17", Is(Other), Mixed, [Written Read Read Read];
    /// The bits in reversed order.
    Brev = "brev", "9.7.1.18", Arithmetic, Mixed, [Written Read];

    // Comparisons, choices, moves, conversions.

    /// A comparison to a value: all ones, or 1.0.
    Set = "set", "9.7.6.1, 9.7.7.1", Is(Compare), Mixed, [Written Read Read Predicate];
    /// A comparison to a predicate, and to its complement.
    Setp = "setp", "9.7.6.2, 9.7.7.2", Is(Compare), Mixed, [Written Read Read Predicate];
    /// One of two values, chosen by a predicate.
    Selp = "selp", "9.7.6.3", Is(Compare), Mixed, [Written Read Read Predicate];
    /// One of two values, chosen by the sign of a third.
    Slct = "slct", "9.7.6.4", Is(Other), Mixed, [Written Read Read Read];
    /// A property of a floating-point value to a predicate.
    Testp = "testp", "9.7.3.1", Is(Compare), Mixed, [Written Read];
    /// Moves a value, packs several into one, or takes one apart.
    Mov = "mov", "9.7.9.3, 9.7.9.4", Is(Move), Bytewise, [Written Read];
    /// Converts from one type to another.
    Cvt = "cvt", "9.7.9.21", Is(Conversion), Converted, [Written Read Read Read];
    /// Converts two integers and packs them.
    CvtPack = "cvt.pack", "9.7.9.22", Is(Conversion), Converted, [Written Read Read Read], target: Architecture::later(72);
    /// Converts an address between a state space and generic addresses.
    Cvta = "cvta", "9.7.9.20", Arithmetic, Mixed, [Written Read];
    /// True if a generic address lies in a state space.
    Isspacep = "isspacep", "9.7.9.19", Is(Other), Mixed, [Written Read];
    /// The address of the same place in the shared memory of another block of the cluster.
    Mapa = "mapa", "9.7.9.23", Is(Other), Mixed, [Written Read Read], target: Architecture::later(90);
    /// The rank in the cluster of the block whose shared memory an address names.
    GetCtaRank = "getctarank", "9.7.9.24", Is(Other), Mixed, [Written Read], target: Architecture::later(90);

    // Memory.

    /// Loads from memory.
    Ld = "ld", "9.7.9.8, 9.7.9.9", Load, Loaded, [Written Address Read], ordering: Ordering::ByModifier;
    /// Loads from memory that is the same for all threads.
    Ldu = "ldu", "9.7.9.10", Load, Loaded, [Written Address];
    /// Stores to memory.
    St = "st", "9.7.9.11", Store, None, [Address Read Read], ordering: Ordering::ByModifier;
    /// Stores to the shared memory of a cluster and reports to an mbarrier.
    StAsync = "st.async", "9.7.9.12", Is(Other), None, [Address Read Address], asynchronous: true,
        target: Architecture::later(90);
    /// Fills shared memory.
    StBulk = "st.bulk", "9.7.9.13", Is(Other), None, [Address Read Read], target: Architecture::later(100);
    /// An operation on memory that nothing comes between; the value before is the result.
    Atom = "atom", "9.7.13.5", Is(Atomic), Loaded, [Written Address Read Read Read], ordering: Ordering::Always;
    /// An operation on memory that nothing comes between.
    Red = "red", "9.7.13.6", Is(Atomic), None, [Address Read Read], ordering: Ordering::Always;
    /// A reduction in the shared memory of a cluster that reports to an mbarrier.
    RedAsync = "red.async", "9.7.13.7", Is(Atomic), None, [Address Read Address], asynchronous: true,
        target: Architecture::later(90);
    /// Loads the reduction of the memories of several GPUs.
    MultimemLdReduce = "multimem.ld_reduce", "9.7.9.14", Is(Other), Loaded, [Written Address],
        ordering: Ordering::ByModifier, target: Architecture::later(90);
    /// Stores to the memories of several GPUs.
    MultimemSt = "multimem.st", "9.7.9.14", Is(Other), None, [Address Read], ordering: Ordering::ByModifier,
        target: Architecture::later(90);
    /// Reduces in the memories of several GPUs.
    MultimemRed = "multimem.red", "9.7.9.14", Is(Other), None, [Address Read], ordering: Ordering::Always,
        target: Architecture::later(90);
    /// Brings a line into a cache.
    Prefetch = "prefetch", "9.7.9.15", Is(Other), None, [Address];
    /// Brings a line into the cache of uniform loads.
    PrefetchU = "prefetchu", "9.7.9.15", Is(Other), None, [Address];
    /// Gives a range of memory a priority in the cache.
    ApplyPriority = "applypriority", "9.7.9.16", Is(Other), None, [Address Read], target: Architecture::later(80);
    /// Drops a range of memory from the cache.
    Discard = "discard", "9.7.9.17", Is(Other), None, [Address Read], target: Architecture::later(80);
    /// A policy of the cache, for loads and stores that take one.
    CreatePolicy = "createpolicy", "9.7.9.18", Is(Other), Mixed, [Written Read Read Read], target: Architecture::later(80);

    // Copies that go on while the thread does something else.

    /// Copies 4, 8 or 16 bytes from global to shared memory.
    CpAsync = "cp.async", "9.7.9.25.3", Is(CopyAsync), None, [Address Address Read Read], asynchronous: true,
        target: Architecture::later(80);
    /// Makes the thread's copies a group.
    CpAsyncCommitGroup = "cp.async.commit_group", "9.7.9.25.3", Is(CopyAsync), None, [], target: Architecture::later(80);
    /// Waits until at most a given number of groups of copies are pending.
    CpAsyncWaitGroup = "cp.async.wait_group", "9.7.9.25.3", Is(CopyAsync), None, [Read], target: Architecture::later(80);
    /// Waits for all of the thread's copies.
    CpAsyncWaitAll = "cp.async.wait_all", "9.7.9.25.3", Is(CopyAsync), None, [], target: Architecture::later(80);
    /// Arrives at an mbarrier when the thread's copies have ended.
    CpAsyncMbarrierArrive = "cp.async.mbarrier.arrive", "9.7.13.15", Is(CopyAsync), None, [Address],
        asynchronous: true, target: Architecture::later(80);
    /// Copies a range of bytes between global memory and the shared memory of a cluster.
    CpAsyncBulk = "cp.async.bulk", "9.7.9.25.4", Is(Bulk), None, [Address Address Read Address Read Read],
        asynchronous: true, target: Architecture::later(90);
    /// Copies a tile of a tensor between global and shared memory.
    CpAsyncBulkTensor = "cp.async.bulk.tensor", "9.7.9.25.5", Is(Bulk), None, [Address Address Address Read Read],
        asynchronous: true, target: Architecture::later(90);
    /// Reduces a range of bytes into global memory or the shared memory of a cluster.
    CpReduceAsyncBulk = "cp.reduce.async.bulk", "9.7.9.25.4", Is(Bulk), None, [Address Address Read Address Read],
        asynchronous: true, target: Architecture::later(90);
    /// Reduces a tile of a tensor into global memory.
    CpReduceAsyncBulkTensor = "cp.reduce.async.bulk.tensor", "9.7.9.25.5", Is(Bulk), None, [Address Address Read],
        asynchronous: true, target: Architecture::later(90);
    /// Brings a range of bytes into the second-level cache.
    CpAsyncBulkPrefetch = "cp.async.bulk.prefetch", "9.7.9.25.4", Is(Bulk), None, [Address Read Read],
        target: Architecture::later(90);
    /// Brings a tile of a tensor into the second-level cache.
    CpAsyncBulkPrefetchTensor = "cp.async.bulk.prefetch.tensor", "9.7.9.25.5", Is(Bulk), None, [Address Read],
        target: Architecture::later(90);
    /// Makes the thread's bulk copies a group.
    CpAsyncBulkCommitGroup = "cp.async.bulk.commit_group", "9.7.9.25.4", Is(Bulk), None, [],
        target: Architecture::later(90);
    /// Waits until at most a given number of groups of bulk copies are pending.
    CpAsyncBulkWaitGroup = "cp.async.bulk.wait_group", "9.7.9.25.4", Is(Bulk), None, [Read],
        target: Architecture::later(90);
    /// Sets a field of a tensor map.
    TensormapReplace = "tensormap.replace", "9.7.9.28", Is(Bulk), None, [Address Read Read],
        target: Architecture::alone(90);
    /// Copies a tensor map to global memory and makes it visible to bulk copies.
    TensormapCpFenceproxy = "tensormap.cp_fenceproxy", "9.7.13.16", Is(Bulk), None, [Address Address Read],
        ordering: Ordering::Always, target: Architecture::later(90);

    // What the lanes of a warp do together.

    /// A value of another lane.
    Shfl = "shfl", "9.7.9.5, 9.7.9.6", Is(WarpCollective), Collective, [Written Read Read Read LaneMask];
    /// All, any or which lanes have a predicate.
    Vote = "vote", "9.7.13.8, 9.7.13.9", Is(WarpCollective), Collective, [Written Predicate LaneMask];
    /// The lanes that have the same value.
    Match = "match", "9.7.13.10", Is(WarpCollective), Collective, [Written Read LaneMask], target: Architecture::later(70);
    /// The lanes that execute the instruction.
    ActiveMask = "activemask", "9.7.13.11", Is(WarpCollective), Collective, [Written];
    /// A reduction over the lanes.
    Redux = "redux", "9.7.13.12", Is(WarpCollective), Collective, [Written Read LaneMask], target: Architecture::later(80);
    /// Chooses one lane.
    Elect = "elect", "9.7.13.14", Is(WarpCollective), Collective, [Written LaneMask], target: Architecture::later(90);

    // Barriers and fences.

    /// Waits at a barrier of the block; all lanes together.
    BarSync = "bar.sync" | "bar.cta.sync", "9.7.13.1", Is(Barrier), None, [Read Read], aligned: true,
        ordering: Ordering::Always;
    /// Arrives at a barrier of the block without waiting; all lanes together.
    BarArrive = "bar.arrive" | "bar.cta.arrive", "9.7.13.1", Is(Barrier), None, [Read Read], aligned: true,
        ordering: Ordering::Always;
    /// Waits at a barrier of the block and reduces predicates; all lanes together.
    BarRed = "bar.red" | "bar.cta.red", "9.7.13.1", Is(Barrier), Collective, [Written Read Read Read],
        aligned: true, ordering: Ordering::Always;
    /// Waits at a barrier of the block.
    BarrierSync = "barrier.sync" | "barrier.cta.sync", "9.7.13.1", Is(Barrier), None, [Read Read],
        ordering: Ordering::Always;
    /// Arrives at a barrier of the block without waiting.
    BarrierArrive = "barrier.arrive" | "barrier.cta.arrive", "9.7.13.1", Is(Barrier), None, [Read Read],
        ordering: Ordering::Always;
    /// Waits at a barrier of the block and reduces predicates.
    BarrierRed = "barrier.red" | "barrier.cta.red", "9.7.13.1", Is(Barrier), Collective,
        [Written Read Read Read], ordering: Ordering::Always;
    /// Waits for other lanes of the warp.
    BarWarp = "bar.warp", "9.7.13.2", Is(Barrier), None, [LaneMask], ordering: Ordering::Always;
    /// Arrives at the barrier of the cluster.
    BarrierClusterArrive = "barrier.cluster.arrive", "9.7.13.3", Is(Barrier), None, [], ordering: Ordering::Always,
        target: Architecture::later(90);
    /// Waits for all threads of the cluster.
    BarrierClusterWait = "barrier.cluster.wait", "9.7.13.3", Is(Barrier), None, [], ordering: Ordering::Always,
        target: Architecture::later(90);
    /// Orders the thread's accesses before it and after it, as `fence.sc` does.
    Membar = "membar", "9.7.13.4", Is(Class::Fence), None, [], ordering: Ordering::Always;
    /// Orders the thread's accesses before it and after it, or those through two proxies.
    Fence = "fence", "9.7.13.4", Is(Class::Fence), None, [Address Read], ordering: Ordering::Always,
        target: Architecture::later(70);
    /// Waits for the grid before, or lets the next one begin.
    GridDepControlWait = "griddepcontrol.wait", "9.7.13.13", Is(Other), None, [], ordering: Ordering::Always,
        target: Architecture::later(90);
    /// Lets the grids that depend on this one begin.
    GridDepControlLaunchDependents = "griddepcontrol.launch_dependents", "9.7.13.13", Is(Other), None, [],
        target: Architecture::later(90);

    // Barriers in memory.

    /// Makes an mbarrier for a number of arrivals.
    MbarrierInit = "mbarrier.init", "9.7.13.15", Is(Mbarrier), None, [Address Read], target: Architecture::later(80);
    /// Ends the life of an mbarrier.
    MbarrierInval = "mbarrier.inval", "9.7.13.15", Is(Mbarrier), None, [Address], target: Architecture::later(80);
    /// Lets the phase of an mbarrier wait for more bytes.
    MbarrierExpectTx = "mbarrier.expect_tx", "9.7.13.15", Is(Mbarrier), None, [Address Read],
        ordering: Ordering::Always, target: Architecture::later(90);
    /// Reports to an mbarrier that bytes have come.
    MbarrierCompleteTx = "mbarrier.complete_tx", "9.7.13.15", Is(Mbarrier), None, [Address Read],
        ordering: Ordering::Always, target: Architecture::later(90);
    /// Arrives at an mbarrier.
    MbarrierArrive = "mbarrier.arrive", "9.7.13.15", Is(Mbarrier), Loaded, [Written Address Read],
        ordering: Ordering::Always, target: Architecture::later(80);
    /// Arrives at an mbarrier, which is to expect one arrival less from then on.
    MbarrierArriveDrop = "mbarrier.arrive_drop", "9.7.13.15", Is(Mbarrier), Loaded, [Written Address Read],
        ordering: Ordering::Always, target: Architecture::later(80);
    /// True if a phase of an mbarrier has ended.
    MbarrierTestWait = "mbarrier.test_wait", "9.7.13.15", Is(Mbarrier), Loaded, [Written Address Read],
        ordering: Ordering::Always, target: Architecture::later(80);
    /// True if a phase of an mbarrier has ended; it may wait for that.
    MbarrierTryWait = "mbarrier.try_wait", "9.7.13.15", Is(Mbarrier), Loaded, [Written Address Read Read],
        ordering: Ordering::Always, target: Architecture::later(90);
    /// The number of arrivals that a state of an mbarrier still expects.
    MbarrierPendingCount = "mbarrier.pending_count", "9.7.13.15", Is(Mbarrier), Mixed, [Written Read],
        target: Architecture::later(80);

    // Products of matrices.

    /// Multiplies two matrices that the lanes of a warp hold, and adds a third.
    Mma = "mma", "9.7.14.5", Is(Tensor), Matrix, [Written Read Read Read Read Read Read Read],
        target: Architecture::later(70);
    /// As `mma`, of a sparse first matrix.
    MmaSparse = "mma.sp" | "mma.sp::ordered_metadata", "9.7.14.6", Is(Tensor), Matrix,
        [Written Read Read Read Read Read], target: Architecture::later(80);
    /// Loads matrices of 8 × 8 elements from shared memory, each lane a part.
    LdMatrix = "ldmatrix", "9.7.14.5.15", Is(SharedLoad), Loaded, [Written Address], target: Architecture::later(75);
    /// Stores matrices of 8 × 8 elements to shared memory, each lane a part.
    StMatrix = "stmatrix", "9.7.14.5.16", Is(SharedStore), None, [Address Read], target: Architecture::later(90);
    /// Transposes a matrix of 8 × 8 elements that the lanes of a warp hold.
    MovMatrix = "movmatrix", "9.7.14.5.17", Is(WarpCollective), Matrix, [Written Read], target: Architecture::later(75);
    /// Loads a fragment of a matrix.
    WmmaLoad = "wmma.load", "9.7.14.4", Is(Other), Loaded, [Written Address Read], target: Architecture::later(70);
    /// Stores a fragment of a matrix.
    WmmaStore = "wmma.store", "9.7.14.4", Is(Other), None, [Address Read Read], target: Architecture::later(70);
    /// Multiplies two matrices of fragments, and adds a third.
    WmmaMma = "wmma.mma", "9.7.14.4", Is(Tensor), Matrix, [Written Read Read Read], target: Architecture::later(70);
    /// Multiplies two matrices of a warpgroup, whose second and perhaps first lie in shared memory.
    WgmmaMmaAsync = "wgmma.mma_async", "9.7.15.5", Is(Tensor), Matrix,
        [Accumulated Read Read Predicate Read Read Read Read], asynchronous: true, target: Architecture::alone(90);
    /// As `wgmma.mma_async`, of a sparse first matrix.
    WgmmaMmaAsyncSparse = "wgmma.mma_async.sp", "9.7.15.6", Is(Tensor), Matrix,
        [Accumulated Read Read Read Read Predicate Read Read Read Read], asynchronous: true, target: Architecture::alone(90);
    /// Orders a warpgroup's accesses to registers and shared memory before its next product.
    WgmmaFence = "wgmma.fence", "9.7.15.7", Is(Tensor), None, [], ordering: Ordering::Always, target: Architecture::alone(90);
    /// Makes the warpgroup's products a group.
    WgmmaCommitGroup = "wgmma.commit_group", "9.7.15.7", Is(Tensor), None, [], target: Architecture::alone(90);
    /// Waits until at most a given number of groups of products are pending.
    WgmmaWaitGroup = "wgmma.wait_group", "9.7.15.7", Is(Tensor), None, [Read], target: Architecture::alone(90);

    // Tensor memory.

    /// Allocates columns of tensor memory, and writes their address to shared memory.
    Tcgen05Alloc = "tcgen05.alloc", "9.7.16.7", Is(Tensor), None, [Address Read], target: Architecture::alone(100);
    /// Gives columns of tensor memory back.
    Tcgen05Dealloc = "tcgen05.dealloc", "9.7.16.7", Is(Tensor), None, [Read Read], target: Architecture::alone(100);
    /// Says that the block will allocate no more tensor memory.
    Tcgen05RelinquishAllocPermit = "tcgen05.relinquish_alloc_permit", "9.7.16.7", Is(Tensor), None, [],
        target: Architecture::alone(100);
    /// Loads from tensor memory.
    Tcgen05Ld = "tcgen05.ld", "9.7.16.8", Is(Tensor), Matrix, [Written Address Read], asynchronous: true,
        target: Architecture::alone(100);
    /// Stores to tensor memory.
    Tcgen05St = "tcgen05.st", "9.7.16.8", Is(Tensor), None, [Address Read Read], asynchronous: true,
        target: Architecture::alone(100);
    /// Waits for the thread's loads from tensor memory.
    Tcgen05WaitLd = "tcgen05.wait::ld", "9.7.16.8", Is(Tensor), None, [], target: Architecture::alone(100);
    /// Waits for the thread's stores to tensor memory.
    Tcgen05WaitSt = "tcgen05.wait::st", "9.7.16.8", Is(Tensor), None, [], target: Architecture::alone(100);
    /// Copies from shared to tensor memory.
    Tcgen05Cp = "tcgen05.cp", "9.7.16.9", Is(Tensor), None, [Address Read], asynchronous: true,
        target: Architecture::alone(100);
    /// Moves rows of tensor memory.
    Tcgen05Shift = "tcgen05.shift", "9.7.16.9", Is(Tensor), None, [Address], asynchronous: true,
        target: Architecture::alone(100);
    /// Multiplies two matrices into tensor memory.
    Tcgen05Mma = "tcgen05.mma", "9.7.16.10", Is(Tensor), None,
        [Address Read Read Read Predicate Read Read], asynchronous: true, target: Architecture::alone(100);
    /// As `tcgen05.mma`, of a sparse first matrix.
    Tcgen05MmaSparse = "tcgen05.mma.sp", "9.7.16.10", Is(Tensor), None,
        [Address Read Read Address Read Predicate Read], asynchronous: true, target: Architecture::alone(100);
    /// As `tcgen05.mma`, whose second matrix is kept for the next products.
    Tcgen05MmaWs = "tcgen05.mma.ws", "9.7.16.10", Is(Tensor), None,
        [Address Read Read Read Predicate Read], asynchronous: true, target: Architecture::alone(100);
    /// As `tcgen05.mma.ws`, of a sparse first matrix.
    Tcgen05MmaWsSparse = "tcgen05.mma.ws.sp", "9.7.16.10", Is(Tensor), None,
        [Address Read Read Address Read Predicate Read], asynchronous: true, target: Architecture::alone(100);
    /// Lets an mbarrier know when the thread's operations on tensor memory have ended.
    Tcgen05Commit = "tcgen05.commit", "9.7.16.12", Is(Tensor), None, [Address Read], asynchronous: true,
        target: Architecture::alone(100);
    /// Orders the operations on tensor memory before it and a synchronisation of threads after it.
    Tcgen05FenceBeforeThreadSync = "tcgen05.fence::before_thread_sync", "9.7.16.11", Is(Tensor), None, [],
        ordering: Ordering::Always, target: Architecture::alone(100);
    /// Orders a synchronisation of threads before it and the operations on tensor memory after it.
    Tcgen05FenceAfterThreadSync = "tcgen05.fence::after_thread_sync", "9.7.16.11", Is(Tensor), None, [],
        ordering: Ordering::Always, target: Architecture::alone(100);

    // Control.

    /// Goes to a label.
    Bra = "bra", "9.7.12.3", Is(Branch), None, [Target];
    /// Goes to a label of a list, by an index.
    BrxIdx = "brx.idx", "9.7.12.4", Is(Branch), None, [Read Target];
    /// Calls a function.
    Call = "call", "9.7.12.5", Is(Branch), None, [];
    /// Returns from a function; the thread ends in an entry.
    Ret = "ret", "9.7.12.6", Is(Branch), None, [];
    /// Ends the thread.
    Exit = "exit", "9.7.12.7", Is(Branch), None, [];
    /// Stops the grid with an error.
    Trap = "trap", "9.7.19.4", Is(Branch), None, [];
    /// Stops for a debugger.
    Brkpt = "brkpt", "9.7.19.1", Is(Other), None, [];
    /// Sleeps for about the given number of nanoseconds.
    NanoSleep = "nanosleep", "9.7.19.2", Is(Other), None, [Read], target: Architecture::later(70);
    /// Counts an event for a profiler.
    PmEvent = "pmevent", "9.7.19.3", Is(Other), None, [Read];
    /// Changes the number of registers of the warp.
    SetMaxNReg = "setmaxnreg", "9.7.19.5", Is(Other), None, [Read], target: Architecture::alone(90);
}

impl Mnemonic {
    /// What the table says of it.
    pub fn description(self) -> &'static Description {
        &TABLE[self as usize]
    }

    /// The usual spelling: `cp.async.bulk.tensor`.
    pub fn name(self) -> &'static str {
        self.description().names[0]
    }

    /// The instruction that a text begins with, and how it is spelled there: the longest name of whole words.
    pub(super) fn at_start(text: &str) -> Option<(Self, &'static str)> {
        let is_here =
            |name: &&'static str| text.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
        let names = Self::ALL.iter().flat_map(|&own| own.description().names.iter().map(move |name| (own, *name)));
        names.filter(|(_, name)| is_here(name)).max_by_key(|(_, name)| name.len())
    }
}

impl std::fmt::Display for Mnemonic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sound() {
        let mut names: Vec<&str> = Mnemonic::ALL.iter().flat_map(|own| own.description().names).copied().collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count, "a name stands twice");
        for &own in Mnemonic::ALL {
            let row = own.description();
            assert!(row.summary.ends_with('.') && row.section.starts_with("9.7."), "{own}");
            for name in row.names {
                assert_eq!(Mnemonic::at_start(name), Some((own, *name)));
                assert_eq!(Mnemonic::at_start(&format!("{name}.x")), Some((own, *name)));
            }
            let writes = row.operands.first().is_some_and(|role| matches!(role, Role::Written | Role::Accumulated));
            assert_eq!(writes, row.flow != Flow::None, "{own}: a result and its flow go together");
            assert!(row.operands.iter().skip(1).all(|role| *role != Role::Written), "{own}");
        }
    }
}
