//! The numbers of PTX: floating-point formats and their conversions, scalar functions, tensor-core arithmetic.
//! Pure functions on bits; they know nothing of warps or memory.

pub mod approximate;
mod coefficients;
pub mod convert;
pub mod float;
pub mod formats;
pub mod fused_lanes;
pub mod integer;
mod interpolator;
pub mod narrow;
pub mod product;
pub mod scaled;
pub mod simd;
pub mod tensor;
mod vector;
