//! `test ptxas`: NVIDIA's assembler takes the file, unless it is older than the file's PTX version.
//!
//! `WARPBOOK_TEST_PTXAS` names the assembler; otherwise it is that of the default Triton, where its environment is made.

use std::path::PathBuf;
use std::process::Command as Process;

use warpbook_test_support::{environment, skip_unless};

use super::case::{Case, Command};
use super::cases;

/// The assembler that comes with the default Triton.
fn of_triton() -> Option<PathBuf> {
    let python = environment::managed(environment::DEFAULT_TRITON)?;
    let script =
        "import triton, os; print(os.path.join(os.path.dirname(triton.__file__), 'backends/nvidia/bin/ptxas'))";
    let output = Process::new(python).args(["-c", script]).output().ok()?;
    Some(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim())).filter(|path| path.is_file())
}

/// NVIDIA's assembler; it is said where there is none that the test is skipped.
#[track_caller]
pub fn assembler() -> Option<PathBuf> {
    let ptxas = std::env::var_os("WARPBOOK_TEST_PTXAS").map(PathBuf::from).or_else(of_triton);
    let help = "WARPBOOK_TEST_PTXAS names none, and Triton's environment is not made";
    skip_unless("ptxas", ptxas.is_some(), help).then_some(ptxas).flatten()
}

#[test]
fn ptxas() {
    let Some(ptxas) = assembler() else { return };
    let (mut taken, mut newer, mut refused) = (0, 0, Vec::new());
    for case in cases().iter().filter(|case| case.has(Command::Ptxas)) {
        let mut command = Process::new(&ptxas);
        command.args(["-O0", "-arch", target(case), "-o", "/dev/null"]).arg(&case.path);
        let output = command.output().expect("ptxas starts");
        let printed = String::from_utf8_lossy(&output.stderr);
        if output.status.success() {
            taken += 1;
        } else if printed.contains("Unsupported .version") {
            newer += 1;
        } else {
            refused.push(printed.lines().take(2).collect::<Vec<_>>().join("\n"));
        }
    }
    println!("{taken} files taken, {newer} of a newer PTX than this ptxas knows");
    assert!(refused.is_empty() && taken > 500, "{}", refused.join("\n"));
}

fn target(case: &Case) -> &str {
    let target = case.text.lines().find_map(|line| line.strip_prefix(".target ")).expect("a target");
    target.split(',').next().unwrap_or_default().trim()
}
