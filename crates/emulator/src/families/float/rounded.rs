//! Arithmetic with a directed rounding: `.rz`, `.rm`, `.rp`.

use super::lanes::f32_fma;
use crate::arithmetic::float::{divide_rounded, result64, root_rounded};
use crate::arithmetic::formats::{F32, F64, Rounding};
use crate::decode::Decoder;
use crate::lanes::{LongBinary, LongUnary, WordBinary, WordUnary, lanes};
use crate::program::{Data, Long, Op, Slot, Word};
use warpbook_diagnostic::Result;
use warpbook_ptx::isa::Mnemonic;
use warpbook_ptx::{Operand, PtxType};

fn flushed(flush: bool, bits: u32) -> u32 {
    if flush && bits & 0x7f80_0000 == 0 { bits & 0x8000_0000 } else { bits }
}

fn quotient(flush: bool, a: u32, b: u32, rounding: Rounding) -> u32 {
    let (a, b) = (flushed(flush, a), flushed(flush, b));
    let result = flushed(flush, divide_rounded(F32, a.into(), b.into(), rounding) as u32);
    if flush && result & 0x7fff_ffff == 0x0080_0000 {
        // Flushed is what is too small before it is rounded.
        let exact = flushed(true, divide_rounded(F32, a.into(), b.into(), Rounding::TowardZero) as u32);
        return exact & 0x7fff_ffff | result & 0x8000_0000;
    }
    result
}

fn root(flush: bool, a: u32, rounding: Rounding) -> u32 {
    flushed(flush, root_rounded(F32, flushed(flush, a).into(), rounding) as u32)
}

fn quotient64(a: u64, b: u64, rounding: Rounding) -> u64 {
    result64(f64::from_bits(divide_rounded(F64, a, b, rounding)), [a, b])
}

fn root64(a: u64, rounding: Rounding) -> u64 {
    result64(f64::from_bits(root_rounded(F64, a, rounding)), [a])
}

/// One function for each directed rounding: `|a, b| expression` in which `$r` is the rounding.
macro_rules! by_rounding {
    ($rounding:expr, $type:ty; |$($argument:ident),+ ; $r:ident| $value:expr) => {
        match $rounding {
            Rounding::Down => lanes!($type; |$($argument: $type),+| { const $r: Rounding = Rounding::Down; $value }),
            Rounding::Up => lanes!($type; |$($argument: $type),+| { const $r: Rounding = Rounding::Up; $value }),
            _ => lanes!($type; |$($argument: $type),+| { const $r: Rounding = Rounding::TowardZero; $value }),
        }
    };
}

