//! Python environments: the ones that Warpbook makes for itself, and the reader's own.
//!
//! A managed environment is a virtual environment in Warpbook's data directory. A file written last says that it is
//! whole; one without it was interrupted, and is made anew.

use std::env;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use etcetera::BaseStrategy;
use rustix::fs::{FlockOperation, flock};

use warpbook_diagnostic::{Diagnostic, Result};
use warpbook_ir::triton_version::TritonVersion;
use warpbook_process::cancel::Cancel;
use warpbook_process::child::ChildProcess;
use warpbook_process::question::{self, Answer, NoAnswer};

/// Packages of the default environment besides Triton: all that `warpbook run` and `warpbook lab` need.
const WITH_DEFAULT: [&str; 4] = ["numpy==2.2.6", "jupyterlab==4.6.6", "nbclient==0.11.0", "nbformat==5.11.1"];
/// Packages of the environment of another version of Triton, besides that Triton.
const WITH_OTHERS: [&str; 1] = ["numpy==2.2.6"];
/// The versions of Python (3.x) that Triton and the packages above have wheels for, best first.
const PYTHON_MINORS: [u32; 4] = [12, 11, 13, 10];
/// Name of a file that marks an environment's directory as complete.
const COMPLETE: &str = "warpbook-complete";

/// The directory of files that take long to make, such as environments.
pub fn data_directory() -> Result<PathBuf> {
    base().map(|base| base.data_dir().join("warpbook"))
}

/// The directory of files that may be deleted at any time.
pub fn cache_directory() -> Result<PathBuf> {
    base().map(|base| base.cache_dir().join("warpbook"))
}

fn base() -> Result<impl BaseStrategy> {
    etcetera::choose_base_strategy().map_err(|error| {
        Diagnostic::error("no-home", "no home directory")
            .note(error.to_string())
            .help("set HOME, or XDG_DATA_HOME and XDG_CACHE_HOME")
    })
}

/// The managed environments that are whole: version of Triton, interpreter.
pub fn managed() -> Vec<(String, PathBuf)> {
    let Ok(directory) = environments() else { return Vec::new() };
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut found: Vec<_> = entries
        .filter_map(|entry| {
            let version = entry.file_name().to_str()?.strip_prefix("triton-")?.to_owned();
            let interpreter = interpreter(&entry.path());
            (entry.path().join(COMPLETE).is_file() && interpreter.exists()).then_some((version, interpreter))
        })
        .collect();
    found.sort();
    found
}

fn environments() -> Result<PathBuf> {
    Ok(data_directory()?.join("environments"))
}

fn interpreter(environment: &Path) -> PathBuf {
    environment.join("bin").join("python")
}

/// The interpreter that the user chose: `WARPBOOK_PYTHON`, or the interpreter of the active environment.
pub fn chosen() -> Option<PathBuf> {
    let set = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("WARPBOOK_PYTHON").or_else(|| {
        let prefix = set("VIRTUAL_ENV").or_else(|| set("CONDA_PREFIX"))?;
        Some(interpreter(&prefix)).filter(|interpreter| interpreter.exists())
    })
}

/// An interpreter that has nbclient, JupyterLab and the default Triton: the reader's own if it has them, or else that
/// of the managed environment, which is made on first use. `progress` gets a line whenever something new is done.
pub fn jupyter_python(progress: &mut dyn FnMut(&str), cancel: &Cancel) -> Result<PathBuf> {
    let modules = ["triton", "nbclient", "jupyterlab"];
    match chosen() {
        Some(interpreter) if has_modules(&interpreter, &modules, cancel)? => Ok(interpreter),
        _ => managed_python(TritonVersion::DEFAULT, progress, cancel),
    }
}

/// True if an interpreter finds all of `modules`; they are not imported. Fails if it does not answer.
fn has_modules(interpreter: &Path, modules: &[&str], cancel: &Cancel) -> Result<bool> {
    let script = "import sys, importlib.util as u; sys.exit(not all(u.find_spec(name) for name in sys.argv[1:]))";
    let mut command = Command::new(interpreter);
    command.args(["-c", script]).args(modules);
    Ok(answer(interpreter, command, question::PATIENCE, cancel)?.is_some_and(|answer| answer.status.success()))
}

/// The version of Triton that an interpreter has, without importing it; `None` if it has none. Fails at an interrupt,
/// and if the interpreter does not answer within `limit`.
pub fn triton_version(interpreter: &Path, limit: Duration, cancel: &Cancel) -> Result<Option<String>> {
    let script = "from importlib.metadata import version; print(version('triton'))";
    let mut command = Command::new(interpreter);
    command.args(["-c", script]);
    let answer = answer(interpreter, command, limit, cancel)?.filter(|answer| answer.status.success());
    Ok(answer.map(|answer| answer.output.trim().to_owned()).filter(|version| !version.is_empty()))
}

