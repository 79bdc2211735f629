//! Checks of a launch: data races, missing fences and waits, reads of memory that nothing wrote.
//!
//! Method. Every warp has a vector clock; barriers, mbarriers and atomics hand on what a warp knows (Lamport's
//! happened-before). An access that does not know of an earlier one to the same bytes races with it. As in FastTrack, the last
//! write of a byte is one event; its reads are one event for each warp. What an asynchronous operation touches is its own from
//! the moment it is issued until it is waited for. A second clock holds the writes of the generic proxy that a
//! `fence.proxy.async` has made visible to the asynchronous one, a third those that are released to the tensormap proxy.
//! Values that nothing has written are followed byte by byte, as in memcheck ([`flow`], [`undefined`]).
//!
//! Sources. L. Lamport, "Time, Clocks, and the Ordering of Events in a Distributed System" (1978); C. Flanagan and S. N.
//! Freund, "FastTrack: Efficient and Precise Dynamic Race Detection" (2009); J. Seward and N. Nethercote, "Using Valgrind to
//! Detect Undefined Value Errors with Bit-Precision" (2005); PTX ISA 8, "Memory Consistency Model".
//!
//! Deviations. The unit is a warp, not a thread: lanes of one warp see what another one has put into shared memory after a
//! barrier or `bar.warp.sync` only; in global memory they are not compared. A write that leaves bytes as they are races with
//! no other write, since Triton lets several warps store what they all have. Every atomic hands on what its warp knows to the
//! next one at its address, whatever its order and scope. `cp.async` is taken to need no proxy fence before `wgmma`, as the
//! hardware needs none.
//!
//! What it misses. The blocks of a kernel that has any means to order them (atomics or strong accesses of global memory, a
//! cluster's barrier) are not compared with each other. Of bulk copies in global memory only what a store of tiles writes
//! behind the rows of its tensor is compared with other accesses, and with no bulk load before it. What another block of the
//! cluster writes to shared memory is compared
//! with nothing. Global memory beyond the first 64 MiB that are touched is not watched, and a block reports at most 64
//! findings; the report says so of the memory. A race shows only if the order in which the warps ran leaves it open: other
//! seeds give other orders.
//!
//! False alarms. A read of another warp's copy of a tensor, which one of several warps has stored, is counted and not
//! reported. Code that orders its warps by something that is neither a barrier nor an atomic nor a strong access is reported
//! though a GPU may run it as meant. The rules of tensor memory follow the text of the ISA and were not compared with a GPU.
//!
//! Cost. Blocks run one after the other, and accesses lane by lane. Each byte of shared memory takes 24 bytes of records and 4
//! for each warp of the block (16 more where the tensor core of `tcgen05` reads); each byte of global memory that is touched
//! takes 40.

mod acquired;
mod bulk;
pub(crate) mod clock;
mod edge;
pub(crate) mod finding;
pub(crate) mod flow;
pub(crate) mod global;
mod hooks;
mod incoming;
mod mbarrier;
mod report;
pub(crate) mod tensor_map;
pub(crate) mod tensor_memory;
mod tensor_shadow;
pub(crate) mod undefined;
mod wgmma;

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard};

use acquired::Acquired;
use clock::Clock;
pub use finding::{Finding, Rule};
pub use global::GlobalShadow;
use global::{Asker, Kind};
use incoming::Incoming;
use tensor_shadow::TensorShadow;
use undefined::{Undefined, Unwritten};

use crate::fault::Thread;
use crate::instrument::Object;
use crate::lock::locked;
use crate::program::{File, Op, Program, Slot, Use};
use crate::state::access::{Area, Issuer};
use crate::state::memory::GlobalMemory;
use crate::state::shape::BlockShape;
use clock::{Knowledge, NEVER, Phases};
use warpbook_ptx::isa::Flow;

