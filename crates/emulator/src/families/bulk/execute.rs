//! Bulk copies between global and shared memory, of bytes or of a box of a tensor (TMA). PTX ISA 9.7.9.25.
//!
//! They are late: a load lands when every warp of the block waits, a store when its group is waited for or the block
//! ends. So a kernel that does not wait sees what was there before.
//!
//! A store of tiles writes whole pieces of 16 bytes, as an H200 does: where the innermost extent of the tensor is no multiple
//! of 16 bytes, what the box holds behind it is written too, up to the next multiple (compared with an H200 for rows of 119
//! f16, i16 and bytes, with and without swizzle; triton-lang/triton issue 11583). After a load of tiles that are zeros. A
//! reduction leaves these bytes as they are: that is modelled, not verified.

// Dimensions are indices into several arrays at once.
#![allow(clippy::needless_range_loop)]

use crate::descriptor::tensor_map::{Interleave, TENSOR_MAP_BYTES, TensorMap, TensorMapSwizzle, TensorMapType};
use crate::families::step::{LaneFailure, Step, at_lane};
use crate::fault::{Cause, Fault, Unsupported};
use crate::instrument::{Instrument, Operation};
use crate::program::{AddressOperand, AtomicOp, AtomicType, BulkReduction, BulkSource, MemorySpace, Slot};
use crate::state::access::{Access, Area, Issuer, Place};
use crate::state::address::{resolve_generic, split};
use crate::state::block::BlockState;
use crate::state::block_memory::BlockMemory;
use crate::state::cluster::Cluster;
use crate::state::environment::Environment;
use crate::state::pending::{PendingLoad, PendingStore};
use crate::state::transfer::{GlobalSide, Row};
use crate::state::warp::lanes_of;
use warpbook_gpu::{swizzled, u64_from_le};

impl<I: Instrument> BlockState<I> {
    /// The oldest load lands; `None` if there is none. `done` tells that the block itself has ended.
    pub(crate) fn land_one(
        &mut self,
        environment: &Environment<'_>,
        cluster: &mut Cluster<I>,
        done: bool,
    ) -> Option<(PendingLoad, Result<(), Cause>)> {
        let load = self.memory.loads.pop_front()?;
        let outcome = self.land_in_blocks(environment, cluster, done, &load);
        Some((load, outcome))
    }

    fn land_in_blocks(
        &mut self,
        environment: &Environment<'_>,
        cluster: &mut Cluster<I>,
        done: bool,
        load: &PendingLoad,
    ) -> Result<(), Cause> {
        let bytes = match load.side {
            GlobalSide::Shared { address, bytes } => {
                let mut copy = vec![0; bytes as usize];
                self.memory.get_row(address, 0, 16, &mut copy)?;
                Some(copy)
            }
            _ => None,
        };
        let own = self.memory.rank;
        for rank in lanes_of(load.ranks.unwrap_or(1 << own)) {
            let rank = rank as u32;
            let signalled = load.signalled.map_or(rank, |bit| rank & !1 | bit);
            // Nobody can see what comes after the end.
            let is_unseen = |rank| done && rank == own;
            if is_unseen(rank) && is_unseen(signalled) {
                continue;
            }
            let landed = self.member(cluster, rank)?.land(environment, load, bytes.as_deref())?;
            // Where the mbarrier is another block's, that orders the copy in its own way.
            let mbarrier = (rank == signalled).then_some(load.mbarrier);
            let area = Area::shared(load.shared as usize, load.side.shared_bytes() as u32);
            let issuer = Issuer { warp: load.thread / 32, lane: load.thread % 32, pc: load.pc };
            let operation = Operation::Incoming { area, mbarrier, from_peer: rank != own };
            self.member(cluster, rank)?.instrument.landed(issuer, &operation);
            if !is_unseen(signalled) {
                self.member(cluster, signalled)?.complete_bytes(load.mbarrier, landed)?;
            }
        }
        Ok(())
    }

