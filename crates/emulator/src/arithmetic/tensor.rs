//! Tensor-core arithmetic: `mma.sync` on the fragments of a warp.
//!
//! A dot-product-accumulate is a fused sum: products exact, all terms aligned to the largest exponent and truncated
//! to a number of fractional bits, added exactly, then truncated to the output. Widths per architecture: "MMA-Sim"
//! (arXiv 2511.10909), "Accurate Models of NVIDIA Tensor Cores" (arXiv 2512.07004); Hopper's were checked on an H100.
//! Fragment layouts: PTX ISA 9.7.14.5.

// Lanes, rows and columns are indices into several arrays at once.
#![allow(clippy::needless_range_loop)]

use super::formats::{F16, F32, Format, Rounding};
use super::fused_lanes::Operands;
use super::narrow;
pub use super::product::{Accumulator, Architecture, Element, FusedSum, Mma, Plane};
use super::product::{MAX_K, element_field};

const N: usize = 8;
/// Exponent of a zero: below every other.
const ZERO: i32 = -10_000;
/// Terms are aligned to this exponent or a larger one. (Seen on an H100: -136 to -132 fit; MMA-Sim has -133.)
const SMALLEST_ALIGNMENT: i32 = -133;

/// A matrix operand, decoded: value = significand · 2^exponent.
struct Operand<const ROWS: usize> {
    significand: [[f32; ROWS]; MAX_K],
    exponent: [[i32; ROWS]; MAX_K],
    special: bool,
}

/// (significand in [0, 2) with its sign, exponent, whether it is an infinity or a NaN) of one element. No branches, so
/// that a whole fragment is split by vector instructions.
#[inline(always)]
fn split(format: Format, bits: u32) -> (f32, i32, bool) {
    let Format { exponent_bits, mantissa_bits, has_infinity } = format;
    let mask = (1 << exponent_bits) - 1;
    let field = bits >> mantissa_bits & mask;
    let fraction = bits & ((1 << mantissa_bits) - 1);
    let negative = bits >> (exponent_bits + mantissa_bits) & 1;
    let special = field == mask && (has_infinity || fraction == (1 << mantissa_bits) - 1);
    let one_and_fraction = f32::from_bits(127 << 23 | fraction << (23 - mantissa_bits));
    let magnitude = if field == 0 { one_and_fraction - 1.0 } else { one_and_fraction };
    let bias = (1 << (exponent_bits - 1)) - 1;
    let exponent = if magnitude == 0.0 { ZERO } else { field.max(1) as i32 - bias };
    (f32::from_bits(magnitude.to_bits() | negative << 31), exponent, special)
}

/// [`split`] of one element of each lane.
#[inline(always)]
fn split_all(format: Format, bits: &[u32; 32]) -> ([f32; 32], [i32; 32], bool) {
    let (mut significands, mut exponents, mut specials) = ([0f32; 32], [0i32; 32], 0);
    for lane in 0..32 {
        let (significand, exponent, special) = split(format, bits[lane]);
        significands[lane] = significand;
        exponents[lane] = exponent;
        specials |= u32::from(special);
    }
    (significands, exponents, specials != 0)
}

fn element_bits(element: Element, register: u32, index: usize) -> u32 {
    let (shift, mask) = element_field(element, index);
    register >> shift & mask
}

impl Mma {
    /// 32-bit registers of the A fragment.
    pub fn a_registers(&self) -> usize {
        self.m * self.k / 32 / self.a.per_register()
    }

    /// 32-bit registers of the B fragment.
    pub fn b_registers(&self) -> usize {
        N * self.k / 32 / self.b.per_register()
    }

    /// 32-bit registers of the C and D fragments.
    pub fn c_registers(&self) -> usize {
        self.m * N / 32 / if self.accumulator == Accumulator::F16 { 2 } else { 1 }
    }

    /// Row and k of element `index` of register `register` of A in a lane.
    #[inline(always)]
    fn a_place(&self, lane: usize, register: usize, index: usize) -> (usize, usize) {
        let per = self.a.per_register();
        let (rows, columns) = if self.m == 16 { (register & 1, register >> 1) } else { (0, register) };
        (lane / 4 + 8 * rows, lane % 4 * per + index + columns * 4 * per)
    }

