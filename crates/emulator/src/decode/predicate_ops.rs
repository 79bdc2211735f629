//! Comparisons, tests, and choices by a predicate.

use super::Decoder;
use super::modifiers::Modifiers;
use crate::lanes::{self, lanes};
use crate::program::File;
use crate::program::{Logic, Long, Op, Word};
use warpbook_diagnostic::Result;
use warpbook_ptx::isa::{Comparison, Modifier};
use warpbook_ptx::{Operand, PtxType};

impl Decoder<'_> {
    pub(super) fn set_predicate(&mut self, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
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
            let f = lanes::compare_words(comparison, half, flush).ok_or_else(|| self.unsupported_form())?;
            let (a, b) = (self.word(o, 1)?, self.word(o, 2)?);
            let [al, ah, bl, bh] = [(); 4].map(|()| self.fresh(File::Word));
            self.emit(Op::UnpackHalves { low: Some(al), high: Some(ah), a });
            self.emit(Op::UnpackHalves { low: Some(bl), high: Some(bh), a: b });
            self.emit(Op::Compare32 { f, d, complement: None, a: al, b: bl, combine });
            if let Some(upper) = complement {
                self.emit(Op::Compare32 { f, d: upper, complement: None, a: ah, b: bh, combine });
            }
        } else if ty.size() == 8 {
            let f = lanes::compare_longs(comparison, ty).ok_or_else(|| self.unsupported_form())?;
            let (a, b) = (self.long(o, 1)?, self.long(o, 2)?);
            self.emit(Op::Compare64 { f, d, complement, a, b, combine });
        } else {
            let f = lanes::compare_words(comparison, ty, flush).ok_or_else(|| self.unsupported_form())?;
            let (a, b) = (self.word(o, 1)?, self.word(o, 2)?);
            self.emit(Op::Compare32 { f, d, complement, a, b, combine });
        }
        Ok(())
    }

    fn take_comparison(&self, m: &mut Modifiers<'_>) -> Result<Comparison> {
        m.take_comparison().ok_or_else(|| self.malformed("the opcode has no comparison"))
    }

    pub(super) fn set_word(&mut self, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
        let (to, from) = (self.take_type(m)?, self.take_type(m)?);
        let flush = m.take(Modifier::Ftz);
        let comparison = self.take_comparison(m)?;
        let f = lanes::compare_words(comparison, from, flush).ok_or_else(|| self.unsupported_form())?;
        let ones = if to == PtxType::F32 { 1f32.to_bits() } else { u32::MAX };
        let (a, b) = (self.word(o, 1)?, self.word(o, 2)?);
        let d = self.word_out(o, 0)?;
        self.emit(Op::SetByComparison { f, d, a, b, ones });
        Ok(())
    }

    pub(super) fn select_by_predicate(&mut self, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
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

    pub(super) fn test(&mut self, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
        let ty = self.take_type(m)?;
        macro_rules! property {
            (|$x:ident| $value:expr) => {{
                fn single(bits: u32) -> bool {
                    let $x = f32::from_bits(bits);
                    $value
                }
                fn double(bits: u64) -> bool {
                    let $x = f64::from_bits(bits);
                    $value
                }
                let f: (lanes::WordUnary, fn(&mut Word, &Long)) = (
                    lanes!(Word; |a: Word| u32::from(single(a))),
                    lanes!(Word; |a: Long| u32::from(double(a))),
                );
                f
            }};
        }
        let properties = [
            Modifier::Finite,
            Modifier::Infinite,
            Modifier::Number,
            Modifier::NotANumber,
            Modifier::Normal,
            Modifier::Subnormal,
        ];
        let (single, double) = match m.take_any(&properties) {
            Some(Modifier::Finite) => property!(|x| x.is_finite()),
            Some(Modifier::Infinite) => property!(|x| x.is_infinite()),
            Some(Modifier::Number) => property!(|x| !x.is_nan()),
            Some(Modifier::NotANumber) => property!(|x| x.is_nan()),
            // Zero is normal. (As on an H100.)
            Some(Modifier::Normal) => property!(|x| !x.is_nan() && !x.is_infinite() && !x.is_subnormal()),
            Some(_) => property!(|x| x.is_subnormal()),
            None => return Err(self.malformed("`testp` has no property")),
        };
        let held = self.fresh(File::Word);
        if ty == PtxType::F64 {
            let a = self.long(o, 1)?;
            self.emit(Op::NarrowTo32(double, held, a));
        } else {
            let a = self.word(o, 1)?;
            self.emit(Op::Unary32(single, held, a));
        }
        let d = self.predicate_out(o, 0)?;
        let f: fn(&Word) -> u32 = |a| a.iter().enumerate().fold(0, |mask, (lane, &holds)| mask | holds << lane);
        self.emit(Op::Test { f, d, a: held });
        Ok(())
    }
}
