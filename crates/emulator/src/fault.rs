//! Every way in which a launch can end other than well: a fault of the program, a limit, a cancellation, and what the
//! emulator does not support are different types.

use std::fmt;
use std::ops::Range;

use crate::state::heap::HeapPiece;
use warpbook_diagnostic::{Diagnostic, Place, Source};

/// Places of waiting warps that a report names at most.
const MOST_WAITING: usize = 8;

/// A thread of the grid, by its indices and by its place in a warp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thread {
    /// `%ctaid`
    pub block: [u32; 3],
    /// `%tid`
    pub thread: [u32; 3],
    /// Number of the warp in its block.
    pub warp: u32,
    /// Number of the lane in its warp, from 0 to 31.
    pub lane: u32,
}

impl fmt::Display for Thread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [bx, by, bz] = self.block;
        let [tx, ty, tz] = self.thread;
        let Self { warp, lane, .. } = self;
        write!(f, "block ({bx}, {by}, {bz}), thread ({tx}, {ty}, {tz}): warp {warp}, lane {lane}")
    }
}

/// What the warps of a deadlock wait for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// How many warps wait at barriers.
    pub waiting: u32,
    /// How many test the phase of an mbarrier again and again.
    pub polling: u32,
    /// How many look at shared memory again and again.
    pub looking: u32,
    /// In how many some lanes wait for others of the warp.
    pub gathering: u32,
}

impl Waiting {
    /// The sum of two blocks'.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            waiting: self.waiting + other.waiting,
            polling: self.polling + other.polling,
            looking: self.looking + other.looking,
            gathering: self.gathering + other.gathering,
        }
    }
}

/// A fault of the program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// An access outside of every allocation (or of shared or local memory).
    OutOfBounds {
        /// `read` or `write` and so on.
        access: &'static str,
        /// `global`, `shared`, `local`.
        space: &'static str,
        /// The address of the access in its state space.
        address: u64,
        /// Number of bytes that are accessed.
        size: u32,
        /// What lies nearest: label, its length, and the byte offset from its start.
        near: Option<(String, u64, i64)>,
    },
    /// An address that is no multiple of the access's size.
    Misaligned {
        /// The address of the access in its state space.
        address: u64,
        /// Number of bytes that are accessed.
        size: u32,
    },
    /// `trap`
    Trap,
    /// An mbarrier operation on memory that holds none.
    NoMbarrier {
        /// The shared address.
        address: u64,
    },
    /// A number of arrivals that an mbarrier cannot have.
    MbarrierCount {
        /// Number of arrivals.
        count: u64,
    },
    /// More bytes to come than an mbarrier counts.
    MbarrierBytes {
        /// Bytes to come.
        bytes: i64,
    },
    /// A shared address of a block that the cluster does not have.
    NoBlock {
        /// The rank that the address names.
        rank: u32,
        /// Blocks of the cluster.
        blocks: u32,
    },
    /// Shared memory of a block that has ended.
    BlockExited {
        /// Rank of the block in its cluster.
        rank: u32,
    },
    /// Functions that call themselves have filled the stack of a thread.
    Stack {
        /// Bytes of the stack.
        bytes: u32,
    },
    /// `free` of what `malloc` has not given, or of what is free already.
    Free {
        /// The address that was given.
        address: u64,
        /// The last piece of the heap that begins at the address or before it.
        piece: Option<HeapPiece>,
    },
    /// An access within the heap of `malloc`, outside of every piece in use.
    Heap {
        /// `read` or `write` and so on.
        access: &'static str,
        /// The address of the access.
        address: u64,
        /// Number of bytes that are accessed.
        size: u32,
        /// The last piece of the heap that begins at the address or before it.
        piece: Option<HeapPiece>,
    },
    /// A tensor map that breaks a rule.
    TensorMap(String),
    /// Tensor memory that cannot be had, or is not there.
    TensorMemory(String),
    /// `__assertfail`
    Assert {
        /// The message that the program passed.
        message: String,
        /// The source file.
        file: String,
        /// The source line.
        line: u32,
        /// Name of the function that asserts.
        function: String,
    },
    /// A lane executes a `.sync` instruction whose mask does not name it.
    NotNamed {
        /// Lanes that the mask names, a bit for each.
        members: u32,
        /// Number of the lane in its warp, from 0 to 31.
        lane: u32,
    },
    /// Every warp waits, and none can arrive.
    Deadlock(Waiting),
    /// Every block that runs asks global memory again and again, and nobody changes it.
    Spinning {
        /// Blocks that run.
        running: u64,
        /// Blocks that wait for one of them to end.
        waiting: u64,
        /// The GPU that holds so many.
        gpu: &'static str,
    },
}

