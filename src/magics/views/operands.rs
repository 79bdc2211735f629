//! What registers hold when instructions are executed first, for views of operands that no text decides.

use super::observing;
use super::subject::Subject;
use crate::magics::Call;
use crate::workspace::{Context, Workspace};
use warpbook_device::emulation::{Observe, Observed, Point, Watched, Watching};
use warpbook_diagnostic::Result;

/// A register that an instruction reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperandRegister {
    /// The line of the PTX on which the instruction begins.
    pub line: u32,
    /// `%rd5`
    pub register: String,
}

/// The value of each register in the lowest lane that comes to its instruction first, in block (0, 0, 0) of the kernel's
/// last launch, which is repeated on the emulator; `None` where none comes. The buffers keep what they hold.
pub fn operands(
    subject: &Subject,
    registers: &[OperandRegister],
    call: &Call<'_>,
    workspace: &mut Workspace,
    context: Context<'_>,
) -> Result<Vec<Option<u64>>> {
    let plan = observing::last_launch(subject, call, workspace)?;
    let point =
        |one: &OperandRegister| Point { line: one.line, watched: vec![Watched::Register(one.register.clone())] };
    let watching = Watching { block: [0; 3], warp: None, points: registers.iter().map(point).collect() };
    let (observed, _) = observing::launched(&plan, &Observe::Watch(watching), workspace, context)?;
    let Some(Observed::Watch(histories)) = observed else { return Ok(vec![None; registers.len()]) };
    let first = histories.into_iter().map(|history| {
        let time = history.times.first()?;
        time.values.first()?.get(time.active.trailing_zeros() as usize).copied()
    });
    Ok(first.collect())
}
