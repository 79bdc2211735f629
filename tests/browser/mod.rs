//! Clicks through every view in JupyterLab, in Chromium, driven by Playwright. Needs `chromium`; says so and is skipped
//! without it. The Python environment (JupyterLab, Playwright without its browsers) is made on the first run, beside
//! cargo's other test files.

use std::path::{Path, PathBuf};
use std::process::Command;

use warpbook_test_support::{environment, skip_unless};

/// Runs a command and panics with its output if it fails.
fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} failed:\n{text}");
    text
}

/// The browser: `WARPBOOK_TEST_CHROMIUM`, or `chromium` of the PATH.
fn chromium() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("WARPBOOK_TEST_CHROMIUM") {
        return Some(named.into());
    }
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|directory| directory.join("chromium")).find(|file| file.is_file())
}

/// The Python of an environment with what `requirements.txt` names.
fn python(tests: &Path) -> PathBuf {
    let requirements = tests.join("requirements.txt");
    let wanted = std::fs::read_to_string(&requirements).expect("requirements.txt");
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("browser-environment");
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
fn views_in_jupyterlab() {
    let chromium = chromium();
    let help = "`apt-get install chromium`, or name one in WARPBOOK_TEST_CHROMIUM";
    if !skip_unless("browser", chromium.is_some(), help) {
        return;
    }
    let chromium = chromium.expect("a browser");
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser");
    let python = python(&tests);
    // The compiler's environment is the kernel's own affair; making it is not to count as a hanging page.
    environment::python();
    let prefix = tempfile::tempdir().expect("a directory for the kernelspec");
    run(Command::new(env!("CARGO_BIN_EXE_warpbook")).arg("install").arg("--prefix").arg(prefix.path()));
    let report = run(Command::new(python)
        .args(["-m", "unittest", "-v", "test_views", "test_large"])
        .current_dir(&tests)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("WARPBOOK_TEST_CHROMIUM", chromium)
        .env("WARPBOOK_TEST_PREFIX", prefix.path()));
    println!("{report}");
}
