//! What holds for the cells to come: target, device, Triton version, and what else can be set.

mod config;
mod device;
pub(super) mod place;
mod target;
mod triton;

pub use config::Config;
pub(super) use device::devices;
pub use device::{DeviceMagic, Move};
pub use target::TargetMagic;
pub(super) use target::parse_target;
pub use triton::TritonMagic;
pub(super) use triton::version as parse_triton;
