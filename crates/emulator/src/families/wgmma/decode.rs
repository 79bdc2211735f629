//! `wgmma.mma_async` and what orders it: operands and modifiers.

use crate::arithmetic::tensor::{Accumulator, Element, Mma};
use crate::decode::Decoder;
use crate::decode::modifiers::Modifiers;
use crate::families::mma::decode::element;
use crate::program::{Data, Op, Wgmma, WgmmaSource};
use warpbook_diagnostic::Result;
use warpbook_ptx::isa::{Mnemonic, Modifier};
use warpbook_ptx::{Immediate, Operand, PtxType};

impl Decoder<'_> {
    /// Decodes the instructions `wgmma.fence`, `.commit_group` and `.wait_group`.
    pub(crate) fn wgmma_order(&mut self, mnemonic: Mnemonic, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
        m.take_all(&[Modifier::Sync, Modifier::Aligned]);
        let op = match mnemonic {
            Mnemonic::WgmmaFence => Op::WgmmaFence,
            Mnemonic::WgmmaCommitGroup => Op::WgmmaCommit,
            _ => Op::WgmmaWait { pending: self.constant_u32(o, 0)?, registers: Box::new([]) },
        };
        self.emit(op);
        Ok(())
    }

    /// Decodes the instruction `wgmma.mma_async`.
    pub(crate) fn mma_async(&mut self, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
        m.take_all(&[Modifier::Sync, Modifier::Aligned]);
        let shape = self.take_shape(m)?;
        let saturate = m.take(Modifier::SatFinite);
        let types: Vec<PtxType> = std::iter::from_fn(|| m.take_type()).collect();
        let [d_type, a_type, b_type] = types[..] else {
            return Err(self.malformed("`wgmma.mma_async` has three types"));
        };
        let refused =
            |this: &Self| this.unsupported(format!("`wgmma` {shape} of .{a_type} and .{b_type} into .{d_type}"));
        let (Some(a), Some(b)) = (element(a_type), element(b_type)) else { return Err(refused(self)) };
        let accumulator = match d_type {
            PtxType::F32 => Accumulator::F32,
            PtxType::F16 => Accumulator::F16,
            PtxType::S32 => Accumulator::S32 { saturate },
            _ => return Err(refused(self)),
        };
        let (n, k) = (usize::from(shape.n), usize::from(shape.k.unwrap_or_default()));
        if shape.m != 64 || n % 8 != 0 || !(8..=256).contains(&n) || k != 8 * a.per_register() {
            return Err(refused(self));
        }
        let integer = matches!(a, Element::S8 | Element::U8);
        if a.per_register() != b.per_register() || integer != matches!(accumulator, Accumulator::S32 { .. }) {
            return Err(refused(self));
        }
        let step = Mma { m: 16, k, a, b, accumulator };
        let d = self.elements_in(self.operand(o, 0)?, 4)?;
        if d.len() != n / 8 * step.c_registers() || d.iter().any(|d| !matches!(d, Data::Word(_))) {
            return Err(
                self.malformed(format!("the accumulator of {shape} has {} registers", n / 8 * step.c_registers()))
            );
        }
        let source = self.operand(o, 1)?;
        let from_registers = matches!(source, Operand::Vector(_));
        let immediate = |this: &Self, index: usize| match o.get(index) {
            None => Ok(None),
            Some(_) => this.constant_u32(o, index).map(|value| Some(value as i32)),
        };
        // scale-d, then signs of A and B, then which operands in shared memory are transposed (16-bit types only).
        let add = match self.operand(o, 3)? {
            Operand::Immediate(Immediate::Integer(0)) => Some(self.predicate(o, 3)?),
            Operand::Immediate(Immediate::Integer(_)) => None,
            _ => Some(self.predicate(o, 3)?),
        };
        let mut negate = [false; 2];
        if !integer {
            for (negate, index) in negate.iter_mut().zip([4, 5]) {
                *negate = match immediate(self, index)? {
                    Some(1) => false,
                    Some(-1) => true,
                    _ => return Err(self.malformed("the sign of a `wgmma` operand is 1 or -1")),
                };
            }
        }
        let first = if integer { 4 } else { 6 };
        let (mut a_transposed, mut b_transposed) = (false, false);
        if a.per_register() == 2 && from_registers {
            b_transposed = immediate(self, first)? == Some(1);
        } else if a.per_register() == 2 {
            a_transposed = immediate(self, first)? == Some(1);
            b_transposed = immediate(self, first + 1)? == Some(1);
        }
        let a = if from_registers {
            let a = self.elements_in(source, 4)?;
            if a.len() != step.a_registers() || a.iter().any(|a| !matches!(a, Data::Word(_))) {
                return Err(self.malformed(format!("A has {} registers", step.a_registers())));
            }
            WgmmaSource::Registers(a)
        } else {
            WgmmaSource::Shared(self.long(o, 1)?, a_transposed)
        };
        let b = (self.long(o, 2)?, b_transposed);
        self.emit(Op::Wgmma(Box::new(Wgmma { step, n, c: d.clone(), d, a, b, add, negate })));
        Ok(())
    }
}
