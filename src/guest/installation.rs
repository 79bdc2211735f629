//! Where the host of Rust cells is, and how it gets there.
//!
//! A packaged Warpbook has the host beside its own executable. A Warpbook that was built from a checkout of its sources
//! builds it from there once, when it is first needed, and keeps it in its data directory.

use std::env;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use warpbook_compiler::environment;
use warpbook_diagnostic::{Diagnostic, Result};
use warpbook_process::cancel::Cancel;
use warpbook_rust_host::protocol;

use super::build::{self, Checkout, Progress};
use super::host::{Host, StartError};
use super::tools::require_tools;
use crate::frontend::Frontend;

/// File name of the host's executable.
const PROGRAM: &str = "warpbook-rust-host";
/// The environment variable that names a host's program. Where it is set, no other place is looked at.
const VARIABLE: &str = "WARPBOOK_RUST_HOST";

/// What the search for a host found.
pub enum Search {
    /// A host that speaks the kernel's protocol, started.
    Usable {
        /// Path of the host's executable.
        program: PathBuf,
        /// The host that was started from it and has answered.
        host: Host,
    },
    /// A program that cannot be used, and no other.
    Unusable {
        /// Path of the executable that was tried.
        program: PathBuf,
        /// Why it could not be started.
        error: StartError,
    },
    /// No executable of the host was found.
    Nothing,
}

/// The program of the host for a Warpbook whose executable is `executable`: the one that `WARPBOOK_RUST_HOST` names, the
/// one beside the executable, or the one in Warpbook's data directory.
pub fn find_host(executable: &Path) -> Option<PathBuf> {
    candidates(Some(executable)).into_iter().next()
}

/// The programs that may be a host for `executable`, the preferred one first.
fn candidates(executable: Option<&Path>) -> Vec<PathBuf> {
    if let Some(chosen) = chosen() {
        return vec![chosen];
    }
    let beside = executable.map(|executable| executable.with_file_name(PROGRAM));
    [beside, installed().ok()].into_iter().flatten().filter(|program| program.is_file()).collect()
}

/// The executable that `WARPBOOK_RUST_HOST` names.
fn chosen() -> Option<PathBuf> {
    env::var_os(VARIABLE).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// The place in the data directory. Each version of the protocol has its own, so that two versions of Warpbook do not
/// replace each other's host.
fn installed() -> Result<PathBuf> {
    let directory = format!("protocol-{}", protocol::VERSION);
    Ok(environment::data_directory()?.join("rust-host").join(directory).join(PROGRAM))
}

/// Starts the first program that is a usable host. `directory` is where the host builds the cells.
pub fn search(directory: Option<&Path>, cancel: &Cancel) -> Search {
    let executable = env::current_exe().ok();
    let mut found = Search::Nothing;
    for program in candidates(executable.as_deref()) {
        match Host::start(&program, directory, cancel) {
            Ok(host) => return Search::Usable { program, host },
            Err(error) if matches!(found, Search::Nothing) => found = Search::Unusable { program, error },
            Err(_) => {}
        }
    }
    found
}

/// Builds the host from the checkout that this program was built from, and installs it in the data directory. Returns
/// its path. If another process is building it, waits for that. Without `again`, a usable host that is there by then
/// is kept.
pub fn install(again: bool, frontend: &dyn Frontend, cancel: &Cancel) -> Result<PathBuf> {
    let destination = installed()?;
    let checkout = Checkout::find().ok_or_else(missing)?;
    let cargo = require_tools()?;
    let progress = Progress::new(frontend);
    install_with(&destination, again, &progress, cancel, || build::build(&cargo, &checkout, &progress, cancel))
}

/// As [`install`], with a function that builds the host and returns the path of what it built.
fn install_with(
    destination: &Path,
    again: bool,
    progress: &Progress<'_>,
    cancel: &Cancel,
    build: impl FnOnce() -> Result<PathBuf>,
) -> Result<PathBuf> {
    let failed = |error: io::Error| {
        Diagnostic::error("rust-host-install", format!("cannot write {}", destination.display()))
            .note(error.to_string())
            .help("XDG_DATA_HOME chooses another place for Warpbook's data")
    };
    let directory = destination.parent().unwrap_or(Path::new("."));
    fs::DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(failed)?;
    let lock = File::create(directory.join("lock")).map_err(failed)?;
    let mut waited = false;
    while flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
        if !waited {
            progress.show("Another Warpbook is building the evaluator of Rust cells; this one waits for it.");
            waited = true;
        }
        cancel.check()?;
        std::thread::sleep(Duration::from_millis(100));
    }
    // What another process has installed meanwhile is as new as what would be built here.
    if (waited || !again) && Host::start(destination, None, cancel).is_ok() {
        if waited {
            progress.show("Another Warpbook has built the evaluator of Rust cells.");
        }
        return Ok(destination.to_owned());
    }
    cancel.check()?;
    let built = build()?;
    if let Err(error) = Host::start(&built, None, cancel) {
        cancel.check()?;
        return Err(unusable(&built, &error));
    }
    // Complete or not at all: the file gets its name when all of it is written.
    let copy = tempfile::NamedTempFile::new_in(directory).map_err(failed)?;
    fs::copy(&built, copy.path()).map_err(failed)?;
    fs::set_permissions(copy.path(), fs::Permissions::from_mode(0o755)).map_err(failed)?;
    let file = copy.persist(destination).map_err(|error| failed(error.error))?;
    let size = file.metadata().map_err(failed)?.len();
    progress.done(destination, size);
    Ok(destination.to_owned())
}

