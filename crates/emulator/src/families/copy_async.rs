//! `cp.async`: copies from global to shared memory that land when they are waited for, no sooner.

use super::step::{LaneFailure, Step, at_lane};
use crate::decode::Decoder;
use crate::decode::modifiers::Modifiers;
use crate::decode::scope::file_of;
use crate::fault::{Cause, Fault};
use crate::instrument::{Instrument, Operation};
use crate::program::{AddressOperand, File, MemorySpace, Op, Slot, Word};
use crate::state::access::{Access, Area};
use crate::state::address::resolve_generic;
use crate::state::pending::PendingCopies;
use crate::state::warp::{Warp, lanes_of};
use warpbook_diagnostic::Result as Decoded;
use warpbook_ptx::isa::{Mnemonic, Modifier};
use warpbook_ptx::{Immediate, Operand};

/// Executes the instruction `cp.async.commit_group`.
pub(super) fn commit_copies(warp: &mut Warp, active: u32) {
    let first = warp.committed[active.trailing_zeros() as usize & 31];
    let together = lanes_of(active).all(|lane| warp.committed[lane] == first);
    let open = |copies: &PendingCopies| copies.group.is_none() && copies.lanes & active != 0;
    if together && warp.copies.iter().all(|copies| !open(copies) || copies.lanes & !active == 0) {
        for copies in warp.copies.iter_mut().filter(|copies| open(copies)) {
            copies.group = Some(first);
        }
    } else {
        for copies in std::mem::take(&mut warp.copies) {
            if open(&copies) {
                split_by_group(copies, active, &warp.committed, &mut warp.copies);
            } else {
                warp.copies.push(copies);
            }
        }
    }
    for lane in lanes_of(active) {
        warp.committed[lane] += 1;
    }
}

/// The lanes of one copy may commit it in groups of different numbers, or not at all.
fn split_by_group(copies: PendingCopies, active: u32, committed: &Word, to: &mut Vec<PendingCopies>) {
    let mut lanes = copies.lanes & active;
    while lanes != 0 {
        let group = committed[lanes.trailing_zeros() as usize];
        let same = lanes_of(lanes).filter(|&lane| committed[lane] == group).fold(0, |mask, lane| mask | 1 << lane);
        to.push(PendingCopies { lanes: same, group: Some(group), ..copies.clone() });
        lanes &= !same;
    }
    if copies.lanes & !active != 0 {
        to.push(PendingCopies { lanes: copies.lanes & !active, ..copies });
    }
}

impl<I: Instrument> Step<'_, '_, I> {
    /// `cp.async`; its fault, if any, comes with the wait.
    pub(super) fn issue_copies(
        &mut self,
        size: u32,
        [shared, global]: [&AddressOperand; 2],
        source_size: Option<Slot>,
        ignore: Option<Slot>,
    ) {
        let ignored = ignore.map_or(0, |p| self.warp.predicates[p as usize]);
        let mut source_sizes = source_size.map_or([size; 32], |slot| self.word(slot).map(|wanted| wanted.min(size)));
        for lane in lanes_of(ignored) {
            source_sizes[lane] = 0;
        }
        let whole = lanes_of(self.active).all(|lane| source_sizes[lane] == size);
        let copies = PendingCopies {
            lanes: self.active,
            group: None,
            executed: self.warp.executed,
            shared: self.addresses(shared),
            global: self.addresses(global),
            size,
            source_sizes: (!whole).then(|| Box::new(source_sizes)),
            pc: self.pc,
        };
        if self.is_watched() {
            for lane in lanes_of(self.active) {
                let operation = Operation::Copy(Area::shared(copies.shared[lane] as usize, size));
                self.block.instrument.issued(self.issuer(lane), &operation);
            }
        }
        self.warp.copies.push(copies);
    }

    /// Carries out the copies of all but the `pending` latest groups of each lane.
    pub(super) fn wait_for_copies(&mut self, pending: u32) -> Result<(), LaneFailure> {
        let waited_at = self.pc;
        let mut all = std::mem::take(&mut self.warp.copies);
        for copies in &mut all {
            let Some(group) = copies.group else { continue };
            let committed = &self.warp.committed;
            let due = lanes_of(copies.lanes & self.active)
                .filter(|&lane| group + pending < committed[lane])
                .fold(0, |mask, lane| mask | 1 << lane);
            // A copy that was waited for faults where it was issued.
            self.pc = copies.pc;
            self.carry_out(copies, due)?;
            copies.lanes &= !due;
        }
        self.pc = waited_at;
        all.retain(|copies| copies.lanes != 0);
        self.warp.copies = all;
        Ok(())
    }

