//! The trait of magics.

use super::declare::typed::Typed;
use super::spec::{Call, Spec};
use crate::render::Output;
use crate::workspace::{Context, Workspace};
use warpbook_diagnostic::Result;

/// A magic. What runs it, completes its arguments and prints its help knows it by this trait alone.
pub trait Magic: Sync {
    /// What it is called and what it takes.
    fn spec(&self) -> &'static Spec;
    /// Words that complete its arguments, besides those that its declaration knows.
    fn words(&self) -> Vec<String> {
        Vec::new()
    }
    /// Runs it with the arguments that were typed. What it returns is displayed after whatever it displayed itself.
    fn run(&self, typed: &Typed<'_>, workspace: &mut Workspace, context: Context<'_>) -> Result<Option<Output>>;
}

/// Reads the arguments of a call, and runs the magic.
pub fn run(
    magic: &dyn Magic,
    call: &Call<'_>,
    workspace: &mut Workspace,
    context: Context<'_>,
) -> Result<Option<Output>> {
    let typed = Typed::parse(call, magic.spec(), workspace)?;
    magic.run(&typed, workspace, context)
}
