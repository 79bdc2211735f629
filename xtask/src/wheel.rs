//! The Python wheel: `warpbook`'s program and kernelspec, the extension module, and the package in `python/`.
//!
//! maturin builds the extension module and the wheel; it takes programs and other files from a folder that is put together
//! here. `pyproject.toml` names that folder.

use std::fs;
use std::path::Path;
use std::process::Command;

/// The folder that `pyproject.toml` calls `data`.
const DATA: &str = "dist/warpbook.data";

/// Builds the wheel into `dist/`.
pub fn run(repository: &Path) -> Result<(), String> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    finish(cargo.args(["build", "--release", "--locked", "--bin", "warpbook"]).current_dir(repository))?;
    gather(repository).map_err(|error| format!("{DATA}: {error}"))?;
    let mut maturin = Command::new("maturin");
    finish(maturin.args(["build", "--release", "--locked", "--out", "dist"]).current_dir(repository))
}

fn finish(command: &mut Command) -> Result<(), String> {
    let name = command.get_program().to_string_lossy().into_owned();
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{name}: {status}")),
        Err(error) => Err(format!("{name}: {error}; `pip install maturin` brings maturin")),
    }
}

/// Puts the program and the kernelspec where a wheel has them.
fn gather(repository: &Path) -> std::io::Result<()> {
    let data = repository.join(DATA);
    if data.exists() {
        fs::remove_dir_all(&data)?;
    }
    let scripts = data.join("scripts");
    fs::create_dir_all(&scripts)?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| repository.join("target"), Into::into);
    fs::copy(target.join("release/warpbook"), scripts.join("warpbook"))?;
    let spec = data.join("data/share/jupyter/kernels/warpbook");
    fs::create_dir_all(&spec)?;
    for entry in fs::read_dir(repository.join("kernelspec"))? {
        let entry = entry?;
        fs::copy(entry.path(), spec.join(entry.file_name()))?;
    }
    // Jupyter puts its own Python in place of `python`, so that the program need not be on the path.
    let from_cargo = fs::read_to_string(spec.join("kernel.json"))?;
    let from_python = from_cargo.replace(r#"["warpbook","#, r#"["python", "-m", "warpbook","#);
    if from_python == from_cargo {
        return Err(std::io::Error::other("kernelspec/kernel.json does not begin its command with \"warpbook\""));
    }
    fs::write(spec.join("kernel.json"), from_python)
}
