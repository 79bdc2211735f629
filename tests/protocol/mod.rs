//! The protocol, from the other side of the sockets: the typed client panics on anything nobody asserted.

mod children;
mod comms;
mod execute;
mod guard;
mod hostile;
mod interrupt;
mod introspect;
mod lifecycle;
mod memory;
mod scripted;
mod streams;

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use scripted::Scripted;
use warpbook_test_support::client::Kernel;

/// A kernel with the scripted evaluator.
fn kernel() -> Kernel {
    Kernel::start(|| Scripted)
}

/// A command in a directory that starts the built one under a limit of the shell: `-n 160`.
fn program_under_limit(directory: &Path, limit: &str) -> PathBuf {
    let limited = directory.join("limited");
    let script = format!("#!/bin/sh\nulimit {limit}\nexec '{}' \"$@\"\n", program().display());
    std::fs::write(&limited, script).expect("written");
    std::fs::set_permissions(&limited, std::fs::Permissions::from_mode(0o755)).expect("executable");
    limited
}

/// The built command.
fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_warpbook"))
}