    /// Writes what a load brings; how many bytes that are.
    fn land(
        &mut self,
        environment: &Environment<'_>,
        load: &PendingLoad,
        from_block: Option<&[u8]>,
    ) -> Result<u64, Cause> {
        Ok(match &load.side {
            GlobalSide::Shared { bytes, .. } => {
                let values = from_block.unwrap_or_default();
                match load.reduce {
                    Some(BulkReduction { op, ty: Some(ty) }) => {
                        self.memory.reduce_shared(op, ty, load.shared, values)?
                    }
                    _ => self.memory.put_row(load.shared, 0, 16, values)?,
                }
                u64::from(*bytes)
            }
            GlobalSide::Plain { address, bytes } => {
                let mut copy = vec![0; *bytes as usize];
                self.memory.read_global(environment, *address, &mut copy)?;
                self.note_global_read(load, Area::global(*address, *bytes));
                self.memory.put_row(load.shared, 0, 16, &copy)?;
                u64::from(*bytes)
            }
            GlobalSide::Tensor { map, first } => {
                let mut row_bytes = vec![0; map.global_row_bytes()];
                map.rows(first, |row| {
                    map.filler(&mut row_bytes);
                    if row.inside > 0
                        && let Some(inside) = row_bytes.get_mut(row.skipped..row.skipped + row.inside)
                    {
                        self.memory.read_global(environment, row.address, inside)?;
                        self.note_global_read(load, Area::global(row.address, row.inside as u32));
                    }
                    if map.element.is_padded() {
                        let padded = map.padded(&row_bytes);
                        return self.memory.put_row(load.shared, row.offset, map.pattern(), &padded);
                    }
                    self.memory.put_row(load.shared, row.offset, map.pattern(), &row_bytes)
                })?;
                map.transaction_bytes()
            }
        })
    }

    fn store(&mut self, environment: &Environment<'_>, store: &PendingStore) -> Result<(), Cause> {
        match &store.side {
            // Decoding makes none.
            GlobalSide::Shared { .. } => Ok(()),
            GlobalSide::Plain { address, bytes } => {
                let mut copy = vec![0; *bytes as usize];
                self.memory.get_row(store.shared, 0, 16, &mut copy)?;
                match store.reduce {
                    Some(BulkReduction { op, ty: Some(ty) }) => {
                        self.memory.reduce_global(environment, op, ty, *address, &copy)
                    }
                    _ => self.write_global(environment, *address, &copy),
                }
            }
            GlobalSide::Tensor { map, first } => {
                let mut row_bytes = vec![0; map.row_bytes()];
                map.rows(first, |row| {
                    self.memory.get_row(store.shared, row.offset, map.pattern(), &mut row_bytes)?;
                    self.note_row_stored(store, map, row);
                    let packed = if map.element.is_padded() { map.without_padding(&row_bytes) } else { Vec::new() };
                    let bytes = if map.element.is_padded() { &packed } else { &row_bytes };
                    let Some(inside) = bytes.get(row.skipped..row.skipped + row.inside) else { return Ok(()) };
                    match store.reduce {
                        None if inside.is_empty() => Ok(()),
                        None => {
                            self.write_global(environment, row.address, inside)?;
                            let behind = row.skipped + row.inside;
                            self.write_edge(environment, store, row, &bytes[behind..behind + row.edge]);
                            Ok(())
                        }
                        Some(BulkReduction { op, .. }) => {
                            let ty = reduced_type(op, map.element)?;
                            self.memory.reduce_global(environment, op, ty, row.address, inside)
                        }
                    }
                })
            }
        }
    }

    /// Writes what the box holds behind a row of the tensor, as far as there is memory.
    fn write_edge(&mut self, environment: &Environment<'_>, store: &PendingStore, row: &Row, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let edge = Area::global(row.address + row.inside as u64, bytes.len() as u32);
        let issuer = Issuer { warp: store.warp, lane: store.lane, pc: store.pc };
        let mut there = vec![0; bytes.len()];
        let same = environment.memory.read(edge.address, &mut there) && there == bytes;
        self.instrument.operation_writes_edge(issuer, Area::global(row.address, row.inside as u32), edge, same);
        for (address, &byte) in (edge.address..).zip(bytes) {
            // Behind an allocation a GPU has bytes that belong to nobody, or to somebody else; here is nothing.
            let _ = environment.memory.write(address, &[byte]);
        }
        self.instrument.operation_wrote(edge);
    }

