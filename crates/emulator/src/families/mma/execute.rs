//! `mma.sync`

use crate::arithmetic::float;
use crate::arithmetic::product::Mma;
use crate::arithmetic::scaled::{ScaledDot, Small};
use crate::families::step::Step;
use crate::instrument::Instrument;
use crate::program::{Data, Slot, SmallMma};
use crate::state::environment::Arithmetic;

impl<I: Instrument> Step<'_, '_, I> {
    pub(in crate::families) fn mma(&mut self, mma: &Mma, d: &[Data], [a, b, c]: [&[Data]; 3]) {
        let none = [0; 32];
        let words = &self.warp.words;
        let plane = |element: &Data| if let Data::Word(slot) = element { &words[*slot as usize] } else { &none };
        let [mut a_planes, mut b_planes, mut c_planes] = [[&none; 4]; 3];
        for (planes, elements) in [(&mut a_planes, a), (&mut b_planes, b), (&mut c_planes, c)] {
            for (to, element) in planes.iter_mut().zip(elements) {
                *to = plane(element);
            }
        }
        let fast = self.environment.arithmetic == Arithmetic::Fast;
        let planes = [&a_planes[..a.len()], &b_planes[..b.len()], &c_planes[..c.len()]];
        let mut result = [none; 4];
        mma.execute(self.environment.architecture, fast, &mut self.block.memory.operands, planes, &mut result);
        for (element, plane) in d.iter().zip(&result) {
            if let Data::Word(slot) = element {
                self.set_word(*slot, plane);
            }
        }
    }

    /// Fragments as PTX ISA 9.7.14.5.10 has them, bytes or pairs of fp4; the scales of a row lie in one lane of its four.
    pub(in crate::families) fn small_mma(&mut self, mma: &SmallMma) {
        let word = |elements: &[Data], register: usize, lane: usize| match elements.get(register) {
            Some(Data::Word(slot)) => self.word(*slot)[lane],
            _ => 0,
        };
        let per = if mma.alone { 8 } else { 4 };
        let code = |elements: &[Data], small: Small, register: usize, row: usize, k: usize| {
            let lane = row % 8 * 4 + k % (4 * per) / per;
            let bits = word(elements, register, lane) >> (32 / per * (k % per));
            // In a byte, fp4 has two bits below it.
            let bits = if small == Small::E2m1 && !mma.alone { bits >> 2 } else { bits };
            (bits & ((1 << small.bits()) - 1)) as u8
        };
        let half = |k: usize| k / (4 * per);
        let row =
            |m: usize| -> Vec<u8> { (0..mma.k).map(|k| code(&mma.a, mma.a_type, m / 8 + 2 * half(k), m, k)).collect() };
        let column = |n: usize| -> Vec<u8> { (0..mma.k).map(|k| code(&mma.b, mma.b_type, half(k), n, k)).collect() };
        let scales = |side: usize, lane: usize| -> Vec<u8> {
            let Some(&(slot, byte, _)) = mma.scales.get(side) else { return Vec::new() };
            let bytes = self.word(slot)[lane & 31].to_le_bytes();
            let count = mma.scale.map_or(0, |(_, vector)| mma.k / vector);
            (byte..byte + count).map(|index| bytes[index % 4]).collect()
        };
        let chosen = |side: usize| mma.scales.get(side).map_or(0, |scale| scale.2);
        let dot = ScaledDot::new(mma.a_type, mma.b_type, mma.scale, mma.alone);
        let columns: Vec<(Vec<u8>, Vec<u8>)> = (0..8).map(|n| (column(n), scales(1, 4 * n + chosen(1) % 4))).collect();
        let mut d = [[0; 32]; 4];
        for m in 0..16 {
            let (codes, scale) = (row(m), scales(0, m % 8 * 4 + chosen(0) % 2 * 2 + m / 8));
            for (n, (other, other_scale)) in columns.iter().enumerate() {
                let (register, lane) = (m / 8 * 2 + n % 2, m % 8 * 4 + n / 2);
                let c = f32::from_bits(word(&mma.c, register, lane));
                d[register][lane] = dot.dot(&codes, other, [&scale, other_scale], c).to_bits();
            }
        }
        for (element, plane) in mma.d.iter().zip(&d) {
            if let Data::Word(slot) = element {
                self.set_word(*slot, plane);
            }
        }
    }

    pub(in crate::families) fn mma_f64(&mut self, d: [Slot; 2], a: Slot, b: Slot, c: [Slot; 2]) {
        let (a, b) = (*self.long(a), *self.long(b));
        let c = c.map(|slot| *self.long(slot));
        for (column, &slot) in d.iter().enumerate() {
            let value = std::array::from_fn(|lane| {
                let (row, n) = (lane / 4, lane % 4 * 2 + column);
                (0..4).fold(c[column][lane], |sum, k| {
                    let (a, b) = (a[row * 4 + k], b[n * 4 + k]);
                    float::result64(f64::from_bits(a).mul_add(f64::from_bits(b), f64::from_bits(sum)), [b, sum, a])
                })
            });
            self.set_long(slot, &value);
        }
    }
}
