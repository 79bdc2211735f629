//! Facts of NVIDIA GPUs and of their data formats. Each stands here once, with its source; the crates above ask.

mod bytes;
mod descriptor;
mod element;
mod limits;
mod swizzle;

pub use bytes::u64_from_le;
pub use descriptor::{DescriptorFormat, InstructionDescriptor, MatrixDescriptor};
pub use element::{ElementType, FloatFormat, Specials};
pub use limits::{GpuLimits, Limiter, Occupancy};
pub use swizzle::{Swizzle, swizzled};
