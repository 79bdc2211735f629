//! Vectors of sixteen lanes, for what no compiler vectorises by itself: one trait, a portable unit, AVX2 and AVX-512.
//!
//! A unit is a token: to hold one is to know that the machine has it, which makes its operations safe.

/// Lanes of a vector.
pub const LANES: usize = 16;

/// The operations of a vector unit, lane by lane unless said otherwise.
pub trait Unit: Copy {
    /// A vector of sixteen f32.
    type Float: Copy;
    /// A vector of sixteen 32-bit integers.
    type Integer: Copy;

    fn load(self, values: &[f32; LANES]) -> Self::Float;
    fn store(self, to: &mut [f32; LANES], values: Self::Float);
    fn load_integers(self, values: &[u32; LANES]) -> Self::Integer;
    fn splat(self, value: u32) -> Self::Integer;
    fn bits(self, values: Self::Float) -> Self::Integer;
    fn with_bits(self, bits: Self::Integer) -> Self::Float;

    fn multiply(self, a: Self::Float, b: Self::Float) -> Self::Float;
    /// a · b + c, rounded once or twice.
    fn multiply_add(self, a: Self::Float, b: Self::Float, c: Self::Float) -> Self::Float;
    /// The larger value of each lane; neither may be NaN.
    fn maximum(self, a: Self::Float, b: Self::Float) -> Self::Float;
    /// Toward zero, of values that fit.
    fn truncate(self, values: Self::Float) -> Self::Integer;
    /// `values` where `condition` is not 0, +0 elsewhere.
    fn where_nonzero(self, condition: Self::Integer, values: Self::Float) -> Self::Float;
    /// Lane n is the `quarter`th of lane n's group of four.
    fn rows(self, values: Self::Float, quarter: usize) -> Self::Float;
    /// Of the 32 lanes `low`, `high`, the `quarter`th of each group of four, g0 to g7: lane n of the first result is
    /// g(2·(n mod 4)), of the second g(2·(n mod 4) + 1).
    fn columns(self, low: Self::Float, high: Self::Float, quarter: usize) -> [Self::Float; 2];

    fn add(self, a: Self::Integer, b: Self::Integer) -> Self::Integer;
    fn subtract(self, a: Self::Integer, b: Self::Integer) -> Self::Integer;
    fn and(self, a: Self::Integer, b: Self::Integer) -> Self::Integer;
    fn or(self, a: Self::Integer, b: Self::Integer) -> Self::Integer;
    fn shift_left(self, a: Self::Integer, count: u32) -> Self::Integer;
    fn shift_right(self, a: Self::Integer, count: u32) -> Self::Integer;
    fn least(self, a: Self::Integer, b: Self::Integer) -> Self::Integer;
    fn greatest(self, a: Self::Integer, b: Self::Integer) -> Self::Integer;
    /// `by` where `values` is 0.
    fn replace_zero(self, values: Self::Integer, by: Self::Integer) -> Self::Integer;
    /// The least of all lanes, unsigned.
    fn least_lane(self, values: Self::Integer) -> u32;
    /// The greatest of all lanes, unsigned.
    fn greatest_lane(self, values: Self::Integer) -> u32;

    /// (a + b) · scale · unit, without rounding up to the significand of an f64, which is then cut to its bits in
    /// `kept`; with `sticky`, the last bit of an f32 is set where bits were cut.
    fn scaled_sum(
        self,
        terms: [Self::Integer; 2],
        scale: Self::Float,
        unit: f64,
        kept: u64,
        sticky: bool,
    ) -> Self::Float;
}

/// Loops that the compiler vectorises for whatever it compiles for.
#[derive(Clone, Copy, Debug)]
pub struct Portable;

#[inline(always)]
fn each<T: Copy + Default>(f: impl Fn(usize) -> T) -> [T; LANES] {
    let mut values = [T::default(); LANES];
    for (n, value) in values.iter_mut().enumerate() {
        *value = f(n);
    }
    values
}

impl Unit for Portable {
    type Float = [f32; LANES];
    type Integer = [u32; LANES];

