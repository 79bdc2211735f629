//! `%sanitize`: the last launch again on the emulator, checked, in many orders of warps.

use crate::launch::on_device::on_device;
use crate::launch::plan::Emulation;
use crate::launch::snapshot::Snapshot;
use crate::magics::cells::options::VERSION;
use crate::magics::cells::relaunch::{LAUNCH, find};
use crate::magics::declare::kinds::Number;
use crate::magics::declare::{Argument, Typed};
use crate::magics::launch_report::{checked_text, unverified_text};
use crate::magics::{Example, Kind, Magic, Needs, Spec};
use crate::render::Output;
use crate::workspace::{Context, Workspace};
use warpbook_diagnostic::Result;

/// `%sanitize [NAME][GRID](ARGUMENTS) [--seeds N]`
pub struct Sanitize;

/// Orders that are tried unless the reader says otherwise.
const SEEDS: u64 = 4;

const ORDERS: Argument<Number<u64>> = Argument::option(
    "--seeds",
    Number::new("N", "a number of orders").between(1, 1000),
    "the number of orders of warps that are tried, 4 by default",
);

const SPEC: Spec = Spec {
    name: "sanitize",
    kind: Kind::Line,
    summary: "look for data races, missing waits and fences, misused barriers, values that nothing has written",
    arguments: &[&LAUNCH],
    options: &[&ORDERS, &VERSION],
    details: "The launch is run on the emulator, once in the usual order of warps and then in others; the buffers keep what \
              they hold. Each report names the source line, block, warp, lane, buffer and element. Values that nothing has \
              written (`empty` buffers, masked loads without `other`, registers) are followed to where they decide an \
              address, a branch or a store. Blocks are compared with each other only where the kernel has no atomics in \
              global memory.",
    examples: &[
        Example { cell: "%sanitize scale", needs: Needs::Kernel, shows: "scale v1: 4 orders of warps" },
        Example { cell: "%sanitize matmul --seeds 2", needs: Needs::Matmul, shows: "matmul v1: 2 orders of warps" },
    ],
};

impl Magic for Sanitize {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn run(&self, typed: &Typed<'_>, workspace: &mut Workspace, context: Context<'_>) -> Result<Option<Output>> {
        let plan = find(typed, workspace)?;
        let seeds = typed.get(&ORDERS).copied().unwrap_or(SEEDS);
        workspace.revive()?;
        let before = Snapshot::take(workspace)?;
        let device = if workspace.device.is_emulated() { workspace.device_name() } else { "emu".to_owned() };
        let mut first: Option<Snapshot> = None;
        let mut lines = vec![format!("{} v{}: {seeds} orders of warps", plan.kernel, plan.version.number)];
        for seed in 0..seeds {
            let checked = plan.emulated(Emulation { check: true, seed, observe: None });
            let result = on_device(&device, &checked, &before, workspace, context)
                .map_err(|error| if seed > 0 { error.note(format!("with `--seed {seed}`")) } else { error })?;
            if seed == 0 {
                lines.extend(result.arithmetic.unverified.map(unverified_text));
                lines.extend(result.report.checked.as_ref().map(checked_text));
            }
            match &first {
                None => first = Some(result.after),
                Some(first) => {
                    let differing = result.after.differing_from(first);
                    if !differing.is_empty() {
                        lines.push(format!(
                            "the order matters: {} differ with `--seed {seed}` (atomics of floating-point numbers do)",
                            differing.join(", ")
                        ));
                        break;
                    }
                }
            }
        }
        Ok(Some(Output::text(lines.join("\n"))))
    }
}
