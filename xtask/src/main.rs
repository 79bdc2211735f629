//! Chores of this repository, as `cargo xtask CHORE`.
//!
//! `tidy` checks the structure of the code, one file of `tidy/` for each check. It also runs as a test. `codegen` writes the
//! files that are made from the code, `wheel` builds the Python wheel, `test` runs a tier of tests.

mod codegen;
mod components;
mod imports;
mod names;
mod tidy;
mod tiers;
mod wheel;
mod workspace;

use std::path::PathBuf;
use std::process::ExitCode;

use workspace::Workspace;

fn usage() -> String {
    let tiers = tiers::usage();
    format!(
        "Usage: cargo xtask CHORE\n\n  \
         tidy [CHECK...]    checks the structure of the code; without names, all checks\n  \
         codegen            writes the files that are made from the code\n  \
         wheel              builds the Python wheel into dist/\n  \
         test TIER          runs the tests of a tier:\n{tiers}"
    )
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match arguments.split_first() {
        Some((chore, rest)) if chore == "tidy" => run_tidy(rest),
        Some((chore, [])) if chore == "codegen" => codegen::run(&repository()),
        Some((chore, [])) if chore == "wheel" => wheel::run(&repository()),
        Some((chore, [tier])) if chore == "test" => tiers::run(&repository(), tier),
        _ => Err(usage()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

/// The directory of the workspace's manifest.
fn repository() -> PathBuf {
    let xtask = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().map(PathBuf::from).unwrap_or(xtask)
}

fn run_tidy(names: &[String]) -> Result<(), String> {
    let checks = tidy::select(names)?;
    let workspace = Workspace::read(&repository())?;
    let mut failed = Vec::new();
    for check in checks {
        let outcome = (check.run)(&workspace);
        println!("{}: {}", check.name, outcome.summary);
        for line in outcome.details {
            println!("    {line}");
        }
        for problem in &outcome.problems {
            println!("  error: {problem}");
        }
        if !outcome.problems.is_empty() {
            failed.push(check.name);
        }
    }
    if failed.is_empty() { Ok(()) } else { Err(format!("failed: {}", failed.join(", "))) }
}
