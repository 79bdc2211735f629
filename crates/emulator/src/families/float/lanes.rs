//! Functions of floating-point values over 32 lanes: each table takes an instruction and its type to one function.

#![allow(clippy::precedence)]

use crate::arithmetic::formats::{BF16, F16, Format, Rounding};
use crate::arithmetic::{approximate, float};
use crate::lanes::{LongBinary, LongTernary, LongUnary, WordBinary, WordTernary, WordUnary, lanes};
use crate::program::{Long, Word};
use warpbook_ptx::PtxType;
use warpbook_ptx::isa::Mnemonic;

/// Which of the functions of one name an instruction of floating-point values is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FloatForm {
    /// Correctly rounded; of a NaN and a number the number is the minimum and the maximum.
    Plain,
    /// `.NaN`: of a NaN and a number the NaN is the minimum and the maximum.
    PropagatingNan,
    /// Division over the full range of exponents, with an error of 2 ulp: `div.full`.
    FullRange,
    /// Division by an approximate reciprocal: `div.approx`.
    Approximate,
}

/// An f32 result: flushed where asked, saturated where asked, NaN canonical.
#[inline(always)]
fn finish<const FLUSH: bool, const SATURATE: bool>(value: f32) -> u32 {
    let value = if FLUSH { float::flush(value) } else { value };
    let value = if SATURATE { float::saturate(value) } else { value };
    float::bits32(value)
}

#[inline(always)]
fn input<const FLUSH: bool>(bits: u32) -> f32 {
    let value = f32::from_bits(bits);
    if FLUSH { float::flush(value) } else { value }
}

/// Picks the instance of a generic table for `.ftz` and `.sat`.
macro_rules! by_flags {
    ($flush:expr, $saturate:expr, $table:ident($($argument:expr),*)) => {
        match ($flush, $saturate) {
            (false, false) => $table::<false, false>($($argument),*),
            (true, false) => $table::<true, false>($($argument),*),
            (false, true) => $table::<false, true>($($argument),*),
            (true, true) => $table::<true, true>($($argument),*),
        }
    };
}

/// True if a result is ±2^-126: it may have been less, but for the rounding of subnormals.
#[inline(always)]
fn smallest_normal(d: &Word) -> bool {
    d.iter().fold(false, |any, bits| any | (bits & 0x7fff_ffff == f32::MIN_POSITIVE.to_bits()))
}

/// The results ±2^-126 of `a·b + c` again, for `.ftz`.
#[cold]
fn flush_tiny(d: &mut Word, a: &Word, b: &Word, c: Option<&Word>) {
    for lane in 0..32 {
        if d[lane] & 0x7fff_ffff != f32::MIN_POSITIVE.to_bits() {
            continue;
        }
        let sign = d[lane] & 1 << 31;
        let [x, y, z] = [a[lane], b[lane], c.map_or(sign, |c| c[lane])]
            .map(|bits| u64::from(float::flush(f32::from_bits(bits)).to_bits()));
        if float::is_tiny(crate::arithmetic::formats::F32, x, y, z, Rounding::NearestEven) {
            d[lane] = sign;
        }
    }
}

fn f32_binary_table<const FLUSH: bool, const SATURATE: bool>(
    mnemonic: Mnemonic,
    form: FloatForm,
) -> Option<WordBinary> {
    macro_rules! operation {
        (|$a:ident, $b:ident| $value:expr) => {
            operation!(|$a, $b| $value; product: false)
        };
        (|$a:ident, $b:ident| $value:expr; product: $product:literal) => {{
            crate::arithmetic::simd::widest! {
                fn apply<const FLUSH: bool, const SATURATE: bool>(d: &mut Word, a: &Word, b: &Word) {
                    for lane in 0..32 {
                        let ($a, $b) = (input::<FLUSH>(a[lane]), input::<FLUSH>(b[lane]));
                        d[lane] = finish::<FLUSH, SATURATE>($value);
                    }
                    if FLUSH && $product && smallest_normal(d) {
                        flush_tiny(d, a, b, None);
                    }
                }
            }
            apply::<FLUSH, SATURATE>
        }};
    }
    use FloatForm::{Approximate, FullRange, Plain, PropagatingNan};
    Some(match (mnemonic, form) {
        (Mnemonic::Add, Plain) => operation!(|a, b| a + b),
        (Mnemonic::Sub, Plain) => operation!(|a, b| a - b),
        (Mnemonic::Mul, Plain) => operation!(|a, b| a * b; product: true),
        (Mnemonic::Div, Plain) => operation!(|a, b| a / b),
        (Mnemonic::Div, FullRange) => operation!(|a, b| approximate::divide(a, b, true)),
        (Mnemonic::Div, Approximate) => operation!(|a, b| approximate::divide(a, b, false)),
        (Mnemonic::Min, Plain) => operation!(|a, b| f32::from_bits(float::min32(a, b))),
        (Mnemonic::Max, Plain) => operation!(|a, b| f32::from_bits(float::max32(a, b))),
        (Mnemonic::Min, PropagatingNan) => {
            operation!(|a, b| if a.is_nan() || b.is_nan() { f32::NAN } else { f32::from_bits(float::min32(a, b)) })
        }
        (Mnemonic::Max, PropagatingNan) => {
            operation!(|a, b| if a.is_nan() || b.is_nan() { f32::NAN } else { f32::from_bits(float::max32(a, b)) })
        }
        _ => return None,
    })
}

