//! `%target`: what is compiled for.

use crate::magics::declare::kinds::TargetName;
use crate::magics::declare::{Argument, Typed};
use crate::magics::{Example, Kind, Magic, Needs, Spec};
use crate::render::Output;
use crate::workspace::{Context, Workspace};
use warpbook_diagnostic::Result;

/// `%target [ARCH]`
pub struct TargetMagic;

const TARGET: Argument<TargetName> = Argument::optional(
    "ARCH",
    TargetName,
    "the architecture: sm_75, sm_80, sm_86, sm_89, sm_90, sm_100, sm_103 or sm_120; without it, the current one is shown",
);

const SPEC: Spec = Spec {
    name: "target",
    kind: Kind::Line,
    summary: "choose the GPU architecture to compile for",
    arguments: &[&TARGET],
    options: &[],
    details: "Compiling for a target needs no GPU. On the emulator, the emulated architecture follows the target unless \
              `%device emu:ARCH` chose another.",
    examples: &[
        Example { cell: "%target sm_90", needs: Needs::Nothing, shows: "target sm_90" },
        Example { cell: "%target", needs: Needs::Nothing, shows: "device emu" },
    ],
};

impl Magic for TargetMagic {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn run(&self, typed: &Typed<'_>, workspace: &mut Workspace, _: Context<'_>) -> Result<Option<Output>> {
        if let Some(target) = typed.get(&TARGET) {
            workspace.set_target(*target);
        }
        Ok(Some(Output::text(format!("target {} · device {}", workspace.target, workspace.device_name()))))
    }
}