/// A block has executed more than this number of warp instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit(pub u64);

/// The launch was cancelled: the reader has interrupted it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cancelled;

/// Something that the emulator does not do, found while running: `a sparse \`tcgen05.mma\``.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsupported(pub String);

/// Why a launch ended before the kernel did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// A fault of the program.
    Fault(Fault),
    /// A limit of the launch.
    Limit(Limit),
    /// The reader interrupted the launch.
    Cancelled(Cancelled),
    /// What the emulator lacks.
    Unsupported(Unsupported),
}

impl From<Fault> for Cause {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<Limit> for Cause {
    fn from(limit: Limit) -> Self {
        Self::Limit(limit)
    }
}

impl From<Cancelled> for Cause {
    fn from(cancelled: Cancelled) -> Self {
        Self::Cancelled(cancelled)
    }
}

impl From<Unsupported> for Cause {
    fn from(unsupported: Unsupported) -> Self {
        Self::Unsupported(unsupported)
    }
}

/// Warps of a block that wait at one place when nobody can go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stuck {
    /// `%ctaid`
    pub block: [u32; 3],
    /// Numbers of the warps in their block.
    pub warps: Vec<u32>,
    /// Bytes of the instruction in the PTX.
    pub span: Range<usize>,
    /// Its line in the source, by `.loc`: file and line.
    pub source: Option<(String, u32)>,
    /// What they wait for: `barrier 1, to which 64 of 128 threads have come`.
    pub what: String,
}

impl Stuck {
    fn sentence(&self, ptx: &Source) -> String {
        let [x, y, z] = self.block;
        let mut runs: Vec<(u32, u32)> = Vec::new();
        for &warp in &self.warps {
            match runs.last_mut() {
                Some((_, last)) if *last + 1 == warp => *last = warp,
                _ => runs.push((warp, warp)),
            }
        }
        let run =
            |&(first, last): &(u32, u32)| if first == last { first.to_string() } else { format!("{first} to {last}") };
        let runs: Vec<String> = runs.iter().map(run).collect();
        let (s, verb) = if self.warps.len() == 1 { ("", "waits") } else { ("s", "wait") };
        let before = ptx.text.get(..self.span.start).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let source = self.source.as_ref().map_or(String::new(), |(path, line)| format!(", from {path}:{line}"));
        let what = &self.what;
        format!(
            "warp{s} {} of block ({x}, {y}, {z}) {verb} for {what} (line {line} of the PTX{source})",
            runs.join(", ")
        )
    }
}

