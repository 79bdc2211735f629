//! Operations over lanes whose sources and destination are the operands of the instruction, in their order.

use super::Decoder;
use crate::lanes;
use crate::program::Op;
use warpbook_diagnostic::Result;
use warpbook_ptx::Operand;

impl Decoder<'_> {
    /// One source and a destination of 32 bits.
    pub(crate) fn emit_unary32(&mut self, f: lanes::WordUnary, o: &[Operand]) -> Result<()> {
        let a = self.word(o, 1)?;
        let d = self.word_out(o, 0)?;
        self.emit(Op::Unary32(f, d, a));
        Ok(())
    }

    /// One source and a destination of 64 bits.
    pub(crate) fn emit_unary64(&mut self, f: lanes::LongUnary, o: &[Operand]) -> Result<()> {
        let a = self.long(o, 1)?;
        let d = self.long_out(o, 0)?;
        self.emit(Op::Unary64(f, d, a));
        Ok(())
    }

    /// Two sources and a destination of 32 bits.
    pub(crate) fn emit_binary32(&mut self, f: lanes::WordBinary, o: &[Operand]) -> Result<()> {
        let sources = [self.word(o, 1)?, self.word(o, 2)?];
        let d = self.word_out(o, 0)?;
        self.emit(Op::Binary32(f, d, sources));
        Ok(())
    }

    /// Two sources and a destination of 64 bits.
    pub(crate) fn emit_binary64(&mut self, f: lanes::LongBinary, o: &[Operand]) -> Result<()> {
        let sources = [self.long(o, 1)?, self.long(o, 2)?];
        let d = self.long_out(o, 0)?;
        self.emit(Op::Binary64(f, d, sources));
        Ok(())
    }

    /// Three sources and a destination of 32 bits.
    pub(crate) fn emit_ternary32(&mut self, f: lanes::WordTernary, o: &[Operand]) -> Result<()> {
        let sources = [self.word(o, 1)?, self.word(o, 2)?, self.word(o, 3)?];
        let d = self.word_out(o, 0)?;
        self.emit(Op::Ternary32(f, d, sources));
        Ok(())
    }

    /// Three sources and a destination of 64 bits.
    pub(crate) fn emit_ternary64(&mut self, f: lanes::LongTernary, o: &[Operand]) -> Result<()> {
        let sources = [self.long(o, 1)?, self.long(o, 2)?, self.long(o, 3)?];
        let d = self.long_out(o, 0)?;
        self.emit(Op::Ternary64(f, d, sources));
        Ok(())
    }
}