impl Decoder<'_> {
    /// A directed rounding: as an exact `a·b + c` that is rounded once.
    pub(super) fn rounded_binary(
        &mut self,
        mnemonic: Mnemonic,
        ty: PtxType,
        rounding: Rounding,
        flush: bool,
        saturate: bool,
        o: &[Operand],
    ) -> Result<()> {
        if mnemonic == Mnemonic::Div {
            return self.rounded_quotient(ty, rounding, flush, saturate, o);
        }
        let (format, one, sign) = match ty {
            PtxType::F32 => (F32, 1f32.to_bits().into(), 1u64 << 31),
            PtxType::F64 => (F64, 1f64.to_bits(), 1 << 63),
            _ => return Err(self.unsupported_form()),
        };
        let size = ty.size();
        let (a, b) = (self.data(self.operand(o, 1)?, size)?, self.data(self.operand(o, 2)?, size)?);
        let constant = |this: &mut Self, bits: u64| {
            if size == 8 { Data::Long(this.long_constant(bits)) } else { Data::Word(this.word_constant(bits as u32)) }
        };
        let one = constant(self, one);
        let d = if size == 8 { Data::Long(self.long_out(o, 0)?) } else { Data::Word(self.word_out(o, 0)?) };
        let flags = u8::from(flush) | u8::from(saturate) << 1;
        let (a, b, c) = match mnemonic {
            Mnemonic::Add => (a, one, b),
            Mnemonic::Sub => {
                let minus_one = constant(self, if size == 8 { (-1f64).to_bits() } else { (-1f32).to_bits().into() });
                // A NaN of the second operand comes first.
                (minus_one, b, a)
            }
            // −0 added leaves every product as it is, but +0; both zeros of a product are handled by its sign.
            Mnemonic::Mul => (a, b, constant(self, if rounding == Rounding::Down { 0 } else { sign })),
            _ => return Err(self.unsupported_form()),
        };
        self.emit(Op::Fma { format, rounding, packed: false, flags, d, a, b, c });
        Ok(())
    }

    /// Sources of `fma.f32` that gives what `add`, `sub` or `mul` of two f32 gives in a directed rounding.
    pub(super) fn as_multiply_add(
        &mut self,
        mnemonic: Mnemonic,
        rounding: Rounding,
        [a, b]: [Slot; 2],
    ) -> Result<[Slot; 3]> {
        const SIGN: u32 = 1 << 31;
        let one = 1f32.to_bits();
        Ok(match mnemonic {
            Mnemonic::Add => [a, self.word_constant(one), b],
            Mnemonic::Sub => [self.word_constant(one | SIGN), b, a],
            // As in `rounded_binary`.
            Mnemonic::Mul => [a, b, self.word_constant(if rounding == Rounding::Down { 0 } else { SIGN })],
            _ => return Err(self.unsupported_form()),
        })
    }

    /// `fma.f32` of registers in any rounding, with `.ftz` and `.sat` where `flush` and `saturate` are true.
    pub(super) fn multiply_add_to(
        &mut self,
        d: Slot,
        rounding: Rounding,
        (flush, saturate): (bool, bool),
        sources: [Slot; 3],
    ) {
        if rounding == Rounding::NearestEven {
            self.emit(Op::Ternary32(f32_fma(flush, saturate), d, sources));
            return;
        }
        let [a, b, c] = sources.map(Data::Word);
        let flags = u8::from(flush) | u8::from(saturate) << 1;
        self.emit(Op::Fma { format: F32, rounding, packed: false, flags, d: Data::Word(d), a, b, c });
    }

    fn rounded_quotient(
        &mut self,
        ty: PtxType,
        rounding: Rounding,
        flush: bool,
        saturate: bool,
        o: &[Operand],
    ) -> Result<()> {
        match ty {
            PtxType::F32 if !saturate => {
                let f: WordBinary = if flush {
                    by_rounding!(rounding, Word; |a, b; R| quotient(true, a, b, R))
                } else {
                    by_rounding!(rounding, Word; |a, b; R| quotient(false, a, b, R))
                };
                self.emit_binary32(f, o)
            }
            PtxType::F64 => {
                let f: LongBinary = by_rounding!(rounding, Long; |a, b; R| quotient64(a, b, R));
                self.emit_binary64(f, o)
            }
            _ => Err(self.unsupported_form()),
        }
    }

    /// Decodes the instructions `rcp` and `sqrt`.
    pub(super) fn rounded_unary(
        &mut self,
        mnemonic: Mnemonic,
        ty: PtxType,
        rounding: Rounding,
        flush: bool,
        o: &[Operand],
    ) -> Result<()> {
        match ty {
            PtxType::F32 => {
                const ONE: u32 = 1f32.to_bits();
                let f: WordUnary = match (mnemonic, flush) {
                    (Mnemonic::Rcp, true) => by_rounding!(rounding, Word; |a; R| quotient(true, ONE, a, R)),
                    (Mnemonic::Rcp, false) => by_rounding!(rounding, Word; |a; R| quotient(false, ONE, a, R)),
                    (_, true) => by_rounding!(rounding, Word; |a; R| root(true, a, R)),
                    (_, false) => by_rounding!(rounding, Word; |a; R| root(false, a, R)),
                };
                self.emit_unary32(f, o)
            }
            PtxType::F64 => {
                const ONE: u64 = 1f64.to_bits();
                let f: LongUnary = match mnemonic {
                    Mnemonic::Rcp => by_rounding!(rounding, Long; |a; R| quotient64(ONE, a, R)),
                    _ => by_rounding!(rounding, Long; |a; R| root64(a, R)),
                };
                self.emit_unary64(f, o)
            }
            _ => Err(self.unsupported_form()),
        }
    }
}
