//! `mma.sync`

use super::Step;
use crate::emulator::arithmetic::float;
use crate::emulator::arithmetic::tensor::Mma;
use crate::emulator::launch::Arithmetic;
use crate::emulator::program::{Data, Slot};

impl Step<'_, '_> {
    pub(super) fn mma(&mut self, mma: &Mma, d: &[Data], [a, b, c]: [&[Data]; 3]) {
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
        mma.execute(self.environment.architecture, fast, &mut self.memory.operands, planes, &mut result);
        for (element, plane) in d.iter().zip(&result) {
            if let Data::Word(slot) = element {
                self.set_word(*slot, plane);
            }
        }
    }

    pub(super) fn mma_f64(&mut self, d: [Slot; 2], a: Slot, b: Slot, c: [Slot; 2]) {
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
