//! `%let`: names scalars.

use crate::expression::evaluate;
use crate::magics::declare::kinds::Assignments;
use crate::magics::declare::{Argument, Typed};
use crate::magics::{Example, Kind, Magic, Needs, Spec};
use crate::render::Output;
use crate::workspace::{Context, Workspace};
use warpbook_diagnostic::{Diagnostic, Result};

/// `%let NAME = EXPRESSION, …`
pub struct Let;

/// Functions that scalar expressions may call.
const FUNCTIONS: [&str; 8] = ["cdiv", "min", "max", "abs", "round", "sqrt", "log2", "next_power_of_2"];

const ASSIGNMENTS: Argument<Assignments> = Argument::required(
    "NAME",
    Assignments {
        placeholder: "NAME = EXPRESSION, …",
        most: usize::MAX,
        names: || FUNCTIONS.map(str::to_owned).to_vec(),
    },
    "names and their values; each can be used in the ones after it",
);

const SPEC: Spec = Spec {
    name: "let",
    kind: Kind::Line,
    summary: "name a number, a string, a data type or a tuple",
    arguments: &[&ASSIGNMENTS],
    options: &[],
    details: "The names can be used in grids, arguments and other expressions. Expressions are Python's, with `cdiv min max \
              abs round sqrt log2 next_power_of_2` and casts.",
    examples: &[
        Example { cell: "%let M = 512, N = 2 * M\n%show N", needs: Needs::Nothing, shows: "1024" },
        Example { cell: "%let shape = a.shape\n%show shape[0]", needs: Needs::Buffers, shows: "64" },
    ],
};

impl Magic for Let {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn run(&self, typed: &Typed<'_>, workspace: &mut Workspace, _: Context<'_>) -> Result<Option<Output>> {
        for assignment in typed.required(&ASSIGNMENTS)? {
            let name = &assignment.name;
            if workspace.buffers.get(name).is_some() {
                let error = Diagnostic::error("name-taken", format!("`{name}` is a buffer"));
                let error = error.at(assignment.span.clone(), "");
                return Err(error.help(format!("`%free {name}` first, or choose another name")));
            }
            let value = evaluate(&assignment.value, &workspace.scope())?;
            // At once, so that the next one can use it.
            workspace.scalars.set(name, value);
        }
        Ok(None)
    }
}
