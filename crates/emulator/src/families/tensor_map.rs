//! Tensor maps that a kernel changes: `tensormap.replace`, `tensormap.cp_fenceproxy` and the fences of their proxy.
//! PTX ISA 9.7.9.28, 9.7.13.4.

use super::step::{LaneFailure, Step, at_lane};
use crate::decode::Decoder;
use crate::decode::modifiers::Modifiers;
use crate::decode::scope::file_of;
use crate::descriptor::tensor_map::{TENSOR_MAP_BYTES, TensorMap, replace_field};
use crate::fault::{Cause, Fault};
use crate::instrument::{Instrument, Object};
use crate::lanes::lanes;
use crate::program::{AddressOperand, Data, File, Long, MapField, MemorySpace, Op};
use crate::state::access::{Access, Place};
use crate::state::warp::lanes_of;
use warpbook_diagnostic::Result as Decoded;
use warpbook_gpu::u64_from_le;
use warpbook_ptx::isa::Modifier;
use warpbook_ptx::{Immediate, Operand, PtxType};

impl<I: Instrument> Step<'_, '_, I> {
    fn map_bytes(&mut self, space: MemorySpace, address: u64, lane: usize) -> Result<[u8; TENSOR_MAP_BYTES], Cause> {
        let mut bytes = [0; TENSOR_MAP_BYTES];
        let access = Access { space, name: "tensor map read", size: 8 };
        let thread = self.thread(lane);
        for (word, at) in bytes.chunks_exact_mut(8).zip((address..).step_by(8)) {
            let place = self.block.memory.place(self.environment, access, at, thread)?;
            word.copy_from_slice(&self.block.memory.read(self.environment, &place, 0, 8).to_le_bytes());
        }
        Ok(bytes)
    }

    pub(super) fn read_map(&mut self, space: MemorySpace, address: u64, lane: usize) -> Result<TensorMap, Cause> {
        TensorMap::decode(&self.map_bytes(space, address, lane)?)
            .ok_or_else(|| Fault::TensorMap("these 128 bytes are no tensor map".to_owned()).into())
    }

    fn write_map(&mut self, space: MemorySpace, address: u64, lane: usize, bytes: &[u8]) -> Result<(), Cause> {
        let access = Access { space, name: "tensor map write", size: 8 };
        let thread = self.thread(lane);
        for (word, at) in bytes.chunks_exact(8).zip((address..).step_by(8)) {
            let place = self.block.memory.place(self.environment, access, at, thread)?;
            let bits = u64_from_le(word);
            if self.is_watched() {
                self.note_write(&place, 0, 8, bits, lane);
            }
            self.block.memory.write(&place, 0, 8, bits);
        }
        Ok(())
    }

    /// `fence.proxy.tensormap::generic`: an acquire of the maps at these addresses, or a release.
    pub(super) fn fence_maps(&mut self, acquire: Option<&AddressOperand>) {
        let warp = self.warp.index;
        let Some(address) = acquire else { return self.block.instrument.released(warp, Object::TensorMapProxy) };
        let addresses = self.addresses(address);
        let mut acquired: Vec<u64> = lanes_of(self.active).map(|lane| addresses[lane]).collect();
        acquired.dedup();
        acquired.into_iter().for_each(|address| self.block.instrument.acquired(warp, Object::TensorMap(address)));
    }

    pub(super) fn replace_in_map(
        &mut self,
        field: MapField,
        index: u32,
        (space, address): (MemorySpace, &AddressOperand),
        value: Data,
    ) -> Result<(), LaneFailure> {
        let addresses = self.addresses(address);
        for lane in lanes_of(self.active) {
            let value = match value {
                Data::Word(slot) => u64::from(self.word(slot)[lane]),
                Data::Long(slot) => self.warp.longs[slot as usize][lane],
                Data::Sink => 0,
            };
            let mut bytes = self.map_bytes(space, addresses[lane], lane).map_err(at_lane(lane))?;
            replace_field(&mut bytes, field, index, value).map_err(at_lane(lane))?;
            self.write_map(space, addresses[lane], lane, &bytes).map_err(at_lane(lane))?;
        }
        Ok(())
    }

