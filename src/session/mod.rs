//! One session: a cell's way from its text to the magics or the Rust evaluator, completion, inspection.
//!
//! The server owns execution counts, history and the protocol; the session knows nothing of Jupyter.

use std::ops::Range;

use crate::cancel::Cancel;
use crate::diagnostic::{Diagnostic, Result};
use crate::frontend::Frontend;
use crate::render::Output;
use crate::workspace::Workspace;

/// Whether a cell can run as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Completeness {
    /// It can.
    Complete,
    /// It goes on; the indentation of the next line.
    Incomplete(String),
    /// It never will.
    Invalid,
}

/// Candidates for the text in `span` (bytes of the cell).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Completion {
    /// What a match replaces.
    pub span: Range<usize>,
    /// The candidates, best first.
    pub matches: Vec<String>,
}

/// A session. All calls come from one thread, in order.
#[derive(Default)]
pub struct Session {
    workspace: Workspace,
}

impl Session {
    /// A session with nothing in it. Returns at once; slow parts start in the background.
    pub fn new() -> Self {
        Self::default()
    }

    /// Runs a cell. What it returns is the cell's result (`execute_result`).
    pub fn execute(&mut self, cell: &str, frontend: &dyn Frontend, cancel: &Cancel) -> Result<Option<Output>> {
        let _ = (&mut self.workspace, frontend, cancel);
        if cell.trim().is_empty() {
            return Ok(None);
        }
        Err(Box::new(Diagnostic::error("not-yet", "cells do not run yet")))
    }

    /// Evaluates one of `user_expressions`.
    pub fn evaluate(&mut self, expression: &str, cancel: &Cancel) -> Result<Output> {
        let _ = cancel;
        Err(Box::new(Diagnostic::error("not-yet", format!("cannot evaluate `{expression}`"))))
    }

    /// Candidates at a byte offset of the cell.
    pub fn complete(&mut self, _cell: &str, cursor: usize) -> Completion {
        Completion { span: cursor..cursor, matches: Vec::new() }
    }

    /// What is known of the word at a byte offset; `detail` 1 asks for more.
    pub fn inspect(&mut self, _cell: &str, _cursor: usize, _detail: u8) -> Option<Output> {
        None
    }

    /// Whether the cell can run as it is.
    pub fn is_complete(&self, _cell: &str) -> Completeness {
        Completeness::Complete
    }
}
