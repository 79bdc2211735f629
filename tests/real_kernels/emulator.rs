//! The PTX that plain Triton writes for real kernels, run on the emulator with nothing in between.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::AtomicBool;

use serde::Deserialize;
use warpbook::emulator::{Arithmetic, GlobalMemory, LaunchConfig, Module, launch};

use super::{packages, python, run};

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

/// Runs a job on its `.in` files and writes `.out` files.
fn emulate(directory: &Path, job: &Job, capability: u32) {
    let text = std::fs::read_to_string(directory.join(format!("{}.ptx", job.name))).expect("the PTX");
    let module = Module::load(&text).unwrap_or_else(|error| panic!("{}: {error}", job.name));
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
        cluster: [1; 3],
        shared: job.shared,
        parameters,
        globals,
        capability,
        arithmetic: Arithmetic::Exact,
        check: false,
        seed: 0,
        observe: None,
    };
    launch(&module, kernel, &config, &memory, &AtomicBool::new(false), &|text| print!("{text}"))
        .unwrap_or_else(|fault| panic!("{}: {fault:?}", job.name));
    for (name, (address, length)) in buffers {
        let mut bytes = vec![0; length];
        assert!(memory.read(address, &mut bytes));
        std::fs::write(directory.join(format!("{}.{name}.out", job.name)), bytes).expect("an output");
    }
}

/// Plain Triton's PTX for one architecture, as it is and with one constant changed.
fn real_ptx(capability: u32) {
    let python = python();
    let directory = tempfile::tempdir().expect("a directory");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/real_kernels/ptx.py");
    let ptx = |command: &str| {
        let mut process = Command::new(&python);
        process.arg(&script).arg(command).arg(directory.path()).env("PYTHONDONTWRITEBYTECODE", "1");
        process
    };
    run(ptx("export").arg(packages(&python)).arg(capability.to_string()));
    let jobs = std::fs::read(directory.path().join("jobs.json")).expect("jobs.json");
    let jobs: Vec<Job> = serde_json::from_slice(&jobs).expect("jobs");
    assert!(jobs.len() > 60, "{} launches", jobs.len());
    for job in &jobs {
        emulate(directory.path(), job, capability);
    }
    run(&mut ptx("check"));
}

#[test]
fn real_ptx_of_sm_75_runs_on_the_emulator() {
    real_ptx(75);
}

#[test]
fn real_ptx_of_sm_80_runs_on_the_emulator() {
    real_ptx(80);
}

#[test]
fn real_ptx_of_sm_89_runs_on_the_emulator() {
    real_ptx(89);
}
