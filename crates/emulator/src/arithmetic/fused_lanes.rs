//! The fused sum of [`super::tensor`], in the lanes of the fragments and with f32 products.
//!
//! The product of two significands of up to 11 bits is exact in f32 unless it leaves f32's exponents. So where all
//! exponents lie in a window, alignment is one multiplication by a power of two and truncation one conversion to an
//! integer, with no exponents taken apart. [`Operands::multiply_accumulate`] says `false` where they do not.
//!
//! A lane holds its four elements of C and D at (row, column) = (lane / 4 + 8·upper, lane % 4 · 2 + odd); A is spread
//! to the rows, B to the columns, so that C and D are used as they lie in their registers.

use std::ops::Range;

use super::formats::{F16, F32, Format};
use super::narrow;
use super::product::{Accumulator, Element, FusedSum, MAX_K, Mma, Plane, element_field};
#[cfg(target_arch = "x86_64")]
use super::vector::{Avx2, Avx512};
use super::vector::{LANES, Portable, Unit};

/// Exponents of products for which nothing here leaves f32: a sum is 0 or above the smallest term by 2^-25.
const PRODUCTS: Range<i32> = -75..100;
/// Exponents of the accumulator; as for the products, the factor 2^fraction_bits / largest is finite.
const ACCUMULATORS: Range<i32> = -100..110;

/// Sixteen lanes: the value, and the power of two of its exponent (of a subnormal: the smallest of its format).
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Part {
    value: [f32; LANES],
    power: [f32; LANES],
}

const NOTHING: Part = Part { value: [0.0; LANES], power: [0.0; LANES] };

/// Smallest and largest exponent of the elements of an operand, zeros apart; `special` is true if one is infinite or
/// NaN.
#[derive(Clone, Copy)]
struct Reach {
    smallest: i32,
    largest: i32,
    special: bool,
}

/// A and B, spread over the lanes. A stays from one `mma` to the next: the same rows often meet several columns.
pub struct Operands {
    /// By k, row below or above 8, and half of the warp.
    left: [[[Part; 2]; 2]; MAX_K],
    /// By k and parity of the column; both halves of the warp have the same columns.
    right: [[Part; 2]; MAX_K],
    /// Element type, reduced extent and exponents of the A that `left` was made from; `None` before the first.
    left_source: Option<(Element, usize, Reach)>,
    left_registers: [Plane; 4],
}

impl Default for Operands {
    fn default() -> Self {
        Self {
            left: [[[NOTHING; 2]; 2]; MAX_K],
            right: [[NOTHING; 2]; MAX_K],
            left_source: None,
            left_registers: [[0; 32]; 4],
        }
    }
}

/// The sixteen lanes of one half of the warp.
#[inline(always)]
fn half_of(plane: &Plane, half: usize) -> &[u32; LANES] {
    &plane.as_chunks().0[half]
}

/// The least (zeros apart) and the greatest magnitude, as bits of their format, lane by lane.
struct Magnitudes<U: Unit> {
    least: U::Integer,
    greatest: U::Integer,
}

impl<U: Unit> Magnitudes<U> {
    #[inline(always)]
    fn new(unit: U) -> Self {
        Self { least: unit.splat(u32::MAX), greatest: unit.splat(0) }
    }

    #[inline(always)]
    fn add(&mut self, unit: U, magnitude: U::Integer) {
        self.greatest = unit.greatest(self.greatest, magnitude);
        self.least = unit.least(self.least, unit.replace_zero(magnitude, unit.splat(u32::MAX)));
    }

    #[inline(always)]
    fn reach(&self, unit: U, format: Format) -> Reach {
        let Format { exponent_bits, mantissa_bits, has_infinity } = format;
        let fraction = if has_infinity { 0 } else { (1 << mantissa_bits) - 1 };
        let first_special = ((1 << exponent_bits) - 1) << mantissa_bits | fraction;
        let exponent = |magnitude: u32| (magnitude >> mantissa_bits).max(1) as i32 + 1 - (1 << (exponent_bits - 1));
        let greatest = unit.greatest_lane(self.greatest);
        if greatest == 0 {
            return Reach { smallest: 0, largest: 0, special: false };
        }
        let smallest = exponent(unit.least_lane(self.least));
        Reach { smallest, largest: exponent(greatest), special: greatest >= first_special }
    }
}

