//! `mma.sync`, `ldmatrix`, `stmatrix`.

use super::Decoder;
use super::asynchronous::element;
use super::modifiers::Modifiers;
use crate::arithmetic::scaled::{ScaleType, Small};
use crate::arithmetic::tensor::{Accumulator, Element, Mma};
use crate::lanes::lanes;
use crate::program::File;
use crate::program::{Data, Elements, Long, MemorySpace, Op, SmallMma};
use warpbook_diagnostic::Result;
use warpbook_ptx::{Operand, PtxType};

impl Decoder<'_> {
    pub(super) fn mma(&mut self, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
        m.take("sync");
        m.take("aligned");
        let shape = m.take_prefixed("m").unwrap_or_default();
        if !(m.take("row") && m.take("col")) {
            return Err(self.unsupported("`mma` whose operands are not `.row.col`"));
        }
        let of_bits = ["e2m1", "e2m3", "e3m2"].into_iter().any(|small| m.has(small));
        if m.has("block_scale") || of_bits {
            return self.small_mma(shape, m, o);
        }
        let saturate = m.take("satfinite");
        m.take("kind::f8f6f4");
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
        let (rows, k) = match (shape, a.per_register()) {
            ("m16n8k4", 1) => (16, 4),
            ("m16n8k8", 1 | 2) => (16, 8),
            ("m16n8k16", 2 | 4) => (16, 16),
            ("m16n8k32", 4) => (16, 32),
            ("m8n8k16", 4) if integer => (8, 16),
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
    fn mma_f64(&mut self, shape: &str, o: &[Operand]) -> Result<()> {
        let (halves, steps) = match shape {
            "m8n8k4" => (1, 1),
            "m16n8k4" => (2, 1),
            "m16n8k8" => (2, 2),
            "m16n8k16" => (2, 4),
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
    fn small_mma(&mut self, shape: &str, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
        let kind = m.take_prefixed("kind::").unwrap_or_default();
        let scaled = m.take("block_scale");
        let vector = m.take_any(&["scale_vec::1X", "scale_vec::2X", "scale_vec::4X"]);
        let (k, alone, vector) = match (shape, kind, scaled, vector) {
            ("m16n8k32", "kind::f8f6f4", false, None) => (32, false, None),
            ("m16n8k32", "kind::mxf8f6f4", true, None | Some("scale_vec::1X")) => (32, false, Some(32)),
            ("m16n8k64", "kind::mxf4", true, None | Some("scale_vec::2X")) => (64, true, Some(32)),
            ("m16n8k64", "kind::mxf4nvf4", true, Some("scale_vec::2X")) => (64, true, Some(32)),
            ("m16n8k64", "kind::mxf4nvf4", true, Some("scale_vec::4X")) => (64, true, Some(16)),
            _ => return Err(self.unsupported(format!("`mma` {shape} of {kind}"))),
        };
        let names = ["e4m3", "e5m2", "e2m3", "e3m2", "e2m1"];
        let smalls = [Small::E4m3, Small::E5m2, Small::E2m3, Small::E3m2, Small::E2m1];
        let mut take = || {
            let found = m.take_first(&names)?;
            names.iter().position(|name| *name == found).map(|index| smalls[index])
        };
        let (Some(x), Some(y)) = (take(), take()) else {
            return Err(self.unsupported("these types of an `mma` of small floats"));
        };
        if !(m.take("f32") && m.take("f32")) {
            return Err(self.unsupported("sums other than f32 of an `mma` of small floats"));
        }
        let scale = match (vector, m.take_first(&["ue8m0", "ue4m3"])) {
            (None, None) => None,
            (Some(vector), Some(name)) => {
                Some((if name == "ue8m0" { ScaleType::Ue8m0 } else { ScaleType::Ue4m3 }, vector))
            }
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

    pub(super) fn words_out(&mut self, operand: &Operand, count: usize) -> Result<Elements> {
        let parts = match operand {
            Operand::Vector(parts) => &parts[..],
            single => std::slice::from_ref(single),
        };
        if parts.len() != count {
            return Err(self.malformed(format!("expected {count} destination registers, found {}", parts.len())));
        }
        (0..count).map(|index| self.word_out(parts, index).map(Data::Word)).collect()
    }

    pub(super) fn matrix_memory(&mut self, name: &str, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
        m.take("sync");
        m.take("aligned");
        if !m.take("m8n8") {
            return Err(self.unsupported(format!("a shape of `{name}` other than m8n8")));
        }
        let count = match m.take_any(&["x1", "x2", "x4"]) {
            Some("x1") => 1,
            Some("x2") => 2,
            Some("x4") => 4,
            _ => return Err(self.malformed(format!("`{name}` has no count"))),
        };
        let transpose = m.take("trans");
        while m.take_any(&["shared", "shared::cta", "b16"]).is_some() {}
        if name == "ldmatrix" {
            let (_, address) = self.address(o.get(1), MemorySpace::Shared)?;
            let d = self.words_out(o.first().unwrap_or(&Operand::Sink), count)?;
            self.emit(Op::LoadMatrix { count: count as u32, transpose, d, address });
        } else {
            let (_, address) = self.address(o.first(), MemorySpace::Shared)?;
            let a = self.elements_in(o.get(1).unwrap_or(&Operand::Sink), 4)?;
            if a.len() != count || a.iter().any(|data| !matches!(data, Data::Word(_))) {
                return Err(self.malformed(format!("expected {count} 32-bit registers")));
            }
            self.emit(Op::StoreMatrix { transpose, a, address });
        }
        Ok(())
    }
}
