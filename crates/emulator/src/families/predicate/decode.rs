//! Comparisons, choices by a predicate, and logic of predicates.

use super::lanes::{compare_longs, compare_words};
use crate::decode::Decoder;
use crate::decode::modifiers::Modifiers;
use crate::program::{File, Logic, Op};
use warpbook_diagnostic::Result;
use warpbook_ptx::isa::{Comparison, Mnemonic, Modifier};
use warpbook_ptx::{Operand, PtxType};

/// The bits that `set` writes where the comparison holds: 1.0 of a float, all ones of an integer. `None` for a type that
/// `set` does not write (PTX ISA 9.7.6.1, 9.7.7.1).
fn holds(to: PtxType) -> Option<u32> {
    match to {
        PtxType::F32 => Some(1f32.to_bits()),
        PtxType::F16 => Some(0x3c00),
        PtxType::Bf16 => Some(0x3f80),
        PtxType::U16 | PtxType::S16 => Some(0xffff),
        PtxType::U32 | PtxType::S32 => Some(u32::MAX),
        _ => None,
    }
}

impl Decoder<'_> {
    pub(crate) fn set_predicate(&mut self, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
        let ty = self.take_type(m)?;
        let flush = m.take(Modifier::Ftz);
        let logic = m.take_map(|own| match own {
            Modifier::And => Some(Logic::And),
            Modifier::Or => Some(Logic::Or),
            Modifier::Xor => Some(Logic::Xor),
            _ => None,
        });
        let comparison = self.take_comparison(m)?;
        let (d, complement) = match self.operand(o, 0)? {
            Operand::Pair(first, second) => {
                let pair = [(**first).clone(), (**second).clone()];
                let second = if pair[1] == Operand::Sink { None } else { Some(self.predicate_out(&pair, 1)?) };
                (self.predicate_out(&pair, 0)?, second)
            }
            _ => (self.predicate_out(o, 0)?, None),
        };
        let combine = match logic {
            Some(logic) => Some((logic, self.predicate(o, 3)?, false)),
            None => None,
        };
        if matches!(ty, PtxType::F16x2 | PtxType::Bf16x2) {
            // The first predicate is of the lower halves, the second of the upper ones.
            let half = if ty == PtxType::F16x2 { PtxType::F16 } else { PtxType::Bf16 };
            let f = compare_words(comparison, half, flush).ok_or_else(|| self.unsupported_form())?;
            let (a, b) = (self.word(o, 1)?, self.word(o, 2)?);
            let [al, ah, bl, bh] = [(); 4].map(|()| self.fresh(File::Word));
            self.emit(Op::UnpackHalves { low: Some(al), high: Some(ah), a });
            self.emit(Op::UnpackHalves { low: Some(bl), high: Some(bh), a: b });
            self.emit(Op::Compare32 { f, d, complement: None, a: al, b: bl, combine });
            if let Some(upper) = complement {
                self.emit(Op::Compare32 { f, d: upper, complement: None, a: ah, b: bh, combine });
            }
        } else if ty.size() == 8 {
            let f = compare_longs(comparison, ty).ok_or_else(|| self.unsupported_form())?;
            let (a, b) = (self.long(o, 1)?, self.long(o, 2)?);
            self.emit(Op::Compare64 { f, d, complement, a, b, combine });
        } else {
            let f = compare_words(comparison, ty, flush).ok_or_else(|| self.unsupported_form())?;
            let (a, b) = (self.word(o, 1)?, self.word(o, 2)?);
            self.emit(Op::Compare32 { f, d, complement, a, b, combine });
        }
        Ok(())
    }

    fn take_comparison(&self, m: &mut Modifiers<'_>) -> Result<Comparison> {
        m.take_comparison().ok_or_else(|| self.malformed("the opcode has no comparison"))
    }

    /// `set`: a number that says whether a comparison holds.
    pub(crate) fn set_word(&mut self, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
        let (to, from) = (self.take_type(m)?, self.take_type(m)?);
        let flush = m.take(Modifier::Ftz);
        let comparison = self.take_comparison(m)?;
        if matches!(from, PtxType::F16x2 | PtxType::Bf16x2) {
            return self.set_halves(to, from, comparison, flush, o);
        }
        let f = compare_words(comparison, from, flush).ok_or_else(|| self.unsupported_form())?;
        let ones = holds(to).ok_or_else(|| self.unsupported_form())?;
        let (a, b) = (self.word(o, 1)?, self.word(o, 2)?);
        let d = self.word_out(o, 0)?;
        self.emit(Op::SetByComparison { f, d, a, b, ones });
        Ok(())
    }

    /// `set` of both halves of a word, each for itself.
    fn set_halves(
        &mut self,
        to: PtxType,
        from: PtxType,
        comparison: Comparison,
        flush: bool,
        o: &[Operand],
    ) -> Result<()> {
        let half = if from == PtxType::F16x2 { PtxType::F16 } else { PtxType::Bf16 };
        let f = compare_words(comparison, half, flush).ok_or_else(|| self.unsupported_form())?;
        let ones = holds(half).filter(|_| to == from).ok_or_else(|| self.unsupported_form())?;
        let (a, b) = (self.word(o, 1)?, self.word(o, 2)?);
        let [al, ah, bl, bh, low, high] = [(); 6].map(|()| self.fresh(File::Word));
        self.emit(Op::UnpackHalves { low: Some(al), high: Some(ah), a });
        self.emit(Op::UnpackHalves { low: Some(bl), high: Some(bh), a: b });
        self.emit(Op::SetByComparison { f, d: low, a: al, b: bl, ones });
        self.emit(Op::SetByComparison { f, d: high, a: ah, b: bh, ones });
        let d = self.word_out(o, 0)?;
        self.emit(Op::PackHalves { d, low, high });
        Ok(())
    }

    pub(crate) fn select_by_predicate(&mut self, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
        let ty = self.take_type(m)?;
        let p = self.predicate(o, 3)?;
        if ty.size() == 8 {
            let (a, b) = (self.long(o, 1)?, self.long(o, 2)?);
            let d = self.long_out(o, 0)?;
            self.emit(Op::Select64 { d, a, b, p });
        } else {
            let (a, b) = (self.word(o, 1)?, self.word(o, 2)?);
            let d = self.word_out(o, 0)?;
            self.emit(Op::Select32 { d, a, b, p });
        }
        Ok(())
    }

    /// `and`, `or` and `xor` of two predicates.
    pub(crate) fn predicate_logic(&mut self, mnemonic: Mnemonic, o: &[Operand]) -> Result<()> {
        let logic = match mnemonic {
            Mnemonic::And => Logic::And,
            Mnemonic::Or => Logic::Or,
            Mnemonic::Xor => Logic::Xor,
            _ => return Err(self.unsupported_form()),
        };
        let (a, b) = (self.predicate(o, 1)?, self.predicate(o, 2)?);
        let d = self.predicate_out(o, 0)?;
        self.emit(Op::PredicateLogic { logic, d, a, b });
        Ok(())
    }

    /// `not` of a predicate.
    pub(crate) fn predicate_not(&mut self, o: &[Operand]) -> Result<()> {
        let a = self.predicate(o, 1)?;
        let d = self.predicate_out(o, 0)?;
        self.emit(Op::PredicateNot { d, a });
        Ok(())
    }
}
