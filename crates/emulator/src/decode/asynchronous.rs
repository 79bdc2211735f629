//! What Hopper does while the warp goes on: `wgmma`, `mbarrier`, bulk copies and their tensor maps.
//! PTX ISA 9.7.15 (wgmma), 9.7.13.15 (mbarrier), 9.7.9.25 (bulk copies), 9.7.9.28 (tensormap.replace).

use super::Decoder;
use super::memory_ops::take_reduction;
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
use warpbook_ptx::{Address, Immediate, Operand, PtxType};

impl Decoder<'_> {
    /// `wgmma.mma_async`, `.fence`, `.commit_group`, `.wait_group`.
    pub(super) fn wgmma(&mut self, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
        let what = m.take_any(&["mma_async", "fence", "commit_group", "wait_group"]);
        m.take("sync");
        m.take("aligned");
        match what {
            Some("mma_async") => self.mma_async(m, o),
            Some("fence") => {
                self.emit(Op::WgmmaFence);
                Ok(())
            }
            Some("commit_group") => {
                self.emit(Op::WgmmaCommit);
                Ok(())
            }
            Some("wait_group") => {
                let pending = self.constant_u32(o, 0)?;
                self.emit(Op::WgmmaWait { pending, registers: Box::new([]) });
                Ok(())
            }
            _ => Err(self.malformed("`wgmma` has no operation")),
        }
    }

    fn mma_async(&mut self, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
        if m.has("sp") {
            return Err(self.unsupported("sparse `wgmma`"));
        }
        let shape = m.take_prefixed("m64n").unwrap_or_default().to_owned();
        let saturate = m.take("satfinite");
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
        let extents = shape.strip_prefix("m64n").and_then(|rest| rest.split_once('k'));
        let extents = extents.and_then(|(n, k)| Some((n.parse::<usize>().ok()?, k.parse::<usize>().ok()?)));
        let Some((n, k)) = extents.filter(|(n, k)| n % 8 == 0 && (8..=256).contains(n) && *k == 8 * a.per_register())
        else {
            return Err(refused(self));
        };
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
    pub(super) fn mbarrier(&mut self, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
        let what = m.take_any(&[
            "init",
            "inval",
            "arrive",
            "arrive_drop",
            "expect_tx",
            "complete_tx",
            "try_wait",
            "test_wait",
        ]);
        m.take("b64");
        while m.take_any(&["cta", "cluster", "release", "acquire", "relaxed", "shared::cta", "shared"]).is_some() {}
        let remote = matches!(what, Some("arrive" | "arrive_drop" | "expect_tx" | "complete_tx"));
        let space = if remote && m.take("shared::cluster") { MemorySpace::Cluster } else { MemorySpace::Shared };
        match what {
            Some("init") => {
                let address = self.shared_address(o.first())?;
                let count = self.word(o, 1)?;
                self.emit(Op::MbarrierInit { address, count });
            }
            Some("inval") => {
                let address = self.shared_address(o.first())?;
                self.emit(Op::MbarrierInvalidate { address });
            }
            Some(what @ ("expect_tx" | "complete_tx")) => {
                let address = self.shared_address(o.first())?;
                let mut bytes = self.word(o, 1)?;
                if what == "complete_tx" {
                    let negated = self.fresh(File::Word);
                    self.emit(Op::Unary32(lanes!(Word; |a: Word| a.wrapping_neg()), negated, bytes));
                    bytes = negated;
                }
                let arrival = MbarrierArrival { space, address, arrivals: None, drop: false, bytes: Some(bytes) };
                self.emit(Op::MbarrierArrive { arrival, d: None });
            }
            Some(what @ ("arrive" | "arrive_drop")) => {
                let expects = m.take("expect_tx");
                // To complete the phase all the same is undefined.
                m.take("noComplete");
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
                let drop = what == "arrive_drop";
                let arrival = MbarrierArrival { space, address, arrivals: Some(arrivals), drop, bytes };
                self.emit(Op::MbarrierArrive { arrival, d });
            }
            Some("try_wait" | "test_wait") => {
                let parity = m.take("parity");
                let address = self.shared_address(o.get(1))?;
                let phase = if parity { Data::Word(self.word(o, 2)?) } else { Data::Long(self.long(o, 2)?) };
                let d = self.predicate_out(o, 0)?;
                self.emit(Op::MbarrierWait { d, address, phase });
            }
            Some(other) => return Err(self.unsupported(format!("`mbarrier.{other}`"))),
            None => return Err(self.malformed("`mbarrier` has no operation")),
        }
        Ok(())
    }

    /// `cp.async.bulk.*`, `cp.reduce.async.bulk.*`
    pub(super) fn bulk_copy(&mut self, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
        let reduces = m.take("reduce");
        m.take("async");
        m.take("bulk");
        if m.take("commit_group") {
            self.emit(Op::BulkCommit);
            return Ok(());
        }
        if m.take("wait_group") {
            // `.read` lets the global writes be late, which nobody here could see.
            m.take("read");
            let pending = self.constant_u32(o, 0)?;
            self.emit(Op::BulkWait { pending });
            return Ok(());
        }
        if m.take("prefetch") {
            while m.take_any(&["L2", "tensor", "global", "tile", "1d", "2d", "3d", "4d", "5d"]).is_some() {}
            self.emit(Op::Nothing);
            return Ok(());
        }
        if m.take_prefixed("im2col").is_some() {
            return Err(self.unsupported("`im2col` copies"));
        }
        let tensor = m.take("tensor");
        m.take("tile");
        let rank = m.take_any(&["1d", "2d", "3d", "4d", "5d"]).map(|rank| usize::from(rank.as_bytes()[0] - b'0'));
        while m.take_prefixed("L2::").is_some() {}
        let loads = m.take("mbarrier::complete_tx::bytes");
        m.take("bulk_group");
        let multicasts = m.take("multicast::cluster");
        m.take("shared::cluster");
        m.take("shared::cta");
        // Without a global side, a copy goes from the block to another of its cluster.
        let has_global = m.take("global");
        let pair = m.take("cta_group::2");
        m.take("cta_group::1");
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
        let op = take_reduction(m).ok_or_else(|| self.malformed("`cp.reduce.async.bulk` has no operation"))?;
        if tensor {
            return Ok(BulkReduction { op, ty: None });
        }
        let exact = m.take("noftz");
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

    /// `tensormap.replace`, `tensormap.cp_fenceproxy`
    pub(super) fn tensor_map(&mut self, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
        if m.take("cp_fenceproxy") {
            let known = [
                "global",
                "shared::cta",
                "tensormap::generic",
                "release",
                "cta",
                "cluster",
                "gpu",
                "sys",
                "sync",
                "aligned",
            ];
            while m.take_any(&known).is_some() {}
            let (_, global) = self.address(o.first(), MemorySpace::Global)?;
            let shared = self.shared_address(o.get(1))?;
            self.emit(Op::TensorMapCopy { global, shared });
            return Ok(());
        }
        if !(m.take("replace") && m.take("tile")) {
            return Err(self.unsupported("this form of `tensormap`"));
        }
        let fields = [
            ("global_address", MapField::GlobalAddress),
            ("rank", MapField::Rank),
            ("box_dim", MapField::BoxDim),
            ("global_dim", MapField::GlobalDim),
            ("global_stride", MapField::GlobalStride),
            ("element_stride", MapField::ElementStride),
            ("elemtype", MapField::ElementType),
            ("interleave_layout", MapField::InterleaveLayout),
            ("swizzle_mode", MapField::SwizzleMode),
            ("fill_mode", MapField::FillMode),
        ];
        let Some((_, field)) = fields.into_iter().find(|(name, _)| m.take(name)) else {
            return Err(self.unsupported("this field of `tensormap.replace`"));
        };
        let space = if m.take("shared::cta") || m.take("shared") { MemorySpace::Shared } else { MemorySpace::Global };
        m.take("global");
        m.take("b1024");
        m.take("b32");
        m.take("b64");
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
