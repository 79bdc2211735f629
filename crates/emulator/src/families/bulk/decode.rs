//! `cp.async.bulk`, `cp.reduce.async.bulk`, with `.tensor` too: what they copy, and to where.

use crate::decode::Decoder;
use crate::decode::modifiers::Modifiers;
use crate::families::atomic::reduction;
use crate::program::{AtomicOp, AtomicType, BulkReduction, BulkSource, MemorySpace, Op};
use warpbook_diagnostic::Result;
use warpbook_ptx::isa::{Mnemonic, Modifier};
use warpbook_ptx::{Address, Operand, PtxType};

impl Decoder<'_> {
    /// `cp.async.bulk.prefetch`, with `.tensor` too: caches are not modelled.
    pub(crate) fn bulk_prefetch(&mut self, m: &mut Modifiers<'_>) {
        m.take_all(&[Modifier::L2, Modifier::Global, Modifier::Tile, Modifier::TileGather4]);
        m.take_map(Modifier::dimensions);
        self.emit(Op::Nothing);
    }

    /// `cp.async.bulk`, `cp.reduce.async.bulk`, with `.tensor` too.
    pub(crate) fn bulk_copy(&mut self, mnemonic: Mnemonic, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
        use Mnemonic as M;
        let reduces = matches!(mnemonic, M::CpReduceAsyncBulk | M::CpReduceAsyncBulkTensor);
        let tensor = matches!(mnemonic, M::CpAsyncBulkTensor | M::CpReduceAsyncBulkTensor);
        let im2col = [Modifier::Im2col, Modifier::Im2colNoOffs, Modifier::Im2colW, Modifier::Im2colW128];
        if m.take_any(&im2col).is_some() {
            return Err(self.unsupported("`im2col` copies"));
        }
        m.take(Modifier::Tile);
        let rows = [Modifier::TileGather4, Modifier::TileScatter4];
        let rows = if reduces { None } else { m.take_any(&rows) };
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
        if rows.is_some_and(|rows| (rows == Modifier::TileGather4) != loads) {
            return Err(self.malformed("loads have `.tile::gather4`, stores `.tile::scatter4`"));
        }
        // A load names the destination first, a store the global side.
        let (shared, global) = if loads { (o.first(), o.get(1)) } else { (o.get(1), o.first()) };
        let side = if tensor {
            self.tensor_side(global, rank, rows.is_some())?
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

    fn tensor_side(&mut self, operand: Option<&Operand>, rank: Option<usize>, rows: bool) -> Result<BulkSource> {
        let Some(Operand::Address(Address { base, offset, coordinates })) = operand else {
            return Err(self.malformed("expected a tensor map with coordinates in brackets"));
        };
        if rows {
            if rank != Some(2) || coordinates.len() != 5 {
                return Err(
                    self.malformed("four rows of a matrix (`.2d`) have five coordinates: a column and the rows")
                );
            }
        } else if Some(coordinates.len()) != rank {
            return Err(self.malformed("there have to be as many coordinates as dimensions"));
        }
        let map = Operand::Address(Address { base: base.clone(), offset: *offset, coordinates: Vec::new() });
        let (space, map) = self.address(Some(&map), MemorySpace::Generic)?;
        if space != MemorySpace::Generic {
            return Err(self.unsupported("a tensor map that is not named by its generic address"));
        }
        let coordinates = coordinates.iter().map(|operand| self.word_of(operand)).collect::<Result<_>>()?;
        Ok(BulkSource::Tensor { map, coordinates, rows })
    }

    fn plain_side(&mut self, operand: Option<&Operand>, o: &[Operand]) -> Result<BulkSource> {
        let (_, address) = self.address(operand, MemorySpace::Global)?;
        Ok(BulkSource::Plain { address, bytes: self.word(o, 2)? })
    }

    /// Decodes the instruction `cp.async.bulk.wait_group`.
    pub(crate) fn bulk_wait(&mut self, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
        // `.read` lets the global writes be late, which nobody here could see.
        m.take(Modifier::Read);
        let pending = self.constant_u32(o, 0)?;
        self.emit(Op::BulkWait { pending });
        Ok(())
    }
}
