//! Tensor memory: who wrote and who read which of its cells, and what the next access needs before it comes.
//!
//! PTX ISA 9.7.16.6. A warp's `tcgen05.ld` and `.st` end at their waits. `tcgen05.mma` and `.cp` are the tensor core's, in
//! the order in which one warp issues them; that they have ended a warp learns through a commit's mbarrier only. Between
//! warps `tcgen05.fence` has to stand on both sides of what orders them: that is asked of kernels that have any, since
//! Triton 3.4 to 3.9 emit none.
//!
//! Modelled after the text; nothing here was compared with hardware.

use super::clock::Clock;
use super::finding::{Finding, Rule};
use super::undefined::Origin;
use super::{Checks, Knowledge, NEVER, Sanitizer, Snapshot};
use crate::state::access::Who;

/// Lanes that every access takes or leaves together.
pub(crate) const TOGETHER: u32 = 16;
const COLUMNS: u32 = 512;
const LANES: u32 = 128;

/// Sixteen lanes of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Cells {
    pub column: u32,
    /// First lane over sixteen.
    pub group: u32,
}

impl Cells {
    /// Those of an address in tensor memory.
    pub fn of(address: u32) -> Self {
        Self { column: address & 0xffff, group: (address >> 16) / TOGETHER }
    }
}

/// Who touched cells.
#[derive(Clone, Copy, Debug)]
struct Touch {
    warp: u32,
    how: TensorUse,
    /// When it ends: an event of the warp or of its tensor core; `NEVER` before its wait.
    ends: u32,
    /// When it was issued.
    issued: u32,
    pc: u32,
}

#[derive(Clone, Debug)]
struct Record {
    write: Option<Touch>,
    /// The last of each warp and of its tensor core, since the write.
    reads: Vec<Touch>,
    /// Lanes that hold an undefined value, and where it comes from.
    undefined: u16,
    origin: Origin,
}

impl Record {
    fn untouched() -> Self {
        Self { write: None, reads: Vec::new(), undefined: u16::MAX, origin: None }
    }
}

/// How cells are accessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TensorUse {
    /// `tcgen05.ld`
    Load,
    /// `tcgen05.st`
    Store,
    /// What a `tcgen05.mma` multiplies or scales with.
    Operand,
    /// The accumulator, which is added to or not.
    Sum { add: bool },
    /// `tcgen05.cp`
    Copy,
    /// `tcgen05.dealloc`
    Release,
}

impl TensorUse {
    fn is_of_the_core(self) -> bool {
        matches!(self, Self::Operand | Self::Sum { .. } | Self::Copy)
    }

    fn reads(self) -> bool {
        matches!(self, Self::Load | Self::Operand | Self::Sum { add: true })
    }

    fn writes(self) -> bool {
        !matches!(self, Self::Load | Self::Operand)
    }
}

/// What is missing between two accesses of tensor memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Missing {
    /// `tcgen05.wait::ld`
    WaitLoad,
    /// `tcgen05.wait::st`
    WaitStore,
    /// `tcgen05.commit`, and a wait for the phase of its mbarrier.
    Commit,
    /// Whatever orders two warps.
    Order,
    /// `tcgen05.fence` on either side of what orders them.
    Fence,
}

/// Records of a block's tensor memory.
pub(super) struct TensorShadow {
    /// Made by the first allocation.
    records: Vec<Record>,
    /// By warp: operations that it gave to the tensor core.
    issued: Vec<u32>,
    /// By warp: cells of loads and of stores that have not been waited for.
    pending: Vec<[Vec<Cells>; 2]>,
    /// By warp: what it knows of through a `tcgen05.fence::after_thread_sync`.
    fenced: Vec<Clock>,
}

impl TensorShadow {
    pub fn new(warps: usize) -> Self {
        Self {
            records: Vec::new(),
            issued: vec![0; warps],
            pending: vec![Default::default(); warps],
            fenced: vec![Clock::default(); warps],
        }
    }

    fn record(&mut self, cells: Cells) -> Option<&mut Record> {
        self.records.get_mut((cells.group * COLUMNS + cells.column) as usize)
    }
}

/// All cells of some columns.
pub(crate) fn columns(first: u32, count: u32) -> impl Iterator<Item = Cells> {
    (first..first.saturating_add(count).min(COLUMNS))
        .flat_map(|column| (0..LANES / TOGETHER).map(move |group| Cells { column, group }))
}

impl Sanitizer {
    /// The agent that a warp's tensor core is.
    pub(super) fn core(&self, warp: u32) -> usize {
        self.warps + warp as usize
    }

    /// A warp gives the tensor core something to do; its number, from 1.
    pub fn core_issues(&mut self, warp: u32) -> u32 {
        let Some(issued) = self.tensor.issued.get_mut(warp as usize) else { return 0 };
        *issued += 1;
        *issued
    }

    /// `tcgen05.alloc`
    pub fn tensor_allocated(&mut self) {
        if self.tensor.records.is_empty() {
            self.tensor.records = vec![Record::untouched(); (LANES / TOGETHER * COLUMNS) as usize];
        }
    }

