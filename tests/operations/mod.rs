//! A seeded share of the table of operations (`docs/operations.md`), with each version of Triton that is there: compiled, run on
//! the emulator and compared with numpy. `run.py` beside this file runs the whole table.

use std::path::Path;
use std::process::Command;

use warpbook_ir::triton_version::TritonVersion;
use warpbook_test_support::environment::{has_triton, python};

/// One in this many cases of a version runs: about 30 of 3,000.
const SHARE: &str = "100";

#[test]
#[ignore = "heavy: `cargo xtask test full`"]
fn operations_match_numpy_with_every_version() {
    let python = python();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/operations/run.py");
    for version in TritonVersion::SUPPORTED {
        if !has_triton(version) {
            continue;
        }
        let results = tempfile::tempdir().expect("a directory");
        let mut command = Command::new(&python);
        command.arg(&script).args(["--warpbook", env!("CARGO_BIN_EXE_warpbook"), "--share", SHARE, "--seed", "1"]);
        command.args(["--triton", version, "--results"]).arg(results.path()).env("PYTHONDONTWRITEBYTECODE", "1");
        let output = command.output().expect("Python starts");
        let (out, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "Triton {version}\n{out}\n{errors}");
        let count = out.lines().find_map(|line| line.strip_prefix("cases: ")?.split(',').next()?.parse::<u32>().ok());
        assert!(count.is_some_and(|count| count > 10), "Triton {version}: too few cases\n{out}");
    }
}