    pub(super) fn carry_out(&mut self, copies: &PendingCopies, lanes: u32) -> Result<(), LaneFailure> {
        for lane in lanes_of(lanes) {
            let source_size = copies.source_sizes.as_ref().map_or(copies.size, |sizes| sizes[lane]);
            self.carry_out_lane(copies, lane, source_size).map_err(at_lane(lane))?;
        }
        Ok(())
    }

    #[inline(always)]
    fn carry_out_lane(&mut self, copies: &PendingCopies, lane: usize, source_size: u32) -> Result<(), Cause> {
        let size = copies.size;
        let (from, to) = (copies.global[lane], copies.shared[lane]);
        let read = Access { space: MemorySpace::Generic, name: "asynchronous read", size };
        let write = Access { space: MemorySpace::Shared, name: "asynchronous write", size };
        let mut bytes = [0u8; 16];
        if source_size == size && from.is_multiple_of(size.into()) && resolve_generic(from).0 == MemorySpace::Global {
            let (allocation, offset) = self.block.memory.global(self.environment, read, from)?;
            if size == 4 {
                bytes[..4].copy_from_slice(&allocation.load32(offset).to_le_bytes());
            } else {
                for (index, chunk) in bytes[..size as usize].as_chunks_mut().0.iter_mut().enumerate() {
                    *chunk = allocation.load64(offset + 8 * index as u64).to_le_bytes();
                }
            }
        } else if source_size == size {
            let place = self.block.memory.place(self.environment, read, from, self.thread(lane))?;
            for (index, chunk) in bytes[..size as usize].as_chunks_mut().0.iter_mut().enumerate() {
                *chunk = (self.block.memory.read(self.environment, &place, 4 * index, 4) as u32).to_le_bytes();
            }
        } else {
            let read = Access { size: 1, ..read };
            for (index, byte) in bytes.iter_mut().enumerate().take(source_size as usize) {
                let address = from.wrapping_add(index as u64);
                let place = self.block.memory.place(self.environment, read, address, self.thread(lane))?;
                *byte = self.block.memory.read(self.environment, &place, 0, 1) as u8;
            }
        }
        if !to.is_multiple_of(size.into()) {
            return Err(Fault::Misaligned { address: to, size }.into());
        }
        let at = self.block.memory.shared(write, to)?;
        if self.is_watched() {
            self.block.instrument.landed(self.issuer(lane), &Operation::Copy(Area::shared(at, size)));
        }
        let size = size as usize;
        self.block.memory.shared[at..at + size].copy_from_slice(&bytes[..size]);
        Ok(())
    }
}

impl Decoder<'_> {
    /// Decodes the instruction `cp.async`.
    pub(crate) fn copy_async(&mut self, m: &mut Modifiers<'_>, o: &[Operand]) -> Decoded<()> {
        m.take_all(&[Modifier::Ca, Modifier::Cg, Modifier::Shared, Modifier::SharedCta, Modifier::Global]);
        m.take_cache_level_hints();
        let (_, shared) = self.address(o.first(), MemorySpace::Shared)?;
        let (_, global) = self.address(o.get(1), MemorySpace::Global)?;
        let size = self.constant_u32(o, 2)?;
        if !matches!(size, 4 | 8 | 16) {
            return Err(self.malformed("`cp.async` copies 4, 8 or 16 bytes"));
        }
        let (mut source_size, mut ignore) = (None, None);
        match o.get(3) {
            None => {}
            Some(Operand::Immediate(Immediate::Integer(_))) => source_size = Some(self.word(o, 3)?),
            Some(Operand::Name(name)) => match self.lookup(name).map(|(ty, _)| file_of(ty)) {
                Some(Some(File::Predicate)) => ignore = Some(self.predicate(o, 3)?),
                _ => source_size = Some(self.word(o, 3)?),
            },
            Some(Operand::Not(_)) => ignore = Some(self.predicate(o, 3)?),
            Some(_) => return Err(self.malformed("operand 4 is the number of bytes to copy")),
        }
        self.emit(Op::CopyAsync { size, shared, global, source_size, ignore });
        Ok(())
    }

    /// Decodes the instructions `cp.async.wait_group` and `cp.async.wait_all`.
    pub(crate) fn copy_async_wait(&mut self, mnemonic: Mnemonic, o: &[Operand]) -> Decoded<()> {
        if mnemonic == Mnemonic::CpAsyncWaitAll {
            self.emit(Op::CopyCommit);
            self.emit(Op::CopyWait { pending: 0 });
            return Ok(());
        }
        let pending = self.constant_u32(o, 0)?;
        self.emit(Op::CopyWait { pending });
        Ok(())
    }
}