/// An interpreter's answer; `None` if it cannot be started.
fn answer(interpreter: &Path, command: Command, limit: Duration, cancel: &Cancel) -> Result<Option<Answer>> {
    match question::ask(command, limit, cancel) {
        Ok(answer) => Ok(Some(answer)),
        Err(NoAnswer::NotStarted(_)) => Ok(None),
        Err(NoAnswer::Interrupted) => Err(Diagnostic::interrupted()),
        Err(silent @ NoAnswer::Silent(_)) => {
            let error = Diagnostic::error("python-silent", format!("{} does not answer", interpreter.display()));
            Err(error
                .note(format!("{silent} what it has installed, and was killed"))
                .help("WARPBOOK_PYTHON names another Python; without it and without an active environment, Warpbook makes its own"))
        }
    }
}

/// The interpreter of the managed environment of a version of Triton, which is made if it is not there.
pub fn managed_python(version: &str, progress: &mut dyn FnMut(&str), cancel: &Cancel) -> Result<PathBuf> {
    let is_version = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_digit());
    if version.split('.').count() != 3 || !version.split('.').all(is_version) {
        return Err(Diagnostic::error("triton-version", format!("`{version}` is not a version of Triton"))
            .help(format!("a version has three numbers: {}", TritonVersion::DEFAULT)));
    }
    let environments = environments()?;
    let directory = environments.join(format!("triton-{version}"));
    let whole = || directory.join(COMPLETE).is_file() && interpreter(&directory).exists();
    if whole() {
        return Ok(interpreter(&directory));
    }
    let failed = |error: io::Error| {
        Diagnostic::error("environment", format!("cannot write {}", directory.display()))
            .note(error.to_string())
            .help("XDG_DATA_HOME chooses another place for Warpbook's data")
    };
    fs::DirBuilder::new().recursive(true).mode(0o700).create(&environments).map_err(failed)?;

    // Another process may be at it: whoever comes second waits, and finds it made.
    let lock = File::create(environments.join(format!("triton-{version}.lock"))).map_err(failed)?;
    if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
        progress("another process makes the environment; waiting for it");
        while flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
            cancel.check()?;
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
    }
    if whole() {
        return Ok(interpreter(&directory));
    }
    if directory.exists() {
        fs::remove_dir_all(&directory).map_err(failed)?;
    }
    progress(&format!("making the Python environment for Triton {version} in {}", directory.display()));
    make(&directory, version, progress, cancel)?;
    fs::write(directory.join(COMPLETE), format!("triton {version}\n")).map_err(failed)?;
    Ok(interpreter(&directory))
}

fn make(directory: &Path, version: &str, progress: &mut dyn FnMut(&str), cancel: &Cancel) -> Result<()> {
    let mut venv = Command::new(base_python(version, cancel)?);
    venv.args(["-m", "venv"]).arg(directory);
    step(venv, progress, cancel, |said| {
        Diagnostic::error("environment", "Python cannot make a virtual environment")
            .note(said)
            .help("install Python's venv module (Debian, Ubuntu: apt install python3-venv), then try again")
    })?;
    let mut pip = Command::new(interpreter(directory));
    pip.args(["-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--progress-bar", "off"]);
    pip.arg(format!("triton=={version}"));
    pip.args(if version == TritonVersion::DEFAULT { WITH_DEFAULT.as_slice() } else { WITH_OTHERS.as_slice() });
    step(pip, progress, cancel, |said| {
        Diagnostic::error("environment", format!("cannot install Triton {version} and what goes with it"))
            .note(said)
            .help("the first set-up needs the network (PyPI); afterwards none is needed")
            .help("WARPBOOK_PYTHON names an existing Python with Triton to use instead")
    })
}