    #[inline(always)]
    fn load(self, values: &[f32; LANES]) -> Self::Float {
        *values
    }
    #[inline(always)]
    fn store(self, to: &mut [f32; LANES], values: Self::Float) {
        *to = values;
    }
    #[inline(always)]
    fn load_integers(self, values: &[u32; LANES]) -> Self::Integer {
        *values
    }
    #[inline(always)]
    fn splat(self, value: u32) -> Self::Integer {
        [value; LANES]
    }
    #[inline(always)]
    fn bits(self, values: Self::Float) -> Self::Integer {
        each(|n| values[n].to_bits())
    }
    #[inline(always)]
    fn with_bits(self, bits: Self::Integer) -> Self::Float {
        each(|n| f32::from_bits(bits[n]))
    }
    #[inline(always)]
    fn multiply(self, a: Self::Float, b: Self::Float) -> Self::Float {
        each(|n| a[n] * b[n])
    }
    #[inline(always)]
    fn multiply_add(self, a: Self::Float, b: Self::Float, c: Self::Float) -> Self::Float {
        each(|n| a[n] * b[n] + c[n])
    }
    #[inline(always)]
    fn maximum(self, a: Self::Float, b: Self::Float) -> Self::Float {
        each(|n| if a[n] > b[n] { a[n] } else { b[n] })
    }
    #[inline(always)]
    fn truncate(self, values: Self::Float) -> Self::Integer {
        each(|n| super::simd::truncate(values[n]) as u32)
    }
    #[inline(always)]
    fn where_nonzero(self, condition: Self::Integer, values: Self::Float) -> Self::Float {
        each(|n| if condition[n] != 0 { values[n] } else { 0.0 })
    }
    #[inline(always)]
    fn rows(self, values: Self::Float, quarter: usize) -> Self::Float {
        each(|n| values[n / 4 * 4 + quarter])
    }
    #[inline(always)]
    fn columns(self, low: Self::Float, high: Self::Float, quarter: usize) -> [Self::Float; 2] {
        let group = |n: usize| if n < 4 { low[4 * n + quarter] } else { high[4 * (n - 4) + quarter] };
        [each(|n| group(2 * (n % 4))), each(|n| group(2 * (n % 4) + 1))]
    }
    #[inline(always)]
    fn add(self, a: Self::Integer, b: Self::Integer) -> Self::Integer {
        each(|n| a[n].wrapping_add(b[n]))
    }
    #[inline(always)]
    fn subtract(self, a: Self::Integer, b: Self::Integer) -> Self::Integer {
        each(|n| a[n].wrapping_sub(b[n]))
    }
    #[inline(always)]
    fn and(self, a: Self::Integer, b: Self::Integer) -> Self::Integer {
        each(|n| a[n] & b[n])
    }
    #[inline(always)]
    fn or(self, a: Self::Integer, b: Self::Integer) -> Self::Integer {
        each(|n| a[n] | b[n])
    }
    #[inline(always)]
    fn shift_left(self, a: Self::Integer, count: u32) -> Self::Integer {
        each(|n| a[n] << count)
    }
    #[inline(always)]
    fn shift_right(self, a: Self::Integer, count: u32) -> Self::Integer {
        each(|n| a[n] >> count)
    }
    #[inline(always)]
    fn least(self, a: Self::Integer, b: Self::Integer) -> Self::Integer {
        each(|n| a[n].min(b[n]))
    }
    #[inline(always)]
    fn greatest(self, a: Self::Integer, b: Self::Integer) -> Self::Integer {
        each(|n| a[n].max(b[n]))
    }
    #[inline(always)]
    fn replace_zero(self, values: Self::Integer, by: Self::Integer) -> Self::Integer {
        each(|n| if values[n] == 0 { by[n] } else { values[n] })
    }
    #[inline(always)]
    fn least_lane(self, values: Self::Integer) -> u32 {
        values.into_iter().fold(u32::MAX, u32::min)
    }
    #[inline(always)]
    fn greatest_lane(self, values: Self::Integer) -> u32 {
        values.into_iter().fold(0, u32::max)
    }
    #[inline(always)]
    fn scaled_sum(
        self,
        [a, b]: [Self::Integer; 2],
        scale: Self::Float,
        unit: f64,
        kept: u64,
        sticky: bool,
    ) -> Self::Float {
        each(|n| {
            let sum = f64::from(a[n] as i32) + f64::from(b[n] as i32);
            let bits = (sum * (f64::from(scale[n]) * unit)).to_bits();
            let odd = if sticky && bits & !kept != 0 { 1 << 29 } else { 0 };
            f64::from_bits(bits & kept | odd) as f32
        })
    }
}

