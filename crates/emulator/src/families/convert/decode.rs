//! `cvt`: between integers and floats of every width, packed pairs included.

use crate::arithmetic::convert::{Conversion, format_of};
use crate::arithmetic::formats::Rounding;
use crate::arithmetic::narrow;
use crate::decode::Decoder;
use crate::decode::modifiers::Modifiers;
use crate::decode::scope::file_of;
use crate::lanes::{WordBinary, WordUnary, lanes};
use crate::program::{Data, File, Long, Op, Word};
use warpbook_diagnostic::Result;
use warpbook_ptx::isa::Modifier;
use warpbook_ptx::{Operand, PtxType};

impl Decoder<'_> {
    /// Decodes the instruction `cvt`.
    pub(crate) fn convert(&mut self, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
        let (to, from) = (self.take_type(m)?, self.take_type(m)?);
        let integral = m.take_integral_rounding();
        let rounding = m.take_rounding().unwrap_or(Rounding::NearestEven);
        let conversion = Conversion {
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
        if from == PtxType::F32 && half_of(to) != to {
            return self.convert_to_pair(conversion, o);
        }
        if half_of(from) != from {
            return self.convert_pair(conversion, o);
        }
        if to.is_float() || from.is_float() {
            return self.convert_value(conversion, o);
        }
        match (to.size(), from.size()) {
            (8, 4) if !conversion.saturate || to.is_signed() == from.is_signed() => self.widen(from.is_signed(), o),
            (4, 8) if !conversion.saturate => self.narrow(o),
            _ => self.convert_value(conversion, o),
        }
    }

    /// Two f32 to a packed pair.
    fn convert_to_pair(&mut self, mut conversion: Conversion, o: &[Operand]) -> Result<()> {
        let pair = conversion.to;
        conversion.to = half_of(pair);
        let (a, b) = (self.word(o, 1)?, self.word(o, 2)?);
        let d = self.word_out(o, 0)?;
        let modified = conversion.flush || conversion.saturate || conversion.finite || conversion.relu;
        let f: Option<WordBinary> = match (pair, conversion.rounding) {
            _ if modified => None,
            (PtxType::F16x2, Rounding::NearestEven) => {
                Some(lanes!(Word; |a: Word, b: Word| narrow::f16_from_f32(a) << 16 | narrow::f16_from_f32(b)))
            }
            (PtxType::Bf16x2, Rounding::NearestEven) => {
                Some(lanes!(Word; |a: Word, b: Word| narrow::bf16_from_f32(a) << 16 | narrow::bf16_from_f32(b)))
            }
            _ => None,
        };
        let width = if pair.size() == 4 { 16 } else { 8 };
        self.emit(match f {
            Some(f) => Op::Binary32(f, d, [a, b]),
            None => Op::ConvertPair { conversion, width, d, a, b },
        });
        Ok(())
    }

    /// A packed pair to another one.
    fn convert_pair(&mut self, mut conversion: Conversion, o: &[Operand]) -> Result<()> {
        let Conversion { to, from, .. } = conversion;
        if half_of(to) == to || to.size() > 4 {
            return Err(self.malformed(format!("`cvt` makes a pair of a pair (.{from}), not .{to}")));
        }
        (conversion.from, conversion.to) = (half_of(from), half_of(to));
        let a = self.word(o, 1)?;
        let d = self.word_out(o, 0)?;
        self.emit(Op::UnpackPair { conversion, d, a });
        Ok(())
    }

    /// An integer of 32 bits to one of 64.
    fn widen(&mut self, signed: bool, o: &[Operand]) -> Result<()> {
        let a = self.word(o, 1)?;
        let d = self.long_out(o, 0)?;
        let f: fn(&mut Long, &Word) =
            if signed { lanes!(Long; |a: Word| a as i32 as i64 as u64) } else { lanes!(Long; |a: Word| u64::from(a)) };
        self.emit(Op::WidenTo64(f, d, a));
        Ok(())
    }

    /// An integer of 64 bits to one of 32.
    fn narrow(&mut self, o: &[Operand]) -> Result<()> {
        let a = self.long(o, 1)?;
        let d = self.word_out(o, 0)?;
        self.emit(Op::NarrowTo32(lanes!(Word; |a: Long| a as u32), d, a));
        Ok(())
    }

    /// A value to another one, by a function over all lanes where there is one.
    fn convert_value(&mut self, conversion: Conversion, o: &[Operand]) -> Result<()> {
        if let Some(f) = function_of_words(&conversion) {
            return self.emit_unary32(f, o);
        }
        let Conversion { to, from, .. } = conversion;
        if to.is_float() && format_of(to).is_none() {
            return Err(self.unsupported_form());
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

/// The type of the halves of a packed pair; any other type is its own.
fn half_of(ty: PtxType) -> PtxType {
    match ty {
        PtxType::F16x2 => PtxType::F16,
        PtxType::Bf16x2 => PtxType::Bf16,
        PtxType::E4m3x2 => PtxType::E4m3,
        PtxType::E5m2x2 => PtxType::E5m2,
        other => other,
    }
}

/// The function over all lanes of a conversion between values of up to 32 bits; only frequent conversions have one.
fn function_of_words(conversion: &Conversion) -> Option<WordUnary> {
    use PtxType::{Bf16, F16, F32, S16, S32, U16, U32};
    let &Conversion { to, from, rounding, integral, flush, saturate, finite, relu } = conversion;
    if flush || relu {
        return None;
    }
    let plain = !saturate;
    Some(match (from, to, rounding) {
        (F16, F32, _) if plain => lanes!(Word; |a: Word| narrow::f32_from_f16(a)),
        (F32, F16, Rounding::NearestEven) if plain && !finite && integral.is_none() => {
            lanes!(Word; |a: Word| narrow::f16_from_f32(a))
        }
        (F32, Bf16, Rounding::NearestEven) if plain && !finite && integral.is_none() => {
            lanes!(Word; |a: Word| narrow::bf16_from_f32(a))
        }
        (Bf16, F32, _) if plain => lanes!(Word; |a: Word| a << 16),
        (S32, F32, Rounding::NearestEven) if plain => lanes!(Word; |a: Word| (a as i32 as f32).to_bits()),
        (U32, F32, Rounding::NearestEven) if plain => lanes!(Word; |a: Word| (a as f32).to_bits()),
        (U16, U32 | S32, _) => lanes!(Word; |a: Word| a & 0xffff),
        (S16, S32 | U32, _) if plain => lanes!(Word; |a: Word| a as u16 as i16 as i32 as u32),
        (U32 | S32, U16 | S16, _) if plain => lanes!(Word; |a: Word| a & 0xffff),
        _ => return None,
    })
}
