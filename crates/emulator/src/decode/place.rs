//! Where parameters and variables lie.

use warpbook_ptx::{Function, Space};

/// Where a variable lives, once decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Offset in the kernel's parameter block.
    Param(u32),
    /// Offset in the block's shared memory.
    Shared(u32),
    /// Offset in the thread's local memory.
    Local(u32),
    /// Index of a module variable in global memory.
    Global(usize),
}

/// Parameters of the entry: offset of each, in order, as the driver lays them out.
pub(crate) fn parameter_offsets(entry: &Function) -> Vec<u32> {
    let mut offset = 0u32;
    entry
        .params
        .iter()
        .map(|param| {
            offset = offset.checked_next_multiple_of(param.align.max(1)).unwrap_or(u32::MAX);
            let here = offset;
            offset = offset.saturating_add(param.size());
            here
        })
        .collect()
}

/// Module variables that live in global memory (constants too: they are read only, which ptxas checks).
pub(crate) fn is_global(space: Space) -> bool {
    matches!(space, Space::Global | Space::Const)
}
