//! The PTX that plain Triton writes for real kernels, run on the emulator with nothing in between.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

use serde::Deserialize;
use warpbook_diagnostic::Diagnostic;
use warpbook_emulator::{GlobalMemory, LaunchConfig, Module, launch};

use super::{packages, python, run};
use crate::mutations::{Outcome, Table, judge, mutants};

/// After this a launch is stopped.
const PATIENCE: Duration = Duration::from_secs(60);

/// One launch, as `ptx.py export` describes it.
#[derive(Deserialize)]
struct Job {
    name: String,
    /// The case whose buffers it takes.
    case: String,
    entry: String,
    grid: [u32; 3],
    threads: u32,
    shared: u32,
    parameters: Vec<Parameter>,
    buffers: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Parameter {
    Buffer(String),
    Bytes(Vec<u8>),
}

/// What a launch left in each buffer.
type Results = BTreeMap<String, Vec<u8>>;

/// Runs PTX as a job says, on its `.in` files; `seed` and checks where they are asked for.
fn emulate(
    directory: &Path,
    job: &Job,
    text: &str,
    capability: u32,
    check: Option<u64>,
) -> Result<(Results, Vec<Diagnostic>), Diagnostic> {
    let module = Module::load(text)?;
    let kernel = module.kernel(&job.entry).unwrap_or_else(|| panic!("{}: no entry {}", job.name, job.entry));
    let mut memory = GlobalMemory::default();
    let mut place = |label: &str, bytes: &[u8]| {
        let address = memory.allocate(label, bytes.len() as u64).expect("memory");
        assert!(memory.write(address, bytes));
        address
    };
    let mut buffers = BTreeMap::new();
    for name in &job.buffers {
        let bytes = std::fs::read(directory.join(format!("{}.{name}.in", job.case))).expect("an input");
        buffers.insert(name.as_str(), (place(name, &bytes), bytes.len()));
    }
    let globals = module.variables().iter().map(|variable| place(&variable.name, &variable.bytes)).collect();
    let mut parameters: Vec<Vec<u8>> = job
        .parameters
        .iter()
        .map(|parameter| match parameter {
            Parameter::Buffer(name) => buffers[name.as_str()].0.to_le_bytes().to_vec(),
            Parameter::Bytes(bytes) => bytes.clone(),
        })
        .collect();
    // Triton's scratch pointers trail; these kernels have no scratch.
    parameters.resize(kernel.declaration.params.len(), vec![0; 8]);
    let config = LaunchConfig {
        grid: job.grid,
        block: [job.threads, 1, 1],
        shared: job.shared,
        parameters,
        globals,
        capability,
        check: check.is_some(),
        seed: check.unwrap_or(0),
        ..LaunchConfig::default()
    };
    let stop = Arc::new(AtomicBool::new(false));
    let (ended, end) = std::sync::mpsc::channel::<()>();
    let watchdog = stop.clone();
    std::thread::spawn(move || {
        // A mutant may run for ever.
        if end.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
            watchdog.store(true, Ordering::Relaxed);
        }
    });
    let stats = launch(&module, kernel, &config, &memory, &stop, &|text| print!("{text}"));
    drop(ended);
    let stats = stats.map_err(|fault| fault.into_diagnostic(module.source()))?;
    let results = buffers.into_iter().map(|(name, (address, length))| {
        let mut bytes = vec![0; length];
        assert!(memory.read(address, &mut bytes));
        (name.to_owned(), bytes)
    });
    Ok((results.collect(), stats.checked.map_or_else(Vec::new, |checked| checked.findings)))
}

/// The launches of plain Triton's PTX for one architecture, in a directory.
fn export(directory: &Path, capability: u32) -> Vec<Job> {
    let python = python();
    run(ptx(&python, "export", directory).arg(packages(&python)).arg(capability.to_string()));
    let jobs = std::fs::read(directory.join("jobs.json")).expect("jobs.json");
    let jobs: Vec<Job> = serde_json::from_slice(&jobs).expect("jobs");
    assert!(jobs.len() > 60, "{} launches", jobs.len());
    jobs
}

fn ptx(python: &Path, command: &str, directory: &Path) -> Command {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/real_kernels/ptx.py");
    let mut process = Command::new(python);
    process.arg(&script).arg(command).arg(directory).env("PYTHONDONTWRITEBYTECODE", "1");
    process
}

fn text_of(directory: &Path, job: &Job) -> String {
    std::fs::read_to_string(directory.join(format!("{}.ptx", job.name))).expect("the PTX")
}

