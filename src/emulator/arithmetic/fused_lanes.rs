//! The fused sum of [`super::tensor`], in the lanes of the fragments and with f32 products.
//!
//! The product of two significands of up to 11 bits is exact in f32 unless it leaves f32's exponents. So where all
//! exponents lie in a window, alignment is one multiplication by a power of two and truncation one conversion to an
//! integer, with no exponents taken apart. [`multiply_accumulate`] says `false` where they do not.
//!
//! A lane holds its four elements of C and D at (row, column) = (lane / 4 + 8·upper, lane % 4 · 2 + odd); A is spread
//! to the rows, B to the columns, so that C and D are used as they lie in their registers.

// Lanes and elements are indices into several arrays at once.
#![allow(clippy::needless_range_loop)]

use super::float::bits32;
use super::formats::{F16, Format};
use super::tensor::{Accumulator, FusedSum, MAX_K, Mma, Plane, element_field};

/// Lanes that are worked on at once.
const LANES: usize = 16;
type Lanes<T> = [T; LANES];

/// Exponents of products for which nothing here leaves f32: a sum is 0 or above the smallest term by 2^-25.
const PRODUCTS: (f32, f32) = (power(-75), power(100));
/// Magnitudes of the accumulator; as for the products, a step's factor 2^fraction_bits / largest is finite.
const ACCUMULATORS: (f32, f32) = (power(-100), power(110));

const fn power(exponent: i32) -> f32 {
    f32::from_bits(((exponent + 127) as u32) << 23)
}

/// Values and the powers of two of their exponents (of a subnormal: the smallest exponent of its format), by lane.
struct Decoded {
    value: [f32; 32],
    power: [f32; 32],
}

/// What the powers of an operand reach, zeros apart.
#[derive(Clone, Copy)]
struct Reach {
    smallest: f32,
    largest: f32,
    special: bool,
}

/// A: by k, row below or above 8, and half of the warp.
struct Left {
    value: [[[Lanes<f32>; 2]; 2]; MAX_K],
    power: [[[Lanes<f32>; 2]; 2]; MAX_K],
}

/// B: by k and parity of the column; both halves of the warp have the same columns.
struct Right {
    value: [[Lanes<f32>; 2]; MAX_K],
    power: [[Lanes<f32>; 2]; MAX_K],
}

super::simd::widest! {
    /// D = A·B + C into `d`, with the bits of [`super::tensor`]; `false` where the exponents are out of the window.
    #[must_use]
    pub(super) fn multiply_accumulate(
        mma: &Mma,
        sum: FusedSum,
        a: &[&Plane],
        b: &[&Plane],
        c: &[&Plane],
        d: &mut [Plane; 4],
    ) -> bool {
        multiply_accumulate_body(mma, sum, a, b, c, d)
    }
}

#[inline(always)]
fn multiply_accumulate_body(
    mma: &Mma,
    sum: FusedSum,
    a: &[&Plane],
    b: &[&Plane],
    c: &[&Plane],
    d: &mut [Plane; 4],
) -> bool {
    let (Some(a_format), Some(b_format)) = (mma.a.format(), mma.b.format()) else { return false };
    if mma.m != 16 || a.len() != mma.a_registers() || b.len() != mma.b_registers() || c.len() != mma.c_registers() {
        return false;
    }
    let zero = [[[[0.0; LANES]; 2]; 2]; MAX_K];
    let mut left = Left { value: zero, power: zero };
    let mut right = Right { value: [[[0.0; LANES]; 2]; MAX_K], power: [[[0.0; LANES]; 2]; MAX_K] };
    let a_reach = spread_rows(mma, a_format, a, &mut left);
    let b_reach = spread_columns(mma, b_format, b, &mut right);
    let mut accumulator = [[0f32; 32]; 4];
    let inside = unpack(mma.accumulator, c, &mut accumulator);
    let smallest = a_reach.smallest * b_reach.smallest;
    let largest = a_reach.largest * b_reach.largest;
    if a_reach.special || b_reach.special || !inside || smallest < PRODUCTS.0 || largest > PRODUCTS.1 {
        return false;
    }
    let round_to_f16 = mma.accumulator == Accumulator::F16;
    for register in 0..4 {
        for half in 0..2 {
            let lanes = &mut accumulator[register][LANES * half..][..LANES];
            let mut row = [0f32; LANES];
            row.copy_from_slice(lanes);
            for start in (0..mma.k).step_by(sum.step) {
                let end = (start + sum.step).min(mma.k);
                step(&left, &right, [register / 2, register % 2, half], start..end, sum, round_to_f16, &mut row);
                if round_to_f16 && !row.iter().all(|value| value.is_finite()) {
                    return false;
                }
            }
            lanes.copy_from_slice(&row);
        }
    }
    pack(mma.accumulator, &accumulator, d);
    true
}

