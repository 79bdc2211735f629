//! Codes of diagnostics by which the program decides what to do next. Every other code is for readers and tests only, and
//! stands where its diagnostic is made; these stand here, so that both sides name the same one.

/// The reader interrupted the cell.
pub const INTERRUPTED: &str = "interrupted";
/// A launch took longer than it may.
pub const TIMEOUT: &str = "timeout";
/// A device has not enough free memory.
pub const OUT_OF_MEMORY: &str = "out-of-memory";
/// A launch whose grid, block, cluster or shared memory the device does not take.
pub const LAUNCH_CONFIG: &str = "launch-config";
/// Machine code that the emulator cannot run, since it comes without its PTX.
pub const CUBIN_WITHOUT_PTX: &str = "cubin-without-ptx";
/// A name that no kernel has.
pub const UNKNOWN_KERNEL: &str = "unknown-kernel";
