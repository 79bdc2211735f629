//! Classes of instructions, as a profiler counts them.

/// What kind of work an instruction is, in the order in which reports list them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Integer and bitwise arithmetic, addresses included.
    Integer,
    /// Arithmetic of f32 numbers.
    Single,
    /// Arithmetic of f64 numbers.
    Double,
    /// Arithmetic of f16 and bf16 numbers, packed pairs too.
    Half,
    /// `ex2`, `lg2`, `rcp`, `rsqrt`, `sqrt`, `sin`, `cos`, `tanh`.
    Special,
    /// `cvt`.
    Conversion,
    /// `setp`, `set`, `selp`, `testp`.
    Compare,
    /// `mov`.
    Move,
    /// `shfl`, `vote`, `match`, `redux`, `elect`, `activemask`.
    Collective,
    /// `mma`, `wgmma`, `tcgen05`, and the fences and waits of the latter two.
    Tensor,
    /// Loads from global memory.
    GlobalLoad,
    /// Stores to global memory.
    GlobalStore,
    /// `atom` and `red`, in any memory.
    Atomic,
    /// Loads from shared memory, `ldmatrix`.
    SharedLoad,
    /// Stores to shared memory, `stmatrix`.
    SharedStore,
    /// Loads and stores of local memory.
    Local,
    /// Loads of parameters and constants, and stores of a call's parameters.
    Parameter,
    /// Loads and stores by generic addresses.
    Generic,
    /// `cp.async`, with its commits and waits.
    CopyAsync,
    /// `cp.async.bulk` (TMA), with its commits and waits, and tensor maps.
    Bulk,
    /// `bar`, `barrier`.
    Barrier,
    /// `mbarrier`.
    Mbarrier,
    /// `membar`, `fence`.
    Fence,
    /// `bra`, `call`, `ret`, `exit`, `trap`.
    Branch,
    /// All instructions that no other class takes.
    Other,
}

impl Class {
    /// The name that reports use.
    pub fn name(self) -> &'static str {
        match self {
            Self::Integer => "integer",
            Self::Single => "fp32",
            Self::Double => "fp64",
            Self::Half => "fp16, bf16",
            Self::Special => "special function",
            Self::Conversion => "conversion",
            Self::Compare => "compare, select",
            Self::Move => "move",
            Self::Collective => "warp collective",
            Self::Tensor => "mma, wgmma, tcgen05",
            Self::GlobalLoad => "global load",
            Self::GlobalStore => "global store",
            Self::Atomic => "atomic",
            Self::SharedLoad => "shared load",
            Self::SharedStore => "shared store",
            Self::Local => "local",
            Self::Parameter => "parameter",
            Self::Generic => "generic",
            Self::CopyAsync => "cp.async",
            Self::Bulk => "bulk copy (TMA)",
            Self::Barrier => "barrier",
            Self::Mbarrier => "mbarrier",
            Self::Fence => "fence",
            Self::Branch => "branch",
            Self::Other => "other",
        }
    }
}
