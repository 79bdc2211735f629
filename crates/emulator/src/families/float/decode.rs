//! Floating-point arithmetic of one, two and three operands.

use super::lanes::{self, FloatForm};
use crate::arithmetic::convert::format_of;
use crate::arithmetic::formats::{F16, Rounding};
use crate::decode::Decoder;
use crate::decode::modifiers::Modifiers;
use crate::lanes::{WordUnary, lanes};
use crate::program::{Data, File, Long, Op, Word};
use warpbook_diagnostic::Result;
use warpbook_ptx::isa::{Mnemonic, Modifier};
use warpbook_ptx::{Operand, PtxType};

impl FloatForm {
    /// Takes the modifiers that choose among the functions of one name.
    fn take(mnemonic: Mnemonic, m: &mut Modifiers<'_>) -> Self {
        match mnemonic {
            Mnemonic::Min | Mnemonic::Max if m.take(Modifier::PropagateNan) => Self::PropagatingNan,
            Mnemonic::Div => match m.take_any(&[Modifier::Full, Modifier::Approx]) {
                Some(Modifier::Full) => Self::FullRange,
                Some(_) => Self::Approximate,
                None => Self::Plain,
            },
            _ => Self::Plain,
        }
    }
}

impl Decoder<'_> {
    /// An instruction of one floating-point value: `neg`, `sqrt`, `ex2` and the like.
    pub(crate) fn float_unary(
        &mut self,
        mnemonic: Mnemonic,
        ty: PtxType,
        m: &mut Modifiers<'_>,
        o: &[Operand],
    ) -> Result<()> {
        let flush = m.take(Modifier::Ftz);
        let approximate = m.take(Modifier::Approx);
        match m.take_rounding() {
            Some(rounding @ (Rounding::TowardZero | Rounding::Down | Rounding::Up))
                if matches!(mnemonic, Mnemonic::Rcp | Mnemonic::Sqrt) =>
            {
                return self.rounded_unary(mnemonic, ty, rounding, flush, o);
            }
            _ => {}
        }
        match ty {
            PtxType::F64 => {
                let f = lanes::f64_unary(mnemonic, approximate, flush);
                self.emit_unary64(f.ok_or_else(|| self.unsupported_form())?, o)
            }
            PtxType::F32 => {
                let f = lanes::f32_unary(mnemonic, approximate, flush);
                self.emit_unary32(f.ok_or_else(|| self.unsupported_form())?, o)
            }
            _ => {
                let f = lanes::half_unary(mnemonic, ty, flush);
                self.emit_unary32(f.ok_or_else(|| self.unsupported_form())?, o)
            }
        }
    }

    /// An instruction of two floating-point values: `add`, `div`, `min` and the like.
    pub(crate) fn float_binary(
        &mut self,
        mnemonic: Mnemonic,
        ty: PtxType,
        m: &mut Modifiers<'_>,
        o: &[Operand],
    ) -> Result<()> {
        let flush = m.take(Modifier::Ftz);
        let saturate = m.take(Modifier::Sat);
        let picks = matches!(mnemonic, Mnemonic::Min | Mnemonic::Max);
        if picks && !saturate && (o.len() == 4 || m.has(Modifier::XorSign)) {
            return self.pick(mnemonic, ty, flush, m, o);
        }
        let form = FloatForm::take(mnemonic, m);
        let rounding = m.take_rounding().unwrap_or(Rounding::NearestEven);
        if rounding != Rounding::NearestEven {
            return self.rounded_binary(mnemonic, ty, rounding, flush, saturate, o);
        }
        match ty {
            PtxType::F32 => {
                let f = lanes::f32_binary(mnemonic, form, flush, saturate);
                self.emit_binary32(f.ok_or_else(|| self.unsupported_form())?, o)
            }
            PtxType::F64 => {
                let f = lanes::f64_binary(mnemonic, form);
                self.emit_binary64(f.ok_or_else(|| self.unsupported_form())?, o)
            }
            _ if (saturate || flush) && !matches!(ty, PtxType::F16 | PtxType::F16x2) => Err(self.unsupported_form()),
            _ if saturate || flush && !picks => self.half_as_fma(mnemonic, ty, flush, saturate, o),
            _ => {
                let f = lanes::half_binary(mnemonic, form, flush, ty);
                self.emit_binary32(f.ok_or_else(|| self.unsupported_form())?, o)
            }
        }
    }

    /// `fma` of floating-point values.
    pub(crate) fn float_fma(&mut self, ty: PtxType, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
        let rounding = m.take_rounding().unwrap_or(Rounding::NearestEven);
        let (flush, saturate, relu) = (m.take(Modifier::Ftz), m.take(Modifier::Sat), m.take(Modifier::Relu));
        if ty == PtxType::F32 && rounding == Rounding::NearestEven && !relu {
            return self.emit_ternary32(lanes::f32_fma(flush, saturate), o);
        }
        if ty == PtxType::F64 && rounding == Rounding::NearestEven {
            return self.emit_ternary64(lanes::f64_fma(), o);
        }
        let Some(format) = format_of(ty) else { return Err(self.unsupported_form()) };
        if flush && !matches!(ty, PtxType::F32 | PtxType::F16 | PtxType::F16x2) {
            return Err(self.unsupported_form());
        }
        let size = ty.size();
        let [a, b, c] = [1, 2, 3].map(|index| self.operand(o, index).cloned());
        let (a, b, c) = (self.data(&a?, size)?, self.data(&b?, size)?, self.data(&c?, size)?);
        let d = if size == 8 { Data::Long(self.long_out(o, 0)?) } else { Data::Word(self.word_out(o, 0)?) };
        let packed = matches!(ty, PtxType::F16x2 | PtxType::Bf16x2);
        let flags = u8::from(flush) | u8::from(saturate) << 1 | u8::from(relu) << 2;
        self.emit(Op::Fma { format, rounding, packed, flags, d, a, b, c });
        Ok(())
    }

    /// `add`, `sub` and `mul` of f16 with `.ftz` or `.sat`, as `a·b + c`.
    fn half_as_fma(
        &mut self,
        mnemonic: Mnemonic,
        ty: PtxType,
        flush: bool,
        saturate: bool,
        o: &[Operand],
    ) -> Result<()> {
        const ONE: u32 = 0x3c00_3c00;
        const MINUS_ONE: u32 = 0xbc00_bc00;
        const MINUS_ZERO: u32 = 0x8000_8000;
        let (a, b) = (self.word(o, 1)?, self.word(o, 2)?);
        let [a, b, c] = match mnemonic {
            Mnemonic::Add => [a, self.word_constant(ONE), b],
            Mnemonic::Sub => [b, self.word_constant(MINUS_ONE), a],
            Mnemonic::Mul => [a, b, self.word_constant(MINUS_ZERO)],
            _ => return Err(self.unsupported_form()),
        };
        let d = Data::Word(self.word_out(o, 0)?);
        let (a, b, c) = (Data::Word(a), Data::Word(b), Data::Word(c));
        let flags = u8::from(flush) | u8::from(saturate) << 1;
        let (format, rounding) = (F16, Rounding::NearestEven);
        self.emit(Op::Fma { format, rounding, packed: ty == PtxType::F16x2, flags, d, a, b, c });
        Ok(())
    }

    pub(crate) fn copy_sign(&mut self, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
        match self.take_type(m)? {
            PtxType::F32 => self.emit_binary32(lanes!(Word; |a: Word, b: Word| a & 1 << 31 | b & !(1 << 31)), o),
            _ => self.emit_binary64(lanes!(Long; |a: Long, b: Long| a & 1 << 63 | b & !(1 << 63)), o),
        }
    }

    pub(crate) fn test(&mut self, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
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
                let f: (WordUnary, fn(&mut Word, &Long)) = (
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
        let holds = self.fresh(File::Word);
        if ty == PtxType::F64 {
            let a = self.long(o, 1)?;
            self.emit(Op::NarrowTo32(double, holds, a));
        } else {
            let a = self.word(o, 1)?;
            self.emit(Op::Unary32(single, holds, a));
        }
        let d = self.predicate_out(o, 0)?;
        let f: fn(&Word) -> u32 = |a| a.iter().enumerate().fold(0, |mask, (lane, &holds)| mask | holds << lane);
        self.emit(Op::Test { f, d, a: holds });
        Ok(())
    }
}