/// Value and power of an element of each lane.
#[inline(always)]
fn decode<U: Unit>(unit: U, format: Format, bits: U::Integer, magnitudes: &mut Magnitudes<U>) -> (U::Float, U::Float) {
    let Format { exponent_bits, mantissa_bits, .. } = format;
    let width = exponent_bits + mantissa_bits;
    let bias = (1u32 << (exponent_bits - 1)) - 1;
    let magnitude = unit.and(bits, unit.splat((1 << width) - 1));
    let sign = unit.shift_left(unit.shift_right(bits, width), 31);
    magnitudes.add(unit, magnitude);
    // Multiplying normalises a subnormal.
    let scale = unit.with_bits(unit.splat((254 - bias) << 23));
    let value = unit.bits(unit.multiply(unit.with_bits(unit.shift_left(magnitude, 23 - mantissa_bits)), scale));
    let power = unit.with_bits(unit.and(value, unit.splat(0x7f80_0000)));
    let smallest = unit.with_bits(unit.splat((128 - bias) << 23));
    let power = unit.where_nonzero(magnitude, unit.maximum(power, smallest));
    (unit.with_bits(unit.or(value, sign)), power)
}

/// One `mma`: its sum and its operands' registers.
struct Task<'a> {
    mma: &'a Mma,
    sum: FusedSum,
    fast: bool,
    a: &'a [&'a Plane],
    b: &'a [&'a Plane],
    c: &'a [&'a Plane],
    a_format: Format,
    b_format: Format,
}

impl Operands {
    /// D = A·B + C into `d`, with the bits of [`super::tensor`]; `false` where the exponents are out of the window.
    /// `fast`: in f32, product after product; `false` where an operand is infinite or NaN.
    #[must_use]
    pub(super) fn multiply_accumulate(
        &mut self,
        mma: &Mma,
        sum: FusedSum,
        fast: bool,
        [a, b, c]: [&[&Plane]; 3],
        d: &mut [Plane; 4],
    ) -> bool {
        let (Some(a_format), Some(b_format)) = (mma.a.format(), mma.b.format()) else { return false };
        let counts = [mma.a_registers(), mma.b_registers(), mma.c_registers()];
        if mma.m != 16 || [a.len(), b.len(), c.len()] != counts {
            return false;
        }
        let task = Task { mma, sum, fast, a, b, c, a_format, b_format };
        #[cfg(target_arch = "x86_64")]
        if let Some(unit) = Avx512::detect() {
            // SAFETY: the token says that the features are there.
            return unsafe { wide(self, unit, &task, d) };
        }
        #[cfg(target_arch = "x86_64")]
        if let Some(unit) = Avx2::detect() {
            // SAFETY: the token says that the features are there.
            return unsafe { narrower(self, unit, &task, d) };
        }
        portable(self, &task, d)
    }

