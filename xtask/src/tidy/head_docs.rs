//! Each file begins with a `//!` that says what it is about.

use super::{Check, Outcome};
use crate::workspace::Workspace;

/// The check.
pub const CHECK: Check = Check { name: "head-docs", run };

fn run(workspace: &Workspace) -> Outcome {
    let without = workspace.files.iter().filter(|file| !file.text.starts_with("//!"));
    let problems: Vec<String> = without.map(|file| format!("{}: no `//!` at its head", file.path)).collect();
    let summary = format!("{} files, {} without a head doc", workspace.files.len(), problems.len());
    Outcome { summary, problems, ..Outcome::default() }
}
