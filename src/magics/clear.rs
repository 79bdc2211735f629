//! `%clear`: takes away what the cell has shown so far.

use super::{Call, Kind, Magic, OptionSpec, Spec};
use crate::render::Output;
use crate::workspace::{Context, Workspace};
use warpbook_diagnostic::{Diagnostic, Result};

/// `%clear [--wait]`.
pub struct Clear;

const SPEC: Spec = Spec {
    name: "clear",
    kind: Kind::Line,
    summary: "take away what this cell has shown so far",
    usage: "[--wait]",
    details: "",
    options: &[OptionSpec {
        name: "--wait",
        value: "",
        help: "only when the next output comes, so that nothing flickers",
    }],
};

impl Magic for Clear {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn run(&self, call: &Call<'_>, _: &mut Workspace, context: Context<'_>) -> Result<Option<Output>> {
        let wait = match call.arguments_text() {
            "" => false,
            "--wait" => true,
            _ => {
                let error = Diagnostic::error("unexpected-argument", "`%clear` takes `--wait` or nothing");
                return Err(error.at(call.arguments.clone(), ""));
            }
        };
        context.frontend.clear_output(wait);
        Ok(None)
    }
}