/// Findings of a block at most.
const MAX_FINDINGS: usize = 64;
/// The writer of a byte that nothing has written.
const NO_WRITER: u16 = u16::MAX;
/// The lane of an access by several lanes.
const LANES: u8 = 32;

/// What all blocks of a checked launch share.
pub struct Checks<'a> {
    /// The decoded kernel.
    pub(crate) program: &'a Program,
    /// Global memory, for the names of buffers.
    pub(crate) memory: &'a GlobalMemory,
    /// Accesses to global memory.
    pub(crate) global: Mutex<GlobalShadow>,
    /// The registers of each instruction.
    pub(crate) uses: Vec<Vec<(File, Use, Slot)>>,
    /// Registers that some `wgmma` takes.
    pub(crate) wgmma_words: HashSet<Slot>,
    /// How undefined values go through each instruction.
    flows: Vec<Flow>,
    /// True if there is a `tcgen05.fence`.
    tensor_fences: bool,
    /// Global memory that nothing has written.
    unwritten: Mutex<Unwritten>,
}

impl<'a> Checks<'a> {
    /// For launches of a program. `unwritten` are ranges of global memory, as address and length,
    /// that nothing has written before.
    pub fn new(program: &'a Program, memory: &'a GlobalMemory, unwritten: &[(u64, u64)]) -> Self {
        let mut code = program.code.clone();
        let uses = code.iter_mut().map(|instruction| {
            let mut uses = Vec::new();
            instruction.visit(&mut |file, how, slot| uses.push((file, how, *slot)));
            uses
        });
        let uses = uses.collect();
        let wgmmas = program.code.iter().filter_map(|i| if let Op::Wgmma(wgmma) = &i.op { Some(wgmma) } else { None });
        let wgmma_words = wgmmas.flat_map(|wgmma| wgmma.words()).collect();
        Self {
            program,
            memory,
            global: Mutex::new(GlobalShadow::new(program.orders_blocks())),
            uses,
            wgmma_words,
            flows: program.opcodes.iter().map(|opcode| opcode.flow()).collect(),
            tensor_fences: program.code.iter().any(|i| matches!(i.op, Op::TensorFence { .. })),
            unwritten: Mutex::new(Unwritten::new(unwritten)),
        }
    }

    /// True if nothing has written some of these bytes of global memory.
    pub(crate) fn is_unwritten(&self, address: u64, size: usize) -> bool {
        self.unwritten(|unwritten| {
            (0..size as u64).step_by(64).any(|at| unwritten.bytes(address + at, (size as u64 - at).min(64) as u32) != 0)
        })
    }

    /// Bytes of global memory are written.
    pub(crate) fn written(&self, address: u64, size: usize) {
        self.unwritten(|unwritten| unwritten.written(address, size as u64));
    }

    /// True if more global memory was touched than is watched; and how many accesses of copies were out of order.
    pub fn coverage(&self) -> (bool, u64) {
        let shadow = self.shadow();
        (shadow.incomplete, shadow.copies)
    }

    fn shadow(&self) -> MutexGuard<'_, GlobalShadow> {
        locked(&self.global)
    }

    fn unwritten<T>(&self, work: impl FnOnce(&mut Unwritten) -> T) -> T {
        work(&mut locked(&self.unwritten))
    }
}

/// What a warp knew when it issued an asynchronous operation.
#[derive(Clone, Debug)]
struct Snapshot {
    known: Knowledge,
    /// Number of what the tensor core of `tcgen05` has to do; 0 for other operations.
    core: u32,
    /// Rows of A, in registers, that held an undefined value: of the lower and of the upper eight.
    rows: [u32; 2],
}

/// A byte of shared memory.
#[derive(Clone, Copy, Debug)]
struct Cell {
    writer: u16,
    /// By an ordinary store: other proxies need a fence. `cp.async` is of the generic proxy too; but Triton and CUTLASS
    /// put no fence between it and `wgmma`, and the hardware wants none.
    generic: bool,
    atomic: bool,
    /// It is of an mbarrier that is in use.
    mbarrier: bool,
    event: u32,
    pc: u32,
    /// Which lane of a warp wrote it.
    lane: u8,
}

