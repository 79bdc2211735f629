//! How a finding is reported: a sentence, what to do, and the places of both instructions.

use super::finding::{Edge, Finding, MapFence, Missing, Reach, Rule};
use crate::instrument::BarrierMisuse;
use crate::program::{MemorySpace, Op, Program};
use warpbook_diagnostic::{Diagnostic, Place, Source};

/// What to do about bytes behind a row.
const STORE_EDGE: &str = "a GPU stores whole pieces of 16 bytes: the innermost extent has to be a multiple of 16 bytes, or \
                          nobody may need the bytes behind it up to the next multiple";

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
        Op::MbarrierArrive { .. } | Op::CopyArrive { .. } => "arrival",
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

/// The sentences of a report.
struct Sentences {
    /// The code of the diagnostic.
    code: &'static str,
    /// The sentence that says what is wrong.
    message: String,
    /// The sentence that says what to do.
    help: &'static str,
    /// Another instruction that the rule is about, and the label at its place.
    other: Option<(u32, &'static str)>,
}

impl Sentences {
    fn new(code: &'static str, message: impl Into<String>, help: &'static str) -> Self {
        Self { code, message: message.into(), help, other: None }
    }

    fn with_other(self, other: u32, label: &'static str) -> Self {
        Self { other: Some((other, label)), ..self }
    }
}

/// What a value is that nothing has written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unwritten {
    Register,
    LocalMemory,
    TensorMemory,
    GlobalMemory,
    /// A register that a load has left as it was, since its guard was off.
    MaskedLoad,
}

/// A finding with the program that broke the rule.
struct Broken<'a> {
    finding: &'a Finding,
    program: &'a Program,
}