    fn write_global(&mut self, environment: &Environment<'_>, address: u64, bytes: &[u8]) -> Result<(), Cause> {
        self.memory.spin.changed();
        environment.check_heap(access("bulk write", bytes.len()), address)?;
        if environment.memory.write(address, bytes) {
            self.instrument.operation_wrote(Area::global(address, bytes.len() as u32));
            return Ok(());
        }
        Err(crate::state::access::out_of_bounds(environment, access("bulk write", bytes.len()), address).into())
    }

    /// Reports that a load takes bytes of global memory.
    fn note_global_read(&mut self, load: &PendingLoad, area: Area) {
        let issuer = Issuer { warp: load.thread / 32, lane: load.thread % 32, pc: load.pc };
        self.instrument.operation_reads(issuer, 0, area);
    }

    /// Reports that a row is stored, element by element: the swizzle puts each somewhere else.
    fn note_row_stored(&mut self, store: &PendingStore, map: &TensorMap, row: &Row) {
        if !self.instrument.wants_accesses() {
            return;
        }
        let issuer = Issuer { warp: store.warp, lane: store.lane, pc: store.pc };
        let first = store.shared + row.offset;
        for at in (0..row.inside as u64).step_by(2) {
            let own = first + map.place_in_row(row.skipped as u64 + at);
            let from = Area::shared(swizzled(own, map.pattern()) as usize, 2);
            self.instrument.operation_stores(issuer, from, Area::global(row.address + at, 2));
        }
    }
}

impl BlockMemory {
    /// Combines what a block sends with what is there.
    fn reduce_shared(&mut self, op: AtomicOp, ty: AtomicType, shared: u64, values: &[u8]) -> Result<(), Cause> {
        let size = ty.size() as usize;
        let mut there = vec![0; values.len()];
        self.get_row(shared, 0, 16, &mut there)?;
        for (old, value) in there.chunks_exact_mut(size).zip(values.chunks_exact(size)) {
            let new = ty.apply(op, u64_from_le(old), u64_from_le(value), 0);
            old.copy_from_slice(&new.to_le_bytes()[..size]);
        }
        self.put_row(shared, 0, 16, &there)
    }

    fn read_global(&self, environment: &Environment<'_>, address: u64, bytes: &mut [u8]) -> Result<(), Cause> {
        environment.check_heap(access("bulk read", bytes.len()), address)?;
        if environment.memory.read(address, bytes) {
            return Ok(());
        }
        Err(crate::state::access::out_of_bounds(environment, access("bulk read", bytes.len()), address).into())
    }

    /// Writes bytes in pieces of 16, each where the swizzle has it.
    fn put_row(&mut self, base: u64, offset: u64, pattern: u64, bytes: &[u8]) -> Result<(), Cause> {
        for (piece, at) in bytes.chunks(16).zip((base + offset..).step_by(16)) {
            let at = swizzled(at, pattern);
            let end = at + piece.len() as u64;
            let target = self.shared.get_mut(at as usize..end as usize);
            let target = target.ok_or_else(|| outside_shared("bulk write", at, piece.len()))?;
            target.copy_from_slice(piece);
            self.shared_touched = self.shared_touched.max(end);
        }
        Ok(())
    }

    fn get_row(&mut self, base: u64, offset: u64, pattern: u64, bytes: &mut [u8]) -> Result<(), Cause> {
        for (piece, at) in bytes.chunks_mut(16).zip((base + offset..).step_by(16)) {
            let at = swizzled(at, pattern);
            let end = at + piece.len() as u64;
            let source = self.shared.get(at as usize..end as usize);
            piece.copy_from_slice(source.ok_or_else(|| outside_shared("bulk read", at, piece.len()))?);
            self.shared_touched = self.shared_touched.max(end);
        }
        Ok(())
    }

    fn reduce_global(
        &mut self,
        environment: &Environment<'_>,
        op: AtomicOp,
        ty: AtomicType,
        address: u64,
        bytes: &[u8],
    ) -> Result<(), Cause> {
        let size = ty.size() as usize;
        for (value, at) in bytes.chunks_exact(size).zip((address..).step_by(size)) {
            let bits = u64_from_le(value);
            let access = Access { space: MemorySpace::Global, name: "bulk reduction", size: size as u32 };
            if !at.is_multiple_of(size as u64) {
                return Err(Fault::Misaligned { address: at, size: size as u32 }.into());
            }
            let (allocation, offset) = self.global(environment, access, at)?;
            let place = Place::Global(allocation, offset);
            self.atomic(environment, &place, 0, ty, |old| ty.apply_in_global(op, old, bits, 0));
        }
        Ok(())
    }
}

