//! Arithmetic of one, two and three operands, on integers and on floats.

use super::Decoder;
use super::modifiers::Modifiers;
use crate::arithmetic::convert::format_of;
use crate::arithmetic::formats::{F16, Rounding};
use crate::arithmetic::{float, integer};
use crate::lanes::{self, lanes};
use crate::program::{Data, Logic, Long, Op, Special, Word};
use crate::state::address::RANK_SHIFT;
use warpbook_diagnostic::Result;
use warpbook_ptx::{Immediate, Operand, PtxType};

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

    pub(super) fn binary(&mut self, name: &str, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
        if let Some(pair) = m.take_any(&["s16x2", "u16x2"]) {
            let f = lanes::integer_pair_binary(name, pair == "s16x2")
                .ok_or_else(|| self.unsupported(format!("`{name}.{pair}`")))?;
            return self.emit_binary32(f, o);
        }
        let ty = self.take_type(m)?;
        if ty == PtxType::Pred {
            let logic = match name {
                "and" => Logic::And,
                "or" => Logic::Or,
                "xor" => Logic::Xor,
                _ => return Err(self.unsupported(format!("`{name}.pred`"))),
            };
            let (a, b) = (self.predicate(o, 1)?, self.predicate(o, 2)?);
            let d = self.predicate_out(o, 0)?;
            self.emit(Op::PredicateLogic { logic, d, a, b });
            return Ok(());
        }
        if ty == PtxType::F32x2 {
            return self.pair_of_singles(name, m, o);
        }
        if ty.is_float() {
            return self.float_binary(name, ty, m, o);
        }
        if matches!(name, "shl" | "shr") && ty.size() == 8 {
            let f: fn(&mut Long, &Long, &Word) = match (name, ty.is_signed()) {
                ("shl", _) => lanes!(Long; |a: Long, b: Word| if b < 64 { a << b } else { 0 }),
                (_, false) => lanes!(Long; |a: Long, b: Word| if b < 64 { a >> b } else { 0 }),
                (_, true) => lanes!(Long; |a: Long, b: Word| ((a as i64) >> b.min(63)) as u64),
            };
            let sources = [self.long(o, 1)?, self.word(o, 2)?];
            let d = self.long_out(o, 0)?;
            self.emit(Op::Shift64(f, d, sources));
            return Ok(());
        }
        if name == "mul" && m.take("wide") && ty.size() == 4 {
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
        if name == "and" && ty.size() == 4 && self.names_first_of_pair(o) {
            let (sources, rank) = ([self.word(o, 1)?, self.word(o, 2)?], self.special(Special::ClusterRank));
            let d = self.word_out(o, 0)?;
            let f: lanes::WordTernary = lanes!(Word; |a: Word, mask: Word, rank: Word| first_of_pair(a, mask, rank));
            self.emit(Op::Ternary32(f, d, [sources[0], sources[1], rank]));
            return Ok(());
        }
        let saturate = m.take("sat");
        let full = match name {
            "mul" if m.take("hi") => "mul.hi".to_owned(),
            "mul" if m.take("lo") => "mul.lo".to_owned(),
            "mul" if ty.size() == 2 => "mul.wide".to_owned(),
            _ if saturate => format!("{name}.sat"),
            _ => name.to_owned(),
        };
        let refused = || format!("`{full}.{ty}`");
        if ty.size() == 8 {
            let f = lanes::integer_long_binary(&full, ty.is_signed()).ok_or_else(|| self.unsupported(refused()))?;
            self.emit_binary64(f, o)
        } else {
            let f = lanes::integer_word_binary(&full, ty).ok_or_else(|| self.unsupported(refused()))?;
            self.emit_binary32(f, o)
        }
    }

    /// Whether an `and` makes a shared address that of the first block of the pair: where blocks work in pairs, code clears
    /// the last bit of the rank, which a GPU has at bit 24 of each address of the cluster's window, the block's own too.
    fn names_first_of_pair(&self, o: &[Operand]) -> bool {
        let clears = |mask: u64| mask as u32 >> 24 == 0xfe;
        self.pairs && matches!(o.get(2), Some(Operand::Immediate(Immediate::Integer(mask))) if clears(*mask))
    }

    fn float_binary(&mut self, name: &str, ty: PtxType, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
        let flush = m.take("ftz");
        let saturate = m.take("sat");
        if matches!(name, "min" | "max") && ty == PtxType::F32 && m.has("xorsign") && m.has("abs") {
            let _ = m.take("xorsign") && m.take("abs");
            const SIGN: u32 = 1 << 31;
            fn of(f: fn(f32, f32) -> u32, a: u32, b: u32) -> u32 {
                f(f32::from_bits(a & !SIGN), f32::from_bits(b & !SIGN)) | (a ^ b) & SIGN
            }
            return match (name, flush) {
                (_, true) => Err(self.unsupported(format!("`{name}.ftz.xorsign.abs.f32`"))),
                ("min", _) => self.emit_binary32(lanes!(Word; |a: Word, b: Word| of(float::min32, a, b)), o),
                _ => self.emit_binary32(lanes!(Word; |a: Word, b: Word| of(float::max32, a, b)), o),
            };
        }
        let propagate = m.take("NaN");
        let full = if propagate { format!("{name}.nan") } else { name.to_owned() };
        let full = match m.take_any(&["full", "approx"]) {
            Some(how) if name == "div" => format!("div.{how}"),
            _ => full,
        };
        let rounding = m.take_rounding().unwrap_or(Rounding::NearestEven);
        let refused = || format!("`{full}.{ty}`");
        if rounding != Rounding::NearestEven {
            return self.rounded_binary(name, ty, rounding, flush, saturate, o);
        }
        match ty {
            PtxType::F32 => {
                let f = lanes::f32_binary(&full, flush, saturate).ok_or_else(|| self.unsupported(refused()))?;
                self.emit_binary32(f, o)
            }
            PtxType::F64 => {
                let f = lanes::f64_binary(&full).ok_or_else(|| self.unsupported(refused()))?;
                self.emit_binary64(f, o)
            }
            _ if (saturate || flush) && !matches!(ty, PtxType::F16 | PtxType::F16x2) => {
                Err(self.unsupported(format!("`.ftz` or `.sat` of {}", refused())))
            }
            _ if flush && matches!(name, "min" | "max") => {
                let f = lanes::half_binary(&format!("{full}.ftz"), ty).ok_or_else(|| self.unsupported(refused()))?;
                self.emit_binary32(f, o)
            }
            _ if saturate || flush => self.half_as_fma(name, ty, flush, saturate, o),
            _ => {
                let f = lanes::half_binary(&full, ty).ok_or_else(|| self.unsupported(refused()))?;
                self.emit_binary32(f, o)
            }
        }
    }

    pub(super) fn multiply_add(&mut self, name: &str, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
        let ty = self.take_type(m)?;
        if ty == PtxType::F32x2 {
            return self.pair_of_singles(name, m, o);
        }
        if ty.is_float() {
            return self.float_fma(ty, m, o);
        }
        if name == "fma" {
            return Err(self.unsupported(format!("`fma.{ty}`")));
        }
        if m.take("wide") {
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
        let high = m.take("hi");
        if !high {
            m.take("lo");
        }
        match (ty.size(), high, ty.is_signed()) {
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
            (4, true, true) if m.take("sat") => self.emit_ternary32(
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
            _ => Err(self.unsupported(format!("`mad.hi.{ty}`"))),
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
        let (flush, saturate, relu) = (m.take("ftz"), m.take("sat"), m.take("relu"));
        if ty == PtxType::F32 && rounding == Rounding::NearestEven && !relu {
            return self.emit_ternary32(lanes::f32_fma(flush, saturate), o);
        }
        if ty == PtxType::F64 && rounding == Rounding::NearestEven {
            let sources = [self.long(o, 1)?, self.long(o, 2)?, self.long(o, 3)?];
            let d = self.long_out(o, 0)?;
            self.emit(Op::Ternary64(lanes::f64_fma(), d, sources));
            return Ok(());
        }
        let Some(format) = format_of(ty) else { return Err(self.unsupported(format!("`fma.{ty}`"))) };
        if flush && !matches!(ty, PtxType::F32 | PtxType::F16 | PtxType::F16x2) {
            return Err(self.unsupported(format!("`fma.ftz.{ty}`")));
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
    fn half_as_fma(&mut self, name: &str, ty: PtxType, flush: bool, saturate: bool, o: &[Operand]) -> Result<()> {
        const ONE: u32 = 0x3c00_3c00;
        const MINUS_ONE: u32 = 0xbc00_bc00;
        const MINUS_ZERO: u32 = 0x8000_8000;
        let (a, b) = (self.word(o, 1)?, self.word(o, 2)?);
        let [a, b, c] = match name {
            "add" => [a, self.word_constant(ONE), b],
            "sub" => [b, self.word_constant(MINUS_ONE), a],
            "mul" => [a, b, self.word_constant(MINUS_ZERO)],
            _ => return Err(self.unsupported(format!("`.ftz` or `.sat` of `{name}.{ty}`"))),
        };
        let d = Data::Word(self.word_out(o, 0)?);
        let (a, b, c) = (Data::Word(a), Data::Word(b), Data::Word(c));
        let flags = u8::from(flush) | u8::from(saturate) << 1;
        let (format, rounding) = (F16, Rounding::NearestEven);
        self.emit(Op::Fma { format, rounding, packed: ty == PtxType::F16x2, flags, d, a, b, c });
        Ok(())
    }

    pub(super) fn unary(&mut self, name: &str, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
        let ty = self.take_type(m)?;
        let flush = m.take("ftz");
        let approximate = m.take("approx");
        let rounding = m.take_rounding();
        if ty == PtxType::Pred && name == "not" {
            let a = self.predicate(o, 1)?;
            let d = self.predicate_out(o, 0)?;
            self.emit(Op::PredicateNot { d, a });
            return Ok(());
        }
        if matches!(name, "rcp" | "sqrt")
            && matches!(rounding, Some(Rounding::TowardZero | Rounding::Down | Rounding::Up))
        {
            return self.rounded_unary(name, ty, rounding.unwrap_or(Rounding::TowardZero), flush, o);
        }
        let refused = || format!("`{name}.{ty}`");
        if matches!(name, "popc" | "clz" | "bfind") && ty.size() == 8 {
            let f: fn(&mut Word, &Long) = match (name, name == "bfind" && m.take("shiftamt"), ty.is_signed()) {
                ("popc", ..) => lanes!(Word; |a: Long| a.count_ones()),
                ("clz", ..) => lanes!(Word; |a: Long| a.leading_zeros()),
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
            let f: lanes::LongUnary = match name {
                _ if ty == PtxType::F64 => {
                    lanes::f64_unary(name, approximate, flush).ok_or_else(|| self.unsupported(refused()))?
                }
                "neg" => lanes!(Long; |a: Long| a.wrapping_neg()),
                "abs" => lanes!(Long; |a: Long| (a as i64).wrapping_abs() as u64),
                "not" => lanes!(Long; |a: Long| !a),
                "cnot" => lanes!(Long; |a: Long| u64::from(a == 0)),
                "brev" => lanes!(Long; |a: Long| a.reverse_bits()),
                _ => return Err(self.unsupported(refused())),
            };
            let a = self.long(o, 1)?;
            let d = self.long_out(o, 0)?;
            self.emit(Op::Unary64(f, d, a));
            return Ok(());
        }
        let narrow = ty.size() < 4;
        let f: lanes::WordUnary = match name {
            _ if ty == PtxType::F32 => {
                lanes::f32_unary(name, approximate, flush).ok_or_else(|| self.unsupported(refused()))?
            }
            _ if ty.is_float() => lanes::half_unary(name, ty, flush).ok_or_else(|| self.unsupported(refused()))?,
            "neg" if narrow => lanes!(Word; |a: Word| a.wrapping_neg() & 0xffff),
            "neg" => lanes!(Word; |a: Word| a.wrapping_neg()),
            "abs" if narrow => lanes!(Word; |a: Word| i32::from(a as i16).unsigned_abs() & 0xffff),
            "abs" => lanes!(Word; |a: Word| (a as i32).wrapping_abs() as u32),
            "not" if narrow => lanes!(Word; |a: Word| !a & 0xffff),
            "not" => lanes!(Word; |a: Word| !a),
            "cnot" => lanes!(Word; |a: Word| u32::from(a == 0)),
            "popc" => lanes!(Word; |a: Word| a.count_ones()),
            "clz" => lanes!(Word; |a: Word| a.leading_zeros()),
            "brev" => lanes!(Word; |a: Word| a.reverse_bits()),
            "bfind" => match (m.take("shiftamt"), ty.is_signed()) {
                (false, false) => lanes!(Word; |a: Word| integer::find_top(a.into())),
                (false, true) => lanes!(Word; |a: Word| integer::find_top(integer::magnitude_bits((a as i32).into()))),
                (true, false) => lanes!(Word; |a: Word| integer::shift_to_top(a.into(), 32)),
                (true, true) => {
                    lanes!(Word; |a: Word| integer::shift_to_top(integer::magnitude_bits((a as i32).into()), 32))
                }
            },
            _ => return Err(self.unsupported(refused())),
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