/// Plain Triton's PTX for one architecture, as it is and with one constant changed.
fn real_ptx(capability: u32) {
    let directory = tempfile::tempdir().expect("a directory");
    let directory = directory.path();
    for job in export(directory, capability) {
        let (results, _) = emulate(directory, &job, &text_of(directory, &job), capability, None)
            .unwrap_or_else(|error| panic!("{}: {error}", job.name));
        for (name, bytes) in results {
            std::fs::write(directory.join(format!("{}.{name}.out", job.name)), bytes).expect("an output");
        }
    }
    run(&mut ptx(&python(), "check", directory));
}

/// The architecture that `WARPBOOK_CAPABILITY` asks for.
fn chosen() -> Option<u32> {
    Some(std::env::var("WARPBOOK_CAPABILITY").ok()?.parse().expect("an architecture: 90"))
}

/// What becomes of each mutant of the packages' kernels: `cargo test --test heavy -- --ignored --nocapture mutants`.
#[test]
#[ignore = "some minutes: by name"]
fn mutants_of_real_ptx() {
    let mut table = Table::default();
    let capability = chosen().unwrap_or(90);
    let directory = tempfile::tempdir().expect("a directory");
    let directory = directory.path();
    for job in export(directory, capability).iter().filter(|job| job.name == job.case) {
        let text = text_of(directory, job);
        let (right, _) = emulate(directory, job, &text, capability, Some(0)).expect("the kernel is right");
        table.kernel();
        println!("{}", job.name);
        for mutant in mutants(&text) {
            let verdict =
                judge(&text, &mutant, |text, seed| match emulate(directory, job, text, capability, Some(seed)) {
                    Err(fault) if fault.code == "interrupted" => Outcome::Endless,
                    Err(_) => Outcome::Reported,
                    Ok((_, findings)) if !findings.is_empty() => Outcome::Reported,
                    Ok((results, _)) => Outcome::Quiet { same: results == right },
                });
            table.add(&format!("{} for sm_{capability}", job.name), &mutant, verdict);
        }
    }
    println!("{}", table.show());
}

/// Kernels that are not right, as published: the one of liger-kernel 0.8.5 stores zeros to its counts and adds to them by
/// atomics of other warps, with no barrier between. Most orders of warps show it.
const NOT_RIGHT: [&str; 1] = ["route_histogram"];

/// Right kernels, checked in some orders of warps: nothing is found.
#[test]
#[ignore = "heavy: `cargo xtask test full`"]
fn nothing_is_found_in_real_ptx() {
    let seeds: u64 = std::env::var("WARPBOOK_SEEDS").map_or(2, |seeds| seeds.parse().expect("a number of orders"));
    let (mut found, mut launches) = (Vec::new(), 0);
    for capability in chosen().map_or(vec![80, 90], |one| vec![one]) {
        let directory = tempfile::tempdir().expect("a directory");
        let directory = directory.path();
        for job in export(directory, capability)
            .iter()
            .filter(|job| job.name == job.case && !NOT_RIGHT.contains(&job.name.as_str()))
        {
            let text = text_of(directory, job);
            for seed in 0..seeds {
                launches += 1;
                let findings = match emulate(directory, job, &text, capability, Some(seed)) {
                    Ok((_, findings)) => findings,
                    Err(fault) => vec![fault],
                };
                found.extend(
                    findings.into_iter().map(|finding| {
                        format!("{} for sm_{capability}, seed {seed}: {}", job.name, finding.to_plain())
                    }),
                );
            }
        }
    }
    println!("{launches} checked launches, {} findings", found.len());
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
#[ignore = "heavy: `cargo xtask test full`"]
fn real_ptx_of_sm_75_runs_on_the_emulator() {
    real_ptx(75);
}

#[test]
#[ignore = "heavy: `cargo xtask test full`"]
fn real_ptx_of_sm_80_runs_on_the_emulator() {
    real_ptx(80);
}

#[test]
#[ignore = "heavy: `cargo xtask test full`"]
fn real_ptx_of_sm_89_runs_on_the_emulator() {
    real_ptx(89);
}

/// What most orders show, and the usual one does not.
#[test]
#[ignore = "heavy: `cargo xtask test full`"]
fn a_race_in_a_published_kernel_is_found() {
    let directory = tempfile::tempdir().expect("a directory");
    let directory = directory.path();
    let jobs = export(directory, 90);
    for job in jobs.iter().filter(|job| NOT_RIGHT.contains(&job.case.as_str()) && job.name == job.case) {
        let text = text_of(directory, job);
        let findings = (1..=8).flat_map(|seed| {
            emulate(directory, job, &text, 90, Some(seed)).map_or_else(|fault| vec![fault], |(_, findings)| findings)
        });
        let codes: Vec<&str> = findings.map(|finding| finding.code).collect();
        assert!(!codes.is_empty() && codes.iter().all(|code| *code == "race"), "{}: {codes:?}", job.name);
    }
}
