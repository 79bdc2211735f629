//! `tcgen05`: tensor memory and the tensor core that works on it. PTX ISA 9.7.16.

use std::collections::HashSet;

use super::Decoder;
use super::flow::Block;
use super::modifiers::Modifiers;
use crate::diagnostic::Result;
use crate::emulator::program::{
    AddressOperand, Data, Instruction, MemorySpace, Op, Slot, TensorAccess, TensorCommit, TensorCopy, TensorKind,
    TensorMma, TensorShape, TensorSource,
};
use crate::emulator::visit::{File, Use};
use crate::ptx::Operand;

impl Decoder<'_> {
    pub(super) fn tensor_memory(&mut self, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
        let what = m.take_any(&[
            "alloc",
            "dealloc",
            "relinquish_alloc_permit",
            "ld",
            "st",
            "wait::ld",
            "wait::st",
            "mma",
            "cp",
            "commit",
            "fence::before_thread_sync",
            "fence::after_thread_sync",
        ]);
        let pair = m.take("cta_group::2");
        m.take("cta_group::1");
        m.take("sync");
        m.take("aligned");
        match what {
            Some("alloc") => {
                m.take("shared::cta");
                m.take("b32");
                let (_, address) = self.address(o.first(), MemorySpace::Shared)?;
                let columns = self.word(o, 1)?;
                self.emit(Op::TensorAllocate { address, columns });
            }
            Some("dealloc") => {
                m.take("b32");
                let (address, columns) = (self.word(o, 0)?, self.word(o, 1)?);
                self.emit(Op::TensorRelease { address, columns });
            }
            Some("relinquish_alloc_permit") => self.emit(Op::TensorPermit),
            Some(what @ ("ld" | "st")) => self.tensor_access(what, m, o)?,
            Some("wait::ld") => self.emit(Op::TensorWaitLoads { registers: Box::new([]) }),
            Some("wait::st") => self.emit(Op::TensorWaitStores),
            Some("mma") => self.tensor_mma(pair, m, o)?,
            Some("cp") => self.tensor_copy(pair, m, o)?,
            Some("commit") => self.tensor_commit(m, o)?,
            Some(fence) => self.emit(Op::TensorFence { before: fence == "fence::before_thread_sync" }),
            None => return Err(self.unsupported("this operation of `tcgen05`")),
        }
        Ok(())
    }

    /// An address in tensor memory.
    fn tensor_address(&mut self, operand: Option<&Operand>) -> Result<AddressOperand> {
        self.address(operand, MemorySpace::Shared).map(|(_, address)| address)
    }

    fn tensor_access(&mut self, what: &str, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
        let shape = m.take_any(&["32x32b", "16x64b", "16x128b", "16x256b", "16x32bx2"]);
        let count: Option<usize> = m.take_prefixed("x").and_then(|count| count[1..].parse().ok());
        let (Some(shape), Some(count)) = (shape, count.filter(|count| count.is_power_of_two() && *count <= 128)) else {
            return Err(self.unsupported(format!("this shape of `tcgen05.{what}`")));
        };
        let packed = m.take(if what == "ld" { "pack::16b" } else { "unpack::16b" });
        m.take("b32");
        let (each, shape) = match shape {
            "32x32b" => (1, TensorShape::Rows32),
            "16x64b" => (1, TensorShape::Rows16 { bits: 64 }),
            "16x128b" => (2, TensorShape::Rows16 { bits: 128 }),
            "16x256b" => (4, TensorShape::Rows16 { bits: 256 }),
            // The place of the upper half is an operand: after the address, where that comes last, too.
            _ => (1, TensorShape::Halves { second: self.constant_u32(o, if what == "ld" { 2 } else { 1 })? }),
        };
        let halves = matches!(shape, TensorShape::Halves { .. });
        let (at, from) = if what == "ld" { (1, 0) } else { (0, 1 + usize::from(halves)) };
        let address = self.tensor_address(o.get(at))?;
        let registers = self.operand(o, from)?;
        let registers =
            if what == "ld" { self.words_out(registers, each * count)? } else { self.elements_in(registers, 4)? };
        if registers.len() != each * count || registers.iter().any(|register| !matches!(register, Data::Word(_))) {
            return Err(self.malformed(format!("expected {} registers of 32 bits", each * count)));
        }
        let access = Box::new(TensorAccess { shape, packed, address, registers });
        self.emit(if what == "ld" { Op::TensorLoad(access) } else { Op::TensorStore(access) });
        Ok(())
    }

    fn tensor_mma(&mut self, pair: bool, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
        let kind = match m.take_prefixed("kind::") {
            Some("kind::f16") => TensorKind::F16,
            Some("kind::tf32") => TensorKind::Tf32,
            Some("kind::f8f6f4") => TensorKind::F8f6f4,
            Some("kind::i8") => TensorKind::I8,
            Some("kind::mxf8f6f4") => TensorKind::Mxf8f6f4,
            Some("kind::mxf4") => TensorKind::Mxf4,
            Some("kind::mxf4nvf4") => TensorKind::Mxf4nvf4,
            other => return Err(self.unsupported(format!("`tcgen05.mma.{}`", other.unwrap_or_default()))),
        };
        let scaled = if m.take("block_scale") {
            let vector = m.take_any(&["scale_vec::1X", "scale_vec::2X", "scale_vec::4X", "block16", "block32"]);
            Some(match (kind, vector) {
                (TensorKind::Mxf8f6f4, _) | (_, Some("block32" | "scale_vec::2X")) | (TensorKind::Mxf4, None) => 32,
                (TensorKind::Mxf4nvf4, Some("block16" | "scale_vec::4X")) => 16,
                _ => return Err(self.malformed("`tcgen05.mma` does not say how many elements share a scale")),
            })
        } else {
            None
        };
        let needs = matches!(kind, TensorKind::Mxf8f6f4 | TensorKind::Mxf4 | TensorKind::Mxf4nvf4);
        if needs != scaled.is_some() {
            return Err(self.malformed("`.block_scale` goes with the kinds `mxf8f6f4`, `mxf4` and `mxf4nvf4`"));
        }
        // Hints of which operands to keep.
        while m.take_prefixed("collector::").is_some() {}
        let d = self.tensor_address(o.first())?;
        let a = match self.operand(o, 1)? {
            Operand::Address(_) => TensorSource::Tensor(self.tensor_address(o.get(1))?),
            _ => TensorSource::Shared(self.long(o, 1)?),
        };
        let (b, description) = (self.long(o, 2)?, self.word(o, 3)?);
        let (scales, next) = if scaled.is_some() {
            (Some([self.tensor_address(o.get(4))?, self.tensor_address(o.get(5))?]), 6)
        } else {
            (None, 4)
        };
        if matches!(o.get(next), Some(Operand::Vector(_))) {
            return Err(self.unsupported("lanes that `tcgen05.mma` leaves out (`disable-output-lane`)"));
        }
        if o.len() > next + 1 {
            return Err(self.unsupported("an accumulator that `tcgen05.mma` scales (`scale-input-d`)"));
        }
        let add = Some(self.predicate(o, next)?);
        self.emit(Op::TensorMma(Box::new(TensorMma { kind, pair, scaled, d, a, b, description, scales, add })));
        Ok(())
    }

    fn tensor_copy(&mut self, pair: bool, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
        let all: &'static [u32] = &[0];
        let shape = m.take_any(&["128x256b", "128x128b", "64x128b", "32x128b", "4x256b"]);
        let spread = m.take_any(&["warpx4", "warpx2::02_13", "warpx2::01_23"]);
        let (rows, bits, copies): (u32, u32, &'static [u32]) = match (shape, spread) {
            (Some("128x256b"), None) => (128, 256, all),
            (Some("128x128b"), None) => (128, 128, all),
            (Some("32x128b"), Some("warpx4")) => (32, 128, &[0, 32, 64, 96]),
            (Some("64x128b"), Some("warpx2::02_13")) => (64, 128, &[0, 64]),
            _ => return Err(self.unsupported("this shape of `tcgen05.cp`")),
        };
        let address = self.tensor_address(o.first())?;
        let descriptor = self.long(o, 1)?;
        self.emit(Op::TensorCopy(Box::new(TensorCopy { pair, address, descriptor, rows, bits, copies })));
        Ok(())
    }

    fn tensor_commit(&mut self, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
        m.take("mbarrier::arrive::one");
        m.take("shared::cluster");
        let multicasts = m.take("multicast::cluster");
        m.take("b64");
        let (_, address) = self.address(o.first(), MemorySpace::Cluster)?;
        let multicast = if multicasts { Some(self.word(o, 1)?) } else { None };
        self.emit(Op::TensorCommit(Box::new(TensorCommit { address, multicast })));
        Ok(())
    }

    /// Moves of registers that a `tcgen05.ld` brings, written before its wait, go behind it: to ptxas they are other names of
    /// the same registers. (LLVM puts them there in what Triton 3.9 compiles.)
    pub(super) fn sink_moves_of_tensor_loads(&mut self, blocks: &[Block]) {
        for block in blocks {
            let mut start = block.start;
            let is_wait = |code: &[Instruction], pc: usize| {
                code[pc].guard.is_none() && matches!(code[pc].op, Op::TensorWaitLoads { .. })
            };
            while let Some(wait) = (start..block.end).find(|&pc| is_wait(&self.code, pc)) {
                self.sink_moves(start, wait);
                start = wait + 1;
            }
        }
    }

    fn sink_moves(&mut self, start: usize, wait: usize) {
        let mut under_way: HashSet<(File, Slot)> = HashSet::new();
        // What the moves read and write.
        let mut held: HashSet<(File, Slot)> = HashSet::new();
        let mut sunk: Vec<usize> = Vec::new();
        for pc in start..wait {
            let (mut reads, mut writes) = (Vec::new(), Vec::new());
            self.code[pc].visit(&mut |file, used, slot| {
                if used == Use::Read { &mut reads } else { &mut writes }.push((file, *slot));
            });
            let instruction = &self.code[pc];
            let is_move = instruction.guard.is_none()
                && matches!(
                    instruction.op,
                    Op::PackWords { .. } | Op::UnpackLong { .. } | Op::PackHalves { .. } | Op::UnpackHalves { .. }
                );
            if is_move && reads.iter().any(|register| under_way.contains(register)) {
                under_way.extend(&writes);
                held.extend(reads.iter().chain(&writes));
                sunk.push(pc);
            } else if writes.iter().any(|register| held.contains(register)) {
                // Their registers are something else's before the wait.
                return;
            } else if matches!(instruction.op, Op::TensorLoad(_)) {
                under_way.extend(&writes);
            }
        }
        let kept = (start..=wait).filter(|pc| sunk.binary_search(pc).is_err());
        let order: Vec<usize> = kept.chain(sunk.iter().copied()).collect();
        fn reordered<T: Clone>(all: &mut [T], start: usize, order: &[usize]) {
            let new: Vec<T> = order.iter().map(|&pc| all[pc].clone()).collect();
            all[start..start + order.len()].clone_from_slice(&new);
        }
        reordered(&mut self.code, start, &order);
        reordered(&mut self.spans, start, &order);
        reordered(&mut self.lines, start, &order);
    }

    /// Gives each `tcgen05.wait::ld` the registers of the loads that may be under way there, so that they are not used
    /// for anything else before.
    pub(super) fn hold_tensor_loads(&mut self, blocks: &[Block]) {
        let loads: Vec<usize> =
            (0..self.code.len()).filter(|&pc| matches!(self.code[pc].op, Op::TensorLoad(_))).collect();
        if loads.is_empty() {
            return;
        }
        let mut before = vec![vec![false; loads.len()]; blocks.len()];
        let mut changed = true;
        while changed {
            changed = false;
            for (number, block) in blocks.iter().enumerate() {
                let mut under_way = before[number].clone();
                for pc in block.start..block.end {
                    self.step_loads(pc, &loads, &mut under_way);
                }
                for &successor in &block.successors {
                    for (known, &more) in before[successor].iter_mut().zip(&under_way) {
                        changed |= more && !*known;
                        *known |= more;
                    }
                }
            }
        }
        for (number, block) in blocks.iter().enumerate() {
            let mut under_way = before[number].clone();
            for pc in block.start..block.end {
                if matches!(self.code[pc].op, Op::TensorWaitLoads { .. }) {
                    let mut held: Vec<Data> = Vec::new();
                    for (&load, _) in loads.iter().zip(&under_way).filter(|(_, is)| **is) {
                        if let Op::TensorLoad(access) = &self.code[load].op {
                            held.extend(access.registers.iter().copied());
                        }
                    }
                    if let Op::TensorWaitLoads { registers } = &mut self.code[pc].op {
                        *registers = held.into();
                    }
                }
                self.step_loads(pc, &loads, &mut under_way);
            }
        }
    }

    /// What an instruction changes of the loads that are under way.
    fn step_loads(&self, pc: usize, loads: &[usize], under_way: &mut [bool]) {
        match self.code[pc].op {
            Op::TensorLoad(_) => {
                if let Ok(index) = loads.binary_search(&pc) {
                    under_way[index] = true;
                }
            }
            Op::TensorWaitLoads { .. } if self.code[pc].guard.is_none() => under_way.fill(false),
            _ => {}
        }
    }
}
