//! The standard error of the cells' code.

use warpbook_rust_host::protocol::{MARK, PANICKED, RETURNED_ERROR};

/// How a cell failed that evcxr reports as done.
pub enum Outcome {
    /// The cell panicked; the message of the panic.
    Panicked(String),
    /// An operator `?` of the cell met an error; the error's text.
    ReturnedError(String),
}

/// Begins a panic's message on the runtime's main thread, whose name the cells' own standard library does not know.
const PANIC: &str = "thread '<unnamed>'";

/// Takes the relay's marks out of standard error, and the message of a panic, which becomes the cell's error.
#[derive(Default)]
pub struct ErrorStream {
    /// An unfinished line that may yet be a mark or a panic's message; or half a character.
    pending: Vec<u8>,
    /// The beginning of the line that `pending` continues, shown already.
    begun: String,
    /// A panic's message, held back until it is known whether the cell caught it.
    panic: Option<String>,
    /// Empty lines not shown yet: a panic's message begins with one.
    empty_lines: usize,
    /// The last line with text: the error of a cell that ends with [`Outcome::ReturnedError`].
    last_line: String,
    /// What the last mark of the relay says.
    outcome: Option<Outcome>,
}

impl ErrorStream {
    /// Takes bytes that arrived; returns the text to be shown now.
    pub fn push(&mut self, bytes: &[u8]) -> String {
        self.pending.extend_from_slice(bytes);
        let mut shown = String::new();
        while let Some(end) = self.pending.iter().position(|&byte| byte == b'\n') {
            let line: Vec<u8> = self.pending.drain(..=end).collect();
            self.line(&String::from_utf8_lossy(&line), &mut shown);
            self.begun.clear();
        }
        // A progress bar ends with no newline, and is to be seen.
        let special =
            self.begun.is_empty() && (self.pending.starts_with(b"\x01") || self.pending.starts_with(PANIC.as_bytes()));
        if self.panic.is_none()
            && !special
            && !self.pending.is_empty()
            && let Ok(text) = std::str::from_utf8(&self.pending)
        {
            shown.push_str(&"\n".repeat(std::mem::take(&mut self.empty_lines)));
            shown.push_str(text);
            self.begun.push_str(text);
            self.pending.clear();
        }
        shown
    }

    fn line(&mut self, line: &str, shown: &mut String) {
        // The mark stands behind whatever the cell wrote with no newline.
        let (line, mark) = match line.split_once(MARK) {
            Some((before, mark)) => (before, Some(mark.trim_end())),
            None => (line, None),
        };
        if line.starts_with(PANIC) && line.contains(" panicked at ") {
            self.empty_lines = self.empty_lines.saturating_sub(1);
            // An earlier one was caught, or was another thread's.
            shown.push_str(&self.panic.replace(line.to_owned()).unwrap_or_default());
        } else if let Some(panic) = &mut self.panic {
            panic.push_str(line);
        } else if line == "\n" && self.begun.is_empty() {
            self.empty_lines += 1;
        } else if !line.is_empty() {
            shown.push_str(&"\n".repeat(std::mem::take(&mut self.empty_lines)));
            shown.push_str(line);
            let whole = format!("{}{line}", self.begun);
            if !whole.trim().is_empty() {
                self.last_line = whole.trim_end().to_owned();
            }
        }
        match mark {
            Some(PANICKED) => self.outcome = Some(Outcome::Panicked(self.panic.take().unwrap_or_default())),
            Some(RETURNED_ERROR) => self.outcome = Some(Outcome::ReturnedError(std::mem::take(&mut self.last_line))),
            _ => {}
        }
    }

    /// Ends the cell: the text that is left to be shown, and how the cell failed, if it did.
    pub fn finish(&mut self) -> (String, Option<Outcome>) {
        let mut rest = "\n".repeat(std::mem::take(&mut self.empty_lines));
        rest.push_str(&self.panic.take().unwrap_or_default());
        rest.push_str(&String::from_utf8_lossy(&std::mem::take(&mut self.pending)));
        (rest, self.outcome.take())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_taken_out_of_standard_error() {
        let mut errors = ErrorStream::default();
        assert_eq!(errors.push(b"before\nhalf"), "before\nhalf");
        assert_eq!(errors.push(b" line\n\nthread '<unnamed>' (1) panicked at src/lib.rs:1:1:\nboom\n"), " line\n");
        assert_eq!(errors.push(b"\x01warpbook-rust panicked\nafter\n"), "after\n");
        let (rest, outcome) = errors.finish();
        assert_eq!(rest, "");
        assert!(matches!(outcome, Some(Outcome::Panicked(text)) if text.ends_with("boom\n")));
    }

    #[test]
    fn a_caught_panic_is_shown() {
        let mut errors = ErrorStream::default();
        assert_eq!(errors.push(b"thread '<unnamed>' panicked at src/lib.rs:1:1:\nboom\n"), "");
        let (rest, outcome) = errors.finish();
        assert_eq!(rest, "thread '<unnamed>' panicked at src/lib.rs:1:1:\nboom\n");
        assert!(outcome.is_none());
    }

    #[test]
    fn characters_are_not_cut() {
        let mut errors = ErrorStream::default();
        let bytes = "ä".as_bytes();
        assert_eq!(errors.push(&bytes[..1]), "");
        assert_eq!(errors.push(&bytes[1..]), "ä");
    }
}
