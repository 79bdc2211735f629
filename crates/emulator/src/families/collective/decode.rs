//! Shuffles, votes, matches and reductions: operands and modifiers.

use crate::decode::Decoder;
use crate::decode::modifiers::Modifiers;
use crate::lanes::lanes;
use crate::program::{File, Op, Reduction, Shuffle, Word};
use warpbook_diagnostic::Result;
use warpbook_ptx::isa::Modifier;
use warpbook_ptx::{Operand, PtxType};

impl Decoder<'_> {
    pub(crate) fn shuffle(&mut self, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
        m.take(Modifier::Sync);
        m.take(Modifier::Type(PtxType::B32));
        let mode = m.take_map(|own| {
            Some(match own {
                Modifier::Up => Shuffle::Up,
                Modifier::Down => Shuffle::Down,
                Modifier::Bfly => Shuffle::Butterfly,
                Modifier::Idx => Shuffle::Index,
                _ => return None,
            })
        });
        let mode = mode.ok_or_else(|| self.malformed("`shfl` has no mode"))?;
        let (a, b, c) = (self.word(o, 1)?, self.word(o, 2)?, self.word(o, 3)?);
        let (d, in_range) = match self.operand(o, 0)? {
            Operand::Pair(first, second) => {
                let pair = [(**first).clone(), (**second).clone()];
                (self.word_out(&pair, 0)?, Some(self.predicate_out(&pair, 1)?))
            }
            _ => (self.word_out(o, 0)?, None),
        };
        self.emit(Op::Shuffle { mode, d, in_range, a, b, c });
        Ok(())
    }

    pub(crate) fn vote(&mut self, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
        m.take(Modifier::Sync);
        m.take_type();
        let p = self.predicate(o, 1)?;
        let op = match m.take_any(&[Modifier::All, Modifier::Any, Modifier::Uni, Modifier::Ballot]) {
            Some(Modifier::All) => Op::VoteAll { d: self.predicate_out(o, 0)?, p },
            Some(Modifier::Any) => Op::VoteAny { d: self.predicate_out(o, 0)?, p },
            Some(Modifier::Uni) => Op::VoteUniform { d: self.predicate_out(o, 0)?, p },
            Some(_) => Op::Ballot { d: self.word_out(o, 0)?, p },
            None => return Err(self.malformed("`vote` has no mode")),
        };
        self.emit(op);
        Ok(())
    }

    pub(crate) fn matching(&mut self, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
        m.take(Modifier::Sync);
        let size = self.take_type(m)?.size();
        let operand = self.operand(o, 1)?;
        let a = self.data(operand, size)?;
        if m.take(Modifier::Any) {
            let d = self.word_out(o, 0)?;
            self.emit(Op::MatchAny { d, a });
            return Ok(());
        }
        m.take(Modifier::All);
        let (d, p) = match self.operand(o, 0)? {
            Operand::Pair(first, second) => {
                let pair = [(**first).clone(), (**second).clone()];
                (self.word_out(&pair, 0)?, Some(self.predicate_out(&pair, 1)?))
            }
            _ => (self.word_out(o, 0)?, None),
        };
        self.emit(Op::MatchAll { d, p, a });
        Ok(())
    }

    pub(crate) fn reduce(&mut self, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
        m.take(Modifier::Sync);
        let ty = self.take_type(m)?;
        let (float, signed) = (ty == PtxType::F32, ty.is_signed());
        let magnitudes = float && m.take(Modifier::Abs);
        let propagates_nan = float && m.take(Modifier::PropagateNan);
        let op = m.take_map(|own| {
            Some(match own {
                // The smaller of two f32 is the one that is no NaN; -0 is smaller than +0.
                Modifier::Min if float => Reduction::MinFloat { propagates_nan },
                Modifier::Max if float => Reduction::MaxFloat { propagates_nan },
                _ if float => return None,
                Modifier::Add => Reduction::Add,
                Modifier::Min if signed => Reduction::MinSigned,
                Modifier::Max if signed => Reduction::MaxSigned,
                Modifier::Min => Reduction::MinUnsigned,
                Modifier::Max => Reduction::MaxUnsigned,
                Modifier::And => Reduction::And,
                Modifier::Or => Reduction::Or,
                Modifier::Xor => Reduction::Xor,
                _ => return None,
            })
        });
        let op = op.ok_or_else(|| self.unsupported_form())?;
        let mut a = self.word(o, 1)?;
        if magnitudes {
            let magnitude = self.fresh(File::Word);
            self.emit(Op::Unary32(lanes!(Word; |a: Word| a & 0x7fff_ffff), magnitude, a));
            a = magnitude;
        }
        let d = self.word_out(o, 0)?;
        self.emit(Op::Reduce { op, d, a });
        Ok(())
    }

    pub(crate) fn elect(&mut self, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
        m.take(Modifier::Sync);
        let Operand::Pair(first, second) = self.operand(o, 0)? else {
            return Err(self.malformed("`elect.sync` has two destinations"));
        };
        let pair = [(**first).clone(), (**second).clone()];
        let d = if pair[0] == Operand::Sink { None } else { Some(self.word_out(&pair, 0)?) };
        let p = self.predicate_out(&pair, 1)?;
        self.emit(Op::Elect { d, p });
        Ok(())
    }

    /// Decodes the instruction `activemask`.
    pub(crate) fn active_mask(&mut self, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
        m.take(Modifier::Type(PtxType::B32));
        let d = self.word_out(o, 0)?;
        self.emit(Op::ActiveMask { d });
        Ok(())
    }
}
