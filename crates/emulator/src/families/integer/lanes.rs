//! Functions of two integers over 32 lanes: each table takes an instruction and its type to one function.

#![allow(clippy::precedence)]

use crate::arithmetic::integer;
use crate::lanes::{LongBinary, WordBinary, lanes};
use crate::program::{Long, Word};
use warpbook_ptx::PtxType;
use warpbook_ptx::isa::Mnemonic;

/// Which of the functions of one name an instruction of integers is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum IntegerForm {
    /// The only one.
    Plain,
    /// The lower half of a product.
    Low,
    /// The upper half of a product.
    High,
    /// A whole product, twice as wide as its factors.
    Wide,
    /// A sum that stays at the largest or smallest value of its type.
    Saturating,
}

/// Two-operand functions of two 16-bit integers in a register.
pub(super) fn integer_pair_binary(mnemonic: Mnemonic, signed: bool) -> Option<WordBinary> {
    macro_rules! halves {
        ($integer:ty; |$x:ident, $y:ident| $value:expr) => {
            lanes!(Word; |a: Word, b: Word| {
                let half = |shift: u32| {
                    let ($x, $y) = ((a >> shift) as u16 as $integer, (b >> shift) as u16 as $integer);
                    u32::from($value as u16) << shift
                };
                half(0) | half(16)
            })
        };
    }
    Some(match (mnemonic, signed) {
        (Mnemonic::Add, _) => halves!(u16; |x, y| x.wrapping_add(y)),
        (Mnemonic::Min, false) => halves!(u16; |x, y| x.min(y)),
        (Mnemonic::Max, false) => halves!(u16; |x, y| x.max(y)),
        (Mnemonic::Min, true) => halves!(i16; |x, y| x.min(y)),
        (Mnemonic::Max, true) => halves!(i16; |x, y| x.max(y)),
        _ => return None,
    })
}

/// Two-operand integer functions of up to 32 bits; 8- and 16-bit values are kept zero-extended.
pub(super) fn integer_word_binary(mnemonic: Mnemonic, form: IntegerForm, ty: PtxType) -> Option<WordBinary> {
    let (narrow, signed) = (ty.size() < 4, ty.is_signed());
    fn s16(a: u32) -> i32 {
        i32::from(a as u16 as i16)
    }
    use IntegerForm::{High, Low, Plain, Saturating, Wide};
    Some(match (mnemonic, form, narrow, signed) {
        (Mnemonic::Add, Plain, false, _) => lanes!(Word; |a: Word, b: Word| a.wrapping_add(b)),
        (Mnemonic::Add, Plain, true, _) => lanes!(Word; |a: Word, b: Word| a.wrapping_add(b) & 0xffff),
        (Mnemonic::Add, Saturating, false, true) => {
            lanes!(Word; |a: Word, b: Word| (a as i32).saturating_add(b as i32) as u32)
        }
        (Mnemonic::Sub, Plain, false, _) => lanes!(Word; |a: Word, b: Word| a.wrapping_sub(b)),
        (Mnemonic::Sub, Plain, true, _) => lanes!(Word; |a: Word, b: Word| a.wrapping_sub(b) & 0xffff),
        (Mnemonic::Sub, Saturating, false, true) => {
            lanes!(Word; |a: Word, b: Word| (a as i32).saturating_sub(b as i32) as u32)
        }
        (Mnemonic::Mul, Low, false, _) => lanes!(Word; |a: Word, b: Word| a.wrapping_mul(b)),
        (Mnemonic::Mul, Low, true, _) => lanes!(Word; |a: Word, b: Word| a.wrapping_mul(b) & 0xffff),
        (Mnemonic::Mul, High, false, false) => {
            lanes!(Word; |a: Word, b: Word| ((u64::from(a) * u64::from(b)) >> 32) as u32)
        }
        (Mnemonic::Mul, High, false, true) => {
            lanes!(Word; |a: Word, b: Word| ((i64::from(a as i32) * i64::from(b as i32)) >> 32) as u32)
        }
        (Mnemonic::Mul, High, true, false) => lanes!(Word; |a: Word, b: Word| (a & 0xffff) * (b & 0xffff) >> 16),
        (Mnemonic::Mul, High, true, true) => lanes!(Word; |a: Word, b: Word| (s16(a) * s16(b) >> 16) as u32 & 0xffff),
        (Mnemonic::Mul, Wide, true, false) => lanes!(Word; |a: Word, b: Word| (a & 0xffff) * (b & 0xffff)),
        (Mnemonic::Mul, Wide, true, true) => lanes!(Word; |a: Word, b: Word| (s16(a) * s16(b)) as u32),
        (Mnemonic::Div, Plain, false, false) => lanes!(Word; |a: Word, b: Word| a.checked_div(b).unwrap_or(u32::MAX)),
        (Mnemonic::Div, Plain, false, true) => {
            lanes!(Word; |a: Word, b: Word| integer::divide_signed((a as i32).into(), (b as i32).into()) as u32)
        }
        (Mnemonic::Div, Plain, true, false) => {
            lanes!(Word; |a: Word, b: Word| (a & 0xffff).checked_div(b & 0xffff).unwrap_or(0xffff))
        }
        (Mnemonic::Div, Plain, true, true) => {
            lanes!(Word; |a: Word, b: Word| integer::divide_signed(s16(a).into(), s16(b).into()) as u32 & 0xffff)
        }
        (Mnemonic::Rem, Plain, false, false) => lanes!(Word; |a: Word, b: Word| a.checked_rem(b).unwrap_or(a)),
        (Mnemonic::Rem, Plain, false, true) => {
            lanes!(Word; |a: Word, b: Word| integer::remainder_signed((a as i32).into(), (b as i32).into()) as u32)
        }
        (Mnemonic::Rem, Plain, true, false) => {
            lanes!(Word; |a: Word, b: Word| (a & 0xffff).checked_rem(b & 0xffff).unwrap_or(a & 0xffff))
        }
        (Mnemonic::Rem, Plain, true, true) => {
            lanes!(Word; |a: Word, b: Word| integer::remainder_signed(s16(a).into(), s16(b).into()) as u32 & 0xffff)
        }
        (Mnemonic::Min, Plain, _, false) => lanes!(Word; |a: Word, b: Word| a.min(b)),
        (Mnemonic::Max, Plain, _, false) => lanes!(Word; |a: Word, b: Word| a.max(b)),
        (Mnemonic::Min, Plain, false, true) => lanes!(Word; |a: Word, b: Word| (a as i32).min(b as i32) as u32),
        (Mnemonic::Max, Plain, false, true) => lanes!(Word; |a: Word, b: Word| (a as i32).max(b as i32) as u32),
        (Mnemonic::Min, Plain, true, true) => lanes!(Word; |a: Word, b: Word| s16(a).min(s16(b)) as u32 & 0xffff),
        (Mnemonic::Max, Plain, true, true) => lanes!(Word; |a: Word, b: Word| s16(a).max(s16(b)) as u32 & 0xffff),
        (Mnemonic::And, Plain, ..) => lanes!(Word; |a: Word, b: Word| a & b),
        (Mnemonic::Or, Plain, ..) => lanes!(Word; |a: Word, b: Word| a | b),
        (Mnemonic::Xor, Plain, ..) => lanes!(Word; |a: Word, b: Word| a ^ b),
        (Mnemonic::Shl, Plain, false, _) => lanes!(Word; |a: Word, b: Word| if b < 32 { a << b } else { 0 }),
        (Mnemonic::Shl, Plain, true, _) => lanes!(Word; |a: Word, b: Word| if b < 16 { a << b & 0xffff } else { 0 }),
        (Mnemonic::Shr, Plain, false, false) => lanes!(Word; |a: Word, b: Word| if b < 32 { a >> b } else { 0 }),
        (Mnemonic::Shr, Plain, false, true) => lanes!(Word; |a: Word, b: Word| ((a as i32) >> b.min(31)) as u32),
        (Mnemonic::Shr, Plain, true, false) => {
            lanes!(Word; |a: Word, b: Word| if b < 16 { (a & 0xffff) >> b } else { 0 })
        }
        (Mnemonic::Shr, Plain, true, true) => lanes!(Word; |a: Word, b: Word| (s16(a) >> b.min(15)) as u32 & 0xffff),
        _ => return None,
    })
}

