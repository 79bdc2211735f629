//! Runs `jupyter_kernel_test` (from PyPI) against the kernel, installed by `warpbook install` into a directory of its
//! own. The Python environment is made on the first run, beside cargo's other test files.

use std::path::{Path, PathBuf};
use std::process::Command;

use warpbook::guest::find_host;

/// Runs a command and panics with its output if it fails.
fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} failed:\n{text}");
    text
}

/// The Python of an environment with what `requirements.txt` names.
fn python() -> PathBuf {
    let requirements = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kernel_test/requirements.txt");
    let wanted = std::fs::read_to_string(&requirements).expect("requirements.txt");
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("kernel-test-environment");
    let python = directory.join("bin/python");
    // Written last: an environment without it was interrupted while it was made.
    let complete = directory.join("complete");
    if std::fs::read_to_string(&complete).ok().as_deref() != Some(wanted.as_str()) {
        run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&directory));
        let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"];
        run(Command::new(&python).args(pip).arg(&requirements));
        std::fs::write(&complete, wanted).expect("a mark in the environment");
    }
    python
}

#[test]
#[ignore = "heavy: `cargo xtask test full`"]
fn jupyter_kernel_test_passes() {
    let python = python();
    let prefix = tempfile::tempdir().expect("a directory for the kernelspec");
    run(Command::new(env!("CARGO_BIN_EXE_warpbook")).arg("install").arg("--prefix").arg(prefix.path()));
    let report = run(Command::new(python)
        .args(["-m", "unittest", "-v", "test_warpbook"])
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kernel_test"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env(
            "WARPBOOK_TEST_RUST_CELLS",
            if find_host(Path::new(env!("CARGO_BIN_EXE_warpbook"))).is_some() { "1" } else { "0" },
        )
        .env("JUPYTER_PATH", prefix.path().join("share/jupyter"))
        // Nothing of the user's own set-up.
        .env("JUPYTER_CONFIG_DIR", prefix.path().join("config"))
        .env("JUPYTER_RUNTIME_DIR", prefix.path().join("runtime"))
        .env("IPYTHONDIR", prefix.path().join("ipython")));
    println!("{report}");
}
