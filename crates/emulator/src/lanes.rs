//! Operations over 32 lanes: each table takes an instruction and its type to one function.

// An unordered comparison is the negation of an ordered one, by PTX's definition.
#![allow(clippy::neg_cmp_op_on_partial_ord, clippy::double_comparisons, clippy::nonminimal_bool, clippy::precedence)]

use super::arithmetic::formats::{BF16, F16, Format, Rounding};
use super::arithmetic::{approximate, float, integer};
use super::program::{Long, Word};
use warpbook_ptx::PtxType;
use warpbook_ptx::isa::{Comparison, Mnemonic};

/// One word to a word.
pub type WordUnary = fn(&mut Word, &Word);
/// Two words to a word.
pub type WordBinary = fn(&mut Word, &Word, &Word);
/// Three words to a word.
pub type WordTernary = fn(&mut Word, &Word, &Word, &Word);
/// One long to a long.
pub type LongUnary = fn(&mut Long, &Long);
/// Two longs to a long.
pub type LongBinary = fn(&mut Long, &Long, &Long);
/// Three longs to a long.
pub type LongTernary = fn(&mut Long, &Long, &Long, &Long);
/// A comparison of words to a mask of lanes.
pub type WordCompare = fn(&Word, &Word) -> u32;
/// A comparison of longs to a mask of lanes.
pub type LongCompare = fn(&Long, &Long) -> u32;

/// Which of the functions of one name an instruction of integers is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IntegerForm {
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

/// Which of the functions of one name an instruction of floating-point values is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FloatForm {
    /// Correctly rounded; of a NaN and a number the number is the minimum and the maximum.
    Plain,
    /// `.NaN`: of a NaN and a number the NaN is the minimum and the maximum.
    PropagatingNan,
    /// `div.full`.
    FullRange,
    /// `div.approx`.
    Approximate,
}

/// A function over lanes from an expression of one lane.
macro_rules! lanes {
    ($d:ty; |$($x:ident: $t:ty),+| $value:expr) => {{
        crate::arithmetic::simd::widest! {
            fn apply(d: &mut $d, $($x: &$t),+) {
                for lane in 0..32 {
                    $(let $x = $x[lane];)+
                    d[lane] = $value;
                }
            }
        }
        apply
    }};
}
pub(super) use lanes;

