//! What a check found, and how it is told.

use crate::diagnostic::{Diagnostic, Place, Source};
use crate::emulator::fault::Thread;
use crate::emulator::program::{Op, Program};

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
    /// A write of the generic proxy that the asynchronous proxy reads without a fence between them.
    ProxyFence {
        /// The write.
        other: u32,
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
    /// A bulk store that its thread has not waited for when it ends.
    Unwaited,
    /// A barrier that only some lanes of a warp execute together.
    Divergent,
}

/// One of them, where it was first broken.
#[derive(Clone, Debug)]
pub struct Finding {
    /// What.
    pub rule: Rule,
    /// The instruction.
    pub pc: u32,
    /// Who.
    pub thread: Thread,
    /// Who did the other access.
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
        Op::MbarrierInit { .. } => "`mbarrier.init`",
        Op::MbarrierInvalidate { .. } => "`mbarrier.inval`",
        Op::MbarrierArrive { .. } => "arrival",
        Op::MbarrierWait { .. } => "`mbarrier` wait",
        _ => "access",
    }
}

impl Finding {
    /// As the reader sees it; labels lie in the PTX.
    pub fn into_diagnostic(self, program: &Program, ptx: &Source, file: impl Fn(u32) -> Option<String>) -> Diagnostic {
        let op = |pc: u32| program.code.get(pc as usize).map(|instruction| &instruction.op);
        let name = |pc: u32| op(pc).map_or("access", name_of);
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
            Rule::ProxyFence { other } => (
                "proxy-fence",
                format!("this {own} may not see the {}{by}: they go through different proxies", name(other)),
                "`fence.proxy.async` has to come after the write, before the barrier",
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
            Rule::Unwaited => (
                "unwaited",
                "the thread ends before this bulk store was waited for".to_owned(),
                "`cp.async.bulk.commit_group` and `cp.async.bulk.wait_group` have to come after: the block's shared memory \
                 is gone when it ends",
                None,
            ),
            Rule::Divergent => (
                "divergent-barrier",
                "only some lanes of the warp come to this barrier together".to_owned(),
                "an `.aligned` barrier has to be executed by all threads of the warp",
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
            diagnostic = diagnostic.note(format!("the other one comes from {path}:{}", line.line));
        }
        let line = program.lines.get(self.pc as usize).copied().flatten();
        diagnostic.origin =
            line.and_then(|line| Some(Place { path: file(line.file)?, line: line.line, column: line.column }));
        diagnostic.help(help)
    }
}
