//! Triton's own tests on the emulator: a seeded share of those of `test_core.py` for sm_90. `tests/triton_suite/run.py` runs
//! any of them; `docs/triton-tests.md` has the counts.
//!
//! The tests, torch and Triton are fetched by `run.py`, some gigabytes, so the folder in which it keeps them is named by the
//! one who runs this.

use std::path::Path;
use std::process::Command;

use warpbook_test_support::needs::skip_unless;

/// One item in so many runs.
const SHARE: &str = "100";

#[test]
#[ignore = "heavy: `cargo xtask test full`"]
fn a_share_of_the_tests_of_triton_passes() {
    let home = std::env::var_os("WARPBOOK_TRITON_SUITE");
    let help = "set WARPBOOK_TRITON_SUITE to a folder in which tests/triton_suite/run.py may put torch, Triton and its \
                source (7 GB)";
    if !skip_unless("triton-suite", home.is_some(), help) {
        return;
    }
    let home = home.expect("it is there");
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = tempfile::tempdir().expect("a folder");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let build = ["build", "--quiet", "--release", "--package", "warpbook-python"];
    run(Command::new(cargo).args(build).current_dir(root));
    let results = folder.path().join("outcomes.jsonl");
    let scripts = root.join("tests/triton_suite");
    // It ends with an error where an item fails, also for a known reason: the report decides.
    let items = ["--version", "3.6.0", "--share", SHARE, "--results"];
    let mut command = Command::new("python3");
    command.arg(scripts.join("run.py")).args(items).arg(&results).arg("--home").arg(home);
    command.arg("unit/language/test_core.py").status().expect("python3");
    run(Command::new("python3").arg(scripts.join("report.py")).arg(&results).args(["--failures", "--least", "99.5"]));
}

fn run(command: &mut Command) {
    let status = command.status().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(status.success(), "{command:?}: {status}");
}