    /// D = A·B + C for a warp; `operands` is working space. Register counts are [`Mma::a_registers`] and so on; fewer registers leave zeros.
    pub fn execute(
        &self,
        architecture: Architecture,
        fast: bool,
        operands: &mut Operands,
        [a, b, c]: [&[&Plane]; 3],
        d: &mut [Plane; 4],
    ) {
        match self.accumulator {
            Accumulator::S32 { saturate } => self.integer(a, b, c, saturate, d),
            Accumulator::F32 | Accumulator::F16 if architecture == Architecture::Hopper && self.is_fp8() => {
                self.fp8_of_hopper(fast, operands, [a, b, c], d);
            }
            Accumulator::F32 | Accumulator::F16 => {
                let sum = FusedSum::for_architecture(architecture, self.a, self.k);
                if !operands.multiply_accumulate(self, sum, fast, [a, b, c], d) {
                    self.float(sum, fast, a, b, c, d);
                }
            }
        }
    }

    /// As [`Mma::execute`], with the sums of `wgmma`: those of fp8 differ.
    pub fn execute_wgmma(
        &self,
        architecture: Architecture,
        fast: bool,
        operands: &mut Operands,
        [a, b, c]: [&[&Plane]; 3],
        d: &mut [Plane; 4],
    ) {
        if let Accumulator::S32 { saturate } = self.accumulator {
            return self.integer(a, b, c, saturate, d);
        }
        let sum = FusedSum::for_architecture(architecture, self.a, self.k);
        if !operands.multiply_accumulate(self, sum, fast, [a, b, c], d) {
            self.float(sum, fast, a, b, c, d);
        }
    }

    fn is_fp8(&self) -> bool {
        matches!(self.a, Element::E4m3 | Element::E5m2)
    }

    /// Hopper has no `mma.sync` of fp8 (only `wgmma`): elements are widened to f16, the lower two of each register are
    /// multiplied first, the upper two are added to that, and C at the end. (Found on an H100, all bits equal.)
    fn fp8_of_hopper(&self, fast: bool, operands: &mut Operands, [a, b, c]: [&[&Plane]; 3], d: &mut [Plane; 4]) {
        let widened = Self { k: self.k / 2, a: Element::F16, b: Element::F16, ..*self };
        let widen = |planes: &[&Plane], element: Element, upper: bool| -> [Plane; 4] {
            let mut wide = [[0; 32]; 4];
            for (to, from) in wide.iter_mut().zip(planes) {
                *to = from.map(|register| {
                    let pair = if upper { register >> 16 } else { register };
                    if element == Element::E4m3 {
                        narrow::f16_from_e4m3(pair & 0xff) | narrow::f16_from_e4m3(pair >> 8 & 0xff) << 16
                    } else {
                        (pair & 0xff) << 8 | (pair >> 8 & 0xff) << 24
                    }
                });
            }
            wide
        };
        for upper in [false, true] {
            let (wide_a, wide_b, sum) = (widen(a, self.a, upper), widen(b, self.b, upper), *d);
            let planes = [&wide_a, &wide_b, &sum].map(|planes| planes.each_ref());
            let planes = [&planes[0][..a.len()], &planes[1][..b.len()], &planes[2][..c.len()]];
            widened.execute(Architecture::Hopper, fast, operands, planes, d);
        }
        for (sums, plane) in d.iter_mut().zip(c) {
            for (sum, bits) in sums.iter_mut().zip(**plane) {
                *sum = match self.accumulator {
                    Accumulator::F16 => add_halves(*sum, bits),
                    _ => super::float::bits32(f32::from_bits(*sum) + f32::from_bits(bits)),
                };
            }
        }
    }

    fn integer(&self, a: &[&Plane], b: &[&Plane], c: &[&Plane], saturate: bool, d: &mut [Plane; 4]) {
        let value = |element: Element, bits: u32| {
            if element == Element::S8 { i32::from(bits as u8 as i8) } else { i32::from(bits as u8) }
        };
        let mut rows = [[0i32; MAX_K]; 16];
        let mut columns = [[0i32; MAX_K]; N];
        for lane in 0..32 {
            for (r, plane) in a.iter().enumerate() {
                for index in 0..4 {
                    let (row, k) = self.a_place(lane, r, index);
                    rows[row][k] = value(self.a, element_bits(self.a, plane[lane], index));
                }
            }
            for (r, plane) in b.iter().enumerate() {
                for index in 0..4 {
                    let k = lane % 4 * 4 + index + r * 16;
                    columns[lane / 4][k] = value(self.b, element_bits(self.b, plane[lane], index));
                }
            }
        }
        for lane in 0..32 {
            for (r, plane) in c.iter().enumerate().take(4) {
                let (row, column) = (lane / 4 + 8 * (r / 2), lane % 4 * 2 + r % 2);
                let dot: i64 = (0..self.k).map(|k| i64::from(rows[row][k] * columns[column][k])).sum();
                let sum = i64::from(plane[lane] as i32) + dot;
                let bounded = if saturate { sum.clamp(i32::MIN.into(), i32::MAX.into()) } else { sum };
                d[r][lane] = bounded as u32;
            }
        }
    }

