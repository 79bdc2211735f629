//! The decoded program: what the interpreter runs.
//!
//! Every operand is a slot of the warp's register file: constants and special registers are slots that are filled when
//! a block starts, so that an operation is one function over 32 lanes.

use std::ops::Range;

use super::arithmetic::convert::Conversion;
use super::arithmetic::tensor::Mma;
use crate::ptx::LineInfo;

/// 32 lanes of a register of up to 32 bits.
pub type Word = [u32; 32];
/// 32 lanes of a 64-bit register.
pub type Long = [u64; 32];

/// A slot of the 32-bit, of the 64-bit or of the predicate file; which one, the operation says.
pub type Slot = u32;

/// What a slot holds when a block starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Special {
    TidX,
    TidY,
    TidZ,
    NtidX,
    NtidY,
    NtidZ,
    CtaidX,
    CtaidY,
    CtaidZ,
    NctaidX,
    NctaidY,
    NctaidZ,
    ClusterIdX,
    ClusterIdY,
    ClusterIdZ,
    NumClustersX,
    NumClustersY,
    NumClustersZ,
    ClusterCtaidX,
    ClusterCtaidY,
    ClusterCtaidZ,
    ClusterNctaidX,
    ClusterNctaidY,
    ClusterNctaidZ,
    ClusterRank,
    ClusterSize,
    LaneId,
    WarpId,
    NumWarps,
    LaneMaskEq,
    LaneMaskLt,
    LaneMaskLe,
    LaneMaskGt,
    LaneMaskGe,
    SmId,
    DynamicSharedSize,
}

/// Where a memory operation goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemorySpace {
    Global,
    /// The block's own.
    Shared,
    /// That of the cluster's blocks.
    Cluster,
    Local,
    /// The parameter block of the kernel.
    Param,
    Generic,
}

/// A base slot and an offset.
#[derive(Clone, Copy, Debug)]
pub struct AddressOperand {
    /// The base: a 64-bit slot, a 32-bit slot, or none.
    pub base: Base,
    /// Added.
    pub offset: i64,
}

/// The register of an address.
#[derive(Clone, Copy, Debug)]
pub enum Base {
    None,
    Word(Slot),
    Long(Slot),
}

/// A register to load to or store from.
#[derive(Clone, Copy, Debug)]
pub enum Data {
    /// Dropped on a load; zero on a store.
    Sink,
    Word(Slot),
    Long(Slot),
}

/// Elements of a vector load or store, at most eight.
pub type Elements = Box<[Data]>;

/// Atomic read-modify-write operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtomicOp {
    Add,
    Min,
    Max,
    And,
    Or,
    Xor,
    Exchange,
    CompareAndSwap,
    Increment,
    Decrement,
}

/// The element type of an atomic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtomicType {
    U32,
    S32,
    U64,
    S64,
    F32,
    F64,
    F16,
    Bf16,
    F16x2,
    Bf16x2,
    B16,
}

/// The global side of a bulk copy.
#[derive(Clone, Debug)]
pub enum BulkSource {
    /// So many contiguous bytes.
    Plain { address: AddressOperand, bytes: Slot },
    /// A box of a tensor: the map's generic address, and coordinates, innermost first.
    Tensor { map: AddressOperand, coordinates: Box<[Slot]> },
    /// So many bytes of the block's own shared memory, to another block's.
    Shared { address: AddressOperand, bytes: Slot },
}

/// What comes to an mbarrier.
#[derive(Clone, Debug)]
pub struct MbarrierArrival {
    /// `Cluster` where it may be another block's.
    pub space: MemorySpace,
    pub address: AddressOperand,
    /// Of each lane.
    pub arrivals: Option<Slot>,
    /// Whether later phases want so many fewer.
    pub drop: bool,
    /// Bytes to expect; negative ones have come.
    pub bytes: Option<Slot>,
}