#[cfg(target_arch = "x86_64")]
pub use x86::{Avx2, Avx512};

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::{LANES, Unit};

    /// AVX-512 F, BW, DQ and VL.
    #[derive(Clone, Copy, Debug)]
    pub struct Avx512(());

    impl Avx512 {
        /// The token, where the machine has the unit.
        #[inline(always)]
        pub fn detect() -> Option<Self> {
            use super::super::simd::{Level, level};
            (level() == Level::Avx512).then_some(Self(()))
        }
    }

    /// An intrinsic in a method of the token.
    macro_rules! has_avx512 {
        ($value:expr) => {
            // SAFETY: the token exists only where the features do; references are valid for the sixteen lanes.
            unsafe { $value }
        };
    }

    impl Unit for Avx512 {
        type Float = __m512;
        type Integer = __m512i;

        #[inline(always)]
        fn load(self, values: &[f32; LANES]) -> __m512 {
            has_avx512!(_mm512_loadu_ps(values.as_ptr()))
        }
        #[inline(always)]
        fn store(self, to: &mut [f32; LANES], values: __m512) {
            has_avx512!(_mm512_storeu_ps(to.as_mut_ptr(), values))
        }
        #[inline(always)]
        fn load_integers(self, values: &[u32; LANES]) -> __m512i {
            has_avx512!(_mm512_loadu_si512(values.as_ptr().cast()))
        }
        #[inline(always)]
        fn splat(self, value: u32) -> __m512i {
            has_avx512!(_mm512_set1_epi32(value as i32))
        }
        #[inline(always)]
        fn bits(self, values: __m512) -> __m512i {
            has_avx512!(_mm512_castps_si512(values))
        }
        #[inline(always)]
        fn with_bits(self, bits: __m512i) -> __m512 {
            has_avx512!(_mm512_castsi512_ps(bits))
        }
        #[inline(always)]
        fn multiply(self, a: __m512, b: __m512) -> __m512 {
            has_avx512!(_mm512_mul_ps(a, b))
        }
        #[inline(always)]
        fn multiply_add(self, a: __m512, b: __m512, c: __m512) -> __m512 {
            has_avx512!(_mm512_fmadd_ps(a, b, c))
        }
        #[inline(always)]
        fn maximum(self, a: __m512, b: __m512) -> __m512 {
            has_avx512!(_mm512_max_ps(a, b))
        }
        #[inline(always)]
        fn truncate(self, values: __m512) -> __m512i {
            has_avx512!(_mm512_cvttps_epi32(values))
        }
        #[inline(always)]
        fn where_nonzero(self, condition: __m512i, values: __m512) -> __m512 {
            has_avx512!(_mm512_maskz_mov_ps(_mm512_test_epi32_mask(condition, condition), values))
        }
        #[inline(always)]
        fn rows(self, values: __m512, quarter: usize) -> __m512 {
            has_avx512!(_mm512_permutevar_ps(values, _mm512_set1_epi32(quarter as i32)))
        }
        #[inline(always)]
        fn columns(self, low: __m512, high: __m512, quarter: usize) -> [__m512; 2] {
            let quarter = quarter as i32;
            has_avx512!({
                let even = _mm512_add_epi32(_mm512_set4_epi32(24, 16, 8, 0), _mm512_set1_epi32(quarter));
                let odd = _mm512_add_epi32(even, _mm512_set1_epi32(4));
                [_mm512_permutex2var_ps(low, even, high), _mm512_permutex2var_ps(low, odd, high)]
            })
        }
        #[inline(always)]
        fn add(self, a: __m512i, b: __m512i) -> __m512i {
            has_avx512!(_mm512_add_epi32(a, b))
        }
        #[inline(always)]
        fn subtract(self, a: __m512i, b: __m512i) -> __m512i {
            has_avx512!(_mm512_sub_epi32(a, b))
        }
        #[inline(always)]
        fn and(self, a: __m512i, b: __m512i) -> __m512i {
            has_avx512!(_mm512_and_si512(a, b))
        }
        #[inline(always)]
        fn or(self, a: __m512i, b: __m512i) -> __m512i {
            has_avx512!(_mm512_or_si512(a, b))
        }
        #[inline(always)]
        fn shift_left(self, a: __m512i, count: u32) -> __m512i {
            has_avx512!(_mm512_sll_epi32(a, _mm_cvtsi32_si128(count as i32)))
        }
        #[inline(always)]
        fn shift_right(self, a: __m512i, count: u32) -> __m512i {
            has_avx512!(_mm512_srl_epi32(a, _mm_cvtsi32_si128(count as i32)))
        }
        #[inline(always)]
        fn least(self, a: __m512i, b: __m512i) -> __m512i {
            has_avx512!(_mm512_min_epu32(a, b))
        }
        #[inline(always)]
        fn greatest(self, a: __m512i, b: __m512i) -> __m512i {
            has_avx512!(_mm512_max_epu32(a, b))
        }
        #[inline(always)]
        fn replace_zero(self, values: __m512i, by: __m512i) -> __m512i {
            has_avx512!(_mm512_mask_mov_epi32(values, _mm512_testn_epi32_mask(values, values), by))
        }
        #[inline(always)]
        fn least_lane(self, values: __m512i) -> u32 {
            has_avx512!(_mm512_reduce_min_epu32(values))
        }
        #[inline(always)]
        fn greatest_lane(self, values: __m512i) -> u32 {
            has_avx512!(_mm512_reduce_max_epu32(values))
        }
        #[inline(always)]
        fn scaled_sum(self, [a, b]: [__m512i; 2], scale: __m512, unit: f64, kept: u64, sticky: bool) -> __m512 {
            has_avx512!({
                let low = scaled_half(
                    [_mm512_castsi512_si256(a), _mm512_castsi512_si256(b)],
                    _mm512_castps512_ps256(scale),
                    unit,
                    kept,
                    sticky,
                );
                let high = scaled_half(
                    [_mm512_extracti64x4_epi64::<1>(a), _mm512_extracti64x4_epi64::<1>(b)],
                    _mm512_extractf32x8_ps::<1>(scale),
                    unit,
                    kept,
                    sticky,
                );
                _mm512_insertf32x8::<1>(_mm512_castps256_ps512(low), high)
            })
        }
    }
    /// Eight lanes of [`Unit::scaled_sum`].
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq")]
    fn scaled_half([a, b]: [__m256i; 2], scale: __m256, unit: f64, kept: u64, sticky: bool) -> __m256 {
        let sum = _mm512_add_pd(_mm512_cvtepi32_pd(a), _mm512_cvtepi32_pd(b));
        let scale = _mm512_mul_pd(_mm512_cvtps_pd(scale), _mm512_set1_pd(unit));
        let bits = _mm512_castpd_si512(_mm512_mul_pd(sum, scale));
        let mut cut = _mm512_and_si512(bits, _mm512_set1_epi64(kept as i64));
        if sticky {
            let lost = _mm512_test_epi64_mask(bits, _mm512_set1_epi64(!kept as i64));
            cut = _mm512_mask_or_epi64(cut, lost, cut, _mm512_set1_epi64(1 << 29));
        }
        _mm512_cvtpd_ps(_mm512_castsi512_pd(cut))
    }

    /// AVX2: two registers to a vector.
    #[derive(Clone, Copy, Debug)]
    pub struct Avx2(());

    impl Avx2 {
        /// The token, where the machine has the unit.
        #[inline(always)]
        pub fn detect() -> Option<Self> {
            use super::super::simd::{Level, level};
            matches!(level(), Level::Avx2 | Level::Avx512).then_some(Self(()))
        }
    }

    /// An intrinsic in a method of the token.
    macro_rules! has_avx2 {
        ($value:expr) => {
            // SAFETY: the token exists only where the feature does; references are valid for the lanes.
            unsafe { $value }
        };
    }

    impl Unit for Avx2 {
        type Float = [__m256; 2];
        type Integer = [__m256i; 2];

        #[inline(always)]
        fn load(self, values: &[f32; LANES]) -> [__m256; 2] {
            has_avx2!([_mm256_loadu_ps(values.as_ptr()), _mm256_loadu_ps(values[8..].as_ptr())])
        }
        #[inline(always)]
        fn store(self, to: &mut [f32; LANES], [low, high]: [__m256; 2]) {
            has_avx2!({
                _mm256_storeu_ps(to.as_mut_ptr(), low);
                _mm256_storeu_ps(to[8..].as_mut_ptr(), high);
            });
        }
        #[inline(always)]
        fn load_integers(self, values: &[u32; LANES]) -> [__m256i; 2] {
            has_avx2!([_mm256_loadu_si256(values.as_ptr().cast()), _mm256_loadu_si256(values[8..].as_ptr().cast())])
        }
        #[inline(always)]
        fn splat(self, value: u32) -> [__m256i; 2] {
            has_avx2!([_mm256_set1_epi32(value as i32); 2])
        }
        #[inline(always)]
        fn bits(self, [low, high]: [__m256; 2]) -> [__m256i; 2] {
            has_avx2!([_mm256_castps_si256(low), _mm256_castps_si256(high)])
        }
        #[inline(always)]
        fn with_bits(self, [low, high]: [__m256i; 2]) -> [__m256; 2] {
            has_avx2!([_mm256_castsi256_ps(low), _mm256_castsi256_ps(high)])
        }
        #[inline(always)]
        fn multiply(self, a: [__m256; 2], b: [__m256; 2]) -> [__m256; 2] {
            has_avx2!([_mm256_mul_ps(a[0], b[0]), _mm256_mul_ps(a[1], b[1])])
        }
        #[inline(always)]
        fn multiply_add(self, a: [__m256; 2], b: [__m256; 2], c: [__m256; 2]) -> [__m256; 2] {
            has_avx2!([_mm256_fmadd_ps(a[0], b[0], c[0]), _mm256_fmadd_ps(a[1], b[1], c[1])])
        }
        #[inline(always)]
        fn maximum(self, a: [__m256; 2], b: [__m256; 2]) -> [__m256; 2] {
            has_avx2!([_mm256_max_ps(a[0], b[0]), _mm256_max_ps(a[1], b[1])])
        }
        #[inline(always)]
        fn truncate(self, values: [__m256; 2]) -> [__m256i; 2] {
            has_avx2!([_mm256_cvttps_epi32(values[0]), _mm256_cvttps_epi32(values[1])])
        }
        #[inline(always)]
        fn where_nonzero(self, condition: [__m256i; 2], values: [__m256; 2]) -> [__m256; 2] {
            has_avx2!({
                let zero = _mm256_setzero_si256();
                [
                    _mm256_andnot_ps(_mm256_castsi256_ps(_mm256_cmpeq_epi32(condition[0], zero)), values[0]),
                    _mm256_andnot_ps(_mm256_castsi256_ps(_mm256_cmpeq_epi32(condition[1], zero)), values[1]),
                ]
            })
        }
        #[inline(always)]
        fn rows(self, values: [__m256; 2], quarter: usize) -> [__m256; 2] {
            has_avx2!({
                let index = _mm256_set1_epi32(quarter as i32);
                [_mm256_permutevar_ps(values[0], index), _mm256_permutevar_ps(values[1], index)]
            })
        }
        #[inline(always)]
        fn columns(self, low: [__m256; 2], high: [__m256; 2], quarter: usize) -> [[__m256; 2]; 2] {
            let ([g01, g23], [g45, g67]) = (self.rows(low, quarter), self.rows(high, quarter));
            has_avx2!({
                let (g0213, g4657) = (_mm256_unpacklo_ps(g01, g23), _mm256_unpacklo_ps(g45, g67));
                let both = _mm256_shuffle_ps::<0x44>(g0213, g4657);
                [[_mm256_permute2f128_ps::<0x00>(both, both); 2], [_mm256_permute2f128_ps::<0x11>(both, both); 2]]
            })
        }
        #[inline(always)]
        fn add(self, a: [__m256i; 2], b: [__m256i; 2]) -> [__m256i; 2] {
            has_avx2!([_mm256_add_epi32(a[0], b[0]), _mm256_add_epi32(a[1], b[1])])
        }
        #[inline(always)]
        fn subtract(self, a: [__m256i; 2], b: [__m256i; 2]) -> [__m256i; 2] {
            has_avx2!([_mm256_sub_epi32(a[0], b[0]), _mm256_sub_epi32(a[1], b[1])])
        }
        #[inline(always)]
        fn and(self, a: [__m256i; 2], b: [__m256i; 2]) -> [__m256i; 2] {
            has_avx2!([_mm256_and_si256(a[0], b[0]), _mm256_and_si256(a[1], b[1])])
        }
        #[inline(always)]
        fn or(self, a: [__m256i; 2], b: [__m256i; 2]) -> [__m256i; 2] {
            has_avx2!([_mm256_or_si256(a[0], b[0]), _mm256_or_si256(a[1], b[1])])
        }
        #[inline(always)]
        fn shift_left(self, a: [__m256i; 2], count: u32) -> [__m256i; 2] {
            has_avx2!({
                let count = _mm_cvtsi32_si128(count as i32);
                [_mm256_sll_epi32(a[0], count), _mm256_sll_epi32(a[1], count)]
            })
        }
        #[inline(always)]
        fn shift_right(self, a: [__m256i; 2], count: u32) -> [__m256i; 2] {
            has_avx2!({
                let count = _mm_cvtsi32_si128(count as i32);
                [_mm256_srl_epi32(a[0], count), _mm256_srl_epi32(a[1], count)]
            })
        }
        #[inline(always)]
        fn least(self, a: [__m256i; 2], b: [__m256i; 2]) -> [__m256i; 2] {
            has_avx2!([_mm256_min_epu32(a[0], b[0]), _mm256_min_epu32(a[1], b[1])])
        }
        #[inline(always)]
        fn greatest(self, a: [__m256i; 2], b: [__m256i; 2]) -> [__m256i; 2] {
            has_avx2!([_mm256_max_epu32(a[0], b[0]), _mm256_max_epu32(a[1], b[1])])
        }
        #[inline(always)]
        fn replace_zero(self, values: [__m256i; 2], by: [__m256i; 2]) -> [__m256i; 2] {
            has_avx2!({
                let zero = _mm256_setzero_si256();
                [
                    _mm256_blendv_epi8(values[0], by[0], _mm256_cmpeq_epi32(values[0], zero)),
                    _mm256_blendv_epi8(values[1], by[1], _mm256_cmpeq_epi32(values[1], zero)),
                ]
            })
        }
        #[inline(always)]
        fn least_lane(self, values: [__m256i; 2]) -> u32 {
            let mut lanes = [0u32; 8];
            has_avx2!(_mm256_storeu_si256(lanes.as_mut_ptr().cast(), _mm256_min_epu32(values[0], values[1])));
            lanes.into_iter().fold(u32::MAX, u32::min)
        }
        #[inline(always)]
        fn greatest_lane(self, values: [__m256i; 2]) -> u32 {
            let mut lanes = [0u32; 8];
            has_avx2!(_mm256_storeu_si256(lanes.as_mut_ptr().cast(), _mm256_max_epu32(values[0], values[1])));
            lanes.into_iter().fold(0, u32::max)
        }
        #[inline(always)]
        fn scaled_sum(
            self,
            [a, b]: [[__m256i; 2]; 2],
            scale: [__m256; 2],
            unit: f64,
            kept: u64,
            sticky: bool,
        ) -> [__m256; 2] {
            has_avx2!([
                scaled_eight([a[0], b[0]], scale[0], unit, kept, sticky),
                scaled_eight([a[1], b[1]], scale[1], unit, kept, sticky),
            ])
        }
    }

    /// Eight lanes of [`Unit::scaled_sum`].
    #[inline]
    #[target_feature(enable = "avx2")]
    fn scaled_eight([a, b]: [__m256i; 2], scale: __m256, unit: f64, kept: u64, sticky: bool) -> __m256 {
        let low = scaled_four(
            [_mm256_castsi256_si128(a), _mm256_castsi256_si128(b)],
            _mm256_castps256_ps128(scale),
            unit,
            kept,
            sticky,
        );
        let high = scaled_four(
            [_mm256_extracti128_si256::<1>(a), _mm256_extracti128_si256::<1>(b)],
            _mm256_extractf128_ps::<1>(scale),
            unit,
            kept,
            sticky,
        );
        _mm256_set_m128(high, low)
    }

    /// Four lanes of [`Unit::scaled_sum`].
    #[inline]
    #[target_feature(enable = "avx2")]
    fn scaled_four([a, b]: [__m128i; 2], scale: __m128, unit: f64, kept: u64, sticky: bool) -> __m128 {
        let sum = _mm256_add_pd(_mm256_cvtepi32_pd(a), _mm256_cvtepi32_pd(b));
        let scale = _mm256_mul_pd(_mm256_cvtps_pd(scale), _mm256_set1_pd(unit));
        let bits = _mm256_castpd_si256(_mm256_mul_pd(sum, scale));
        let mut cut = _mm256_and_si256(bits, _mm256_set1_epi64x(kept as i64));
        if sticky {
            let lost = _mm256_and_si256(bits, _mm256_set1_epi64x(!kept as i64));
            let exact = _mm256_cmpeq_epi64(lost, _mm256_setzero_si256());
            cut = _mm256_or_si256(cut, _mm256_andnot_si256(exact, _mm256_set1_epi64x(1 << 29)));
        }
        _mm256_cvtpd_ps(_mm256_castsi256_pd(cut))
    }
}
