//! Clicks through every view in JupyterLab, in Chromium, driven by Playwright. Needs `chromium`; says so and is skipped
//! without it. The Python environment (JupyterLab, Playwright without its browsers) is made on the first run, beside
//! cargo's other test files.

use std::path::{Path, PathBuf};
use std::process::Command;

use warpbook_test_support::{command, environment, skip_unless};

/// The browser: `WARPBOOK_TEST_CHROMIUM`, or `chromium` of the PATH.
fn chromium() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("WARPBOOK_TEST_CHROMIUM") {
        return Some(named.into());
    }
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|directory| directory.join("chromium")).find(|file| file.is_file())
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
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("browser-environment");
    let python = environment::with_requirements(&directory, &tests.join("requirements.txt"));
    // The compiler's environment is the kernel's own affair; making it is not to count as a hanging page.
    environment::python();
    let prefix = tempfile::tempdir().expect("a directory for the kernelspec");
    command::output(Command::new(env!("CARGO_BIN_EXE_warpbook")).arg("install").arg("--prefix").arg(prefix.path()));
    let report = command::output(
        Command::new(python)
            .args(["-m", "unittest", "-v", "test_views", "test_large"])
            .current_dir(&tests)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("WARPBOOK_TEST_CHROMIUM", chromium)
            .env("WARPBOOK_TEST_PREFIX", prefix.path()),
    );
    println!("{report}");
}
