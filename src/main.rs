//! The `warpbook` command.

mod cli;

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use warpbook::kernelspec::{self, Place};
use warpbook_diagnostic::Result;

/// A Jupyter kernel that runs a GPU kernel from any stage of the Triton compiler.
#[derive(Parser)]
#[command(version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serves one Jupyter session; Jupyter itself calls this.
    Kernel {
        /// Path of the connection file, in which Jupyter writes the ports and the key.
        #[arg(long, short = 'f', value_name = "FILE")]
        connection_file: PathBuf,
    },
    Run(cli::run::Run),
    Lab(cli::lab::Lab),
    /// Checks this machine: lists what is installed, what is missing, and how to get it.
    Doctor,
    /// Installs the kernel into a Jupyter that is already on this machine.
    Install(Install),
    RustCells(cli::rust_cells::RustCells),
}

#[derive(Args)]
struct Install {
    /// Install for this user (the default).
    #[arg(long = "user", group = "place")]
    _user: bool,
    /// Install into the active virtual or conda environment.
    #[arg(long, group = "place")]
    sys_prefix: bool,
    /// Install under share/jupyter of this directory.
    #[arg(long, group = "place", value_name = "DIRECTORY")]
    prefix: Option<PathBuf>,
    /// Name of the kernel, by which notebooks refer to it.
    #[arg(long, default_value = kernelspec::NAME)]
    name: String,
}

impl Install {
    fn run(self) -> Result<()> {
        let place = match self.prefix {
            Some(prefix) => Place::Prefix(prefix),
            None if self.sys_prefix => Place::SysPrefix,
            None => Place::User,
        };
        let directory = kernelspec::install(&place, &self.name, &kernelspec::this_executable()?)?;
        println!("installed the kernel `{}` in {}", self.name, directory.display());
        Ok(())
    }
}

fn main() -> ExitCode {
    warpbook_device::cuda::process_hook();
    let outcome = match Cli::parse().command {
        Command::Kernel { connection_file } => warpbook::server::run(&connection_file),
        Command::Run(run) => run.run(),
        Command::Lab(lab) => lab.run(),
        Command::Doctor => return cli::doctor::run(),
        Command::Install(install) => install.run(),
        Command::RustCells(rust_cells) => rust_cells.run(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(diagnostic) => {
            let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
            eprintln!("{}", if colours { diagnostic.to_ansi() } else { diagnostic.to_plain() });
            ExitCode::FAILURE
        }
    }
}