/// `add sub mul div min max` of f32, to nearest.
pub(super) fn f32_binary(mnemonic: Mnemonic, form: FloatForm, flush: bool, saturate: bool) -> Option<WordBinary> {
    by_flags!(flush, saturate, f32_binary_table(mnemonic, form))
}

fn f32_fma_table<const FLUSH: bool, const SATURATE: bool>() -> WordTernary {
    crate::arithmetic::simd::widest! {
        fn apply<const FLUSH: bool, const SATURATE: bool>(d: &mut Word, a: &Word, b: &Word, c: &Word) {
            for lane in 0..32 {
                let (a, b, c) = (input::<FLUSH>(a[lane]), input::<FLUSH>(b[lane]), input::<FLUSH>(c[lane]));
                d[lane] = finish::<FLUSH, SATURATE>(a.mul_add(b, c));
            }
            if FLUSH && smallest_normal(d) {
                flush_tiny(d, a, b, Some(c));
            }
        }
    }
    apply::<FLUSH, SATURATE>
}

/// The function of three operands, lane by lane, that carries out `fma.rn.f32`.
pub(super) fn f32_fma(flush: bool, saturate: bool) -> WordTernary {
    by_flags!(flush, saturate, f32_fma_table())
}

/// One-operand f32 functions.
pub(super) fn f32_unary(mnemonic: Mnemonic, approximately: bool, flush: bool) -> Option<WordUnary> {
    macro_rules! approximate {
        ($f:ident) => {
            if flush {
                lanes!(Word; |a: Word| approximate::flushed(approximate::$f, a))
            } else {
                lanes!(Word; |a: Word| approximate::$f(f32::from_bits(a)))
            }
        };
    }
    macro_rules! rounded {
        (|$a:ident| $value:expr) => {
            if flush {
                lanes!(Word; |a: Word| {
                    let $a = float::flush(f32::from_bits(a));
                    float::bits32(float::flush($value))
                })
            } else {
                lanes!(Word; |a: Word| {
                    let $a = f32::from_bits(a);
                    float::bits32($value)
                })
            }
        };
    }
    Some(match mnemonic {
        Mnemonic::Neg if flush => lanes!(Word; |a: Word| float::bits32(-float::flush(f32::from_bits(a)))),
        Mnemonic::Neg => lanes!(Word; |a: Word| float::bits32(-f32::from_bits(a))),
        Mnemonic::Abs if flush => lanes!(Word; |a: Word| float::bits32(float::flush(f32::from_bits(a)).abs())),
        Mnemonic::Abs => lanes!(Word; |a: Word| float::bits32(f32::from_bits(a).abs())),
        Mnemonic::Rcp if !approximately => rounded!(|a| 1.0 / a),
        Mnemonic::Sqrt if !approximately => rounded!(|a| a.sqrt()),
        Mnemonic::Ex2 => approximate!(ex2),
        Mnemonic::Lg2 => approximate!(lg2),
        Mnemonic::Rcp => approximate!(rcp),
        Mnemonic::Rsqrt => approximate!(rsqrt),
        Mnemonic::Sqrt => approximate!(sqrt),
        Mnemonic::Sin => approximate!(sin),
        Mnemonic::Cos => approximate!(cos),
        Mnemonic::Tanh => approximate!(tanh),
        _ => return None,
    })
}

/// Two-operand f64 functions, to nearest.
pub(super) fn f64_binary(mnemonic: Mnemonic, form: FloatForm) -> Option<LongBinary> {
    macro_rules! operation {
        (|$x:ident, $y:ident| $value:expr, last_nan: $last:literal) => {
            lanes!(Long; |p: Long, q: Long| {
                let ($x, $y) = (f64::from_bits(p), f64::from_bits(q));
                float::result64($value, if $last { [q, p] } else { [p, q] })
            })
        };
    }
    if form != FloatForm::Plain {
        return None;
    }
    Some(match mnemonic {
        Mnemonic::Add => operation!(|x, y| x + y, last_nan: true),
        Mnemonic::Sub => operation!(|x, y| x - y, last_nan: true),
        Mnemonic::Mul => operation!(|x, y| x * y, last_nan: true),
        Mnemonic::Div => operation!(|x, y| x / y, last_nan: false),
        Mnemonic::Min => {
            lanes!(Long; |p: Long, q: Long| float::minimum_maximum(crate::arithmetic::formats::F64, p, q, false, false))
        }
        Mnemonic::Max => {
            lanes!(Long; |p: Long, q: Long| float::minimum_maximum(crate::arithmetic::formats::F64, p, q, true, false))
        }
        _ => return None,
    })
}

