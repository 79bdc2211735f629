//! `%free` and `%reset`: forgetting.

use crate::magics::declare::kinds::BufferName;
use crate::magics::declare::{Argument, Typed};
use crate::magics::{Example, Kind, Magic, Needs, Spec};
use crate::render::Output;
use crate::workspace::{Context, Workspace};
use warpbook_diagnostic::Result;

/// `%free NAME…`
pub struct Free;

const NAMES: Argument<BufferName> =
    Argument::several("NAME", BufferName { placeholder: "NAME", scalars: true }, "buffers or named scalars");

const FREE_SPEC: Spec = Spec {
    name: "free",
    kind: Kind::Line,
    summary: "forget buffers and scalars, and give their memory back",
    arguments: &[&NAMES],
    options: &[],
    details: "",
    examples: &[Example { cell: "%free a b", needs: Needs::Buffers, shows: "" }],
};

impl Magic for Free {
    fn spec(&self) -> &'static Spec {
        &FREE_SPEC
    }

    fn run(&self, typed: &Typed<'_>, workspace: &mut Workspace, _: Context<'_>) -> Result<Option<Output>> {
        // Nothing is freed unless all of the names are known.
        for name in typed.values(&NAMES) {
            if workspace.scalars.get(&name.value).is_none() {
                BufferName::find(name, workspace)?;
            }
        }
        for name in typed.values(&NAMES) {
            workspace.free_buffer(&name.value);
            workspace.scalars.remove(&name.value);
        }
        Ok(None)
    }
}

/// `%reset`
pub struct Reset;

const RESET_SPEC: Spec = Spec {
    name: "reset",
    kind: Kind::Line,
    summary: "forget all buffers, scalars, kernels and definitions",
    arguments: &[],
    options: &[],
    details: "Target, device and Triton version stay as they were chosen; Rust cells keep their state.",
    examples: &[Example { cell: "%reset\n%bufs", needs: Needs::Buffers, shows: "no buffers" }],
};

impl Magic for Reset {
    fn spec(&self) -> &'static Spec {
        &RESET_SPEC
    }

    fn run(&self, _: &Typed<'_>, workspace: &mut Workspace, _: Context<'_>) -> Result<Option<Output>> {
        workspace.reset();
        Ok(None)
    }
}
