//! `%clear`: removes what the cell has shown so far.

use super::declare::kinds::Switch;
use super::declare::{Argument, Typed};
use super::{Example, Kind, Magic, Needs, Spec};
use crate::render::Output;
use crate::workspace::{Context, Workspace};
use warpbook_diagnostic::Result;

/// `%clear [--wait]`.
pub struct Clear;

const WAIT: Argument<Switch> =
    Argument::option("--wait", Switch, "remove it only when the next output comes, so that nothing flickers");

const SPEC: Spec = Spec {
    name: "clear",
    kind: Kind::Line,
    summary: "remove what this cell has shown so far",
    arguments: &[],
    options: &[&WAIT],
    details: "",
    examples: &[Example { cell: "%show arange(4)\n%clear\n%show ones(2)", needs: Needs::Nothing, shows: "[1.0  1.0]" }],
};

impl Magic for Clear {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn run(&self, typed: &Typed<'_>, _: &mut Workspace, context: Context<'_>) -> Result<Option<Output>> {
        context.frontend.clear_output(typed.has(&WAIT));
        Ok(None)
    }
}
