//! `warpbook run`: a notebook from the command line, through the same kernel and protocol as in JupyterLab.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;
use warpbook::kernelspec;
use warpbook_diagnostic::{Diagnostic, Result};

use super::jupyter;

const SCRIPT: &str = include_str!("run.py");

/// Runs a notebook and prints its cells' results.
#[derive(Args)]
pub struct Run {
    /// Path of the notebook to run.
    notebook: PathBuf,
    /// File to write the executed notebook to [default: NOTEBOOK.executed.ipynb beside it].
    #[arg(long, short, value_name = "FILE", conflicts_with = "inplace")]
    output: Option<PathBuf>,
    /// Write the outputs into the notebook itself.
    #[arg(long)]
    inplace: bool,
    /// Time limit of one cell, in seconds.
    #[arg(long, value_name = "SECONDS")]
    timeout: Option<u32>,
    /// Set a scalar before the first cell, or after the cell tagged `parameters`.
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = setting)]
    settings: Vec<String>,
}

fn setting(text: &str) -> std::result::Result<String, String> {
    let is_name = |name: &str| {
        name.chars().next().is_some_and(|c| c.is_alphabetic() || c == '_')
            && name.chars().all(|c| c.is_alphanumeric() || c == '_')
    };
    match text.split_once('=') {
        Some((name, value)) if is_name(name.trim()) && !value.trim().is_empty() && !value.contains('\n') => {
            Ok(format!("{} = {}", name.trim(), value.trim()))
        }
        _ => Err("expected NAME=VALUE, as in M=512".into()),
    }
}

impl Run {
    /// Does not return if the notebook could be started.
    pub fn run(self) -> Result<()> {
        if !self.notebook.is_file() {
            let nothing = Diagnostic::error("no-notebook", format!("there is no file {}", self.notebook.display()));
            return Err(nothing);
        }
        let output = match (self.output, self.inplace) {
            (Some(output), _) => output,
            (None, true) => self.notebook.clone(),
            (None, false) => executed(&self.notebook),
        };
        let job = json!({
            "kernel": kernelspec::NAME,
            "timeout": self.timeout,
            "set": self.settings,
        });
        let python = jupyter::interpreter()?;
        let mut command = jupyter::python(&python)?;
        // Paths need not be Unicode, as JSON is.
        command.args(["-c", SCRIPT]).args([&self.notebook, &output]).env("WARPBOOK_RUN", job.to_string());
        Err(jupyter::become_command(command, "nbclient"))
    }
}

/// `a.ipynb` → `a.executed.ipynb`
fn executed(notebook: &Path) -> PathBuf {
    notebook.with_extension("executed.ipynb")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_executed_notebook_lies_beside_its_source() {
        assert_eq!(executed(Path::new("a/01-b.c.ipynb")), Path::new("a/01-b.c.executed.ipynb"));
    }

    #[test]
    fn a_setting_is_a_name_and_a_value() {
        assert_eq!(setting("M=512"), Ok("M = 512".into()));
        assert_eq!(setting("scale = 1 / 3"), Ok("scale = 1 / 3".into()));
        for wrong in ["", "M", "=1", "M=", "1M=2", "M=1\n%reset"] {
            assert!(setting(wrong).is_err(), "{wrong}");
        }
    }
}
