//! Registers that a `wgmma` is at work on: fences before it, waits after it.

use super::Sanitizer;
use super::finding::{Finding, Rule};
use crate::instrument::Execution;
use crate::program::{File, Op, Slot, Use};
use crate::state::access::Issuer;
use crate::state::pending::PendingWgmma;
use warpbook_ptx::isa::Mnemonic;

impl Sanitizer<'_> {
    /// A register of a `wgmma` at `other` that has not been waited for is used.
    pub fn wgmma_register(&mut self, issuer: Issuer, other: u32) {
        self.unwaited_wgmmas.insert(other);
        // One missing wait, many registers; and what comes after it would be no other mistake.
        let is_other = |known: &Finding| matches!(known.rule, Rule::WgmmaRegister { .. }) && known.pc != issuer.pc;
        if !self.findings.iter().any(is_other) {
            self.report(Rule::WgmmaRegister { other }, issuer, None, String::new);
        }
    }

    /// The run has put a wait before an instruction that uses a register of the `wgmma` at `other`. Where the instruction only
    /// moves the register, the compiler's own code does that (Triton's for f16 accumulators), and the launch's warning is enough.
    pub fn wgmma_repaired(&mut self, issuer: Issuer, other: u32) {
        self.unwaited_wgmmas.insert(other);
        let opcode = self.checks.program.opcodes.get(issuer.pc as usize);
        if opcode.and_then(|opcode| opcode.mnemonic()) != Some(Mnemonic::Mov) {
            self.wgmma_register(issuer, other);
        }
    }

    /// True if a rule is broken only because the wait for some `wgmma` is missing, which was reported, or put in.
    pub(super) fn follows_from_unwaited_wgmma(&self, rule: Rule, pc: u32) -> bool {
        let is_unwaited = |pc: u32| self.unwaited_wgmmas.contains(&pc);
        match rule {
            Rule::Race { shared: true, other } => is_unwaited(pc) || is_unwaited(other),
            Rule::Undefined { origin: Some(origin), .. } => is_unwaited(origin),
            _ => false,
        }
    }

    /// A register that some `wgmma` takes is written by another instruction.
    pub fn register_written(&mut self, issuer: Issuer, slot: Slot) {
        if let Some(Some(unfenced)) = self.unfenced.get_mut(issuer.warp as usize) {
            unfenced.insert(slot, issuer.pc);
        }
    }

    /// A `wgmma` with these registers is issued.
    pub fn wgmma_takes(&mut self, issuer: Issuer, mut words: impl Iterator<Item = Slot>) {
        let other = match self.unfenced.get(issuer.warp as usize) {
            Some(Some(unfenced)) => words.find_map(|slot| unfenced.get(&slot).copied()).map(Some),
            _ => Some(None),
        };
        if let Some(other) = other {
            self.report(Rule::WgmmaFence { other }, issuer, None, String::new);
        }
    }

    /// True if an instruction touches what a `wgmma` is still working on, and whether a
    /// `wgmma.fence` stands between a register's write and a `wgmma` that takes it.
    pub fn check_registers(&mut self, at: &Execution<'_>) {
        let checks = self.checks;
        if checks.wgmma_words.is_empty() || at.active == 0 {
            return;
        }
        let (issuer, pc) = (at.first_issuer(), at.pc);
        let code = &checks.program.code;
        match code.get(pc as usize).map(|instruction| &instruction.op) {
            Some(Op::Wgmma(wgmma)) => return self.wgmma_takes(issuer, wgmma.words()),
            Some(Op::WgmmaWait { .. }) | None => return,
            _ => {}
        }
        let uses = checks.uses.get(pc as usize).map(Vec::as_slice).unwrap_or_default();
        let words = uses.iter().filter(|(file, _, slot)| *file == File::Word && checks.wgmma_words.contains(slot));
        for &(_, how, slot) in words {
            let holds = |pending: &&PendingWgmma| match code.get(pending.pc as usize).map(|i| &i.op) {
                Some(Op::Wgmma(wgmma)) => wgmma.holds(slot),
                _ => false,
            };
            if let Some(pending) = at.warp.wgmmas.iter().find(holds) {
                self.unwaited_wgmmas.extend(at.warp.wgmmas.iter().map(|pending| pending.pc));
                return self.wgmma_register(issuer, pending.pc);
            }
            if how == Use::Write {
                self.register_written(issuer, slot);
            }
        }
    }
}
