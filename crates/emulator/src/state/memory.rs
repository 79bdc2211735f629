//! Device memory: allocations that every block of a launch reads and writes at once, and memory of the host that stands in
//! for device memory where it lies.

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering::Relaxed};

use warpbook_gpu::u64_from_le;

/// Device addresses begin here; the generic windows of shared and local memory lie far above.
const FIRST_ADDRESS: u64 = 0x7f00_0000_0000;
/// Where own allocations begin beside borrowed memory: above the heap of a program that is linked at a fixed address, below
/// position-independent programs, their heaps and mappings (x86-64 and AArch64 Linux with addresses of 47 bits and more).
const FIRST_BESIDE_HOST: u64 = 0x1000_0000_0000;
/// Addresses between two allocations that belong to no buffer, so that running over an end is seen.
const GUARD: u64 = 1 << 20;
/// Alignment of every allocation, as `cuMemAlloc` gives it.
pub const ALIGNMENT: u64 = 256;

/// One allocation: its device address range and its bytes.
pub struct Allocation {
    /// First device address.
    pub address: u64,
    /// Number of bytes.
    pub length: u64,
    /// The name of the allocation in reports.
    pub label: String,
    data: NonNull<u8>,
    /// How the bytes were allocated; `None` where they are borrowed.
    layout: Option<Layout>,
}

// SAFETY: the bytes are only touched through atomics (during a launch) or through `&mut GlobalMemory`'s owner; an
// allocation is freed when it is dropped, which needs ownership, and who lends memory keeps it alive (`borrow`).
unsafe impl Send for Allocation {}
// SAFETY: as above.
unsafe impl Sync for Allocation {}

impl Drop for Allocation {
    fn drop(&mut self) {
        if let Some(layout) = self.layout {
            // SAFETY: allocated with this layout in `GlobalMemory::insert`.
            unsafe { dealloc(self.data.as_ptr(), layout) }
        }
    }
}

macro_rules! accessors {
    ($($load:ident $store:ident $atomic:ident $cell:ty, $value:ty;)*) => {
        $(
        /// Reads the value at a byte offset; the caller has checked bounds and alignment, which are checked again.
        #[inline(always)]
        pub fn $load(&self, offset: u64) -> $value {
            self.$atomic(offset).load(Relaxed)
        }

        /// Writes the value at a byte offset.
        #[inline(always)]
        pub fn $store(&self, offset: u64, value: $value) {
            self.$atomic(offset).store(value, Relaxed);
        }

        /// The atomic cell at a byte offset.
        #[inline(always)]
        pub fn $atomic(&self, offset: u64) -> &$cell {
            let size = size_of::<$value>() as u64;
            // No sum of the two, which wraps where the offset is huge.
            assert!(size <= self.length && offset <= self.length - size);
            assert!(self.address.wrapping_add(offset).is_multiple_of(size));
            // SAFETY: in bounds and aligned (asserted; the bytes lie at the device address, or both addresses are multiples
            // of 64); every access while launches run goes through an atomic.
            unsafe { <$cell>::from_ptr(self.data.as_ptr().add(offset as usize).cast()) }
        }
        )*
    };
}

impl Allocation {
    accessors! {
        load8 store8 cell8 AtomicU8, u8;
        load16 store16 cell16 AtomicU16, u16;
        load32 store32 cell32 AtomicU32, u32;
        load64 store64 cell64 AtomicU64, u64;
    }

    /// True if `size` bytes at `address` lie inside.
    #[inline(always)]
    pub fn contains(&self, address: u64, size: u64) -> bool {
        let offset = address.wrapping_sub(self.address);
        offset < self.length && size <= self.length - offset
    }

    fn copy_out(&self, offset: u64, bytes: &mut [u8]) {
        for (index, byte) in bytes.iter_mut().enumerate() {
            *byte = self.load8(offset + index as u64);
        }
    }
}

/// Global memory: allocations by address.
pub struct GlobalMemory {
    /// Sorted by address.
    allocations: Vec<Allocation>,
    /// The next allocation is placed here, or above.
    next: u64,
}

impl Default for GlobalMemory {
    fn default() -> Self {
        Self { allocations: Vec::new(), next: FIRST_ADDRESS }
    }
}

impl GlobalMemory {
    /// Memory whose own allocations lie below the addresses that Linux gives to a program, so that they are never in the way
    /// of what is borrowed.
    pub fn beside_the_host() -> Self {
        Self { next: FIRST_BESIDE_HOST, ..Self::default() }
    }

