//! `%let`: names scalars.

use crate::expression::{Parser, evaluate};
use crate::magics::{Call, Kind, Magic, Spec};
use crate::render::Output;
use crate::workspace::{Context, Workspace};
use warpbook_device::Dtype;
use warpbook_diagnostic::{Diagnostic, Result};

/// `%let NAME = EXPRESSION, …`
pub struct Let;

impl Magic for Let {
    fn spec(&self) -> &'static Spec {
        &Spec {
            name: "let",
            kind: Kind::Line,
            summary: "name a number, a string, a data type or a tuple",
            usage: "NAME = EXPRESSION, …",
            details: "Names can be used in grids, arguments and other expressions:\n\
                      `%let M = 512, N = 2 * M`\n\
                      `%let shape = a.shape`\n\
                      Expressions are Python's, with `cdiv min max abs round sqrt log2 next_power_of_2` and casts.",
            options: &[],
        }
    }

    fn run(&self, call: &Call<'_>, workspace: &mut Workspace, _: Context<'_>) -> Result<Option<Output>> {
        let mut parser = Parser::new(&call.cell.text, call.arguments.clone())?;
        loop {
            let Some((name, span)) = parser.name() else { return Err(parser.unexpected("a name")) };
            if Dtype::parse(&name).is_some() || matches!(name.as_str(), "tl" | "inf" | "nan") {
                let error = Diagnostic::error("reserved-name", format!("`{name}` means something else in expressions"));
                return Err(error.at(span, "choose another name"));
            }
            if workspace.buffers.get(&name).is_some() {
                let error = Diagnostic::error("name-taken", format!("`{name}` is a buffer"));
                return Err(error.at(span, "").help(format!("`%free {name}` first, or choose another name")));
            }
            parser.expect("=")?;
            let value = evaluate(&parser.expression()?, &workspace.scope())?;
            // At once, so that the next one can use it.
            workspace.scalars.set(&name, value);
            if parser.at_end() {
                break;
            }
            parser.expect(",")?;
        }
        Ok(None)
    }
}
