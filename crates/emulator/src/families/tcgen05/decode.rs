//! `tcgen05`: tensor memory and the tensor core that works on it. PTX ISA 9.7.16.

use crate::decode::Decoder;
use crate::decode::modifiers::Modifiers;
use crate::program::{
    AddressOperand, Data, MemorySpace, Op, TensorAccess, TensorCommit, TensorCopy, TensorMma, TensorShape, TensorSource,
};
use warpbook_diagnostic::Result;
use warpbook_ptx::isa::{MmaKind, Mnemonic, Modifier};
use warpbook_ptx::{Operand, PtxType};

impl Decoder<'_> {
    pub(crate) fn tensor_memory(&mut self, mnemonic: Mnemonic, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
        use Mnemonic as M;
        let pair = m.take(Modifier::CtaGroup2);
        m.take_all(&[Modifier::CtaGroup1, Modifier::Sync, Modifier::Aligned]);
        match mnemonic {
            M::Tcgen05Alloc => {
                m.take_all(&[Modifier::SharedCta, Modifier::Type(PtxType::B32)]);
                let (_, address) = self.address(o.first(), MemorySpace::Shared)?;
                let columns = self.word(o, 1)?;
                self.emit(Op::TensorAllocate { address, columns });
            }
            M::Tcgen05Dealloc => {
                m.take(Modifier::Type(PtxType::B32));
                let (address, columns) = (self.word(o, 0)?, self.word(o, 1)?);
                self.emit(Op::TensorRelease { address, columns });
            }
            M::Tcgen05RelinquishAllocPermit => self.emit(Op::TensorPermit),
            M::Tcgen05Ld => self.tensor_load(m, o)?,
            M::Tcgen05St => self.tensor_store(m, o)?,
            M::Tcgen05WaitLd => self.emit(Op::TensorWaitLoads),
            M::Tcgen05WaitSt => self.emit(Op::TensorWaitStores),
            M::Tcgen05Mma => self.tensor_mma(pair, m, o)?,
            M::Tcgen05Cp => self.tensor_copy(pair, m, o)?,
            M::Tcgen05Commit => self.tensor_commit(m, o)?,
            M::Tcgen05FenceBeforeThreadSync => self.emit(Op::TensorFence { before: true }),
            M::Tcgen05FenceAfterThreadSync => self.emit(Op::TensorFence { before: false }),
            _ => return Err(self.unsupported_form()),
        }
        Ok(())
    }

    /// An address in tensor memory.
    fn tensor_address(&mut self, operand: Option<&Operand>) -> Result<AddressOperand> {
        self.address(operand, MemorySpace::Shared).map(|(_, address)| address)
    }

    fn tensor_load(&mut self, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
        // The place of the upper half is the last operand.
        let (shape, count) = self.take_tensor_shape(m, o, 2)?;
        let packed = m.take(Modifier::Pack16);
        let address = self.tensor_address(o.get(1))?;
        let registers = self.words_out(self.operand(o, 0)?, count)?;
        self.emit(Op::TensorLoad(Box::new(TensorAccess { shape, packed, address, registers })));
        Ok(())
    }

    fn tensor_store(&mut self, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
        // The place of the upper half comes after the address.
        let (shape, count) = self.take_tensor_shape(m, o, 1)?;
        let packed = m.take(Modifier::Unpack16);
        let address = self.tensor_address(o.first())?;
        let halves = matches!(shape, TensorShape::Halves { .. });
        let registers = self.elements_in(self.operand(o, 1 + usize::from(halves))?, 4)?;
        if registers.len() != count || registers.iter().any(|register| !matches!(register, Data::Word(_))) {
            return Err(self.malformed(format!("expected {count} registers of 32 bits")));
        }
        self.emit(Op::TensorStore(Box::new(TensorAccess { shape, packed, address, registers })));
        Ok(())
    }

    /// Takes the shape of `tcgen05.ld` and `.st`: it and its number of registers. `second` is the index of the operand
    /// that says where the upper half of two halves is.
    fn take_tensor_shape(&self, m: &mut Modifiers<'_>, o: &[Operand], second: usize) -> Result<(TensorShape, usize)> {
        let shapes = [
            Modifier::Lanes32Bits32,
            Modifier::Lanes16Bits64,
            Modifier::Lanes16Bits128,
            Modifier::Lanes16Bits256,
            Modifier::Lanes16Bits32Twice,
        ];
        let (Some(shape), Some(count)) = (m.take_any(&shapes), m.take_map(Modifier::repetitions)) else {
            return Err(self.unsupported_form());
        };
        m.take(Modifier::Type(PtxType::B32));
        let (each, shape) = match shape {
            Modifier::Lanes32Bits32 => (1, TensorShape::Rows32),
            Modifier::Lanes16Bits64 => (1, TensorShape::Rows16 { bits: 64 }),
            Modifier::Lanes16Bits128 => (2, TensorShape::Rows16 { bits: 128 }),
            Modifier::Lanes16Bits256 => (4, TensorShape::Rows16 { bits: 256 }),
            _ => (1, TensorShape::Halves { second: self.constant_u32(o, second)? }),
        };
        Ok((shape, each * count))
    }

    fn tensor_mma(&mut self, pair: bool, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
        let kind = m.take_map(|own| if let Modifier::Kind(kind) = own { Some(kind) } else { None });
        let kind = kind.ok_or_else(|| self.unsupported_form())?;
        let scaled = if m.take(Modifier::BlockScale) {
            let vectors = [
                Modifier::ScaleVec1X,
                Modifier::ScaleVec2X,
                Modifier::ScaleVec4X,
                Modifier::Block16,
                Modifier::Block32,
            ];
            Some(match (kind, m.take_any(&vectors)) {
                (MmaKind::Mxf8f6f4, _)
                | (_, Some(Modifier::Block32 | Modifier::ScaleVec2X))
                | (MmaKind::Mxf4, None) => 32,
                (MmaKind::Mxf4nvf4, Some(Modifier::Block16 | Modifier::ScaleVec4X)) => 16,
                _ => return Err(self.malformed("`tcgen05.mma` does not say how many elements share a scale")),
            })
        } else {
            None
        };
        let needs = matches!(kind, MmaKind::Mxf8f6f4 | MmaKind::Mxf4 | MmaKind::Mxf4nvf4);
        if needs != scaled.is_some() {
            return Err(self.malformed("`.block_scale` goes with the kinds `mxf8f6f4`, `mxf4` and `mxf4nvf4`"));
        }
        // Hints of which operands to keep.
        m.take_all(&[
            Modifier::CollectorAFill,
            Modifier::CollectorAUse,
            Modifier::CollectorALastUse,
            Modifier::CollectorADiscard,
        ]);
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
        let shapes = [
            Modifier::Rows128Bits256,
            Modifier::Rows128Bits128,
            Modifier::Rows64Bits128,
            Modifier::Rows32Bits128,
            Modifier::Rows4Bits256,
        ];
        let shape = m.take_any(&shapes);
        let spread = m.take_any(&[Modifier::WarpX4, Modifier::WarpX2Half02_13, Modifier::WarpX2Half01_23]);
        let (rows, bits, copies): (u32, u32, &'static [u32]) = match (shape, spread) {
            (Some(Modifier::Rows128Bits256), None) => (128, 256, all),
            (Some(Modifier::Rows128Bits128), None) => (128, 128, all),
            (Some(Modifier::Rows32Bits128), Some(Modifier::WarpX4)) => (32, 128, &[0, 32, 64, 96]),
            (Some(Modifier::Rows64Bits128), Some(Modifier::WarpX2Half02_13)) => (64, 128, &[0, 64]),
            _ => return Err(self.unsupported_form()),
        };
        let address = self.tensor_address(o.first())?;
        let descriptor = self.long(o, 1)?;
        self.emit(Op::TensorCopy(Box::new(TensorCopy { pair, address, descriptor, rows, bits, copies })));
        Ok(())
    }

    fn tensor_commit(&mut self, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
        m.take_all(&[Modifier::MbarrierArriveOne, Modifier::SharedCluster, Modifier::Type(PtxType::B64)]);
        let multicasts = m.take(Modifier::MulticastCluster);
        let (_, address) = self.address(o.first(), MemorySpace::Cluster)?;
        let multicast = if multicasts { Some(self.word(o, 1)?) } else { None };
        self.emit(Op::TensorCommit(Box::new(TensorCommit { address, multicast })));
        Ok(())
    }
}
