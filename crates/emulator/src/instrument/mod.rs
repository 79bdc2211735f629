//! What watches a launch, and how the run speaks to it.
//!
//! The run and the families of instructions are generic over [`Instrument`] and name no instrument. Every hook has an
//! empty body that is always inlined, so that a plain launch ([`NoInstrument`]) is compiled as if there were none. An
//! instrument sees the state of a block and never changes it: no instrument changes a result.
//!
//! An instrument keeps data of its own: on buffers, for all blocks, in its [`Instrumentation`]; on a block and its warps
//! in itself, as each block has an instrument of its own; on an asynchronous operation under the operation's number.
//!
//! Threads that order each other are reported by four verbs, whatever the instruction is called: what a warp knows is
//! [`released`](Instrument::released) into an [`Object`] and [`acquired`](Instrument::acquired) from it; an [`Operation`]
//! is [`issued`](Instrument::issued), and it has [`landed`](Instrument::landed). A family reports a wrong use of its
//! objects as a fact, [`misused`](Instrument::misused).

pub(crate) mod all;
pub(crate) mod banks;
pub(crate) mod counters;
pub(crate) mod differ;
pub(crate) mod instructions;
pub mod observe;
pub(crate) mod origins;
pub(crate) mod record;
pub(crate) mod sanitizer;
pub(crate) mod steps;
#[cfg(test)]
mod tests;
pub(crate) mod timeline;
pub(crate) mod watch;
pub(crate) mod writers;

use std::collections::VecDeque;

use crate::program::{AddressOperand, Data, Long, MemorySpace, Op, Slot, TensorAccess, Word};
use crate::state::access::{Area, Issuer};
use crate::state::address::{named_block, resolve_generic};
use crate::state::block_memory::BlockMemory;
use crate::state::environment::Environment;
use crate::state::memory::GlobalMemory;
use crate::state::pending::PendingLoad;
use crate::state::shape::BlockShape;
use crate::state::tensor_memory::{Cells, TensorUse};
use crate::state::transfer::GlobalSide;
use crate::state::warp::{Warp, lanes_of};

/// The instruments of a launch: they begin with each block, and hand in what they have found when it ends.
pub(crate) trait Instrumentation: Sync {
    /// What watches one block.
    type Block: Instrument;

    /// A block begins.
    fn begin(&self, environment: &Environment<'_>, shape: &BlockShape) -> Self::Block;

    /// A block has ended, well or by a fault (`failed`).
    fn end(&self, block: Self::Block, failed: bool);
}

/// What watches one block.
pub(crate) trait Instrument: Send {
    /// True if the instrument compares accesses: then the run reports each lane's own, and does not treat the lanes of a
    /// warp as one. Hooks that say so are called only then.
    #[inline(always)]
    fn wants_accesses(&self) -> bool {
        false
    }

    /// True if every warp executes one instruction at a time, in turn.
    #[inline(always)]
    fn in_lockstep(&self) -> bool {
        false
    }

    /// True if no other block is of interest when this one has ended.
    #[inline(always)]
    fn ends_launch(&self) -> bool {
        false
    }