    /// For any exponents, infinities and NaN; what [`super::fused_lanes`] is measured by.
    pub(super) fn float(
        &self,
        sum: FusedSum,
        fast: bool,
        a: &[&Plane],
        b: &[&Plane],
        c: &[&Plane],
        d: &mut [Plane; 4],
    ) {
        let (Some(a_format), Some(b_format)) = (self.a.format(), self.b.format()) else { return };
        let mut left = Operand::<16> { significand: [[0.0; 16]; MAX_K], exponent: [[ZERO; 16]; MAX_K], special: false };
        let mut right = Operand::<N> { significand: [[0.0; N]; MAX_K], exponent: [[ZERO; N]; MAX_K], special: false };
        self.split_operands(a_format, b_format, a, b, &mut left, &mut right);
        let mut accumulator = self.unpack_accumulator(c);
        let special = left.special || right.special || accumulator.iter().flatten().any(|value| !value.is_finite());
        if special {
            let operands = Raw { mma: self, a, b, a_format, b_format };
            operands.with_specials(sum, &mut accumulator);
        } else if fast {
            fast_rows(&left, &right, self.k, &mut accumulator);
        } else {
            fused_rows(&left, &right, self.k, sum, self.accumulator == Accumulator::F16, &mut accumulator);
        }
        self.pack_accumulator(&accumulator, d);
    }

    fn split_operands(
        &self,
        a_format: Format,
        b_format: Format,
        a: &[&Plane],
        b: &[&Plane],
        left: &mut Operand<16>,
        right: &mut Operand<N>,
    ) {
        for (r, plane) in a.iter().enumerate() {
            for index in 0..self.a.per_register() {
                let (shift, mask) = element_field(self.a, index);
                let bits = plane.map(|register| register >> shift & mask);
                let (significands, exponents, special) = split_all(a_format, &bits);
                left.special |= special;
                let (first_row, first_k) = self.a_place(0, r, index);
                for quarter in 0..4 {
                    let k = first_k + quarter * self.a.per_register();
                    let (to, exponent) = (&mut left.significand[k], &mut left.exponent[k]);
                    for group in 0..8 {
                        to[first_row + group] = significands[4 * group + quarter];
                        exponent[first_row + group] = exponents[4 * group + quarter];
                    }
                }
            }
        }
        let per = self.b.per_register();
        for (r, plane) in b.iter().enumerate() {
            for index in 0..per {
                let (shift, mask) = element_field(self.b, index);
                let bits = plane.map(|register| register >> shift & mask);
                let (significands, exponents, special) = split_all(b_format, &bits);
                right.special |= special;
                for quarter in 0..4 {
                    let k = quarter * per + index + r * 4 * per;
                    let (to, exponent) = (&mut right.significand[k], &mut right.exponent[k]);
                    for column in 0..N {
                        to[column] = significands[4 * column + quarter];
                        exponent[column] = exponents[4 * column + quarter];
                    }
                }
            }
        }
    }

    fn unpack_accumulator(&self, c: &[&Plane]) -> [[f32; N]; 16] {
        let mut rows = [[0f32; N]; 16];
        for (r, plane) in c.iter().enumerate() {
            for (lane, &bits) in plane.iter().enumerate() {
                let column = lane % 4 * 2;
                if self.accumulator == Accumulator::F16 {
                    rows[lane / 4 + 8 * r][column] = F16.to_f64((bits & 0xffff).into()) as f32;
                    rows[lane / 4 + 8 * r][column + 1] = F16.to_f64((bits >> 16).into()) as f32;
                } else {
                    rows[lane / 4 + 8 * (r / 2)][column + r % 2] = f32::from_bits(bits);
                }
            }
        }
        rows
    }

