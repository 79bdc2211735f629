//! `%triton`: which Triton compiles.

use crate::magics::{Call, Kind, Magic, Spec};
use crate::render::Output;
use crate::workspace::{Context, Workspace};
use warpbook_compiler::{Stage, environment};
use warpbook_diagnostic::{Diagnostic, Result, nearest};
use warpbook_ir::triton_version::TritonVersion;

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

    fn words(&self) -> Vec<String> {
        TritonVersion::SUPPORTED.map(str::to_owned).to_vec()
    }

    fn run(&self, call: &Call<'_>, workspace: &mut Workspace, _: Context<'_>) -> Result<Option<Output>> {
        let asked = call.arguments_text();
        if !asked.is_empty() {
            let version = version(asked).map_err(|error| error.at(call.arguments.clone(), ""))?;
            workspace.compiler.start_in_background(&version);
            workspace.triton = Some(version);
        }
        let installed: Vec<String> = environment::managed().into_iter().map(|(version, _)| version).collect();
        let installed = if installed.is_empty() { "none yet".to_owned() } else { installed.join(", ") };
        Ok(Some(Output::text(format!(
            "Triton {} · managed environments: {installed}",
            workspace.triton_for(Stage::Triton)
        ))))
    }
}

/// The supported version that a text names: `3.4.0`, or `3.4` for short.
pub(in crate::magics) fn version(asked: &str) -> Result<String> {
    let known = TritonVersion::SUPPORTED.into_iter().find(|known| {
        *known == asked || known.strip_prefix(asked).is_some_and(|rest| rest.starts_with('.') && asked.contains('.'))
    });
    let own = || environment::chosen().and_then(|python| environment::triton_version(&python));
    if let Some(found) = known.map(str::to_owned).or_else(|| own().filter(|own| own == asked)) {
        return Ok(found);
    }
    let error = Diagnostic::error("unknown-triton", format!("Triton {asked} is not supported"))
        .note(format!("supported: {}", TritonVersion::SUPPORTED.join(", ")))
        .note("WARPBOOK_PYTHON names an environment with another one");
    Err(match nearest(asked, TritonVersion::SUPPORTED) {
        Some(near) => error.help(format!("did you mean `{near}`?")),
        None => error,
    })
}