    #[inline(always)]
    fn run<U: Unit>(&mut self, unit: U, task: &Task<'_>, d: &mut [Plane; 4]) -> bool {
        let left = self.spread_rows(unit, task);
        let right = self.spread_columns(unit, task);
        if task.fast {
            return !left.special && !right.special && self.run_fast(unit, task, d);
        }
        let (smallest, largest) = (left.smallest + right.smallest, left.largest + right.largest);
        if left.special || right.special || smallest < PRODUCTS.start || largest >= PRODUCTS.end {
            return false;
        }
        let to_f16 = task.mma.accumulator == Accumulator::F16;
        let mut magnitudes = Magnitudes::new(unit);
        let mut c = [[unit.with_bits(unit.splat(0)); 4]; 2];
        for (half, row) in c.iter_mut().enumerate() {
            for (element, values) in row.iter_mut().enumerate() {
                *values = accumulator(unit, task, half, element, &mut magnitudes);
            }
        }
        let reach = magnitudes.reach(unit, if to_f16 { F16 } else { F32 });
        if reach.special || reach.smallest < ACCUMULATORS.start || reach.largest >= ACCUMULATORS.end {
            return false;
        }
        for (half, mut row) in c.into_iter().enumerate() {
            for start in (0..task.mma.k).step_by(task.sum.step) {
                row = self.step(unit, half, start..(start + task.sum.step).min(task.mma.k), task.sum, to_f16, row);
                if to_f16 {
                    let Some(rounded) = round_to_f16(unit, row) else { return false };
                    row = rounded;
                }
            }
            pack(unit, to_f16, half, row, d);
        }
        true
    }

    /// In the host's own arithmetic. Loops rather than closures: what is called has to be inlined, or it is compiled
    /// without the unit.
    #[inline(always)]
    fn run_fast<U: Unit>(&mut self, unit: U, task: &Task<'_>, d: &mut [Plane; 4]) -> bool {
        let to_f16 = task.mma.accumulator == Accumulator::F16;
        let mut magnitudes = Magnitudes::new(unit);
        for half in 0..2 {
            let mut row = [unit.with_bits(unit.splat(0)); 4];
            for (element, values) in row.iter_mut().enumerate() {
                *values = accumulator(unit, task, half, element, &mut magnitudes);
            }
            for k in 0..task.mma.k.min(MAX_K) {
                let ([upper, lower], [even, odd]) = (&self.left[k], &self.right[k]);
                let (upper, lower) = (unit.load(&upper[half].value), unit.load(&lower[half].value));
                let (even, odd) = (unit.load(&even.value), unit.load(&odd.value));
                let values = [(upper, even), (upper, odd), (lower, even), (lower, odd)];
                for (sum, (a, b)) in row.iter_mut().zip(values) {
                    *sum = unit.multiply_add(a, b, *sum);
                }
            }
            pack(unit, to_f16, half, row, d);
        }
        !to_f16 || !magnitudes.reach(unit, F16).special
    }

    /// One fused sum: the terms `steps` and the accumulator, for the four elements of sixteen lanes.
    #[inline(always)]
    fn step<U: Unit>(
        &self,
        unit: U,
        half: usize,
        steps: Range<usize>,
        sum: FusedSum,
        to_f16: bool,
        row: [U::Float; 4],
    ) -> [U::Float; 4] {
        let exponents = unit.splat(0x7f80_0000);
        // Where every term is zero this clamp keeps the factor finite.
        let floor = unit.with_bits(unit.splat(((ACCUMULATORS.start + 127) as u32) << 23));
        let mut largest = row;
        for largest in &mut largest {
            let magnitude = unit.and(unit.bits(*largest), unit.splat(0x7fff_ffff));
            *largest = unit.maximum(unit.with_bits(unit.and(magnitude, exponents)), floor);
            if to_f16 {
                // A subnormal f16 has the exponent of the smallest normal one.
                let smallest = unit.where_nonzero(magnitude, unit.with_bits(unit.splat(SMALLEST_F16)));
                *largest = unit.maximum(*largest, smallest);
            }
        }
        for k in steps.clone() {
            let ([upper, lower], [even, odd]) = (&self.left[k], &self.right[k]);
            let (upper, lower) = (unit.load(&upper[half].power), unit.load(&lower[half].power));
            let (even, odd) = (unit.load(&even.power), unit.load(&odd.power));
            let powers = [(upper, even), (upper, odd), (lower, even), (lower, odd)];
            for (largest, (a, b)) in largest.iter_mut().zip(powers) {
                *largest = unit.maximum(*largest, unit.multiply(a, b));
            }
        }
        let scale = unit.splat((254 + sum.fraction_bits as u32) << 23);
        let (mut factor, mut totals) = (largest, [[unit.splat(0); 2]; 4]);
        for (element, factor) in factor.iter_mut().enumerate() {
            *factor = unit.with_bits(unit.subtract(scale, unit.bits(*factor)));
            totals[element][1] = unit.truncate(unit.multiply(row[element], *factor));
        }
        // Two partial sums: sixteen products below 4·2^25 each would just overflow one.
        let middle = (steps.start + 8).min(steps.end);
        for (part, steps) in [steps.start..middle, middle..steps.end].into_iter().enumerate() {
            for k in steps {
                let ([upper, lower], [even, odd]) = (&self.left[k], &self.right[k]);
                let (upper, lower) = (unit.load(&upper[half].value), unit.load(&lower[half].value));
                let (even, odd) = (unit.load(&even.value), unit.load(&odd.value));
                let values = [(upper, even), (upper, odd), (lower, even), (lower, odd)];
                for (element, (a, b)) in values.into_iter().enumerate() {
                    let aligned = unit.truncate(unit.multiply(unit.multiply(a, b), factor[element]));
                    totals[element][part] = unit.add(totals[element][part], aligned);
                }
            }
        }
        let ulp = f64::from_bits(((1023 - sum.fraction_bits) as u64) << 52);
        let kept = !((1u64 << (52 - sum.output_bits)) - 1);
        let mut results = row;
        for (element, result) in results.iter_mut().enumerate() {
            *result = unit.scaled_sum(totals[element], largest[element], ulp, kept, to_f16);
        }
        results
    }

