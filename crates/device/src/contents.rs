//! A buffer's contents on the host.

use super::Dtype;

/// Elements with their type and shape, outside of any device.
#[derive(Clone, Debug, PartialEq)]
pub struct Contents {
    /// The type of its elements.
    pub dtype: Dtype,
    /// Extents, outermost first.
    pub shape: Vec<usize>,
    /// The elements' bytes in row-major order.
    pub bytes: Vec<u8>,
}