    /// What stands between an earlier access and one by `who`, if something is missing.
    fn missing(&self, checks: &Checks, who: Who, how: TensorUse, before: &Touch) -> Option<Missing> {
        let Knowledge { clock, .. } = self.known.get(who.warp as usize)?;
        let fenced = self.tensor.fenced.get(who.warp as usize)?;
        let ordered = |agent: usize, event: u32, otherwise: Missing| {
            if event > clock.get(agent) {
                Some(otherwise)
            } else {
                (checks.tensor_fences && event > fenced.get(agent)).then_some(Missing::Fence)
            }
        };
        let own = before.warp == who.warp;
        match (before.how.is_of_the_core(), how.is_of_the_core()) {
            (false, _) if before.ends == NEVER => {
                Some(if before.how == TensorUse::Load { Missing::WaitLoad } else { Missing::WaitStore })
            }
            (false, _) if own => None,
            (false, _) => ordered(before.warp as usize, before.ends, Missing::Order),
            // In the order in which they are issued; but what one sums up is no operand of another before it has ended.
            (true, true) if !(matches!(before.how, TensorUse::Sum { .. }) && how == TensorUse::Operand) => {
                if own {
                    None
                } else {
                    ordered(before.warp as usize, before.issued, Missing::Order)
                }
            }
            (true, _) => ordered(self.core(before.warp), before.ends, Missing::Commit),
        }
    }

    /// Cells are accessed; `core` is the number of what the tensor core does.
    pub fn tensor_access(&mut self, checks: &Checks, who: Who, cells: &[Cells], how: TensorUse, core: u32) {
        self.accesses += 1;
        let issued = self.now(who.warp);
        let touch = Touch { warp: who.warp, how, ends: if core == 0 { NEVER } else { core }, issued, pc: who.pc };
        let mut told = false;
        for &at in cells {
            let Some(record) = self.tensor.record(at) else { continue };
            let place = || {
                format!("lanes {} to {} of column {} of tensor memory", 16 * at.group, 16 * at.group + 15, at.column)
            };
            if !told && how.reads() && how != TensorUse::Load && record.write.is_none() {
                told = true;
                self.tell(Rule::TensorUntouched, who, None, place);
            }
            let Some(record) = self.tensor.record(at) else { continue };
            let earlier: Vec<Touch> =
                record.write.iter().chain(record.reads.iter().filter(|_| how.writes())).copied().collect();
            let missing = earlier.iter().find_map(|before| Some((before, self.missing(checks, who, how, before)?)));
            if !told && let Some((before, missing)) = missing {
                told = true;
                let by = (before.warp != who.warp).then(|| format!("warp {}", before.warp));
                self.tell(Rule::Tensor { other: before.pc, missing }, who, by, place);
            }
            let Some(record) = self.tensor.record(at) else { continue };
            if how == TensorUse::Release {
                *record = Record::untouched();
            } else if how.writes() {
                *record = Record { write: Some(touch), reads: Vec::new(), undefined: 0, origin: None };
            } else {
                let core = how.is_of_the_core();
                record.reads.retain(|read| (read.warp, read.how.is_of_the_core()) != (who.warp, core));
                record.reads.push(touch);
            }
        }
        if let Some([loads, stores]) = self.tensor.pending.get_mut(who.warp as usize) {
            match how {
                TensorUse::Load => loads.extend_from_slice(cells),
                TensorUse::Store => stores.extend_from_slice(cells),
                _ => {}
            }
        }
    }

    /// `tcgen05.wait::ld`, or `::st`.
    pub fn tensor_waited(&mut self, warp: u32, how: TensorUse) {
        let now = self.now(warp);
        let Some([loads, stores]) = self.tensor.pending.get_mut(warp as usize) else { return };
        let cells = std::mem::take(if how == TensorUse::Load { loads } else { stores });
        for at in cells {
            let Some(record) = self.tensor.record(at) else { continue };
            for touch in record.write.iter_mut().chain(&mut record.reads) {
                if (touch.warp, touch.how, touch.ends) == (warp, how, NEVER) {
                    touch.ends = now;
                }
            }
        }
    }

    /// Which lanes of some cells hold an undefined value, and where it comes from.
    pub fn tensor_undefined(&mut self, cells: Cells) -> (u16, Origin) {
        self.tensor.record(cells).map_or((0, None), |record| (record.undefined, record.origin))
    }

    /// An undefined value is stored in one lane of some cells.
    pub fn tensor_stores_undefined(&mut self, cells: Cells, lane: u32, origin: Origin) {
        if let Some(record) = self.tensor.record(cells) {
            record.undefined |= 1 << (lane % TOGETHER);
            record.origin = origin;
        }
    }

    /// The tensor core of the pair's other block writes some cells, for this block too.
    pub fn tensor_written_by_peer(&mut self, cells: &[Cells]) {
        for &at in cells {
            if let Some(record) = self.tensor.record(at) {
                *record = Record { write: None, reads: Vec::new(), undefined: 0, origin: None };
            }
        }
    }

    /// `tcgen05.fence`
    pub fn tensor_fence(&mut self, warp: u32, before: bool) {
        let now = self.now(warp);
        let index = warp as usize;
        let Some((known, fenced)) = self.known.get_mut(index).zip(self.tensor.fenced.get_mut(index)) else { return };
        if before {
            known.tensor.learn(index, now);
            self.tick(warp);
        } else {
            fenced.join(&known.tensor);
        }
    }

    /// A commit of what a warp gave to the tensor core tells an mbarrier of this block.
    pub fn commit_landed(&mut self, mbarrier: u64, warp: u32, then: &Snapshot) {
        let core = self.core(warp);
        let phases = self.phases(mbarrier);
        phases.arrived.join(&then.known);
        phases.arrived.clock.learn(core, then.core);
        phases.arrived.tensor.learn(core, then.core);
    }

    /// The block ends before the tensor core has done what a thread asked for. Where somebody has used the result too early,
    /// it is the same missing wait.
    pub fn core_unwaited(&mut self, who: Who) {
        let is_known =
            |finding: &Finding| matches!(finding.rule, Rule::Unwaited | Rule::Tensor { missing: Missing::Commit, .. });
        if !self.findings.iter().any(is_known) {
            self.unwaited(who);
        }
    }
}
