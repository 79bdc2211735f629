//! What holds for the cells to come: target, device, Triton version.

mod device;
mod target;
mod triton;

pub use device::DeviceMagic;
pub use target::TargetMagic;
pub(super) use target::parse_target;
pub use triton::TritonMagic;
pub(super) use triton::version as parse_triton;