impl Cell {
    /// An ordinary write.
    fn written_by(issuer: Issuer, event: u32) -> Self {
        let (writer, lane) = (issuer.warp as u16, issuer.lane as u8);
        Self { writer, generic: true, atomic: false, mbarrier: false, event, pc: issuer.pc, lane }
    }

    /// A write that is no warp's own: of the asynchronous proxy, of another block, or none yet.
    fn written_by_agent(writer: u16, event: u32, pc: u32) -> Self {
        Self { writer, generic: false, atomic: false, mbarrier: false, event, pc, lane: 0 }
    }

    /// True if another lane of the same warp wrote it, and nothing has put the two in order.
    fn is_of_another_lane(&self, issuer: Issuer, clock: &Clock) -> bool {
        u32::from(self.writer) == issuer.warp
            && u32::from(self.lane) != issuer.lane
            && self.event == clock.get(issuer.warp as usize)
    }
}

/// A read of shared memory by the tensor core of `tcgen05`: its agent, and the number of what it does.
#[derive(Clone, Copy, Debug, Default)]
struct CoreRead {
    agent: usize,
    event: u32,
    pc: u32,
}

/// Which earlier writes a write may meet with nothing between them.
#[derive(Clone, Copy, Debug, Default)]
struct Overlap {
    /// True for writes by atomics.
    atomic: bool,
    /// True for any write, as this one leaves the bytes as they are.
    same: bool,
}

/// The records of one block.
pub(crate) struct Sanitizer<'a> {
    checks: &'a Checks<'a>,
    shape: BlockShape,
    warps: usize,
    /// For each warp, what it knows of the others.
    known: Vec<Knowledge>,
    cells: Vec<Cell>,
    /// For each byte, the last event of each warp that read it.
    readers: Vec<u32>,
    reader_pcs: Vec<u32>,
    /// For each byte, warp and lane of its last reader.
    last_readers: Vec<(u16, u8)>,
    /// For each byte, the last read of the tensor core; empty where there is none.
    core_reads: Vec<CoreRead>,
    /// Barriers of the block, phases of the cluster's, mbarriers.
    objects: HashMap<Object, Phases>,
    /// Mbarriers among them.
    mbarriers: usize,
    /// Bulk loads of this block to its own mbarriers that no warp has waited for.
    incoming: Vec<Incoming>,
    /// Atomics hand on knowledge too, by address.
    atomics: HashMap<(bool, u64), Knowledge>,
    /// `fence.proxy.tensormap` acquires.
    acquired: Vec<Acquired>,
    tensor: TensorShadow,
    /// For each warp, the registers that were written since its last `wgmma.fence`, and by what; `None` before the first.
    unfenced: Vec<Option<HashMap<Slot, u32>>>,
    /// `wgmma`s, as places in the program, that lack a wait: what they read too late is the same mistake.
    unwaited_wgmmas: HashSet<u32>,
    /// Registers and memory that hold what nothing has written.
    undefined: Undefined,
    /// What warps knew when they issued an operation that reads later, by its number.
    operations: HashMap<u64, Box<Snapshot>>,
    /// One of them, taken out: reads of one operation come together.
    current: (u64, Option<Box<Snapshot>>),
    found: HashMap<(Rule, u32), usize>,
    pub findings: Vec<Finding>,
    /// Number of accesses that were checked.
    pub accesses: u64,
}

