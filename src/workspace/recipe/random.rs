//! Random numbers that are the same everywhere: ChaCha8 for the bits, and arithmetic that no platform rounds its own way.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// A stream of random numbers.
pub struct Random(ChaCha8Rng);

impl Random {
    /// The stream of a seed.
    pub fn new(seed: u64) -> Self {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        Self(ChaCha8Rng::from_seed(key))
    }

    /// Uniform in [0, 1): a multiple of 2^-53.
    pub fn uniform(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// Normal, mean 0 and variance 1.
    pub fn normal(&mut self) -> f64 {
        // The middle of its cell, so that neither 0 nor 1 comes.
        quantile(((self.0.next_u64() >> 11) as f64 + 0.5) * (1.0 / (1u64 << 53) as f64))
    }

    /// Uniform among the integers from `low` up to, not including, `high`; `low < high`.
    pub fn integer(&mut self, low: i64, high: i64) -> i64 {
        let count = high.wrapping_sub(low) as u64;
        // Lemire, "Fast Random Integer Generation in an Interval", without the rejection: the bias is below 2^-64 · count.
        let scaled = (u128::from(self.0.next_u64()) * u128::from(count)) >> 64;
        low.wrapping_add(scaled as i64)
    }
}

/// The value that a normal variable stays below with probability `p`, 0 < p < 1, to about 1e-16
/// (M. J. Wichura, "Algorithm AS 241: The Percentage Points of the Normal Distribution", PPND16).
fn quantile(p: f64) -> f64 {
    const A: [f64; 8] = [
        3.387_132_872_796_366_5,
        133.141_667_891_784_38,
        1_971.590_950_306_551_3,
        13_731.693_765_509_46,
        45_921.953_931_549_87,
        67_265.770_927_008_7,
        33_430.575_583_588_13,
        2_509.080_928_730_122_7,
    ];
    const B: [f64; 8] = [
        1.0,
        42.313_330_701_600_91,
        687.187_007_492_057_9,
        5_394.196_021_424_751,
        21_213.794_301_586_597,
        39_307.895_800_092_71,
        28_729.085_735_721_943,
        5_226.495_278_852_854,
    ];
    const C: [f64; 8] = [
        1.423_437_110_749_683_5,
        4.630_337_846_156_546,
        5.769_497_221_460_691,
        3.647_848_324_763_204_5,
        1.270_458_252_452_368_4,
        0.241_780_725_177_450_6,
        2.272_384_498_926_918_4e-2,
        7.745_450_142_783_414e-4,
    ];
    const D: [f64; 8] = [
        1.0,
        2.053_191_626_637_759,
        1.676_384_830_183_803_8,
        0.689_767_334_985_1,
        0.148_103_976_427_480_08,
        1.519_866_656_361_645_7e-2,
        5.475_938_084_995_345e-4,
        1.050_750_071_644_416_9e-9,
    ];
    const E: [f64; 8] = [
        6.657_904_643_501_103,
        5.463_784_911_164_114,
        1.784_826_539_917_291_3,
        0.296_560_571_828_504_87,
        2.653_218_952_657_612_4e-2,
        1.242_660_947_388_078_4e-3,
        2.711_555_568_743_487_6e-5,
        2.010_334_399_292_288_1e-7,
    ];
    const F: [f64; 8] = [
        1.0,
        0.599_832_206_555_887_9,
        0.136_929_880_922_735_8,
        1.487_536_129_085_061_5e-2,
        7.868_691_311_456_133e-4,
        1.846_318_317_510_054_8e-5,
        1.421_511_758_316_446e-7,
        2.044_263_103_389_939_8e-15,
    ];
    let ratio = |numerator: &[f64; 8], denominator: &[f64; 8], x: f64| {
        let horner = |coefficients: &[f64; 8]| coefficients.iter().rev().fold(0.0, |sum, c| sum * x + c);
        horner(numerator) / horner(denominator)
    };
    let q = p - 0.5;
    if q.abs() <= 0.425 {
        return q * ratio(&A, &B, 0.180_625 - q * q);
    }
    let r = (-logarithm(if q < 0.0 { p } else { 1.0 - p })).sqrt();
    let magnitude = if r <= 5.0 { ratio(&C, &D, r - 1.6) } else { ratio(&E, &F, r - 5.0) };
    if q < 0.0 { -magnitude } else { magnitude }
}

/// The natural logarithm of a normal positive number, by additions, multiplications and divisions alone.
fn logarithm(x: f64) -> f64 {
    let bits = x.to_bits();
    let exponent = ((bits >> 52) as i64 - 1023) as f64;
    let mantissa = f64::from_bits(bits & ((1 << 52) - 1) | 1023 << 52);
    // 2 artanh(t), |t| ≤ 1/3.
    let t = (mantissa - 1.0) / (mantissa + 1.0);
    let (mut term, mut sum) = (t, 0.0);
    for k in 0..18 {
        sum += term / f64::from(2 * k + 1);
        term *= t * t;
    }
    exponent * std::f64::consts::LN_2 + 2.0 * sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_the_tables() {
        for (p, z) in
            [(0.975, 1.959_963_984_540_054), (0.5, 0.0), (0.841_344_746_068_543, 1.0), (1e-9, -5.997_807_015_007_686)]
        {
            assert!((quantile(p) - z).abs() < 1e-11, "{p}: {}", quantile(p));
        }
        for x in [1e-300, 1e-5, 0.01, 0.07] {
            assert!((logarithm(x) - x.ln()).abs() <= 1e-14 * x.ln().abs(), "{x}");
        }
    }

    #[test]
    fn a_seed_gives_the_same_numbers_for_ever() {
        let mut random = Random::new(1);
        let first: Vec<u64> = (0..3).map(|_| random.normal().to_bits()).collect();
        let mut random = Random::new(1);
        assert_eq!(first, (0..3).map(|_| random.normal().to_bits()).collect::<Vec<_>>());
        insta::assert_snapshot!(format!("{first:x?}"));
        assert_ne!(Random::new(2).normal().to_bits(), first[0]);
    }

    #[test]
    fn moments_are_right() {
        let mut random = Random::new(0);
        let values: Vec<f64> = (0..100_000).map(|_| random.normal()).collect();
        let mean = values.iter().sum::<f64>() / 1e5;
        let variance = values.iter().map(|value| value * value).sum::<f64>() / 1e5;
        // Five standard errors.
        assert!(mean.abs() < 5.0 / 316.0 && (variance - 1.0).abs() < 5.0 * 1.42 / 316.0, "{mean} {variance}");
        let integers: Vec<i64> = (0..1000).map(|_| random.integer(-2, 3)).collect();
        assert_eq!((integers.iter().min(), integers.iter().max()), (Some(&-2), Some(&2)));
        assert!((0..1000).all(|_| (0.0..1.0).contains(&random.uniform())));
    }
}
