//! Files that are written from what the code knows.

use std::path::Path;

/// Asserts that a file holds `text`, or writes it where `WARPBOOK_BLESS` is set: `cargo xtask codegen` does that.
///
/// # Panics
///
/// If the file holds something else, or cannot be written.
#[track_caller]
pub fn check_file(path: &Path, text: &str) {
    if std::env::var_os("WARPBOOK_BLESS").is_some() {
        std::fs::write(path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        return;
    }
    let found = std::fs::read_to_string(path).unwrap_or_default();
    assert!(found == text, "{} is not what the code says: `cargo xtask codegen` writes it", path.display());
}
