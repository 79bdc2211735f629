//! The memory of one block, and what is under way in it.

use std::collections::{BTreeSet, VecDeque};

use super::pending::{PendingLoad, TensorWork};
use super::spin::Spin;
use super::tensor_memory::TensorMemory;
use crate::arithmetic::fused_lanes::Operands;
use crate::instrument::observe::Observer;
use crate::instrument::sanitizer::Sanitizer;

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
    pub printed: String,
    /// Whether the block waits for another one.
    pub spin: Spin,
    /// Instructions before which a wait for `wgmma` was put in.
    pub repaired: BTreeSet<u32>,
    /// Bulk loads that have not landed, oldest first.
    pub loads: VecDeque<PendingLoad>,
    /// Tensor memory, from its first allocation on.
    pub tensor: Option<Box<TensorMemory>>,
    /// What the tensor core has to do, oldest first.
    pub tensor_work: VecDeque<TensorWork>,
    /// Working space of the tensor core.
    pub operands: Box<Operands>,
    /// The records of a checked launch.
    pub sanitizer: Option<Box<Sanitizer>>,
    /// The records of an observed launch.
    pub observer: Option<Box<Observer>>,
}
