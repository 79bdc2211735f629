//! `warpbook rust-cells`: the evaluator of Rust cells.

use std::io::{IsTerminal, Write};
use std::sync::Mutex;

use clap::{Args, Subcommand};
use warpbook::frontend::{Frontend, InputError, Stream};
use warpbook::guest;
use warpbook::render::Output;
use warpbook_diagnostic::Result;
use warpbook_process::cancel::Cancel;

/// Installs the evaluator of Rust cells.
#[derive(Args)]
pub struct RustCells {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Builds the evaluator from this Warpbook's sources and installs it in Warpbook's data directory.
    ///
    /// The first Rust cell of a notebook does the same. Nothing but Rust cells needs the evaluator. The build takes
    /// minutes, since evcxr, which evaluates the cells, brings rust-analyzer; it needs cargo, and the network for the
    /// crates. A packaged Warpbook has the evaluator beside it.
    Install {
        /// Build and install it even if a usable one is installed.
        #[arg(long)]
        force: bool,
    },
}

impl RustCells {
    /// Runs the subcommand.
    pub fn run(self) -> Result<()> {
        let Command::Install { force } = self.command;
        let cancel = Cancel::new();
        if !force && let guest::Search::Usable { program, .. } = guest::search(None, &cancel) {
            println!("the evaluator of Rust cells is there: {}", program.display());
            return Ok(());
        }
        let terminal = Terminal::default();
        let installed = guest::install(force, &terminal, &cancel);
        terminal.end_line();
        println!("the evaluator of Rust cells is there: {}", installed?.display());
        Ok(())
    }
}

/// Shows a display's last line on standard error, in the place of the line before. Where standard error is no terminal,
/// it gets the first and the last text only.
#[derive(Default)]
struct Terminal {
    /// The line that the next one replaces; empty if none.
    line: Mutex<String>,
}

impl Terminal {
    /// Ends the line that stands on the terminal.
    fn end_line(&self) {
        if let Ok(mut line) = self.line.lock()
            && !std::mem::take(&mut *line).is_empty()
            && std::io::stderr().is_terminal()
        {
            eprintln!();
        }
    }
}

impl Frontend for Terminal {
    fn stream(&self, _: Stream, text: &str) {
        eprint!("{text}");
    }

    fn display(&self, output: &Output, _: Option<&str>) {
        eprintln!("{}", output.text);
    }

    fn update_display(&self, output: &Output, _: &str) {
        let mut stderr = std::io::stderr();
        let Ok(mut line) = self.line.lock() else { return };
        let last = output.text.lines().last().unwrap_or_default();
        if stderr.is_terminal() {
            // Back to the first column, the new line, and nothing of the old one behind it.
            let _ = write!(stderr, "\r{last}\x1b[K").and_then(|()| stderr.flush());
        }
        last.clone_into(&mut line);
    }

    fn clear_output(&self, _: bool) {}
    fn set_next_input(&self, _: &str, _: bool) {}

    fn input(&self, _: &str, _: bool) -> std::result::Result<String, InputError> {
        Err(InputError::NotAllowed)
    }
}
