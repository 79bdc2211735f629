//! Where the host of Rust cells is installed, and the tools that it needs.

use std::env;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use warpbook_compiler::environment;
use warpbook_diagnostic::{Diagnostic, Result};
use warpbook_rust_host::protocol;

use super::host::StartError;

/// The host's file name.
const PROGRAM: &str = "warpbook-rust-host";
/// The environment variable that names a host's program; nothing else is looked for where it is set.
const VARIABLE: &str = "WARPBOOK_RUST_HOST";
/// What to run in a checkout of Warpbook's sources to build the host.
const BUILD: &str = "cargo build --release -p warpbook-rust-host --features evcxr";

/// The host of a Warpbook whose executable is `executable`: the program that `WARPBOOK_RUST_HOST` names, the one beside
/// the executable, or the one in Warpbook's data directory.
pub fn find_host(executable: &Path) -> Option<PathBuf> {
    if let Some(chosen) = env::var_os(VARIABLE).filter(|chosen| !chosen.is_empty()) {
        return Some(chosen.into());
    }
    let beside = executable.with_file_name(PROGRAM);
    [Some(beside), installed()].into_iter().flatten().find(|program| program.is_file())
}

/// The place in the data directory. Each version of the protocol has its own, so that two versions of Warpbook do not
/// replace each other's host.
fn installed() -> Option<PathBuf> {
    let data = environment::data_directory().ok()?;
    Some(data.join("rust-host").join(format!("protocol-{}", protocol::VERSION)).join(PROGRAM))
}

/// This program's host.
pub fn locate() -> Result<PathBuf> {
    let executable = env::current_exe().ok();
    executable.as_deref().and_then(find_host).ok_or_else(|| {
        Diagnostic::error("no-rust-host", "Rust cells need the program warpbook-rust-host, which is not installed")
            .help(format!("in a checkout of Warpbook's sources run `{BUILD}`"))
            .help(format!("then copy target/release/{PROGRAM} beside this program, or name it in {VARIABLE}"))
            .help("magics (`%…`, `%%…`) work without it; `%help` lists them")
    })
}

/// The error for a `program` that does not start as a host.
pub fn unusable(program: &Path, error: &StartError) -> Diagnostic {
    Diagnostic::error("rust-start", "the process for Rust cells does not start")
        .note(format!("{}: {error}", program.display()))
        .help(format!("build it anew in a checkout of this Warpbook's sources: `{BUILD}`"))
}

/// An error unless cargo and rustc are in the directories of `path`.
pub fn require_tools(path: &OsStr) -> Result<()> {
    let is_there = |tool: &str| env::split_paths(path).any(|directory| directory.join(tool).is_file());
    match ["cargo", "rustc"].into_iter().find(|tool| !is_there(tool)) {
        None => Ok(()),
        Some(tool) => Err(Diagnostic::error("no-rust", format!("`{tool}` is missing, and Rust cells need it"))
            .note("Rust cells are compiled: they need cargo, rustc and a linker")
            .help("install Rust from https://rustup.rs, then run the cell again")
            .help("magics (`%…`, `%%…`) work without it")),
    }
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
