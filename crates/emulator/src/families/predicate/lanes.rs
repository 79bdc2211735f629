//! Comparisons over 32 lanes: each table takes a comparison and a type to one function, which gives a mask of lanes.

// An unordered comparison is the negation of an ordered one, by PTX's definition.
#![allow(clippy::neg_cmp_op_on_partial_ord, clippy::double_comparisons, clippy::nonminimal_bool)]

use crate::arithmetic::float;
use crate::arithmetic::formats::{BF16, F16};
use crate::lanes::{LongCompare, WordCompare};
use crate::program::{Long, Word};
use warpbook_ptx::PtxType;
use warpbook_ptx::isa::Comparison;

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

/// `setp` comparisons of words: integers by signedness and width, floats ordered and unordered.
pub(crate) fn compare_words(comparison: Comparison, ty: PtxType, flush: bool) -> Option<WordCompare> {
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
pub(in crate::families) fn compare_longs(comparison: Comparison, ty: PtxType) -> Option<LongCompare> {
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
