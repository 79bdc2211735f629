//! `%free` and `%reset`: forgetting.

use crate::expression::Parser;
use crate::magics::{Call, Kind, Magic, Spec, no_arguments};
use crate::render::Output;
use crate::workspace::{Context, Workspace};
use warpbook_diagnostic::{Diagnostic, Result, nearest};

/// `%free NAME…`
pub struct Free;

impl Magic for Free {
    fn spec(&self) -> &'static Spec {
        &Spec {
            name: "free",
            kind: Kind::Line,
            summary: "forget buffers and scalars, and give their memory back",
            usage: "NAME …",
            details: "",
            options: &[],
        }
    }

    fn run(&self, call: &Call<'_>, workspace: &mut Workspace, _: Context<'_>) -> Result<Option<Output>> {
        let mut parser = Parser::new(&call.cell.text, call.arguments.clone())?;
        let mut names = Vec::new();
        while !parser.at_end() {
            let Some((name, span)) = parser.name() else { return Err(parser.unexpected("the name of a buffer")) };
            if workspace.buffers.get(&name).is_none() && workspace.scalars.get(&name).is_none() {
                let error = Diagnostic::error("unknown-buffer", format!("nothing is named `{name}`")).at(span, "");
                return Err(match nearest(&name, workspace.buffers.names()) {
                    Some(near) => error.help(format!("did you mean `{near}`?")),
                    None => error.help("`%bufs` lists the buffers"),
                });
            }
            names.push(name);
            parser.accept(",");
        }
        if names.is_empty() {
            return Err(parser.unexpected("the name of a buffer"));
        }
        // Only when all of them are known.
        for name in names {
            workspace.free_buffer(&name);
            workspace.scalars.remove(&name);
        }
        Ok(None)
    }
}

/// `%reset`
pub struct Reset;

impl Magic for Reset {
    fn spec(&self) -> &'static Spec {
        &Spec {
            name: "reset",
            kind: Kind::Line,
            summary: "forget all buffers, scalars, kernels and definitions",
            usage: "",
            details: "Target, device and Triton version stay as they were chosen; Rust cells keep their state.",
            options: &[],
        }
    }

    fn run(&self, call: &Call<'_>, workspace: &mut Workspace, _: Context<'_>) -> Result<Option<Output>> {
        no_arguments(call)?;
        workspace.reset();
        Ok(None)
    }
}
