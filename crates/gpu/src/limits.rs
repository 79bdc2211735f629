//! What a streaming multiprocessor (SM) can hold, by compute capability.

use serde::{Deserialize, Serialize};

/// Number of threads in a warp.
const WARP: u32 = 32;
/// 32-bit registers of a multiprocessor; the same from 7.5 on.
const REGISTERS: u32 = 65_536;
/// Registers are given to a warp in units of this many.
const REGISTER_UNIT: u32 = 256;
/// Parts of a multiprocessor, each with its own registers and warps.
const PARTITIONS: u32 = 4;

/// The limits of one compute capability, and of one GPU that has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GpuLimits {
    /// Compute capability as one number: 90 is 9.0.
    capability: u32,
    /// A GPU of this compute capability.
    pub example: &'static str,
    /// Number of multiprocessors of that GPU.
    pub multiprocessors: u32,
    /// Warps that are resident on a multiprocessor at once.
    pub warps: u32,
    /// Blocks that are resident on a multiprocessor at once.
    pub blocks: u32,
    /// Bytes of shared memory of a multiprocessor.
    pub shared: u32,
    /// Bytes of shared memory that one block may have, static and dynamic.
    pub shared_per_block: u32,
    /// Bytes of shared memory that the system takes of each block.
    pub shared_reserved: u32,
    /// Shared memory is given to a block in units of this many bytes.
    shared_unit: u32,
}

/// CUDA C++ Programming Guide, "Technical Specifications per Compute Capability". The reserved kibibyte and the units are
/// in the CUDA Occupancy Calculator; multiprocessors in the GPUs' data sheets.
const TABLE: [GpuLimits; 10] = [
    limits(75, ("T4", 40), 32, 16, 64, 64),
    limits(80, ("A100", 108), 64, 32, 164, 163),
    limits(86, ("RTX 3090", 82), 48, 16, 100, 99),
    limits(87, ("Jetson AGX Orin", 16), 48, 16, 164, 163),
    limits(89, ("RTX 4090", 128), 48, 24, 100, 99),
    limits(90, ("H100", 132), 64, 32, 228, 227),
    limits(100, ("B200", 148), 64, 32, 228, 227),
    limits(103, ("B300", 148), 64, 32, 228, 227),
    limits(110, ("Jetson Thor", 20), 48, 24, 228, 227),
    limits(120, ("RTX 5090", 170), 48, 24, 100, 99),
];

/// A row of the table; shared memory in KiB.
const fn limits(
    capability: u32,
    (example, multiprocessors): (&'static str, u32),
    warps: u32,
    blocks: u32,
    shared_kib: u32,
    shared_per_block_kib: u32,
) -> GpuLimits {
    let is_turing = capability < 80;
    GpuLimits {
        capability,
        example,
        multiprocessors,
        warps,
        blocks,
        shared: shared_kib << 10,
        shared_per_block: shared_per_block_kib << 10,
        shared_reserved: if is_turing { 0 } else { 1 << 10 },
        shared_unit: if is_turing { 256 } else { 128 },
    }
}

impl GpuLimits {
    /// The limits of a compute capability (90 is 9.0). One that is not in the table has the limits of the next lower one
    /// that is, as 12.1 has in the guide.
    pub fn for_capability(capability: u32) -> &'static Self {
        TABLE.iter().rev().find(|limits| limits.capability <= capability).unwrap_or(&TABLE[0])
    }

    /// Blocks of `threads` threads with `registers` registers each and `shared` bytes of shared memory, static and
    /// dynamic, that are resident on one multiprocessor at once.
    pub fn occupancy(&'static self, threads: u32, registers: u32, shared: u32) -> Occupancy {
        let warps = threads.div_ceil(WARP).max(1);
        let per_warp = (registers.max(1) * WARP).next_multiple_of(REGISTER_UNIT);
        let by_registers = REGISTERS / PARTITIONS / per_warp * PARTITIONS / warps.next_multiple_of(PARTITIONS);
        let mut each = [
            (Limiter::Registers, by_registers),
            (Limiter::Shared, self.blocks_by_shared(shared)),
            (Limiter::Warps, self.warps / warps),
            (Limiter::Blocks, self.blocks),
        ];
        each.sort_by_key(|(_, blocks)| *blocks);
        let blocks = each[0].1;
        Occupancy { blocks, warps: blocks * warps, each, limits: self }
    }

    /// Blocks that are resident on the whole example GPU at once, by their threads and shared memory. Only ptxas knows how
    /// many registers a block takes. At least one block for each multiprocessor.
    pub fn resident_blocks(&self, threads: u32, shared: u32) -> usize {
        let by_warps = self.warps / threads.div_ceil(WARP).max(1);
        let blocks = self.blocks.min(by_warps).min(self.blocks_by_shared(shared)).max(1);
        (self.multiprocessors * blocks) as usize
    }

    fn blocks_by_shared(&self, shared: u32) -> u32 {
        let block = shared.saturating_add(self.shared_reserved).checked_next_multiple_of(self.shared_unit);
        // A block without shared memory is limited by something else.
        block.map_or(0, |block| self.shared.checked_div(block).unwrap_or(self.blocks))
    }
}

