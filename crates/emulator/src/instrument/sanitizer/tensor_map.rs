//! Tensor maps in global memory. A bulk tensor copy reads its map through the tensormap proxy: it sees a write of the
//! generic proxy that was released (`fence.proxy.tensormap::generic.release`, or `tensormap.cp_fenceproxy` that wrote it)
//! and then acquired (`….acquire [map], 128`). PTX ISA 9.7.13.4, 9.7.13.16.

use super::Sanitizer;
use super::acquired::Acquired;
use super::clock::Knowledge;
use super::finding::MapFence;
use super::finding::Rule;
use super::global::Kind;
use crate::descriptor::tensor_map::TENSOR_MAP_BYTES;
use crate::state::access::Issuer;

impl Sanitizer<'_> {
    /// `fence.proxy.tensormap::generic.acquire`
    pub fn map_acquired(&mut self, warp: u32, address: u64) {
        let Some(Knowledge { clock, maps, .. }) = self.known.get(warp as usize).cloned() else { return };
        let seen = self.checks.shadow().writes(address, TENSOR_MAP_BYTES as u64);
        let acquired = Acquired { address, warp, event: self.now(warp), clock, maps, seen };
        self.tick(warp);
        // More warps know of an earlier one; a later one knows of more writes.
        let earlier = self.acquired.iter().position(|known| (known.address, known.warp) == (address, warp));
        let Some(earlier) = earlier else { return self.acquired.push(acquired) };
        if self.acquired[earlier].seen != acquired.seen || self.acquired[earlier].clock != acquired.clock {
            self.acquired[earlier] = acquired;
        }
    }

    /// A bulk tensor copy reads its map.
    pub fn map_read(&mut self, issuer: Issuer, address: u64) {
        let checks = self.checks;
        let label = || checks.memory.describe(address);
        if !self.global(issuer, address, TENSOR_MAP_BYTES as u32, Kind::Read, label) {
            return;
        }
        let writes = checks.shadow().writes(address, TENSOR_MAP_BYTES as u64);
        let Some(Knowledge { clock, .. }) = self.known.get(issuer.warp as usize) else { return };
        let block = self.shape.linear_index;
        let known =
            |acquired: &&Acquired| acquired.address == address && acquired.event <= clock.get(acquired.warp as usize);
        let acquires: Vec<&Acquired> = self.acquired.iter().filter(known).collect();
        let lacking = writes.iter().find_map(|write| {
            let lacks: Vec<MapFence> =
                acquires.iter().map_while(|acquired| acquired.lacks(checks.program, block, write)).collect();
            // One acquire that lacks nothing is enough.
            if !acquires.is_empty() && lacks.len() < acquires.len() {
                return None;
            }
            let released = lacks.contains(&MapFence::Release);
            Some((write.pc, if released { MapFence::Release } else { MapFence::Acquire }))
        });
        if let Some((other, fence)) = lacking {
            self.report(Rule::TensorMapFence { other, fence }, issuer, None, label);
        }
    }
}
