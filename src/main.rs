//! The `warpbook` command.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

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
        /// Where Jupyter wrote the ports and the key.
        #[arg(long, short = 'f', value_name = "FILE")]
        connection_file: PathBuf,
    },
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Kernel { connection_file } => warpbook::server::run(&connection_file),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(diagnostic) => {
            eprintln!("{}", diagnostic.to_ansi());
            ExitCode::FAILURE
        }
    }
}
