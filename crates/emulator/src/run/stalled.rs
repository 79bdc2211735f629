//! True if a block in lockstep goes on.

use crate::state::warp::{State, Warp};

/// True if a block in lockstep goes on: its warps may all be in loops that only wait.
#[derive(Debug, Default)]
pub(crate) struct Stalled {
    /// Warps that have tested their phase in vain since anything happened.
    tested: u32,
    went_on: bool,
}

impl Stalled {
    /// A warp has tested a phase again that has not ended.
    pub fn tested_again(&mut self, warp: usize) {
        self.tested |= 1 << (warp & 31);
    }

    /// Something has happened.
    pub fn goes_on(&mut self) {
        self.tested = 0;
        self.went_on = true;
    }

    /// True if anything happened.
    pub fn went_on(&self) -> bool {
        self.went_on
    }

    /// True if nothing will happen by itself.
    pub fn holds(&self, warps: &[Warp]) -> bool {
        let mut ready = warps.iter().enumerate().filter(|(_, warp)| warp.state == State::Ready);
        ready.all(|(index, _)| self.tested >> (index & 31) & 1 != 0)
    }
}
