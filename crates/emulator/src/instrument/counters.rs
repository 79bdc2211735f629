//! Counters of a launch: how often each instruction was executed, and what its accesses ask of the memory system.
//!
//! Method. Before an instruction is executed, its lanes and addresses are looked at; nothing is timed. The counts depend on
//! the program and its data only: they are the same from run to run.
//!
//! Sources. The counters are those of Nsight Compute that follow from addresses alone; [`super::banks`] says how sectors and
//! wavefronts are counted.
//!
//! Deviations. There are no caches: sectors are counted for each request, also if the next one asks for the same bytes. The
//! work of a tensor core is counted where it is issued.
//!
//! What it misses. Accesses of local memory, of parameters and of another block's shared memory. A bulk copy counts for the
//! buffer that it, or its tensor, begins in.
//!
//! False alarms. None: it judges nothing.
//!
//! Cost. The matmul of the benchmark takes about a sixth longer. Blocks run on all cores, but for those that can wait for each
//! other where the same counts from run to run are wanted.

use std::collections::BTreeMap;
use std::sync::Mutex;

use super::banks::{self, Wavefronts};
use super::instructions::{Instructions, Line};
use super::{Execution, Instrument, Instrumentation, Operation};
use crate::lock::locked;
use crate::program::{AddressOperand, Long, MemorySpace, Op, Program, Slot};
use crate::state::access::Issuer;
use crate::state::environment::Environment;
use crate::state::memory::{Allocation, GlobalMemory};
use crate::state::shape::BlockShape;
use crate::state::warp::lanes_of;
use warpbook_ptx::isa::Class;

/// What one instruction did, over all warps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Times that a warp executed the instruction.
    pub executed: u64,
    /// Times that its guard let at least one lane of the warp take part.
    pub effective: u64,
    /// Lanes that came to the instruction, over all executions.
    pub lanes: u64,
    /// Lanes that took part: they came, and were not predicated off.
    pub lanes_on: u64,
    /// Branches that some lanes took and some did not.
    pub divergent: u64,
    /// Loads, stores and atomics of global memory, `cp.async` included.
    pub global: Global,
    /// Of shared memory: loads, stores, atomics, `ldmatrix`, `stmatrix`, and what `cp.async` writes.
    pub shared: Shared,
    /// Bytes of shared memory that bulk copies (TMA) move.
    pub bulk_bytes: u64,
    /// Tests of a phase of an mbarrier.
    pub tests: u64,
    /// Tests that found the phase not ended.
    pub failed_tests: u64,
    /// Operations of the tensor cores: a multiply and an add are two.
    pub tensor_operations: u64,
}

/// Accesses of global memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Global {
    /// Number of accesses, counted once for each warp.
    pub requests: u64,
    /// 32-byte sectors touched, counted for each request.
    pub sectors: u64,
    /// Sectors that the same bytes would fill if they lay side by side.
    pub least_sectors: u64,
    /// Bytes that the lanes asked for.
    pub bytes: u64,
}

/// Accesses of shared memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shared {
    /// Number of accesses, counted once for each warp.
    pub requests: u64,
    /// Passes through the 32 banks.
    pub wavefronts: u64,
    /// Number of wavefronts without bank conflicts.
    pub least_wavefronts: u64,
    /// Bytes that the lanes asked for.
    pub bytes: u64,
    /// The access with the most conflicts.
    pub worst: Worst,
}

/// The access with the most words in one bank.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Worst {
    /// Number of words that lanes want of one bank at once; 1 for no conflict.
    pub ways: u32,
    /// Number of the bank, from 0 to 31.
    pub bank: u32,
    /// The lanes that want those words, a bit for each.
    pub lanes: u32,
    /// Shared addresses of the first two of the words.
    pub words: [u64; 2],
    /// The warp's number in its block.
    pub warp: u32,
    /// The block of the warp, as `%ctaid`.
    pub block: [u32; 3],
}

/// Blocks are launched along x first.
fn in_order([x, y, z]: [u32; 3]) -> [u32; 3] {
    [z, y, x]
}

