//! `add`, `sub` and `fma` of f32 whose first operands are f16 or bf16 (sm_100). PTX ISA 8.6, 9.7.5.

use super::lanes::{self, FloatForm};
use crate::arithmetic::float::bits32;
use crate::arithmetic::formats::{F16, Rounding};
use crate::decode::Decoder;
use crate::decode::modifiers::Modifiers;
use crate::lanes::{WordUnary, lanes};
use crate::program::{File, Op, Slot, Word};
use warpbook_diagnostic::Result;
use warpbook_ptx::isa::{Mnemonic, Modifier};
use warpbook_ptx::{Operand, PtxType};

impl Decoder<'_> {
    /// The narrow operands are widened, which is exact; what follows is the instruction of f32.
    pub(crate) fn mixed_precision(
        &mut self,
        mnemonic: Mnemonic,
        narrow: PtxType,
        m: &mut Modifiers<'_>,
        o: &[Operand],
    ) -> Result<()> {
        let saturate = m.take(Modifier::Sat);
        let rounding = match m.take_rounding() {
            None if mnemonic == Mnemonic::Fma => return Err(self.malformed("`fma` needs a rounding: `.rn`")),
            rounding => rounding.unwrap_or(Rounding::NearestEven),
        };
        let a = self.widened(narrow, o, 1)?;
        let sources = if mnemonic == Mnemonic::Fma {
            [a, self.widened(narrow, o, 2)?, self.word(o, 3)?]
        } else {
            let c = self.word(o, 2)?;
            if rounding == Rounding::NearestEven && matches!(mnemonic, Mnemonic::Add | Mnemonic::Sub) {
                let f = lanes::f32_binary(mnemonic, FloatForm::Plain, false, saturate);
                let d = self.word_out(o, 0)?;
                self.emit(Op::Binary32(f.ok_or_else(|| self.unsupported_form())?, d, [a, c]));
                return Ok(());
            }
            if mnemonic == Mnemonic::Mul {
                return Err(self.unsupported_form());
            }
            self.as_multiply_add(mnemonic, rounding, [a, c])?
        };
        let d = self.word_out(o, 0)?;
        self.multiply_add_to(d, rounding, (false, saturate), sources);
        Ok(())
    }

    /// A register with the f32 value of an operand that is f16 or bf16.
    fn widened(&mut self, narrow: PtxType, o: &[Operand], index: usize) -> Result<Slot> {
        let f: WordUnary = match narrow {
            PtxType::F16 => lanes!(Word; |a: Word| bits32(F16.to_f64(u64::from(a & 0xffff)) as f32)),
            PtxType::Bf16 => lanes!(Word; |a: Word| bits32(f32::from_bits(a << 16))),
            _ => return Err(self.unsupported_form()),
        };
        if !matches!(self.operand(o, index)?, Operand::Name(_)) {
            return Err(self.malformed(format!("operand {} has to be a register of 16 bits", index + 1)));
        }
        let a = self.word(o, index)?;
        let d = self.fresh(File::Word);
        self.emit(Op::Unary32(f, d, a));
        Ok(d)
    }
}
