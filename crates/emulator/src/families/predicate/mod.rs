//! Predicates: comparisons that set them, choices by them, and their logic. PTX ISA 9.7.6, 9.7.8.

mod decode;
pub(super) mod execute;
pub(crate) mod lanes;
