//! What holds for the cells to come: target, device, Triton version, and what else can be set.

mod config;
mod device;
pub(super) mod place;
mod target;
mod triton;

pub use config::Config;
pub use device::{DeviceMagic, Move};
pub use target::TargetMagic;
pub use triton::TritonMagic;