    fn pack_accumulator(&self, rows: &[[f32; N]; 16], d: &mut [Plane; 4]) {
        for (r, plane) in d.iter_mut().enumerate().take(self.c_registers()) {
            for (lane, bits) in plane.iter_mut().enumerate() {
                let column = lane % 4 * 2;
                *bits = if self.accumulator == Accumulator::F16 {
                    let half = |value: f32| F16.from_f64(value.into()) as u32;
                    let row = &rows[lane / 4 + 8 * r];
                    half(row[column]) | half(row[column + 1]) << 16
                } else {
                    super::float::bits32(rows[lane / 4 + 8 * (r / 2)][column + r % 2])
                };
            }
        }
    }
}

/// `add.f16x2`
fn add_halves(a: u32, b: u32) -> u32 {
    let add = |a: u32, b: u32| {
        let sum = narrow::f32_from_f16(a & 0xffff);
        // Exact in f32, so that it is rounded once.
        narrow::f16_from_f32((f32::from_bits(sum) + f32::from_bits(narrow::f32_from_f16(b & 0xffff))).to_bits())
    };
    add(a, b) | add(a >> 16, b >> 16) << 16
}

super::simd::widest! {
    fn fast_rows(left: &Operand<16>, right: &Operand<N>, k: usize, rows: &mut [[f32; N]; 16]) {
        let mut columns = [[0f32; N]; MAX_K];
        for (step, column) in columns.iter_mut().enumerate().take(k) {
            for (n, value) in column.iter_mut().enumerate() {
                *value = right.significand[step][n] * power_of_two(right.exponent[step][n]);
            }
        }
        for (m, row) in rows.iter_mut().enumerate() {
            for (step, column) in columns.iter().enumerate().take(k) {
                let a = left.significand[step][m] * power_of_two(left.exponent[step][m]);
                for (sum, b) in row.iter_mut().zip(column) {
                    *sum = a.mul_add(*b, *sum);
                }
            }
        }
    }
}

/// Half of the smallest normal f32: 2^-127.
const HALF_SMALLEST_NORMAL: f32 = f32::from_bits(1 << 22);

/// Bits of 2^exponent as f32, 0 below the smallest normal.
#[inline(always)]
fn power_of_two(exponent: i32) -> f32 {
    f32::from_bits(((exponent + 127).max(0) as u32) << 23)
}

#[inline(always)]
fn fused_rows_body(
    left: &Operand<16>,
    right: &Operand<N>,
    k: usize,
    sum: FusedSum,
    to_f16: bool,
    rows: &mut [[f32; N]; 16],
) {
    for (m, row) in rows.iter_mut().enumerate() {
        for start in (0..k).step_by(sum.step) {
            let end = (start + sum.step).min(k);
            let mut largest = [ZERO; N];
            let mut accumulator_exponent = [0i32; N];
            // A sum that has left the format stays infinite.
            let infinite = row.map(|value| if value.is_finite() { None } else { Some(value) });
            for n in 0..N {
                row[n] = if infinite[n].is_some() { 0.0 } else { row[n] };
                let field = (row[n].to_bits() >> 23 & 0xff) as i32;
                // A subnormal f16 has the exponent of the smallest normal one.
                accumulator_exponent[n] = (field.max(1) - 127).max(if to_f16 { -14 } else { -126 });
                let exponent = if row[n] == 0.0 { ZERO } else { accumulator_exponent[n] };
                largest[n] = exponent.max(SMALLEST_ALIGNMENT);
            }
            for step in start..end {
                let exponent = left.exponent[step][m];
                for n in 0..N {
                    largest[n] = largest[n].max(exponent + right.exponent[step][n]);
                }
            }
            // Two partial sums: sixteen products below 4·2^25 each would just overflow one.
            let mut partial = [[0i32; N]; 2];
            for n in 0..N {
                // Split in two so that a subnormal accumulator's scale stays representable.
                let distance = (accumulator_exponent[n] - largest[n]).max(-64);
                let normalised = row[n] * power_of_two(-accumulator_exponent[n]);
                let normalised =
                    if accumulator_exponent[n] >= 127 { row[n] * HALF_SMALLEST_NORMAL } else { normalised };
                partial[1][n] = truncate(normalised * power_of_two(sum.fraction_bits + distance));
            }
            let middle = (start + 8).min(end);
            for (half, steps) in [start..middle, middle..end].into_iter().enumerate() {
                let mut sums = partial[half];
                for step in steps {
                    let exponent = left.exponent[step][m];
                    let significand = left.significand[step][m];
                    for n in 0..N {
                        let distance = (exponent + right.exponent[step][n] - largest[n]).max(-64);
                        let product = significand * right.significand[step][n];
                        sums[n] += truncate(product * power_of_two(sum.fraction_bits + distance));
                    }
                }
                partial[half] = sums;
            }
            outputs(&partial, &largest, sum, to_f16, row);
            for n in 0..N {
                row[n] = infinite[n].unwrap_or(row[n]);
            }
        }
    }
}

