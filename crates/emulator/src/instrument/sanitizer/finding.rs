//! What a check found, and how it is reported.

use crate::fault::Thread;
use crate::instrument::BarrierMisuse;
use crate::program::{MemorySpace, Op, Program};
use warpbook_diagnostic::{Diagnostic, Place, Source};

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
    /// `tcgen05.fence` on either side of what orders them.
    Fence,
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
        /// What.
        reach: Reach,
        /// From where.
        origin: Option<u32>,
    },
    /// A write of the generic proxy that the asynchronous proxy reads without a fence between them.
    ProxyFence {
        /// The write.
        other: u32,
    },
    /// A tensor map that the kernel wrote and a bulk tensor copy uses without a fence between them.
    TensorMapFence {
        /// The write.
        other: u32,
        /// What is missing.
        fence: MapFence,
    },
    /// A register of a `wgmma` that has not been waited for.
    WgmmaRegister {
        /// The `wgmma`.
        other: u32,
    },
    /// A `wgmma` whose registers were written with no `wgmma.fence` since.
    WgmmaFence {
        /// What wrote one; `None` where there was no fence at all.
        other: Option<u32>,
    },
    /// Two accesses of tensor memory.
    Tensor {
        /// The earlier one.
        other: u32,
        /// What has to stand between them.
        missing: Missing,
    },
    /// A `tcgen05.mma` that takes tensor memory that nothing has written.
    TensorUntouched,
    /// A bulk copy that nobody has waited for when its thread ends.
    Unwaited,
    /// A barrier that is misused.
    Barrier(BarrierMisuse),
    /// An mbarrier that is initialised once more.
    MbarrierTwice,
    /// The bytes of an mbarrier that is in use are written.
    MbarrierOverwritten {
        /// Its `mbarrier.init`.
        other: u32,
    },
    /// A barrier or another collective operation that only some lanes of a warp execute together.
    Divergent,
}

/// One of them, where it was first broken.
#[derive(Clone, Debug)]
pub struct Finding {
    /// What.
    pub rule: Rule,
    /// The instruction.
    pub pc: u32,
    /// The thread.
    pub thread: Thread,
    /// What did the other access: `warp 3`.
    pub other: Option<String>,
    /// Where in memory: `shared address 0x400`, `byte 16 of x`.
    pub place: String,
    /// How often the same two instructions did it.
    pub count: u64,
}

/// What an instruction does to memory, in a word or two.
fn name_of(op: &Op) -> &'static str {
    match op {
        Op::Load { .. } | Op::LoadMatrix { .. } => "read",
        Op::Store { .. } | Op::StoreMatrix { .. } => "write",
        Op::Atomic { .. } => "atomic",
        Op::CopyAsync { .. } => "`cp.async`",
        Op::BulkLoad { .. } => "bulk load",
        Op::BulkStore { .. } => "bulk store",
        Op::Wgmma(_) => "`wgmma`",
        Op::TensorMapReplace { .. } => "`tensormap.replace`",
        Op::TensorMapCopy { .. } => "`tensormap.cp_fenceproxy`",
        Op::TensorAllocate { .. } => "`tcgen05.alloc`",
        Op::TensorLoad(_) => "`tcgen05.ld`",
        Op::TensorStore(_) => "`tcgen05.st`",
        Op::TensorMma(_) => "`tcgen05.mma`",
        Op::TensorCopy(_) => "`tcgen05.cp`",
        Op::TensorRelease { .. } => "`tcgen05.dealloc`",
        Op::MbarrierInit { .. } => "`mbarrier.init`",
        Op::MbarrierInvalidate { .. } => "`mbarrier.inval`",
        Op::MbarrierArrive { .. } => "arrival",
        Op::MbarrierWait { .. } => "`mbarrier` wait",
        Op::Mma { .. } | Op::MmaF64 { .. } => "`mma`",
        Op::Shuffle { .. } => "`shfl`",
        Op::VoteAll { .. } | Op::VoteAny { .. } | Op::VoteUniform { .. } | Op::Ballot { .. } => "vote",
        Op::Reduce { .. } => "`redux`",
        Op::MatchAny { .. } | Op::MatchAll { .. } => "`match`",
        Op::WgmmaFence => "`wgmma.fence`",
        Op::WgmmaCommit => "`wgmma.commit_group`",
        Op::WgmmaWait { .. } => "`wgmma.wait_group`",
        Op::ClusterArrive | Op::ClusterWait => "cluster barrier",
        Op::Branch { .. } => "branch",
        Op::Exit => "exit",
        Op::Barrier { .. } => "barrier",
        _ => "access",
    }
}