impl<'a> Sanitizer<'a> {
    /// The records of a block that begins: it knows nothing of others, and has written nothing.
    pub fn new(checks: &'a Checks<'a>, shape: &BlockShape) -> Self {
        let (program, warps) = (checks.program, shape.warps());
        let shared = shape.shared_bytes(program);
        let own = |warp| {
            let mut known = Knowledge::default();
            known.clock.learn(warp, 1);
            known
        };
        let has_core = program.code.iter().any(|i| matches!(i.op, Op::TensorMma(_) | Op::TensorCopy(_)));
        Self {
            checks,
            operations: HashMap::new(),
            current: (0, None),
            shape: shape.clone(),
            warps,
            known: (0..warps).map(own).collect(),
            cells: vec![Cell::written_by_agent(NO_WRITER, 0, 0); shared],
            readers: vec![0; shared * warps],
            reader_pcs: vec![0; shared],
            last_readers: vec![(NO_WRITER, 0); shared],
            core_reads: if has_core { vec![CoreRead::default(); shared] } else { Vec::new() },
            objects: HashMap::new(),
            mbarriers: 0,
            incoming: Vec::new(),
            atomics: HashMap::new(),
            acquired: Vec::new(),
            tensor: TensorShadow::new(warps),
            unfenced: vec![None; warps],
            unwaited_wgmmas: HashSet::new(),
            undefined: Undefined::new(program, warps),
            found: HashMap::new(),
            findings: Vec::new(),
            accesses: 0,
        }
    }

    fn report(&mut self, rule: Rule, issuer: Issuer, other: Option<String>, place: impl FnOnce() -> String) {
        if let Some(&index) = self.found.get(&(rule, issuer.pc)) {
            if let Some(finding) = self.findings.get_mut(index) {
                finding.count += 1;
            }
            return;
        }
        if self.findings.len() >= MAX_FINDINGS || self.follows_from_unwaited_wgmma(rule, issuer.pc) {
            return;
        }
        self.found.insert((rule, issuer.pc), self.findings.len());
        let Issuer { warp, lane, .. } = issuer;
        let thread = Thread { block: self.shape.index, thread: self.shape.thread(warp, lane), warp, lane };
        self.findings.push(Finding { rule, pc: issuer.pc, thread, other, place: place(), count: 1 });
    }

    fn tick(&mut self, warp: u32) {
        let warp = warp as usize;
        if let Some(known) = self.known.get_mut(warp) {
            let now = known.clock.get(warp);
            known.clock.learn(warp, now + 1);
        }
    }

    fn now(&self, warp: u32) -> u32 {
        self.known.get(warp as usize).map_or(0, |known| known.clock.get(warp as usize))
    }

    fn agent_name(&self, agent: usize) -> String {
        match agent {
            _ if agent < self.warps => format!("warp {agent}"),
            _ if agent < 2 * self.warps => format!("warp {}", agent - self.warps),
            _ => "the asynchronous proxy".to_owned(),
        }
    }

    fn race(&mut self, issuer: Issuer, other: u32, by: usize, at: usize) {
        let by = self.agent_name(by);
        self.report(Rule::Race { shared: true, other }, issuer, Some(by), || format!("shared address {at:#x}"));
    }

    fn race_of_lanes(&mut self, issuer: Issuer, other: u32, lane: u8, at: usize) {
        let by = if lane == LANES { "other lanes".to_owned() } else { format!("lane {lane} of its warp") };
        self.report(Rule::Race { shared: true, other }, issuer, Some(by), || format!("shared address {at:#x}"));
    }

    /// Bytes of shared memory are read, by `clock`'s knowledge.
    fn check_read(&mut self, issuer: Issuer, clock: &Clock, at: usize, size: usize) {
        self.accesses += 1;
        for byte in at..at + size {
            let Some(&cell) = self.cells.get(byte) else { return };
            let Cell { writer, event, pc, .. } = cell;
            if writer == NO_WRITER {
                return self.report(Rule::Uninitialised, issuer, None, || format!("shared address {byte:#x}"));
            }
            if event > clock.get(writer.into()) {
                return self.race(issuer, pc, writer.into(), byte);
            }
            if cell.is_of_another_lane(issuer, clock) {
                return self.race_of_lanes(issuer, pc, cell.lane, byte);
            }
        }
    }