    #[inline(always)]
    fn spread_rows<U: Unit>(&mut self, unit: U, task: &Task<'_>) -> Reach {
        let same = self.left_registers.iter().zip(task.a).all(|(known, plane)| *known == **plane);
        if let Some((element, k, reach)) = self.left_source
            && same
            && (element, k) == (task.mma.a, task.mma.k)
        {
            return reach;
        }
        let (per, mut magnitudes) = (task.mma.a.per_register(), Magnitudes::new(unit));
        for (register, plane) in task.a.iter().enumerate() {
            let (upper, first) = (register & 1, (register >> 1) * 4 * per);
            self.left_registers[register] = **plane;
            for half in 0..2 {
                let bits = unit.load_integers(half_of(plane, half));
                for index in 0..per {
                    let (shift, mask) = element_field(task.mma.a, index);
                    let field = unit.and(unit.shift_right(bits, shift), unit.splat(mask));
                    let (value, power) = decode(unit, task.a_format, field, &mut magnitudes);
                    for quarter in 0..4 {
                        let part = &mut self.left[first + quarter * per + index][upper][half];
                        unit.store(&mut part.value, unit.rows(value, quarter));
                        unit.store(&mut part.power, unit.rows(power, quarter));
                    }
                }
            }
        }
        let reach = magnitudes.reach(unit, task.a_format);
        self.left_source = Some((task.mma.a, task.mma.k, reach));
        reach
    }

