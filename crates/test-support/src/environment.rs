//! Python environments: the managed ones, which Warpbook makes from the network on first use, and those of single tests.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use warpbook_compiler::environment;
use warpbook_ir::triton_version::TritonVersion;
use warpbook_process::cancel::Cancel;

use crate::command;
use crate::needs::skip_unless;

/// The Triton that a session begins with.
pub const DEFAULT_TRITON: &str = TritonVersion::DEFAULT;
/// The Triton that takes Gluon.
pub const GLUON_TRITON: &str = TritonVersion::FOR_GLUON;

/// The interpreter with Triton, numpy and Jupyter's client; the environment is made if it is not there yet.
///
/// # Panics
///
/// If it cannot be made.
pub fn python() -> PathBuf {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    let make =
        || environment::jupyter_python(&mut |line| println!("{line}"), &Cancel::new()).expect("a Python environment");
    PYTHON.get_or_init(make).clone()
}

/// The interpreter of a version's environment, if it has been made.
pub fn managed(version: &str) -> Option<PathBuf> {
    environment::managed().into_iter().find(|(known, _)| known == version).map(|(_, python)| python)
}

/// True if the environment of this Triton has been made; otherwise it is said that the test is skipped.
#[must_use]
#[track_caller]
pub fn has_triton(version: &str) -> bool {
    let help = format!("`%triton {version}` in a notebook makes its environment");
    skip_unless(&format!("triton-{version}"), managed(version).is_some(), &help)
}

/// The interpreter of an environment in `directory` that holds what the file `requirements` names, made if it is not there yet.
///
/// # Panics
///
/// If it cannot be made.
pub fn with_requirements(directory: &Path, requirements: &Path) -> PathBuf {
    let wanted = std::fs::read_to_string(requirements).expect("requirements.txt");
    let python = directory.join("bin/python");
    // Written last: an environment without it was interrupted while it was made.
    let complete = directory.join("complete");
    if std::fs::read_to_string(&complete).ok().as_deref() != Some(wanted.as_str()) {
        command::output(Command::new("python3").args(["-m", "venv", "--clear"]).arg(directory));
        let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"];
        command::output(Command::new(&python).args(pip).arg(requirements));
        std::fs::write(&complete, wanted).expect("a mark in the environment");
    }
    python
}