impl<'a> Broken<'a> {
    fn op(&self, pc: u32) -> Option<&'a Op> {
        self.program.code.get(pc as usize).map(|instruction| &instruction.op)
    }

    fn name(&self, pc: u32) -> &'static str {
        self.op(pc).map_or("access", name_of)
    }

    /// The name of the instruction that broke the rule.
    fn own(&self) -> &'static str {
        self.name(self.finding.pc)
    }

    /// The name of the other instruction, and who executed it.
    fn other(&self, pc: u32) -> String {
        let name = self.name(pc);
        self.finding.other.as_ref().map_or(name.to_owned(), |other| format!("{name} of {other}"))
    }

    fn sentences(&self) -> Sentences {
        let own = self.own();
        match self.finding.rule {
            Rule::Race { shared, other } => self.race(shared, other),
            Rule::Uninitialised => uninitialised(own, "shared"),
            Rule::TensorUntouched => uninitialised(own, "tensor"),
            Rule::Undefined { reach, origin } => self.undefined(reach, origin),
            Rule::ProxyFence { other } => Sentences::new(
                "proxy-fence",
                format!("this {own} may not see the {}: they go through different proxies", self.other(other)),
                "`fence.proxy.async` has to come after the write, before the barrier",
            )
            .with_other(other, "written here"),
            Rule::TensorMapFence { other, fence } => {
                let help = match fence {
                    MapFence::Acquire => {
                        "`fence.proxy.tensormap::generic.acquire.gpu [map], 128` has to come after the write, and before \
                         the copy"
                    }
                    MapFence::Release => {
                        "`fence.proxy.tensormap::generic.release.gpu` has to come after the write, before the acquire"
                    }
                };
                let message = format!("this {own} may use what the tensor map was before it was written");
                Sentences::new("tensormap-fence", message, help).with_other(other, "written here")
            }
            Rule::WgmmaRegister { other } => Sentences::new(
                "wgmma-register",
                "a register of a `wgmma` is used before the `wgmma` was waited for",
                "`wgmma.wait_group` has to come before; ptxas repairs it silently, at the price of serial `wgmma`s",
            )
            .with_other(other, "still at work"),
            Rule::WgmmaFence { other } => {
                let message = match other {
                    Some(_) => "a register of this `wgmma` was written, and no `wgmma.fence` came after",
                    None => "no `wgmma.fence` comes before the first `wgmma`",
                };
                let help =
                    "`wgmma.fence` has to come before; ptxas repairs it silently, at the price of serial `wgmma`s";
                let sentences = Sentences::new("wgmma-fence", message, help);
                Sentences { other: other.map(|other| (other, "written here")), ..sentences }
            }
            Rule::Tensor { other, missing } => self.tensor(other, missing),
            Rule::Unwaited => self.unwaited(),
            Rule::Barrier(misuse) => barrier(misuse),
            Rule::MbarrierTwice { other } => mbarrier_twice(other),
            Rule::MbarrierOverwritten { other } => mbarrier_overwritten(own, other),
            Rule::Overtaken { other } => overtaken(
                "this wait comes too late: the phase that it waits for has ended, and the next one too",
                other,
            ),
            Rule::Overtakable { other } => {
                overtaken("this wait may come too late: nothing keeps the next phase from ending before it", other)
            }
            Rule::StoreEdge(edge) => self.store_edge(edge),
            Rule::OverwrittenEdge { other } => Sentences::new(
                "store-edge",
                format!("this {own} uses bytes that a {} has overwritten behind a row of its tensor", self.name(other)),
                STORE_EDGE,
            )
            .with_other(other, "overwritten here"),
            Rule::Divergent => Sentences::new(
                "divergent-barrier",
                format!("only some lanes of the warp come to this {own} together"),
                "it has to be executed by all threads of the warp at once (`.aligned`, or a mask of all lanes)",
            ),
        }
    }

    fn store_edge(&self, edge: Edge) -> Sentences {
        let own = self.own();
        match edge {
            Edge::Elsewhere => {
                let message = format!(
                    "this {own} also writes what its box holds behind a row of the tensor, outside of the buffer"
                );
                Sentences::new("store-edge", message, STORE_EDGE)
            }
            Edge::Used { other } => {
                let used = self.name(other);
                let message = format!(
                    "this {own} also writes what its box holds behind a row of the tensor, to bytes that a {used} uses"
                );
                Sentences::new("store-edge", message, STORE_EDGE).with_other(other, "used here")
            }
        }
    }

    fn race(&self, shared: bool, other: u32) -> Sentences {
        let space = if shared { "shared" } else { "global" };
        let help = match (self.op(other), self.op(self.finding.pc)) {
            (Some(Op::BulkLoad { .. }), _) => "wait for the phase of its mbarrier before",
            (Some(Op::CopyAsync { .. }), _) => "`cp.async.wait_group` and then a barrier have to stand between them",
            (Some(Op::Wgmma(_)), _) | (_, Some(Op::Wgmma(_))) => {
                "`wgmma.wait_group`, and for other warps a barrier, have to stand between them"
            }
            (Some(Op::TensorMma(_) | Op::TensorCopy(_)), _) | (_, Some(Op::TensorMma(_) | Op::TensorCopy(_))) => {
                "`tcgen05.commit`, and a wait for the phase of its mbarrier, have to stand between them"
            }
            (_, Some(Op::BulkStore { .. })) => "`cp.async.bulk.wait_group.read` has to come before the write",
            (_, Some(Op::BulkLoad { .. })) => "its last reader has to say that it is done: a barrier or an mbarrier",
            _ if shared => {
                "a barrier (`bar.sync`; between lanes of one warp, `bar.warp.sync`) has to stand between them"
            }
            _ => "blocks and warps see each other's writes in order only through barriers and atomics",
        };
        let (own, earlier) = (self.own(), self.other(other));
        let message = format!("data race in {space} memory: nothing orders this {own} and the {earlier}");
        Sentences::new("race", message, help).with_other(other, "the other access")
    }

    /// What the value is whose last writer is at `origin`.
    fn unwritten(&self, origin: Option<u32>) -> Unwritten {
        let instruction = origin.and_then(|origin| self.program.code.get(origin as usize));
        let Some(instruction) = instruction else { return Unwritten::Register };
        match instruction.op {
            Op::Load { space: MemorySpace::Local, .. } => Unwritten::LocalMemory,
            Op::TensorLoad(_) => Unwritten::TensorMemory,
            Op::Load { .. } if instruction.guard.is_some() => Unwritten::MaskedLoad,
            Op::Load { .. } | Op::CopyAsync { .. } | Op::BulkLoad { .. } => Unwritten::GlobalMemory,
            _ => Unwritten::Register,
        }
    }

    fn undefined(&self, reach: Reach, origin: Option<u32>) -> Sentences {
        let (own, unwritten) = (self.own(), self.unwritten(origin));
        let value = match unwritten {
            Unwritten::Register => "a register that nothing has written",
            Unwritten::LocalMemory => "local memory that nothing has written",
            Unwritten::TensorMemory => "tensor memory that nothing has written",
            Unwritten::GlobalMemory => "global memory that nothing has written",
            Unwritten::MaskedLoad => "a value that a masked load left undefined",
        };
        let message = match reach {
            Reach::Address => format!("the address of this {own} depends on {value}"),
            Reach::Branch => format!("whether this {own} is executed depends on {value}"),
            Reach::Global => format!("what this {own} puts into global memory depends on {value}"),
            Reach::Atomic => format!("this {own} changes global memory that nothing has written"),
            Reach::Bulk => format!("this {own} takes global memory that nothing has written"),
        };
        let help = match unwritten {
            Unwritten::MaskedLoad => "`other=` of `tl.load` says what lanes have whose mask is off",
            Unwritten::GlobalMemory => "`zeros(…)` makes a buffer that holds something",
            _ if matches!(reach, Reach::Atomic | Reach::Bulk) => "`zeros(…)` makes a buffer that holds something",
            _ => "what is there depends on what ran before",
        };
        let other = origin.map(|origin| (origin, "the value comes from here"));
        Sentences { other, ..Sentences::new("undefined", message, help) }
    }

    fn tensor(&self, other: u32, missing: Missing) -> Sentences {
        let (own, earlier) = (self.own(), format!("the {}", self.other(other)));
        let sentences = match missing {
            Missing::WaitLoad => Sentences::new(
                "tensor-wait",
                format!("this {own} may come before {earlier} has read what it needs"),
                "`tcgen05.wait::ld` has to stand between them",
            ),
            Missing::WaitStore => Sentences::new(
                "tensor-wait",
                format!("this {own} may come before {earlier} has written"),
                "`tcgen05.wait::st` has to stand between them",
            ),
            Missing::Commit => Sentences::new(
                "tensor-commit",
                format!("this {own} may come before {earlier} has ended"),
                "`tcgen05.commit`, and a wait for the phase of its mbarrier, have to stand between them",
            ),
            Missing::Allocation => Sentences::new(
                "tensor-memory",
                format!("use after free: this {own} accesses tensor memory that {earlier} has given back"),
                "`tcgen05.dealloc` has to come after the last access, behind a barrier",
            ),
            Missing::Order => Sentences::new(
                "race",
                format!("data race in tensor memory: nothing orders this {own} and {earlier}"),
                "a barrier or an mbarrier has to stand between them",
            ),
            Missing::Fence => Sentences::new(
                "tensor-fence",
                format!("what orders this {own} and {earlier} does not order tensor memory"),
                "`tcgen05.fence::before_thread_sync` has to come before the barrier between them, \
                 `tcgen05.fence::after_thread_sync` after it",
            ),
        };
        sentences.with_other(other, "the other access")
    }

    fn unwaited(&self) -> Sentences {
        let help = match self.op(self.finding.pc) {
            Some(Op::BulkStore { .. }) => {
                "`cp.async.bulk.commit_group` and `cp.async.bulk.wait_group` have to come after: the block's shared \
                 memory is gone when it ends"
            }
            Some(Op::TensorMma(_) | Op::TensorCopy(_)) => {
                "`tcgen05.commit`, and a wait for the phase of its mbarrier, have to come after: the block's shared \
                 memory is gone when it ends"
            }
            _ => "the phase of its mbarrier has to be waited for: the block's shared memory is gone when it ends",
        };
        Sentences::new("unwaited", format!("the thread ends before this {} was waited for", self.own()), help)
    }
}

