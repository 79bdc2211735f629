//! Memory of the Python process, lent to a device for the time of a launch.

use std::ptr::NonNull;

use warpbook_device::{Device as _, Emulated};
use warpbook_diagnostic::Diagnostic;

/// A range of memory that a launch may use: its name in reports, first address, number of bytes, and true if nothing has
/// written it.
pub type Range = (String, u64, u64, bool);

/// A device with memory that is lent to it; it is given back when this is dropped.
pub struct Lent<'a>(&'a mut Emulated, Vec<u64>);

impl<'a> Lent<'a> {
    /// Lends the ranges.
    ///
    /// # Errors
    ///
    /// A range has no address, or meets another.
    pub fn new(device: &'a mut Emulated, memory: &[Range]) -> Result<Self, Diagnostic> {
        let unwritten = memory.iter().filter(|range| range.3).map(|&(_, address, bytes, _)| (address, bytes));
        let unwritten = unwritten.collect();
        let mut lent = Self(device, Vec::new());
        for (name, address, bytes, _) in memory {
            let begin = usize::try_from(*address).ok().and_then(|address| NonNull::new(address as *mut u8));
            let begin = begin.ok_or_else(|| Diagnostic::error("bad-address", format!("{name} has no address")))?;
            // SAFETY: what Python asks for: the range is memory of this process that stays and that nobody else touches
            // while the launch runs (the documentation of `launch` says so); it is given back before `launch` returns.
            lent.1.push(unsafe { lent.0.borrow(name, begin, *bytes) }?);
        }
        lent.0.set_unwritten(unwritten);
        Ok(lent)
    }

    /// The device, which reaches the ranges.
    pub fn device(&mut self) -> &mut Emulated {
        self.0
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        for &address in &self.1 {
            self.0.free(address);
        }
        self.0.set_unwritten(Vec::new());
    }
}