impl Worst {
    /// The worse of two; of equal ones, that of the first block.
    fn or(self, other: Self) -> Self {
        let earlier = in_order(other.block) < in_order(self.block);
        let worse = other.ways > self.ways || (other.ways == self.ways && earlier);
        if worse { other } else { self }
    }
}

impl Shared {
    /// Wavefronts that bank conflicts cost.
    pub fn conflicts(&self) -> u64 {
        self.wavefronts - self.least_wavefronts
    }
}

/// What moved between a buffer and the program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Name of the buffer.
    pub buffer: String,
    /// Bytes that lanes asked to load, `cp.async` included.
    pub loaded: u64,
    /// Bytes that lanes stored.
    pub stored: u64,
    /// Bytes of atomics.
    pub atomic: u64,
    /// Bytes that bulk copies (TMA) loaded.
    pub bulk_loaded: u64,
    /// Bytes that bulk copies (TMA) stored.
    pub bulk_stored: u64,
    /// Requests and sectors of loads, stores and atomics.
    pub global: Global,
}

/// An instruction and what it did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted {
    /// Where it stands, in the PTX and in the source.
    pub line: Line,
    /// What kind of work it is.
    pub class: Class,
    /// How often it was executed, and what its accesses asked of memory.
    pub counts: Counts,
    /// Floating-point operations of ordinary arithmetic, and the class that they belong to.
    pub operations: u64,
}

/// Counters of a launch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Number of blocks that ran.
    pub blocks: u64,
    /// Number of warps that ran.
    pub warps: u64,
    /// Each instruction of the PTX, in its order; those never executed too.
    pub instructions: Vec<Counted>,
    /// Each buffer that was touched.
    pub buffers: Vec<Traffic>,
}

impl Counters {
    /// The sum over all instructions of a class, or over all.
    pub fn total(&self, of: impl Fn(&Counted) -> bool) -> Counts {
        let mut total = Counts::default();
        self.instructions.iter().filter(|counted| of(counted)).for_each(|counted| total.add(&counted.counts));
        total
    }
}

impl Global {
    fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.sectors += other.sectors;
        self.least_sectors += other.least_sectors;
        self.bytes += other.bytes;
    }
}

impl Counts {
    /// Adds another instruction's.
    pub fn add(&mut self, other: &Self) {
        self.executed += other.executed;
        self.effective += other.effective;
        self.lanes += other.lanes;
        self.lanes_on += other.lanes_on;
        self.divergent += other.divergent;
        self.global.add(&other.global);
        self.shared.requests += other.shared.requests;
        self.shared.wavefronts += other.shared.wavefronts;
        self.shared.least_wavefronts += other.shared.least_wavefronts;
        self.shared.bytes += other.shared.bytes;
        self.shared.worst = self.shared.worst.or(other.shared.worst);
        self.bulk_bytes += other.bulk_bytes;
        self.tests += other.tests;
        self.failed_tests += other.failed_tests;
        self.tensor_operations += other.tensor_operations;
    }
}

/// What kind of access it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Load,
    Store,
    Atomic,
}

impl Way {
    /// The verb of a report: what the instruction does to the bytes.
    pub fn name(self) -> &'static str {
        match self {
            Self::Load => "reads",
            Self::Store => "writes",
            Self::Atomic => "updates",
        }
    }
}

/// The counters of a launch that nothing else watches: its hooks are compiled into the run, without a choice between
/// instruments at each instruction.
#[derive(Debug, Default)]
pub(crate) struct CountedBlocks {
    /// Counters that no block has now: of blocks that have ended, for the next ones to go on with.
    idle: Mutex<Vec<Counting>>,
}

impl CountedBlocks {
    /// Counters for a block that begins.
    pub fn count(&self, program: &Program, shape: &BlockShape) -> Counting {
        let idle = locked(&self.idle).pop();
        let mut counting = idle.unwrap_or_else(|| Counting::new(program));
        counting.begin(shape);
        counting
    }

    /// Takes back the counters of a block that has ended well.
    pub fn keep(&self, counting: Counting) {
        locked(&self.idle).push(counting);
    }

