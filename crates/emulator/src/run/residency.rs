//! How many blocks a GPU runs at once: further ones wait for a place, so that blocks that wait for each other have to
//! fit. CUDA Programming Guide, "Compute Capabilities"; the number of multiprocessors is that of one GPU of the
//! architecture.

/// A GPU, and what one of its multiprocessors holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Gpu {
    pub name: &'static str,
    multiprocessors: u32,
    blocks: u32,
    threads: u32,
    shared_kibibytes: u32,
}

impl Gpu {
    /// The GPU that is emulated for a compute capability.
    pub fn of(capability: u32) -> Self {
        let (name, multiprocessors, blocks, threads, shared_kibibytes) = match capability {
            ..80 => ("T4", 40, 16, 1024, 64),
            80..86 => ("A100", 108, 32, 2048, 164),
            86..89 => ("RTX 3090", 82, 16, 1536, 100),
            89 => ("RTX 4090", 128, 24, 1536, 100),
            90..100 => ("H100", 132, 32, 2048, 228),
            100..120 => ("B200", 148, 32, 2048, 228),
            _ => ("RTX 5090", 170, 24, 1536, 100),
        };
        Self { name, multiprocessors, blocks, threads, shared_kibibytes }
    }

    /// Blocks that run at once, by their threads and shared memory; how many registers a block takes is known to ptxas
    /// only.
    pub fn resident(&self, threads: u32, shared: u32) -> usize {
        let by_threads = self.threads / threads.max(1).next_multiple_of(32);
        // From Ampere on, each block's shared memory has a kibibyte of the system's.
        let reserved = if self.threads == 1024 { 0 } else { 1 << 10 };
        let by_shared = (self.shared_kibibytes << 10).checked_div(shared + reserved).unwrap_or(u32::MAX);
        (self.multiprocessors * self.blocks.min(by_threads).min(by_shared).max(1)) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_shared_memory_and_a_limit_of_their_own_bound_the_blocks() {
        let h100 = Gpu::of(90);
        assert_eq!(h100.resident(32, 0), 132 * 32);
        assert_eq!(h100.resident(1024, 0), 132 * 2);
        assert_eq!(h100.resident(128, 227 << 10), 132);
        assert_eq!(h100.resident(128, 98_304), 132 * 2);
        assert_eq!(Gpu::of(75).resident(1024, 64 << 10), 40);
    }
}