/// The type in which elements of a tensor are reduced.
fn reduced_type(op: AtomicOp, element: TensorMapType) -> Result<AtomicType, Cause> {
    let ty = match element {
        TensorMapType::F32 | TensorMapType::F32Ftz => AtomicType::F32,
        TensorMapType::F64 => AtomicType::F64,
        TensorMapType::F16 => AtomicType::F16,
        TensorMapType::Bf16 => AtomicType::Bf16,
        TensorMapType::U32 => AtomicType::U32,
        TensorMapType::I32 => AtomicType::S32,
        TensorMapType::U64 => AtomicType::U64,
        TensorMapType::I64 => AtomicType::S64,
        other => return Err(Unsupported(format!("a bulk reduction of {other:?}")).into()),
    };
    let fits = match op {
        AtomicOp::Add => true,
        AtomicOp::Min | AtomicOp::Max => !matches!(ty, AtomicType::F32 | AtomicType::F64),
        AtomicOp::Increment | AtomicOp::Decrement => ty == AtomicType::U32,
        _ => !matches!(ty, AtomicType::F32 | AtomicType::F64 | AtomicType::F16 | AtomicType::Bf16),
    };
    if fits { Ok(ty) } else { Err(Unsupported(format!("this bulk reduction of {element:?}")).into()) }
}

/// The fault of a piece that ends beyond a block's shared memory.
fn outside_shared(access: &'static str, address: u64, bytes: usize) -> Fault {
    Fault::OutOfBounds { access, space: "shared", address, size: bytes as u32, near: None }
}

fn access(name: &'static str, bytes: usize) -> Access {
    Access { space: MemorySpace::Global, name, size: bytes as u32 }
}

impl<I: Instrument> Step<'_, '_, I> {
    /// What a lane copies, each with its offset in shared memory: one piece, or four rows.
    fn sides(&mut self, source: &BulkSource, lane: usize) -> Result<Vec<(u64, GlobalSide)>, Cause> {
        let BulkSource::Tensor { rows: true, coordinates, .. } = source else {
            return Ok(vec![(0, self.side(source, lane)?)]);
        };
        let GlobalSide::Tensor { map, first } = self.side(source, lane)? else { return Ok(Vec::new()) };
        if map.tile[1] != 1 {
            let message = format!("four rows are copied through a box of {} rows; expected 1", map.tile[1]);
            return Err(Fault::TensorMap(message).into());
        }
        let row_bytes = map.row_bytes() as u64;
        let rows = coordinates.iter().skip(1).map(|&slot| i64::from(self.word(slot)[lane] as i32)).enumerate();
        let side = |row| GlobalSide::Tensor { map: map.clone(), first: [first[0], row, 0, 0, 0] };
        Ok(rows.map(|(number, row)| (number as u64 * row_bytes, side(row))).collect())
    }