    fn note_read(&mut self, issuer: Issuer, at: usize, size: usize) {
        let now = self.now(issuer.warp);
        for byte in at..at + size {
            let reader = self.readers.get_mut(byte * self.warps + issuer.warp as usize);
            let before = reader.map_or(0, |reader| std::mem::replace(reader, now));
            if let Some(pc) = self.reader_pcs.get_mut(byte) {
                *pc = issuer.pc;
            }
            if let Some(last) = self.last_readers.get_mut(byte) {
                let together = u32::from(last.0) == issuer.warp && before == now && u32::from(last.1) != issuer.lane;
                *last = (issuer.warp as u16, if together { LANES } else { issuer.lane as u8 });
            }
        }
    }

    fn check_write(&mut self, issuer: Issuer, clock: &Clock, at: usize, size: usize, with: Overlap) {
        self.accesses += 1;
        for byte in at..at + size {
            let Some(&cell) = self.cells.get(byte) else { return };
            let writer = usize::from(cell.writer);
            if cell.mbarrier {
                let place = || format!("shared address {byte:#x}");
                return self.report(Rule::MbarrierOverwritten { other: cell.pc }, issuer, None, place);
            }
            let allowed = with.same || with.atomic && cell.atomic;
            if cell.writer != NO_WRITER && cell.event > clock.get(writer) && !allowed {
                return self.race(issuer, cell.pc, writer, byte);
            }
            // Lanes that store to one place by one instruction: Triton's copies of one value, whose last bits may differ
            // (a butterfly sum with a contracted step is not the same in every lane).
            if cell.is_of_another_lane(issuer, clock) && !allowed && cell.pc != issuer.pc {
                return self.race_of_lanes(issuer, cell.pc, cell.lane, byte);
            }
            let readers = self.readers.get(byte * self.warps..(byte + 1) * self.warps).unwrap_or_default();
            if let Some(reader) = readers.iter().enumerate().position(|(warp, &event)| event > clock.get(warp)) {
                return self.race(issuer, self.reader_pcs[byte], reader, byte);
            }
            if let Some(read) = self.core_reads.get(byte).copied()
                && read.event > clock.get(read.agent)
            {
                return self.race(issuer, read.pc, read.agent, byte);
            }
            let own = readers.get(issuer.warp as usize).copied().unwrap_or_default();
            let (warp, lane) = self.last_readers.get(byte).copied().unwrap_or((NO_WRITER, 0));
            let another = u32::from(warp) == issuer.warp && u32::from(lane) != issuer.lane;
            if another && own == clock.get(issuer.warp as usize) {
                return self.race_of_lanes(issuer, self.reader_pcs[byte], lane, byte);
            }
        }
    }

    fn note_write(&mut self, at: usize, size: usize, cell: Cell) {
        let end = (at + size).min(self.cells.len());
        if let Some(cells) = self.cells.get_mut(at..end) {
            cells.fill(cell);
        }
    }

    fn with_clock(&mut self, warp: u32, work: impl FnOnce(&mut Self, &Clock)) {
        let Some(known) = self.known.get_mut(warp as usize) else { return };
        let clock = std::mem::take(&mut known.clock);
        work(self, &clock);
        self.known[warp as usize].clock = clock;
    }

    /// An ordinary read of shared memory.
    pub fn read_shared(&mut self, issuer: Issuer, at: usize, size: usize) {
        self.with_clock(issuer.warp, |this, clock| this.check_read(issuer, clock, at, size));
        self.note_read(issuer, at, size);
    }

