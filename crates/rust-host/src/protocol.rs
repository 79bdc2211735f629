//! The messages between the kernel and the host of Rust cells: one JSON object a line.
//!
//! The host begins with [`Event::Hello`]. After that each [`Request::Execute`] is answered by any number of
//! [`Event::Stdout`], [`Event::Stderr`] and [`Event::Input`], and then by one [`Event::Done`] or [`Event::Failed`];
//! each [`Request::Complete`] by one [`Event::Completions`].

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The version of these messages. To be raised when one of them changes: a host may be older or newer than the kernel
/// that starts it, since it is built and installed apart. [`Event::Hello`] itself never changes.
pub const VERSION: u32 = 1;

/// From the kernel to the host.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Request {
    /// Run a cell.
    Execute {
        /// The cell's text.
        code: String,
    },
    /// The user's answer to [`Event::Input`].
    Input {
        /// The line, without its newline.
        text: String,
    },
    /// Give completions at a place of a cell.
    Complete {
        /// The cell's text.
        code: String,
        /// The cursor: bytes from the beginning of `code`.
        offset: usize,
    },
}

/// From the host to the kernel.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Event {
    /// The host's first message: the [`VERSION`] that it was built with.
    Hello {
        /// The version of the protocol.
        protocol: u32,
    },
    /// Whole lines of the cell's standard output.
    Stdout {
        /// One or more lines, each with its newline.
        text: String,
    },
    /// Text of the cell's standard error that could not be sent straight to the kernel.
    Stderr {
        /// One or more lines, each with its newline.
        text: String,
    },
    /// The cell asks its user for a line; the kernel answers with [`Request::Input`].
    Input {
        /// The prompt that the user sees.
        prompt: String,
        /// True if what is typed must not be shown.
        password: bool,
    },
    /// The cell has run to its end.
    Done {
        /// The value of the cell's last expression by MIME type; empty if there is none.
        outputs: BTreeMap<String, String>,
    },
    /// The cell did not run, or did not run to its end.
    Failed {
        /// Why the cell failed.
        failure: Failure,
    },
    /// The answer to [`Request::Complete`].
    Completions {
        /// Where the text begins that a candidate replaces: bytes from the beginning of the cell.
        start: usize,
        /// Where that text ends.
        end: usize,
        /// The candidates, best first.
        matches: Vec<String>,
    },
}

/// Why a cell failed.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Failure {
    /// The cell does not compile.
    Compilation {
        /// The compiler's errors, in its order.
        errors: Vec<CompilationError>,
    },
    /// The process that ran the cell ended.
    Ended {
        /// What the process printed last, and how it ended.
        message: String,
    },
    /// Another error of evcxr.
    Message {
        /// The error as evcxr describes it.
        message: String,
    },
    /// evcxr could not be started.
    Start {
        /// The error as evcxr describes it.
        message: String,
    },
}

/// One error of the compiler, or of one of evcxr's commands.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct CompilationError {
    /// The compiler's code of the error, such as `E0308`.
    pub code: Option<String>,
    /// The error in a sentence.
    pub message: String,
    /// The parts of the cell that the error points at.
    pub labels: Vec<Label>,
    /// Notes of the compiler, one sentence each.
    pub notes: Vec<String>,
    /// Suggestions for a correction.
    pub help: Vec<String>,
    /// The compiler's own rendering, for an error with no place in the cell.
    pub rendered: String,
}

/// A place in the cell: lines and columns from 1, columns in characters, the end exclusive.
#[derive(Debug, Serialize, Deserialize)]
pub struct Label {
    /// Line and column of the first character.
    pub start: (usize, usize),
    /// Line and column behind the last character.
    pub end: (usize, usize),
    /// What the compiler says of this place; may be empty.
    pub text: String,
    /// True for the place of the error itself, false for a place that explains it.
    pub primary: bool,
}

/// Begins a line on standard error that the relay wrote and not the cell. [`PANICKED`] or [`RETURNED_ERROR`] follows.
pub const MARK: &str = "\u{1}warpbook-rust ";
/// After [`MARK`]: the cell panicked; the panic's message was written before the mark.
pub const PANICKED: &str = "panicked";
/// After [`MARK`]: an operator `?` of the cell met an error, which was written before the mark.
pub const RETURNED_ERROR: &str = "returned-error";

#[cfg(test)]
mod tests {
    use super::*;

    /// One message of each kind, as it is sent. A host that was built with other messages must have another version:
    /// if this test fails, raise [`VERSION`] and write the new text here.
    const MESSAGES_OF_VERSION_1: &str = r#"
{"type":"execute","code":"1"}
{"type":"input","text":"yes"}
{"type":"complete","code":"1","offset":1}
{"type":"hello","protocol":1}
{"type":"stdout","text":"1\n"}
{"type":"stderr","text":"1\n"}
{"type":"input","prompt":"?","password":true}
{"type":"done","outputs":{"text/plain":"1"}}
{"type":"failed","failure":{"kind":"compilation","errors":[{"code":null,"message":"m","labels":[{"start":[1,2],"end":[1,3],"text":"t","primary":true}],"notes":[],"help":[],"rendered":""}]}}
{"type":"failed","failure":{"kind":"ended","message":"m"}}
{"type":"failed","failure":{"kind":"message","message":"m"}}
{"type":"failed","failure":{"kind":"start","message":"m"}}
{"type":"completions","start":0,"end":1,"matches":["1"]}
"#;

    #[test]
    fn messages_change_with_their_version() {
        let text = |text: &str| text.to_owned();
        let requests = [
            Request::Execute { code: text("1") },
            Request::Input { text: text("yes") },
            Request::Complete { code: text("1"), offset: 1 },
        ];
        let label = Label { start: (1, 2), end: (1, 3), text: text("t"), primary: true };
        let error = CompilationError { message: text("m"), labels: vec![label], ..CompilationError::default() };
        let failures = [
            Failure::Compilation { errors: vec![error] },
            Failure::Ended { message: text("m") },
            Failure::Message { message: text("m") },
            Failure::Start { message: text("m") },
        ];
        let mut events = vec![
            Event::Hello { protocol: VERSION },
            Event::Stdout { text: text("1\n") },
            Event::Stderr { text: text("1\n") },
            Event::Input { prompt: text("?"), password: true },
            Event::Done { outputs: BTreeMap::from([(text("text/plain"), text("1"))]) },
        ];
        events.extend(failures.map(|failure| Event::Failed { failure }));
        events.push(Event::Completions { start: 0, end: 1, matches: vec![text("1")] });
        let lines = requests.iter().map(serde_json::to_string).chain(events.iter().map(serde_json::to_string));
        let lines: Result<Vec<_>, _> = lines.collect();
        assert_eq!(lines.expect("JSON").join("\n"), MESSAGES_OF_VERSION_1.trim());
    }
}