    /// One copy for the warp: it is `.aligned`.
    pub(super) fn copy_map(&mut self, global: &AddressOperand, shared: &AddressOperand) -> Result<(), LaneFailure> {
        let lane = self.active.trailing_zeros() as usize & 31;
        let (to, from) = (self.addresses(global)[lane], self.addresses(shared)[lane]);
        let bytes = self.map_bytes(MemorySpace::Shared, from, lane).map_err(at_lane(lane))?;
        if self.is_watched() {
            self.note_read(&Place::Shared(from as usize), TENSOR_MAP_BYTES as u32, lane);
        }
        self.write_map(MemorySpace::Global, to, lane, &bytes).map_err(at_lane(lane))
    }
}

impl Decoder<'_> {
    /// Decodes the instruction `tensormap.cp_fenceproxy`.
    pub(crate) fn copy_tensor_map(&mut self, m: &mut Modifiers<'_>, o: &[Operand]) -> Decoded<()> {
        m.take_all(&[
            Modifier::Global,
            Modifier::SharedCta,
            Modifier::TensormapGeneric,
            Modifier::Release,
            Modifier::Cta,
            Modifier::Cluster,
            Modifier::Gpu,
            Modifier::Sys,
            Modifier::Sync,
            Modifier::Aligned,
        ]);
        let (_, global) = self.address(o.first(), MemorySpace::Global)?;
        let shared = self.shared_address(o.get(1))?;
        self.emit(Op::TensorMapCopy { global, shared });
        Ok(())
    }

    /// True if strides are written in units of 16 bytes. By the PTX ISA they are bytes, and ptxas of CUDA 12.5 and later
    /// takes them so in every version of PTX; ptxas of 12.3 and 12.4, which know PTX up to 8.4, did not divide by 16. Triton
    /// makes up for that in all PTX up to 8.5.
    fn has_strides_of_16_bytes(&self) -> bool {
        self.module().is_from_llvm && self.module().version <= (8, 5)
    }

    /// Decodes the instruction `tensormap.replace`.
    pub(crate) fn replace_in_tensor_map(&mut self, m: &mut Modifiers<'_>, o: &[Operand]) -> Decoded<()> {
        if !m.take(Modifier::Tile) {
            return Err(self.unsupported_form());
        }
        let field = m.take_map(|own| {
            Some(match own {
                Modifier::GlobalAddress => MapField::GlobalAddress,
                Modifier::Rank => MapField::Rank,
                Modifier::BoxDim => MapField::BoxDim,
                Modifier::GlobalDim => MapField::GlobalDim,
                Modifier::GlobalStride => MapField::GlobalStride,
                Modifier::ElementStride => MapField::ElementStride,
                Modifier::ElemType => MapField::ElementType,
                Modifier::InterleaveLayout => MapField::InterleaveLayout,
                Modifier::SwizzleMode => MapField::SwizzleMode,
                Modifier::SwizzleAtomicity => MapField::SwizzleAtomicity,
                Modifier::FillMode => MapField::FillMode,
                _ => return None,
            })
        });
        let field = field.ok_or_else(|| self.unsupported_form())?;
        let in_shared = m.take_any(&[Modifier::SharedCta, Modifier::Shared]).is_some();
        let space = if in_shared { MemorySpace::Shared } else { MemorySpace::Global };
        m.take(Modifier::Global);
        m.take_all(&[Modifier::B1024, Modifier::Type(PtxType::B32), Modifier::Type(PtxType::B64)]);
        let indexed =
            matches!(field, MapField::BoxDim | MapField::GlobalDim | MapField::GlobalStride | MapField::ElementStride);
        let index = if indexed { self.constant_u32(o, 1)? } else { 0 };
        let operand = self.operand(o, 1 + usize::from(indexed))?;
        if field == MapField::SwizzleAtomicity && !matches!(operand, Operand::Immediate(Immediate::Integer(0))) {
            return Err(self.unsupported("tensor maps whose swizzle moves other pieces than those of 16 bytes"));
        }
        let is_long = match operand {
            Operand::Name(name) => self.lookup(name).and_then(|(ty, _)| file_of(ty)) == Some(File::Long),
            _ => false,
        };
        let is_constant_stride = field == MapField::GlobalStride && matches!(operand, Operand::Immediate(_));
        let mut value = self.data(operand, if is_long || is_constant_stride { 8 } else { 4 })?;
        if let Data::Long(stride) = value
            && field == MapField::GlobalStride
            && self.has_strides_of_16_bytes()
        {
            let bytes = self.fresh(File::Long);
            self.emit(Op::Unary64(lanes!(Long; |a: Long| a << 4), bytes, stride));
            value = Data::Long(bytes);
        }
        let (space, address) = self.address(o.first(), space)?;
        self.emit(Op::TensorMapReplace { field, index, address, space, value });
        Ok(())
    }
}
