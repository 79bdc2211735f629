//! Bytes, bits and fields of bits, and sums over the bytes of a word.

use crate::arithmetic::integer::{self, PermuteMode};
use crate::decode::Decoder;
use crate::decode::modifiers::Modifiers;
use crate::lanes::{self, lanes};
use crate::program::{Long, Op, Word};
use warpbook_diagnostic::Result;
use warpbook_ptx::isa::Modifier;
use warpbook_ptx::{Operand, PtxType};

impl Decoder<'_> {
    pub(crate) fn permute(&mut self, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
        m.take(Modifier::Type(PtxType::B32));
        macro_rules! mode {
            ($mode:ident) => {
                lanes!(Word; |a: Word, b: Word, c: Word| {
                    integer::permute_bytes(a, b, integer::permute_selector(PermuteMode::$mode, c))
                })
            };
        }
        let mode = m.take_map(|own| {
            Some(match own {
                Modifier::F4e => PermuteMode::Forward,
                Modifier::B4e => PermuteMode::Backward,
                Modifier::Rc8 => PermuteMode::ReplicateByte,
                Modifier::Ecl => PermuteMode::ClampLeft,
                Modifier::Ecr => PermuteMode::ClampRight,
                Modifier::Rc16 => PermuteMode::ReplicateHalf,
                _ => return None,
            })
        });
        let f: lanes::WordTernary = match mode {
            None => lanes!(Word; |a: Word, b: Word, c: Word| integer::permute_bytes(a, b, c)),
            Some(PermuteMode::Forward) => mode!(Forward),
            Some(PermuteMode::Backward) => mode!(Backward),
            Some(PermuteMode::ReplicateByte) => mode!(ReplicateByte),
            Some(PermuteMode::ClampLeft) => mode!(ClampLeft),
            Some(PermuteMode::ClampRight) => mode!(ClampRight),
            Some(PermuteMode::ReplicateHalf) => mode!(ReplicateHalf),
        };
        self.emit_ternary32(f, o)
    }

    pub(crate) fn logic3(&mut self, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
        m.take(Modifier::Type(PtxType::B32));
        let table = self.constant_u32(o, 4)?;
        let (a, b, c) = (self.word(o, 1)?, self.word(o, 2)?, self.word(o, 3)?);
        let d = self.word_out(o, 0)?;
        self.emit(Op::Logic3 { d, a, b, c, table });
        Ok(())
    }

    pub(crate) fn funnel_shift(&mut self, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
        m.take(Modifier::Type(PtxType::B32));
        let (left, wrap) = (m.take(Modifier::Left), m.take(Modifier::Wrap));
        if !left {
            m.take(Modifier::Right);
        }
        if !wrap {
            m.take(Modifier::Clamp);
        }
        fn wide(low: u32, high: u32) -> u64 {
            u64::from(high) << 32 | u64::from(low)
        }
        let f: lanes::WordTernary = match (left, wrap) {
            (true, true) => lanes!(Word; |a: Word, b: Word, c: Word| (wide(a, b) << (c & 31) >> 32) as u32),
            (true, false) => lanes!(Word; |a: Word, b: Word, c: Word| (wide(a, b) << c.min(32) >> 32) as u32),
            (false, true) => lanes!(Word; |a: Word, b: Word, c: Word| (wide(a, b) >> (c & 31)) as u32),
            (false, false) => lanes!(Word; |a: Word, b: Word, c: Word| (wide(a, b) >> c.min(32)) as u32),
        };
        self.emit_ternary32(f, o)
    }

    pub(crate) fn extract_field(&mut self, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
        let ty = self.take_type(m)?;
        let (position, length) = (self.word(o, 2)?, self.word(o, 3)?);
        if ty.size() == 8 {
            let a = self.long(o, 1)?;
            let d = self.long_out(o, 0)?;
            self.emit(Op::ExtractField64 { signed: ty.is_signed(), d, a, position, length });
            return Ok(());
        }
        let f: lanes::WordTernary = if ty.is_signed() {
            lanes!(Word; |a: Word, p: Word, n: Word| integer::extract_signed(a.into(), p, n, 32) as u32)
        } else {
            lanes!(Word; |a: Word, p: Word, n: Word| integer::extract_unsigned(a.into(), p, n, 32) as u32)
        };
        let a = self.word(o, 1)?;
        let d = self.word_out(o, 0)?;
        self.emit(Op::Ternary32(f, d, [a, position, length]));
        Ok(())
    }

    pub(crate) fn insert_field(&mut self, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
        let ty = self.take_type(m)?;
        let (position, length) = (self.word(o, 3)?, self.word(o, 4)?);
        if ty.size() == 8 {
            let (field, base) = (self.long(o, 1)?, self.long(o, 2)?);
            let d = self.long_out(o, 0)?;
            self.emit(Op::InsertField64 { d, field, base, position, length });
        } else {
            let (field, base) = (self.word(o, 1)?, self.word(o, 2)?);
            let d = self.word_out(o, 0)?;
            self.emit(Op::InsertField32 { d, field, base, position, length });
        }
        Ok(())
    }

    pub(crate) fn mask_of_bits(&mut self, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
        m.take(Modifier::Type(PtxType::B32));
        fn ones(position: u32, width: u32) -> u32 {
            (((1u64 << width) - 1) << position) as u32
        }
        let f: lanes::WordBinary = match m.take_any(&[Modifier::Clamp, Modifier::Wrap]) {
            Some(Modifier::Clamp) => lanes!(Word; |a: Word, b: Word| ones(a.min(32), b.min(32))),
            Some(_) => lanes!(Word; |a: Word, b: Word| ones(a & 31, b & 31)),
            None => return Err(self.malformed("`bmsk` is `.clamp` or `.wrap`")),
        };
        self.emit_binary32(f, o)
    }

    pub(crate) fn sum_of_difference(&mut self, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
        let ty = self.take_type(m)?;
        if ty.size() == 8 {
            let f: lanes::LongTernary = if ty.is_signed() {
                lanes!(Long; |a: Long, b: Long, c: Long| c.wrapping_add((a as i64).abs_diff(b as i64)))
            } else {
                lanes!(Long; |a: Long, b: Long, c: Long| c.wrapping_add(a.abs_diff(b)))
            };
            return self.emit_ternary64(f, o);
        }
        let f: lanes::WordTernary = match ty {
            PtxType::U16 => {
                lanes!(Word; |a: Word, b: Word, c: Word| c.wrapping_add((a as u16).abs_diff(b as u16).into()) & 0xffff)
            }
            PtxType::S16 => {
                lanes!(Word; |a: Word, b: Word, c: Word| c.wrapping_add((a as i16).abs_diff(b as i16).into()) & 0xffff)
            }
            PtxType::U32 => lanes!(Word; |a: Word, b: Word, c: Word| c.wrapping_add(a.abs_diff(b))),
            PtxType::S32 => lanes!(Word; |a: Word, b: Word, c: Word| c.wrapping_add((a as i32).abs_diff(b as i32))),
            _ => return Err(self.unsupported_form()),
        };
        self.emit_ternary32(f, o)
    }

    pub(crate) fn dot4(&mut self, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
        let signed = (self.take_type(m)?.is_signed(), self.take_type(m)?.is_signed());
        let f: lanes::WordTernary = match signed {
            (true, true) => lanes!(Word; |a: Word, b: Word, c: Word| integer::dot4(a, b, c, true, true)),
            (true, false) => lanes!(Word; |a: Word, b: Word, c: Word| integer::dot4(a, b, c, true, false)),
            (false, true) => lanes!(Word; |a: Word, b: Word, c: Word| integer::dot4(a, b, c, false, true)),
            (false, false) => lanes!(Word; |a: Word, b: Word, c: Word| integer::dot4(a, b, c, false, false)),
        };
        self.emit_ternary32(f, o)
    }

    pub(crate) fn dot2(&mut self, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
        let high = m.take(Modifier::Hi);
        if !high && !m.take(Modifier::Lo) {
            return Err(self.malformed("`dp2a` is `.lo` or `.hi`"));
        }
        let (a_signed, b_signed) = (self.take_type(m)?.is_signed(), self.take_type(m)?.is_signed());
        macro_rules! form {
            ($($high:literal $a:literal $b:literal)*) => {
                match (high, a_signed, b_signed) {
                    $(($high, $a, $b) => {
                        lanes!(Word; |a: Word, b: Word, c: Word| integer::dot2(a, b, c, $high, $a, $b)) as lanes::WordTernary
                    })*
                }
            };
        }
        let f = form!(false false false  false false true  false true false  false true true
                      true false false  true false true  true true false  true true true);
        self.emit_ternary32(f, o)
    }
}
