//! The approximate functions of PTX (`ex2.approx` and so on), today as the correctly rounded f32 value of the function.
//!
//! The hardware's own interpolation differs from this by at most 1 to 2 ulp for `ex2`, `rcp`, `rsqrt`, `sqrt` and by
//! more for `lg2` near 1, `sin`, `cos` and `tanh`. Bit-exact tables replace these bodies, one by one.

use super::float::{bits32, flush};

macro_rules! through_f64 {
    ($($(#[$doc:meta])* $name:ident |$x:ident| $value:expr;)*) => {
        $($(#[$doc])*
        #[inline]
        pub fn $name(x: f32) -> u32 {
            let $x = f64::from(x);
            bits32(($value) as f32)
        })*
    };
}

through_f64! {
    /// `ex2.approx.f32`: 2^x.
    ex2 |x| x.exp2();
    /// `lg2.approx.f32`
    lg2 |x| x.log2();
    /// `rcp.approx.f32`
    rcp |x| 1.0 / x;
    /// `rsqrt.approx.f32`
    rsqrt |x| 1.0 / x.sqrt();
    /// `sqrt.approx.f32`
    sqrt |x| x.sqrt();
    /// `sin.approx.f32`
    sin |x| x.sin();
    /// `cos.approx.f32`
    cos |x| x.cos();
    /// `tanh.approx.f32`
    tanh |x| x.tanh();
}

/// `f(x)` with subnormal inputs and results flushed to zero (`.ftz`).
#[inline]
pub fn flushed(f: fn(f32) -> u32, x: u32) -> u32 {
    flush(f32::from_bits(f(flush(f32::from_bits(x))))).to_bits()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn special_values() {
        assert_eq!(f32::from_bits(ex2(3.0)), 8.0);
        assert_eq!(f32::from_bits(lg2(0.0)), f32::NEG_INFINITY);
        assert_eq!(rcp(-0.0), f32::NEG_INFINITY.to_bits());
        assert_eq!(rsqrt(-1.0), 0x7fff_ffff);
        assert_eq!(flushed(ex2, (-140f32).to_bits()), 0);
    }
}
