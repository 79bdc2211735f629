//! `min` and `max` by magnitude with the sign of a product (`.xorsign.abs`), and of three values. PTX ISA 9.7.3.11,
//! 9.7.3.12, 9.7.4.7, 9.7.4.8.

use crate::arithmetic::float::minimum_maximum;
use crate::arithmetic::formats::{BF16, F16, F32, Format};
use crate::decode::Decoder;
use crate::decode::modifiers::Modifiers;
use crate::lanes::{WordBinary, WordTernary, lanes};
use crate::program::Word;
use warpbook_diagnostic::Result;
use warpbook_ptx::isa::{Mnemonic, Modifier};
use warpbook_ptx::{Operand, PtxType};

/// What chooses among the values.
#[derive(Clone, Copy)]
struct Choice {
    larger: bool,
    propagates_nan: bool,
    flushes: bool,
}

impl Format {
    const fn sign(self) -> u64 {
        1 << (self.exponent_bits + self.mantissa_bits)
    }

    const fn flushed(self, bits: u64, flushes: bool) -> u64 {
        if flushes && bits & self.infinity() == 0 { bits & self.sign() } else { bits }
    }
}

/// The smaller or the larger magnitude, with the sign of the product; a NaN has no sign of its own.
fn of_magnitudes(format: Format, choice: Choice, a: u64, b: u64) -> u64 {
    let [x, y] = [a, b].map(|bits| format.flushed(bits, choice.flushes) & !format.sign());
    let picked = minimum_maximum(format, x, y, choice.larger, choice.propagates_nan);
    if picked == format.nan() { picked } else { picked | (a ^ b) & format.sign() }
}

/// The smallest or the largest of three values, or of their magnitudes.
fn of_three(choice: Choice, magnitudes: bool, values: [u32; 3]) -> u32 {
    let sign = if magnitudes { F32.sign() } else { 0 };
    let [a, b, c] = values.map(|bits| F32.flushed(bits.into(), choice.flushes) & !sign);
    let pick = |x, y| minimum_maximum(F32, x, y, choice.larger, choice.propagates_nan);
    pick(pick(a, b), c) as u32
}

/// A function for each choice that the modifiers can make.
macro_rules! by_choice {
    ($larger:expr, $nan:expr, $flushes:expr, $make:ident) => {
        match ($larger, $nan, $flushes) {
            (false, false, false) => $make!(false, false, false),
            (false, false, true) => $make!(false, false, true),
            (false, true, false) => $make!(false, true, false),
            (false, true, true) => $make!(false, true, true),
            (true, false, false) => $make!(true, false, false),
            (true, false, true) => $make!(true, false, true),
            (true, true, false) => $make!(true, true, false),
            (true, true, true) => $make!(true, true, true),
        }
    };
}

/// The constant [`Choice`] of literals.
macro_rules! choice {
    ($larger:literal, $nan:literal, $flushes:literal) => {
        const { Choice { larger: $larger, propagates_nan: $nan, flushes: $flushes } }
    };
}

fn magnitude_function(ty: PtxType, larger: bool, propagates_nan: bool, flushes: bool) -> Option<WordBinary> {
    macro_rules! single {
        ($($flag:literal),+) => {
            lanes!(Word; |a: Word, b: Word| of_magnitudes(F32, choice!($($flag),+), a.into(), b.into()) as u32)
        };
    }
    macro_rules! halves {
        ($format:ident, $($flag:literal),+) => {
            lanes!(Word; |a: Word, b: Word| {
                let of = |a: u32, b: u32| of_magnitudes($format, choice!($($flag),+), a.into(), b.into()) as u32;
                of(a & 0xffff, b & 0xffff) | of(a >> 16, b >> 16) << 16
            })
        };
    }
    macro_rules! half {
        ($format:ident, $($flag:literal),+) => {
            lanes!(Word; |a: Word, b: Word| {
                let (a, b) = (u64::from(a & 0xffff), u64::from(b & 0xffff));
                of_magnitudes($format, choice!($($flag),+), a, b) as u32
            })
        };
    }
    macro_rules! f16 { ($($flag:literal),+) => { half!(F16, $($flag),+) }; }
    macro_rules! bf16 { ($($flag:literal),+) => { half!(BF16, $($flag),+) }; }
    macro_rules! f16x2 { ($($flag:literal),+) => { halves!(F16, $($flag),+) }; }
    macro_rules! bf16x2 { ($($flag:literal),+) => { halves!(BF16, $($flag),+) }; }
    Some(match ty {
        PtxType::F32 => by_choice!(larger, propagates_nan, flushes, single),
        PtxType::F16 => by_choice!(larger, propagates_nan, flushes, f16),
        PtxType::F16x2 => by_choice!(larger, propagates_nan, flushes, f16x2),
        PtxType::Bf16 if !flushes => by_choice!(larger, propagates_nan, flushes, bf16),
        PtxType::Bf16x2 if !flushes => by_choice!(larger, propagates_nan, flushes, bf16x2),
        _ => return None,
    })
}

fn three_function(magnitudes: bool, larger: bool, propagates_nan: bool, flushes: bool) -> WordTernary {
    macro_rules! plain {
        ($($flag:literal),+) => {
            lanes!(Word; |a: Word, b: Word, c: Word| of_three(choice!($($flag),+), false, [a, b, c]))
        };
    }
    macro_rules! of_magnitudes {
        ($($flag:literal),+) => {
            lanes!(Word; |a: Word, b: Word, c: Word| of_three(choice!($($flag),+), true, [a, b, c]))
        };
    }
    if magnitudes {
        by_choice!(larger, propagates_nan, flushes, of_magnitudes)
    } else {
        by_choice!(larger, propagates_nan, flushes, plain)
    }
}

impl Decoder<'_> {
    /// `min` and `max` with `.xorsign.abs`, or of three f32.
    pub(super) fn pick(
        &mut self,
        mnemonic: Mnemonic,
        ty: PtxType,
        flushes: bool,
        m: &mut Modifiers<'_>,
        o: &[Operand],
    ) -> Result<()> {
        let (larger, propagates_nan) = (mnemonic == Mnemonic::Max, m.take(Modifier::PropagateNan));
        if o.len() == 4 {
            if ty != PtxType::F32 {
                return Err(self.malformed(format!("there is no `{mnemonic}` of three .{ty}")));
            }
            let magnitudes = m.take(Modifier::Abs);
            return self.emit_ternary32(three_function(magnitudes, larger, propagates_nan, flushes), o);
        }
        if !(m.take(Modifier::XorSign) && m.take(Modifier::Abs)) {
            return Err(self.malformed("`.xorsign` goes with `.abs`"));
        }
        let f = magnitude_function(ty, larger, propagates_nan, flushes).ok_or_else(|| self.unsupported_form())?;
        self.emit_binary32(f, o)
    }
}
