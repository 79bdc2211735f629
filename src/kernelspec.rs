//! Telling Jupyter about the kernel: a directory with `kernel.json` and logos where Jupyter looks for kernels.

use std::env;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::Value;

use warpbook_diagnostic::{Diagnostic, Result};

/// The name that notebooks have in their metadata.
pub const NAME: &str = "warpbook";

const KERNEL_JSON: &str = include_str!("../kernelspec/kernel.json");
const LOGOS: [(&str, &[u8]); 3] = [
    ("logo-32x32.png", include_bytes!("../kernelspec/logo-32x32.png")),
    ("logo-64x64.png", include_bytes!("../kernelspec/logo-64x64.png")),
    ("logo-svg.svg", include_bytes!("../kernelspec/logo-svg.svg")),
];

/// Where to install.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// For this user.
    User,
    /// In the active virtual or conda environment.
    SysPrefix,
    /// Under `share/jupyter` of this directory.
    Prefix(PathBuf),
}

impl Place {
    /// The directory that holds Jupyter's data (and in it `kernels`).
    pub fn data_directory(&self) -> Result<PathBuf> {
        let set = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        match self {
            Self::User => set("JUPYTER_DATA_DIR")
                .or_else(|| set("XDG_DATA_HOME").map(|data| data.join("jupyter")))
                .or_else(|| env::home_dir().map(|home| home.join(".local/share/jupyter")))
                .ok_or_else(|| {
                    Diagnostic::error("kernelspec-place", "no home directory to install for the user")
                        .help("`warpbook install --prefix DIRECTORY` installs anywhere")
                }),
            Self::SysPrefix => set("VIRTUAL_ENV")
                .or_else(|| set("CONDA_PREFIX"))
                .map(|prefix| prefix.join("share/jupyter"))
                .ok_or_else(|| {
                    Diagnostic::error("kernelspec-place", "no Python environment is active")
                        .note("`--sys-prefix` looks at VIRTUAL_ENV and CONDA_PREFIX")
                        .help("activate the environment, or name it: `warpbook install --prefix DIRECTORY`")
                }),
            Self::Prefix(prefix) => Ok(prefix.join("share/jupyter")),
        }
    }
}

/// Installs the kernelspec `name`, which starts `executable`, and returns its directory. What was there under that
/// name is replaced.
pub fn install(place: &Place, name: &str, executable: &Path) -> Result<PathBuf> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if name.is_empty() || !name.chars().all(allowed) {
        return Err(Diagnostic::error("kernelspec-name", format!("`{name}` cannot be the name of a kernel"))
            .note("a kernel's name has letters, digits, `.`, `_` and `-`"));
    }
    let directory = place.data_directory()?.join("kernels").join(name.to_ascii_lowercase());
    let kernel_json = kernel_json(executable)?;
    let write = || -> std::io::Result<()> {
        std::fs::create_dir_all(&directory)?;
        for (file, content) in LOGOS {
            replace(&directory, file, content)?;
        }
        // Last: a directory without it is no kernelspec.
        replace(&directory, "kernel.json", kernel_json.as_bytes())
    };
    write().map_err(|error| {
        Diagnostic::error("kernelspec-write", format!("cannot write {}", directory.display()))
            .note(error.to_string())
            .help("`--user` needs no rights beyond your own; `--prefix DIRECTORY` installs anywhere")
    })?;
    Ok(directory)
}

/// The path by which Jupyter can start this very program, wherever its own PATH leads.
pub fn this_executable() -> Result<PathBuf> {
    env::current_exe()
        .map_err(|error| Diagnostic::error("kernelspec-executable", format!("cannot tell where warpbook is: {error}")))
}

fn kernel_json(executable: &Path) -> Result<String> {
    let not_text = || {
        Diagnostic::error("kernelspec-executable", format!("the path {} is not UTF-8", executable.display()))
            .note("kernel.json cannot hold it")
    };
    let program = executable.to_str().ok_or_else(not_text)?;
    let broken = |error| Diagnostic::error("internal-error", format!("the template of kernel.json is broken: {error}"));
    let mut specification: Value = serde_json::from_str(KERNEL_JSON).map_err(broken)?;
    specification["argv"][0] = Value::from(program);
    serde_json::to_string_pretty(&specification).map_err(broken)
}

fn replace(directory: &Path, file: &str, content: &[u8]) -> std::io::Result<()> {
    let mut temporary = tempfile::NamedTempFile::new_in(directory)?;
    temporary.write_all(content)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        temporary.as_file().set_permissions(std::fs::Permissions::from_mode(0o644))?;
    }
    temporary.persist(directory.join(file))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernelspec_is_written_and_replaced() {
        let prefix = tempfile::tempdir().expect("a directory");
        let place = Place::Prefix(prefix.path().to_owned());
        for program in ["/old/warpbook", "/new/warp book"] {
            let directory = install(&place, "Warpbook", Path::new(program)).expect("installs");
            assert_eq!(directory, prefix.path().join("share/jupyter/kernels/warpbook"));
            let text = std::fs::read_to_string(directory.join("kernel.json")).expect("kernel.json");
            let specification: Value = serde_json::from_str(&text).expect("json");
            assert_eq!(specification["argv"][0], program);
            assert_eq!(specification["argv"][3], "{connection_file}");
            assert_eq!(specification["interrupt_mode"], "message");
            assert!(directory.join("logo-64x64.png").is_file());
        }
    }

    #[test]
    fn a_name_that_jupyter_would_not_find_is_refused() {
        let place = Place::Prefix(PathBuf::from("/nowhere"));
        for name in ["", "a/b", "a b", "é"] {
            let error = install(&place, name, Path::new("/x")).expect_err("refused");
            assert_eq!(error.code, "kernelspec-name");
        }
    }

    #[test]
    fn a_place_without_rights_is_an_error_that_says_so() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let error = install(&Place::Prefix(file.path().to_owned()), NAME, Path::new("/x")).expect_err("no directory");
        assert_eq!(error.code, "kernelspec-write");
    }
}
