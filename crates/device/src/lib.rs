//! Where kernels run: the [`Device`] trait, device memory, launches. Backends: the CPU emulator, `cuda:N`.

mod buffer;
mod contents;
pub mod cuda;
mod dtype;
mod emulated;
pub mod emulation;
mod launch;
mod place;

pub use buffer::{Buffer, Recipe, View, contiguous_strides};
pub use contents::Contents;
pub use dtype::{Dtype, Number};
pub use emulated::Emulated;
pub use launch::{
    Code, FunctionId, FunctionInfo, GraphTiming, Launch, LaunchReport, Occupancy, SubmitCost, Timing, TimingPlan,
};
pub use place::Place;
pub use warpbook_emulator::{Broken, Interleave, TENSOR_MAP_BYTES, TensorMap, TensorMapSwizzle, TensorMapType};

use std::sync::Arc;

use warpbook_diagnostic::Result;
use warpbook_process::cancel::Cancel;

/// An allocation that a restarted device has given another address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// Name of the argument in reports.
    pub label: String,
    /// Address before the move.
    pub from: u64,
    /// Address after the move.
    pub to: u64,
    /// True if it holds what it held when that was last known; else its contents are arbitrary.
    pub restored: bool,
}

/// A device with its memory. One per name (`emu:sm_80`, `cuda:0`) in a session.
///
/// Addresses are the ones that kernels see. All calls block; [`Device::launch`] and [`Device::time`] end early when
/// cancelled.
pub trait Device: Send {
    /// The name that `%device` takes: `emu:sm_80`.
    fn name(&self) -> String;
    /// The place of its buffers' memory.
    fn place(&self) -> Place;
    /// A short description: the GPU's name and its driver's version.
    fn description(&self) -> String {
        "CPU emulator".to_owned()
    }
    /// True if results and times come from the CPU emulator; every output says so.
    fn is_emulated(&self) -> bool;
    /// The compute capability that runs the code: 80.
    fn capability(&self) -> u32;
    /// True if it runs the machine code in cubins, rather than PTX.
    fn runs_machine_code(&self) -> bool {
        !self.is_emulated()
    }
    /// Emulates another architecture from now on; memory stays. A GPU is what it is.
    fn emulate(&mut self, _capability: u32) {}
    /// Chooses the host's arithmetic for tensor cores, or the emulated GPU's. A GPU ignores the call.
    fn set_fast_arithmetic(&mut self, _fast: bool) {}
    /// Sets how many bytes of its memory it may keep copies of on the host.
    fn set_budget(&mut self, _bytes: u64) {}
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
    /// Contents of whole allocations (address, bytes). A device behind a slow bus copies only what has changed.
    fn snapshot(&mut self, spans: &[(u64, u64)]) -> Result<Vec<Arc<[u8]>>> {
        let read = |&(address, bytes): &(u64, u64)| {
            let mut copy = vec![0; bytes as usize];
            self.read(address, &mut copy)?;
            Ok(copy.into())
        };
        spans.iter().map(read).collect()
    }
    /// A number for each whole allocation (address, bytes) that changes when a byte of it does:
    /// [`cuda::content_digest`].
    fn digests(&mut self, spans: &[(u64, u64)]) -> Result<Vec<u64>> {
        const PIECE: u64 = 8 << 20;
        let digest = |&(address, bytes): &(u64, u64)| {
            let mut piece = vec![0; bytes.min(PIECE) as usize];
            let mut sum = 0u64;
            for offset in (0..bytes).step_by(PIECE as usize) {
                let length = (bytes - offset).min(PIECE) as usize;
                self.read(address + offset, &mut piece[..length])?;
                sum = sum.wrapping_add(cuda::digest_from(&piece[..length], offset / 8));
            }
            Ok(sum)
        };
        spans.iter().map(digest).collect()
    }
    /// True if everything that it held is gone: its context was poisoned, or its process has died.
    fn is_lost(&self) -> bool {
        false
    }
    /// Starts a lost device again. Allocations come back at other addresses, with what they held when that was last
    /// known; loaded code does not.
    fn restart(&mut self) -> Result<Vec<Moved>> {
        Ok(Vec::new())
    }
    /// Loads code and finds an entry function in it. The same code again costs a hash look-up.
    fn load(&mut self, code: Code<'_>, entry: &str) -> Result<FunctionId>;
    /// Resources of the loaded function.
    fn info(&self, function: FunctionId) -> FunctionInfo;
    /// Number of blocks of a launch that fit on an SM, if the device knows it.
    fn occupancy(&self, _launch: &Launch) -> Option<Occupancy> {
        None
    }
    /// The 128 bytes of a tensor map. Its constraints were checked.
    fn tensor_map(&self, map: &TensorMap) -> Result<Vec<u8>>;
    /// Tells which global memory (address, length) nothing has written yet: a checked launch reports what reads it.
    fn set_unwritten(&mut self, _ranges: Vec<(u64, u64)>) {}
    /// Runs a launch to its end. `print` receives what device code prints, in order, piece by piece.
    fn launch(&mut self, launch: &Launch, cancel: &Cancel, print: &(dyn Fn(&str) + Sync)) -> Result<LaunchReport>;
    /// Runs a launch many times and measures each.
    fn time(&mut self, launch: &Launch, plan: &TimingPlan, cancel: &Cancel) -> Result<Timing>;
}
