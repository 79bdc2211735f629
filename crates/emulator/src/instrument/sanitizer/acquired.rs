//! What a warp knew when it acquired a tensor map.

use super::clock::Clock;
use super::finding::MapFence;
use super::global::Last;
use crate::program::{Op, Program};

/// An acquire of a tensor map.
pub(super) struct Acquired {
    /// Global address of the tensor map.
    pub address: u64,
    /// Number of the warp that acquired it.
    pub warp: u32,
    /// Number of the acquire among the events of the warp.
    pub event: u32,
    /// Events that the warp knew of then.
    pub clock: Clock,
    /// Events that it knew then to be released to the tensormap proxy.
    pub maps: Clock,
    /// The map's writes until then.
    pub seen: Vec<Last>,
}

impl Acquired {
    /// The fence that is missing after a write that was in memory when this acquire came; `None` if none is.
    pub fn lacks(&self, program: &Program, block: u64, write: &Last) -> Option<MapFence> {
        // Of another block's clocks nothing is known here.
        if !write.is_of(block) {
            return (!self.seen.contains(write)).then_some(MapFence::Acquire);
        }
        if write.event > self.clock.get(write.warp.into()) {
            return Some(MapFence::Acquire);
        }
        let op = program.code.get(write.pc as usize).map(|instruction| &instruction.op);
        let releases_itself = matches!(op, Some(Op::TensorMapCopy { .. }));
        (!releases_itself && write.event > self.maps.get(write.warp.into())).then_some(MapFence::Release)
    }
}