/// Runs one command of the set-up; its last errors go to `explain`.
fn step(
    mut command: Command,
    progress: &mut dyn FnMut(&str),
    cancel: &Cancel,
    explain: impl Fn(String) -> Diagnostic,
) -> Result<()> {
    cancel.check()?;
    // A pip of the reader's own configuration may ask questions or refuse to work outside an environment.
    command.env("PIP_REQUIRE_VIRTUALENV", "0").env_remove("PYTHONHOME").env_remove("PYTHONPATH");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = ChildProcess::spawn(command).map_err(|error| explain(error.to_string()))?;
    let killer = child.killer();
    let _kill = cancel.on_cancel(move || killer.kill());
    let (stdout, stderr) = (child.take_stdout(), child.take_stderr());
    // Both are read, so that neither fills up.
    let errors = std::thread::spawn(move || {
        let mut text = String::new();
        if let Some(mut stderr) = stderr {
            let _ = stderr.read_to_string(&mut text);
        }
        text
    });
    let mut last = String::new();
    for line in stdout.into_iter().flat_map(|stdout| BufReader::new(stdout).lines().map_while(io::Result::ok)) {
        let line = line.trim();
        if is_worth_a_line(line) {
            progress(line.split(": ").next().unwrap_or(line));
        }
        if !line.is_empty() {
            line.clone_into(&mut last);
        }
    }
    let status = child.wait().map_err(|error| explain(error.to_string()))?;
    let errors = errors.join().unwrap_or_default();
    cancel.check()?;
    if status.success() {
        return Ok(());
    }
    let mut lines: Vec<&str> = errors.lines().filter(|line| !line.trim().is_empty()).collect();
    let said = if lines.is_empty() { last } else { lines.split_off(lines.len().saturating_sub(4)).join("\n") };
    Err(explain(if said.is_empty() { status.to_string() } else { said }))
}

/// True if the reader should see a line of pip's output: what was requested, and what takes long.
fn is_worth_a_line(line: &str) -> bool {
    let asked = line.starts_with("Collecting") && !line.contains("(from");
    let large = line.starts_with("Downloading") && line.ends_with("MB)");
    asked || large || line.starts_with("Installing collected packages")
}

/// A Python of this machine that can make the environment of a version of Triton.
fn base_python(triton: &str, cancel: &Cancel) -> Result<PathBuf> {
    let least = TritonVersion::parse(triton).least_python_minor();
    let minor = |interpreter: &Path| -> Option<u32> {
        let script = "import sys; print(sys.version_info.minor if sys.version_info.major == 3 else 0)";
        let mut command = Command::new(interpreter);
        command.args(["-c", script]);
        question::ask(command, question::PATIENCE, cancel).ok()?.output.trim().parse().ok()
    };
    let path = env::var_os("PATH").unwrap_or_default();
    let mut found = Vec::new();
    for name in std::iter::once("python3".to_owned()).chain(PYTHON_MINORS.map(|minor| format!("python3.{minor}"))) {
        for candidate in env::split_paths(&path).map(|directory| directory.join(&name)).filter(|path| path.is_file()) {
            cancel.check()?;
            let Some(minor) = minor(&candidate) else { continue };
            if PYTHON_MINORS.contains(&minor) && minor >= least {
                return Ok(candidate);
            }
            found.push(format!("{} is Python 3.{minor}", candidate.display()));
        }
    }
    let missing = Diagnostic::error("no-python", "no Python that Triton runs on").note(if found.is_empty() {
        "there is no `python3` in PATH".to_owned()
    } else {
        found.join("; ")
    });
    Err(missing
        .help(format!(
            "install Python 3.{least} to 3.13 with its venv module (Debian, Ubuntu: apt install python3-venv)"
        ))
        .help("`%%ptx` and `%%cubin` work without it"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_version_is_refused() {
        for wrong in ["", "3", "3.4", "3.4.x", "../../3.4.0", "3.4.0.1"] {
            let error = managed_python(wrong, &mut |_| {}, &Cancel::new()).expect_err(wrong);
            assert_eq!(error.code, "triton-version");
        }
    }

    /// A program in a directory of its own that never answers.
    fn silent() -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().expect("a directory");
        let python = directory.path().join("python");
        fs::write(&python, "#!/bin/sh\ntrap '' INT TERM\nsleep 1000\n").expect("written");
        fs::set_permissions(&python, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("executable");
        (directory, python)
    }

    #[test]
    fn a_python_that_does_not_answer_is_killed() {
        let (_directory, python) = silent();
        let error = triton_version(&python, Duration::from_millis(50), &Cancel::new()).expect_err("no answer");
        assert_eq!(error.code, "python-silent");
        let cancel = Cancel::new();
        cancel.cancel();
        let day = Duration::from_secs(86_400);
        assert!(triton_version(&python, day, &cancel).expect_err("interrupted").is_interrupted());
    }

    #[test]
    fn a_failing_step_says_what_the_program_said() {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "echo Collecting x; echo ERROR: no network >&2; exit 1"]);
        let mut lines = Vec::new();
        let explain = |said: String| Diagnostic::error("environment", "it failed").note(said);
        let error = step(command, &mut |line| lines.push(line.to_owned()), &Cancel::new(), explain);
        assert_eq!(error.expect_err("fails").notes, ["ERROR: no network"]);
        assert_eq!(lines, ["Collecting x"]);
    }
}
