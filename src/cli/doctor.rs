//! `warpbook doctor`: what this machine has, what is missing, and what to do about it.

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use serde_json::Value;
use warpbook::guest;
use warpbook::kernelspec::{self, Place};
use warpbook_compiler::environment;
use warpbook_process::cancel::Cancel;
use warpbook_process::question::{self, NoAnswer};

/// How a line of the report begins.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    Found,
    /// Something works less well, or not yet.
    Missing,
    /// Warpbook cannot be used like this.
    Broken,
}

#[derive(Default)]
struct Report {
    text: String,
    unusable: bool,
}

impl Report {
    fn section(&mut self, title: &str) {
        let _ = writeln!(self.text, "{}{title}", if self.text.is_empty() { "" } else { "\n" });
    }

    fn line(&mut self, mark: Mark, text: impl AsRef<str>) {
        let mark = match mark {
            Mark::Found => "ok",
            Mark::Missing => "--",
            Mark::Broken => {
                self.unusable = true;
                "!!"
            }
        };
        let _ = writeln!(self.text, "  {mark}  {}", text.as_ref());
    }

    fn advice(&mut self, text: impl AsRef<str>) {
        let _ = writeln!(self.text, "      → {}", text.as_ref());
    }
}

/// Prints the report. Fails only where Warpbook cannot be used at all.
pub fn run() -> ExitCode {
    let mut report = Report::default();
    report.section(&format!("warpbook {}", env!("CARGO_PKG_VERSION")));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let unit = warpbook_emulator::arithmetic::simd::level();
    report.line(Mark::Found, format!("{} {}, {cores} cores, vectors: {unit}", env::consts::OS, env::consts::ARCH));
    gpu(&mut report);
    python(&mut report);
    rust(&mut report);
    jupyter(&mut report);
    storage(&mut report);
    print!("{}", report.text);
    if report.unusable { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// The standard output of a program that ended well.
fn output(program: impl AsRef<Path>, arguments: &[&str]) -> io::Result<String> {
    let mut command = Command::new(program.as_ref());
    command.args(arguments);
    let done = match question::ask(command, question::PATIENCE, &Cancel::new()) {
        Ok(done) => done,
        Err(NoAnswer::NotStarted(error)) => return Err(error),
        Err(silent) => return Err(io::Error::other(silent.to_string())),
    };
    if done.status.success() {
        return Ok(done.output.trim().to_owned());
    }
    Err(io::Error::other(done.errors.trim().lines().last().unwrap_or("it failed without a message").to_owned()))
}

fn which(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|directory| directory.join(program)).find(|candidate| candidate.is_file())
}

fn gpu(report: &mut Report) {
    report.section("GPU");
    let libcuda = libcuda();
    match &libcuda {
        Some(library) => report.line(Mark::Found, format!("NVIDIA's driver library: {}", library.display())),
        None => report.line(Mark::Missing, "no NVIDIA driver (libcuda.so.1): kernels run on the CPU emulator"),
    }
    let query = ["--query-gpu=name,compute_cap,memory.total,driver_version", "--format=csv,noheader"];
    match output("nvidia-smi", &query) {
        Ok(list) => {
            for (index, gpu) in list.lines().enumerate() {
                report.line(Mark::Found, format!("cuda:{index}  {gpu}"));
            }
            report.advice("`%device cuda:0` in a notebook runs kernels there");
        }
        Err(error) if libcuda.is_some() => {
            report.line(Mark::Missing, format!("nvidia-smi does not say which GPUs there are: {error}"));
            report.advice("in a container, start it with the GPUs; on a host, look at the driver's installation");
        }
        Err(_) => {}
    }
}

fn libcuda() -> Option<PathBuf> {
    let set = env::var_os("LD_LIBRARY_PATH").unwrap_or_default();
    let usual = [
        "/usr/lib/x86_64-linux-gnu",
        "/usr/lib/aarch64-linux-gnu",
        "/usr/lib64",
        "/usr/lib",
        "/usr/lib/wsl/lib",
        "/usr/local/nvidia/lib64",
        "/usr/local/cuda/compat",
        "/run/opengl-driver/lib",
    ];
    let directories = env::split_paths(&set).chain(usual.map(PathBuf::from));
    directories.map(|directory| directory.join("libcuda.so.1")).find(|library| library.exists())
}

/// The modules that an interpreter has, found without importing them.
const PROBE: &str = r#"
import importlib.metadata as metadata, importlib.util as util, json, os, platform, sys
def version(package):
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
found = util.find_spec("triton")
ptxas = []
if found and found.submodule_search_locations:
    folder = os.path.join(list(found.submodule_search_locations)[0], "backends", "nvidia", "bin")
    if os.path.isdir(folder):
        ptxas = sorted(os.path.join(folder, name) for name in os.listdir(folder) if name.startswith("ptxas"))
print(json.dumps({
    "python": platform.python_version(), "supported": sys.version_info >= (3, 10), "ptxas": ptxas,
    "venv": bool(util.find_spec("venv")) and bool(util.find_spec("ensurepip")),
    **{name: version(name) for name in ("triton", "numpy", "nbclient", "jupyterlab", "torch")},
}))
"#;

fn probe(interpreter: &Path) -> io::Result<Value> {
    Ok(serde_json::from_str(&output(interpreter, &["-c", PROBE])?)?)
}

fn describe(found: &Value) -> String {
    let mut text = format!("Python {}", found["python"].as_str().unwrap_or("?"));
    for package in ["triton", "numpy", "jupyterlab", "nbclient", "torch"] {
        if let Some(version) = found[package].as_str() {
            let _ = write!(text, ", {package} {version}");
        }
    }
    text
}

fn python(report: &mut Report) {
    report.section("Python and Triton");
    let managed = environment::managed();
    match which("python3") {
        None => {
            report.line(Mark::Missing, "no `python3` in PATH: %%ptx and %%cubin work, Triton's stages do not");
            report.advice("install Python 3.10 or newer with venv (Debian, Ubuntu: apt install python3-venv)");
        }
        Some(path) => match probe(&path) {
            Err(error) => report.line(Mark::Missing, format!("{} does not work: {error}", path.display())),
            Ok(found) => {
                let text = format!("{}: Python {}", path.display(), found["python"].as_str().unwrap_or("?"));
                let supported = found["supported"] == true;
                report.line(if supported { Mark::Found } else { Mark::Missing }, text);
                if !supported {
                    report.advice("Warpbook's environment needs Python 3.10 or newer");
                } else if found["venv"] != true && managed.is_empty() {
                    report.line(Mark::Missing, "its modules venv and ensurepip are missing");
                    report.advice("install them (Debian, Ubuntu: apt install python3-venv)");
                }
            }
        },
    }

    let mut ptxas = Vec::new();
    let mut interpreter = |report: &mut Report, title: &str, path: &Path| match probe(path) {
        Ok(found) => {
            let complete = found["triton"].is_string();
            let mark = if complete { Mark::Found } else { Mark::Missing };
            report.line(mark, format!("{title}: {} ({})", describe(&found), path.display()));
            if !complete {
                report.advice("it has no Triton: `pip install triton==3.4.0 numpy` there, or leave it unset");
            }
            ptxas.extend(found["ptxas"].as_array().into_iter().flatten().filter_map(Value::as_str).map(PathBuf::from));
        }
        Err(error) => {
            report.line(Mark::Missing, format!("{title}: {} does not work: {error}", path.display()));
        }
    };
    if let Some(chosen) = env::var_os("WARPBOOK_PYTHON") {
        interpreter(report, "WARPBOOK_PYTHON", Path::new(&chosen));
    }
    for (variable, title) in
        [("VIRTUAL_ENV", "active virtual environment"), ("CONDA_PREFIX", "active conda environment")]
    {
        if let Some(prefix) = env::var_os(variable) {
            interpreter(report, title, &Path::new(&prefix).join("bin/python"));
        }
    }
    for (version, path) in &managed {
        interpreter(report, &format!("managed, Triton {version}"), path);
    }
    if managed.is_empty() {
        report.line(Mark::Missing, "the managed environment is not made yet");
        report.advice(
            "`warpbook run NOTEBOOK` or `warpbook lab` makes it on first use (Triton 3.4.0, numpy, JupyterLab)",
        );
    }

    ptxas.extend(which("ptxas"));
    for path in &ptxas {
        match output(path, &["--version"]) {
            Ok(version) => {
                let release = version.lines().find_map(|line| line.split_once("release ")).map_or("", |(_, text)| text);
                report.line(Mark::Found, format!("ptxas {release} ({})", path.display()));
            }
            Err(error) => report.line(Mark::Missing, format!("{} does not run: {error}", path.display())),
        }
    }
    if ptxas.is_empty() {
        report.line(Mark::Missing, "no ptxas: it comes with Triton");
    }
}

fn rust(report: &mut Report) {
    report.section("Rust cells");
    match guest::search(None, &Cancel::new()) {
        guest::Search::Usable { program, .. } => report.line(Mark::Found, format!("evaluator: {}", program.display())),
        search if guest::can_build() => {
            report.line(
                Mark::Missing,
                match search {
                    guest::Search::Unusable { program, error } => format!("evaluator: {}: {error}", program.display()),
                    _ => "the evaluator is not built yet; only Rust cells need it".to_owned(),
                },
            );
            report.advice(format!(
                "the first Rust cell builds it, or `warpbook rust-cells install` now: {}",
                guest::build_cost()
            ));
        }
        search => {
            let error = match search {
                guest::Search::Unusable { program, error } => guest::unusable(&program, &error),
                _ => guest::missing(),
            };
            report.line(Mark::Missing, format!("{}; only Rust cells need it", error.message));
            for note in &error.notes {
                report.advice(note);
            }
            for help in &error.help {
                report.advice(help);
            }
        }
    }
    for tool in ["cargo", "rustc"] {
        match output(tool, &["--version"]) {
            Ok(version) => report.line(Mark::Found, version),
            Err(error) => {
                report.line(Mark::Missing, format!("{tool}: {error}"));
                report.advice("Rust cells are compiled: install Rust from https://rustup.rs");
            }
        }
    }
    match which("cc") {
        Some(path) => report.line(Mark::Found, format!("a linker: {}", path.display())),
        None => {
            report.line(Mark::Missing, "no `cc` to link with");
            report.advice("Debian, Ubuntu: apt install gcc libc6-dev");
        }
    }
}

fn jupyter(report: &mut Report) {
    report.section("Jupyter");
    let places = [Place::User, Place::SysPrefix].into_iter().filter_map(|place| place.data_directory().ok());
    let specifications = places.map(|data| data.join("kernels").join(kernelspec::NAME).join("kernel.json"));
    let mut any = false;
    for path in specifications.filter(|path| path.is_file()) {
        any = true;
        let text = fs::read_to_string(&path).unwrap_or_default();
        let program = serde_json::from_str::<Value>(&text).ok();
        let program = program.as_ref().and_then(|json| json["argv"][0].as_str()).map(PathBuf::from);
        match program {
            Some(program) if program.is_file() => {
                report.line(Mark::Found, format!("{} starts {}", path.display(), program.display()));
            }
            _ => {
                report.line(Mark::Missing, format!("{} starts a program that is not there", path.display()));
                report.advice("`warpbook install` writes it anew");
            }
        }
    }
    if !any {
        report.line(Mark::Missing, "the kernel is not installed for another Jupyter");
        report.advice("`warpbook install`; `warpbook lab` and `warpbook run` do not need it");
    }
}

fn storage(report: &mut Report) {
    /// What the managed environment takes, and some room.
    const NEEDED: u64 = 3 << 30;
    report.section("Storage");
    let places = [("data", environment::data_directory()), ("cache", environment::cache_directory())];
    for (name, directory) in places {
        let directory = match directory {
            Ok(directory) => directory,
            Err(error) => {
                report.line(Mark::Broken, format!("{name}: {}", error.message));
                continue;
            }
        };
        // It may not be there yet: what counts then is the directory that it will be made in.
        let Some(existing) = directory.ancestors().find(|ancestor| ancestor.is_dir()) else { continue };
        if let Err(error) = tempfile::tempfile_in(existing) {
            report.line(Mark::Broken, format!("{name}: {} cannot be written: {error}", existing.display()));
            report.advice("XDG_DATA_HOME and XDG_CACHE_HOME choose other places");
            continue;
        }
        let size = bytes(size(&directory));
        match rustix::fs::statvfs(existing) {
            Ok(disk) => {
                let free = disk.f_bavail.saturating_mul(disk.f_frsize);
                let mark = if free < NEEDED { Mark::Missing } else { Mark::Found };
                report.line(mark, format!("{name}: {} ({size}; {} free)", directory.display(), bytes(free)));
                if free < NEEDED {
                    report.advice(format!("the managed environment wants {}", bytes(NEEDED)));
                }
            }
            Err(error) => report.line(Mark::Missing, format!("{name}: {} ({size}; {error})", directory.display())),
        }
    }
}

/// Bytes under a directory; links are not followed.
fn size(directory: &Path) -> u64 {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let sizes = entries.map(|entry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => size(&entry.path()),
        Ok(metadata) => metadata.len(),
        Err(_) => 0,
    });
    sizes.sum()
}

fn bytes(count: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "a size to be read")]
    let mib = count as f64 / f64::from(1 << 20);
    if mib < 1024.0 { format!("{mib:.0} MiB") } else { format!("{:.1} GiB", mib / 1024.0) }
}
