//! The families of instructions: how each is decoded, and what its operations do over the lanes of a warp.
//!
//! What is common to decoding stands in `crate::decode`; what is common to execution in [`step`], and [`dispatch`] leads
//! from an operation to its family.

mod address;
mod atomic;
pub(crate) mod barrier;
mod bulk;
mod call_stack;
mod collective;
mod convert;
mod copy_arrive;
mod copy_async;
mod dispatch;
mod fence;
mod float;
mod heap;
mod hint;
pub(crate) mod integer;
mod matrix;
mod mbarrier;
mod memory;
mod mma;
mod mov;
mod peer;
pub(crate) mod predicate;
mod print;
pub(crate) mod step;
mod system_call;
mod tcgen05;
mod tensor_map;
mod wgmma;
mod wmma;