    /// An ordinary write of shared memory. `same` tells that the bytes were there already: such a write races with no
    /// other write (Triton lets several warps store what they all have), but with reads it does.
    pub fn write_shared(&mut self, issuer: Issuer, at: usize, size: usize, same: bool) {
        self.with_clock(issuer.warp, |this, clock| {
            this.check_write(issuer, clock, at, size, Overlap { atomic: false, same })
        });
        let event = self.now(issuer.warp);
        let Some(Knowledge { clock, .. }) = self.known.get(issuer.warp as usize) else { return };
        let known = |cell: &Cell| cell.event <= clock.get(cell.writer.into());
        let cells = self.cells.get(at..at + size).unwrap_or_default();
        // What an earlier writer has put there stays its own where this warp does not know of it.
        if !same || cells.iter().all(|cell| cell.writer == NO_WRITER || known(cell)) {
            self.note_write(at, size, Cell::written_by(issuer, event));
        }
    }

    /// A volatile, relaxed or acquiring load: its warp knows what that of the last such store to its bytes did.
    pub fn strong_read(&mut self, issuer: Issuer, area: Area, label: impl Fn() -> String) {
        let Area { shared, address, size } = area;
        let Some(known) = self.known.get_mut(issuer.warp as usize) else { return };
        for byte in address..address + u64::from(size) {
            if let Some(meeting) = self.atomics.get(&(shared, byte)) {
                known.join(meeting);
            }
        }
        if shared {
            self.with_clock(issuer.warp, |this, clock| this.check_read(issuer, clock, address as usize, size as usize));
        } else {
            self.global(issuer, address, size, Kind::StrongRead, label);
        }
    }

    /// A volatile, relaxed or releasing store; see [`Self::strong_read`].
    pub fn strong_write(&mut self, issuer: Issuer, area: Area, label: impl Fn() -> String) {
        let Some(known) = self.known.get(issuer.warp as usize).cloned() else { return };
        self.atomics.insert((area.shared, area.address), known);
        self.atomic_write(issuer, area, label);
    }

    /// An atomic: it hands on what its warp knows to the next one at the same address.
    pub fn atomic(&mut self, issuer: Issuer, area: Area) {
        let Some(known) = self.known.get_mut(issuer.warp as usize) else { return };
        let meeting = self.atomics.entry((area.shared, area.address)).or_default();
        known.join(meeting);
        meeting.clone_from(known);
        self.atomic_write(issuer, area, String::new);
    }

    fn atomic_write(&mut self, issuer: Issuer, area: Area, label: impl Fn() -> String) {
        if area.shared {
            let (at, size) = (area.address as usize, area.size as usize);
            self.with_clock(issuer.warp, |this, clock| {
                this.check_write(issuer, clock, at, size, Overlap { atomic: true, same: false })
            });
            let event = self.now(issuer.warp);
            let cell = Cell { atomic: true, ..Cell::written_by(issuer, event) };
            self.note_write(at, size, cell);
        } else {
            self.global(issuer, area.address, area.size, Kind::Atomic, label);
        }
        self.tick(issuer.warp);
    }

    /// An ordinary read or write of global memory; `label` names the place.
    pub fn global_read(&mut self, issuer: Issuer, address: u64, size: u32, label: impl Fn() -> String) {
        self.global(issuer, address, size, Kind::Read, label);
    }

    /// See [`Self::global_read`]; `same` as in [`Self::write_shared`].
    pub fn global_write(
        &mut self,
        issuer: Issuer,
        (address, size): (u64, u32),
        same: bool,
        label: impl Fn() -> String,
    ) {
        self.global(issuer, address, size, Kind::Write { same }, label);
    }

    /// True if the access is in order.
    fn global(&mut self, issuer: Issuer, address: u64, size: u32, kind: Kind, label: impl Fn() -> String) -> bool {
        self.accesses += 1;
        let Some(Knowledge { clock: knows, .. }) = self.known.get(issuer.warp as usize) else { return true };
        let asker = Asker {
            block: self.shape.linear_index,
            warp: issuer.warp,
            event: self.now(issuer.warp),
            pc: issuer.pc,
            knows,
        };
        let (conflict, cleared) = {
            let mut shadow = self.checks.shadow();
            (shadow.access(&asker, address, size, kind), shadow.edge_by(asker.block, address, size, kind))
        };
        if let Some(other) = cleared {
            self.report(Rule::OverwrittenEdge { other }, issuer, None, &label);
        }
        let Some(conflict) = conflict else { return true };
        let other = if conflict.same_block { format!("warp {}", conflict.warp) } else { "another block".to_owned() };
        self.report(Rule::Race { shared: false, other: conflict.pc }, issuer, Some(other), label);
        false
    }

