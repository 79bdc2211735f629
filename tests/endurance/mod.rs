//! Children die at random moments; the session goes on.
//!
//! The default run kills each child a few times. Fifty times: `WARPBOOK_KILLS=50 cargo test --test heavy -- --ignored endurance`.

use std::path::Path;
use std::process::Command;

use warpbook::guest::find_host;
use warpbook_test_support::environment;

#[test]
#[ignore = "heavy: `cargo xtask test full`"]
fn a_session_outlives_its_children() {
    let python = environment::python();
    let scratch = tempfile::tempdir().expect("a directory");
    let prefix = scratch.path().join("jupyter");
    let warpbook = env!("CARGO_BIN_EXE_warpbook");
    let installed = Command::new(warpbook).args(["install", "--prefix"]).arg(&prefix).status().expect("it runs");
    assert!(installed.success());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/endurance/kills.py");
    let kills = std::env::var("WARPBOOK_KILLS").unwrap_or_else(|_| "4".to_owned());
    let children = if find_host(Path::new(warpbook)).is_some() { "worker,fork,host,evaluator" } else { "worker,fork" };
    let mut command = Command::new(&python);
    command.arg(script).arg("--prefix").arg(&prefix).args(["--kills", &kills, "--only", children]);
    let output = command.env("PYTHONDONTWRITEBYTECODE", "1").output().expect("it runs");
    let text = String::from_utf8_lossy(&output.stdout);
    print!("{text}");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.ends_with("failed: 0\n"));
}
