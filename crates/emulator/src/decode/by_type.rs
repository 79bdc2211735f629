//! Instructions of one name for integers, floating-point values and predicates: the type in the opcode says which family.

use super::Decoder;
use super::modifiers::Modifiers;
use warpbook_diagnostic::Result;
use warpbook_ptx::isa::{Mnemonic, Modifier};
use warpbook_ptx::{Operand, PtxType};

impl Decoder<'_> {
    /// Instructions of two operands: `add`, `min`, `and`, `shl` and the like.
    pub(super) fn binary(&mut self, mnemonic: Mnemonic, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
        if let Some(pair) = m.take_any(&[Modifier::S16x2, Modifier::U16x2]) {
            return self.integer_pair_binary(mnemonic, pair == Modifier::S16x2, o);
        }
        match self.take_type(m)? {
            PtxType::Pred => self.predicate_logic(mnemonic, o),
            PtxType::F32x2 => self.pair_of_singles(mnemonic, m, o),
            PtxType::F32 if m.has_type() => {
                let narrow = self.take_type(m)?;
                self.mixed_precision(mnemonic, narrow, m, o)
            }
            ty if ty.is_float() => self.float_binary(mnemonic, ty, m, o),
            ty => self.integer_binary(mnemonic, ty, m, o),
        }
    }

    /// `fma` and `mad`.
    pub(super) fn multiply_add(&mut self, mnemonic: Mnemonic, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
        match self.take_type(m)? {
            PtxType::F32x2 => self.pair_of_singles(mnemonic, m, o),
            PtxType::F32 if m.has_type() => {
                let narrow = self.take_type(m)?;
                self.mixed_precision(mnemonic, narrow, m, o)
            }
            ty if ty.is_float() => self.float_fma(ty, m, o),
            _ if mnemonic == Mnemonic::Fma => Err(self.unsupported_form()),
            ty => self.integer_multiply_add(ty, m, o),
        }
    }

    /// Instructions of one operand: `neg`, `popc`, `ex2` and the like.
    pub(super) fn unary(&mut self, mnemonic: Mnemonic, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
        match self.take_type(m)? {
            PtxType::Pred if mnemonic == Mnemonic::Not => self.predicate_not(o),
            ty if ty.is_float() => self.float_unary(mnemonic, ty, m, o),
            ty => self.integer_unary(mnemonic, ty, m, o),
        }
    }
}
