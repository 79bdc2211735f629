//! `warpbook lab`: JupyterLab with the kernel in it.

use std::ffi::OsString;

use clap::Args;
use warpbook_diagnostic::Result;

use super::jupyter;

/// Opens JupyterLab with the kernel installed.
#[derive(Args)]
pub struct Lab {
    /// Arguments for JupyterLab itself: a notebook, a directory, `--no-browser`, `--port 8888`, …
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENTS")]
    arguments: Vec<OsString>,
}

impl Lab {
    /// Does not return if JupyterLab could be started.
    pub fn run(self) -> Result<()> {
        let python = jupyter::interpreter()?;
        let mut command = jupyter::python(&python)?;
        command.args(["-m", "jupyterlab"]).args(self.arguments);
        Err(jupyter::become_command(command, "JupyterLab"))
    }
}
