//! Runs the cells of a text file in one session, without Jupyter: cells are separated by lines of dashes.
//!
//! ```sh
//! cargo run --example cells -- cells.txt
//! ```

use std::process::ExitCode;

use warpbook::cancel::Cancel;
use warpbook::frontend::{Frontend, InputError, Stream};
use warpbook::render::Output;
use warpbook::session::Session;

/// Shows everything on the terminal.
struct Terminal;

impl Frontend for Terminal {
    fn stream(&self, stream: Stream, text: &str) {
        match stream {
            Stream::Stdout => print!("{text}"),
            Stream::Stderr => eprint!("{text}"),
        }
    }

    fn display(&self, output: &Output, _: Option<&str>) {
        println!("{}", output.text);
    }

    fn update_display(&self, output: &Output, _: &str) {
        println!("{}", output.text);
    }

    fn clear_output(&self, _: bool) {}

    fn set_next_input(&self, text: &str, _: bool) {
        println!("--- next cell\n{text}\n---");
    }

    fn input(&self, _: &str, _: bool) -> Result<String, InputError> {
        Err(InputError::NotAllowed)
    }
}

fn main() -> ExitCode {
    warpbook::device::cuda::process_hook();
    let Some(text) = std::env::args().nth(1).and_then(|path| std::fs::read_to_string(path).ok()) else {
        eprintln!("usage: cells FILE");
        return ExitCode::FAILURE;
    };
    let mut session = Session::new();
    session.warm_up();
    let mut failed = false;
    for cell in text.split("\n----") {
        // The rest of the line of dashes.
        let cell = cell.trim_start_matches('-').trim_start_matches('\n');
        match session.execute(cell, &Terminal, &Cancel::new()) {
            Ok(Some(output)) => println!("{}", output.text),
            Ok(None) => {}
            Err(error) => {
                failed = true;
                println!("{}", error.to_plain());
            }
        }
        println!();
    }
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
