//! What kind of work a PTX instruction is, by its opcode.

/// A class of instructions, in the order in which they are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Integer and bitwise arithmetic, addresses included.
    Integer,
    /// f32.
    Single,
    /// f64.
    Double,
    /// f16 and bf16, packed pairs too.
    Half,
    /// `ex2`, `lg2`, `rcp`, `rsqrt`, `sqrt`, `sin`, `cos`, `tanh`.
    Special,
    /// `cvt`
    Conversion,
    /// `setp`, `set`, `selp`, `testp`.
    Compare,
    /// `mov`
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
    /// Local memory.
    Local,
    /// Parameters and constants.
    Parameter,
    /// Loads and stores by generic addresses.
    Generic,
    /// `cp.async`, with its commits and waits.
    CopyAsync,
    /// `cp.async.bulk` (TMA), with its commits and waits, and tensor maps.
    Bulk,
    /// `bar`, `barrier`.
    Barrier,
    /// `mbarrier`
    Mbarrier,
    /// `membar`, `fence`.
    Fence,
    /// `bra`, `call`, `ret`, `exit`, `trap`.
    Branch,
    /// All others.
    Other,
}

impl Class {
    /// The class of an opcode: `ld.global.v4.b32`.
    pub fn of(opcode: &str) -> Self {
        let mut parts = opcode.split('.');
        let base = parts.next().unwrap_or_default();
        let has = |word: &str| opcode.split('.').skip(1).any(|part| part.split("::").next() == Some(word));
        match base {
            "ld" | "ldu" | "st" => match base {
                _ if has("param") || has("const") => Self::Parameter,
                _ if has("local") => Self::Local,
                "st" if has("shared") => Self::SharedStore,
                "st" if has("global") => Self::GlobalStore,
                _ if has("shared") => Self::SharedLoad,
                _ if has("global") => Self::GlobalLoad,
                _ => Self::Generic,
            },
            "ldmatrix" => Self::SharedLoad,
            "stmatrix" => Self::SharedStore,
            "atom" | "red" => Self::Atomic,
            "cp" if has("bulk") || has("reduce") => Self::Bulk,
            "cp" => Self::CopyAsync,
            "tensormap" => Self::Bulk,
            "mma" | "wgmma" | "tcgen05" => Self::Tensor,
            "mbarrier" => Self::Mbarrier,
            "bar" | "barrier" => Self::Barrier,
            "membar" | "fence" => Self::Fence,
            "bra" | "brx" | "call" | "ret" | "exit" | "trap" => Self::Branch,
            "mov" => Self::Move,
            "cvt" => Self::Conversion,
            "setp" | "set" | "selp" | "testp" => Self::Compare,
            "shfl" | "vote" | "match" | "redux" | "elect" | "activemask" => Self::Collective,
            "ex2" | "lg2" | "rcp" | "rsqrt" | "sqrt" | "sin" | "cos" | "tanh" => Self::Special,
            "add" | "sub" | "mul" | "mul24" | "mad" | "fma" | "div" | "rem" | "min" | "max" | "and" | "or" | "xor"
            | "not" | "cnot" | "shl" | "shr" | "shf" | "lop3" | "prmt" | "bfe" | "bfi" | "bfind" | "popc" | "clz"
            | "brev" | "sad" | "dp4a" | "dp2a" | "neg" | "abs" | "copysign" | "cvta" => match Lanes::of(opcode) {
                Lanes::Single => Self::Single,
                Lanes::Double => Self::Double,
                Lanes::Half { .. } => Self::Half,
                Lanes::Integer => Self::Integer,
            },
            _ => Self::Other,
        }
    }

    /// In words.
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

/// The type that an arithmetic instruction works in.
enum Lanes {
    Integer,
    Single,
    Double,
    Half { pair: bool },
}

impl Lanes {
    fn of(opcode: &str) -> Self {
        match opcode.rsplit('.').next().unwrap_or_default() {
            "f32" => Self::Single,
            "f64" => Self::Double,
            "f16" | "bf16" => Self::Half { pair: false },
            "f16x2" | "bf16x2" => Self::Half { pair: true },
            _ => Self::Integer,
        }
    }
}

/// Floating-point operations of one lane: a fused multiply-add is two, a packed pair twice as many; 0 for what is not
/// addition or multiplication, as Nsight Compute counts.
pub fn operations(opcode: &str) -> u64 {
    let each = match opcode.split('.').next().unwrap_or_default() {
        "fma" | "mad" => 2,
        "add" | "sub" | "mul" => 1,
        _ => return 0,
    };
    match Lanes::of(opcode) {
        Lanes::Integer => 0,
        Lanes::Half { pair: true } => 2 * each,
        _ => each,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opcodes_have_classes() {
        let expected = [
            ("add.s32", Class::Integer),
            ("mul.wide.s32", Class::Integer),
            ("fma.rn.f32", Class::Single),
            ("fma.rn.bf16x2", Class::Half),
            ("mad.lo.s32", Class::Integer),
            ("ex2.approx.ftz.f32", Class::Special),
            ("cvt.rn.f16x2.f32", Class::Conversion),
            ("ld.global.L1::evict_last.v4.b32", Class::GlobalLoad),
            ("ld.shared::cta.b32", Class::SharedLoad),
            ("ldmatrix.sync.aligned.m8n8.x4.shared.b16", Class::SharedLoad),
            ("ld.param.u64", Class::Parameter),
            ("st.v2.b32", Class::Generic),
            ("cp.async.cg.shared.global", Class::CopyAsync),
            ("cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes", Class::Bulk),
            ("cp.reduce.async.bulk.tensor.2d.global.shared::cta.add.tile.bulk_group", Class::Bulk),
            ("wgmma.wait_group.sync.aligned", Class::Tensor),
            ("bar.sync", Class::Barrier),
            ("mbarrier.try_wait.parity.shared.b64", Class::Mbarrier),
            ("fence.proxy.async", Class::Fence),
            ("bra.uni", Class::Branch),
            ("setp.lt.s32", Class::Compare),
        ];
        for (opcode, class) in expected {
            assert_eq!(Class::of(opcode), class, "{opcode}");
        }
    }

    #[test]
    fn a_fused_multiply_add_is_two_operations() {
        let counted = ["fma.rn.f32", "fma.rn.f16x2", "add.f32", "max.f32", "mad.lo.s32"].map(operations);
        assert_eq!(counted, [2, 4, 1, 0, 0]);
    }
}