impl Fault {
    /// Its code, and a sentence that says what it is.
    fn describe(&self) -> (&'static str, String) {
        match self {
            Fault::OutOfBounds { access, space, address, size, near } => {
                let place = match near {
                    Some((label, length, offset)) if *offset >= 0 => {
                        format!(": byte {offset} of {label}, which has {length} bytes")
                    }
                    Some((label, _, offset)) => format!(": {} bytes before {label}", -offset),
                    None => String::new(),
                };
                (
                    "out-of-bounds",
                    format!("out-of-bounds {access} of {size} bytes at {space} address 0x{address:x}{place}"),
                )
            }
            Fault::Misaligned { address, size } => {
                ("misaligned", format!("misaligned access of {size} bytes at address 0x{address:x}"))
            }
            Fault::NoMbarrier { address } => {
                ("mbarrier", format!("there is no initialised mbarrier at shared address {address:#x}"))
            }
            Fault::MbarrierCount { count } => {
                ("mbarrier", format!("{count} arrivals are not what this mbarrier can have"))
            }
            Fault::MbarrierBytes { bytes } => {
                ("mbarrier", format!("{bytes} bytes to come are more than an mbarrier counts (1048575)"))
            }
            Fault::NoBlock { rank, blocks } => {
                let s = if *blocks == 1 { "" } else { "s" };
                ("cluster", format!("the cluster has {blocks} block{s}: none of them has rank {rank}"))
            }
            Fault::BlockExited { rank } => {
                ("cluster", format!("block {rank} of the cluster has ended: its shared memory is gone"))
            }
            Fault::Stack { bytes } => (
                "stack-overflow",
                format!("calls fill the stack of a thread, which has {bytes} bytes: a recursion without end?"),
            ),
            Fault::Free { address, piece } => ("free", free_sentence(*address, *piece)),
            Fault::Heap { access, address, size, piece } => heap_access(access, *address, *size, *piece),
            Fault::TensorMap(problem) => ("tensor-map", format!("this tensor map cannot be used: {problem}")),
            Fault::TensorMemory(problem) => ("tensor-memory", problem.clone()),
            Fault::Trap => ("trap", "the kernel executed `trap`".into()),
            Fault::Assert { message, .. } => ("device-assert", format!("device assertion failed: {message}")),
            Fault::NotNamed { members, lane } => (
                "sync-mask",
                format!("lane {lane} executes an instruction whose mask of lanes, {members:#010x}, does not name it"),
            ),
            Fault::Deadlock(Waiting { waiting, polling, looking, gathering }) => {
                let warps =
                    |count: u32| if count == 1 { "1 warp waits".to_owned() } else { format!("{count} warps wait") };
                let groups = [
                    (*gathering, "for lanes of the same warp that do not come"),
                    (*waiting, "at a barrier that nobody can complete"),
                    (*polling, "for a phase of an mbarrier that nobody can complete"),
                    (*looking, "for a change of shared memory that nobody makes"),
                ];
                let groups: Vec<(u32, &str)> = groups.into_iter().filter(|(count, _)| *count > 0).collect();
                // What two have in common is said once.
                let end = " that nobody can complete";
                let all_end = groups.iter().all(|(_, what)| what.ends_with(end));
                let each = groups.iter().enumerate().map(|(index, (count, what))| {
                    let is_last = index + 1 == groups.len();
                    let what = if all_end && !is_last { what.trim_end_matches(end) } else { what };
                    format!("{} {what}", warps(*count))
                });
                ("deadlock", format!("deadlock: {}", each.collect::<Vec<_>>().join(" and ")))
            }
            Fault::Spinning { running, .. } => {
                let who = if *running == 1 {
                    "the block that runs".to_owned()
                } else {
                    format!("all {running} blocks that run")
                };
                ("deadlock", format!("deadlock: {who} wait for a change of global memory that nobody makes"))
            }
        }
    }
}

/// The sentence about a `free` that is none; `piece` is the last piece that begins at the address or before it.
fn free_sentence(address: u64, piece: Option<HeapPiece>) -> String {
    match piece {
        Some(HeapPiece { address: begin, length, is_free: true }) if begin == address => {
            format!("`free` of {address:#x} for the second time: its {length} bytes were given back before")
        }
        Some(HeapPiece { address: begin, length, is_free: false }) if address - begin < length => {
            let offset = address - begin;
            format!("`free` of {address:#x}, which is byte {offset} of a piece of {length} bytes, not its first")
        }
        _ => format!("`free` of {address:#x}, where no memory of `malloc` begins"),
    }
}