    /// The counters of all blocks; `None` if none has ended well.
    pub fn take(&self) -> Option<Counting> {
        std::mem::take(&mut *locked(&self.idle)).into_iter().reduce(|mut own, other| {
            own.join(other);
            own
        })
    }
}

impl Instrumentation for CountedBlocks {
    type Block = Counting;

    fn begin(&self, environment: &Environment<'_>, shape: &BlockShape) -> Counting {
        self.count(environment.program, shape)
    }

    // What was counted of a block that has failed is not the whole.
    fn end(&self, block: Counting, failed: bool) {
        if !failed {
            self.keep(block);
        }
    }
}

/// The counters of one block after the other.
#[derive(Debug, Default)]
pub struct Counting {
    /// The block that runs now.
    block: [u32; 3],
    blocks: u64,
    warps: u64,
    /// The counts of each operation, by its index in the program.
    counts: Vec<Counts>,
    /// By the number of the allocation.
    traffic: BTreeMap<usize, Traffic>,
    /// The allocation of the access before.
    recent: usize,
}

impl Instrument for Counting {
    fn executing(&mut self, at: &Execution<'_>, op: &Op) {
        self.before(at, op, at.present);
    }

    fn tested(&mut self, issuer: Issuer, ended: bool) {
        if let Some(counts) = self.at(issuer.pc) {
            counts.tests += 1;
            counts.failed_tests += u64::from(!ended);
        }
    }

    fn issued(&mut self, issuer: Issuer, operation: &Operation<'_>) {
        if let Operation::Bulk { load, side, memory, .. } = operation
            && let Some(address) = side.address()
        {
            self.bulk(memory, issuer.pc, *load, side.shared_bytes() as u64, address);
        }
    }
}

impl Counting {
    /// Counters at zero, before the first block.
    pub(crate) fn new(program: &Program) -> Self {
        Self { counts: vec![Counts::default(); program.code.len()], ..Self::default() }
    }

    /// A block begins.
    pub(crate) fn begin(&mut self, shape: &BlockShape) {
        self.block = shape.index;
        self.blocks += 1;
        self.warps += u64::from(shape.threads().div_ceil(32));
    }

    /// Adds those of other blocks.
    pub fn join(&mut self, other: Self) {
        self.blocks += other.blocks;
        self.warps += other.warps;
        self.counts.iter_mut().zip(&other.counts).for_each(|(own, other)| own.add(other));
        for (allocation, theirs) in other.traffic {
            let own = self.traffic.entry(allocation).or_default();
            own.buffer = theirs.buffer;
            own.loaded += theirs.loaded;
            own.stored += theirs.stored;
            own.atomic += theirs.atomic;
            own.bulk_loaded += theirs.bulk_loaded;
            own.bulk_stored += theirs.bulk_stored;
            own.global.add(&theirs.global);
        }
    }

    fn at(&mut self, pc: u32) -> Option<&mut Counts> {
        self.counts.get_mut(pc as usize)
    }

    /// An instruction is about to be executed: `mask` lanes are there, those of the step take part.
    fn before(&mut self, at: &Execution<'_>, op: &Op, mask: u32) {
        let active = at.active;
        let Some(counts) = self.at(at.pc) else { return };
        counts.executed += 1;
        counts.effective += u64::from(active != 0);
        counts.lanes += u64::from(mask.count_ones());
        counts.lanes_on += u64::from(active.count_ones());
        match op {
            Op::Branch { .. } => counts.divergent += u64::from(active != 0 && active != mask),
            _ if active == 0 => {}
            Op::Load { space, size, d, address, .. } => {
                self.access(at, Way::Load, *space, address, size * d.len() as u32);
            }
            Op::Store { space, size, a, address } => {
                self.access(at, Way::Store, *space, address, size * a.len() as u32);
            }
            Op::Atomic { space, ty, a, address, .. } => {
                self.access(at, Way::Atomic, *space, address, ty.size() * a.len() as u32);
            }
            Op::LoadMatrix { count, address, .. } => self.matrices(at, *count, address),
            Op::StoreMatrix { a, address, .. } => self.matrices(at, a.len() as u32, address),
            Op::CopyAsync { size, shared, global, source_size, ignore } => {
                self.copy_async(at, *size, [shared, global], *source_size, *ignore);
            }
            Op::Mma { mma, .. } => counts.tensor_operations += 2 * (mma.m * 8 * mma.k) as u64,
            Op::SmallMma(mma) => counts.tensor_operations += 2 * (16 * 8 * mma.k) as u64,
            // m8n8k4
            Op::MmaF64 { .. } => counts.tensor_operations += 2 * 8 * 8 * 4,
            // This warp's 16 of the 64 rows.
            Op::Wgmma(wgmma) => counts.tensor_operations += 2 * (16 * wgmma.n * wgmma.step.k) as u64,
            Op::TensorMma(mma) => {
                let descriptions = at.word(mma.description);
                counts.tensor_operations +=
                    lanes_of(active).map(|lane| mma.operations(descriptions[lane])).sum::<u64>();
            }
            _ => {}
        }
    }