/// One fused sum: the terms `steps` and the accumulator.
#[inline(always)]
fn step(
    left: &Left,
    right: &Right,
    [upper, odd, half]: [usize; 3],
    steps: std::ops::Range<usize>,
    sum: FusedSum,
    round_to_f16: bool,
    row: &mut Lanes<f32>,
) {
    // Zero where every term is zero; the clamp keeps the factor finite.
    let mut largest: Lanes<f32> = each(|n| f32::from_bits(row[n].to_bits() & 0x7f80_0000).max(ACCUMULATORS.0));
    for k in steps.clone() {
        let (a, b) = (&left.power[k][upper][half], &right.power[k][odd]);
        largest = each(|n| {
            let product = a[n] * b[n];
            if product > largest[n] { product } else { largest[n] }
        });
    }
    let factor: Lanes<f32> =
        each(|n| f32::from_bits(((254 + sum.fraction_bits as u32) << 23).wrapping_sub(largest[n].to_bits())));
    // Two partial sums: sixteen products below 4·2^25 each would just overflow one.
    let middle = (steps.start + 8).min(steps.end);
    let first = products(left, right, [upper, odd, half], steps.start..middle, &factor);
    let mut total: Lanes<f64>;
    {
        let aligned: Lanes<i32> = each(|n| super::simd::truncate(row[n] * factor[n]));
        if sum.fraction_bits <= 24 {
            let whole: Lanes<i32> = each(|n| first[n] + aligned[n]);
            total = each(|n| f64::from(whole[n]));
        } else {
            total = each(|n| f64::from(first[n]) + f64::from(aligned[n]));
        }
    }
    if middle < steps.end {
        let second = products(left, right, [upper, odd, half], middle..steps.end, &factor);
        total = each(|n| total[n] + f64::from(second[n]));
    }
    let unit = f64::from_bits(((1023 - sum.fraction_bits) as u64) << 52);
    let kept = !((1u64 << (52 - sum.output_bits)) - 1);
    if round_to_f16 {
        // Exact so far; the only rounding is here.
        *row = each(|n| F16.to_f64(F16.from_f64(total[n] * (f64::from(largest[n]) * unit))) as f32);
    } else {
        *row = each(|n| {
            let value = total[n] * (f64::from(largest[n]) * unit);
            f64::from_bits(value.to_bits() & kept) as f32
        });
    }
}

/// The truncated products, added.
#[inline(always)]
fn products(
    left: &Left,
    right: &Right,
    [upper, odd, half]: [usize; 3],
    steps: std::ops::Range<usize>,
    factor: &Lanes<f32>,
) -> Lanes<i32> {
    let mut total = [0i32; LANES];
    for k in steps {
        let (a, b) = (&left.value[k][upper][half], &right.value[k][odd]);
        total = each(|n| total[n] + super::simd::truncate(a[n] * b[n] * factor[n]));
    }
    total
}

#[inline(always)]
fn each<T: Copy + Default>(mut f: impl FnMut(usize) -> T) -> Lanes<T> {
    let mut values = [T::default(); LANES];
    for n in 0..LANES {
        values[n] = f(n);
    }
    values
}

/// A field of every lane of a register.
#[inline(always)]
fn decode(format: Format, plane: &Plane, (shift, mask): (u32, u32), reach: &mut Reach) -> Decoded {
    let Format { exponent_bits, mantissa_bits, has_infinity } = format;
    let magnitude_bits = exponent_bits + mantissa_bits;
    let first_special =
        if has_infinity { ((1 << exponent_bits) - 1) << mantissa_bits } else { (1 << magnitude_bits) - 1 };
    let bias = (1 << (exponent_bits - 1)) - 1;
    let scale = f32::from_bits((254 - bias) << 23);
    let least = f32::from_bits((128 - bias) << 23);
    let mut decoded = Decoded { value: [0.0; 32], power: [0.0; 32] };
    let mut magnitudes = [0u32; 32];
    for lane in 0..32 {
        let bits = plane[lane] >> shift & mask;
        let magnitude = bits & ((1 << magnitude_bits) - 1);
        let sign = bits >> magnitude_bits << 31;
        magnitudes[lane] = magnitude;
        // Multiplying normalises a subnormal.
        let value = f32::from_bits(magnitude << (23 - mantissa_bits)) * scale;
        let power = f32::from_bits(value.to_bits() & 0x7f80_0000).max(least);
        decoded.value[lane] = f32::from_bits(value.to_bits() | sign);
        decoded.power[lane] = if magnitude == 0 { 0.0 } else { power };
    }
    reach.special |= magnitudes.iter().fold(0, |most, &magnitude| most.max(magnitude)) >= first_special;
    if exponent_bits > 5 {
        for &power in &decoded.power {
            reach.largest = reach.largest.max(power);
            reach.smallest = reach.smallest.min(if power == 0.0 { f32::MAX } else { power });
        }
    }
    decoded
}

