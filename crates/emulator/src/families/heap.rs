//! `malloc` and `free` of device code. CUDA C++ Programming Guide, "Dynamic Global Memory Allocation and Operations".
//!
//! The heap is global memory of the module, so that what one launch allocates is there in the next. It is a chain of
//! chunks: eight bytes with the length of the chunk, these included, and a bit that is set while it is in use; eight
//! bytes that tell a chunk from other data; then the bytes that the program gets.

use std::sync::PoisonError;

use super::step::{LaneFailure, Step, at_lane};
use crate::fault::Fault;
use crate::instrument::Instrument;
use crate::program::Slot;
use crate::state::memory::Allocation;
use crate::state::warp::lanes_of;

/// Bytes before those that the program gets, and the alignment of both.
const HEADER: u64 = 16;
/// The second word of a chunk's header.
const MARK: u64 = 0x7061_6568_6b6e_7563;
const USED: u64 = 1;

/// The length of a chunk, and true if it is in use. A heap of zeros is one free chunk.
fn chunk(heap: &Allocation, at: u64) -> (u64, bool) {
    match heap.load64(at) {
        0 => (heap.length - at, false),
        word => ((word & !USED).min(heap.length - at), word & USED != 0),
    }
}

fn set_chunk(heap: &Allocation, at: u64, length: u64, is_used: bool) {
    heap.store64(at, length | u64::from(is_used));
    heap.store64(at + 8, MARK);
}

/// The offset of a new chunk's bytes: the first place where so many fit; `None` if there is none.
fn allocate(heap: &Allocation, bytes: u64) -> Option<u64> {
    let wanted = bytes.checked_next_multiple_of(HEADER)?.checked_add(HEADER)?;
    let mut at = 0;
    while at + HEADER <= heap.length {
        let (mut length, is_used) = chunk(heap, at);
        // Free chunks that lie behind one another become one.
        while !is_used && at + length + HEADER <= heap.length {
            let (next, next_is_used) = chunk(heap, at + length);
            if next_is_used {
                break;
            }
            length += next;
        }
        if !is_used && length >= wanted {
            let rest = length - wanted;
            if rest > HEADER {
                set_chunk(heap, at + wanted, rest, false);
                length = wanted;
            }
            set_chunk(heap, at, length, true);
            return Some(at + HEADER);
        }
        if !is_used {
            set_chunk(heap, at, length, false);
        }
        at += length.max(HEADER);
    }
    None
}

impl<I: Instrument> Step<'_, '_, I> {
    /// `malloc`: bytes and result are eight bytes of local memory each; the result is zero if the heap is full.
    pub(super) fn allocate_in_heap(&mut self, heap: Slot, size: u32, d: Option<u32>) -> Result<(), LaneFailure> {
        for lane in lanes_of(self.active) {
            let (begin, bytes) = (self.long(heap)[lane], self.local(lane, size, 8));
            let _held = self.environment.heap.lock().unwrap_or_else(PoisonError::into_inner);
            let found = self.environment.memory.find(begin, 1).filter(|_| bytes > 0);
            let address = found.and_then(|heap| allocate(heap, bytes)).map_or(0, |offset| begin + offset);
            if let Some(d) = d {
                self.set_local(lane, d, &address.to_le_bytes());
            }
        }
        Ok(())
    }

    /// `free` of an address in eight bytes of local memory; zero is no memory and nothing happens.
    pub(super) fn free_in_heap(&mut self, heap: Slot, address: u32) -> Result<(), LaneFailure> {
        for lane in lanes_of(self.active) {
            let (begin, address) = (self.long(heap)[lane], self.local(lane, address, 8));
            if address == 0 {
                continue;
            }
            let _held = self.environment.heap.lock().unwrap_or_else(PoisonError::into_inner);
            let fault = || at_lane(lane)(Fault::Free { address });
            let heap = self.environment.memory.find(begin, 1).ok_or_else(fault)?;
            let at = address.wrapping_sub(begin).wrapping_sub(HEADER);
            let is_chunk = at < heap.length && at.is_multiple_of(HEADER) && heap.load64(at + 8) == MARK;
            match is_chunk.then(|| chunk(heap, at)) {
                Some((length, true)) => set_chunk(heap, at, length, false),
                _ => return Err(fault()),
            }
        }
        Ok(())
    }
}
