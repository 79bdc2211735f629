//! `%triton`: which Triton compiles.

use crate::compiler::{Stage, environment};
use crate::diagnostic::{Diagnostic, Result, nearest};
use crate::magics::{Call, Kind, Magic, Spec};
use crate::render::Output;
use crate::workspace::{Context, Workspace};

/// `%triton [VERSION]`
pub struct TritonMagic;

impl Magic for TritonMagic {
    fn spec(&self) -> &'static Spec {
        &Spec {
            name: "triton",
            kind: Kind::Line,
            summary: "choose the Triton version that compiles the cells to come",
            usage: "[VERSION]",
            details: "Each version lives in an environment of its own, made when it is first used. Without VERSION: says \
                      what is chosen and what is installed. (`%%triton`, with two percent signs, runs a kernel.)",
            options: &[],
        }
    }

    fn run(&self, call: &Call<'_>, workspace: &mut Workspace, _: Context<'_>) -> Result<Option<Output>> {
        let asked = call.arguments_text();
        if !asked.is_empty() {
            if !environment::VERSIONS.contains(&asked) {
                let error = Diagnostic::error("unknown-triton", format!("Triton {asked} is not supported"))
                    .at(call.arguments.clone(), "")
                    .note(format!("supported: {}", environment::VERSIONS.join(", ")));
                return Err(Box::new(match nearest(asked, environment::VERSIONS) {
                    Some(near) => error.help(format!("did you mean `{near}`?")),
                    None => error,
                }));
            }
            workspace.triton = Some(asked.to_owned());
            workspace.compiler.start_in_background(asked);
        }
        let installed: Vec<String> = environment::managed().into_iter().map(|(version, _)| version).collect();
        let installed = if installed.is_empty() { "none yet".to_owned() } else { installed.join(", ") };
        Ok(Some(Output::text(format!(
            "Triton {} · managed environments: {installed}",
            workspace.triton_for(Stage::Triton)
        ))))
    }
}
