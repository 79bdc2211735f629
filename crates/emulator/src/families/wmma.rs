//! `wmma.load`, `wmma.mma` and `wmma.store`: fragments of larger matrices. PTX ISA 9.7.14.4.
//!
//! The ISA leaves open which lane holds which element of a fragment. Here a fragment is one or two fragments of `mma`
//! (`m16n8k16` and the like), whose places the ISA does fix; a product of 8 × 32 is computed as its transpose. All three
//! instructions are decoded into loads, stores and products that exist already.

use std::collections::HashMap;

use super::mma::decode::element;
use crate::arithmetic::narrow::{f16_from_f32, f32_from_f16};
use crate::arithmetic::tensor::{Accumulator, Element, Mma};
use crate::decode::Decoder;
use crate::decode::modifiers::Modifiers;
use crate::lanes::lanes;
use crate::program::{AddressOperand, Base, Data, Elements, File, Long, MemorySpace, Op, Slot, Special, Word};
use warpbook_diagnostic::Result;
use warpbook_ptx::isa::{MatrixShape, Mnemonic, Modifier};
use warpbook_ptx::{Operand, PtxType};

/// The matrices of a product: A, B, and C or D.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Matrix {
    A,
    B,
    Accumulator,
}

/// Where an element of a fragment lies: `lane / 4 + first` along one axis, `lane % 4 · step + second` along the other.
#[derive(Clone, Copy, Debug)]
struct Place {
    first: u32,
    step: u32,
    second: u32,
}

/// A shape of `wmma` with the type of its factors.
#[derive(Clone, Copy, Debug)]
struct Product {
    m: u32,
    n: u32,
    k: u32,
}

impl Product {
    fn new(shape: MatrixShape) -> Option<Self> {
        let own = Self { m: shape.m.into(), n: shape.n.into(), k: shape.k?.into() };
        matches!((own.m, own.n, own.k), (16, 16, 16 | 8) | (32, 8, 16) | (8, 32, 16) | (8, 8, 4)).then_some(own)
    }

    /// True if its transpose is computed.
    fn is_transposed(self) -> bool {
        self.n == 32
    }

    /// Elements of each register of a fragment. `per` is the number of elements that a register holds.
    fn places(self, matrix: Matrix, per: u32) -> Vec<Vec<Place>> {
        // Of the fragments of `mma`: 16 rows of A, 8 columns of B, 16 × 8 elements of C; of f64, 8 rows.
        let is_first = match matrix {
            Matrix::A => !self.is_transposed(),
            Matrix::B => self.is_transposed(),
            Matrix::Accumulator => return self.accumulator(per),
        };
        let extent = if matrix == Matrix::A { self.m } else { self.n };
        let rows = if is_first && self.k > 4 { 16 } else { 8 };
        let mut registers = Vec::new();
        for part in 0..extent / rows {
            for column in (0..self.k).step_by(4 * per as usize) {
                for row in (0..rows).step_by(8) {
                    let first = part * rows + row;
                    let place = |index| Place { first, step: per, second: column + index };
                    registers.push((0..per).map(place).collect());
                }
            }
        }
        registers
    }

    fn accumulator(self, per: u32) -> Vec<Vec<Place>> {
        let [height, width] = if self.is_transposed() { [self.n, self.m] } else { [self.m, self.n] };
        let rows = if self.k > 4 { 16 } else { 8 };
        let mut registers = Vec::new();
        for top in (0..height).step_by(rows as usize) {
            for left in (0..width).step_by(8) {
                for row in (0..rows).step_by(8) {
                    for column in (0..2).step_by(per as usize) {
                        let place = |index| Place { first: top + row, step: 2, second: left + column + index };
                        registers.push((0..per).map(place).collect());
                    }
                }
            }
        }
        registers
    }

    /// True if neighbours along the first axis are a row or a column of memory apart, and those along the second are not.
    fn strides_first(self, matrix: Matrix, is_row_major: bool) -> bool {
        match matrix {
            Matrix::A => is_row_major,
            Matrix::B => !is_row_major,
            Matrix::Accumulator => is_row_major != self.is_transposed(),
        }
    }

    /// Elements from one row or column of memory to the next where the instruction does not say.
    fn stride(self, matrix: Matrix, is_row_major: bool) -> u32 {
        match (matrix, is_row_major) {
            (Matrix::A, true) | (Matrix::B, false) => self.k,
            (Matrix::A, false) | (Matrix::Accumulator, false) => self.m,
            (Matrix::B, true) | (Matrix::Accumulator, true) => self.n,
        }
    }
}

