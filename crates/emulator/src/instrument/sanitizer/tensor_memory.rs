//! Tensor memory: who wrote and who read which of its cells, and what the next access needs before it comes.
//!
//! PTX ISA 9.7.16.6. A warp's `tcgen05.ld` and `.st` end at their waits. `tcgen05.mma` and `.cp` are the tensor core's, in
//! the order in which one warp issues them; that they have ended a warp learns through a commit's mbarrier only. Between
//! warps `tcgen05.fence` has to stand on both sides of what orders them: that is asked of kernels that have any, since
//! Triton 3.4 to 3.9 emit none.
//!
//! Modelled after the text; nothing here was compared with hardware.

use super::Sanitizer;
use super::clock::{Knowledge, NEVER};
use super::finding::{Finding, Missing, Rule};
use super::tensor_shadow::{Record, Touch};
use super::undefined::Origin;
use crate::state::access::Issuer;
use crate::state::tensor_memory::{Cells, TOGETHER, TensorUse};

impl Sanitizer<'_> {
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

    /// What stands between an earlier access and one by `who`, if something is missing.
    fn missing(&self, issuer: Issuer, how: TensorUse, before: &Touch) -> Option<Missing> {
        let Knowledge { clock, .. } = self.known.get(issuer.warp as usize)?;
        let fenced = self.tensor.fenced.get(issuer.warp as usize)?;
        let ordered = |agent: usize, event: u32, otherwise: Missing| {
            if event > clock.get(agent) {
                Some(otherwise)
            } else {
                (self.checks.tensor_fences && event > fenced.get(agent)).then_some(Missing::Fence)
            }
        };
        let own = before.warp == issuer.warp;
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
    pub fn tensor_access(&mut self, issuer: Issuer, cells: &[Cells], how: TensorUse, core: u32) {
        self.accesses += 1;
        let issued = self.now(issuer.warp);
        let touch = Touch { warp: issuer.warp, how, ends: if core == 0 { NEVER } else { core }, issued, pc: issuer.pc };
        let mut reported = false;
        for &at in cells {
            let Some(record) = self.tensor.record(at) else { continue };
            let place = || {
                format!("lanes {} to {} of column {} of tensor memory", 16 * at.group, 16 * at.group + 15, at.column)
            };
            if let Some(released) = record.released {
                // What is there is of no use to anybody: one finding for it.
                if !reported {
                    reported = true;
                    let by = (released.warp != issuer.warp).then(|| format!("warp {}", released.warp));
                    let rule = Rule::Tensor { other: released.pc, missing: Missing::Allocation };
                    self.report(rule, issuer, by, place);
                }
                continue;
            }
            if !reported && how.reads() && how != TensorUse::Load && record.write.is_none() {
                reported = true;
                self.report(Rule::TensorUntouched, issuer, None, place);
            }
            let Some(record) = self.tensor.record(at) else { continue };
            let earlier: Vec<Touch> =
                record.write.iter().chain(record.reads.iter().filter(|_| how.writes())).copied().collect();
            let missing = earlier.iter().find_map(|before| Some((before, self.missing(issuer, how, before)?)));
            if !reported && let Some((before, missing)) = missing {
                reported = true;
                let by = (before.warp != issuer.warp).then(|| format!("warp {}", before.warp));
                self.report(Rule::Tensor { other: before.pc, missing }, issuer, by, place);
            }
            let Some(record) = self.tensor.record(at) else { continue };
            if how == TensorUse::Release {
                // A value from there is not reported once more where it goes.
                *record = Record { released: Some(touch), undefined: 0, ..Record::untouched() };
            } else if how.writes() {
                *record = Record::written(Some(touch));
            } else {
                let core = how.is_of_the_core();
                record.reads.retain(|read| (read.warp, read.how.is_of_the_core()) != (issuer.warp, core));
                record.reads.push(touch);
            }
        }
        if let Some([loads, stores]) = self.tensor.pending.get_mut(issuer.warp as usize) {
            match how {
                TensorUse::Load => loads.extend_from_slice(cells),
                TensorUse::Store => stores.extend_from_slice(cells),
                _ => {}
            }
        }
    }

    /// `tcgen05.alloc` has these cells.
    pub fn tensor_allocated(&mut self, cells: impl Iterator<Item = Cells>) {
        for at in cells {
            if let Some(record) = self.tensor.record(at) {
                *record = Record::untouched();
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
    pub fn tensor_written_elsewhere(&mut self, cells: &[Cells]) {
        for &at in cells {
            if let Some(record) = self.tensor.record(at) {
                *record = Record::written(None);
            }
        }
    }

    /// The block ends before the tensor core has done what a thread asked for. Where somebody has used the result too early,
    /// it is the same missing wait.
    pub fn core_unwaited(&mut self, issuer: Issuer) {
        let is_known =
            |finding: &Finding| matches!(finding.rule, Rule::Unwaited | Rule::Tensor { missing: Missing::Commit, .. });
        if !self.findings.iter().any(is_known) {
            self.report(Rule::Unwaited, issuer, None, String::new);
        }
    }
}