    /// Allocates zeroed memory; `None` where the host has no more.
    pub fn allocate(&mut self, label: &str, length: u64) -> Option<u64> {
        let mut address = self.next;
        while let Some(taken) = self.overlapping(address, length.checked_add(GUARD)?) {
            address = (taken.address + taken.length + GUARD).next_multiple_of(ALIGNMENT);
        }
        self.insert(label, address, length)?;
        self.next = (address + length + GUARD).next_multiple_of(ALIGNMENT);
        Some(address)
    }

    /// Allocates zeroed memory at an address that another program has chosen; `None` where the address is no multiple of
    /// 64, where the range meets another allocation or is no range, or where the host has no more memory.
    pub fn allocate_at(&mut self, label: &str, address: u64, length: u64) -> Option<()> {
        address.checked_add(length)?;
        if !address.is_multiple_of(64) || self.overlapping(address, length.max(1)).is_some() {
            return None;
        }
        self.insert(label, address, length)
    }

    /// Makes memory of this process device memory, at its own address and without a copy; `None` where an allocation has
    /// bytes in the range.
    ///
    /// # Safety
    ///
    /// The bytes can be read and written until [`free`](Self::free) of the address, and nobody else accesses them while a
    /// launch runs, except through atomics.
    pub unsafe fn borrow(&mut self, label: &str, memory: NonNull<u8>, length: u64) -> Option<u64> {
        let address = memory.as_ptr().addr() as u64;
        address.checked_add(length)?;
        if self.overlapping(address, length.max(1)).is_some() {
            return None;
        }
        self.place(Allocation { address, length, label: label.to_owned(), data: memory, layout: None });
        Some(address)
    }

    /// An allocation that has bytes in the range.
    fn overlapping(&self, address: u64, length: u64) -> Option<&Allocation> {
        let last = self.nearest(address.saturating_add(length.saturating_sub(1)))?;
        self.allocations.get(last).filter(|below| address < below.address + below.length.max(1))
    }

    fn insert(&mut self, label: &str, address: u64, length: u64) -> Option<()> {
        // Room for whole words, so that the last bytes are reached by copies of words.
        let size = usize::try_from(length.max(1).checked_next_multiple_of(ALIGNMENT)?).ok()?;
        let layout = Layout::from_size_align(size, ALIGNMENT as usize).ok()?;
        // SAFETY: the size is not zero.
        let data = NonNull::new(unsafe { alloc_zeroed(layout) })?;
        self.place(Allocation { address, length, label: label.to_owned(), data, layout: Some(layout) });
        Some(())
    }

    fn place(&mut self, allocation: Allocation) {
        let place = self.allocations.partition_point(|below| below.address < allocation.address);
        self.allocations.insert(place, allocation);
    }

    /// Frees the allocation that begins at `address`.
    pub fn free(&mut self, address: u64) {
        self.allocations.retain(|allocation| allocation.address != address);
    }

    /// The allocations, by rising address.
    pub fn allocations(&self) -> &[Allocation] {
        &self.allocations
    }

    /// The index of the allocation that holds `address`, or of the last one below it.
    pub fn nearest(&self, address: u64) -> Option<usize> {
        self.allocations.partition_point(|allocation| allocation.address <= address).checked_sub(1)
    }

    /// The allocation that holds all of `size` bytes at `address`.
    #[inline]
    pub fn find(&self, address: u64, size: u64) -> Option<&Allocation> {
        self.allocations.get(self.nearest(address)?).filter(|allocation| allocation.contains(address, size))
    }

    /// A place, for reports: `byte 16 of x`.
    pub fn describe(&self, address: u64) -> String {
        match self.find(address, 1) {
            Some(allocation) => format!("byte {} of {}", address - allocation.address, allocation.label),
            None => format!("global address {address:#x}"),
        }
    }

    /// Copies out; `false` if the range is not inside one allocation.
    #[must_use]
    pub fn read(&self, address: u64, bytes: &mut [u8]) -> bool {
        let Some(allocation) = self.find(address, bytes.len() as u64) else { return bytes.is_empty() };
        let offset = address - allocation.address;
        if !address.is_multiple_of(8) {
            allocation.copy_out(offset, bytes);
            return true;
        }
        let mut chunks = bytes.chunks_exact_mut(8);
        let mut position = offset;
        for chunk in &mut chunks {
            chunk.copy_from_slice(&allocation.load64(position).to_le_bytes());
            position += 8;
        }
        allocation.copy_out(position, chunks.into_remainder());
        true
    }

