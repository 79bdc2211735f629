//! `cvt`: between integers and floats of every width, packed pairs included.

use crate::arithmetic::convert::{Conversion, format_of};
use crate::arithmetic::formats::Rounding;
use crate::arithmetic::narrow;
use crate::decode::Decoder;
use crate::decode::modifiers::Modifiers;
use crate::decode::scope::file_of;
use crate::lanes::{self, lanes};
use crate::program::{Data, File, Long, Op, Word};
use warpbook_diagnostic::Result;
use warpbook_ptx::isa::Modifier;
use warpbook_ptx::{Operand, PtxType};

impl Decoder<'_> {
    pub(crate) fn convert(&mut self, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
        let (to, from) = (self.take_type(m)?, self.take_type(m)?);
        let integral = m.take_integral_rounding();
        let rounding = m.take_rounding().unwrap_or(Rounding::NearestEven);
        let mut conversion = Conversion {
            to,
            from,
            rounding,
            integral,
            flush: m.take(Modifier::Ftz),
            saturate: m.take(Modifier::Sat),
            finite: m.take(Modifier::SatFinite),
            relu: m.take(Modifier::Relu),
        };
        let is_bits =
            |ty| matches!(ty, PtxType::B8 | PtxType::B16 | PtxType::B32 | PtxType::B64 | PtxType::B128 | PtxType::Pred);
        if let Some(ty) = [to, from].into_iter().find(|&ty| is_bits(ty)) {
            return Err(self.malformed(format!("`cvt` takes integers and floats, not .{ty}")));
        }
        use PtxType::{Bf16, Bf16x2, E4m3, E4m3x2, E5m2, E5m2x2, F16, F16x2, F32 as TF32, F64 as TF64};
        let scalar = |ty| match ty {
            F16x2 => F16,
            Bf16x2 => Bf16,
            E4m3x2 => E4m3,
            E5m2x2 => E5m2,
            other => other,
        };
        if from == TF32 && scalar(to) != to {
            conversion.to = scalar(to);
            let width = if to.size() == 4 { 16 } else { 8 };
            let (a, b) = (self.word(o, 1)?, self.word(o, 2)?);
            let d = self.word_out(o, 0)?;
            let modified = conversion.flush || conversion.saturate || conversion.finite || conversion.relu;
            let f: Option<lanes::WordBinary> = match (to, rounding) {
                _ if modified => None,
                (F16x2, Rounding::NearestEven) => {
                    Some(lanes!(Word; |a: Word, b: Word| narrow::f16_from_f32(a) << 16 | narrow::f16_from_f32(b)))
                }
                (Bf16x2, Rounding::NearestEven) => {
                    Some(lanes!(Word; |a: Word, b: Word| narrow::bf16_from_f32(a) << 16 | narrow::bf16_from_f32(b)))
                }
                _ => None,
            };
            if let Some(f) = f {
                self.emit(Op::Binary32(f, d, [a, b]));
                return Ok(());
            }
            self.emit(Op::ConvertPair { conversion, width, d, a, b });
            return Ok(());
        }
        if scalar(from) != from {
            if scalar(to) == to || to.size() > 4 {
                return Err(self.malformed(format!("`cvt` makes a pair of a pair (.{from}), not .{to}")));
            }
            conversion.from = scalar(from);
            conversion.to = scalar(to);
            let a = self.word(o, 1)?;
            let d = self.word_out(o, 0)?;
            self.emit(Op::UnpackPair { conversion, d, a });
            return Ok(());
        }
        // The common ones have functions of their own.
        let plain = !conversion.saturate;
        match (to.size(), from.size(), to.is_float() || from.is_float()) {
            (8, 4, false) => {
                let a = self.word(o, 1)?;
                let d = self.long_out(o, 0)?;
                let f: fn(&mut Long, &Word) = if from.is_signed() {
                    lanes!(Long; |a: Word| a as i32 as i64 as u64)
                } else {
                    lanes!(Long; |a: Word| u64::from(a))
                };
                if plain || to.is_signed() == from.is_signed() {
                    self.emit(Op::WidenTo64(f, d, a));
                    return Ok(());
                }
            }
            (4, 8, false) if plain => {
                let a = self.long(o, 1)?;
                let d = self.word_out(o, 0)?;
                self.emit(Op::NarrowTo32(lanes!(Word; |a: Long| a as u32), d, a));
                return Ok(());
            }
            _ => {}
        }
        let f: Option<lanes::WordUnary> = match (from, to, rounding) {
            (F16, TF32, _) if plain => Some(lanes!(Word; |a: Word| narrow::f32_from_f16(a))),
            (TF32, F16, Rounding::NearestEven) if plain && !conversion.finite && integral.is_none() => {
                Some(lanes!(Word; |a: Word| narrow::f16_from_f32(a)))
            }
            (TF32, Bf16, Rounding::NearestEven) if plain && !conversion.finite && integral.is_none() => {
                Some(lanes!(Word; |a: Word| narrow::bf16_from_f32(a)))
            }
            (Bf16, TF32, _) if plain => Some(lanes!(Word; |a: Word| a << 16)),
            (PtxType::S32, TF32, Rounding::NearestEven) if plain => {
                Some(lanes!(Word; |a: Word| (a as i32 as f32).to_bits()))
            }
            (PtxType::U32, TF32, Rounding::NearestEven) if plain => Some(lanes!(Word; |a: Word| (a as f32).to_bits())),
            (PtxType::U16, PtxType::U32 | PtxType::S32, _) => Some(lanes!(Word; |a: Word| a & 0xffff)),
            (PtxType::S16, PtxType::S32 | PtxType::U32, _) if plain => {
                Some(lanes!(Word; |a: Word| a as u16 as i16 as i32 as u32))
            }
            (PtxType::U32 | PtxType::S32, PtxType::U16 | PtxType::S16, _) if plain => {
                Some(lanes!(Word; |a: Word| a & 0xffff))
            }
            _ => None,
        };
        if let Some(f) = f.filter(|_| !conversion.flush && !conversion.relu) {
            let a = self.word(o, 1)?;
            let d = self.word_out(o, 0)?;
            self.emit(Op::Unary32(f, d, a));
            return Ok(());
        }
        if to == TF64 && from == TF32 || format_of(to).is_none() && to.is_float() || to == PtxType::Pred {
            // f32 to f64 falls through to the general way; the others are no conversions.
            if to != TF64 {
                return Err(self.unsupported_form());
            }
        }
        let operand = self.operand(o, 1)?;
        let a = self.data(operand, from.size())?;
        let d = match self.operand(o, 0)? {
            Operand::Name(name) => match self.lookup(name) {
                // A destination wider than the type is extended by the type's sign.
                Some((ty, slot)) if file_of(ty) == Some(File::Long) => Data::Long(slot),
                Some((ty, slot)) if file_of(ty) == Some(File::Word) => Data::Word(slot),
                _ => return Err(self.malformed(format!("`{name}` does not fit `cvt.{to}`"))),
            },
            _ => return Err(self.malformed("operand 1 has to be a register")),
        };
        self.emit(Op::Convert { conversion, d, a });
        Ok(())
    }
}
