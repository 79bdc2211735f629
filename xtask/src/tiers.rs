//! Tiers of tests, each a few commands of cargo, with the time that each takes.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// A tier: what `cargo xtask test NAME` runs.
struct Tier {
    name: &'static str,
    about: &'static str,
    /// Arguments of cargo, a line for each command.
    commands: &'static [&'static [&'static str]],
}

/// Tests of each file, of the emulator as a whole, and of the kernel without Python.
const WITHOUT_PYTHON: &[&str] = &[
    "test",
    "--lib",
    "--bins",
    "--test",
    "emulator",
    "--test",
    "kernel",
    "--",
    "--skip",
    "filetests::ptxas",
    "--skip",
    "differential",
];
/// All that is not marked as heavy.
const ALL: &[&str] = &["test"];
/// The heavy ones, one after the other: browsers and kills want the machine for themselves. What becomes of each mutant is
/// a study of some hours, which runs by name.
const HEAVY: &[&str] =
    &["test", "--test", "heavy", "--", "--ignored", "--test-threads", "1", "--skip", "mutants_of", "--nocapture"];

const TIERS: &[Tier] = &[
    Tier { name: "fast", about: "no Python, no network", commands: &[WITHOUT_PYTHON] },
    Tier { name: "default", about: "as `cargo test`: with Triton, made on first use", commands: &[ALL] },
    Tier { name: "full", about: "as continuous integration: whole kernels and a browser too", commands: &[ALL, HEAVY] },
];

/// One line for each tier.
pub fn usage() -> String {
    let lines = TIERS.iter().map(|tier| format!("      {:<8} {}", tier.name, tier.about));
    lines.collect::<Vec<_>>().join("\n")
}

/// Runs a tier's commands, and stops at the first that fails.
pub fn run(repository: &Path, name: &str) -> Result<(), String> {
    let tier = TIERS.iter().find(|tier| tier.name == name);
    let tier = tier.ok_or_else(|| format!("no tier is called `{name}`; there are:\n{}", usage()))?;
    let mut times = Vec::new();
    for arguments in tier.commands {
        let is_test = |argument: &&&str| **argument != "--";
        let build: Vec<&str> = arguments.iter().take_while(is_test).copied().chain(["--no-run"]).collect();
        times.push((format!("build of `cargo {}`", arguments.join(" ")), cargo(repository, &build)?));
        times.push((format!("`cargo {}`", arguments.join(" ")), cargo(repository, arguments)?));
    }
    for (what, time) in times {
        println!("{:>6.0} s  {what}", time.as_secs_f64());
    }
    Ok(())
}

/// Runs cargo, with this process's streams; how long it took.
fn cargo(repository: &Path, arguments: &[&str]) -> Result<Duration, String> {
    let start = Instant::now();
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(program).args(arguments).current_dir(repository).status();
    let status = status.map_err(|error| format!("cargo: {error}"))?;
    if status.success() { Ok(start.elapsed()) } else { Err(format!("failed: cargo {}", arguments.join(" "))) }
}
