//! The heap of `malloc`: which pieces of it are in use. CUDA C++ Programming Guide, "Dynamic Global Memory Allocation and
//! Operations".
//!
//! The heap is global memory of the module, so that what one launch allocates is there in the next. It is a chain of
//! chunks: eight bytes with the length of the chunk, these included, and a bit that is set while it is in use; eight
//! bytes that tell a chunk from other data, and how many of its bytes nobody asked for; then the bytes that the program gets.
//!
//! Deviation: a GPU takes any access within its heap. Here one outside of every piece in use is a fault, as one outside of
//! a buffer is.

use std::collections::BTreeMap;
use std::sync::Mutex;

use super::memory::{Allocation, GlobalMemory};
use crate::lock::locked;

/// Bytes before those that the program gets, and the alignment of both.
const HEADER: u64 = 16;
/// The second word of a chunk's header, but for its lowest eight bits.
const MARK: u64 = 0x7061_6568_6b6e_7500;
const USED: u64 = 1;

/// Bytes that one call of `malloc` gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeapPiece {
    /// The first address.
    pub address: u64,
    /// Number of bytes that the program asked for.
    pub length: u64,
    /// True once `free` has given them back.
    pub is_free: bool,
}

/// The heap of a module in a launch.
pub(crate) struct Heap<'a> {
    /// The memory of the heap; `None` for a module that has none.
    memory: Option<&'a Allocation>,
    pieces: Mutex<Pieces>,
}

/// Pieces by their first address.
#[derive(Default)]
struct Pieces {
    in_use: BTreeMap<u64, HeapPiece>,
    /// Pieces that were given back in this launch; newer ones in use may overlap them.
    given_back: BTreeMap<u64, HeapPiece>,
}

/// Pieces given back that are looked at, from the one that begins nearest: an older one may reach farther.
const MOST_LOOKED_AT: usize = 16;

impl Pieces {
    /// The last piece in use that begins at an address or before it.
    fn last_before(&self, address: u64) -> Option<HeapPiece> {
        self.in_use.range(..=address).next_back().map(|(_, piece)| *piece)
    }

    /// A piece that was given back and had the address.
    fn given_back(&self, address: u64) -> Option<HeapPiece> {
        let before = self.given_back.range(..=address).rev().take(MOST_LOOKED_AT).map(|(_, piece)| *piece);
        before.into_iter().find(|piece| address - piece.address < piece.length)
    }
}

impl<'a> Heap<'a> {
    /// The heap at an address, with the pieces that earlier launches have left there.
    pub fn new(memory: &'a GlobalMemory, address: Option<u64>) -> Self {
        let memory = address.and_then(|address| memory.find(address, 1));
        let mut pieces = Pieces::default();
        if let Some(heap) = memory {
            let mut at = 0;
            while at + HEADER <= heap.length {
                let (length, is_used) = chunk(heap, at);
                if is_used {
                    let address = heap.address + at + HEADER;
                    let length = length.saturating_sub(HEADER + (heap.load64(at + 8) & !mark_bits()));
                    pieces.in_use.insert(address, HeapPiece { address, length, is_free: false });
                }
                at += length.max(HEADER);
            }
        }
        Self { memory, pieces: Mutex::new(pieces) }
    }

    /// True if the address lies in the heap.
    #[inline]
    pub fn holds(&self, address: u64) -> bool {
        self.memory.is_some_and(|heap| heap.contains(address, 1))
    }

    /// Nothing where all bytes lie in a piece in use; otherwise a piece that had the first of them and was given back, or the
    /// last one that begins before them.
    pub fn check(&self, address: u64, size: u64) -> Result<(), Option<HeapPiece>> {
        let pieces = locked(&self.pieces);
        let last = pieces.last_before(address);
        let is_within = |piece: HeapPiece| address - piece.address + size <= piece.length;
        if last.is_some_and(is_within) { Ok(()) } else { Err(pieces.given_back(address).or(last)) }
    }

    /// The address of a new piece: the first place where so many bytes fit; `None` if there is none.
    pub fn allocate(&self, bytes: u64) -> Option<u64> {
        let heap = self.memory.filter(|_| bytes > 0)?;
        let mut pieces = locked(&self.pieces);
        let address = heap.address + take_chunk(heap, bytes)?;
        pieces.in_use.insert(address, HeapPiece { address, length: bytes, is_free: false });
        Some(address)
    }

