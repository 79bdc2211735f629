//! Runs `jupyter_kernel_test` (from PyPI) against the kernel, installed by `warpbook install` into a directory of its
//! own. The Python environment is made on the first run, beside cargo's other test files.

use std::path::Path;
use std::process::Command;

use warpbook::guest::find_host;
use warpbook_test_support::{command, environment};

#[test]
#[ignore = "heavy: `cargo xtask test full`"]
fn jupyter_kernel_test_passes() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kernel_test");
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("kernel-test-environment");
    let python = environment::with_requirements(&directory, &tests.join("requirements.txt"));
    let prefix = tempfile::tempdir().expect("a directory for the kernelspec");
    command::output(Command::new(env!("CARGO_BIN_EXE_warpbook")).arg("install").arg("--prefix").arg(prefix.path()));
    let report = command::output(
        Command::new(python)
            .args(["-m", "unittest", "-v", "test_warpbook"])
            .current_dir(&tests)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env(
                "WARPBOOK_TEST_RUST_CELLS",
                if find_host(Path::new(env!("CARGO_BIN_EXE_warpbook"))).is_some() { "1" } else { "0" },
            )
            .env("JUPYTER_PATH", prefix.path().join("share/jupyter"))
            // Nothing of the user's own set-up.
            .env("JUPYTER_CONFIG_DIR", prefix.path().join("config"))
            .env("JUPYTER_RUNTIME_DIR", prefix.path().join("runtime"))
            .env("IPYTHONDIR", prefix.path().join("ipython")),
    );
    println!("{report}");
}
