//! What the kernel and the Rust host say to each other: one JSON object a line.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// From the kernel to the host.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Request {
    /// Run a cell.
    Execute { code: String },
    /// The reader's answer to [`Event::Input`].
    Input { text: String },
    /// Candidates at a byte offset.
    Complete { code: String, offset: usize },
}

/// From the host to the kernel.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Event {
    /// Whole lines of the cell's standard output.
    Stdout { text: String },
    /// The cell's standard error, where it could not be sent straight to the kernel.
    Stderr { text: String },
    /// The cell asks its reader for a line.
    Input { prompt: String, password: bool },
    /// The cell is done; its value by MIME type.
    Done { outputs: BTreeMap<String, String> },
    /// The cell did not run, or did not end well.
    Failed { failure: Failure },
    /// The answer to [`Request::Complete`]: what a match replaces, in bytes, and the candidates.
    Completions { start: usize, end: usize, matches: Vec<String> },
}

/// Why a cell failed.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Failure {
    /// It does not compile.
    Compilation { errors: Vec<CompilationError> },
    /// The process that ran the cell ended.
    Ended { message: String },
    /// Anything else that evcxr has to say.
    Message { message: String },
    /// evcxr could not be started.
    Start { message: String },
}

/// One error of the compiler, or of one of evcxr's commands.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct CompilationError {
    /// `E0308`
    pub code: Option<String>,
    pub message: String,
    pub labels: Vec<Label>,
    pub notes: Vec<String>,
    pub help: Vec<String>,
    /// The compiler's own rendering, for an error with no place in the cell.
    pub rendered: String,
}

/// A place in the cell: lines and columns from 1, columns in characters, the end exclusive.
#[derive(Debug, Serialize, Deserialize)]
pub struct Label {
    pub start: (usize, usize),
    pub end: (usize, usize),
    pub text: String,
    pub primary: bool,
}

/// Begins a line on the runtime's standard error that is not the cell's: what the relay saw.
pub const MARK: &str = "\u{1}warpbook-rust ";
/// After [`MARK`]: the cell panicked; the message stands before it.
pub const PANICKED: &str = "panicked";
/// After [`MARK`]: a `?` of the cell met an error; it stands before it.
pub const RETURNED_ERROR: &str = "returned-error";