fn uninitialised(own: &str, memory: &str) -> Sentences {
    Sentences::new(
        "uninitialised",
        format!("this {own} takes {memory} memory that nothing has written"),
        "what is there depends on what ran before",
    )
}

fn mbarrier_twice(other: u32) -> Sentences {
    let message = "an mbarrier is initialised again in the middle of a phase";
    let help = "the phase has to be waited for before, and `mbarrier.inval` has to come";
    Sentences::new("mbarrier", message, help).with_other(other, "initialised here")
}

fn mbarrier_overwritten(own: &str, other: u32) -> Sentences {
    let message = format!("this {own} overwrites an mbarrier that is in use");
    Sentences::new("mbarrier", message, "`mbarrier.inval` has to come before").with_other(other, "initialised here")
}

fn overtaken(message: &str, other: Option<u32>) -> Sentences {
    let help = "arrivals of the next phase have to come after every wait for the phase before it: a barrier, or another \
                mbarrier at which the waiting warps arrive";
    Sentences {
        other: other.map(|other| (other, "the last arrival")),
        ..Sentences::new("mbarrier-overtaken", message, help)
    }
}

fn barrier(misuse: BarrierMisuse) -> Sentences {
    let message = match misuse {
        BarrierMisuse::Number(number) => format!("there is no barrier {number}: a block has 16, from 0 on"),
        BarrierMisuse::NoWarps(threads) => format!("{threads} threads at a barrier are no whole warps"),
        BarrierMisuse::TooMany { threads, block } => {
            format!("this barrier waits for {threads} threads; the block has {block}")
        }
        BarrierMisuse::Disagree { threads, earlier } => {
            format!("this barrier waits for {threads} threads, and warps that are there already for {earlier}")
        }
    };
    let help = "every warp that comes to a barrier has to name the same number of threads, a multiple of 32";
    Sentences::new("barrier", message, help)
}

impl Finding {
    /// As the reader sees it; labels lie in the PTX.
    pub fn into_diagnostic(self, program: &Program, ptx: &Source, file: impl Fn(u32) -> Option<String>) -> Diagnostic {
        let span = |pc: u32| program.spans.get(pc as usize).cloned().unwrap_or(0..0);
        let Sentences { code, message, help, other } = Broken { finding: &self, program }.sentences();
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
