//! What Hopper does while the warp goes on: `wgmma`, `mbarrier`, bulk copies and their tensor maps.
//! PTX ISA 9.7.15 (wgmma), 9.7.13.15 (mbarrier), 9.7.9.25 (bulk copies), 9.7.9.28 (tensormap.replace).

use super::Decoder;
use super::memory_ops::reduction;
use super::modifiers::Modifiers;
use super::scope::file_of;
use crate::arithmetic::tensor::{Accumulator, Element, Mma};
use crate::lanes::lanes;
use crate::program::File;
use crate::program::{
    AddressOperand, AtomicOp, AtomicType, BulkReduction, BulkSource, Data, MapField, MbarrierArrival, MemorySpace, Op,
    Wgmma, WgmmaSource, Word,
};
use warpbook_diagnostic::Result;
use warpbook_ptx::isa::{Mnemonic, Modifier};
use warpbook_ptx::{Address, Immediate, Operand, PtxType};

impl Decoder<'_> {
    /// `wgmma.fence`, `.commit_group`, `.wait_group`.
    pub(super) fn wgmma_order(&mut self, mnemonic: Mnemonic, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
        m.take_all(&[Modifier::Sync, Modifier::Aligned]);
        let op = match mnemonic {
            Mnemonic::WgmmaFence => Op::WgmmaFence,
            Mnemonic::WgmmaCommitGroup => Op::WgmmaCommit,
            _ => Op::WgmmaWait { pending: self.constant_u32(o, 0)?, registers: Box::new([]) },
        };
        self.emit(op);
        Ok(())
    }

    /// `wgmma.mma_async`.
    pub(super) fn mma_async(&mut self, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
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

    /// Gives each wait the accumulators that may be in flight there, so that their registers are not used for anything
    /// else before.
    pub(super) fn hold_accumulators(&mut self) {
        let mut registers: Vec<Data> = Vec::new();
        for instruction in &self.code {
            if let Op::Wgmma(wgmma) = &instruction.op {
                for &element in &wgmma.d {
                    let is_it = |known: &Data| matches!((known, element), (Data::Word(a), Data::Word(b)) if *a == b);
                    if !registers.iter().any(is_it) {
                        registers.push(element);
                    }
                }
            }
        }
        for instruction in &mut self.code {
            if let Op::WgmmaWait { registers: held, .. } = &mut instruction.op {
                *held = registers.clone().into();
            }
        }
    }

    /// An address in the block's own shared memory.
    fn shared_address(&mut self, operand: Option<&Operand>) -> Result<AddressOperand> {
        self.address(operand, MemorySpace::Shared).map(|(_, address)| address)
    }

    /// `mbarrier.*`
    pub(super) fn mbarrier(&mut self, mnemonic: Mnemonic, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
        use Mnemonic as M;
        m.take(Modifier::Type(PtxType::B64));
        m.take_all(&[
            Modifier::Cta,
            Modifier::Cluster,
            Modifier::Release,
            Modifier::Acquire,
            Modifier::Relaxed,
            Modifier::SharedCta,
            Modifier::Shared,
        ]);
        let remote =
            matches!(mnemonic, M::MbarrierArrive | M::MbarrierArriveDrop | M::MbarrierExpectTx | M::MbarrierCompleteTx);
        let space = match remote && m.take(Modifier::SharedCluster) {
            true => MemorySpace::Cluster,
            false => MemorySpace::Shared,
        };
        match mnemonic {
            M::MbarrierInit => {
                let address = self.shared_address(o.first())?;
                let count = self.word(o, 1)?;
                self.emit(Op::MbarrierInit { address, count });
            }
            M::MbarrierInval => {
                let address = self.shared_address(o.first())?;
                self.emit(Op::MbarrierInvalidate { address });
            }
            M::MbarrierExpectTx | M::MbarrierCompleteTx => {
                let address = self.shared_address(o.first())?;
                let mut bytes = self.word(o, 1)?;
                if mnemonic == M::MbarrierCompleteTx {
                    let negated = self.fresh(File::Word);
                    self.emit(Op::Unary32(lanes!(Word; |a: Word| a.wrapping_neg()), negated, bytes));
                    bytes = negated;
                }
                let arrival = MbarrierArrival { space, address, arrivals: None, drop: false, bytes: Some(bytes) };
                self.emit(Op::MbarrierArrive { arrival, d: None });
            }
            M::MbarrierArrive | M::MbarrierArriveDrop => {
                self.arrive_at_mbarrier(mnemonic == M::MbarrierArriveDrop, space, m, o)?;
            }
            M::MbarrierTryWait | M::MbarrierTestWait => {
                let parity = m.take(Modifier::Parity);
                let address = self.shared_address(o.get(1))?;
                let phase = if parity { Data::Word(self.word(o, 2)?) } else { Data::Long(self.long(o, 2)?) };
                let d = self.predicate_out(o, 0)?;
                self.emit(Op::MbarrierWait { d, address, phase });
            }
            _ => return Err(self.unsupported_form()),
        }
        Ok(())
    }

    /// `mbarrier.arrive`, `mbarrier.arrive_drop`.
    fn arrive_at_mbarrier(
        &mut self,
        drop: bool,
        space: MemorySpace,
        m: &mut Modifiers<'_>,
        o: &[Operand],
    ) -> Result<()> {
        let expects = m.take(Modifier::ExpectTx);
        // To complete the phase all the same is undefined.
        m.take(Modifier::NoComplete);
        let has_state = !matches!(o.first(), Some(Operand::Address(_)));
        let rest = if has_state { o.get(1..).unwrap_or_default() } else { o };
        let address = self.shared_address(rest.first())?;
        let (arrivals, bytes) = match (expects, rest.len()) {
            (true, _) => (self.word_constant(1), Some(self.word(rest, 1)?)),
            (false, 1) => (self.word_constant(1), None),
            (false, _) => (self.word(rest, 1)?, None),
        };
        let d = match o.first() {
            Some(Operand::Name(_)) if space == MemorySpace::Cluster => {
                return Err(self.malformed("an arrival at another block's mbarrier gives no state: `_`"));
            }
            Some(Operand::Name(_)) => Some(self.long_out(o, 0)?),
            _ => None,
        };
        let arrival = MbarrierArrival { space, address, arrivals: Some(arrivals), drop, bytes };
        self.emit(Op::MbarrierArrive { arrival, d });
        Ok(())
    }

    /// `cp.async.bulk.prefetch`, with `.tensor` too: caches are not modelled.
    pub(super) fn bulk_prefetch(&mut self, m: &mut Modifiers<'_>) {
        m.take_all(&[Modifier::L2, Modifier::Global, Modifier::Tile]);
        m.take_map(Modifier::dimensions);
        self.emit(Op::Nothing);
    }

    /// `cp.async.bulk`, `cp.reduce.async.bulk`, with `.tensor` too.
    pub(super) fn bulk_copy(&mut self, mnemonic: Mnemonic, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
        use Mnemonic as M;
        let reduces = matches!(mnemonic, M::CpReduceAsyncBulk | M::CpReduceAsyncBulkTensor);
        let tensor = matches!(mnemonic, M::CpAsyncBulkTensor | M::CpReduceAsyncBulkTensor);
        let im2col = [Modifier::Im2col, Modifier::Im2colNoOffs, Modifier::Im2colW, Modifier::Im2colW128];
        if m.take_any(&im2col).is_some() {
            return Err(self.unsupported("`im2col` copies"));
        }
        m.take(Modifier::Tile);
        let rank = m.take_map(Modifier::dimensions);
        m.take_cache_level_hints();
        let loads = m.take(Modifier::MbarrierCompleteTx);
        m.take(Modifier::BulkGroup);
        let multicasts = m.take(Modifier::MulticastCluster);
        m.take(Modifier::SharedCluster);
        m.take(Modifier::SharedCta);
        // Without a global side, a copy goes from the block to another of its cluster.
        let has_global = m.take(Modifier::Global);
        let pair = m.take(Modifier::CtaGroup2);
        m.take(Modifier::CtaGroup1);
        let reduce = if reduces { Some(self.bulk_reduction(m, tensor, has_global)?) } else { None };
        // A load names the destination first, a store the global side.
        let (shared, global) = if loads { (o.first(), o.get(1)) } else { (o.get(1), o.first()) };
        let side = if tensor {
            self.tensor_side(global, rank)?
        } else if has_global {
            self.plain_side(global, o)?
        } else {
            BulkSource::Shared { address: self.shared_address(global)?, bytes: self.word(o, 2)? }
        };
        let shared = self.shared_address(shared)?;
        if loads {
            let at = if tensor { 2 } else { 3 };
            let mbarrier = self.shared_address(o.get(at))?;
            let multicast = if multicasts { Some(self.word(o, at + 1)?) } else { None };
            self.emit(Op::BulkLoad { shared, source: side, mbarrier, multicast, reduce, pair });
        } else {
            self.emit(Op::BulkStore { shared, target: side, reduce });
        }
        Ok(())
    }

    /// Operation and type of `cp.reduce.async.bulk` (PTX ISA 9.7.9.25.4.2, "valid combinations"); of `.tensor` the map has
    /// the type.
    fn bulk_reduction(&mut self, m: &mut Modifiers<'_>, tensor: bool, has_global: bool) -> Result<BulkReduction> {
        let op = m.take_map(reduction).ok_or_else(|| self.malformed("`cp.reduce.async.bulk` has no operation"))?;
        if tensor {
            return Ok(BulkReduction { op, ty: None });
        }
        let exact = m.take(Modifier::NoFtz);
        let ty = self.take_type(m)?;
        let halves = matches!(ty, PtxType::F16 | PtxType::Bf16);
        let element = match (op, ty) {
            (AtomicOp::And | AtomicOp::Or | AtomicOp::Xor, PtxType::B32) => Some(AtomicType::U32),
            (AtomicOp::And | AtomicOp::Or | AtomicOp::Xor, PtxType::B64) if has_global => Some(AtomicType::U64),
            (AtomicOp::Increment | AtomicOp::Decrement, PtxType::U32) => Some(AtomicType::U32),
            (AtomicOp::Add | AtomicOp::Min | AtomicOp::Max, PtxType::U32) => Some(AtomicType::U32),
            (AtomicOp::Add | AtomicOp::Min | AtomicOp::Max, PtxType::S32) => Some(AtomicType::S32),
            (AtomicOp::Add, PtxType::U64) => Some(AtomicType::U64),
            (AtomicOp::Add, PtxType::F32) if has_global => Some(AtomicType::F32),
            (AtomicOp::Add, PtxType::F64) if has_global => Some(AtomicType::F64),
            (AtomicOp::Min | AtomicOp::Max, PtxType::U64) if has_global => Some(AtomicType::U64),
            (AtomicOp::Min | AtomicOp::Max, PtxType::S64) if has_global => Some(AtomicType::S64),
            (AtomicOp::Add | AtomicOp::Min | AtomicOp::Max, PtxType::F16) if has_global => Some(AtomicType::F16),
            (AtomicOp::Add | AtomicOp::Min | AtomicOp::Max, PtxType::Bf16) if has_global => Some(AtomicType::Bf16),
            _ => None,
        };
        match element {
            // Additions of halves say that they flush nothing; nothing else does.
            Some(_) if exact != (halves && op == AtomicOp::Add) => {
                Err(self.malformed("`.noftz` goes with `.add` of `.f16` and `.bf16`, which need it"))
            }
            Some(element) => Ok(BulkReduction { op, ty: Some(element) }),
            None => Err(self.malformed(format!("there is no such reduction of .{ty} by a bulk copy"))),
        }
    }

    fn tensor_side(&mut self, operand: Option<&Operand>, rank: Option<usize>) -> Result<BulkSource> {
        let Some(Operand::Address(Address { base, offset, coordinates })) = operand else {
            return Err(self.malformed("expected a tensor map with coordinates in brackets"));
        };
        if Some(coordinates.len()) != rank {
            return Err(self.malformed("there have to be as many coordinates as dimensions"));
        }
        let map = Operand::Address(Address { base: base.clone(), offset: *offset, coordinates: Vec::new() });
        let (space, map) = self.address(Some(&map), MemorySpace::Generic)?;
        if space != MemorySpace::Generic {
            return Err(self.unsupported("a tensor map that is not named by its generic address"));
        }
        let coordinates = coordinates.iter().map(|operand| self.word_of(operand)).collect::<Result<_>>()?;
        Ok(BulkSource::Tensor { map, coordinates })
    }

    fn plain_side(&mut self, operand: Option<&Operand>, o: &[Operand]) -> Result<BulkSource> {
        let (_, address) = self.address(operand, MemorySpace::Global)?;
        Ok(BulkSource::Plain { address, bytes: self.word(o, 2)? })
    }

    /// `tensormap.cp_fenceproxy`.
    pub(super) fn copy_tensor_map(&mut self, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
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

    /// `tensormap.replace`.
    pub(super) fn replace_in_tensor_map(&mut self, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
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
        let is_long = match operand {
            Operand::Name(name) => self.lookup(name).and_then(|(ty, _)| file_of(ty)) == Some(File::Long),
            _ => false,
        };
        let value = self.data(operand, if is_long { 8 } else { 4 })?;
        let (space, address) = self.address(o.first(), space)?;
        self.emit(Op::TensorMapReplace { field, index, address, space, value });
        Ok(())
    }
}

/// The tensor core's element of a PTX type.
pub(super) fn element(ty: PtxType) -> Option<Element> {
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