/// One-operand f64 functions; the approximate ones with or without `.ftz`.
pub(super) fn f64_unary(mnemonic: Mnemonic, approximately: bool, flush: bool) -> Option<LongUnary> {
    Some(match mnemonic {
        Mnemonic::Rcp if approximately => lanes!(Long; |a: Long| approximate::rcp_f64(a)),
        Mnemonic::Rsqrt if flush => lanes!(Long; |a: Long| approximate::rsqrt_unit_f64(a)),
        Mnemonic::Rsqrt => lanes!(Long; |a: Long| approximate::rsqrt_f64(a)),
        Mnemonic::Neg => lanes!(Long; |a: Long| float::negate64(a)),
        Mnemonic::Abs => lanes!(Long; |a: Long| float::absolute64(a)),
        Mnemonic::Sqrt => lanes!(Long; |a: Long| float::result64(f64::from_bits(a).sqrt(), [a])),
        Mnemonic::Rcp => lanes!(Long; |a: Long| float::result64(1.0 / f64::from_bits(a), [a])),
        _ => return None,
    })
}

/// The function of three operands, lane by lane, that carries out `fma.rn.f64`.
pub(super) fn f64_fma() -> LongTernary {
    lanes!(Long; |a: Long, b: Long, c: Long| {
        float::result64(f64::from_bits(a).mul_add(f64::from_bits(b), f64::from_bits(c)), [b, c, a])
    })
}

/// A function of two values of 16 bits.
#[derive(Clone, Copy)]
enum HalfFunction {
    Add,
    Subtract,
    Multiply,
    /// The smaller or the larger one.
    Pick {
        larger: bool,
        propagates_nan: bool,
        flushes: bool,
    },
}

fn half_arithmetic(format: Format, function: HalfFunction, a: u64, b: u64) -> u64 {
    let sign = 1 << (format.exponent_bits + format.mantissa_bits);
    let flush = |bits: u64| if bits & format.infinity() == 0 { bits & sign } else { bits };
    let one = format.from_f64(1.0);
    match function {
        HalfFunction::Add => float::fused_multiply_add(format, a, one, b, Rounding::NearestEven),
        HalfFunction::Subtract => float::fused_multiply_add(format, a, one, b ^ sign, Rounding::NearestEven),
        // The product with +0 or −0 of its own sign added keeps the sign of a zero.
        HalfFunction::Multiply => float::fused_multiply_add(format, a, b, (a ^ b) & sign, Rounding::NearestEven),
        HalfFunction::Pick { larger, propagates_nan, flushes } => {
            let (a, b) = if flushes { (flush(a), flush(b)) } else { (a, b) };
            float::minimum_maximum(format, a, b, larger, propagates_nan)
        }
    }
}

/// Two-operand functions of f16, bf16 and their packed pairs; `flush` is of `min` and `max` only.
pub(super) fn half_binary(mnemonic: Mnemonic, form: FloatForm, flush: bool, ty: PtxType) -> Option<WordBinary> {
    macro_rules! operation {
        ($function:expr) => {{
            const FUNCTION: HalfFunction = $function;
            match ty {
                PtxType::F16 => lanes!(Word; |a: Word, b: Word| half_arithmetic(F16, FUNCTION, (a & 0xffff).into(), (b & 0xffff).into()) as u32),
                PtxType::Bf16 => lanes!(Word; |a: Word, b: Word| half_arithmetic(BF16, FUNCTION, (a & 0xffff).into(), (b & 0xffff).into()) as u32),
                PtxType::F16x2 => lanes!(Word; |a: Word, b: Word| {
                    let low = half_arithmetic(F16, FUNCTION, (a & 0xffff).into(), (b & 0xffff).into()) as u32;
                    low | (half_arithmetic(F16, FUNCTION, (a >> 16).into(), (b >> 16).into()) as u32) << 16
                }),
                PtxType::Bf16x2 => lanes!(Word; |a: Word, b: Word| {
                    let low = half_arithmetic(BF16, FUNCTION, (a & 0xffff).into(), (b & 0xffff).into()) as u32;
                    low | (half_arithmetic(BF16, FUNCTION, (a >> 16).into(), (b >> 16).into()) as u32) << 16
                }),
                _ => return None,
            }
        }};
    }
    macro_rules! pick {
        ($larger:literal, $propagates_nan:literal, $flushes:literal) => {
            operation!(HalfFunction::Pick { larger: $larger, propagates_nan: $propagates_nan, flushes: $flushes })
        };
    }
    use FloatForm::{Plain, PropagatingNan};
    Some(match (mnemonic, form, flush) {
        (Mnemonic::Add, Plain, false) => operation!(HalfFunction::Add),
        (Mnemonic::Sub, Plain, false) => operation!(HalfFunction::Subtract),
        (Mnemonic::Mul, Plain, false) => operation!(HalfFunction::Multiply),
        (Mnemonic::Min, Plain, false) => pick!(false, false, false),
        (Mnemonic::Max, Plain, false) => pick!(true, false, false),
        (Mnemonic::Min, PropagatingNan, false) => pick!(false, true, false),
        (Mnemonic::Max, PropagatingNan, false) => pick!(true, true, false),
        (Mnemonic::Min, Plain, true) => pick!(false, false, true),
        (Mnemonic::Max, Plain, true) => pick!(true, false, true),
        (Mnemonic::Min, PropagatingNan, true) => pick!(false, true, true),
        (Mnemonic::Max, PropagatingNan, true) => pick!(true, true, true),
        _ => return None,
    })
}

