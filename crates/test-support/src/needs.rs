//! What a test needs from the machine besides Rust.
//!
//! A test that lacks something says so on standard error, past libtest's capture, and ends. Where
//! `WARPBOOK_TEST_REQUIRE` names the need, as continuous integration does for what it installs, the test fails instead.

use std::io::Write;

/// True if the test can go on. Otherwise it is said, with the test's name and what would help, that it is skipped.
///
/// `need` is the name by which `WARPBOOK_TEST_REQUIRE` (names with commas, or `all`) asks for it: `browser`, `gpu`,
/// `ptxas`, `rust-cells`, `triton-3.6.0`.
///
/// # Panics
///
/// If the need is not met and required.
#[must_use]
#[track_caller]
pub fn skip_unless(need: &str, is_met: bool, help: &str) -> bool {
    if is_met {
        return true;
    }
    let required = std::env::var("WARPBOOK_TEST_REQUIRE").unwrap_or_default();
    let is_required = required.split(',').any(|name| name == need || name == "all");
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    assert!(!is_required, "{test} needs `{need}`, and WARPBOOK_TEST_REQUIRE asks for it: {help}");
    // `eprintln!` would be kept back with the output of tests that pass.
    let _ = writeln!(std::io::stderr(), "SKIPPED {test}: it needs `{need}`: {help}");
    false
}
