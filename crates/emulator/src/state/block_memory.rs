//! The memory of one block, and what is under way in it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::address::named_block;
use super::pending::{PendingLoad, TensorWork};
use super::printed::Printed;
use super::spin::Spin;
use super::tensor_memory::TensorMemory;
use crate::arithmetic::fused_lanes::Operands;
use crate::program::MemorySpace;

/// The memory of one block.
pub(crate) struct BlockMemory {
    /// The block's rank in its cluster.
    pub rank: u32,
    pub shared: Vec<u8>,
    /// Of all threads, one after the other.
    pub local: Vec<u8>,
    /// One past the highest byte of shared memory that was touched.
    pub shared_touched: u64,
    /// The allocation that the last global access hit.
    pub last_allocation: usize,
    /// What the block has printed and nobody has shown yet.
    pub printed: Printed,
    /// True if the block waits for another one.
    pub spin: Spin,
    /// Instructions before which a wait for `wgmma` was put in.
    pub repaired: BTreeSet<u32>,
    /// The bits that the last `mbarrier` instruction left of each mbarrier, by its offset in shared memory. Where the memory
    /// holds other bits, something else has overwritten the mbarrier.
    pub mbarriers: BTreeMap<usize, u64>,
    /// Bulk loads that have not landed, oldest first.
    pub loads: VecDeque<PendingLoad>,
    /// Tensor memory, from its first allocation on.
    pub tensor: Option<Box<TensorMemory>>,
    /// What the tensor core has to do, oldest first.
    pub tensor_work: VecDeque<TensorWork>,
    /// Working space of the tensor core.
    pub operands: Box<Operands>,
    /// Asynchronous operations that have been numbered.
    pub operations: u64,
}

impl BlockMemory {
    /// The number of an asynchronous operation that reads later: 1, 2, 3 and so on.
    pub fn number_operation(&mut self) -> u64 {
        self.operations += 1;
        self.operations
    }

    /// True if an address is in another block's shared memory.
    #[inline(always)]
    pub fn is_peer(&self, space: MemorySpace, address: u64) -> bool {
        matches!(space, MemorySpace::Cluster | MemorySpace::Generic) && {
            let named = named_block(space, address);
            named != 0 && named != self.rank + 1
        }
    }
}
