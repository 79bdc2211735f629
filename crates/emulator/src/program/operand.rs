//! What an operation works on: slots of the register file, special registers, addresses, state spaces.

/// 32 lanes of a register of up to 32 bits.
pub type Word = [u32; 32];
/// 32 lanes of a 64-bit register.
pub type Long = [u64; 32];

/// A slot of the 32-bit, of the 64-bit or of the predicate file; which one, the operation says.
pub type Slot = u32;

/// A special register, whose slot has its value when a block starts.
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
    NumSms,
    DynamicSharedSize,
    /// 1 if the launch has clusters.
    HasClusters,
}

/// The three register files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum File {
    /// Registers of up to 32 bits.
    Word,
    /// Registers of 64 bits.
    Long,
    /// Predicates, as a mask of lanes.
    Predicate,
}

/// How an operation uses a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// The operation reads the slot.
    Read,
    /// The operation writes the slot.
    Write,
}

/// The state space that a memory operation accesses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemorySpace {
    Global,
    /// The shared memory of the thread's own block.
    Shared,
    /// The shared memory of a block of the cluster, which the address names.
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
    /// Bytes that are added to the base.
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
    /// No register: dropped on a load, zero on a store.
    Sink,
    Word(Slot),
    Long(Slot),
}

impl Data {
    /// The slot, if the register has 32 bits.
    pub fn word(&self) -> Option<Slot> {
        if let Self::Word(slot) = self { Some(*slot) } else { None }
    }
}

/// Elements of a vector load or store, at most eight.
pub type Elements = Box<[Data]>;