/// The fields that `tensormap.replace` changes (PTX ISA 9.7.9.28).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MapField {
    GlobalAddress,
    Rank,
    BoxDim,
    GlobalDim,
    GlobalStride,
    ElementStride,
    ElementType,
    InterleaveLayout,
    SwizzleMode,
    FillMode,
}

/// Where the A matrix of a `wgmma` lies.
#[derive(Clone, Debug)]
pub enum WgmmaSource {
    /// In registers, as the fragments of `mma.sync`.
    Registers(Elements),
    /// In shared memory: a slot with the matrix descriptor, and whether it is MN-major.
    Shared(Slot, bool),
}

/// One `wgmma.mma_async`.
#[derive(Clone, Debug)]
pub struct Wgmma {
    /// The shape and types of a step of 8 columns, as an `mma.sync` has them.
    pub step: Mma,
    /// Columns: a multiple of 8, up to 256.
    pub n: usize,
    /// Accumulator: the registers that are read, and the same ones, which are written.
    pub c: Elements,
    pub d: Elements,
    pub a: WgmmaSource,
    /// Descriptor of B, and whether it is MN-major.
    pub b: (Slot, bool),
    /// Whether D is added; `None` for always.
    pub add: Option<Slot>,
    /// Signs of A and of B.
    pub negate: [bool; 2],
}

/// How lanes find their partner in `shfl`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shuffle {
    Up,
    Down,
    Butterfly,
    Index,
}

/// `redux.sync`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reduction {
    Add,
    MinSigned,
    MaxSigned,
    MinUnsigned,
    MaxUnsigned,
    And,
    Or,
    Xor,
}

/// A combination of predicates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Logic {
    And,
    Or,
    Xor,
}

/// `bar.red`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BarrierReduction {
    And,
    Or,
    Count,
}

