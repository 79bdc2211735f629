//! Races in global memory, between blocks and between the warps of a block.

use std::collections::HashMap;

use super::clock::Clock;

/// Bytes that are watched together.
const PAGE: u64 = 4096;
/// Pages that are watched at most: 64 MiB of global memory, with 40 times as much for the records.
const MOST_PAGES: usize = 1 << 14;

/// The last access of a byte.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Last {
    /// Number of the block, from 1; 0 for nobody.
    block: u32,
    pub warp: u16,
    atomic: bool,
    pub event: u32,
    pub pc: u32,
}

impl Last {
    /// True if it was a warp of this block.
    pub fn is_of(&self, block: u64) -> bool {
        self.block == block as u32 + 1
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Cell {
    write: Last,
    read: Last,
    /// The warps that have read it by the instruction of `read`, as bits.
    readers: u32,
    /// The instruction by which the last writer had read it before, plus one.
    replaced: u32,
}

/// The warp whose access is compared.
pub(super) struct Asker<'a> {
    /// Number of the block.
    pub block: u64,
    /// Number of the warp in its block.
    pub warp: u32,
    /// Number of the access among the events of the warp.
    pub event: u32,
    /// Index of the operation.
    pub pc: u32,
    /// Events of its block that the warp knows of.
    pub knows: &'a Clock,
}

/// An access that is not in order with an earlier one.
pub(super) struct Conflict {
    /// Index of the operation of the earlier access.
    pub pc: u32,
    /// Number of the warp of the earlier access.
    pub warp: u32,
    /// True if both warps are of one block.
    pub same_block: bool,
}

/// The records of a launch.
pub struct GlobalShadow {
    pages: HashMap<u64, Box<[Cell]>>,
    /// True if blocks may order themselves, through atomics: then only the warps of one block are compared.
    blocks_synchronise: bool,
    /// True if memory was left out.
    pub incomplete: bool,
    /// Bytes that a store of tiles has written behind the rows of its tensor: by which instruction, and of which block.
    edges: HashMap<u64, (u32, u64)>,
    /// Reads of bytes that another warp of the block had read by the same instruction, and then wrote. Triton gives a
    /// small tensor to several warps, and lets one of them store: what the others read is not used.
    pub copies: u64,
}

impl GlobalShadow {
    /// Nothing was accessed yet.
    pub fn new(blocks_synchronise: bool) -> Self {
        Self { pages: HashMap::new(), blocks_synchronise, incomplete: false, edges: HashMap::new(), copies: 0 }
    }

    /// The launch's last writes of some bytes, each once.
    pub(super) fn writes(&self, address: u64, size: u64) -> Vec<Last> {
        let mut found = Vec::new();
        for address in address..address.saturating_add(size) {
            let cell = self.pages.get(&(address / PAGE)).and_then(|page| page.get((address % PAGE) as usize));
            if let Some(Cell { write, .. }) = cell
                && write.block != 0
                && !found.contains(write)
            {
                found.push(*write);
            }
        }
        found
    }

    /// Records that the store of tiles at `pc` writes bytes behind a row of its tensor; `changes` is true if they do not hold
    /// the values yet. The instruction that has read them before, or written something that is lost now.
    pub(super) fn write_edge(&mut self, block: u64, address: u64, size: u32, pc: u32, changes: bool) -> Option<u32> {
        let mut used = None;
        for address in address..address + u64::from(size) {
            self.edges.insert(address, (pc, block));
            let cell = self.pages.get(&(address / PAGE)).and_then(|page| page.get((address % PAGE) as usize));
            if let Some(Cell { write, read, .. }) = cell {
                let accesses = [Some(read), Some(write).filter(|_| changes)];
                used = used.or(accesses.into_iter().flatten().find(|last| last.block != 0).map(|last| last.pc));
            }
        }
        used
    }

    /// The store of tiles that has written some of these bytes behind a row. A write of the same block may come after it.
    pub(super) fn edge_by(&self, block: u64, address: u64, size: u32, kind: Kind) -> Option<u32> {
        if self.edges.is_empty() {
            return None;
        }
        let is_write = matches!(kind, Kind::Write { .. });
        let found = (address..address + u64::from(size)).filter_map(|address| self.edges.get(&address));
        let mut others = found.filter(|(_, by)| !is_write || *by != block);
        others.next().map(|(pc, _)| *pc)
    }

    /// Records an access of `size` bytes; the first conflict, if there is one. `same` tells that a write leaves the
    /// value as it is, which races with nothing that was written.
    pub(super) fn access(&mut self, asker: &Asker<'_>, address: u64, size: u32, kind: Kind) -> Option<Conflict> {
        let mut found = None;
        for address in address..address + u64::from(size) {
            if self.pages.len() >= MOST_PAGES && !self.pages.contains_key(&(address / PAGE)) {
                self.incomplete = true;
                return found;
            }
            let page = self
                .pages
                .entry(address / PAGE)
                .or_insert_with(|| vec![Cell::default(); PAGE as usize].into_boxed_slice());
            let Some(cell) = page.get_mut((address % PAGE) as usize) else { continue };
            let block = asker.block as u32 + 1;
            let in_order = |last: &Last| {
                last.block == 0
                    || if last.block == block {
                        last.event <= asker.knows.get(last.warp.into())
                    } else {
                        self.blocks_synchronise
                    }
            };
            let conflict =
                |last: &Last| Conflict { pc: last.pc, warp: last.warp.into(), same_block: last.block == block };
            let now =
                Last { block, warp: asker.warp as u16, atomic: kind == Kind::Atomic, event: asker.event, pc: asker.pc };
            let Cell { write, read, readers, replaced } = *cell;
            let bit = 1u32.checked_shl(asker.warp).unwrap_or(0);
            match kind {
                Kind::Read => {
                    if !in_order(&write) {
                        if write.block == block && replaced == asker.pc + 1 {
                            self.copies += 1;
                        } else {
                            found = found.or(Some(conflict(&write)));
                        }
                    }
                    // An earlier reader of another block stays: it conflicts with more.
                    if read.block == 0 || read.block == block {
                        let together = read.block == block && read.pc == asker.pc;
                        cell.readers = if together { readers | bit } else { bit };
                        cell.read = now;
                    }
                }
                Kind::Write { same } => {
                    if !same && !in_order(&write) {
                        found = found.or(Some(conflict(&write)));
                    }
                    let own_read = read.block == block && readers & bit != 0;
                    if !same && !in_order(&read) {
                        if own_read {
                            self.copies += 1;
                        } else {
                            found = found.or(Some(conflict(&read)));
                        }
                    }
                    if !same || write.block == 0 {
                        cell.write = now;
                        cell.replaced = if own_read { read.pc + 1 } else { 0 };
                    }
                }
                Kind::StrongRead => {
                    if !write.atomic && !in_order(&write) {
                        found = found.or(Some(conflict(&write)));
                    }
                }
                Kind::Atomic => {
                    if !write.atomic && !in_order(&write) {
                        found = found.or(Some(conflict(&write)));
                    }
                    cell.write = now;
                }
            }
        }
        found
    }
}

/// What an access does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Read,
    /// `same`: the bytes were there already.
    Write {
        same: bool,
    },
    Atomic,
    /// A read that races with no atomic, and with no write that is as strong.
    StrongRead,
}