    /// Copies in; `false` if the range is not inside one allocation.
    #[must_use]
    pub fn write(&self, address: u64, bytes: &[u8]) -> bool {
        let Some(allocation) = self.find(address, bytes.len() as u64) else { return bytes.is_empty() };
        let offset = address - allocation.address;
        let head = if address.is_multiple_of(8) { bytes.len() / 8 * 8 } else { 0 };
        for (index, chunk) in bytes[..head].chunks_exact(8).enumerate() {
            let word = u64_from_le(chunk);
            allocation.store64(offset + 8 * index as u64, word);
        }
        for (index, &byte) in bytes.iter().enumerate().skip(head) {
            allocation.store8(offset + index as u64, byte);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back_and_bounds_hold() {
        let mut memory = GlobalMemory::default();
        let a = memory.allocate("a", 13).expect("memory");
        let b = memory.allocate("b", 100).expect("memory");
        assert!(a.is_multiple_of(ALIGNMENT) && b.is_multiple_of(ALIGNMENT) && b - a > GUARD);
        let bytes: Vec<u8> = (1..=13).collect();
        assert!(memory.write(a, &bytes));
        let mut back = [0; 13];
        assert!(memory.read(a, &mut back));
        assert_eq!(back[..], bytes);
        assert!(!memory.write(a + 1, &bytes));
        assert!(memory.find(a + 12, 2).is_none() && memory.find(a - 1, 1).is_none());
        memory.free(a);
        assert!(memory.find(a, 1).is_none() && memory.find(b, 100).is_some());
    }

    /// Whoever asks has checked the bounds; a mistake there is a panic and no access to the host's memory.
    #[test]
    fn offsets_that_wrap_are_outside() {
        let mut memory = GlobalMemory::default();
        let address = memory.allocate("a", 20).expect("memory");
        let own = memory.find(address, 20).expect("the allocation");
        own.store64(8, 7);
        assert_eq!(own.load64(8), 7);
        for offset in [16, 24, 4, 1 << 40, u64::MAX - 7, u64::MAX - 15] {
            let load = std::panic::AssertUnwindSafe(|| own.load64(offset));
            assert!(std::panic::catch_unwind(load).is_err(), "{offset:#x}");
        }
        let sizes = [(0, u64::MAX), (u64::MAX, 1), (u64::MAX - 3, 8), (21, 0)];
        assert!(sizes.iter().all(|&(offset, size)| !own.contains(address.wrapping_add(offset), size)));
    }

    #[test]
    fn borrowed_memory_is_used_where_it_lies() {
        let mut host = [0u64; 8];
        let mut memory = GlobalMemory::beside_the_host();
        let begin = NonNull::from(&mut host).cast::<u8>();
        // Not aligned to 64, as memory of other programs is.
        for skip in [0, 8, 4] {
            // SAFETY: `host` lives longer, and nothing else uses it before `free`.
            let address = unsafe { memory.borrow("lent", begin.add(skip), 64 - skip as u64) }.expect("no overlap");
            assert_eq!(address, begin.as_ptr().addr() as u64 + skip as u64);
            // SAFETY: refused, nothing is read.
            assert_eq!(unsafe { memory.borrow("again", begin.add(skip + 8), 8) }, None);
            assert!(memory.write(address, &[skip as u8 + 1; 24]) && !memory.write(address, &[0; 65]));
            let allocation = memory.find(address, 24).expect("there");
            assert_eq!(allocation.load32(20), 0x0101_0101 * (skip as u32 + 1));
            let mut back = [0; 24];
            assert!(memory.read(address, &mut back) && back == [skip as u8 + 1; 24]);
            memory.free(address);
        }
        assert_eq!(
            host[..4],
            [0x0505_0505_0101_0101, 0x0505_0505_0505_0505, 0x0505_0505_0505_0505, 0x0909_0909_0505_0505]
        );
        let own = memory.allocate("own", 8).expect("memory");
        assert!(own < begin.as_ptr().addr() as u64 >> 1);
    }

    #[test]
    fn an_address_that_is_given_is_taken_unless_it_is_in_use() {
        let mut memory = GlobalMemory::default();
        let own = memory.allocate("own", 1000).expect("memory");
        assert_eq!(memory.allocate_at("inside", own + 64, 8), None);
        assert_eq!(memory.allocate_at("over the beginning", own - 64, 65), None);
        assert_eq!(memory.allocate_at("not aligned", 0x1008, 8), None);
        assert_eq!(memory.allocate_at("over the end", u64::MAX - 63, 64), None);
        assert_eq!(memory.allocate_at("below", own - 64, 64), Some(()));
        assert_eq!(memory.allocate_at("in the way", own + 1024 + GUARD, 64), Some(()));
        let labels =
            |memory: &GlobalMemory| memory.allocations().iter().map(|one| one.label.clone()).collect::<Vec<_>>();
        assert_eq!(labels(&memory), ["below", "own", "in the way"]);
        let next = memory.allocate("next", 8).expect("memory");
        assert!(next > own + 1024 + GUARD + 64);
        assert!(memory.write(own - 64, &[7; 64]) && !memory.write(own - 64, &[7; 65]));
    }
}
