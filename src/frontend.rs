//! The output and the questions of a running cell. A Jupyter client, a terminal or a test shows them.

use crate::render::Output;

/// A standard stream of the cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output: `stdout` in Jupyter's `stream` messages.
    Stdout,
    /// Standard error: `stderr` in Jupyter's `stream` messages.
    Stderr,
}

/// Why the reader's input could not be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InputError {
    /// The client said `allow_stdin: false`.
    #[error("this frontend does not answer input requests")]
    NotAllowed,
    /// The cell was interrupted while it waited.
    #[error("interrupted")]
    Interrupted,
}

/// The reader of one cell. Every call returns at once (but for [`Frontend::input`]) and is ordered with the others.
pub trait Frontend: Send + Sync {
    /// Text on a standard stream.
    fn stream(&self, stream: Stream, text: &str);
    /// A rich output. With an id it can be replaced by [`Frontend::update_display`].
    fn display(&self, output: &Output, display_id: Option<&str>);
    /// Replaces every output displayed under `display_id`. Callers keep to ten a second.
    fn update_display(&self, output: &Output, display_id: &str);
    /// Clears the cell's outputs, at once or when the next one comes.
    fn clear_output(&self, wait: bool);
    /// Puts `text` into a new cell below (Jupyter's `set_next_input` payload).
    fn set_next_input(&self, text: &str, replace: bool);
    /// Shows a text to read beside the notebook (Jupyter's `page` payload): help. Where there is no pager it is an
    /// output like another.
    fn page(&self, output: &Output) {
        self.display(output, None);
    }
    /// Asks the reader for a line.
    fn input(&self, prompt: &str, password: bool) -> Result<String, InputError>;
}

/// A frontend that shows nothing, for expressions and other uses of a cell's value alone.
pub struct Nobody;

impl Frontend for Nobody {
    fn stream(&self, _: Stream, _: &str) {}
    fn display(&self, _: &Output, _: Option<&str>) {}
    fn update_display(&self, _: &Output, _: &str) {}
    fn clear_output(&self, _: bool) {}
    fn set_next_input(&self, _: &str, _: bool) {}
    fn input(&self, _: &str, _: bool) -> Result<String, InputError> {
        Err(InputError::NotAllowed)
    }
}