impl Finding {
    /// As the reader sees it; labels lie in the PTX.
    pub fn into_diagnostic(self, program: &Program, ptx: &Source, file: impl Fn(u32) -> Option<String>) -> Diagnostic {
        let op = |pc: u32| program.code.get(pc as usize).map(|instruction| &instruction.op);
        let name = |pc: u32| op(pc).map_or("access", name_of);
        let is_guarded = |pc: u32| program.code.get(pc as usize).is_some_and(|instruction| instruction.guard.is_some());
        let span = |pc: u32| program.spans.get(pc as usize).cloned().unwrap_or(0..0);
        let own = name(self.pc);
        let by = self.other.as_ref().map_or(String::new(), |other| format!(" of {other}"));
        let (code, message, help, other) = match self.rule {
            Rule::Race { shared, other } => {
                let space = if shared { "shared" } else { "global" };
                let help = match (op(other), op(self.pc)) {
                    (Some(Op::BulkLoad { .. }), _) => "wait for the phase of its mbarrier before",
                    (Some(Op::CopyAsync { .. }), _) => {
                        "`cp.async.wait_group` and then a barrier have to stand between them"
                    }
                    (Some(Op::Wgmma(_)), _) | (_, Some(Op::Wgmma(_))) => {
                        "`wgmma.wait_group`, and for other warps a barrier, have to stand between them"
                    }
                    (Some(Op::TensorMma(_) | Op::TensorCopy(_)), _)
                    | (_, Some(Op::TensorMma(_) | Op::TensorCopy(_))) => {
                        "`tcgen05.commit`, and a wait for the phase of its mbarrier, have to stand between them"
                    }
                    (_, Some(Op::BulkStore { .. })) => "`cp.async.bulk.wait_group.read` has to come before the write",
                    (_, Some(Op::BulkLoad { .. })) => {
                        "its last reader has to say that it is done: a barrier or an mbarrier"
                    }
                    _ if shared => {
                        "a barrier (`bar.sync`; between lanes of one warp, `bar.warp.sync`) has to stand between them"
                    }
                    _ => "blocks and warps see each other's writes in order only through barriers and atomics",
                };
                let message =
                    format!("data race in {space} memory: nothing orders this {own} and the {}{by}", name(other));
                ("race", message, help, Some((other, "the other access")))
            }
            Rule::Uninitialised => (
                "uninitialised",
                format!("this {own} takes shared memory that nothing has written"),
                "what is there depends on what ran before",
                None,
            ),
            Rule::Undefined { reach, origin } => {
                let from = origin.map(|origin| (origin, op(origin)));
                let what = match from {
                    Some((_, Some(Op::Load { space: MemorySpace::Local, .. }))) => "local memory",
                    Some((_, Some(Op::TensorLoad(_)))) => "tensor memory",
                    Some((at, Some(Op::Load { .. }))) if is_guarded(at) => "a masked load",
                    Some((_, Some(Op::Load { .. } | Op::CopyAsync { .. } | Op::BulkLoad { .. }))) => "global memory",
                    _ => "a register",
                };
                let value = match what {
                    "a masked load" => "a value that a masked load left undefined".to_owned(),
                    _ => format!("{what} that nothing has written"),
                };
                let message = match reach {
                    Reach::Address => format!("the address of this {own} depends on {value}"),
                    Reach::Branch => format!("whether this {own} is executed depends on {value}"),
                    Reach::Global => format!("what this {own} puts into global memory depends on {value}"),
                    Reach::Atomic => format!("this {own} changes global memory that nothing has written"),
                    Reach::Bulk => format!("this {own} takes global memory that nothing has written"),
                };
                let help = match what {
                    "a masked load" => "`other=` of `tl.load` says what lanes have whose mask is off",
                    "global memory" => "`zeros(…)` makes a buffer that holds something",
                    _ if matches!(reach, Reach::Atomic | Reach::Bulk) => {
                        "`zeros(…)` makes a buffer that holds something"
                    }
                    _ => "what is there depends on what ran before",
                };
                ("undefined", message, help, origin.map(|origin| (origin, "the value comes from here")))
            }
            Rule::ProxyFence { other } => (
                "proxy-fence",
                format!("this {own} may not see the {}{by}: they go through different proxies", name(other)),
                "`fence.proxy.async` has to come after the write, before the barrier",
                Some((other, "written here")),
            ),
            Rule::TensorMapFence { other, fence } => (
                "tensormap-fence",
                format!("this {own} may use what the tensor map was before it was written"),
                match fence {
                    MapFence::Acquire => {
                        "`fence.proxy.tensormap::generic.acquire.gpu [map], 128` has to come after the write, and before \
                         the copy"
                    }
                    MapFence::Release => {
                        "`fence.proxy.tensormap::generic.release.gpu` has to come after the write, before the acquire"
                    }
                },
                Some((other, "written here")),
            ),
            Rule::WgmmaRegister { other } => (
                "wgmma-register",
                "a register of a `wgmma` is used before the `wgmma` was waited for".to_owned(),
                "`wgmma.wait_group` has to come before; ptxas repairs it silently, at the price of serial `wgmma`s",
                Some((other, "still at work")),
            ),
            Rule::WgmmaFence { other } => (
                "wgmma-fence",
                match other {
                    Some(_) => "a register of this `wgmma` was written, and no `wgmma.fence` came after".to_owned(),
                    None => "no `wgmma.fence` comes before the first `wgmma`".to_owned(),
                },
                "`wgmma.fence` has to come before; ptxas repairs it silently, at the price of serial `wgmma`s",
                other.map(|other| (other, "written here")),
            ),
            Rule::Tensor { other, missing } => {
                let earlier = format!("the {}{by}", name(other));
                let (code, message, help) = match missing {
                    Missing::WaitLoad => (
                        "tensor-wait",
                        format!("this {own} may come before {earlier} has read what it needs"),
                        "`tcgen05.wait::ld` has to stand between them",
                    ),
                    Missing::WaitStore => (
                        "tensor-wait",
                        format!("this {own} may come before {earlier} has written"),
                        "`tcgen05.wait::st` has to stand between them",
                    ),
                    Missing::Commit => (
                        "tensor-commit",
                        format!("this {own} may come before {earlier} has ended"),
                        "`tcgen05.commit`, and a wait for the phase of its mbarrier, have to stand between them",
                    ),
                    Missing::Order => (
                        "race",
                        format!("data race in tensor memory: nothing orders this {own} and {earlier}"),
                        "a barrier or an mbarrier has to stand between them",
                    ),
                    Missing::Fence => (
                        "tensor-fence",
                        format!("what orders this {own} and {earlier} does not order tensor memory"),
                        "`tcgen05.fence::before_thread_sync` has to come before the barrier between them, \
                         `tcgen05.fence::after_thread_sync` after it",
                    ),
                };
                (code, message, help, Some((other, "the other access")))
            }
            Rule::TensorUntouched => (
                "uninitialised",
                format!("this {own} takes tensor memory that nothing has written"),
                "what is there depends on what ran before",
                None,
            ),
            Rule::Unwaited => (
                "unwaited",
                format!("the thread ends before this {own} was waited for"),
                match op(self.pc) {
                    Some(Op::BulkStore { .. }) => {
                        "`cp.async.bulk.commit_group` and `cp.async.bulk.wait_group` have to come after: the block's \
                         shared memory is gone when it ends"
                    }
                    Some(Op::TensorMma(_) | Op::TensorCopy(_)) => {
                        "`tcgen05.commit`, and a wait for the phase of its mbarrier, have to come after: the block's \
                         shared memory is gone when it ends"
                    }
                    _ => {
                        "the phase of its mbarrier has to be waited for: the block's shared memory is gone when it ends"
                    }
                },
                None,
            ),
            Rule::Barrier(misuse) => (
                "barrier",
                match misuse {
                    BarrierMisuse::Number(number) => format!("there is no barrier {number}: a block has 16, from 0 on"),
                    BarrierMisuse::NoWarps(threads) => format!("{threads} threads at a barrier are no whole warps"),
                    BarrierMisuse::TooMany { threads, block } => {
                        format!("this barrier waits for {threads} threads; the block has {block}")
                    }
                    BarrierMisuse::Disagree { threads, earlier } => format!(
                        "this barrier waits for {threads} threads, and warps that are there already for {earlier}"
                    ),
                },
                "every warp that comes to a barrier has to name the same number of threads, a multiple of 32",
                None,
            ),
            Rule::MbarrierTwice => (
                "mbarrier",
                "an mbarrier is initialised again in the middle of a phase".to_owned(),
                "the phase has to be waited for before, and `mbarrier.inval` has to come",
                None,
            ),
            Rule::MbarrierOverwritten { other } => (
                "mbarrier",
                format!("this {own} overwrites an mbarrier that is in use"),
                "`mbarrier.inval` has to come before",
                Some((other, "initialised here")),
            ),
            Rule::Divergent => (
                "divergent-barrier",
                format!("only some lanes of the warp come to this {own} together"),
                "it has to be executed by all threads of the warp at once (`.aligned`, or a mask of all lanes)",
                None,
            ),
        };
        let mut diagnostic = Diagnostic::error(code, message).at(span(self.pc), "");
        if let Some((other, words)) = other
            && other != self.pc
        {
            diagnostic = diagnostic.because(span(other), words);
        }
        diagnostic = diagnostic.in_source(ptx).note(format!("in {}", self.thread));
        if !self.place.is_empty() {
            let times = if self.count > 1 { format!(", and {} times more", self.count - 1) } else { String::new() };
            diagnostic = diagnostic.note(format!("at {}{times}", self.place));
        }
        if let Some((other, _)) = other
            && let Some(line) = program.lines.get(other as usize).copied().flatten()
            && let Some(path) = file(line.file)
        {
            let what = if matches!(self.rule, Rule::Undefined { .. }) { "the value" } else { "the other one" };
            diagnostic = diagnostic.note(format!("{what} comes from {path}:{}", line.line));
        }
        if matches!(self.rule, Rule::Tensor { .. } | Rule::TensorUntouched) {
            diagnostic = diagnostic.note("tensor memory is modelled after the PTX ISA, not verified on a GPU");
        }
        let line = program.lines.get(self.pc as usize).copied().flatten();
        diagnostic.origin =
            line.and_then(|line| Some(Place { path: file(line.file)?, line: line.line, column: line.column }));
        diagnostic.help(help)
    }
}