/// The error for a Rust cell without a host that could be started or built.
pub fn missing() -> Diagnostic {
    Diagnostic::error("no-rust-host", "Rust cells need the program warpbook-rust-host, which is not installed")
        .note("the sources that this Warpbook was built from are not there to build it from")
        .help(format!("in a checkout of the same version run `{}`", build::COMMAND))
        .help(format!("then copy target/rust-host/{PROGRAM} beside this program, or name it in {VARIABLE}"))
        .help("magics (`%…`, `%%…`) work without it; `%help` lists them")
}

/// The error for a `program` that cannot be used as a host, and that building would not replace.
pub fn unusable(program: &Path, error: &StartError) -> Diagnostic {
    let diagnostic = Diagnostic::error("rust-start", "the evaluator of Rust cells does not start")
        .note(format!("{}: {error}", program.display()));
    if chosen().is_some() {
        diagnostic.help(format!(
            "{VARIABLE} names this program: unset it, or let it name a {PROGRAM} of this Warpbook's version"
        ))
    } else if can_build() {
        // Reached only with what was just built.
        diagnostic
            .note("the sources have changed since this Warpbook was built")
            .help("build Warpbook itself again, and restart the kernel")
    } else {
        diagnostic.help(format!("replace it: run `{}` in a checkout of this version", build::COMMAND))
    }
}

/// True if a host that is missing or not usable is to be built from the checkout.
pub fn can_build() -> bool {
    chosen().is_none() && Checkout::find().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use crate::frontend::Nobody;

    /// A program that answers as a host of some version of the protocol.
    fn program(directory: &Path, version: u32) -> PathBuf {
        let program = directory.join(format!("host-{version}"));
        let script = format!("#!/bin/sh\necho '{{\"type\":\"hello\",\"protocol\":{version}}}'\ncat >/dev/null\n");
        fs::write(&program, script).expect("written");
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("executable");
        program
    }

    #[test]
    fn what_is_built_is_installed_once_for_two_who_need_it() {
        let directory = tempfile::tempdir().expect("a directory");
        let destination = directory.path().join("data/host");
        let built = program(directory.path(), protocol::VERSION);
        let builds = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    let build = || {
                        builds.fetch_add(1, Ordering::SeqCst);
                        std::thread::sleep(Duration::from_millis(300));
                        Ok(built.clone())
                    };
                    let progress = Progress::new(&Nobody);
                    let installed = install_with(&destination, false, &progress, &Cancel::new(), build);
                    assert_eq!(installed.unwrap_or_else(|error| panic!("{error}")), destination);
                });
            }
        });
        assert_eq!(builds.load(Ordering::SeqCst), 1);
        assert!(Host::start(&destination, None, &Cancel::new()).is_ok());
    }

    #[test]
    fn another_protocol_is_neither_used_nor_installed() {
        let directory = tempfile::tempdir().expect("a directory");
        let destination = directory.path().join("data/host");
        let other = program(directory.path(), protocol::VERSION + 1);
        let error = Host::start(&other, None, &Cancel::new()).err().expect("refused");
        assert!(matches!(error, StartError::OtherProtocol { found } if found == protocol::VERSION + 1), "{error}");
        let error = Host::start(Path::new("/bin/true"), None, &Cancel::new()).err().expect("refused");
        assert!(matches!(error, StartError::NotAHost), "{error}");

        let progress = Progress::new(&Nobody);
        let installed = install_with(&destination, false, &progress, &Cancel::new(), || Ok(other.clone()));
        assert_eq!(installed.expect_err("refused").code, "rust-start");
        assert!(!destination.exists());

        // One that is there, but too old, is replaced.
        let built = program(directory.path(), protocol::VERSION);
        fs::copy(&other, &destination).expect("copied");
        install_with(&destination, false, &progress, &Cancel::new(), || Ok(built))
            .unwrap_or_else(|error| panic!("{error}"));
        assert!(Host::start(&destination, None, &Cancel::new()).is_ok());
    }

    #[test]
    fn an_interrupted_build_installs_nothing() {
        let directory = tempfile::tempdir().expect("a directory");
        let destination = directory.path().join("data/host");
        let progress = Progress::new(&Nobody);
        let build = || Err(Diagnostic::interrupted());
        let error = install_with(&destination, false, &progress, &Cancel::new(), build).expect_err("interrupted");
        assert!(error.is_interrupted());
        assert!(!destination.exists());
        let left: Vec<_> = fs::read_dir(directory.path().join("data")).expect("read").flatten().collect();
        assert_eq!(left.iter().map(fs::DirEntry::file_name).collect::<Vec<_>>(), ["lock"]);
    }
}
