//! Where parameters and variables lie.

use warpbook_ptx::{Function, Module, Space};

/// Where a variable lives, once decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Offset in the kernel's parameter block.
    Param(u32),
    /// Offset in the block's shared memory.
    Shared(u32),
    /// Offset in the thread's local memory.
    Local(u32),
    /// Offset in the frame of the function that is being decoded, which lies in local memory.
    Frame(u32),
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

/// Addresses of functions begin here: no memory has such addresses.
const FUNCTIONS: u64 = 0xfc00_0000_0000_0000;

/// The address of a device function, by which it is called through a pointer; `None` for another name.
pub(crate) fn function_address(module: &Module, name: &str) -> Option<u64> {
    let index = module.functions.iter().position(|function| !function.is_entry && function.name == name)?;
    Some(FUNCTIONS + 16 * (index as u64 + 1))
}

/// Bytes of the heap of `malloc`: the default of CUDA (`cudaLimitMallocHeapSize`).
pub(crate) const HEAP_BYTES: usize = 8 << 20;

/// True if the module calls `malloc` or `free`: its last variable then is the heap.
pub(crate) fn has_heap(module: &Module) -> bool {
    module
        .functions
        .iter()
        .any(|function| function.body.is_none() && matches!(function.name.as_str(), "malloc" | "free"))
}

/// Module variables that live in global memory (constants too: they are read only, which ptxas checks).
pub(crate) fn is_global(space: Space) -> bool {
    matches!(space, Space::Global | Space::Const)
}
