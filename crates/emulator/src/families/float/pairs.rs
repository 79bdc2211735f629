//! Pairs of f32 in one register (sm_100). PTX ISA 9.7.3.

use super::lanes::{self, FloatForm};
use crate::arithmetic::formats::Rounding;
use crate::decode::Decoder;
use crate::decode::modifiers::Modifiers;
use crate::program::{File, Op, Slot};
use warpbook_diagnostic::Result;
use warpbook_ptx::Operand;
use warpbook_ptx::isa::{Mnemonic, Modifier};

impl Decoder<'_> {
    /// Each half by the instruction of one f32.
    pub(crate) fn pair_of_singles(&mut self, mnemonic: Mnemonic, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
        let flush = m.take(Modifier::Ftz);
        let rounding = m.take_rounding().unwrap_or(Rounding::NearestEven);
        let is_known = matches!(mnemonic, Mnemonic::Add | Mnemonic::Sub | Mnemonic::Mul | Mnemonic::Fma);
        if !is_known {
            return Err(self.unsupported_form());
        }
        let is_nearest = rounding == Rounding::NearestEven;
        let halves = |this: &mut Self, index: usize| -> Result<[Slot; 2]> {
            let a = this.long(o, index)?;
            let [low, high] = [this.fresh(File::Word), this.fresh(File::Word)];
            this.emit(Op::UnpackLong { low: Some(low), high: Some(high), a });
            Ok([low, high])
        };
        let (a, b) = (halves(self, 1)?, halves(self, 2)?);
        let c = if mnemonic == Mnemonic::Fma { Some(halves(self, 3)?) } else { None };
        let mut results = [0; 2];
        for (half, result) in results.iter_mut().enumerate() {
            *result = self.fresh(File::Word);
            match c {
                Some(c) => self.multiply_add_to(*result, rounding, (flush, false), [a[half], b[half], c[half]]),
                None if !is_nearest => {
                    let sources = self.as_multiply_add(mnemonic, rounding, [a[half], b[half]])?;
                    self.multiply_add_to(*result, rounding, (flush, false), sources);
                }
                None => {
                    let f = lanes::f32_binary(mnemonic, FloatForm::Plain, flush, false);
                    let f = f.ok_or_else(|| self.unsupported_form())?;
                    self.emit(Op::Binary32(f, *result, [a[half], b[half]]));
                }
            }
        }
        let d = self.long_out(o, 0)?;
        self.emit(Op::PackWords { d, low: results[0], high: results[1] });
        Ok(())
    }
}
