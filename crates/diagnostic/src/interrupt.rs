//! The interrupt of the work on this thread, for layers that parse and decode and are given no more than a text.
//!
//! The session names its flag once for each cell; long loops far below look at it. Where nobody named a flag, nothing is
//! interrupted.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{Diagnostic, Result};

thread_local! {
    static FLAG: RefCell<Option<Arc<AtomicBool>>> = const { RefCell::new(None) };
}

/// Puts back the flag that was there before, also when the work panics.
struct Before(Option<Arc<AtomicBool>>);

impl Drop for Before {
    fn drop(&mut self) {
        FLAG.set(self.0.take());
    }
}

/// Runs `work` under a flag: [`check`] fails on this thread once the flag is set.
pub fn under<T>(flag: &Arc<AtomicBool>, work: impl FnOnce() -> T) -> T {
    let _before = Before(FLAG.replace(Some(Arc::clone(flag))));
    work()
}

/// Runs `work` to its end: what puts things back after an interrupt must not be interrupted itself.
pub fn shielded<T>(work: impl FnOnce() -> T) -> T {
    let _before = Before(FLAG.replace(None));
    work()
}

/// Fails if the work on this thread was interrupted. Loops call it every some thousand steps.
pub fn check() -> Result<()> {
    let is_set = FLAG.with_borrow(|flag| flag.as_ref().is_some_and(|flag| flag.load(Ordering::Relaxed)));
    if is_set { Err(Diagnostic::interrupted()) } else { Ok(()) }
}

/// Steps of a loop between two looks at the flag.
const STEPS: usize = 1 << 12;

/// As [`check`], at every 4096th step of a loop, by the step's number.
#[inline]
pub fn check_at(step: usize) -> Result<()> {
    if step.is_multiple_of(STEPS) { check() } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_holds_for_its_work_alone() {
        let (outer, inner) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(true)));
        assert!(check().is_ok());
        under(&outer, || {
            assert!(check().is_ok());
            let panicked = std::panic::catch_unwind(|| under(&inner, || assert!(check().is_ok(), "set")));
            assert!(panicked.is_err());
            assert!(check().is_ok());
            outer.store(true, Ordering::Relaxed);
            assert!(shielded(check).is_ok());
            assert!(check().expect_err("set").is_interrupted());
        });
        assert!(check().is_ok());
    }
}
