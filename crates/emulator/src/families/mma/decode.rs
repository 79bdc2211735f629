//! `mma.sync`: shapes, types and operands.

use crate::arithmetic::scaled::{ScaleType, Small};
use crate::arithmetic::tensor::{Accumulator, Element, Mma};
use crate::decode::Decoder;
use crate::decode::modifiers::Modifiers;
use crate::lanes::lanes;
use crate::program::{Data, Elements, File, Long, Op, SmallMma};
use warpbook_diagnostic::Result;
use warpbook_ptx::isa::{MatrixShape, MmaKind, Modifier};
use warpbook_ptx::{Operand, PtxType};

impl Decoder<'_> {
    pub(crate) fn mma(&mut self, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
        m.take_all(&[Modifier::Sync, Modifier::Aligned]);
        let shape = self.take_shape(m)?;
        if !(m.take(Modifier::Row) && m.take(Modifier::Col)) {
            return Err(self.unsupported("`mma` whose operands are not `.row.col`"));
        }
        let is_small = [Modifier::BlockScale, Modifier::E2m1, Modifier::E2m3, Modifier::E3m2];
        if is_small.into_iter().any(|own| m.has(own)) {
            return self.small_mma(shape, m, o);
        }
        let saturate = m.take(Modifier::SatFinite);
        m.take(Modifier::Kind(MmaKind::F8f6f4));
        let types: Vec<PtxType> = std::iter::from_fn(|| m.take_type()).collect();
        let [d_type, a_type, b_type, c_type] = types[..] else {
            return Err(self.malformed("`mma` has four types"));
        };
        if a_type == PtxType::F64 {
            return self.mma_f64(shape, o);
        }
        let refused = || format!("`mma` {shape} of .{a_type} and .{b_type} into .{d_type}");
        let (Some(a), Some(b)) = (element(a_type), element(b_type)) else { return Err(self.unsupported(refused())) };
        let accumulator = match (d_type, c_type) {
            (PtxType::F32, PtxType::F32) => Accumulator::F32,
            (PtxType::F16, PtxType::F16) => Accumulator::F16,
            (PtxType::S32, PtxType::S32) => Accumulator::S32 { saturate },
            _ => return Err(self.unsupported(refused())),
        };
        let integer = matches!(accumulator, Accumulator::S32 { .. });
        let (rows, k) = match (shape.m, shape.n, shape.k, a.per_register()) {
            (16, 8, Some(4), 1) => (16, 4),
            (16, 8, Some(8), 1 | 2) => (16, 8),
            (16, 8, Some(16), 2 | 4) => (16, 16),
            (16, 8, Some(32), 4) => (16, 32),
            (8, 8, Some(16), 4) if integer => (8, 16),
            _ => return Err(self.unsupported(refused())),
        };
        if integer != matches!(a, Element::S8 | Element::U8) || a.per_register() != b.per_register() {
            return Err(self.unsupported(refused()));
        }
        let mma = Mma { m: rows, k, a, b, accumulator };
        let source = |this: &mut Self, index: usize, count: usize| -> Result<Elements> {
            let elements = this.elements_in(o.get(index).unwrap_or(&Operand::Sink), 4)?;
            let words = elements.iter().all(|element| matches!(element, Data::Word(_)));
            if elements.len() == count && words {
                Ok(elements)
            } else {
                Err(this.malformed(format!("operand {} has to be {count} 32-bit registers", index + 1)))
            }
        };
        let d_operand = o.first().unwrap_or(&Operand::Sink);
        let a = source(self, 1, mma.a_registers())?;
        let b = source(self, 2, mma.b_registers())?;
        let c = source(self, 3, mma.c_registers())?;
        let d = self.words_out(d_operand, mma.c_registers())?;
        self.emit(Op::Mma { mma, d, a, b, c });
        Ok(())
    }

    /// Of f64, in steps of 8 rows and of 4 along k: a chain of fused multiplications and additions.
    fn mma_f64(&mut self, shape: MatrixShape, o: &[Operand]) -> Result<()> {
        let (halves, steps) = match (shape.m, shape.n, shape.k) {
            (8, 8, Some(4)) => (1, 1),
            (16, 8, Some(4)) => (2, 1),
            (16, 8, Some(8)) => (2, 2),
            (16, 8, Some(16)) => (2, 4),
            _ => return Err(self.unsupported(format!("`mma` {shape} of .f64"))),
        };
        let copy = lanes!(Long; |a: Long| a);
        let mut results = Vec::new();
        for half in 0..halves {
            let mut c = [self.vector_long(o, 3, 2 * half)?, self.vector_long(o, 3, 2 * half + 1)?];
            for step in 0..steps {
                let (a, b) = (self.vector_long(o, 1, halves * step + half)?, self.vector_long(o, 2, step)?);
                let d = [self.fresh(File::Long), self.fresh(File::Long)];
                self.emit(Op::MmaF64 { d, a, b, c });
                c = d;
            }
            results.extend(c);
        }
        // The destination may be one of the operands.
        for (index, result) in results.into_iter().enumerate() {
            let d = self.vector_long(o, 0, index)?;
            self.emit(Op::Unary64(copy, d, result));
        }
        Ok(())
    }

    /// `mma` of fp4 and fp6, and of what has a scale for each block of elements. PTX ISA 9.7.14.5.14.
    fn small_mma(&mut self, shape: MatrixShape, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
        let kind = m.take_map(|own| if let Modifier::Kind(kind) = own { Some(kind) } else { None });
        let scaled = m.take(Modifier::BlockScale);
        let vector = m.take_any(&[Modifier::ScaleVec1X, Modifier::ScaleVec2X, Modifier::ScaleVec4X]);
        const K32: MatrixShape = MatrixShape::mnk(16, 8, 32);
        const K64: MatrixShape = MatrixShape::mnk(16, 8, 64);
        let (k, alone, vector) = match (shape, kind, scaled, vector) {
            (K32, Some(MmaKind::F8f6f4), false, None) => (32, false, None),
            (K32, Some(MmaKind::Mxf8f6f4), true, None | Some(Modifier::ScaleVec1X)) => (32, false, Some(32)),
            (K64, Some(MmaKind::Mxf4), true, None | Some(Modifier::ScaleVec2X)) => (64, true, Some(32)),
            (K64, Some(MmaKind::Mxf4nvf4), true, Some(Modifier::ScaleVec2X)) => (64, true, Some(32)),
            (K64, Some(MmaKind::Mxf4nvf4), true, Some(Modifier::ScaleVec4X)) => (64, true, Some(16)),
            _ => return Err(self.unsupported_form()),
        };
        let mut take = || m.take_map(small_float);
        let (Some(x), Some(y)) = (take(), take()) else {
            return Err(self.unsupported("these types of an `mma` of small floats"));
        };
        const SUM: Modifier = Modifier::Type(PtxType::F32);
        if !(m.take(SUM) && m.take(SUM)) {
            return Err(self.unsupported("sums other than f32 of an `mma` of small floats"));
        }
        let scale_type = m.take_map(|own| match own {
            Modifier::Ue8m0 => Some(ScaleType::Ue8m0),
            Modifier::Ue4m3 => Some(ScaleType::Ue4m3),
            _ => None,
        });
        let scale = match (vector, scale_type) {
            (None, None) => None,
            (Some(vector), Some(ty)) => Some((ty, vector)),
            _ => return Err(self.malformed("`.block_scale` goes with a type of the scales")),
        };
        let words = |this: &mut Self, index: usize, count: usize| -> Result<Elements> {
            let elements = this.elements_in(o.get(index).unwrap_or(&Operand::Sink), 4)?;
            if elements.len() == count && elements.iter().all(|element| matches!(element, Data::Word(_))) {
                Ok(elements)
            } else {
                Err(this.malformed(format!("operand {} has to be {count} 32-bit registers", index + 1)))
            }
        };
        let (a, b, c) = (words(self, 1, 4)?, words(self, 2, 2)?, words(self, 3, 4)?);
        // Scales of A, which byte and which lanes of four; then those of B.
        let mut scales = Vec::new();
        for index in [4, 6].into_iter().filter(|_| scale.is_some()) {
            let slot = self.word(o, index)?;
            let Some(Operand::Vector(selectors)) = o.get(index + 1) else {
                return Err(self.malformed("expected which byte and which lanes have the scales, in braces"));
            };
            scales.push((slot, self.constant_u32(selectors, 0)? as usize, self.constant_u32(selectors, 1)? as usize));
        }
        let d = self.words_out(o.first().unwrap_or(&Operand::Sink), 4)?;
        self.emit(Op::SmallMma(Box::new(SmallMma { a_type: x, b_type: y, k, alone, scale, d, a, b, c, scales })));
        Ok(())
    }

    fn vector_long(&mut self, o: &[Operand], index: usize, part: usize) -> Result<u32> {
        match o.get(index) {
            Some(Operand::Vector(parts)) => match parts.get(part) {
                Some(operand) => self.long_of(operand),
                None => Err(self.malformed("a register is missing")),
            },
            Some(operand) if part == 0 => self.long_of(operand),
            _ => Err(self.malformed("expected registers in braces")),
        }
    }
}

/// The small float that a type of an opcode names.
fn small_float(modifier: Modifier) -> Option<Small> {
    Some(match modifier {
        Modifier::Type(PtxType::E4m3) => Small::E4m3,
        Modifier::Type(PtxType::E5m2) => Small::E5m2,
        Modifier::E2m3 => Small::E2m3,
        Modifier::E3m2 => Small::E3m2,
        Modifier::E2m1 => Small::E2m1,
        _ => return None,
    })
}

/// The tensor core's element of a PTX type.
pub(in crate::families) fn element(ty: PtxType) -> Option<Element> {
    Some(match ty {
        PtxType::F16 => Element::F16,
        PtxType::Bf16 => Element::Bf16,
        PtxType::Tf32 => Element::Tf32,
        PtxType::E4m3 => Element::E4m3,
        PtxType::E5m2 => Element::E5m2,
        PtxType::S8 => Element::S8,
        PtxType::U8 => Element::U8,
        _ => return None,
    })
}
