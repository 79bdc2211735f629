//! Arithmetic of one, two and three integers, and logic and shifts of bits.

use super::lanes::{IntegerForm, integer_long_binary, integer_pair_binary, integer_word_binary};
use crate::arithmetic::integer;
use crate::decode::Decoder;
use crate::decode::modifiers::Modifiers;
use crate::lanes::{self, lanes};
use crate::program::{Long, Op, Special, Word};
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

impl Decoder<'_> {
    /// An instruction of one integer: `neg`, `popc` and the like.
    pub(crate) fn integer_unary(
        &mut self,
        mnemonic: Mnemonic,
        ty: PtxType,
        m: &mut Modifiers<'_>,
        o: &[Operand],
    ) -> Result<()> {
        use Mnemonic as M;
        let shift_amount = mnemonic == M::Bfind && m.take(Modifier::ShiftAmount);
        if matches!(mnemonic, M::Popc | M::Clz | M::Bfind) && ty.size() == 8 {
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
                M::Neg => lanes!(Long; |a: Long| a.wrapping_neg()),
                M::Abs => lanes!(Long; |a: Long| (a as i64).wrapping_abs() as u64),
                M::Not => lanes!(Long; |a: Long| !a),
                M::Cnot => lanes!(Long; |a: Long| u64::from(a == 0)),
                M::Brev => lanes!(Long; |a: Long| a.reverse_bits()),
                _ => return Err(self.unsupported_form()),
            };
            return self.emit_unary64(f, o);
        }
        let narrow = ty.size() < 4;
        let f: lanes::WordUnary = match mnemonic {
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
        self.emit_unary32(f, o)
    }

    /// An instruction of two pairs of 16-bit integers.
    pub(crate) fn integer_pair_binary(&mut self, mnemonic: Mnemonic, signed: bool, o: &[Operand]) -> Result<()> {
        let f = integer_pair_binary(mnemonic, signed);
        self.emit_binary32(f.ok_or_else(|| self.unsupported_form())?, o)
    }

    /// An instruction of two integers: `add`, `and`, `shl` and the like.
    pub(crate) fn integer_binary(
        &mut self,
        mnemonic: Mnemonic,
        ty: PtxType,
        m: &mut Modifiers<'_>,
        o: &[Operand],
    ) -> Result<()> {
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
            let f = integer_long_binary(mnemonic, form, ty.is_signed());
            self.emit_binary64(f.ok_or_else(|| self.unsupported_form())?, o)
        } else {
            let f = integer_word_binary(mnemonic, form, ty);
            self.emit_binary32(f.ok_or_else(|| self.unsupported_form())?, o)
        }
    }

    /// True if an `and` makes a shared address that of the first block of the pair: where blocks work in pairs, code clears
    /// the last bit of the rank, which a GPU has at bit 24 of each address of the cluster's window, the block's own too.
    fn names_first_of_pair(&self, o: &[Operand]) -> bool {
        let clears = |mask: u64| mask as u32 >> 24 == 0xfe;
        self.pairs && matches!(o.get(2), Some(Operand::Immediate(Immediate::Integer(mask))) if clears(*mask))
    }

    /// `mad`: a product and a sum of integers.
    pub(crate) fn integer_multiply_add(&mut self, ty: PtxType, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
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
                self.emit_ternary64(lanes!(Long; |a: Long, b: Long, c: Long| a.wrapping_mul(b).wrapping_add(c)), o)
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
                let f: lanes::LongTernary = if signed {
                    lanes!(Long; |a: Long, b: Long, c: Long| (((i128::from(a as i64) * i128::from(b as i64)) >> 64) as u64).wrapping_add(c))
                } else {
                    lanes!(Long; |a: Long, b: Long, c: Long| (((u128::from(a) * u128::from(b)) >> 64) as u64).wrapping_add(c))
                };
                self.emit_ternary64(f, o)
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
