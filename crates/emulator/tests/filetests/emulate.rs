//! `test emulate`: the file is launched on the emulator, and what comes out is what its head says.

use warpbook_device::Emulated;

use super::case::{Case, Command};
use super::{compare, launch};

/// Launches a case.
pub fn run(case: &Case) -> Vec<String> {
    launch::run(case, &case.text, Ok(Box::new(Emulated::new(case.architecture))), false)
}

#[test]
fn emulate() {
    let (count, wrong) = compare(Command::Emulate, run);
    println!("{count} files, {} wrong", wrong.len());
    assert!(count > 500 && wrong.is_empty(), "{count} files\n{}", wrong.join("\n"));
}

/// The files once more in processes that use less of the host's vector unit.
#[test]
fn narrower_vector_units_give_the_same_bits() {
    for unit in ["avx2", "portable"] {
        let program = std::env::current_exe().expect("this test");
        let arguments = ["--exact", "filetests::emulate::emulate", "--nocapture"];
        let mut again = std::process::Command::new(program);
        let again = again.args(arguments).env("WARPBOOK_VECTOR_UNIT", unit).env_remove("WARPBOOK_BLESS").output();
        let output = again.expect("runs");
        let printed = String::from_utf8_lossy(&output.stdout);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && printed.contains(" files, 0 wrong"), "{unit}: {printed}{errors}");
    }
}