/// A format of few exponents reaches no further than this; others are looked at.
fn reach_of(format: Format) -> Reach {
    if format.exponent_bits > 5 {
        Reach { smallest: f32::MAX, largest: 0.0, special: false }
    } else {
        Reach { smallest: power(-16), largest: power(16), special: false }
    }
}

#[inline(always)]
fn spread_rows(mma: &Mma, format: Format, a: &[&Plane], left: &mut Left) -> Reach {
    let (per, mut reach) = (mma.a.per_register(), reach_of(format));
    for (register, plane) in a.iter().enumerate() {
        let (upper, first) = (register & 1, (register >> 1) * 4 * per);
        for index in 0..per {
            let decoded = decode(format, plane, element_field(mma.a, index), &mut reach);
            for quarter in 0..4 {
                let k = first + quarter * per + index;
                for (from, to) in [(&decoded.value, &mut left.value[k]), (&decoded.power, &mut left.power[k])] {
                    for half in 0..2 {
                        to[upper][half] = each(|n| from[LANES * half + (n & !3) + quarter]);
                    }
                }
            }
        }
    }
    reach
}

#[inline(always)]
fn spread_columns(mma: &Mma, format: Format, b: &[&Plane], right: &mut Right) -> Reach {
    let (per, mut reach) = (mma.b.per_register(), reach_of(format));
    for (register, plane) in b.iter().enumerate() {
        for index in 0..per {
            let decoded = decode(format, plane, element_field(mma.b, index), &mut reach);
            for quarter in 0..4 {
                let k = register * 4 * per + quarter * per + index;
                for (from, to) in [(&decoded.value, &mut right.value[k]), (&decoded.power, &mut right.power[k])] {
                    for odd in 0..2 {
                        to[odd] = each(|n| from[4 * ((n & 3) * 2 + odd) + quarter]);
                    }
                }
            }
        }
    }
    reach
}

/// C to its four elements a lane; whether all of them are in the window.
#[inline(always)]
fn unpack(kind: Accumulator, c: &[&Plane], elements: &mut [[f32; 32]; 4]) -> bool {
    if kind == Accumulator::F16 {
        let mut reach = reach_of(F16);
        for (register, plane) in c.iter().enumerate() {
            for (index, field) in [(0, 0xffff), (16, 0xffff)].into_iter().enumerate() {
                elements[2 * register + index] = decode(F16, plane, field, &mut reach).value;
            }
        }
        return !reach.special;
    }
    let mut outside = 0;
    for (element, plane) in elements.iter_mut().zip(c) {
        for lane in 0..32 {
            let magnitude = plane[lane] & 0x7fff_ffff;
            let inside =
                magnitude.wrapping_sub(ACCUMULATORS.0.to_bits()) <= ACCUMULATORS.1.to_bits() - ACCUMULATORS.0.to_bits();
            outside |= u32::from(!inside) & u32::from(magnitude != 0);
            element[lane] = f32::from_bits(plane[lane]);
        }
    }
    outside == 0
}

#[inline(always)]
fn pack(kind: Accumulator, elements: &[[f32; 32]; 4], d: &mut [Plane; 4]) {
    if kind == Accumulator::F16 {
        for register in 0..2 {
            for lane in 0..32 {
                let half = |index: usize| F16.from_f64(elements[2 * register + index][lane].into()) as u32;
                d[register][lane] = half(0) | half(1) << 16;
            }
        }
        return;
    }
    for (plane, element) in d.iter_mut().zip(elements) {
        *plane = element.map(bits32);
    }
}

#[cfg(test)]
mod tests {
    use super::super::tensor::{Architecture, Element};
    use super::*;

    /// xorshift64*
    struct Random(u64);

    impl Random {
        fn next(&mut self) -> u32 {
            self.0 ^= self.0 >> 12;
            self.0 ^= self.0 << 25;
            self.0 ^= self.0 >> 27;
            (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32) as u32
        }

        fn below(&mut self, end: u32) -> u32 {
            ((u64::from(self.next()) * u64::from(end)) >> 32) as u32
        }

        /// About normal, times 2^exponent.
        fn value(&mut self, exponent: i32) -> f64 {
            let sum: f64 = (0..4).map(|_| f64::from(self.next()) / f64::from(u32::MAX) - 0.5).sum();
            sum * 2f64.powi(exponent)
        }
    }

