//! The Rust tools that the host and its build need.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;

use warpbook_diagnostic::{Diagnostic, Result};

/// The path of cargo; an error unless cargo and rustc are there.
pub fn require_tools() -> Result<PathBuf> {
    let path = search_path();
    let find = |tool: &str| {
        let found = env::split_paths(&path).map(|directory| directory.join(tool)).find(|file| file.is_file());
        found.ok_or_else(|| {
            Diagnostic::error("no-rust", format!("`{tool}` is missing, and Rust cells need it"))
                .note("Rust cells are compiled: they need cargo, rustc and a linker")
                .help("install Rust from https://rustup.rs, then run the cell again")
                .help("magics (`%…`, `%%…`) work without it")
        })
    };
    find("rustc")?;
    find("cargo")
}

/// PATH, and the place where rustup installs when a desktop's Jupyter does not have it in its PATH.
pub fn search_path() -> OsString {
    let path = env::var_os("PATH").unwrap_or_default();
    let cargo_home = env::var_os("CARGO_HOME").map(PathBuf::from);
    let cargo_home = cargo_home.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cargo")));
    let Some(bin) = cargo_home.map(|home| home.join("bin")) else { return path };
    let directories = env::split_paths(&path).chain([bin]);
    env::join_paths(directories).unwrap_or(path.clone())
}
