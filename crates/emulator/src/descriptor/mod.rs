//! Bit layouts that a kernel hands to the hardware: matrix and instruction descriptors, tensor maps.

pub(crate) mod instruction;
pub(crate) mod matrix;
pub(crate) mod tensor_map;
