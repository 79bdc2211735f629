//! Jupyter's own programs, started with the kernel installed for them alone.

use std::env;
use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest, Sha256};
use warpbook::kernelspec::{self, Place};
use warpbook_compiler::environment;
use warpbook_diagnostic::{Diagnostic, Result};
use warpbook_process::cancel::Cancel;

/// An interpreter with nbclient and JupyterLab; making the managed environment shows its progress.
pub fn interpreter() -> Result<PathBuf> {
    environment::jupyter_python(&mut |line| eprintln!("{line}"), &Cancel::new())
}

/// A Python command that sees this program's kernel, whatever is installed for the user.
pub fn python(interpreter: &Path) -> Result<Command> {
    let private = private_directory(&kernelspec::this_executable()?)?;
    kernelspec::install(&Place::Prefix(private.clone()), kernelspec::NAME, &kernelspec::this_executable()?)?;
    let mut command = Command::new(interpreter);
    command.env("JUPYTER_PATH", joined(private.join("share/jupyter"), "JUPYTER_PATH"));
    // Connection files too: they name ports of a kernel that is gone tomorrow.
    let runtime = private.join("runtime");
    make_private(&runtime)?;
    command.env("JUPYTER_RUNTIME_DIR", runtime);
    // The kernel is to use the same Triton.
    command.env("WARPBOOK_PYTHON", interpreter);
    Ok(command)
}

/// Becomes `command`: signals and the exit status are its own from here on.
pub fn become_command(mut command: Command, name: &str) -> Diagnostic {
    let error = command.exec();
    Diagnostic::error("jupyter-start", format!("{name} does not start"))
        .note(error.to_string())
        .help("`warpbook doctor` shows what is missing")
}

/// One directory per program, so that two versions do not start each other's kernels.
fn private_directory(program: &Path) -> Result<PathBuf> {
    let digest = Sha256::digest(program.as_os_str().as_encoded_bytes());
    let name: String = digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    Ok(environment::data_directory()?.join("jupyter").join(name))
}

fn make_private(directory: &Path) -> Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(|error| {
        Diagnostic::error("data-directory", format!("cannot make {}", directory.display()))
            .note(error.to_string())
            .help("XDG_DATA_HOME chooses another place for Warpbook's data")
    })
}

fn joined(first: PathBuf, variable: &str) -> OsString {
    let rest = env::var_os(variable).unwrap_or_default();
    let paths = env::split_paths(&rest).filter(|path| !path.as_os_str().is_empty());
    env::join_paths([first.clone()].into_iter().chain(paths)).unwrap_or_else(|_| first.into_os_string())
}