    fn side(&mut self, source: &BulkSource, lane: usize) -> Result<GlobalSide, Cause> {
        match source {
            BulkSource::Plain { address, bytes } => {
                let bytes = self.word(*bytes)[lane];
                let address = self.addresses(address)[lane];
                if !bytes.is_multiple_of(16) || !address.is_multiple_of(16) {
                    return Err(Fault::Misaligned { address, size: 16 }.into());
                }
                Ok(GlobalSide::Plain { address, bytes })
            }
            BulkSource::Shared { address, bytes } => {
                let (address, bytes) = (self.addresses(address)[lane], self.word(*bytes)[lane]);
                if !bytes.is_multiple_of(16) || !address.is_multiple_of(16) {
                    return Err(Fault::Misaligned { address, size: 16 }.into());
                }
                Ok(GlobalSide::Shared { address, bytes })
            }
            BulkSource::Tensor { map, coordinates, rows } => {
                let address = self.addresses(map)[lane];
                let map = self.read_map(MemorySpace::Generic, address, lane)?;
                // A tensor map in global memory is read through a proxy of its own.
                if resolve_generic(address).0 == MemorySpace::Global {
                    let area = Area::global(address, TENSOR_MAP_BYTES as u32);
                    self.block.instrument.tensor_map_read(self.issuer(lane), area);
                }
                let rank = if *rows { 2 } else { coordinates.len() };
                if map.rank() != rank {
                    let message = format!("the tensor map has {} dimensions, not {rank}", map.rank());
                    return Err(Fault::TensorMap(message).into());
                }
                if map.interleave != Interleave::None || map.element_strides.iter().any(|&step| step != 1) {
                    return Err(Unsupported("an interleaved or strided tensor map".to_owned()).into());
                }
                if matches!(map.element, TensorMapType::F32Ftz | TensorMapType::Tf32 | TensorMapType::Tf32Ftz) {
                    return Err(Unsupported(format!("a tensor map of {:?}", map.element)).into());
                }
                if let Some(broken) = map.broken().first() {
                    let message = format!("{}: {}; expected {}", broken.field, broken.problem, broken.expected);
                    return Err(Fault::TensorMap(message).into());
                }
                let mut first = [0; 5];
                for (to, slot) in first.iter_mut().zip(coordinates).take(rank) {
                    *to = i64::from(self.word(*slot)[lane] as i32);
                }
                let multiple = if map.element.is_padded() { 128 } else { 2 };
                if map.element.is_packed() && first[0] % multiple != 0 {
                    let message = format!(
                        "a box of packed elements begins at column {}; expected a multiple of {multiple}",
                        first[0]
                    );
                    return Err(Fault::TensorMap(message).into());
                }
                Ok(GlobalSide::Tensor { map: Box::new(map), first })
            }
        }
    }

    pub(in crate::families) fn issue_load(
        &mut self,
        (shared, source, mbarrier): (&AddressOperand, &BulkSource, &AddressOperand),
        multicast: Option<Slot>,
        reduce: Option<BulkReduction>,
        pair: bool,
    ) -> Result<(), LaneFailure> {
        let (targets, mbarriers) = (self.addresses(shared), self.addresses(mbarrier));
        for lane in lanes_of(self.active) {
            let sides = self.sides(source, lane).map_err(at_lane(lane))?;
            if let Some((_, side)) = sides.first() {
                self.check_alignment(side, targets[lane]).map_err(at_lane(lane))?;
            }
            let (shared, to) = split(targets[lane]);
            let (mbarrier, signalled) = split(mbarriers[lane]);
            let own = self.block.memory.rank;
            let elsewhere = to.unwrap_or(own) != signalled.unwrap_or(own);
            let other = signalled.filter(|_| pair && elsewhere).map(|rank| rank & 1);
            // The same place of every block whose bit is set; else the block of the address.
            let ranks = match multicast {
                Some(mask) => Some(self.word(mask)[lane] & 0xffff),
                None if elsewhere && !(pair && to.unwrap_or(own) ^ signalled.unwrap_or(own) == 1) => {
                    let what = "a bulk copy whose mbarrier is not in the block that it goes to";
                    return Err(at_lane(lane)(Unsupported(what.to_owned())));
                }
                None => match to.filter(|&rank| rank != own) {
                    Some(rank) => {
                        self.cluster.state(rank).map_err(at_lane(lane))?;
                        Some(1 << rank)
                    }
                    None => None,
                },
            };
            let thread = self.thread(lane);
            for (offset, side) in sides {
                let shared = shared + offset;
                let area = Area::shared(shared as usize, side.shared_bytes() as u32);
                self.note_load((ranks, other), lane, mbarrier, area).map_err(at_lane(lane))?;
                self.note_bulk(true, 0, &side, shared, lane);
                let (signalled, pc) = (other, self.pc);
                let load = PendingLoad { side, shared, mbarrier, ranks, signalled, reduce, pc, thread };
                self.block.memory.loads.push_back(load);
            }
        }
        Ok(())
    }