/// One operation. Field names: `d` destination, `a b c` sources, `p` predicate.
#[derive(Clone, Debug)]
pub enum Op {
    /// One, two, three words to a word.
    W1(fn(&mut Word, &Word), Slot, Slot),
    W2(fn(&mut Word, &Word, &Word), Slot, [Slot; 2]),
    W3(fn(&mut Word, &Word, &Word, &Word), Slot, [Slot; 3]),
    /// One, two, three longs to a long.
    L1(fn(&mut Long, &Long), Slot, Slot),
    L2(fn(&mut Long, &Long, &Long), Slot, [Slot; 2]),
    L3(fn(&mut Long, &Long, &Long, &Long), Slot, [Slot; 3]),
    /// Between widths; the name lists destination, then sources.
    LfromW(fn(&mut Long, &Word), Slot, Slot),
    WfromL(fn(&mut Word, &Long), Slot, Slot),
    LfromWW(fn(&mut Long, &Word, &Word), Slot, [Slot; 2]),
    LfromWWL(fn(&mut Long, &Word, &Word, &Long), Slot, [Slot; 3]),
    LfromLW(fn(&mut Long, &Long, &Word), Slot, [Slot; 2]),
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
        format: super::arithmetic::formats::Format,
        rounding: super::arithmetic::formats::Rounding,
        packed: bool,
        flags: u8,
        d: Data,
        a: Data,
        b: Data,
        c: Data,
    },
    /// Field operations on longs with word operands: extract and insert.
    ExtractL {
        signed: bool,
        d: Slot,
        a: Slot,
        position: Slot,
        length: Slot,
    },
    InsertL {
        d: Slot,
        field: Slot,
        base: Slot,
        position: Slot,
        length: Slot,
    },
    InsertW {
        d: Slot,
        field: Slot,
        base: Slot,
        position: Slot,
        length: Slot,
    },
    Logic3 {
        d: Slot,
        a: Slot,
        b: Slot,
        c: Slot,
        table: u32,
    },
    /// Comparison of words or longs to a predicate, combined with another.
    CompareW {
        f: fn(&Word, &Word) -> u32,
        d: Slot,
        complement: Option<Slot>,
        a: Slot,
        b: Slot,
        combine: Option<(Logic, Slot, bool)>,
    },
    CompareL {
        f: fn(&Long, &Long) -> u32,
        d: Slot,
        complement: Option<Slot>,
        a: Slot,
        b: Slot,
        combine: Option<(Logic, Slot, bool)>,
    },
    /// `set`: a comparison to all ones or 1.0.
    SetW {
        f: fn(&Word, &Word) -> u32,
        d: Slot,
        a: Slot,
        b: Slot,
        ones: u32,
    },
    /// Test of one word to a predicate (`testp`).
    TestW {
        f: fn(&Word) -> u32,
        d: Slot,
        a: Slot,
    },
    SelectW {
        d: Slot,
        a: Slot,
        b: Slot,
        p: Slot,
    },
    SelectL {
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
    /// `wgmma.fence`: only a check notes it; registers are taken when the operation is carried out.
    WgmmaFence,
    /// `bar.warp.sync`: likewise; lanes run in step, and those that diverged meet at their post-dominator.
    WarpSync,
    CopyWait {
        pending: u32,
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
    /// `cp.async.bulk(.tensor)` from global to shared memory, of one block or of all whose bits are set.
    BulkLoad {
        shared: AddressOperand,
        source: BulkSource,
        mbarrier: AddressOperand,
        multicast: Option<Slot>,
    },
    /// `cp.async.bulk(.tensor)` and `cp.reduce.async.bulk.tensor` from shared to global memory.
    BulkStore {
        shared: AddressOperand,
        target: BulkSource,
        reduce: Option<AtomicOp>,
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
    /// Warp collectives.
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
    /// Control.
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
    Nothing,
    Exit,
    Trap,
    /// `vprintf(format, arguments)`, addresses as longs; the result goes to `d`.
    Print {
        d: Option<u32>,
        format: u32,
        arguments: u32,
    },
    /// `__assertfail(message, file, line, function, size)`: offsets of the parameter variables in local memory.
    Assert {
        parameters: [u32; 4],
    },
}

/// An operation with its guard.
#[derive(Clone, Debug)]
pub struct Instruction {
    /// Predicate slot and whether it is negated.
    pub guard: Option<(Slot, bool)>,
    /// What to do.
    pub op: Op,
}

/// A decoded entry function.
#[derive(Debug)]
pub struct Program {
    /// The code; a program counter is an index.
    pub code: Vec<Instruction>,
    /// Bytes of the PTX for each instruction.
    pub spans: Vec<Range<usize>>,
    /// `.loc` in force at each instruction.
    pub lines: Vec<Option<LineInfo>>,
    /// Slots of each file, constants and specials included.
    pub words: u32,
    pub longs: u32,
    pub predicates: u32,
    /// Slots that hold the same value in every lane from the start.
    pub word_constants: Vec<(Slot, u32)>,
    pub long_constants: Vec<(Slot, u64)>,
    /// Predicate slots that are all true.
    pub true_predicates: Vec<Slot>,
    /// Slots that hold special registers.
    pub specials: Vec<(Slot, Special)>,
    /// 64-bit slots that hold the address of a module variable (index into [`super::Module`]'s globals), plus addend.
    pub global_symbols: Vec<(Slot, usize, i64)>,
    /// Bytes of local memory per thread.
    pub local_bytes: u32,
    /// Bytes of static shared memory; dynamic memory follows, aligned to 16... 1024 as the variable asks.
    pub static_shared: u32,
    /// Offset at which dynamic shared memory begins.
    pub dynamic_shared_offset: u32,
}

impl Program {
    /// Whether its blocks can order themselves: by atomics that other blocks see, or by a cluster's barriers.
    pub fn orders_blocks(&self) -> bool {
        self.code.iter().any(|instruction| match &instruction.op {
            Op::Atomic { space, .. } => matches!(space, MemorySpace::Global | MemorySpace::Generic),
            Op::ClusterArrive => true,
            Op::MbarrierArrive { arrival, .. } => arrival.space == MemorySpace::Cluster,
            _ => false,
        })
    }
}
