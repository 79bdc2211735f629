//! A launch from its first block to its last: which block has its turn, which warp, and what a turn does.

pub(crate) mod block;
pub(crate) mod cluster;
mod gather;
pub(crate) mod grid;
mod printer;
mod stalled;
mod turn;
