//! What registers hold when instructions are executed first, for views of operands that no text decides.

use super::observing;
use super::subject::Subject;
use crate::magics::Call;
use crate::workspace::{Context, Workspace};
use warpbook_device::emulation::{Observe, Observed, Point, Watched, Watching};
use warpbook_diagnostic::Result;

/// A register at an instruction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The line of the PTX on which the instruction begins.
    pub line: u32,
    /// `%rd5`
    pub register: String,
}

/// The value of each register in the lowest lane that comes to its instruction first, in block (0, 0, 0) of the kernel's
/// last launch, which is repeated on the emulator; `None` where none comes. The buffers keep what they hold.
pub fn operands(
    subject: &Subject,
    asked: &[Asked],
    call: &Call<'_>,
    workspace: &mut Workspace,
    context: Context<'_>,
) -> Result<Vec<Option<u64>>> {
    let plan = observing::last_launch(subject, call, workspace)?;
    let point = |one: &Asked| Point { line: one.line, watched: vec![Watched::Register(one.register.clone())] };
    let watching = Watching { block: [0; 3], warp: None, points: asked.iter().map(point).collect() };
    let (observed, _) = observing::launched(&plan, &Observe::Watch(watching), workspace, context)?;
    let Some(Observed::Watch(histories)) = observed else { return Ok(vec![None; asked.len()]) };
    let first = histories.into_iter().map(|history| {
        let time = history.times.first()?;
        time.values.first()?.get(time.active.trailing_zeros() as usize).copied()
    });
    Ok(first.collect())
}
