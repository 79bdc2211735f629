//! Why an operation on tensors has no result.

use std::ops::Range;

use warpbook_diagnostic::Diagnostic;
use warpbook_process::memory::Shortage;
use warpbook_process::work::Stopped;

/// Why an operation has no result; its place in the text is the caller's to know.
#[derive(Clone, Debug, PartialEq)]
pub enum Failure {
    /// The operands do not fit the operation.
    Wrong(String),
    /// It was interrupted, or there is no memory for its result.
    Stopped(Stopped),
}

/// The result of an operation on tensors.
pub type Result<T> = std::result::Result<T, Failure>;

impl Failure {
    /// The failure as an error whose label covers these bytes of the cell.
    pub fn at(self, span: &Range<usize>) -> Diagnostic {
        match self {
            Self::Wrong(message) => Diagnostic::error("expression", message).at(span.clone(), ""),
            Self::Stopped(Stopped::Interrupted) => Diagnostic::interrupted(),
            Self::Stopped(Stopped::Memory(shortage)) => shortage.diagnostic("this").at(span.clone(), ""),
        }
    }
}

impl From<String> for Failure {
    fn from(message: String) -> Self {
        Self::Wrong(message)
    }
}

impl From<&str> for Failure {
    fn from(message: &str) -> Self {
        Self::Wrong(message.to_owned())
    }
}

impl From<Stopped> for Failure {
    fn from(stopped: Stopped) -> Self {
        Self::Stopped(stopped)
    }
}

impl From<Shortage> for Failure {
    fn from(shortage: Shortage) -> Self {
        Self::Stopped(shortage.into())
    }
}
