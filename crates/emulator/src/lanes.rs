//! Operations over the 32 lanes of a warp: types of functions, and how one is made from an expression of one lane.

use super::program::{Long, Word};

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