/// A matrix in memory, and the slots that its addresses are made of.
struct Source {
    space: MemorySpace,
    address: AddressOperand,
    stride: Slot,
    strides_first: bool,
    size: u32,
    /// `lane / 4`, `lane % 4`.
    lane: [Slot; 2],
    offsets: HashMap<(u32, u32), Slot>,
}

impl Decoder<'_> {
    /// Decodes the instructions `wmma.load` and `wmma.store`.
    pub(crate) fn wmma_memory(&mut self, mnemonic: Mnemonic, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
        let loads = mnemonic == Mnemonic::WmmaLoad;
        let matrix = match m.take_any(&[Modifier::MatrixA, Modifier::MatrixB, Modifier::MatrixC, Modifier::MatrixD]) {
            Some(Modifier::MatrixA) if loads => Matrix::A,
            Some(Modifier::MatrixB) if loads => Matrix::B,
            Some(Modifier::MatrixC) if loads => Matrix::Accumulator,
            Some(Modifier::MatrixD) if !loads => Matrix::Accumulator,
            _ => return Err(self.malformed("`wmma.load` has `.a`, `.b` or `.c`, and `wmma.store` has `.d`")),
        };
        m.take_all(&[Modifier::Sync, Modifier::Aligned]);
        let shape = self.take_shape(m)?;
        let is_row_major = match m.take_any(&[Modifier::Row, Modifier::Col]) {
            Some(layout) => layout == Modifier::Row,
            None => return Err(self.malformed("`wmma` needs `.row` or `.col`")),
        };
        let space = self.take_memory(m)?;
        let ty = self.memory_type(m)?;
        let product = Product::new(shape).ok_or_else(|| self.unsupported_form())?;
        let (size, per) = (ty.size(), 4u32.checked_div(ty.size()).unwrap_or(1).max(1));
        let places = product.places(matrix, if matrix == Matrix::Accumulator && size > 2 { 1 } else { per });
        let (registers, address) = if loads { (o.first(), o.get(1)) } else { (o.get(1), o.first()) };
        let (space, address) = self.address(address, space)?;
        let stride = match o.get(2) {
            Some(_) => self.word(o, 2)?,
            None => self.word_constant(product.stride(matrix, is_row_major)),
        };
        let strides_first = product.strides_first(matrix, is_row_major);
        let lane = self.lane_in_fours();
        let mut source = Source { space, address, stride, strides_first, size, lane, offsets: HashMap::new() };
        let Some(Operand::Vector(registers)) = registers else {
            return Err(self.malformed("expected the registers of a fragment in braces"));
        };
        // Each element of an f16 factor is in two or more registers.
        if !registers.len().is_multiple_of(places.len()) || registers.len() > 8 {
            return Err(self.malformed(format!("this fragment has {} registers", registers.len())));
        }
        for (index, places) in places.iter().cycle().take(registers.len()).enumerate() {
            if loads {
                self.load_register(registers, index, places, &mut source)?;
            } else {
                self.store_register(&registers[index], places, &mut source)?;
            }
        }
        Ok(())
    }

    fn lane_in_fours(&mut self) -> [Slot; 2] {
        let lane = self.special(Special::LaneId);
        let [quotient, rest] = [self.fresh(File::Word), self.fresh(File::Word)];
        self.emit(Op::Unary32(lanes!(Word; |a: Word| a >> 2), quotient, lane));
        self.emit(Op::Unary32(lanes!(Word; |a: Word| a & 3), rest, lane));
        [quotient, rest]
    }

    /// The address of an element, each lane its own.
    fn place_of(&mut self, place: Place, source: &mut Source) -> AddressOperand {
        let Place { first, step, second } = place;
        let offset = match source.offsets.get(&(first, second)) {
            Some(&known) => known,
            None => {
                let f = lanes!(Word; |a: Word, b: Word, c: Word| a.wrapping_mul(b).wrapping_add(c));
                let along = [(source.lane[0], 1, first), (source.lane[1], step, second)];
                let [x, y] = along.map(|(slot, step, addend)| {
                    let (step, addend) = (self.word_constant(step), self.word_constant(addend));
                    let sum = self.fresh(File::Word);
                    self.emit(Op::Ternary32(f, sum, [slot, step, addend]));
                    sum
                });
                let factors = if source.strides_first { [x, source.stride, y] } else { [y, source.stride, x] };
                let offset = self.fresh(File::Word);
                self.emit(Op::Ternary32(f, offset, factors));
                source.offsets.insert((first, second), offset);
                offset
            }
        };
        let size = self.word_constant(source.size);
        let base = match source.address.base {
            Base::Long(base) => {
                let d = self.fresh(File::Long);
                let f = lanes!(Long; |a: Word, b: Word, c: Long| c.wrapping_add(u64::from(a) * u64::from(b)));
                self.emit(Op::WideMultiplyAdd(f, d, [offset, size, base]));
                Base::Long(d)
            }
            Base::Word(_) | Base::None => {
                let base = if let Base::Word(base) = source.address.base { base } else { self.word_constant(0) };
                let d = self.fresh(File::Word);
                let f = lanes!(Word; |a: Word, b: Word, c: Word| a.wrapping_mul(b).wrapping_add(c));
                self.emit(Op::Ternary32(f, d, [offset, size, base]));
                Base::Word(d)
            }
        };
        AddressOperand { base, offset: source.address.offset }
    }

    fn load_register(
        &mut self,
        registers: &[Operand],
        index: usize,
        places: &[Place],
        source: &mut Source,
    ) -> Result<()> {
        let (space, size) = (source.space, source.size);
        if size == 8 {
            let (address, d) = (self.place_of(places[0], source), self.long_out(registers, index)?);
            self.emit(Op::Load { space, size, signed: false, d: [Data::Long(d)].into(), address });
            return Ok(());
        }
        let mut parts = Vec::new();
        for &place in places {
            let (address, part) = (self.place_of(place, source), self.fresh(File::Word));
            self.emit(Op::Load { space, size, signed: false, d: [Data::Word(part)].into(), address });
            parts.push(part);
        }
        let d = self.word_out(registers, index)?;
        match parts[..] {
            [a] => self.emit(Op::Unary32(lanes!(Word; |a: Word| a), d, a)),
            [low, high] => self.emit(Op::PackHalves { d, low, high }),
            [a, b, c, e] => self.emit(Op::PackBytes { d, bytes: [a, b, c, e] }),
            _ => return Err(self.unsupported_form()),
        }
        Ok(())
    }

    fn store_register(&mut self, register: &Operand, places: &[Place], source: &mut Source) -> Result<()> {
        let (space, size) = (source.space, source.size);
        let parts = match size {
            8 => vec![Data::Long(self.long_of(register)?)],
            4 => vec![Data::Word(self.word_of(register)?)],
            _ => {
                let (a, [low, high]) = (self.word_of(register)?, [self.fresh(File::Word), self.fresh(File::Word)]);
                self.emit(Op::UnpackHalves { low: Some(low), high: Some(high), a });
                vec![Data::Word(low), Data::Word(high)]
            }
        };
        for (part, &place) in parts.into_iter().zip(places) {
            let address = self.place_of(place, source);
            self.emit(Op::Store { space, size, a: [part].into(), address });
        }
        Ok(())
    }

    /// Decodes the instruction `wmma.mma`.
    pub(crate) fn wmma_mma(&mut self, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
        m.take_all(&[Modifier::Sync, Modifier::Aligned, Modifier::Rn]);
        // The fragments have the same places whatever the layout in memory is.
        for _ in 0..2 {
            if m.take_any(&[Modifier::Row, Modifier::Col]).is_none() {
                return Err(self.malformed("`wmma.mma` needs the layouts of A and of B"));
            }
        }
        let shape = self.take_shape(m)?;
        let product = Product::new(shape).ok_or_else(|| self.unsupported_form())?;
        let saturate = m.take(Modifier::SatFinite);
        let types: Vec<PtxType> = std::iter::from_fn(|| m.take_type()).collect();
        let (d_type, factor, c_type) = match types[..] {
            [d, c] => (d, PtxType::F16, c),
            [d, a, b, c] if a == b => (d, a, c),
            _ => return Err(self.malformed("`wmma.mma` has two types, or four of which A and B have the same")),
        };
        if factor == PtxType::F64 && product.k == 4 {
            return self.wmma_f64(o);
        }
        let accumulator = match (d_type, c_type) {
            (PtxType::F32, PtxType::F32) => Accumulator::F32,
            // ptxas widens C before the product, and narrows the sum after it.
            (PtxType::F32, PtxType::F16) | (PtxType::F16, PtxType::F32) if factor == PtxType::F16 => Accumulator::F32,
            (PtxType::F16, PtxType::F16) if factor == PtxType::F16 => Accumulator::F16,
            (PtxType::S32, PtxType::S32) => Accumulator::S32 { saturate },
            _ => return Err(self.unsupported_form()),
        };
        let element = element(factor).ok_or_else(|| self.unsupported_form())?;
        let is_integer = matches!(element, Element::S8 | Element::U8);
        let fits = is_integer == matches!(accumulator, Accumulator::S32 { .. })
            && (product.k == 8) == (element == Element::Tf32)
            && !matches!(element, Element::E4m3 | Element::E5m2)
            && (is_integer || !saturate);
        if !fits {
            return Err(self.unsupported_form());
        }
        let mma = Mma { m: 16, k: product.k as usize, a: element, b: element, accumulator };
        let per = element.per_register() as u32;
        let fragment = |this: &mut Self, index: usize, count: usize| -> Result<Elements> {
            let found = this.elements_in(o.get(index).unwrap_or(&Operand::Sink), 4)?;
            let are_words = found.iter().all(|element| matches!(element, Data::Word(_)));
            let fits = are_words && found.len() >= count && found.len().is_multiple_of(count);
            if fits { Ok(found) } else { Err(this.malformed(format!("operand {} has other registers", index + 1))) }
        };
        let a = fragment(self, 1, product.places(Matrix::A, per).len())?;
        let b = fragment(self, 2, product.places(Matrix::B, per).len())?;
        let (first, second) = if product.is_transposed() { (b, a) } else { (a, b) };
        let (widens, narrows) =
            (c_type != d_type && c_type == PtxType::F16, c_type != d_type && d_type == PtxType::F16);
        let count = |is_packed: bool| 2 * mma.c_registers() / if is_packed { 2 } else { 1 };
        let mut c = fragment(self, 3, count(widens))?;
        if widens {
            c = self.widen_fragment(&c);
        }
        let d = self.words_out(o.first().unwrap_or(&Operand::Sink), count(narrows))?;
        let (a_size, b_size, c_size) = (mma.a_registers(), mma.b_registers(), mma.c_registers());
        let has_two_firsts = product.m != 16;
        let mut results = Vec::new();
        for part in 0..2 {
            let (x, y) = if has_two_firsts { (part, 0) } else { (0, part) };
            let own: Elements = (0..c_size).map(|_| Data::Word(self.fresh(File::Word))).collect();
            results.extend(own.iter().copied());
            let take = |all: &Elements, at: usize, size: usize| all[at * size..(at + 1) * size].into();
            let (a, b, c) = (take(&first, x, a_size), take(&second, y, b_size), take(&c, part, c_size));
            self.emit(Op::Mma { mma, d: own, a, b, c });
        }
        if narrows {
            results = self.narrow_fragment(&results);
        }
        // The destination may be one of the operands.
        for (to, from) in d.iter().zip(results) {
            if let (Some(to), Some(from)) = (to.word(), from.word()) {
                self.emit(Op::Unary32(lanes!(Word; |a: Word| a), to, from));
            }
        }
        Ok(())
    }

    /// Registers of f32 with the values of those that hold two f16 each.
    fn widen_fragment(&mut self, fragment: &Elements) -> Elements {
        let mut wide = Vec::new();
        for packed in fragment.iter().filter_map(Data::word) {
            let [low, high] = [self.fresh(File::Word), self.fresh(File::Word)];
            self.emit(Op::Unary32(lanes!(Word; |a: Word| f32_from_f16(a & 0xffff)), low, packed));
            self.emit(Op::Unary32(lanes!(Word; |a: Word| f32_from_f16(a >> 16)), high, packed));
            wide.extend([Data::Word(low), Data::Word(high)]);
        }
        wide.into()
    }

    /// Registers with two f16 each, of the values of registers of f32.
    fn narrow_fragment(&mut self, fragment: &[Data]) -> Vec<Data> {
        let mut narrow = Vec::new();
        for pair in fragment.as_chunks::<2>().0 {
            let (Some(low), Some(high)) = (pair[0].word(), pair[1].word()) else { continue };
            let d = self.fresh(File::Word);
            let f = lanes!(Word; |a: Word, b: Word| f16_from_f32(a) | f16_from_f32(b) << 16);
            self.emit(Op::Binary32(f, d, [low, high]));
            narrow.push(Data::Word(d));
        }
        narrow
    }

    fn wmma_f64(&mut self, o: &[Operand]) -> Result<()> {
        let parts = |index: usize, count: usize| match o.get(index) {
            Some(Operand::Vector(parts)) if parts.len() == count => Some(&parts[..]),
            _ => None,
        };
        let (Some(d), Some(a), Some(b), Some(c)) = (parts(0, 2), parts(1, 1), parts(2, 1), parts(3, 2)) else {
            return Err(self.malformed("fragments of f64 have 2, 1, 1 and 2 registers"));
        };
        let (a, b, c) = (self.long(a, 0)?, self.long(b, 0)?, [self.long(c, 0)?, self.long(c, 1)?]);
        let d = [self.long_out(d, 0)?, self.long_out(d, 1)?];
        self.emit(Op::MmaF64 { d, a, b, c });
        Ok(())
    }
}
