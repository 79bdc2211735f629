//! The reader's interrupt, on its way to whatever is running.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use warpbook_diagnostic::{Diagnostic, Result};

type Action = Box<dyn Fn() + Send + Sync>;

#[derive(Default)]
struct Shared {
    requested: Arc<AtomicBool>,
    next: AtomicU64,
    actions: Mutex<Vec<(u64, Action)>>,
}

/// A request to stop, shared by the sender (the control socket) and the code that is working.
///
/// Work on the kernel's own threads polls [`Cancel::flag`]; work in a child process registers an action (kill it)
/// with [`Cancel::on_cancel`].
#[derive(Clone, Default)]
pub struct Cancel(Arc<Shared>);

impl Cancel {
    /// A token without a request to stop.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks everything that runs under this token to stop, and runs the registered actions.
    pub fn cancel(&self) {
        self.0.requested.store(true, Ordering::SeqCst);
        for (_, action) in self.actions().iter() {
            action();
        }
    }

    /// Forgets an earlier request; called before each cell.
    pub fn reset(&self) {
        self.0.requested.store(false, Ordering::SeqCst);
    }

    /// True if a stop was requested.
    pub fn is_cancelled(&self) -> bool {
        self.0.requested.load(Ordering::Relaxed)
    }

    /// The bare flag, for a layer that knows no more than an atomic (the emulator).
    pub fn flag(&self) -> &Arc<AtomicBool> {
        &self.0.requested
    }

    /// `Err(interrupted)` if a stop was requested.
    pub fn check(&self) -> Result<()> {
        if self.is_cancelled() { Err(Diagnostic::interrupted()) } else { Ok(()) }
    }

    /// Runs `action` when a stop is requested, until the guard is dropped; at once if it was requested before.
    #[must_use = "the action is forgotten when the guard is dropped"]
    pub fn on_cancel(&self, action: impl Fn() + Send + Sync + 'static) -> OnCancel {
        let key = self.0.next.fetch_add(1, Ordering::Relaxed);
        let mut actions = self.actions();
        if self.is_cancelled() {
            action();
        }
        actions.push((key, Box::new(action)));
        OnCancel { shared: Arc::clone(&self.0), key }
    }

    fn actions(&self) -> MutexGuard<'_, Vec<(u64, Action)>> {
        self.0.actions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps an action of [`Cancel::on_cancel`] registered while it lives.
pub struct OnCancel {
    shared: Arc<Shared>,
    key: u64,
}

impl Drop for OnCancel {
    fn drop(&mut self) {
        let mut actions = self.shared.actions.lock().unwrap_or_else(PoisonError::into_inner);
        actions.retain(|(key, _)| *key != self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;

    #[test]
    fn actions_run_while_their_guard_lives() {
        let count = Arc::new(AtomicUsize::new(0));
        let cancel = Cancel::new();
        let counter = Arc::clone(&count);
        let guard = cancel.on_cancel(move || {
            counter.fetch_add(1, Ordering::SeqCst);
        });
        cancel.cancel();
        assert!(cancel.check().is_err());
        drop(guard);
        cancel.cancel();
        assert_eq!(count.load(Ordering::SeqCst), 1);
        cancel.reset();
        assert!(cancel.check().is_ok());
    }
}