/// `neg abs ex2 tanh` of f16, bf16 and their packed pairs; `flush` is of f16 (`neg.ftz`, `abs.ftz`).
pub(super) fn half_unary(mnemonic: Mnemonic, ty: PtxType, flush: bool) -> Option<WordUnary> {
    use float::half_with_sign;
    fn flushed(bits: u32) -> u32 {
        if bits & 0x7c00 == 0 { bits & 0x8000 } else { bits & 0xffff }
    }
    const F16_INFINITY: u32 = 0x7c00;
    const BF16_INFINITY: u32 = 0x7f80;
    macro_rules! signed {
        (|$a:ident| $sign:expr) => {
            match ty {
                PtxType::F16 => lanes!(Word; |$a: Word| half_with_sign($a, F16_INFINITY, $sign)),
                PtxType::Bf16 => lanes!(Word; |$a: Word| half_with_sign($a, BF16_INFINITY, $sign)),
                PtxType::F16x2 => lanes!(Word; |$a: Word| {
                    let low = half_with_sign($a, F16_INFINITY, $sign);
                    low | half_with_sign($a >> 16, F16_INFINITY, $sign >> 16) << 16
                }),
                PtxType::Bf16x2 => lanes!(Word; |$a: Word| {
                    let low = half_with_sign($a, BF16_INFINITY, $sign);
                    low | half_with_sign($a >> 16, BF16_INFINITY, $sign >> 16) << 16
                }),
                _ => return None,
            }
        };
    }
    macro_rules! function {
        ($f16:ident, $bf16:ident) => {{
            use approximate::{$bf16, $f16};
            match ty {
                PtxType::F16 => lanes!(Word; |a: Word| $f16(a & 0xffff)),
                PtxType::Bf16 => lanes!(Word; |a: Word| $bf16(a & 0xffff)),
                PtxType::F16x2 => lanes!(Word; |a: Word| $f16(a & 0xffff) | $f16(a >> 16) << 16),
                PtxType::Bf16x2 => lanes!(Word; |a: Word| $bf16(a & 0xffff) | $bf16(a >> 16) << 16),
                _ => return None,
            }
        }};
    }
    macro_rules! flushed_signed {
        (|$a:ident| $sign:expr) => {
            match ty {
                PtxType::F16 => lanes!(Word; |$a: Word| half_with_sign(flushed($a), F16_INFINITY, $sign)),
                PtxType::F16x2 => lanes!(Word; |$a: Word| {
                    let low = half_with_sign(flushed($a), F16_INFINITY, $sign);
                    low | half_with_sign(flushed($a >> 16), F16_INFINITY, $sign >> 16) << 16
                }),
                _ => return None,
            }
        };
    }
    Some(match mnemonic {
        Mnemonic::Neg if flush => flushed_signed!(|a| !a),
        Mnemonic::Abs if flush => flushed_signed!(|a| 0),
        Mnemonic::Neg => signed!(|a| !a),
        Mnemonic::Abs => signed!(|a| 0),
        // bf16 has only `.ftz`, f16 none.
        Mnemonic::Ex2 if flush == matches!(ty, PtxType::Bf16 | PtxType::Bf16x2) => function!(ex2_f16, ex2_bf16),
        Mnemonic::Tanh if !flush => function!(tanh_f16, tanh_bf16),
        _ => return None,
    })
}
