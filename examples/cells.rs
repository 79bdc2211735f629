//! Runs the cells of a text file in one session, without Jupyter: cells are separated by lines of dashes.
//!
//! ```sh
//! cargo run --example cells -- cells.txt
//! cargo run --example cells -- cells.txt html-directory
//! ```

use std::process::ExitCode;

use warpbook::frontend::{Frontend, InputError, Stream};
use warpbook::render::Output;
use warpbook::session::Session;
use warpbook_process::cancel::Cancel;

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
    warpbook_device::cuda::process_hook();
    let Some(text) = std::env::args().nth(1).and_then(|path| std::fs::read_to_string(path).ok()) else {
        eprintln!("usage: cells FILE [HTML-DIRECTORY]");
        return ExitCode::FAILURE;
    };
    // The HTML of each cell, to be looked at in a browser.
    let directory = std::env::args().nth(2).map(std::path::PathBuf::from);
    let mut session = Session::new();
    session.warm_up();
    let mut failed = false;
    for (number, cell) in text.split("\n----").enumerate() {
        // The rest of the line of dashes.
        let cell = cell.trim_start_matches('-').trim_start_matches('\n');
        match session.execute(cell, &Terminal, &Cancel::new()) {
            Ok(Some(output)) => {
                println!("{}", output.text);
                if let (Some(directory), Some(html)) = (&directory, &output.html) {
                    let page = format!("<!doctype html><meta charset=utf-8>{html}");
                    if let Err(error) = std::fs::write(directory.join(format!("{number}.html")), page) {
                        eprintln!("{error}");
                    }
                }
            }
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
