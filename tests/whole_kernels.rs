//! Whole kernels for sm_90 on the emulator, compiled by the real Triton when the test runs: `tests/whole_kernels/*.cells`
//! make buffers, launch and check, cell after cell. `benches/gpu/whole.py` compares the same files with a GPU, bit for
//! bit.

use std::collections::BTreeMap;
use std::path::Path;

use sha2::{Digest, Sha256};
use warpbook::frontend::Nobody;
use warpbook::session::Session;
use warpbook_process::cancel::Cancel;
use warpbook_test_support::environment::{self, GLUON_TRITON, has_triton};

/// Digests of buffers by their name, by the file's name and how it was compiled.
type Recorded = BTreeMap<String, BTreeMap<String, String>>;

/// One file: its name, the Triton that it needs, its cells.
struct Whole {
    name: String,
    triton: Option<String>,
    cells: Vec<String>,
}

fn files() -> Vec<Whole> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/whole_kernels");
    let entries = std::fs::read_dir(folder).expect("the folder").map(|entry| entry.expect("a file").path());
    let mut paths: Vec<_> = entries.filter(|path| path.extension().is_some_and(|name| name == "cells")).collect();
    paths.sort();
    let read = |path: &std::path::PathBuf| {
        let text = std::fs::read_to_string(path).expect("text");
        let mut parts = text.split("# %%\n");
        let head = parts.next().unwrap_or_default();
        Whole {
            name: path.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
            triton: head.lines().find_map(|line| line.strip_prefix("# triton: ")).map(str::to_owned),
            cells: parts.map(|cell| cell.trim().to_owned()).collect(),
        }
    };
    paths.iter().map(read).collect()
}

fn run(session: &mut Session, cell: &str) -> Result<(), String> {
    let answer = session.execute(cell, &Nobody, &Cancel::new());
    answer.map(drop).map_err(|error| format!("{}\n{}", cell.lines().next().unwrap_or_default(), error.to_plain()))
}

/// A session that compiles for sm_90.
fn settled(triton: Option<&str>) -> Session {
    environment::python();
    let mut session = Session::new();
    let setting = triton.map_or(String::new(), |version| format!("\n%triton {version}"));
    run(&mut session, &format!("%target sm_90{setting}")).expect("the settings");
    session
}

/// Runs the files that `chosen` takes, and `then` after each; a line for each.
fn run_all(
    session: &mut Session,
    chosen: impl Fn(&Whole) -> bool,
    mut then: impl FnMut(&mut Session, &Whole) -> Result<(), String>,
) {
    let (mut count, mut failures) = (0, Vec::new());
    for whole in files().iter().filter(|whole| chosen(whole)) {
        run(session, "%reset").expect("nothing is left");
        count += 1;
        let outcome = whole.cells.iter().try_for_each(|cell| run(session, cell)).and_then(|()| then(session, whole));
        println!("{}: {}", whole.name, if outcome.is_ok() { "right" } else { "FAILED" });
        failures.extend(outcome.err().map(|error| format!("{}: {error}", whole.name)));
    }
    assert!(count > 5, "{count} files");
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
#[ignore = "heavy: `cargo xtask test full`"]
fn matmuls_are_right() {
    let chosen = |whole: &Whole| whole.triton.is_none() && whole.name.starts_with("matmul");
    run_all(&mut settled(None), chosen, |_, _| Ok(()));
}

#[test]
#[ignore = "heavy: `cargo xtask test full`"]
fn other_kernels_are_right() {
    let chosen = |whole: &Whole| whole.triton.is_none() && !whole.name.starts_with("matmul");
    run_all(&mut settled(None), chosen, |_, _| Ok(()));
}

/// What each buffer held on an H100 in the end, compiled by Triton 3.6.0 as it does by default: the first 16 digits of
/// SHA-256 of its `.npy`. `benches/gpu/whole.py` recorded it.
const RECORDED: &str = include_str!("whole_kernels/h100.json");

#[test]
#[ignore = "heavy: `cargo xtask test full`"]
fn kernels_of_a_newer_triton_are_right_and_have_the_bits_of_an_h100() {
    if !has_triton(GLUON_TRITON) {
        return;
    }
    let recorded: Recorded = serde_json::from_str(RECORDED).expect("digests");
    let folder = tempfile::tempdir().expect("a directory");
    let (mut session, mut compared) = (settled(Some(GLUON_TRITON)), 0);
    run_all(
        &mut session,
        |_| true,
        |session, whole| {
            let Some(digests) = recorded.get(&format!("{} default", whole.name)) else { return Ok(()) };
            for (name, digest) in digests {
                let path = folder.path().join(format!("{name}.npy"));
                run(session, &format!("%save {name} {}", path.display()))?;
                let bytes = std::fs::read(&path).map_err(|error| error.to_string())?;
                let found: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
                if !found.starts_with(digest.as_str()) {
                    return Err(format!("{name} does not hold what it held on an H100"));
                }
                compared += 1;
            }
            Ok(())
        },
    );
    println!("{compared} buffers compared with an H100's");
    assert!(compared > 200, "{compared}");
}

/// `%config arithmetic fast`: other bits, and close; each launch says it by the device's name.
#[test]
#[ignore = "heavy: `cargo xtask test full`"]
fn fast_arithmetic_is_close_and_said() {
    environment::python();
    let mut session = Session::new();
    let whole = files().into_iter().find(|whole| whole.name == "matmul_descriptors").expect("the file");
    run(&mut session, "%target sm_90").expect("a target");
    for cell in &whole.cells {
        run(&mut session, cell).expect("it is right");
    }
    run(&mut session, "%buf exact = c\n%config arithmetic fast").expect("a setting");
    let output = session.execute("%launch matmul", &Nobody, &Cancel::new()).expect("a launch").unwrap_or_default();
    assert!(output.text.contains("emu:sm_90:fast"), "{}", output.text);
    run(&mut session, "%check c == exact, rtol=1e-3, atol=1e-2").expect("close");
    run(&mut session, "%config arithmetic exact").expect("a setting");
    let output = session.execute("%launch matmul", &Nobody, &Cancel::new()).expect("a launch").unwrap_or_default();
    assert!(!output.text.contains(":fast"), "{}", output.text);
    run(&mut session, "%check c == exact, rtol=0, atol=0").expect("the same bits again");
}

/// An error that says so, not a hang.
#[test]
#[ignore = "heavy: `cargo xtask test full`"]
fn a_lock_that_nobody_frees_is_a_deadlock() {
    environment::python();
    let mut session = Session::new();
    run(&mut session, "%buf lock = ones(1, dtype=i32)").expect("a buffer");
    let kernel = "@triton.jit\ndef locked(lock):\n    while tl.atomic_cas(lock, 0, 1) == 1:\n        pass\n";
    let told = run(&mut session, &format!("%%triton locked[3](lock)\n{kernel}")).expect_err("the lock is never free");
    assert!(told.contains("deadlock: all 3 blocks that run wait for a change of global memory"), "{told}");
}
