//! Files that are written from the code, each by the test that also holds it: the crate that has the facts makes the page.
//!
//! To add one: a test that calls `warpbook_test_support::generated::check_file`, and its line in [`PAGES`].

use std::path::Path;
use std::process::Command;

/// All generated files.
const PAGES: &[Page] = &[
    Page {
        path: "docs/instructions.md",
        test: &["-p", "warpbook-emulator", "--test", "emulator", "instructions::the_page"],
    },
    Page { path: "docs/magics.md", test: &["-p", "warpbook", "--lib", "magics::reference::the_page"] },
];

/// A generated file.
struct Page {
    /// Its path from the root of the repository.
    path: &'static str,
    /// Arguments of `cargo test` that name the test.
    test: &'static [&'static str],
}

/// Writes all pages.
pub fn run(repository: &Path) -> Result<(), String> {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    for page in PAGES {
        let path = repository.join(page.path);
        let before = std::fs::read(&path).unwrap_or_default();
        let mut command = Command::new(&program);
        command.args(["test", "--quiet"]).args(page.test).current_dir(repository).env("WARPBOOK_BLESS", "1");
        let status = command.status().map_err(|error| format!("cargo: {error}"))?;
        if !status.success() {
            return Err(format!("{} could not be written", page.path));
        }
        let is_same = std::fs::read(&path).is_ok_and(|after| after == before);
        println!("{}: {}", page.path, if is_same { "as it was" } else { "written" });
    }
    Ok(())
}