/// The code and the sentence of an access to the heap outside of every piece in use; see [`free_sentence`] for `piece`.
fn heap_access(access: &str, address: u64, size: u32, piece: Option<HeapPiece>) -> (&'static str, String) {
    let what = format!("{access} of {size} bytes at global address {address:#x}");
    match piece {
        Some(HeapPiece { address: begin, length, is_free: true }) if address - begin < length => {
            let offset = address - begin;
            let piece = format!("byte {offset} of a piece of `malloc` of {length} bytes, which `free` has given back");
            ("use-after-free", format!("use after free: {what}: {piece}"))
        }
        Some(HeapPiece { address: begin, length, is_free: false }) => {
            let offset = address - begin;
            let piece = format!("byte {offset} of a piece of `malloc`, which has {length} bytes");
            ("out-of-bounds", format!("out-of-bounds {what}: {piece}"))
        }
        _ => ("out-of-bounds", format!("out-of-bounds {what} in the heap of `malloc`, which no piece in use holds")),
    }
}

/// Why and where a launch ended before the kernel did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Why the launch ended.
    pub cause: Cause,
    /// The thread; `None` for an interrupt.
    pub thread: Option<Thread>,
    /// Bytes of the instruction in the PTX.
    pub span: Range<usize>,
    /// Source file, line and column by `.loc`, where the PTX says.
    pub source: Option<(String, u32, u32)>,
    /// Where warps wait, in a deadlock.
    pub waiting: Vec<Stuck>,
    /// What the checks had found by then, in a checked launch: a sentence each.
    pub before: Vec<String>,
}

impl Failure {
    /// One of no thread and no instruction.
    pub(super) fn nowhere(cause: impl Into<Cause>) -> Self {
        Self { cause: cause.into(), thread: None, span: 0..0, source: None, waiting: Vec::new(), before: Vec::new() }
    }

    /// Puts the paths of source files in place of the numbers that `.loc` has for them.
    pub(crate) fn with_files<'a>(mut self: Box<Self>, path: impl Fn(u32) -> Option<&'a str>) -> Box<Self> {
        let path = |file: &mut String| {
            if let Some(path) = file.parse().ok().and_then(&path) {
                *file = path.to_owned();
            }
        };
        self.source.iter_mut().for_each(|(file, ..)| path(file));
        self.waiting.iter_mut().flat_map(|waiting| &mut waiting.source).for_each(|(file, _)| path(file));
        self
    }

    /// As the reader sees it; the label lies in the PTX.
    pub fn into_diagnostic(self, ptx: &Source) -> Diagnostic {
        let (code, message) = match &self.cause {
            Cause::Fault(fault) => fault.describe(),
            Cause::Limit(Limit(limit)) => ("limit", format!("a block has not ended after {limit} warp instructions")),
            Cause::Cancelled(Cancelled) => return Diagnostic::interrupted(),
            Cause::Unsupported(Unsupported(what)) => {
                ("ptx-unsupported", format!("{what} is not supported by the emulator"))
            }
        };
        let mut diagnostic = Diagnostic::error(code, message);
        if !self.span.is_empty() {
            diagnostic = diagnostic.at(self.span.clone(), "").in_source(ptx);
        }
        if let Some(thread) = self.thread {
            diagnostic = diagnostic.note(format!("in {thread}"));
        }
        if let Cause::Fault(Fault::Heap { piece: Some(HeapPiece { is_free: true, .. }), .. }) = &self.cause {
            diagnostic = diagnostic.help("`free` has to come after the last access, of whatever thread");
        }
        if let Cause::Fault(Fault::Assert { file, line, function, .. }) = &self.cause {
            diagnostic = diagnostic.note(format!("asserted in `{function}`, {file}:{line}"));
        }
        if let Cause::Fault(Fault::Spinning { running, waiting: waiting @ 1.., gpu }) = &self.cause {
            let all = running + waiting;
            diagnostic = diagnostic
                .note(format!("one {gpu} runs {running} of the {all} blocks at once; the others start when some end"));
        }
        for waiting in self.waiting.iter().take(MOST_WAITING) {
            diagnostic = diagnostic.note(waiting.sentence(ptx));
        }
        if self.waiting.len() > MOST_WAITING {
            diagnostic = diagnostic.note(format!("and {} groups of warps more", self.waiting.len() - MOST_WAITING));
        }
        for sentence in self.before {
            diagnostic = diagnostic.note(format!("before that: {sentence}"));
        }
        diagnostic.origin = self.source.map(|(path, line, column)| Place { path, line, column });
        diagnostic
    }
}