    fn learn(&mut self, warp: u32, meeting: &Knowledge) {
        if let Some(known) = self.known.get_mut(warp as usize) {
            known.join(meeting);
        }
    }

    /// The records of an object that threads meet at.
    fn phases(&mut self, object: Object) -> &mut Phases {
        // Agents are warps, their tensor cores, mbarriers.
        let (first, count) = (2 * self.warps, &mut self.mbarriers);
        self.objects.entry(object).or_insert_with(|| {
            let agent = first + *count;
            *count += usize::from(matches!(object, Object::Mbarrier(_)));
            Phases { agent, ..Phases::default() }
        })
    }

    /// A `cp.async` is issued: nobody may touch its bytes until it was waited for.
    pub fn copy_issued(&mut self, issuer: Issuer, at: usize, size: usize) {
        self.with_clock(issuer.warp, |this, clock| this.check_write(issuer, clock, at, size, Overlap::default()));
        let cell = Cell { generic: false, ..Cell::written_by(issuer, NEVER) };
        self.note_write(at, size, cell);
    }

    /// A `cp.async` that was waited for has landed.
    pub fn copy_landed(&mut self, issuer: Issuer, at: usize, size: usize) {
        let event = self.now(issuer.warp);
        self.note_write(at, size, Cell { generic: false, ..Cell::written_by(issuer, event) });
    }

    /// Keeps what a warp knows when it issues an operation that reads later; what it does from now on comes after that.
    fn issue(&mut self, warp: u32, number: u64, core: u32, rows: [u32; 2]) {
        let Some(known) = self.known.get(warp as usize).cloned() else { return };
        self.tick(warp);
        self.operations.insert(number, Box::new(Snapshot { known, core, rows }));
    }

    /// An asynchronous operation reads, by what its warp knew when it issued it; whether what it reads is undefined.
    fn read_later(&mut self, issuer: Issuer, number: u64, at: usize, size: usize) -> bool {
        if self.current.0 != number {
            self.forget_current();
            self.current = (number, self.operations.remove(&number));
        }
        let Some(then) = self.current.1.take() else { return false };
        let found = self.read_by(issuer, &then, at, size);
        self.current.1 = Some(then);
        found
    }

    /// Puts the snapshot that was taken out back.
    fn forget_current(&mut self) {
        if let (number, Some(then)) = std::mem::take(&mut self.current) {
            self.operations.insert(number, then);
        }
    }

    fn read_by(&mut self, issuer: Issuer, then: &Snapshot, at: usize, size: usize) -> bool {
        self.check_read(issuer, &then.known.clock, at, size);
        for byte in at..at + size {
            let Some(&Cell { writer, generic, event, pc, .. }) = self.cells.get(byte) else { break };
            if writer != NO_WRITER && generic && event <= then.known.clock.get(writer.into()) {
                let seen = then.known.proxy.get(writer.into());
                if event > seen {
                    let by = self.agent_name(writer.into());
                    self.report(Rule::ProxyFence { other: pc }, issuer, Some(by), || {
                        format!("shared address {byte:#x}")
                    });
                    break;
                }
            }
        }
        if then.core == 0 {
            self.note_read(issuer, at, size);
        } else if let Some(reads) = self.core_reads.get_mut(at..(at + size).min(self.cells.len())) {
            reads.fill(CoreRead { agent: self.warps + issuer.warp as usize, event: then.core, pc: issuer.pc });
        }
        self.undefined.shared(at, size).0 != 0
    }
}
