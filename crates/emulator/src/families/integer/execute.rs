//! Fields of bits and logic of three operands, whose operations have no function over all lanes.

use crate::arithmetic::integer;
use crate::families::step::Step;
use crate::instrument::Instrument;
use crate::program::Slot;

impl<I: Instrument> Step<'_, '_, I> {
    /// `bfe` of 64 bits.
    #[inline(always)]
    pub(in crate::families) fn extract_field64(
        &mut self,
        signed: bool,
        d: Slot,
        a: Slot,
        [position, length]: [Slot; 2],
    ) {
        let (a, p, n) = (self.long(a), self.word(position), self.word(length));
        let value = std::array::from_fn(|lane| integer::extract_long(a[lane], p[lane], n[lane], signed));
        self.set_long(d, &value);
    }

    /// `bfi` of 64 bits.
    #[inline(always)]
    pub(in crate::families) fn insert_field64(
        &mut self,
        d: Slot,
        field: Slot,
        base: Slot,
        [position, length]: [Slot; 2],
    ) {
        let (f, b, p, n) = (self.long(field), self.long(base), self.word(position), self.word(length));
        let value = std::array::from_fn(|lane| integer::insert_long(f[lane], b[lane], p[lane], n[lane]));
        self.set_long(d, &value);
    }

    /// `bfi` of 32 bits.
    #[inline(always)]
    pub(in crate::families) fn insert_field32(
        &mut self,
        d: Slot,
        field: Slot,
        base: Slot,
        [position, length]: [Slot; 2],
    ) {
        let (f, b, p, n) = (self.word(field), self.word(base), self.word(position), self.word(length));
        let value =
            std::array::from_fn(|lane| integer::insert(f[lane].into(), b[lane].into(), p[lane], n[lane], 32) as u32);
        self.set_word(d, &value);
    }

    /// Executes the instruction `lop3`.
    #[inline(always)]
    pub(in crate::families) fn logic3(&mut self, d: Slot, [a, b, c]: [Slot; 3], table: u32) {
        let (a, b, c) = (self.word(a), self.word(b), self.word(c));
        let value = std::array::from_fn(|lane| integer::logic3(a[lane], b[lane], c[lane], table));
        self.set_word(d, &value);
    }
}