    /// A warp is about to execute an operation. Called for every operation, also where no lane takes part.
    #[inline(always)]
    fn executing(&mut self, _at: &Execution<'_>, _op: &Op) {}

    /// A lane reads. Called where accesses are wanted; not for bytes that are a thread's own.
    #[inline(always)]
    fn read(&mut self, _issuer: Issuer, _area: Area) {}

    /// A lane is about to write; `same` is true if the bytes hold the value already. Called as [`Self::read`] is.
    #[inline(always)]
    fn written(&mut self, _issuer: Issuer, _area: Area, _same: bool) {}

    /// A lane is about to read and change in one step. Called as [`Self::read`] is.
    #[inline(always)]
    fn changed(&mut self, _issuer: Issuer, _area: Area) {}

    /// Another block of the cluster has written shared memory, by its instruction at `pc`.
    #[inline(always)]
    fn written_by_peer(&mut self, _pc: u32, _area: Area) {}

    /// The tensor core of the pair's other block is about to write cells.
    #[inline(always)]
    fn tensor_written_by_peer(&mut self, _cells: &[Cells]) {}

    /// What a warp knows goes into an object.
    #[inline(always)]
    fn released(&mut self, _warp: u32, _object: Object) {}

    /// A warp learns what went into an object: for barriers, what went in before the last phase was completed.
    #[inline(always)]
    fn acquired(&mut self, _warp: u32, _object: Object) {}

    /// A phase of a barrier is complete.
    #[inline(always)]
    fn completed(&mut self, _object: Object) {}

    /// An object in shared memory begins anew, or is given up.
    #[inline(always)]
    fn initialised(&mut self, _issuer: Issuer, _object: Object) {}

    /// A warp arrives at the mbarrier at an offset in this block's shared memory. The warp may be another block's.
    #[inline(always)]
    fn arrives(&mut self, _issuer: Issuer, _mbarrier: u64) {}

    /// A warp tests the phase of this parity of the mbarrier at an offset in shared memory.
    #[inline(always)]
    fn awaits(&mut self, _issuer: Issuer, _mbarrier: u64, _parity: bool) {}

    /// A warp has tested whether a phase has ended.
    #[inline(always)]
    fn tested(&mut self, _issuer: Issuer, _ended: bool) {}

    /// An asynchronous operation begins: what it touches is its own until it has landed.
    #[inline(always)]
    fn issued(&mut self, _issuer: Issuer, _operation: &Operation<'_>) {}

    /// An asynchronous operation reads memory; true if some of the bytes hold a value that nothing has written.
    #[inline(always)]
    fn operation_reads(&mut self, _issuer: Issuer, _number: u64, _area: Area) -> bool {
        false
    }

    /// An asynchronous operation has written global memory.
    #[inline(always)]
    fn operation_wrote(&mut self, _area: Area) {}

    /// A bulk store is about to write bytes of global memory behind a row of its tensor; `row` are the bytes of the row that it
    /// has stored. `same` is true if the bytes hold the values already.
    #[inline(always)]
    fn operation_writes_edge(&mut self, _issuer: Issuer, _row: Area, _area: Area, _same: bool) {}

    /// An asynchronous operation takes bytes of shared memory to global memory.
    #[inline(always)]
    fn operation_stores(&mut self, _issuer: Issuer, _from: Area, _to: Area) {}

    /// A bulk tensor copy reads its tensor map in global memory.
    #[inline(always)]
    fn tensor_map_read(&mut self, _issuer: Issuer, _area: Area) {}

    /// Eight columns of a `wgmma` are about to be written to registers.
    #[inline(always)]
    fn multiplied(&mut self, _issuer: Issuer, _product: &Product<'_>) {}

    /// An asynchronous operation has been carried out.
    #[inline(always)]
    fn landed(&mut self, _issuer: Issuer, _operation: &Operation<'_>) {}

    /// An object of synchronisation or an operation was not used as it has to be.
    #[inline(always)]
    fn misused(&mut self, _issuer: Issuer, _misuse: Misuse) {}

    /// Every warp of the block had its turn; `loads` are the bulk loads under way.
    #[inline(always)]
    fn round(&mut self, _warps: &[Warp], _loads: &VecDeque<PendingLoad>) {}
}

/// No instrument: a plain launch.
pub(crate) struct NoInstrument;

impl Instrument for NoInstrument {}

impl Instrumentation for NoInstrument {
    type Block = Self;

    fn begin(&self, _: &Environment<'_>, _: &BlockShape) -> Self {
        Self
    }

    fn end(&self, _: Self, _: bool) {}
}

/// What warps order each other through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Object {
    /// The lanes of the warp (`bar.warp.sync`).
    Warp,
    /// A barrier of the block, by its number.
    Barrier(u32),
    /// A phase of the cluster's barrier.
    ClusterBarrier(u64),
    /// The mbarrier at an offset in the block's shared memory.
    Mbarrier(u64),
    /// The asynchronous proxy (`fence.proxy.async`).
    AsyncProxy,
    /// The tensormap proxy (`fence.proxy.tensormap::generic.release`).
    TensorMapProxy,
    /// The tensor map at a global address (`fence.proxy.tensormap::generic.acquire`).
    TensorMap(u64),
    /// Tensor memory (`tcgen05.fence`).
    TensorMemory,
    /// The warp's own loads of tensor memory (`tcgen05.wait::ld`).
    TensorLoads,
    /// The warp's own stores to tensor memory (`tcgen05.wait::st`).
    TensorStores,
    /// The registers that a `wgmma` takes (`wgmma.fence`).
    WgmmaRegisters,
}

/// Bytes of an mbarrier.
pub(crate) const MBARRIER_BYTES: u32 = 8;

/// An operation that goes on while its warp does. Those that read later have a number, from 1, which is their own in the
/// block.
pub(crate) enum Operation<'a> {
    /// `cp.async` of a lane: the shared memory that it writes.
    Copy(Area),
    /// A bulk load is issued by this block, or a bulk store, between shared memory from `shared` on and `side`.
    Bulk { number: u64, load: bool, side: &'a GlobalSide, shared: u64, memory: &'a GlobalMemory },
    /// A bulk load brings bytes to this block's shared memory, and signals the mbarrier; `None` where it is
    /// another block's. `from_peer` is true if another block has issued it.
    Incoming { area: Area, mbarrier: Option<u64>, from_peer: bool },
    /// `wgmma`; A where it lies in registers.
    Wgmma { number: u64, a: Option<&'a [Data]> },
    /// `tcgen05.ld`
    TensorLoad { access: &'a TensorAccess, address: u32 },
    /// `tcgen05.st`
    TensorStore { access: &'a TensorAccess, address: u32 },
    /// `tcgen05.mma`, `.cp` or `.commit`, and what it touches in tensor memory.
    TensorCore { number: u64, touched: &'a [(TensorUse, Vec<Cells>)] },
    /// `tcgen05.commit` signals an mbarrier of this block.
    Commit { number: u64, mbarrier: u64 },
    /// An operation with this number has read all that it reads.
    Numbered(u64),
    /// `tcgen05.alloc` of columns: the first, and how many.
    TensorAllocation { first: u32, columns: u32 },
    /// `tcgen05.dealloc` of columns: the first, and how many.
    TensorRelease { first: u32, columns: u32 },
}

/// Eight columns of a `wgmma` that is carried out.
pub(crate) struct Product<'a> {
    /// Number of the operation among those of the block.
    pub number: u64,
    /// Registers of D.
    pub d: &'a [Data],
    /// Registers of C, where it is added.
    pub c: &'a [Data],
    /// Rows of A with an undefined value, a bit for each: of the lower eight, and of the upper eight.
    pub rows: [u32; 2],
    /// Columns of B with an undefined value, a bit for each.
    pub columns: u32,
}

/// A wrong use of an object or an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Misuse {
    /// An arrival at a barrier of the block.
    Barrier(BarrierMisuse),
    /// An mbarrier is initialised where one is in the middle of a phase, at an offset in shared memory.
    MbarrierInUse(u64),
    /// Lanes of a warp come to an instruction that wants others of the warp too, and these do not come to it.
    PartOfWarp,
    /// The thread, or the block, ends before the operation was waited for.
    Unwaited,
    /// A register is used that the `wgmma` at this place in the program is still at work on. The run has put in the wait, as
    /// ptxas does.
    WgmmaUnwaited(u32),
}

/// What is wrong with an arrival at a barrier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum BarrierMisuse {
    /// There are 16 barriers; this is not the number of one.
    Number(u32),
    /// This number of threads is no multiple of a warp.
    NoWarps(u32),
    /// More threads than the block has.
    TooMany {
        /// Threads that are to come.
        threads: u32,
        /// Threads of the block.
        block: u32,
    },
    /// Threads that are there already wait for another number of threads.
    Disagree {
        /// Threads that this arrival waits for.
        threads: u32,
        /// Threads that the earlier arrivals wait for.
        earlier: u32,
    },
}

/// An operation that a warp is about to execute, and the block as it is before.
pub(crate) struct Execution<'a> {
    /// What all blocks share.
    pub environment: &'a Environment<'a>,
    /// The block's memory.
    pub memory: &'a BlockMemory,
    /// The warp that is about to execute the operation.
    pub warp: &'a Warp,
    /// The operation's place in the program.
    pub pc: u32,
    /// Lanes that come to the operation.
    pub present: u32,
    /// Lanes that its guard lets take part.
    pub active: u32,
}

impl<'a> Execution<'a> {
    /// What a register of 32 bits holds.
    pub fn word(&self, slot: Slot) -> &'a Word {
        &self.warp.words[slot as usize]
    }

    /// The address of each lane.
    pub fn addresses(&self, operand: &AddressOperand) -> Long {
        self.warp.addresses(operand)
    }

    /// A lane, for reports.
    pub fn issuer(&self, lane: usize) -> Issuer {
        Issuer { warp: self.warp.index, lane: lane as u32, pc: self.pc }
    }

    /// The first lane that takes part, for reports.
    pub fn first_issuer(&self) -> Issuer {
        self.issuer(self.active.trailing_zeros() as usize & 31)
    }

    /// Where the active lanes' addresses lead: addresses in their space, lanes in global memory, and lanes in the block's
    /// own shared memory.
    pub fn resolved(&self, space: MemorySpace, address: &AddressOperand) -> (Long, u32, u32) {
        let mut addresses = self.addresses(address);
        let (mut global, mut shared) = match space {
            MemorySpace::Global => (self.active, 0),
            MemorySpace::Shared => (0, self.active),
            _ => (0, 0),
        };
        if matches!(space, MemorySpace::Generic | MemorySpace::Cluster) {
            for lane in lanes_of(self.active) {
                // Another block's memory is reached by another way.
                if named_block(space, addresses[lane]) != 0 {
                    continue;
                }
                let (space, resolved) = match space {
                    MemorySpace::Generic => resolve_generic(addresses[lane]),
                    _ => (MemorySpace::Shared, addresses[lane]),
                };
                addresses[lane] = resolved;
                match space {
                    MemorySpace::Global => global |= 1 << lane,
                    MemorySpace::Shared => shared |= 1 << lane,
                    _ => {}
                }
            }
        }
        (addresses, global, shared)
    }
}
