//! One launch of a loaded function.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::emulation::{CheckReport, Observe, Observed};
use warpbook_gpu::Limiter;

/// Code that a device can load.
#[derive(Clone, Copy, Debug)]
pub enum Code<'a> {
    /// The text of a PTX module, not parsed yet.
    Ptx(&'a str),
    /// PTX that is parsed already; the emulator does not parse it again.
    ParsedPtx {
        /// Text of the module.
        text: &'a str,
        /// Syntax tree of the text.
        syntax: &'a warpbook_ptx::Module,
    },
    /// A cubin: the ELF file that ptxas writes.
    Cubin(&'a [u8]),
}

impl<'a> Code<'a> {
    /// The bytes of the text or of the file.
    pub fn bytes(self) -> &'a [u8] {
        match self {
            Self::Ptx(text) | Self::ParsedPtx { text, .. } => text.as_bytes(),
            Self::Cubin(bytes) => bytes,
        }
    }

    /// True for PTX.
    pub fn is_ptx(self) -> bool {
        !matches!(self, Self::Cubin(_))
    }
}

/// A function that a device has loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FunctionId(pub u64);

/// What a loaded function uses. `None` where the device cannot know (registers on the emulator).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FunctionInfo {
    /// Registers per thread.
    pub registers: Option<u32>,
    /// Bytes of spills per thread.
    pub spills: Option<u32>,
    /// Bytes of static shared memory.
    pub static_shared: u32,
    /// Bytes of local memory per thread.
    pub local: u32,
    /// Parameter sizes in bytes, in order, scratch pointers included.
    pub params: Vec<u32>,
    /// Threads that a block may have at most, for the registers that the function takes.
    pub max_threads: Option<u32>,
    /// Log of the driver's compiler for code that it made from PTX.
    pub log: String,
    /// Pairs of multiplications and additions that PTX allows to be contracted, and the emulator does not.
    #[serde(default)]
    pub contractible: u32,
}

/// A launch: the function, the geometry and the arguments as bytes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Launch {
    /// The loaded function to run.
    pub function: FunctionId,
    /// Blocks, [x, y, z].
    pub grid: [u32; 3],
    /// Threads per block, [x, y, z].
    pub block: [u32; 3],
    /// Blocks per cluster, [x, y, z].
    pub cluster: [u32; 3],
    /// Dynamic shared memory in bytes.
    pub shared: u32,
    /// Bytes of the dynamic shared memory that are not the kernel's own: those of a dump. The emulator does not count them
    /// against its limit; a GPU does.
    pub extra_shared: u32,
    /// The value of each parameter, exactly as wide as the parameter, scratch pointers included.
    pub args: Vec<Vec<u8>>,
    /// True if all blocks have to be resident together (`launch_cooperative_grid`).
    pub cooperative: bool,
    /// True if it may begin before the kernel before it has ended (`launch_pdl`).
    pub dependent: bool,
    /// Order of warps and of completion on the emulator; 0 is the default order.
    pub seed: u64,
    /// True if the emulator looks for races, missing waits and reads of what nothing wrote.
    pub check: bool,
    /// What the emulator records; a GPU ignores it.
    #[serde(skip)]
    pub observe: Option<Observe>,
}

/// The report of a launch that succeeded.
#[derive(Clone, Debug, Default)]
pub struct LaunchReport {
    /// Wall time of the run itself: emulation time, or GPU time by events.
    pub elapsed: Duration,
    /// Wall time in the process that owns the GPU, from the request to the kernel's end.
    pub host: Option<Duration>,
    /// Instructions executed, counted per warp (emulator).
    pub warp_instructions: Option<u64>,
    /// One past the highest byte of dynamic shared memory that was touched (emulator).
    pub shared_touched: Option<u32>,
    /// Things the reader should know, one sentence each.
    pub warnings: Vec<String>,
    /// Report of the emulator's checks, where they were requested.
    pub checked: Option<CheckReport>,
    /// What the emulator recorded, where a recording was requested.
    pub observed: Option<Observed>,
}

/// Number of blocks of a launch that fit on a streaming multiprocessor (SM), and what limits them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Occupancy {
    /// Resident blocks per SM.
    pub blocks: u32,
    /// Number of warps in these blocks.
    pub warps: u32,
    /// Warps that an SM can hold.
    pub warps_limit: u32,
    /// The resource that leaves no room for one more block.
    pub limiter: Limiter,
}

/// How a launch is to be timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimingPlan {
    /// Number of samples; `None` takes as many as fit in about 100 ms, at least 20.
    pub samples: Option<u32>,
    /// True if the L2 cache is flushed before each sample.
    pub flush: bool,
    /// True if launches are also replayed from a CUDA graph, back to back.
    pub graph: bool,
    /// True if the kernel was timed just before, so that one launch warms it up again.
    pub warm: bool,
}

/// The measured times of a launch.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Timing {
    /// Time of each launch, in the order of the launches.
    pub samples: Vec<Duration>,
    /// How the samples were taken: `CUDA events, L2 flushed (100 MiB)`.
    pub method: String,
    /// Number of launches before the first sample.
    pub warmup: u32,
    /// Time of one launch in a CUDA graph of many, back to back: the median of its replays.
    pub graph: Option<GraphTiming>,
    /// Host time of submitting a launch; measured for short kernels.
    pub submit: Option<SubmitCost>,
    /// Clock of the SMs in MHz before and after.
    pub clocks: Option<(u32, u32)>,
    /// Things the reader should know, one sentence each.
    pub warnings: Vec<String>,
}

/// Launches back to back from a CUDA graph, with what they left in the caches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GraphTiming {
    /// Time of one launch.
    pub each: Duration,
    /// Number of launches in the graph.
    pub launches: u32,
}

/// Host time to submit one launch without waiting for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubmitCost {
    /// By the device host's launch path (`cuLaunchKernelEx`, checked).
    pub ours: Duration,
    /// By a bare loop of `cuLaunchKernel`.
    pub bare: Duration,
}