    #[inline(always)]
    fn spread_columns<U: Unit>(&mut self, unit: U, task: &Task<'_>) -> Reach {
        let (per, mut magnitudes) = (task.mma.b.per_register(), Magnitudes::new(unit));
        for (register, plane) in task.b.iter().enumerate() {
            let bits_low = unit.load_integers(half_of(plane, 0));
            let bits_high = unit.load_integers(half_of(plane, 1));
            for index in 0..per {
                let (shift, mask) = element_field(task.mma.b, index);
                let mask = unit.splat(mask);
                let (low, high) = (unit.shift_right(bits_low, shift), unit.shift_right(bits_high, shift));
                let (low, low_power) = decode(unit, task.b_format, unit.and(low, mask), &mut magnitudes);
                let (high, high_power) = decode(unit, task.b_format, unit.and(high, mask), &mut magnitudes);
                for quarter in 0..4 {
                    let values = unit.columns(low, high, quarter);
                    let powers = unit.columns(low_power, high_power, quarter);
                    for (odd, part) in self.right[(4 * register + quarter) * per + index].iter_mut().enumerate() {
                        unit.store(&mut part.value, values[odd]);
                        unit.store(&mut part.power, powers[odd]);
                    }
                }
            }
        }
        magnitudes.reach(unit, task.b_format)
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,bmi2,f16c")]
fn wide(operands: &mut Operands, unit: Avx512, task: &Task<'_>, d: &mut [Plane; 4]) -> bool {
    operands.run(unit, task, d)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,bmi2,f16c")]
fn narrower(operands: &mut Operands, unit: Avx2, task: &Task<'_>, d: &mut [Plane; 4]) -> bool {
    operands.run(unit, task, d)
}

super::simd::widest! {
    fn portable(operands: &mut Operands, task: &Task<'_>, d: &mut [Plane; 4]) -> bool {
        operands.run(Portable, task, d)
    }
}

/// Element `element` of C in sixteen lanes.
#[inline(always)]
fn accumulator<U: Unit>(
    unit: U,
    task: &Task<'_>,
    half: usize,
    element: usize,
    magnitudes: &mut Magnitudes<U>,
) -> U::Float {
    if task.mma.accumulator == Accumulator::F16 {
        let bits = unit.shift_right(unit.load_integers(half_of(task.c[element / 2], half)), 16 * (element % 2) as u32);
        return decode(unit, F16, unit.and(bits, unit.splat(0xffff)), magnitudes).0;
    }
    let bits = unit.load_integers(half_of(task.c[element], half));
    magnitudes.add(unit, unit.and(bits, unit.splat(0x7fff_ffff)));
    unit.with_bits(bits)
}

/// To the nearest f16; `None` where one is too large. The values were rounded to odd, so that this does not round twice.
#[inline(always)]
fn round_to_f16<U: Unit>(unit: U, row: [U::Float; 4]) -> Option<[U::Float; 4]> {
    let mut results = row;
    for result in &mut results {
        let mut values = [0.0; LANES];
        unit.store(&mut values, *result);
        for value in &mut values {
            let bits = narrow::f16_from_f32(value.to_bits());
            // What underflows is +0.
            *value = f32::from_bits(narrow::f32_from_f16(if bits == 0x8000 { 0 } else { bits }));
            if !value.is_finite() {
                return None;
            }
        }
        *result = unit.load(&values);
    }
    Some(results)
}

/// Bits of 2^-14, the smallest normal f16, as an f32.
const SMALLEST_F16: u32 = (127 - 14) << 23;

#[inline(always)]
fn pack<U: Unit>(unit: U, to_f16: bool, half: usize, row: [U::Float; 4], d: &mut [Plane; 4]) {
    for (element, row) in row.into_iter().enumerate() {
        let mut values = [0.0; LANES];
        unit.store(&mut values, row);
        for (lane, value) in values.into_iter().enumerate() {
            let lane = LANES * half + lane;
            if to_f16 {
                let bits = narrow::f16_from_f32(value.to_bits());
                let register = &mut d[element / 2][lane];
                *register = if element % 2 == 0 { bits } else { *register | bits << 16 };
            } else {
                d[element][lane] = value.to_bits();
            }
        }
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
        let (mut random, mut operands) = (Random(0x5eed), Operands::default());
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
                    let sum = FusedSum::for_architecture(architecture, a, k);
                    for kind in [Kind::Ordinary, Kind::Wide, Kind::Cancelling, Kind::Any] {
                        for _ in 0..20 {
                            compare(&mut operands, &mut random, &mma, sum, kind);
                        }
                    }
                }
            }
        }
    }