    /// A bulk copy was issued: bytes of shared memory, and the buffer's address.
    fn bulk(&mut self, memory: &GlobalMemory, pc: u32, load: bool, bytes: u64, address: u64) {
        if let Some(counts) = self.at(pc) {
            counts.bulk_bytes += bytes;
        }
        if let Some(allocation) = self.allocation(memory, address) {
            let traffic = self.traffic(allocation);
            if load {
                traffic.bulk_loaded += bytes;
            } else {
                traffic.bulk_stored += bytes;
            }
        }
    }

    /// The allocation that holds an address, and its number. Beyond the end of one the address is nobody's; the access is
    /// about to fault.
    fn allocation<'m>(&mut self, memory: &'m GlobalMemory, address: u64) -> Option<(usize, &'m Allocation)> {
        let at = |number: usize| memory.allocations().get(number).filter(|allocation| allocation.contains(address, 1));
        let recent = at(self.recent).map(|allocation| (self.recent, allocation));
        let found = recent.or_else(|| memory.nearest(address).and_then(|number| Some((number, at(number)?))))?;
        self.recent = found.0;
        Some(found)
    }

    fn traffic(&mut self, (number, allocation): (usize, &Allocation)) -> &mut Traffic {
        let new = || Traffic { buffer: allocation.label.clone(), ..Traffic::default() };
        self.traffic.entry(number).or_insert_with(new)
    }

    fn access(&mut self, at: &Execution<'_>, way: Way, space: MemorySpace, address: &AddressOperand, size: u32) {
        let (addresses, global, shared) = at.resolved(space, address);
        if global != 0 {
            self.global(at, way, &addresses, global, size);
        }
        if shared != 0 {
            let found = match way {
                Way::Atomic => Wavefronts::for_atomics(&addresses, shared, size),
                _ => Wavefronts::for_accesses(&addresses, shared, size, self.known(at.pc)),
            };
            self.shared(at, found, u64::from(size) * u64::from(shared.count_ones()));
        }
    }

    fn global(&mut self, at: &Execution<'_>, way: Way, addresses: &Long, lanes: u32, size: u32) {
        let (sectors, least) = banks::sectors(addresses, lanes, size);
        let request = Global {
            requests: 1,
            sectors: sectors.into(),
            least_sectors: least.into(),
            bytes: u64::from(size) * u64::from(lanes.count_ones()),
        };
        if let Some(counts) = self.at(at.pc) {
            counts.global.add(&request);
        }
        // The lanes of a warp mostly go to one buffer.
        let mut rest = lanes;
        while rest != 0 {
            let first = addresses[rest.trailing_zeros() as usize & 31];
            let Some((number, allocation)) = self.allocation(at.environment.memory, first) else {
                rest &= rest - 1;
                continue;
            };
            let same =
                lanes_of(rest).fold(0, |mask, lane| mask | u32::from(allocation.contains(addresses[lane], 1)) << lane);
            let bytes = u64::from(size) * u64::from(same.count_ones());
            let traffic = self.traffic((number, allocation));
            match way {
                Way::Load => traffic.loaded += bytes,
                Way::Store => traffic.stored += bytes,
                Way::Atomic => traffic.atomic += bytes,
            }
            if same == lanes {
                traffic.global.add(&request);
            } else {
                let (sectors, least) = banks::sectors(addresses, same, size);
                let request = Global { requests: 1, sectors: sectors.into(), least_sectors: least.into(), bytes };
                traffic.global.add(&request);
            }
            rest &= !same;
        }
    }

    /// An access of an instruction is the worst until now if it has more ways than these. Of equally bad ones it is the first
    /// of the lowest block, in whichever order blocks run.
    fn known(&self, pc: u32) -> u32 {
        let Some(Worst { ways, block, .. }) = self.counts.get(pc as usize).map(|counts| counts.shared.worst) else {
            return 0;
        };
        if in_order(self.block) < in_order(block) { ways.saturating_sub(1) } else { ways }
    }

    fn shared(&mut self, at: &Execution<'_>, found: Wavefronts, bytes: u64) {
        let (block, known) = (self.block, self.known(at.pc));
        let Some(counts) = self.at(at.pc) else { return };
        let shared = &mut counts.shared;
        shared.requests += 1;
        shared.wavefronts += u64::from(found.taken);
        shared.least_wavefronts += u64::from(found.least);
        shared.bytes += bytes;
        if found.ways > known {
            let Wavefronts { ways, bank, lanes, words, .. } = found;
            shared.worst = Worst { ways, bank, lanes, words, warp: at.warp.index, block };
        }
    }

    /// `ldmatrix`, `stmatrix`: eight lanes have the rows of a matrix, a wavefront's worth.
    fn matrices(&mut self, at: &Execution<'_>, count: u32, address: &AddressOperand) {
        let addresses = at.addresses(address);
        let lanes = if count >= 4 { u32::MAX } else { (1 << (8 * count)) - 1 };
        let found = Wavefronts::for_accesses(&addresses, lanes, 16, self.known(at.pc));
        self.shared(at, found, 128 * u64::from(count));
    }

    fn copy_async(
        &mut self,
        at: &Execution<'_>,
        size: u32,
        [shared, global]: [&AddressOperand; 2],
        source_size: Option<Slot>,
        ignore: Option<Slot>,
    ) {
        let ignored = ignore.map_or(0, |p| at.warp.predicates[p as usize]);
        // Lanes that only write zeros read nothing.
        let reads = lanes_of(at.active & !ignored)
            .filter(|&lane| source_size.is_none_or(|slot| at.word(slot)[lane] > 0))
            .fold(0, |mask, lane| mask | 1 << lane);
        if reads != 0 {
            self.global(at, Way::Load, &at.addresses(global), reads, size);
        }
        let found = Wavefronts::for_accesses(&at.addresses(shared), at.active, size, self.known(at.pc));
        self.shared(at, found, u64::from(size) * u64::from(at.active.count_ones()));
    }

    /// The counts of each instruction of the text, and of each buffer.
    pub(crate) fn into_report(mut self, instructions: &Instructions<'_>) -> Counters {
        let mut found: Vec<Counted> = Vec::new();
        let mut from = 0;
        while let Some(to) = instructions.end(from) {
            // Several operations may be one instruction: the first says how often it was executed.
            let mut counts = std::mem::take(&mut self.counts[from]);
            for other in &self.counts[from + 1..to] {
                let Counts { global, shared, divergent, bulk_bytes, tests, failed_tests, tensor_operations, .. } =
                    other.clone();
                counts.add(&Counts {
                    global,
                    shared,
                    divergent,
                    bulk_bytes,
                    tests,
                    failed_tests,
                    tensor_operations,
                    ..Counts::default()
                });
            }
            if let Some(line) = instructions.line(from) {
                let (class, operations) = (line.opcode.class(), line.opcode.float_operations() * counts.lanes_on);
                found.push(Counted { class, line, counts, operations });
            }
            from = to;
        }
        let buffers = self.traffic.into_values().collect();
        Counters { blocks: self.blocks, warps: self.warps, instructions: found, buffers }
    }
}
