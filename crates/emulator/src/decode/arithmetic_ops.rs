//! Arithmetic of one, two and three operands, on integers and on floats.

use super::Decoder;
use super::modifiers::Modifiers;
use crate::arithmetic::convert::format_of;
use crate::arithmetic::formats::{F16, Rounding};
use crate::arithmetic::{float, integer};
use crate::lanes::{self, FloatForm, IntegerForm, lanes};
use crate::program::{Data, Logic, Long, Op, Special, Word};
use crate::state::address::RANK_SHIFT;
use warpbook_diagnostic::Result;
use warpbook_ptx::isa::{Mnemonic, Modifier};
use warpbook_ptx::{Immediate, Operand, PtxType};

impl IntegerForm {
    /// Takes the modifiers that say which part of a product is meant, or that a sum saturates.
    fn take(mnemonic: Mnemonic, m: &mut Modifiers<'_>) -> Self {
        if mnemonic == Mnemonic::Mul {
            return match m.take_any(&[Modifier::Lo, Modifier::Hi, Modifier::Wide]) {
                Some(Modifier::Wide) => Self::Wide,
                Some(Modifier::Hi) => Self::High,
                Some(_) => Self::Low,
                None => Self::Plain,
            };
        }
        if m.take(Modifier::Sat) { Self::Saturating } else { Self::Plain }
    }
}

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
    pub(super) fn emit_binary32(&mut self, f: lanes::WordBinary, o: &[Operand]) -> Result<()> {
        let sources = [self.word(o, 1)?, self.word(o, 2)?];
        let d = self.word_out(o, 0)?;
        self.emit(Op::Binary32(f, d, sources));
        Ok(())
    }

    pub(super) fn emit_binary64(&mut self, f: lanes::LongBinary, o: &[Operand]) -> Result<()> {
        let sources = [self.long(o, 1)?, self.long(o, 2)?];
        let d = self.long_out(o, 0)?;
        self.emit(Op::Binary64(f, d, sources));
        Ok(())
    }

    pub(super) fn binary(&mut self, mnemonic: Mnemonic, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
        if let Some(pair) = m.take_any(&[Modifier::S16x2, Modifier::U16x2]) {
            let f = lanes::integer_pair_binary(mnemonic, pair == Modifier::S16x2);
            let f = f.ok_or_else(|| self.unsupported_form())?;
            return self.emit_binary32(f, o);
        }
        let ty = self.take_type(m)?;
        if ty == PtxType::Pred {
            let logic = match mnemonic {
                Mnemonic::And => Logic::And,
                Mnemonic::Or => Logic::Or,
                Mnemonic::Xor => Logic::Xor,
                _ => return Err(self.unsupported_form()),
            };
            let (a, b) = (self.predicate(o, 1)?, self.predicate(o, 2)?);
            let d = self.predicate_out(o, 0)?;
            self.emit(Op::PredicateLogic { logic, d, a, b });
            return Ok(());
        }
        if ty == PtxType::F32x2 {
            return self.pair_of_singles(mnemonic, m, o);
        }
        if ty.is_float() {
            return self.float_binary(mnemonic, ty, m, o);
        }
        if matches!(mnemonic, Mnemonic::Shl | Mnemonic::Shr) && ty.size() == 8 {
            let f: fn(&mut Long, &Long, &Word) = match (mnemonic, ty.is_signed()) {
                (Mnemonic::Shl, _) => lanes!(Long; |a: Long, b: Word| if b < 64 { a << b } else { 0 }),
                (_, false) => lanes!(Long; |a: Long, b: Word| if b < 64 { a >> b } else { 0 }),
                (_, true) => lanes!(Long; |a: Long, b: Word| ((a as i64) >> b.min(63)) as u64),
            };
            let sources = [self.long(o, 1)?, self.word(o, 2)?];
            let d = self.long_out(o, 0)?;
            self.emit(Op::Shift64(f, d, sources));
            return Ok(());
        }
        let form = IntegerForm::take(mnemonic, m);
        if form == IntegerForm::Wide && ty.size() == 4 {
            let f: fn(&mut Long, &Word, &Word) = if ty.is_signed() {
                lanes!(Long; |a: Word, b: Word| (i64::from(a as i32) * i64::from(b as i32)) as u64)
            } else {
                lanes!(Long; |a: Word, b: Word| u64::from(a) * u64::from(b))
            };
            let sources = [self.word(o, 1)?, self.word(o, 2)?];
            let d = self.long_out(o, 0)?;
            self.emit(Op::WideMultiply(f, d, sources));
            return Ok(());
        }
        if mnemonic == Mnemonic::And && ty.size() == 4 && self.names_first_of_pair(o) {
            let (sources, rank) = ([self.word(o, 1)?, self.word(o, 2)?], self.special(Special::ClusterRank));
            let d = self.word_out(o, 0)?;
            let f: lanes::WordTernary = lanes!(Word; |a: Word, mask: Word, rank: Word| first_of_pair(a, mask, rank));
            self.emit(Op::Ternary32(f, d, [sources[0], sources[1], rank]));
            return Ok(());
        }
        if ty.size() == 8 {
            let f = lanes::integer_long_binary(mnemonic, form, ty.is_signed());
            self.emit_binary64(f.ok_or_else(|| self.unsupported_form())?, o)
        } else {
            let f = lanes::integer_word_binary(mnemonic, form, ty);
            self.emit_binary32(f.ok_or_else(|| self.unsupported_form())?, o)
        }
    }

    /// True if an `and` makes a shared address that of the first block of the pair: where blocks work in pairs, code clears
    /// the last bit of the rank, which a GPU has at bit 24 of each address of the cluster's window, the block's own too.
    fn names_first_of_pair(&self, o: &[Operand]) -> bool {
        let clears = |mask: u64| mask as u32 >> 24 == 0xfe;
        self.pairs && matches!(o.get(2), Some(Operand::Immediate(Immediate::Integer(mask))) if clears(*mask))
    }

    fn float_binary(&mut self, mnemonic: Mnemonic, ty: PtxType, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
        let flush = m.take(Modifier::Ftz);
        let saturate = m.take(Modifier::Sat);
        let picks = matches!(mnemonic, Mnemonic::Min | Mnemonic::Max);
        if picks && ty == PtxType::F32 && m.has(Modifier::XorSign) && m.has(Modifier::Abs) {
            m.take_all(&[Modifier::XorSign, Modifier::Abs]);
            const SIGN: u32 = 1 << 31;
            fn of_magnitudes(f: fn(f32, f32) -> u32, a: u32, b: u32) -> u32 {
                f(f32::from_bits(a & !SIGN), f32::from_bits(b & !SIGN)) | (a ^ b) & SIGN
            }
            return match (mnemonic, flush) {
                (_, true) => Err(self.unsupported_form()),
                (Mnemonic::Min, _) => {
                    self.emit_binary32(lanes!(Word; |a: Word, b: Word| of_magnitudes(float::min32, a, b)), o)
                }
                _ => self.emit_binary32(lanes!(Word; |a: Word, b: Word| of_magnitudes(float::max32, a, b)), o),
            };
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

    pub(super) fn multiply_add(&mut self, mnemonic: Mnemonic, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
        let ty = self.take_type(m)?;
        if ty == PtxType::F32x2 {
            return self.pair_of_singles(mnemonic, m, o);
        }
        if ty.is_float() {
            return self.float_fma(ty, m, o);
        }
        if mnemonic == Mnemonic::Fma {
            return Err(self.unsupported_form());
        }
        if m.take(Modifier::Wide) {
            if ty.size() == 2 {
                let f: lanes::WordTernary = if ty.is_signed() {
                    lanes!(Word; |a: Word, b: Word, c: Word| (i32::from(a as i16) * i32::from(b as i16)).wrapping_add(c as i32) as u32)
                } else {
                    lanes!(Word; |a: Word, b: Word, c: Word| ((a & 0xffff) * (b & 0xffff)).wrapping_add(c))
                };
                return self.emit_ternary32(f, o);
            }
            let f: fn(&mut Long, &Word, &Word, &Long) = if ty.is_signed() {
                lanes!(Long; |a: Word, b: Word, c: Long| (i64::from(a as i32) * i64::from(b as i32)).wrapping_add(c as i64) as u64)
            } else {
                lanes!(Long; |a: Word, b: Word, c: Long| (u64::from(a) * u64::from(b)).wrapping_add(c))
            };
            let sources = [self.word(o, 1)?, self.word(o, 2)?, self.long(o, 3)?];
            let d = self.long_out(o, 0)?;
            self.emit(Op::WideMultiplyAdd(f, d, sources));
            return Ok(());
        }
        let high = m.take(Modifier::Hi);
        if !high {
            m.take(Modifier::Lo);
        }
        let saturate = m.take(Modifier::Sat);
        match (ty.size(), high, ty.is_signed()) {
            _ if saturate && (ty.size(), high, ty.is_signed()) != (4, true, true) => Err(self.unsupported_form()),
            (8, false, _) => {
                let sources = [self.long(o, 1)?, self.long(o, 2)?, self.long(o, 3)?];
                let d = self.long_out(o, 0)?;
                let f = lanes!(Long; |a: Long, b: Long, c: Long| a.wrapping_mul(b).wrapping_add(c));
                self.emit(Op::Ternary64(f, d, sources));
                Ok(())
            }
            (4, false, _) => self.emit_ternary32(lanes!(Word; |a: Word, b: Word, c: Word| a.wrapping_mul(b).wrapping_add(c)), o),
            (2, false, _) => {
                self.emit_ternary32(lanes!(Word; |a: Word, b: Word, c: Word| a.wrapping_mul(b).wrapping_add(c) & 0xffff), o)
            }
            (2, true, false) => self.emit_ternary32(
                lanes!(Word; |a: Word, b: Word, c: Word| (((a & 0xffff) * (b & 0xffff)) >> 16).wrapping_add(c) & 0xffff),
                o,
            ),
            (2, true, true) => self.emit_ternary32(
                lanes!(Word; |a: Word, b: Word, c: Word| (((i32::from(a as i16) * i32::from(b as i16)) >> 16) as u32).wrapping_add(c) & 0xffff),
                o,
            ),
            (8, true, signed) => {
                let sources = [self.long(o, 1)?, self.long(o, 2)?, self.long(o, 3)?];
                let d = self.long_out(o, 0)?;
                let f: fn(&mut Long, &Long, &Long, &Long) = if signed {
                    lanes!(Long; |a: Long, b: Long, c: Long| (((i128::from(a as i64) * i128::from(b as i64)) >> 64) as u64).wrapping_add(c))
                } else {
                    lanes!(Long; |a: Long, b: Long, c: Long| (((u128::from(a) * u128::from(b)) >> 64) as u64).wrapping_add(c))
                };
                self.emit(Op::Ternary64(f, d, sources));
                Ok(())
            }
            (4, true, true) if saturate => self.emit_ternary32(
                lanes!(Word; |a: Word, b: Word, c: Word| {
                    let high = (i64::from(a as i32) * i64::from(b as i32)) >> 32;
                    (high as i32).saturating_add(c as i32) as u32
                }),
                o,
            ),
            (4, true, false) => self.emit_ternary32(
                lanes!(Word; |a: Word, b: Word, c: Word| ((u64::from(a) * u64::from(b)) >> 32).wrapping_add(c.into()) as u32),
                o,
            ),
            (4, true, true) => self.emit_ternary32(
                lanes!(Word; |a: Word, b: Word, c: Word| ((i64::from(a as i32) * i64::from(b as i32)) >> 32).wrapping_add((c as i32).into()) as u32),
                o,
            ),
            _ => Err(self.unsupported_form()),
        }
    }

    pub(super) fn emit_ternary32(&mut self, f: lanes::WordTernary, o: &[Operand]) -> Result<()> {
        let sources = [self.word(o, 1)?, self.word(o, 2)?, self.word(o, 3)?];
        let d = self.word_out(o, 0)?;
        self.emit(Op::Ternary32(f, d, sources));
        Ok(())
    }

    fn float_fma(&mut self, ty: PtxType, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
        let rounding = m.take_rounding().unwrap_or(Rounding::NearestEven);
        let (flush, saturate, relu) = (m.take(Modifier::Ftz), m.take(Modifier::Sat), m.take(Modifier::Relu));
        if ty == PtxType::F32 && rounding == Rounding::NearestEven && !relu {
            return self.emit_ternary32(lanes::f32_fma(flush, saturate), o);
        }
        if ty == PtxType::F64 && rounding == Rounding::NearestEven {
            let sources = [self.long(o, 1)?, self.long(o, 2)?, self.long(o, 3)?];
            let d = self.long_out(o, 0)?;
            self.emit(Op::Ternary64(lanes::f64_fma(), d, sources));
            return Ok(());
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

    pub(super) fn unary(&mut self, mnemonic: Mnemonic, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
        use Mnemonic as M;
        let ty = self.take_type(m)?;
        let float = ty.is_float();
        let flush = float && m.take(Modifier::Ftz);
        let approximate = float && m.take(Modifier::Approx);
        let rounding = if float { m.take_rounding() } else { None };
        if ty == PtxType::Pred && mnemonic == M::Not {
            let a = self.predicate(o, 1)?;
            let d = self.predicate_out(o, 0)?;
            self.emit(Op::PredicateNot { d, a });
            return Ok(());
        }
        if matches!(mnemonic, M::Rcp | M::Sqrt)
            && matches!(rounding, Some(Rounding::TowardZero | Rounding::Down | Rounding::Up))
        {
            return self.rounded_unary(mnemonic, ty, rounding.unwrap_or(Rounding::TowardZero), flush, o);
        }
        let shift_amount = mnemonic == M::Bfind && m.take(Modifier::ShiftAmount);
        if matches!(mnemonic, M::Popc | M::Clz | M::Bfind) && ty.size() == 8 && !float {
            let f: fn(&mut Word, &Long) = match (mnemonic, shift_amount, ty.is_signed()) {
                (M::Popc, ..) => lanes!(Word; |a: Long| a.count_ones()),
                (M::Clz, ..) => lanes!(Word; |a: Long| a.leading_zeros()),
                (_, false, false) => lanes!(Word; |a: Long| integer::find_top(a)),
                (_, false, true) => lanes!(Word; |a: Long| integer::find_top(integer::magnitude_bits(a as i64))),
                (_, true, false) => lanes!(Word; |a: Long| integer::shift_to_top(a, 64)),
                (_, true, true) => lanes!(Word; |a: Long| integer::shift_to_top(integer::magnitude_bits(a as i64), 64)),
            };
            let a = self.long(o, 1)?;
            let d = self.word_out(o, 0)?;
            self.emit(Op::NarrowTo32(f, d, a));
            return Ok(());
        }
        if ty.size() == 8 {
            let f: lanes::LongUnary = match mnemonic {
                _ if ty == PtxType::F64 => {
                    lanes::f64_unary(mnemonic, approximate, flush).ok_or_else(|| self.unsupported_form())?
                }
                _ if float => return Err(self.unsupported_form()),
                M::Neg => lanes!(Long; |a: Long| a.wrapping_neg()),
                M::Abs => lanes!(Long; |a: Long| (a as i64).wrapping_abs() as u64),
                M::Not => lanes!(Long; |a: Long| !a),
                M::Cnot => lanes!(Long; |a: Long| u64::from(a == 0)),
                M::Brev => lanes!(Long; |a: Long| a.reverse_bits()),
                _ => return Err(self.unsupported_form()),
            };
            let a = self.long(o, 1)?;
            let d = self.long_out(o, 0)?;
            self.emit(Op::Unary64(f, d, a));
            return Ok(());
        }
        let narrow = ty.size() < 4;
        let f: lanes::WordUnary = match mnemonic {
            _ if ty == PtxType::F32 => {
                lanes::f32_unary(mnemonic, approximate, flush).ok_or_else(|| self.unsupported_form())?
            }
            _ if ty.is_float() => lanes::half_unary(mnemonic, ty, flush).ok_or_else(|| self.unsupported_form())?,
            M::Neg if narrow => lanes!(Word; |a: Word| a.wrapping_neg() & 0xffff),
            M::Neg => lanes!(Word; |a: Word| a.wrapping_neg()),
            M::Abs if narrow => lanes!(Word; |a: Word| i32::from(a as i16).unsigned_abs() & 0xffff),
            M::Abs => lanes!(Word; |a: Word| (a as i32).wrapping_abs() as u32),
            M::Not if narrow => lanes!(Word; |a: Word| !a & 0xffff),
            M::Not => lanes!(Word; |a: Word| !a),
            M::Cnot => lanes!(Word; |a: Word| u32::from(a == 0)),
            M::Popc => lanes!(Word; |a: Word| a.count_ones()),
            M::Clz => lanes!(Word; |a: Word| a.leading_zeros()),
            M::Brev => lanes!(Word; |a: Word| a.reverse_bits()),
            M::Bfind => match (shift_amount, ty.is_signed()) {
                (false, false) => lanes!(Word; |a: Word| integer::find_top(a.into())),
                (false, true) => lanes!(Word; |a: Word| integer::find_top(integer::magnitude_bits((a as i32).into()))),
                (true, false) => lanes!(Word; |a: Word| integer::shift_to_top(a.into(), 32)),
                (true, true) => {
                    lanes!(Word; |a: Word| integer::shift_to_top(integer::magnitude_bits((a as i32).into()), 32))
                }
            },
            _ => return Err(self.unsupported_form()),
        };
        let a = self.word(o, 1)?;
        let d = self.word_out(o, 0)?;
        self.emit(Op::Unary32(f, d, a));
        Ok(())
    }
}

/// A shared address with its bits masked, in the first block of the pair that it names; without a rank it names the block's
/// own memory.
fn first_of_pair(address: u32, mask: u32, rank: u32) -> u32 {
    let offset = address & mask & ((1 << RANK_SHIFT) - 1);
    match (address >> RANK_SHIFT).checked_sub(1).unwrap_or(rank) & !1 {
        first if first == rank && address >> RANK_SHIFT == 0 => offset,
        first => offset | (first + 1) << RANK_SHIFT,
    }
}
