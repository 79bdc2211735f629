//! How many blocks of a kernel fit on a multiprocessor, and what keeps more from fitting.

use super::Target;

/// What a multiprocessor has. CUDA C++ Programming Guide, "Technical Specifications per Compute Capability".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Resident warps.
    pub warps: u32,
    /// Resident blocks.
    pub blocks: u32,
    /// Bytes of shared memory.
    pub shared: u32,
    /// Bytes of shared memory that one block may have.
    pub shared_per_block: u32,
    /// Bytes of shared memory that the system takes of each block.
    pub shared_reserved: u32,
}

/// 32-bit registers of a multiprocessor.
const REGISTERS: u32 = 65_536;
/// Registers are given to a warp in units of this many.
const REGISTER_UNIT: u32 = 256;
/// Parts of a multiprocessor, each with its own registers.
const PARTITIONS: u32 = 4;

impl Limits {
    /// Those of an architecture.
    pub fn of(target: Target) -> Self {
        let kib = |n: u32| n * 1024;
        let (warps, blocks, shared, shared_per_block, reserved) = match target.0 {
            75 => (32, 16, 64, 64, 0),
            80 => (64, 32, 164, 163, 1),
            86 => (48, 16, 100, 99, 1),
            89 | 120 => (48, 24, 100, 99, 1),
            _ => (64, 32, 228, 227, 1),
        };
        Self {
            warps,
            blocks,
            shared: kib(shared),
            shared_per_block: kib(shared_per_block),
            shared_reserved: kib(reserved),
        }
    }
}

/// What limits the number of blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limiter {
    /// Registers.
    Registers,
    /// Shared memory.
    Shared,
    /// Resident warps.
    Warps,
    /// Resident blocks.
    Blocks,
}

impl Limiter {
    /// As it is read.
    pub fn name(self) -> &'static str {
        match self {
            Self::Registers => "registers",
            Self::Shared => "shared memory",
            Self::Warps => "warps",
            Self::Blocks => "blocks",
        }
    }
}

/// How full a multiprocessor is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Occupancy {
    /// Blocks that fit.
    pub blocks: u32,
    /// Their warps.
    pub warps: u32,
    /// Blocks that each resource alone would let in, fewest first.
    pub each: [(Limiter, u32); 4],
    /// What the multiprocessor has.
    pub limits: Limits,
}

/// Blocks of `threads` threads with `registers` registers each and `shared` bytes of shared memory, dynamic and static.
pub fn occupancy(target: Target, threads: u32, registers: u32, shared: u32) -> Occupancy {
    let limits = Limits::of(target);
    let warps = threads.div_ceil(32).max(1);
    let per_warp = (registers.max(1) * 32).next_multiple_of(REGISTER_UNIT);
    let by_registers = REGISTERS / PARTITIONS / per_warp * PARTITIONS / warps.next_multiple_of(PARTITIONS);
    let unit = if target.0 < 80 { 256 } else { 128 };
    let shared = (shared + limits.shared_reserved).next_multiple_of(unit);
    let by_shared = limits.shared.checked_div(shared).unwrap_or(limits.blocks);
    let mut each = [
        (Limiter::Registers, by_registers),
        (Limiter::Shared, by_shared),
        (Limiter::Warps, limits.warps / warps),
        (Limiter::Blocks, limits.blocks),
    ];
    each.sort_by_key(|(_, blocks)| *blocks);
    let blocks = each[0].1;
    Occupancy { blocks, warps: blocks * warps, each, limits }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scarcest_resource_decides() {
        // As NVIDIA's occupancy calculator has it.
        let of = |target, threads, registers, shared| {
            let found = occupancy(Target(target), threads, registers, shared);
            (found.blocks, found.warps, found.each[0].0)
        };
        assert_eq!(of(80, 128, 255, 65536), (2, 8, Limiter::Registers));
        assert_eq!(of(90, 128, 168, 98304), (2, 8, Limiter::Shared));
        assert_eq!(of(80, 256, 32, 0), (8, 64, Limiter::Registers));
        assert_eq!(of(80, 1024, 16, 0), (2, 64, Limiter::Warps));
        assert_eq!(of(86, 32, 16, 0), (16, 16, Limiter::Blocks));
        assert_eq!(of(75, 128, 16, 65536), (1, 4, Limiter::Shared));
    }
}