/// What limits the number of resident blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Limiter {
    /// The register file.
    Registers,
    /// Shared memory of a multiprocessor.
    Shared,
    /// Warps that a multiprocessor can hold.
    Warps,
    /// Blocks that a multiprocessor can hold.
    Blocks,
}

impl Limiter {
    /// The limiter's name in reports: `shared memory`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Registers => "registers",
            Self::Shared => "shared memory",
            Self::Warps => "warps",
            Self::Blocks => "blocks",
        }
    }
}

/// Occupancy: how much of a multiprocessor a launch fills.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Occupancy {
    /// Number of blocks that are resident on a multiprocessor.
    pub blocks: u32,
    /// Number of warps in these blocks.
    pub warps: u32,
    /// Number of blocks that each resource alone would let in, fewest first.
    pub each: [(Limiter, u32); 4],
    /// The limits that the computation used.
    pub limits: &'static GpuLimits,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scarcest_resource_decides() {
        // As NVIDIA's occupancy calculator has it.
        let check = |capability, threads, registers, shared| {
            let found = GpuLimits::for_capability(capability).occupancy(threads, registers, shared);
            (found.blocks, found.warps, found.each[0].0)
        };
        assert_eq!(check(80, 128, 255, 65536), (2, 8, Limiter::Registers));
        assert_eq!(check(90, 128, 168, 98304), (2, 8, Limiter::Shared));
        assert_eq!(check(80, 256, 32, 0), (8, 64, Limiter::Registers));
        assert_eq!(check(80, 1024, 16, 0), (2, 64, Limiter::Warps));
        assert_eq!(check(86, 32, 16, 0), (16, 16, Limiter::Blocks));
        assert_eq!(check(75, 128, 16, 65536), (1, 4, Limiter::Shared));
    }

    #[test]
    fn a_gpu_holds_what_its_multiprocessors_hold() {
        let h100 = GpuLimits::for_capability(90);
        assert_eq!(h100.resident_blocks(32, 0), 132 * 32);
        assert_eq!(h100.resident_blocks(1024, 0), 132 * 2);
        assert_eq!(h100.resident_blocks(128, 227 << 10), 132);
        assert_eq!(h100.resident_blocks(128, 98_304), 132 * 2);
        assert_eq!(h100.resident_blocks(128, u32::MAX), 132);
        assert_eq!(GpuLimits::for_capability(75).resident_blocks(1024, 64 << 10), 40);
        assert_eq!(GpuLimits::for_capability(75).resident_blocks(32, 0), 40 * 16);
    }

    #[test]
    fn neighbours_of_a_table_entry_have_its_limits() {
        let shared = |capability| GpuLimits::for_capability(capability).shared_per_block >> 10;
        assert_eq!([70, 75, 80, 86, 87, 89, 90].map(shared), [64, 64, 163, 99, 163, 99, 227]);
        assert_eq!([100, 103, 110, 120, 121].map(shared), [227, 227, 227, 99, 99]);
        assert!(TABLE.is_sorted_by_key(|limits| limits.capability));
    }
}
