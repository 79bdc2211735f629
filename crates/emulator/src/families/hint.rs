//! Instructions that advise a GPU and change no result: policies of caches, registers of a warp.

use crate::decode::Decoder;
use crate::decode::modifiers::Modifiers;
use crate::lanes::lanes;
use crate::program::{Long, Op};
use warpbook_diagnostic::Result;
use warpbook_ptx::isa::Modifier;
use warpbook_ptx::{Operand, PtxType};

impl Decoder<'_> {
    /// `createpolicy`: loads and stores take any policy.
    pub(crate) fn create_policy(&mut self, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
        m.take_all(&[Modifier::Fractional, Modifier::Type(PtxType::B64)]);
        m.take_cache_level_hints();
        let policy = self.long_constant(0);
        let d = self.long_out(o, 0)?;
        self.emit(Op::Unary64(lanes!(Long; |a: Long| a), d, policy));
        Ok(())
    }

    /// `setmaxnreg`: registers are not scarce here.
    pub(crate) fn set_most_registers(&mut self, m: &mut Modifiers<'_>) -> Result<()> {
        if m.take_any(&[Modifier::Inc, Modifier::Dec]).is_none() {
            return Err(self.unsupported_form());
        }
        m.take_all(&[Modifier::Sync, Modifier::Aligned, Modifier::Type(PtxType::U32)]);
        self.emit(Op::Nothing);
        Ok(())
    }
}
