//! The geometry of a launch.

use crate::program::{Program, Special};

/// The geometry of a launch, as one block sees it.
#[derive(Clone, Debug)]
pub(crate) struct BlockShape {
    /// Extents of the grid, in blocks.
    pub grid: [u32; 3],
    /// Extents of the block, in threads.
    pub block: [u32; 3],
    /// Place of the block in the grid: `%ctaid`.
    pub index: [u32; 3],
    /// Number of the block in the grid.
    pub linear_index: u64,
    /// Bytes of dynamic shared memory.
    pub dynamic_shared: u32,
    /// Extents of its cluster, in blocks.
    pub cluster: [u32; 3],
    /// Its rank in the cluster.
    pub rank: u32,
}

impl BlockShape {
    /// Bytes of shared memory, static and dynamic.
    pub fn shared_bytes(&self, program: &Program) -> usize {
        let dynamic = program.dynamic_shared_offset as usize + self.dynamic_shared as usize;
        dynamic.max(program.static_shared as usize)
    }

    /// Warps of the block.
    pub fn warps(&self) -> usize {
        self.threads().div_ceil(32) as usize
    }

    /// Threads of the block.
    pub fn threads(&self) -> u32 {
        self.block.iter().product()
    }

    /// `%tid` of a lane.
    pub fn thread(&self, warp: u32, lane: u32) -> [u32; 3] {
        let linear = warp * 32 + lane;
        let [x, y, _] = self.block.map(|extent| extent.max(1));
        [linear % x, linear / x % y, linear / (x * y)]
    }

    /// The value of a special register.
    pub fn special(&self, special: Special, warp: u32, lane: u32) -> u32 {
        let thread = self.thread(warp, lane);
        match special {
            Special::TidX => thread[0],
            Special::TidY => thread[1],
            Special::TidZ => thread[2],
            Special::NtidX => self.block[0],
            Special::NtidY => self.block[1],
            Special::NtidZ => self.block[2],
            Special::CtaidX => self.index[0],
            Special::CtaidY => self.index[1],
            Special::CtaidZ => self.index[2],
            Special::NctaidX => self.grid[0],
            Special::NctaidY => self.grid[1],
            Special::NctaidZ => self.grid[2],
            Special::ClusterIdX => self.index[0] / self.cluster[0],
            Special::ClusterIdY => self.index[1] / self.cluster[1],
            Special::ClusterIdZ => self.index[2] / self.cluster[2],
            Special::NumClustersX => self.grid[0] / self.cluster[0],
            Special::NumClustersY => self.grid[1] / self.cluster[1],
            Special::NumClustersZ => self.grid[2] / self.cluster[2],
            Special::ClusterCtaidX => self.index[0] % self.cluster[0],
            Special::ClusterCtaidY => self.index[1] % self.cluster[1],
            Special::ClusterCtaidZ => self.index[2] % self.cluster[2],
            Special::ClusterNctaidX => self.cluster[0],
            Special::ClusterNctaidY => self.cluster[1],
            Special::ClusterNctaidZ => self.cluster[2],
            Special::ClusterRank => self.rank,
            Special::ClusterSize => self.cluster.iter().product(),
            Special::LaneId => lane,
            Special::WarpId => warp,
            Special::NumWarps => self.threads().div_ceil(32),
            Special::LaneMaskEq => 1 << lane,
            Special::LaneMaskLt => (1 << lane) - 1,
            Special::LaneMaskLe => u32::MAX >> (31 - lane),
            Special::LaneMaskGt => !(u32::MAX >> (31 - lane)),
            Special::LaneMaskGe => !((1 << lane) - 1),
            // Every block has a multiprocessor of its own.
            Special::SmId => self.linear_index as u32,
            Special::NumSms => self.grid.iter().product(),
            Special::DynamicSharedSize => self.dynamic_shared,
            Special::HasClusters => u32::from(self.cluster.iter().any(|&extent| extent > 1)),
        }
    }
}

/// The extents of a launch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Geometry {
    /// Blocks of the grid, along each axis.
    pub grid: [u32; 3],
    /// Threads of a block, along each axis.
    pub block: [u32; 3],
    /// Blocks of a cluster, along each axis.
    pub cluster: [u32; 3],
    /// Bytes of dynamic shared memory of each block.
    pub dynamic_shared: u32,
}

impl Geometry {
    /// Blocks of a cluster.
    pub fn ranks(&self) -> u32 {
        self.cluster.iter().map(|extent| extent.max(&1)).product()
    }

    /// Clusters of the grid.
    pub fn clusters(&self) -> u64 {
        let clusters = self.grid.iter().zip(self.cluster).map(|(&blocks, each)| u64::from(blocks / each.max(1)));
        clusters.product()
    }

    /// The number of a block's cluster; `None` for a block outside of the grid.
    pub fn cluster_of(&self, block: [u32; 3]) -> Option<u64> {
        if block.iter().zip(self.grid).any(|(&index, extent)| index >= extent) {
            return None;
        }
        let each = self.cluster.map(|extent| extent.max(1));
        let [x, y, z]: [u64; 3] = std::array::from_fn(|axis| u64::from(block[axis] / each[axis]));
        let [width, height, _]: [u64; 3] = std::array::from_fn(|axis| u64::from(self.grid[axis] / each[axis]));
        Some(x + width * (y + height * z))
    }

    /// The shape of the block with a rank in the cluster of a number.
    pub fn block_shape(&self, cluster: u64, rank: u32) -> BlockShape {
        let each = self.cluster.map(|extent| extent.max(1));
        let [x, y, _]: [u64; 3] = std::array::from_fn(|axis| u64::from(self.grid[axis].max(1) / each[axis]).max(1));
        let first = [(cluster % x) as u32, (cluster / x % y) as u32, (cluster / (x * y)) as u32];
        let within = [rank % each[0], rank / each[0] % each[1], rank / (each[0] * each[1])];
        let index: [u32; 3] = std::array::from_fn(|axis| first[axis] * each[axis] + within[axis]);
        let [x, y, _] = self.grid.map(|extent| u64::from(extent.max(1)));
        BlockShape {
            grid: self.grid,
            block: self.block,
            index,
            linear_index: u64::from(index[0]) + x * (u64::from(index[1]) + y * u64::from(index[2])),
            dynamic_shared: self.dynamic_shared,
            cluster: each,
            rank,
        }
    }
}
