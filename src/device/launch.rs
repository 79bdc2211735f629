//! One launch of a loaded function.

use std::time::Duration;

/// Code that a device can load.
#[derive(Clone, Copy, Debug)]
pub enum Code<'a> {
    /// PTX text.
    Ptx(&'a str),
    /// The ELF file of ptxas.
    Cubin(&'a [u8]),
}

/// A function that a device has loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FunctionId(pub u64);

/// What a loaded function uses. `None` where the device cannot know (registers on the emulator).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FunctionInfo {
    /// Registers per thread.
    pub registers: Option<u32>,
    /// Bytes of spills per thread.
    pub spills: Option<u32>,
    /// Bytes of static shared memory.
    pub static_shared: u32,
    /// Bytes of local memory per thread.
    pub local: u32,
    /// Parameter sizes and alignments in bytes, in order, scratch pointers included.
    pub params: Vec<(u32, u32)>,
}

/// A launch: the function, the geometry and the arguments as bytes.
#[derive(Clone, Debug)]
pub struct Launch {
    /// What to run.
    pub function: FunctionId,
    /// Blocks, [x, y, z].
    pub grid: [u32; 3],
    /// Threads per block, [x, y, z].
    pub block: [u32; 3],
    /// Blocks per cluster, [x, y, z].
    pub cluster: [u32; 3],
    /// Dynamic shared memory in bytes.
    pub shared: u32,
    /// The value of each parameter, exactly as wide as the parameter, scratch pointers included.
    pub args: Vec<Vec<u8>>,
    /// Order of warps and of completion on the emulator; 0 is the default order.
    pub seed: u64,
}

/// What a launch that ended well has to tell.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LaunchReport {
    /// Wall time of the run itself: emulation time, or GPU time by events.
    pub elapsed: Duration,
    /// Instructions executed, counted per warp (emulator).
    pub warp_instructions: Option<u64>,
    /// One past the highest byte of dynamic shared memory that was touched (emulator).
    pub shared_touched: Option<u32>,
    /// Things the reader should know, one sentence each.
    pub warnings: Vec<String>,
}