    /// The blocks that a load goes to are there, and hear of it.
    fn note_load(
        &mut self,
        (ranks, signalled): (Option<u32>, Option<u32>),
        lane: usize,
        mbarrier: u64,
        area: Area,
    ) -> Result<(), Cause> {
        let own = self.block.memory.rank;
        let issuer = self.issuer(lane);
        for rank in lanes_of(ranks.unwrap_or(1 << own)) {
            let rank = rank as u32;
            // Another block's mbarrier is signalled, which orders this one in its own way.
            let elsewhere = signalled.is_some_and(|bit| rank & 1 != bit);
            let mbarrier = Some(mbarrier).filter(|_| !elsewhere);
            let operation = Operation::Incoming { area, mbarrier, from_peer: rank != own };
            self.block.member(self.cluster, rank)?.instrument.issued(issuer, &operation);
        }
        Ok(())
    }

    /// Reports a copy that is issued.
    fn note_bulk(&mut self, load: bool, number: u64, side: &GlobalSide, shared: u64, lane: usize) {
        let operation = Operation::Bulk { number, load, side, shared, memory: self.environment.memory };
        self.block.instrument.issued(self.issuer(lane), &operation);
    }

    /// "CUDA Driver API", swizzle modes: the pattern repeats every 8 rows, and the box begins where it does.
    fn check_alignment(&self, side: &GlobalSide, shared: u64) -> Result<(), Cause> {
        let alignment = match side {
            GlobalSide::Plain { .. } | GlobalSide::Shared { .. } => 16,
            GlobalSide::Tensor { map, .. } if map.swizzle == TensorMapSwizzle::None => 128,
            // 16 bytes do; but then the pattern is that of the address, which the code has to know.
            GlobalSide::Tensor { .. } => 128,
        };
        if shared.is_multiple_of(alignment) {
            return Ok(());
        }
        Err(Fault::Misaligned { address: shared, size: alignment as u32 }.into())
    }

    pub(in crate::families) fn issue_store(
        &mut self,
        shared: &AddressOperand,
        target: &BulkSource,
        reduce: Option<BulkReduction>,
    ) -> Result<(), LaneFailure> {
        let sources = self.addresses(shared);
        for lane in lanes_of(self.active) {
            let sides = self.sides(target, lane).map_err(at_lane(lane))?;
            if let Some((_, side)) = sides.first() {
                self.check_alignment(side, sources[lane]).map_err(at_lane(lane))?;
            }
            for (offset, side) in sides {
                let shared = sources[lane] + offset;
                let number = self.block.memory.number_operation();
                self.note_bulk(false, number, &side, shared, lane);
                let (lane, pc, warp) = (lane as u32, self.pc, self.warp.index);
                self.warp.stores.push(PendingStore { warp, lane, group: None, side, shared, reduce, pc, number });
            }
        }
        Ok(())
    }

    pub(in crate::families) fn commit_stores(&mut self) {
        for store in &mut self.warp.stores {
            if store.group.is_none() && self.active >> store.lane & 1 != 0 {
                store.group = Some(self.warp.store_groups[store.lane as usize]);
            }
        }
        for lane in lanes_of(self.active) {
            self.warp.store_groups[lane] += 1;
        }
    }

    /// Carries out the stores of the active lanes but those of the `pending` latest groups of each; `None` for all.
    pub(crate) fn wait_for_stores(&mut self, pending: Option<u32>) -> Result<(), LaneFailure> {
        let stores = std::mem::take(&mut self.warp.stores);
        for store in stores {
            let groups = self.warp.store_groups[store.lane as usize];
            let due = match (pending, store.group) {
                (None, _) => true,
                (Some(pending), Some(group)) => self.active >> store.lane & 1 != 0 && group + pending < groups,
                (Some(_), None) => false,
            };
            if due {
                let waited_at = std::mem::replace(&mut self.pc, store.pc);
                let issuer = Issuer { warp: self.warp.index, lane: store.lane, pc: store.pc };
                let area = Area::shared(store.shared as usize, store.side.shared_bytes() as u32);
                self.block.instrument.operation_reads(issuer, store.number, area);
                self.block.store(self.environment, &store).map_err(|cause| (cause, store.lane))?;
                self.block.instrument.landed(issuer, &Operation::Numbered(store.number));
                self.pc = waited_at;
            } else {
                self.warp.stores.push(store);
            }
        }
        Ok(())
    }
}
