//! The CPU emulator of PTX: the compiled code of a kernel, run warp by warp.
//!
//! [`Module::load`] decodes each entry once; [`launch()`] runs a grid on all cores. Every instruction and modifier that is
//! not implemented is refused when the module is loaded, by name and place.

pub mod arithmetic;
mod decode;
mod descriptor;
mod families;
mod fault;
mod instrument;
mod lanes;
mod launch;
mod lock;
mod module;
mod program;
mod run;
mod state;

pub use decode::implements;
pub use descriptor::tensor_map::{Broken, Interleave, TENSOR_MAP_BYTES, TensorMap, TensorMapSwizzle, TensorMapType};
pub use fault::{Cancelled, Cause, Failure, Fault, Limit, Stuck, Thread, Unsupported};
pub use instrument::observe;
pub use launch::{CheckReport, LaunchConfig, Stats, launch};
pub use module::{Kernel, Module, ModuleVariable};
pub use state::environment::Arithmetic;
pub use state::heap::HeapPiece;
pub use state::memory::{ALIGNMENT, Allocation, GlobalMemory};
