//! Memory that the kernel and a device host share: bulk data on its way to the GPU and back.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::ptr::NonNull;

use rustix::fs::MemfdFlags;
use rustix::mm::{MapFlags, ProtFlags};

/// Bytes of the area. Larger copies go in pieces.
pub const BYTES: usize = 32 << 20;

/// The area, mapped into this process.
///
/// Only one side touches it at a time: the kernel before it sends a request and after it has the reply, the host in
/// between. A host that dies in between leaves bytes behind that are never read.
pub struct SharedMemory {
    file: OwnedFd,
    start: NonNull<u8>,
}

// SAFETY: the mapping belongs to this value alone, and its bytes are reached through `&self`/`&mut self` only.
unsafe impl Send for SharedMemory {}

impl SharedMemory {
    /// A new area. Pages that are never touched take no memory.
    pub fn new() -> io::Result<Self> {
        let file = rustix::fs::memfd_create("warpbook-staging", MemfdFlags::CLOEXEC)?;
        rustix::fs::ftruncate(&file, BYTES as u64)?;
        Self::map(file)
    }

    /// The area of the process that sent `file`.
    pub fn map(file: OwnedFd) -> io::Result<Self> {
        if rustix::fs::fstat(&file)?.st_size != BYTES as i64 {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the shared memory has another size"));
        }
        let access = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a fresh mapping at an address that the system chooses; it ends in `drop`.
        let start = unsafe { rustix::mm::mmap(std::ptr::null_mut(), BYTES, access, MapFlags::SHARED, &file, 0)? };
        let start = NonNull::new(start.cast()).ok_or_else(|| io::Error::other("mmap gave no address"))?;
        Ok(Self { file, start })
    }

    /// The file behind it, for the other process.
    pub fn file(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    /// Address of the first byte, for the driver's copies.
    pub fn address(&self) -> *mut u8 {
        self.start.as_ptr()
    }

    /// The first `length` bytes, or all if there are fewer.
    pub fn bytes(&self, length: usize) -> &[u8] {
        // SAFETY: the mapping has BYTES bytes, and by the type's rule the other side does not write now.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), length.min(BYTES)) }
    }

    /// The first `length` bytes, writable, or all if there are fewer.
    pub fn bytes_mut(&mut self, length: usize) -> &mut [u8] {
        // SAFETY: as in `bytes`; `&mut self` keeps others in this process away.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), length.min(BYTES)) }
    }
}

impl Drop for SharedMemory {
    fn drop(&mut self) {
        // SAFETY: the mapping was made by `map`, and no slice of it outlives `self`.
        let _ = unsafe { rustix::mm::munmap(self.start.as_ptr().cast(), BYTES) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_mappings_see_the_same_bytes() {
        let mut ours = SharedMemory::new().expect("made");
        let theirs = SharedMemory::map(ours.file().try_clone_to_owned().expect("cloned")).expect("mapped");
        ours.bytes_mut(3).copy_from_slice(b"abc");
        assert_eq!(theirs.bytes(3), b"abc");
        assert_eq!(theirs.bytes(usize::MAX).len(), BYTES);
    }
}
