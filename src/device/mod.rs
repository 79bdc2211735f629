//! Where kernels run: the [`Device`] trait, device memory, launches. Backends: the CPU emulator, later `cuda:N`.

mod buffer;
mod contents;
mod dtype;
mod emulated;
mod launch;
mod tensor_map;

pub use buffer::{Buffer, Recipe, View, contiguous_strides};
pub use contents::Contents;
pub use dtype::{Dtype, Number};
pub use emulated::Emulated;
pub use launch::{Code, FunctionId, FunctionInfo, Launch, LaunchReport};
pub use tensor_map::{Broken, Interleave, Swizzle, TENSOR_MAP_BYTES, TensorMap, TensorMapType};

use crate::cancel::Cancel;
use crate::diagnostic::Result;

/// A device with its memory. One per name (`emu:sm_80`, `cuda:0`) in a session.
///
/// Addresses are the ones that kernels see. All calls block; [`Device::launch`] ends early when cancelled.
pub trait Device: Send {
    /// The name that `%device` takes: `emu:sm_80`.
    fn name(&self) -> String;
    /// Whether results and times come from the CPU emulator; said in every output.
    fn is_emulated(&self) -> bool;
    /// The compute capability that runs the code: 80.
    fn capability(&self) -> u32;
    /// Shared memory that one block may have at most, static and dynamic together, in bytes.
    fn shared_limit(&self) -> u32;
    /// Allocates device memory, 256-byte aligned, **not** initialised. `label` names it in reports.
    fn allocate(&mut self, label: &str, bytes: u64) -> Result<u64>;
    /// Frees an allocation by its address.
    fn free(&mut self, address: u64);
    /// Copies host bytes to the device.
    fn write(&mut self, address: u64, bytes: &[u8]) -> Result<()>;
    /// Copies device bytes to the host.
    fn read(&self, address: u64, bytes: &mut [u8]) -> Result<()>;
    /// Loads code and finds an entry function in it. The same code again costs a hash look-up.
    fn load(&mut self, code: Code<'_>, entry: &str) -> Result<FunctionId>;
    /// What the loaded function uses.
    fn info(&self, function: FunctionId) -> FunctionInfo;
    /// Runs a launch to its end. `print` receives what device code prints, in order, piece by piece.
    fn launch(&mut self, launch: &Launch, cancel: &Cancel, print: &(dyn Fn(&str) + Sync)) -> Result<LaunchReport>;
}
