//! `mov`: between registers, and packing and unpacking of several into one.

use crate::decode::Decoder;
use crate::decode::modifiers::Modifiers;
use crate::lanes::lanes;
use crate::program::{Data, Long, Op, Slot, Word};
use warpbook_diagnostic::Result;
use warpbook_ptx::{Operand, PtxType};

impl Decoder<'_> {
    pub(crate) fn mov(&mut self, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
        let ty = self.take_type(m)?;
        if ty == PtxType::Pred {
            let a = self.predicate(o, 1)?;
            let d = self.predicate_out(o, 0)?;
            self.emit(Op::PredicateMove { d, a });
            return Ok(());
        }
        match (self.operand(o, 0)?, self.operand(o, 1)?) {
            (Operand::Vector(parts), source) => return self.unpack(ty, parts, source),
            (_, Operand::Vector(parts)) => return self.pack(ty, o, parts),
            _ => {}
        }
        if let Operand::Name(name) = self.operand(o, 1)?
            && matches!(name.as_str(), "%clock" | "%clock64" | "%globaltimer" | "%clock_hi" | "%globaltimer_lo")
        {
            let d = if ty.size() == 8 { Data::Long(self.long_out(o, 0)?) } else { Data::Word(self.word_out(o, 0)?) };
            self.emit(Op::Clock { d });
            return Ok(());
        }
        match ty.size() {
            8 => {
                let a = self.long(o, 1)?;
                let d = self.long_out(o, 0)?;
                self.emit(Op::Unary64(lanes!(Long; |a: Long| a), d, a));
            }
            16 => return Err(self.unsupported("128-bit registers")),
            _ => {
                let a = self.word(o, 1)?;
                let d = self.word_out(o, 0)?;
                self.emit(Op::Unary32(lanes!(Word; |a: Word| a), d, a));
            }
        }
        Ok(())
    }

    fn optional_words(&mut self, parts: &[Operand]) -> Result<Vec<Option<Slot>>> {
        (0..parts.len())
            .map(|index| match &parts[index] {
                Operand::Sink => Ok(None),
                _ => self.word_out(parts, index).map(Some),
            })
            .collect()
    }

    fn unpack(&mut self, ty: PtxType, parts: &[Operand], source: &Operand) -> Result<()> {
        match (ty.size(), parts.len()) {
            (8, 2) => {
                let a = self.long_of(source)?;
                let d = self.optional_words(parts)?;
                self.emit(Op::UnpackLong { low: d[0], high: d[1], a });
            }
            (4, 2) => {
                let a = self.word_of(source)?;
                let d = self.optional_words(parts)?;
                self.emit(Op::UnpackHalves { low: d[0], high: d[1], a });
            }
            (4, 4) => {
                let a = self.word_of(source)?;
                let d = self.optional_words(parts)?;
                self.emit(Op::UnpackBytes { d: [d[0], d[1], d[2], d[3]], a });
            }
            (8, 4) => {
                let a = self.long_of(source)?;
                let d = self.optional_words(parts)?;
                self.emit(Op::UnpackQuarters { d: [d[0], d[1], d[2], d[3]], a });
            }
            (2, 2) => {
                let a = self.word_of(source)?;
                let d = self.optional_words(parts)?;
                self.emit(Op::UnpackBytes { d: [d[0], d[1], None, None], a });
            }
            (size, count) => return Err(self.unsupported(format!("a move of {size} bytes to {count} registers"))),
        }
        Ok(())
    }

    fn pack(&mut self, ty: PtxType, o: &[Operand], parts: &[Operand]) -> Result<()> {
        let mut slots = Vec::with_capacity(parts.len());
        for part in parts {
            slots.push(self.word_of(part)?);
        }
        match (ty.size(), slots[..].try_into().ok(), <[Slot; 2]>::try_from(&slots[..]).ok()) {
            (8, _, Some([low, high])) => {
                let d = self.long_out(o, 0)?;
                self.emit(Op::PackWords { d, low, high });
            }
            (4, _, Some([low, high])) => {
                let d = self.word_out(o, 0)?;
                self.emit(Op::PackHalves { d, low, high });
            }
            (2, _, Some([low, high])) => {
                let d = self.word_out(o, 0)?;
                let zero = self.word_constant(0);
                self.emit(Op::PackBytes { d, bytes: [low, high, zero, zero] });
            }
            (4, Some(bytes), _) => {
                let d = self.word_out(o, 0)?;
                self.emit(Op::PackBytes { d, bytes });
            }
            (8, Some(parts), _) => {
                let d = self.long_out(o, 0)?;
                self.emit(Op::PackQuarters { d, parts });
            }
            (size, ..) => {
                return Err(self.unsupported(format!("a move of {} registers to {size} bytes", slots.len())));
            }
        }
        Ok(())
    }
}
