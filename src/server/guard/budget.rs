//! The bytes that unfinished large messages of all connections may have together.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use warpbook_process::memory;

/// Most bytes, where there is as much memory.
const MOST: u64 = 1 << 30;

/// The bytes that are left. Clones share them.
#[derive(Clone)]
pub struct Budget(Arc<AtomicU64>);

impl Budget {
    /// At most a quarter of what this process can have.
    pub fn new() -> Self {
        Self(Arc::new(AtomicU64::new(MOST.min(memory::available().bytes / 4))))
    }

    /// Takes bytes, if so many are left.
    pub fn take(&self, bytes: u64) -> bool {
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(bytes)).is_ok()
    }

    /// Gives taken bytes back.
    pub fn give_back(&self, bytes: u64) {
        self.0.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Number of bytes that are left.
    #[cfg(test)]
    pub fn left(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