macro_rules! mask {
    ($t:ty; |$a:ident, $b:ident| $value:expr) => {{
        crate::arithmetic::simd::widest! {
            fn apply(a: &$t, b: &$t) -> u32 {
                let mut mask = 0;
                for lane in 0..32 {
                    let ($a, $b) = (a[lane], b[lane]);
                    mask |= u32::from($value) << lane;
                }
                mask
            }
        }
        apply
    }};
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
        if float::is_tiny(super::arithmetic::formats::F32, x, y, z, Rounding::NearestEven) {
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
pub fn f32_binary(mnemonic: Mnemonic, form: FloatForm, flush: bool, saturate: bool) -> Option<WordBinary> {
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

/// `fma.rn.f32`
pub fn f32_fma(flush: bool, saturate: bool) -> WordTernary {
    by_flags!(flush, saturate, f32_fma_table())
}

/// One-operand f32 functions.
pub fn f32_unary(mnemonic: Mnemonic, approximately: bool, flush: bool) -> Option<WordUnary> {
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
pub fn f64_binary(mnemonic: Mnemonic, form: FloatForm) -> Option<LongBinary> {
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
            lanes!(Long; |p: Long, q: Long| float::minimum_maximum(super::arithmetic::formats::F64, p, q, false, false))
        }
        Mnemonic::Max => {
            lanes!(Long; |p: Long, q: Long| float::minimum_maximum(super::arithmetic::formats::F64, p, q, true, false))
        }
        _ => return None,
    })
}

/// One-operand f64 functions; the approximate ones with or without `.ftz`.
pub fn f64_unary(mnemonic: Mnemonic, approximately: bool, flush: bool) -> Option<LongUnary> {
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

/// `fma.rn.f64`
pub fn f64_fma() -> LongTernary {
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
pub fn half_binary(mnemonic: Mnemonic, form: FloatForm, flush: bool, ty: PtxType) -> Option<WordBinary> {
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
pub fn half_unary(mnemonic: Mnemonic, ty: PtxType, flush: bool) -> Option<WordUnary> {
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

/// Two-operand functions of two 16-bit integers in a register.
pub fn integer_pair_binary(mnemonic: Mnemonic, signed: bool) -> Option<WordBinary> {
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
pub fn integer_word_binary(mnemonic: Mnemonic, form: IntegerForm, ty: PtxType) -> Option<WordBinary> {
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
pub fn integer_long_binary(mnemonic: Mnemonic, form: IntegerForm, signed: bool) -> Option<LongBinary> {
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

/// `setp` comparisons of words: integers by signedness and width, floats ordered and unordered.
pub fn compare_words(comparison: Comparison, ty: PtxType, flush: bool) -> Option<WordCompare> {
    fn s(a: u32) -> i32 {
        a as i32
    }
    fn s16(a: u32) -> i32 {
        i32::from(a as u16 as i16)
    }
    macro_rules! ordered {
        ($convert:expr) => {
            match comparison {
                Comparison::Equal => mask!(Word; |a, b| $convert(a) == $convert(b)),
                Comparison::NotEqual => mask!(Word; |a, b| $convert(a) != $convert(b)),
                Comparison::Less => mask!(Word; |a, b| $convert(a) < $convert(b)),
                Comparison::LessOrEqual => mask!(Word; |a, b| $convert(a) <= $convert(b)),
                Comparison::Greater => mask!(Word; |a, b| $convert(a) > $convert(b)),
                Comparison::GreaterOrEqual => mask!(Word; |a, b| $convert(a) >= $convert(b)),
                _ => return None,
            }
        };
    }
    macro_rules! float {
        ($convert:expr) => {
            match comparison {
                // `.ne` of PTX is ordered: false for NaN.
                Comparison::NotEqual => mask!(Word; |a, b| { let (x, y) = ($convert(a), $convert(b)); x < y || x > y }),
                Comparison::EqualOrNan => mask!(Word; |a, b| { let (x, y) = ($convert(a), $convert(b)); !(x < y || x > y) }),
                Comparison::NotEqualOrNan => mask!(Word; |a, b| $convert(a) != $convert(b)),
                Comparison::LessOrNan => mask!(Word; |a, b| !($convert(a) >= $convert(b))),
                Comparison::LessOrEqualOrNan => mask!(Word; |a, b| !($convert(a) > $convert(b))),
                Comparison::GreaterOrNan => mask!(Word; |a, b| !($convert(a) <= $convert(b))),
                Comparison::GreaterOrEqualOrNan => mask!(Word; |a, b| !($convert(a) < $convert(b))),
                Comparison::NoNan => mask!(Word; |a, b| !$convert(a).is_nan() && !$convert(b).is_nan()),
                Comparison::AnyNan => mask!(Word; |a, b| $convert(a).is_nan() || $convert(b).is_nan()),
                _ => ordered!($convert),
            }
        };
    }
    Some(match ty {
        PtxType::F32 if flush => float!(|bits| float::flush(f32::from_bits(bits))),
        PtxType::F32 => float!(f32::from_bits),
        PtxType::F16 => float!(|bits: u32| F16.to_f64((bits & 0xffff).into())),
        PtxType::Bf16 => float!(|bits: u32| BF16.to_f64((bits & 0xffff).into())),
        PtxType::S32 => ordered!(s),
        PtxType::S16 => ordered!(s16),
        PtxType::U32 | PtxType::B32 => ordered!(|a: u32| a),
        PtxType::U16 | PtxType::B16 => ordered!(|a: u32| a & 0xffff),
        _ => return None,
    })
}

/// `setp` comparisons of longs.
pub fn compare_longs(comparison: Comparison, ty: PtxType) -> Option<LongCompare> {
    macro_rules! ordered {
        ($convert:expr) => {
            match comparison {
                Comparison::Equal => mask!(Long; |a, b| $convert(a) == $convert(b)),
                Comparison::NotEqual => mask!(Long; |a, b| $convert(a) != $convert(b)),
                Comparison::Less => mask!(Long; |a, b| $convert(a) < $convert(b)),
                Comparison::LessOrEqual => mask!(Long; |a, b| $convert(a) <= $convert(b)),
                Comparison::Greater => mask!(Long; |a, b| $convert(a) > $convert(b)),
                Comparison::GreaterOrEqual => mask!(Long; |a, b| $convert(a) >= $convert(b)),
                _ => return None,
            }
        };
    }
    fn f(bits: u64) -> f64 {
        f64::from_bits(bits)
    }
    Some(match ty {
        PtxType::S64 => ordered!(|a: u64| a as i64),
        PtxType::U64 | PtxType::B64 => ordered!(|a: u64| a),
        PtxType::F64 => match comparison {
            Comparison::NotEqual => mask!(Long; |a, b| f(a) < f(b) || f(a) > f(b)),
            Comparison::EqualOrNan => mask!(Long; |a, b| !(f(a) < f(b) || f(a) > f(b))),
            Comparison::NotEqualOrNan => mask!(Long; |a, b| f(a) != f(b)),
            Comparison::LessOrNan => mask!(Long; |a, b| !(f(a) >= f(b))),
            Comparison::LessOrEqualOrNan => mask!(Long; |a, b| !(f(a) > f(b))),
            Comparison::GreaterOrNan => mask!(Long; |a, b| !(f(a) <= f(b))),
            Comparison::GreaterOrEqualOrNan => mask!(Long; |a, b| !(f(a) < f(b))),
            Comparison::NoNan => mask!(Long; |a, b| !f(a).is_nan() && !f(b).is_nan()),
            Comparison::AnyNan => mask!(Long; |a, b| f(a).is_nan() || f(b).is_nan()),
            _ => ordered!(f),
        },
        _ => return None,
    })
}
