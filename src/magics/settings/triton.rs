//! `%triton`: which Triton compiles.

use crate::magics::declare::kinds::TritonVersion;
use crate::magics::declare::{Argument, Typed};
use crate::magics::{Example, Kind, Magic, Needs, Spec};
use crate::render::Output;
use crate::workspace::{Context, Workspace};
use warpbook_compiler::{Stage, environment};
use warpbook_diagnostic::Result;

/// `%triton [VERSION]`
pub struct TritonMagic;

const VERSION: Argument<TritonVersion> = Argument::optional(
    "VERSION",
    TritonVersion,
    "the version, such as 3.4.0 or 3.4; without it, the current one and those installed are shown",
);

const SPEC: Spec = Spec {
    name: "triton",
    kind: Kind::Line,
    summary: "choose the Triton version that compiles the cells that follow",
    arguments: &[&VERSION],
    options: &[],
    details: "Each version has an environment of its own, which is made when the version is first used. (`%%triton`, with \
              two percent signs, runs a kernel.)",
    examples: &[
        Example { cell: "%triton", needs: Needs::Nothing, shows: "managed environments" },
        Example { cell: "%triton 3.4", needs: Needs::Triton, shows: "Triton 3.4.0" },
    ],
};

impl Magic for TritonMagic {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn run(&self, typed: &Typed<'_>, workspace: &mut Workspace, context: Context<'_>) -> Result<Option<Output>> {
        if let Some(version) = typed.get(&VERSION) {
            workspace.compiler.start_in_background(version);
            workspace.triton = Some(version.clone());
        }
        let installed: Vec<String> = environment::managed().into_iter().map(|(version, _)| version).collect();
        let installed = if installed.is_empty() { "none yet".to_owned() } else { installed.join(", ") };
        Ok(Some(Output::text(format!(
            "Triton {} · managed environments: {installed}",
            workspace.triton_for(Stage::Triton, context.cancel)?
        ))))
    }
}
