//! Addresses: the windows of generic addresses, and how a shared address names a block of the cluster.

use crate::program::MemorySpace;

/// Generic addresses of shared memory begin here.
pub(crate) const SHARED_WINDOW: u64 = 1 << 56;
/// Generic addresses of local memory begin here.
pub(crate) const LOCAL_WINDOW: u64 = 2 << 56;
/// Generic addresses of the kernel's parameters begin here.
pub(crate) const PARAM_WINDOW: u64 = 3 << 56;
const WINDOW_SIZE: u64 = 1 << 32;
/// Where a shared address names the block of the cluster: its rank plus one; nothing for the block's own memory.
pub(crate) const RANK_SHIFT: u32 = 24;
/// The bits of a shared address that are an offset in the memory of one block.
pub(crate) const OFFSET_MASK: u64 = (1 << RANK_SHIFT) - 1;

/// The space of a generic address, and the address in it.
pub(crate) fn resolve_generic(address: u64) -> (MemorySpace, u64) {
    if address.wrapping_sub(SHARED_WINDOW) < WINDOW_SIZE {
        (MemorySpace::Shared, address - SHARED_WINDOW)
    } else if address.wrapping_sub(LOCAL_WINDOW) < WINDOW_SIZE {
        (MemorySpace::Local, address - LOCAL_WINDOW)
    } else if address.wrapping_sub(PARAM_WINDOW) < WINDOW_SIZE {
        (MemorySpace::Param, address - PARAM_WINDOW)
    } else {
        (MemorySpace::Global, address)
    }
}

/// The rank plus one that an address names; 0 for the block's own memory.
pub(crate) fn named_block(space: MemorySpace, address: u64) -> u32 {
    let address = match space {
        MemorySpace::Cluster => address,
        MemorySpace::Generic => address.wrapping_sub(SHARED_WINDOW),
        _ => return 0,
    };
    if address < 1 << 32 { (address >> RANK_SHIFT) as u32 } else { 0 }
}

/// An address of the cluster's window: that in the block's memory, and the block's rank where it is named.
pub(crate) fn split(address: u64) -> (u64, Option<u32>) {
    let rank = (named_block(MemorySpace::Cluster, address)).checked_sub(1);
    (address & OFFSET_MASK, rank)
}
