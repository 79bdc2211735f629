//! A stand-in for the session that does what a cell's first word says.

use std::time::Duration;

use warpbook::frontend::{Frontend, InputError, Stream};
use warpbook::render::Output;
use warpbook::server::Evaluator;
use warpbook::session::{Completeness, Completion};
use warpbook_diagnostic::{Diagnostic, Result};
use warpbook_process::cancel::Cancel;

/// The stand-in.
pub struct Scripted;

impl Evaluator for Scripted {
    fn execute(&mut self, cell: &str, frontend: &dyn Frontend, cancel: &Cancel) -> Result<Option<Output>> {
        let (word, rest) = cell.split_once(' ').unwrap_or((cell, ""));
        match word {
            "" => {}
            "result" => return Ok(Some(Output::text(rest).with_html(format!("<b>{rest}</b>")))),
            "print" => frontend.stream(Stream::Stdout, rest),
            "warn" => frontend.stream(Stream::Stderr, rest),
            "lines" => {
                for line in 0..rest.parse::<usize>().expect("a number of lines") {
                    frontend.stream(Stream::Stdout, &format!("line {line}\n"));
                }
            }
            "fail" => return Err(Diagnostic::error("scripted-failure", rest)),
            "panic" => panic!("{rest}"),
            // An endless computation that polls, as the emulator does.
            "spin" => loop {
                cancel.check()?;
                std::thread::yield_now();
            },
            // A wait for something that only an action can end, as a child process is.
            "block" => {
                let (ended, end) = std::sync::mpsc::channel();
                let _kill = cancel.on_cancel(move || ended.send(()).expect("the cell waits"));
                end.recv().expect("the action runs");
                cancel.check()?;
            }
            // Goes on whatever anybody asks.
            "deaf" => std::thread::sleep(Duration::from_secs(3600)),
            "input" | "password" => {
                return match frontend.input(rest, word == "password") {
                    Ok(line) => Ok(Some(Output::text(line))),
                    Err(InputError::Interrupted) => Err(Diagnostic::interrupted()),
                    Err(error @ InputError::NotAllowed) => Err(Diagnostic::error("no-input", error.to_string())),
                };
            }
            "progress" => {
                frontend.display(&Output::text("0 %"), Some("p"));
                frontend.update_display(&Output::text("100 %"), "p");
            }
            "clear" => {
                frontend.stream(Stream::Stdout, "soon gone");
                frontend.clear_output(true);
            }
            "next" => frontend.set_next_input(rest, false),
            "page" => frontend.page(&Output::text(rest)),
            _ => panic!("the script has no `{word}`"),
        }
        Ok(None)
    }

    fn evaluate(&mut self, expression: &str, _cancel: &Cancel) -> Result<Output> {
        match expression {
            "bad" => Err(Diagnostic::error("scripted-failure", "a bad expression")),
            _ => Ok(Output::text(format!("value of {expression}"))),
        }
    }

    /// Completes the word before the cursor with its own upper case.
    fn complete(&mut self, cell: &str, cursor: usize) -> Completion {
        let start = cell[..cursor].rfind(' ').map_or(0, |space| space + 1);
        Completion { span: start..cursor, matches: vec![cell[start..cursor].to_uppercase()] }
    }

    fn inspect(&mut self, cell: &str, cursor: usize, detail: u8) -> Option<Output> {
        (!cell.is_empty()).then(|| Output::text(format!("{} bytes before the cursor, detail {detail}", cursor)))
    }

    fn is_complete(&self, cell: &str) -> Completeness {
        match cell {
            "open (" => Completeness::Incomplete("    ".to_owned()),
            "never" => Completeness::Invalid,
            _ => Completeness::Complete,
        }
    }
}