    /// Sums in f32 are off by their own roundings, and the same on each unit but for those.
    #[test]
    fn fast_sums_are_close() {
        let (mut random, mut operands) = (Random(0xfa57), Operands::default());
        for accumulator in [Accumulator::F32, Accumulator::F16] {
            let mma = Mma { m: 16, k: 16, a: Element::F16, b: Element::F16, accumulator };
            let sum = FusedSum::for_architecture(Architecture::Hopper, Element::F16, 16);
            for _ in 0..50 {
                let a = fragment(&mut random, mma.a, mma.a_registers(), Kind::Ordinary);
                let b = fragment(&mut random, mma.b, mma.b_registers(), Kind::Ordinary);
                let c = accumulators(&mut random, &mma, Kind::Ordinary);
                let [a, b, c] = [&a, &b, &c].map(|planes| planes.iter().collect::<Vec<&Plane>>());
                let mut exact = [[0; 32]; 4];
                assert!(operands.multiply_accumulate(&mma, sum, false, [&a, &b, &c], &mut exact));
                let (mut native, mut portably) = ([[0; 32]; 4], [[0; 32]; 4]);
                assert!(operands.multiply_accumulate(&mma, sum, true, [&a, &b, &c], &mut native));
                let task = Task { fast: true, ..task(&mma, sum, [&a, &b, &c]) };
                assert!(portable(&mut Operands::default(), &task, &mut portably));
                for found in [native, portably] {
                    let pairs = exact.iter().flatten().zip(found.iter().flatten());
                    for (&exact, &found) in pairs.take(32 * mma.c_registers()) {
                        let value = |bits: u32| match accumulator {
                            Accumulator::F16 => F16.to_f64((bits & 0xffff).into()),
                            _ => f32::from_bits(bits).into(),
                        };
                        let (exact, found) = (value(exact), value(found));
                        // Terms are below 4, sums below 64.
                        let bound =
                            if accumulator == Accumulator::F16 { 64.0 / 1024.0 } else { 64.0 / f64::from(1 << 21) };
                        assert!((exact - found).abs() <= bound, "{exact} {found}");
                    }
                }
            }
        }
    }

    fn task<'a>(mma: &'a Mma, sum: FusedSum, [a, b, c]: [&'a [&'a Plane]; 3]) -> Task<'a> {
        let [a_format, b_format] = [mma.a, mma.b].map(|element| element.format().expect("a float"));
        Task { mma, sum, fast: false, a, b, c, a_format, b_format }
    }

    fn compare(operands: &mut Operands, random: &mut Random, mma: &Mma, sum: FusedSum, kind: Kind) {
        let a = fragment(random, mma.a, mma.a_registers(), kind);
        let b = fragment(random, mma.b, mma.b_registers(), kind);
        let c_kind = if random.below(4) == 0 { Kind::Wide } else { kind };
        let c = accumulators(random, mma, c_kind);
        let [a, b, c] = [&a, &b, &c].map(|planes| planes.iter().collect::<Vec<&Plane>>());
        let (mut found, mut expected) = ([[0; 32]; 4], [[0; 32]; 4]);
        let inside = operands.multiply_accumulate(mma, sum, false, [&a, &b, &c], &mut found);
        let ordinary = matches!((kind, c_kind), (Kind::Ordinary | Kind::Cancelling, Kind::Ordinary | Kind::Cancelling));
        assert!(inside || !ordinary, "{mma:?} {sum:?} {kind:?} is within the window");
        let task = task(mma, sum, [&a, &b, &c]);
        let mut portably = [[0; 32]; 4];
        assert_eq!(portable(&mut Operands::default(), &task, &mut portably), inside, "{mma:?} {sum:?} {kind:?}");
        #[cfg(target_arch = "x86_64")]
        if let Some(unit) = Avx2::detect() {
            let mut narrowly = [[0; 32]; 4];
            // SAFETY: the token says that the features are there.
            assert_eq!(unsafe { narrower(&mut Operands::default(), unit, &task, &mut narrowly) }, inside);
            assert!(!inside || narrowly == found, "{mma:?} {sum:?} {kind:?}");
        }
        if inside {
            assert_eq!(found, portably, "{mma:?} {sum:?} {kind:?}");
            mma.float(sum, false, &a, &b, &c, &mut expected);
            assert_eq!(found, expected, "{mma:?} {sum:?} {kind:?}");
        }
    }
}
