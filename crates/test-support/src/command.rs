//! Programs that tests run.

use std::process::Command;

/// Runs `command` to its end; its standard output, then its standard error.
///
/// # Panics
///
/// With that text, if the command cannot be started or fails.
pub fn output(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} failed:\n{text}");
    text
}