/// Toward zero; every value that gets here is below 2^28 in magnitude.
#[inline(always)]
fn truncate(value: f32) -> i32 {
    super::simd::truncate(value)
}

/// A row of results: eight at once where all of them are normal f32, one by one otherwise.
#[inline(always)]
fn outputs(partial: &[[i32; N]; 2], largest: &[i32; N], sum: FusedSum, to_f16: bool, row: &mut [f32; N]) {
    let dropped = 52 - sum.output_bits;
    let mut subnormal = false;
    let mut results = [0f32; N];
    for n in 0..N {
        // Exact: the total has at most 33 bits.
        let total = f64::from(partial[0][n]) + f64::from(partial[1][n]);
        let exponent = (largest[n] - sum.fraction_bits).clamp(-900, 900);
        let value = total * f64::from_bits(((exponent + 1023) as u64) << 52);
        let truncated = f64::from_bits(value.to_bits() & !((1 << dropped) - 1));
        subnormal |= total != 0.0 && truncated.abs() < f64::from(f32::MIN_POSITIVE);
        results[n] = truncated as f32;
    }
    if !subnormal && !to_f16 {
        *row = results;
        return;
    }
    for n in 0..N {
        let total = i64::from(partial[0][n]) + i64::from(partial[1][n]);
        row[n] = output(total, largest[n] - sum.fraction_bits, sum.output_bits, to_f16);
    }
}

/// total · 2^exponent in the output's precision: truncated for f32, to nearest for f16.
#[inline(always)]
fn output(total: i64, exponent: i32, output_bits: u32, to_f16: bool) -> f32 {
    if total == 0 {
        return 0.0;
    }
    if to_f16 {
        let bits = F16.pack(total < 0, total.unsigned_abs().into(), exponent, Rounding::NearestEven, false);
        return if bits == 0x8000 { 0.0 } else { F16.to_f64(bits) as f32 };
    }
    if (-900..900).contains(&exponent) {
        // Exact: total has at most 33 bits.
        let value = total as f64 * f64::from_bits(((exponent + 1023) as u64) << 52);
        let dropped = 52 - output_bits;
        let truncated = f64::from_bits(value.to_bits() & !((1 << dropped) - 1));
        if truncated.abs() >= f64::from(f32::MIN_POSITIVE) {
            return truncated as f32;
        }
    }
    let kept = Format { mantissa_bits: output_bits, ..F32 };
    let bits = kept.pack(total < 0, total.unsigned_abs().into(), exponent, Rounding::TowardZero, false);
    let bits = (bits << (23 - output_bits)) as u32;
    // What underflows is +0.
    f32::from_bits(if bits == 1 << 31 { 0 } else { bits })
}

super::simd::widest! {
    fn fused_rows(
        left: &Operand<16>,
        right: &Operand<N>,
        k: usize,
        sum: FusedSum,
        to_f16: bool,
        rows: &mut [[f32; N]; 16],
    ) {
        fused_rows_body(left, right, k, sum, to_f16, rows);
    }
}

/// The operands as they came, for sums in which an infinity or a NaN takes part.
struct Raw<'a> {
    mma: &'a Mma,
    a: &'a [&'a Plane],
    b: &'a [&'a Plane],
    a_format: Format,
    b_format: Format,
}

