//! `tcgen05`: tensor memory and the tensor core that works on it. PTX ISA 9.7.16.

use super::Decoder;
use super::modifiers::Modifiers;
use crate::program::{
    AddressOperand, Data, MemorySpace, Op, TensorAccess, TensorCommit, TensorCopy, TensorKind, TensorMma, TensorShape,
    TensorSource,
};
use warpbook_diagnostic::Result;
use warpbook_ptx::Operand;

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
            Some("wait::ld") => self.emit(Op::TensorWaitLoads),
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
}
