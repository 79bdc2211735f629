//! The interface between the server and the code that runs the cells.

use crate::frontend::Frontend;
use crate::render::Output;
use crate::session::{Completeness, Completion, Session};
use warpbook_diagnostic::Result;
use warpbook_process::cancel::Cancel;

/// Runs cells: a [`Session`], or a scripted stand-in in a test. All calls come from one thread, in order.
pub trait Evaluator {
    /// Runs a cell. What it returns is the cell's result.
    fn execute(&mut self, cell: &str, frontend: &dyn Frontend, cancel: &Cancel) -> Result<Option<Output>>;
    /// Evaluates one of `user_expressions`.
    fn evaluate(&mut self, expression: &str, cancel: &Cancel) -> Result<Output>;
    /// Candidates at a byte offset of the cell.
    fn complete(&mut self, cell: &str, cursor: usize) -> Completion;
    /// What is known of the word at a byte offset.
    fn inspect(&mut self, cell: &str, cursor: usize, detail: u8) -> Option<Output>;
    /// Answers `is_complete_request`: can the cell run as it is?
    fn is_complete(&self, cell: &str) -> Completeness;
}

impl Evaluator for Session {
    fn execute(&mut self, cell: &str, frontend: &dyn Frontend, cancel: &Cancel) -> Result<Option<Output>> {
        Session::execute(self, cell, frontend, cancel)
    }

    fn evaluate(&mut self, expression: &str, cancel: &Cancel) -> Result<Output> {
        Session::evaluate(self, expression, cancel)
    }

    fn complete(&mut self, cell: &str, cursor: usize) -> Completion {
        Session::complete(self, cell, cursor)
    }

    fn inspect(&mut self, cell: &str, cursor: usize, detail: u8) -> Option<Output> {
        Session::inspect(self, cell, cursor, detail)
    }

    fn is_complete(&self, cell: &str) -> Completeness {
        Session::is_complete(self, cell)
    }
}
