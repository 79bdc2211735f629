//! Interrupts reach the cell that runs when they come, and no later one.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use warpbook_process::cancel::Cancel;

#[derive(Default, PartialEq)]
enum State {
    #[default]
    Idle,
    Running,
    /// The kernel ends: no cell gets far any more.
    Closed,
}

/// Passes interrupts to the running cell. Clones share it.
#[derive(Clone, Default)]
pub struct Interrupter {
    state: Arc<Mutex<State>>,
    cancel: Cancel,
}

impl Interrupter {
    /// The token that cells run under.
    pub fn cancel(&self) -> &Cancel {
        &self.cancel
    }

    /// A cell is about to run. Called before its client hears of it, so that no interrupt is too early.
    pub fn cell_starts(&self) {
        let mut state = self.state();
        if *state != State::Closed {
            self.cancel.reset();
            *state = State::Running;
        }
    }

    /// The cell has ended.
    pub fn cell_ends(&self) {
        let mut state = self.state();
        if *state == State::Running {
            *state = State::Idle;
        }
    }

    /// Interrupts the cell that runs, if one does. May take as long as killing a process takes.
    pub fn interrupt(&self) {
        let state = self.state();
        if *state == State::Running {
            self.cancel.cancel();
        }
    }

    /// Interrupts the cell that runs and all that would run after it.
    pub fn close(&self) {
        let mut state = self.state();
        *state = State::Closed;
        self.cancel.cancel();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
