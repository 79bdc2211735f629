//! The families of instructions: what each operation does, over the lanes of a warp.

mod address;
mod atomic;
pub(crate) mod barrier;
pub(crate) mod bulk;
mod collective;
pub(crate) mod copy_async;
mod dispatch;
pub(crate) mod mbarrier;
mod memory;
mod mma;
mod peer;
mod print;
pub(crate) mod step;
mod system_call;
pub(crate) mod tcgen05;
pub(crate) mod tensor_memory;
mod value;
pub(crate) mod wgmma;