    /// Gives a piece back; where none in use begins at the address, the piece that is meant as [`Self::check`] has it.
    pub fn free(&self, address: u64) -> Result<(), Option<HeapPiece>> {
        let mut pieces = locked(&self.pieces);
        match (self.memory, pieces.in_use.remove(&address)) {
            (Some(heap), Some(piece)) => {
                let at = address - heap.address - HEADER;
                let (length, _) = chunk(heap, at);
                set_chunk(heap, at, (length, 0), false);
                pieces.given_back.insert(address, HeapPiece { is_free: true, ..piece });
                Ok(())
            }
            _ => {
                let in_use = pieces.last_before(address);
                let is_within = |piece: &HeapPiece| address - piece.address < piece.length;
                Err(in_use.filter(is_within).or(pieces.given_back(address)).or(in_use))
            }
        }
    }
}

/// The bits of a header's second word that do not change.
const fn mark_bits() -> u64 {
    !0xff
}

/// The length of a chunk, and true if it is in use. A heap of zeros is one free chunk.
fn chunk(heap: &Allocation, at: u64) -> (u64, bool) {
    match heap.load64(at) {
        0 => (heap.length - at, false),
        word => ((word & !USED).min(heap.length - at), word & USED != 0),
    }
}

/// Writes a chunk's header: its length, and the bytes of it that nobody asked for.
fn set_chunk(heap: &Allocation, at: u64, (length, unasked): (u64, u64), is_used: bool) {
    heap.store64(at, length | u64::from(is_used));
    heap.store64(at + 8, MARK | unasked);
}

/// Takes a chunk for so many bytes: their offset in the heap.
fn take_chunk(heap: &Allocation, bytes: u64) -> Option<u64> {
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
                set_chunk(heap, at + wanted, (rest, 0), false);
                length = wanted;
            }
            set_chunk(heap, at, (length, length - HEADER - bytes), true);
            return Some(at + HEADER);
        }
        if !is_used {
            set_chunk(heap, at, (length, 0), false);
        }
        at += length.max(HEADER);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heap_of(memory: &mut GlobalMemory, bytes: u64) -> u64 {
        memory.allocate("heap", bytes).expect("memory")
    }

    #[test]
    fn pieces_have_the_bytes_that_were_asked_for() {
        let mut memory = GlobalMemory::default();
        let address = heap_of(&mut memory, 1 << 12);
        let heap = Heap::new(&memory, Some(address));
        let piece = heap.allocate(10).expect("room");
        assert_eq!(heap.check(piece + 8, 2), Ok(()));
        let whole = HeapPiece { address: piece, length: 10, is_free: false };
        assert_eq!(heap.check(piece + 8, 4), Err(Some(whole)));
        assert_eq!(heap.check(address, 8), Err(None), "the header of the first piece");
        assert_eq!(heap.free(piece + 8), Err(Some(whole)));
        assert_eq!(heap.free(piece), Ok(()));
        let freed = HeapPiece { is_free: true, ..whole };
        assert_eq!((heap.free(piece), heap.check(piece, 1)), (Err(Some(freed)), Err(Some(freed))));
    }

    #[test]
    fn the_next_launch_finds_the_pieces_of_the_last_one() {
        let mut memory = GlobalMemory::default();
        let address = heap_of(&mut memory, 1 << 12);
        let (kept, given_back) = {
            let heap = Heap::new(&memory, Some(address));
            let given_back = heap.allocate(100).expect("room");
            let kept = heap.allocate(33).expect("room");
            heap.free(given_back).expect("a piece");
            (kept, given_back)
        };
        let heap = Heap::new(&memory, Some(address));
        assert_eq!((heap.check(kept + 32, 1), heap.check(given_back, 1)), (Ok(()), Err(None)));
        assert_eq!(heap.check(kept + 33, 1), Err(Some(HeapPiece { address: kept, length: 33, is_free: false })));
        assert_eq!(heap.free(given_back), Err(None), "given back in another launch");
        assert_eq!(heap.allocate(80), Some(given_back), "the first place that is large enough");
        assert_eq!(heap.allocate(1 << 12), None);
    }

    #[test]
    fn bytes_that_were_given_back_are_told_from_a_newer_piece_before_them() {
        let mut memory = GlobalMemory::default();
        let address = heap_of(&mut memory, 1 << 12);
        let heap = Heap::new(&memory, Some(address));
        let old = heap.allocate(400).expect("room");
        heap.free(old).expect("a piece");
        let new = heap.allocate(64).expect("room");
        assert_eq!((old, heap.check(new + 63, 1)), (new, Ok(())));
        assert_eq!(heap.check(old + 200, 4), Err(Some(HeapPiece { address: old, length: 400, is_free: true })));
        assert_eq!(heap.free(new + 8), Err(Some(HeapPiece { address: new, length: 64, is_free: false })));
    }

    #[test]
    fn a_module_without_a_heap_has_no_pieces() {
        let memory = GlobalMemory::default();
        let heap = Heap::new(&memory, None);
        assert!(!heap.holds(0) && heap.allocate(8).is_none());
        assert_eq!(heap.free(64), Err(None));
    }
}