    /// What the elements of a fragment look like.
    #[derive(Clone, Copy, Debug)]
    enum Kind {
        Ordinary,
        /// Exponents from the smallest subnormal to the largest.
        Wide,
        /// Zeros of both signs and equal magnitudes, so that sums cancel.
        Cancelling,
        /// Any bits: infinities and NaN too.
        Any,
    }

    fn element(random: &mut Random, format: Format, kind: Kind) -> u32 {
        let width = 1 + format.exponent_bits + format.mantissa_bits;
        let value = match kind {
            Kind::Ordinary => random.value(0),
            Kind::Wide => {
                let (fraction, exponent) = (random.value(0), random.below(1 << format.exponent_bits) as i32);
                fraction * 2f64.powi(exponent - (1 << (format.exponent_bits - 1)))
            }
            Kind::Cancelling => [0.0, -0.0, 1.0, -1.0, 1.5, -1.5][random.below(6) as usize],
            Kind::Any => return random.next() >> (32 - width),
        };
        format.from_f64(value) as u32
    }

    fn fragment(random: &mut Random, element_type: Element, registers: usize, kind: Kind) -> Vec<Plane> {
        let format = element_type.format().expect("a float");
        let mut planes = vec![[0; 32]; registers];
        for register in planes.iter_mut().flatten() {
            for index in 0..element_type.per_register() {
                *register |= element(random, format, kind) << element_field(element_type, index).0;
            }
        }
        planes
    }

    fn accumulators(random: &mut Random, mma: &Mma, kind: Kind) -> Vec<Plane> {
        let f32_bits = |random: &mut Random| match kind {
            Kind::Ordinary => (random.value(2) as f32).to_bits(),
            Kind::Wide => (random.value(0) as f32 * 2f32.powi(random.below(250) as i32 - 125)).to_bits(),
            Kind::Cancelling => [0.0f32, -0.0, -1.0, 3.5, -2.25][random.below(5) as usize].to_bits(),
            Kind::Any => random.next(),
        };
        let mut planes = vec![[0; 32]; mma.c_registers()];
        for register in planes.iter_mut().flatten() {
            *register = if mma.accumulator == Accumulator::F16 {
                element(random, F16, kind) | element(random, F16, kind) << 16
            } else {
                f32_bits(random)
            };
        }
        planes
    }

    #[test]
    fn the_window_gives_the_bits_of_the_plain_sum() {
        use Architecture::{Ada, Ampere, Blackwell, Hopper, Turing};
        use Element::{Bf16, E4m3, E5m2, F16, Tf32};
        let mut random = Random(0x5eed);
        let shapes: [(usize, &[Element]); 4] =
            [(4, &[Tf32]), (8, &[Tf32, F16, Bf16]), (16, &[F16, Bf16, E4m3]), (32, &[E4m3, E5m2])];
        for architecture in [Turing, Ampere, Ada, Hopper, Blackwell] {
            for (k, a, b) in
                shapes.iter().flat_map(|(k, all)| all.iter().flat_map(|a| all.iter().map(|b| (*k, *a, *b))))
            {
                if a.per_register() != b.per_register() {
                    continue;
                }
                for accumulator in [Accumulator::F32, Accumulator::F16] {
                    let mma = Mma { m: 16, k, a, b, accumulator };
                    let sum = FusedSum::of(architecture, a, k);
                    for kind in [Kind::Ordinary, Kind::Wide, Kind::Cancelling, Kind::Any] {
                        for _ in 0..20 {
                            compare(&mut random, &mma, sum, kind);
                        }
                    }
                }
            }
        }
    }

    fn compare(random: &mut Random, mma: &Mma, sum: FusedSum, kind: Kind) {
        let a = fragment(random, mma.a, mma.a_registers(), kind);
        let b = fragment(random, mma.b, mma.b_registers(), kind);
        let c_kind = if random.below(4) == 0 { Kind::Wide } else { kind };
        let c = accumulators(random, mma, c_kind);
        let [a, b, c] = [&a, &b, &c].map(|planes| planes.iter().collect::<Vec<&Plane>>());
        let (mut found, mut expected) = ([[0; 32]; 4], [[0; 32]; 4]);
        let inside = multiply_accumulate(mma, sum, &a, &b, &c, &mut found);
        let ordinary = matches!((kind, c_kind), (Kind::Ordinary | Kind::Cancelling, Kind::Ordinary | Kind::Cancelling));
        assert!(inside || !ordinary, "{mma:?} {sum:?} {kind:?} is within the window");
        if inside {
            mma.float(sum, false, &a, &b, &c, &mut expected);
            assert_eq!(found, expected, "{mma:?} {sum:?} {kind:?}");
        }
    }
}