/// Two-operand integer functions of 64 bits.
pub(super) fn integer_long_binary(mnemonic: Mnemonic, form: IntegerForm, signed: bool) -> Option<LongBinary> {
    use IntegerForm::{High, Low, Plain};
    Some(match (mnemonic, form, signed) {
        (Mnemonic::Add, Plain, _) => lanes!(Long; |a: Long, b: Long| a.wrapping_add(b)),
        (Mnemonic::Sub, Plain, _) => lanes!(Long; |a: Long, b: Long| a.wrapping_sub(b)),
        (Mnemonic::Mul, Low, _) => lanes!(Long; |a: Long, b: Long| a.wrapping_mul(b)),
        (Mnemonic::Mul, High, false) => lanes!(Long; |a: Long, b: Long| ((u128::from(a) * u128::from(b)) >> 64) as u64),
        (Mnemonic::Mul, High, true) => {
            lanes!(Long; |a: Long, b: Long| ((i128::from(a as i64) * i128::from(b as i64)) >> 64) as u64)
        }
        (Mnemonic::Div, Plain, false) => lanes!(Long; |a: Long, b: Long| integer::divide_unsigned(a, b)),
        (Mnemonic::Div, Plain, true) => {
            lanes!(Long; |a: Long, b: Long| integer::divide_signed(a as i64, b as i64) as u64)
        }
        (Mnemonic::Rem, Plain, false) => lanes!(Long; |a: Long, b: Long| integer::remainder_unsigned(a, b)),
        (Mnemonic::Rem, Plain, true) => {
            lanes!(Long; |a: Long, b: Long| integer::remainder_signed(a as i64, b as i64) as u64)
        }
        (Mnemonic::Min, Plain, false) => lanes!(Long; |a: Long, b: Long| a.min(b)),
        (Mnemonic::Max, Plain, false) => lanes!(Long; |a: Long, b: Long| a.max(b)),
        (Mnemonic::Min, Plain, true) => lanes!(Long; |a: Long, b: Long| (a as i64).min(b as i64) as u64),
        (Mnemonic::Max, Plain, true) => lanes!(Long; |a: Long, b: Long| (a as i64).max(b as i64) as u64),
        (Mnemonic::And, Plain, _) => lanes!(Long; |a: Long, b: Long| a & b),
        (Mnemonic::Or, Plain, _) => lanes!(Long; |a: Long, b: Long| a | b),
        (Mnemonic::Xor, Plain, _) => lanes!(Long; |a: Long, b: Long| a ^ b),
        _ => return None,
    })
}