impl Raw<'_> {
    fn with_specials(&self, sum: FusedSum, rows: &mut [[f32; N]; 16]) {
        let (mut a, mut b) = ([[0f64; MAX_K]; 16], [[0f64; MAX_K]; N]);
        for lane in 0..32 {
            for (r, plane) in self.a.iter().enumerate() {
                for index in 0..self.mma.a.per_register() {
                    let (row, k) = self.mma.a_place(lane, r, index);
                    a[row][k] = self.a_format.to_f64(element_bits(self.mma.a, plane[lane], index).into());
                }
            }
            let per = self.mma.b.per_register();
            for (r, plane) in self.b.iter().enumerate() {
                for index in 0..per {
                    let k = lane % 4 * per + index + r * 4 * per;
                    b[lane / 4][k] = self.b_format.to_f64(element_bits(self.mma.b, plane[lane], index).into());
                }
            }
        }
        for (m, row) in rows.iter_mut().enumerate().take(self.mma.m) {
            for (n, value) in row.iter_mut().enumerate() {
                let products = (0..self.mma.k).map(|k| a[m][k] * b[n][k]);
                // Infinities and NaN decide alone; otherwise this element is an ordinary sum.
                let decisive: f64 = products.filter(|p| !p.is_finite()).sum::<f64>()
                    + if value.is_finite() { 0.0 } else { f64::from(*value) };
                if decisive != 0.0 || decisive.is_nan() {
                    *value = decisive as f32;
                } else {
                    *value = self.element(&a[m], &b[n], *value, sum);
                }
            }
        }
    }

    /// One element of the result: a row of A, a column of B, and the element of C.
    fn element(&self, a: &[f64; MAX_K], b: &[f64; MAX_K], c: f32, sum: FusedSum) -> f32 {
        let (mut left, mut right) = (
            Operand::<16> { significand: [[0.0; 16]; MAX_K], exponent: [[ZERO; 16]; MAX_K], special: false },
            Operand::<N> { significand: [[0.0; N]; MAX_K], exponent: [[ZERO; N]; MAX_K], special: false },
        );
        for k in 0..self.mma.k {
            let x = split(self.a_format, self.a_format.from_f64(a[k]) as u32);
            let y = split(self.b_format, self.b_format.from_f64(b[k]) as u32);
            if !(x.2 || y.2) {
                (left.significand[k][0], left.exponent[k][0]) = (x.0, x.1);
                (right.significand[k][0], right.exponent[k][0]) = (y.0, y.1);
            }
        }
        let mut rows = [[0f32; N]; 16];
        rows[0][0] = c;
        fused_rows_body(&left, &right, self.mma.k, sum, self.mma.accumulator == Accumulator::F16, &mut rows);
        rows[0][0]
    }
}

#[cfg(test)]
mod tests {
    use super::super::formats::{BF16, E4M3, E5M2, TF32, Value};
    use super::*;

    #[test]
    fn every_element_is_split_as_its_format_says() {
        for format in [F16, BF16, TF32, E4M3, E5M2] {
            for bits in 0..1u32 << (1 + format.exponent_bits + format.mantissa_bits) {
                let (significand, exponent, special) = split(format, bits);
                match format.unpack(bits.into()) {
                    Value::Finite { significand: 0, .. } => {
                        assert!((significand, exponent, special) == (0.0, ZERO, false), "{format:?} {bits:x}");
                    }
                    Value::Finite { .. } => {
                        let value = f64::from(significand) * 2f64.powi(exponent);
                        assert!(!special && value == format.to_f64(bits.into()), "{format:?} {bits:x}");
                    }
                    Value::Nan | Value::Infinity(_) => assert!(special, "{format:?} {bits:x}"),
                }
            }
        }
    }

    #[test]
    fn a_row_at_once_gives_the_bits_of_one_by_one() {
        let sums = [(24, 23), (25, 23), (13, 13)].map(|(fraction_bits, output_bits)| FusedSum {
            fraction_bits,
            output_bits,
            step: 16,
        });
        for sum in sums {
            for exponent in [ZERO, -200, -140, -126, -100, 0, 60, 127] {
                let totals = [0, 1, -1, 3, 12_345_678, -123_456_789, i32::MAX, i32::MIN];
                let partial = [totals.map(|total| if exponent == ZERO { 0 } else { total }), [0; N]];
                let mut row = [0f32; N];
                outputs(&partial, &[exponent; N], sum, false, &mut row);
                for (found, total) in row.iter().zip(partial[0]) {
                    let alone = output(total.into(), exponent - sum.fraction_bits, sum.output_bits, false);
                    assert_eq!(found.to_bits(), alone.to_bits(), "{sum:?} {exponent} {total}");
                }
            }
        }
    }
}
