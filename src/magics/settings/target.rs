//! `%target`: what is compiled for.

use crate::magics::{Call, Kind, Magic, Spec};
use crate::render::Output;
use crate::workspace::{Context, Workspace};
use warpbook_compiler::Target;
use warpbook_diagnostic::{Diagnostic, Result};

/// `%target [ARCH]`
pub struct TargetMagic;

impl Magic for TargetMagic {
    fn spec(&self) -> &'static Spec {
        &Spec {
            name: "target",
            kind: Kind::Line,
            summary: "choose the GPU architecture that is compiled for",
            usage: "[sm_75 | sm_80 | sm_86 | sm_89 | sm_90 | sm_100 | sm_120]",
            details: "Compiling for a target needs no GPU. On the emulator, the emulated architecture follows the \
                      target unless `%device emu:ARCH` chose another. Without ARCH: says what is chosen.",
            options: &[],
        }
    }

    fn words(&self) -> Vec<String> {
        Target::SUPPORTED.map(|target| target.to_string()).to_vec()
    }

    fn run(&self, call: &Call<'_>, workspace: &mut Workspace, _: Context<'_>) -> Result<Option<Output>> {
        let asked = call.arguments_text();
        if !asked.is_empty() {
            let target = parse_target(asked).map_err(|error| error.at(call.arguments.clone(), ""))?;
            workspace.set_target(target);
        }
        Ok(Some(Output::text(format!("target {} · device {}", workspace.target, workspace.device_name()))))
    }
}

/// The target of that name, or the error without a place.
pub(in crate::magics) fn parse_target(text: &str) -> Result<Target> {
    text.parse().map_err(|()| {
        let known = Target::SUPPORTED.map(|target| target.to_string()).join(", ");
        let error = Diagnostic::error("unknown-target", format!("`{text}` is not a supported target"));
        error.note(format!("supported: {known}"))
    })
}
