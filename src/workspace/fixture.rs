//! Buffers for tests of the rooms that work on a workspace.

use super::Workspace;
use warpbook_device::{Buffer, Dtype, Recipe, contiguous_strides};

/// Puts a buffer of zeros on the current device; returns its address.
pub fn put_zeros(workspace: &mut Workspace, name: &str, dtype: Dtype, shape: &[usize]) -> u64 {
    let bytes = (shape.iter().product::<usize>() * dtype.size()) as u64;
    let address = workspace.device.allocate(name, bytes).expect("memory");
    workspace.put_buffer(Buffer {
        name: name.into(),
        dtype,
        shape: shape.to_vec(),
        strides: contiguous_strides(shape),
        place: workspace.device.place(),
        address,
        bytes,
        recipe: Recipe::Initialiser(format!("zeros({shape:?})")),
    });
    address
}
