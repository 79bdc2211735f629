//! Kernels that nobody here wrote, taken from PyPI packages when the test runs, in notebook cells over the real
//! protocol: they match numpy, and the text of each of their stages is an entry of its own.
//!
//! The work is in `tests/real_kernels/run.py`; this file gives it an installed kernel, the managed environment and the
//! packages.

mod emulator;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use warpbook_compiler::environment;
use warpbook_test_support::environment::python;

/// Packages that ship Triton kernels, and what their modules import besides torch.
const PACKAGES: [&str; 3] = ["liger-kernel==0.8.5", "fla-core==0.6.0", "packaging==26.3"];

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    print!("{text}");
    assert!(output.status.success(), "{command:?}: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr));
    text
}

/// A directory with the packages, made once per list of versions. An interrupted download leaves nothing behind.
fn packages(python: &Path) -> PathBuf {
    static ONE_DOWNLOAD: Mutex<()> = Mutex::new(());
    let _guard = ONE_DOWNLOAD.lock().expect("another test's download failed");
    let root = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let directory = root.join(format!("kernel-packages-{}", PACKAGES.join("-").replace("==", "-")));
    if !directory.exists() {
        let partial = tempfile::tempdir_in(root).expect("a directory to download into");
        let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--target"];
        run(Command::new(python).args(install).arg(partial.path().join("packages")).args(PACKAGES));
        std::fs::rename(partial.path().join("packages"), &directory).expect("the packages in their place");
    }
    directory
}

#[test]
#[ignore = "heavy: `cargo xtask test full`"]
fn real_kernels_match_numpy_and_the_text_of_each_stage_is_an_entry() {
    let python = python();
    let scratch = Path::new(env!("CARGO_TARGET_TMPDIR")).join("real-kernels");
    let prefix = scratch.join("jupyter");
    run(Command::new(env!("CARGO_BIN_EXE_warpbook")).args(["install", "--prefix"]).arg(&prefix));
    let driver = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/real_kernels/run.py");
    let mut command = Command::new(&python);
    command.arg(driver).arg("--prefix").arg(&prefix).arg("--packages").arg(packages(&python));
    // A cache of its own: what another run compiled is not what this one shows.
    let cache = tempfile::tempdir().expect("a directory");
    command.arg("--scratch").arg(&scratch).env("PYTHONDONTWRITEBYTECODE", "1").env("XDG_CACHE_HOME", cache.path());
    let summary = run(&mut command);
    assert!(summary.contains("\nfailed: 0\n"), "the driver did not come to its summary");
}

#[test]
#[ignore = "heavy: `cargo xtask test full`"]
fn every_view_of_real_kernels_is_light_and_linked() {
    let python = python();
    let prefix = Path::new(env!("CARGO_TARGET_TMPDIR")).join("real-kernels-views");
    run(Command::new(env!("CARGO_BIN_EXE_warpbook")).args(["install", "--prefix"]).arg(&prefix));
    let mut command = Command::new(&python);
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/real_kernels/views.py"));
    command.arg("--prefix").arg(&prefix).arg("--packages").arg(packages(&python));
    let made: Vec<String> = environment::managed().into_iter().map(|(version, _)| version).collect();
    let summary = run(command.arg("--triton").arg(made.join(",")).env("PYTHONDONTWRITEBYTECODE", "1"));
    assert!(summary.contains("\nfailed: 0\n"), "the driver did not come to its summary");
}
