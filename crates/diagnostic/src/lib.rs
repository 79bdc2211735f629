//! One error type for everything that a person gets to read.
//!
//! A [`Diagnostic`] has one primary sentence, labels on the text that it speaks of (byte spans into the cell or
//! into one stage's text), notes (what was found, what was expected) and help (what to do). It is built once and
//! rendered many ways: plain, ANSI, HTML. Messages of MLIR, LLVM, ptxas, rustc and Python are converted into it.

pub mod code;
pub mod interrupt;
mod render;

use std::ops::{Deref, DerefMut, Range};
use std::sync::Arc;

/// How serious a diagnostic is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Something the reader should know; nothing is wrong.
    Note,
    /// The cell ran, but something is likely to be wrong.
    Warning,
    /// An error: the cell failed.
    Error,
}

/// The text that the labels of a diagnostic point into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// What the reader knows this text as: `cell`, `matmul.ttgir`, `file.py`.
    pub name: String,
    /// The whole text that the labels point into.
    pub text: Arc<str>,
    /// The number that the first line of `text` carries for the reader, counted from 1.
    pub first_line: usize,
}

impl Source {
    /// A text whose first line is line 1.
    pub fn new(name: impl Into<String>, text: impl Into<Arc<str>>) -> Self {
        Self { name: name.into(), text: text.into(), first_line: 1 }
    }

    /// The byte span of a line (counted from 1), without its newline; `None` if there is no such line.
    pub fn line_span(&self, line: usize) -> Option<Range<usize>> {
        let mut start = 0;
        for (index, content) in self.text.split('\n').enumerate() {
            if index + 1 == line {
                return Some(start..start + content.trim_end_matches('\r').len());
            }
            start += content.len() + 1;
        }
        None
    }

    /// The byte offset of a line and a column, both counted from 1 (columns in bytes), clamped to the line.
    pub fn offset(&self, line: usize, column: usize) -> Option<usize> {
        let span = self.line_span(line)?;
        let mut offset = (span.start + column.saturating_sub(1)).min(span.end);
        while !self.text.is_char_boundary(offset) {
            offset -= 1;
        }
        Some(offset)
    }

    /// The span of the word (identifier, `%name`, or single character) at a line and column, both from 1.
    pub fn word_at(&self, line: usize, column: usize) -> Option<Range<usize>> {
        let start = self.offset(line, column)?;
        let end_of_line = self.line_span(line)?.end;
        let rest = &self.text[start..end_of_line];
        let is_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '%' | '.' | '#' | '@' | '$');
        let length: usize = rest.chars().take_while(|&c| is_word(c)).map(char::len_utf8).sum();
        let length = length.max(rest.chars().next().map_or(0, char::len_utf8));
        Some(start..start + length)
    }
}

/// A place in the source, with what is to be said of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// Bytes of [`Source::text`] that the label covers.
    pub span: Range<usize>,
    /// A few words beside the caret; may be empty.
    pub message: String,
    /// The place of the error itself, as against a place that explains it.
    pub primary: bool,
}

/// A place in an earlier text, which the text that a diagnostic speaks of was made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file as debug information names it: `matmul.py`.
    pub path: String,
    /// Line in the file, from 1.
    pub line: u32,
    /// Column, counted as in debug information.
    pub column: u32,
}

/// An error, a warning or a note, ready to be read. One pointer wide, so that a `Result` that holds it stays small; the
/// fields are those of [`Contents`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic(Box<Contents>);

/// The contents of a [`Diagnostic`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contents {
    /// How serious it is.
    pub severity: Severity,
    /// A stable kebab-case name of the kind of error, for tests and for searching: `unknown-buffer`.
    pub code: &'static str,
    /// One terse sentence: what is wrong. No full stop.
    pub message: String,
    /// The text that `labels` point into.
    pub source: Option<Source>,
    /// Labels on spans of `source`.
    pub labels: Vec<Label>,
    /// Where the place comes from that the primary label is at, where debug information says so.
    pub origin: Option<Place>,
    /// What was found, what was expected, and why.
    pub notes: Vec<String>,
    /// What the user can do, one sentence each.
    pub help: Vec<String>,
}

/// The result of anything that a person's input can make fail.
pub type Result<T, E = Diagnostic> = std::result::Result<T, E>;

impl Diagnostic {
    /// An error with its code and its primary sentence.
    pub fn error(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, code, message.into())
    }

    /// A warning with its code and its primary sentence.
    pub fn warning(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, code, message.into())
    }

    fn new(severity: Severity, code: &'static str, message: String) -> Self {
        Self(Box::new(Contents {
            severity,
            code,
            message,
            source: None,
            labels: Vec::new(),
            origin: None,
            notes: Vec::new(),
            help: Vec::new(),
        }))
    }

    /// The fields, to take one of them out.
    pub fn into_contents(self) -> Contents {
        *self.0
    }

    /// The error that says that the reader interrupted the cell.
    pub fn interrupted() -> Self {
        Self::error(code::INTERRUPTED, "interrupted")
    }

    /// True if the reader interrupted the cell ([`Diagnostic::interrupted`]).
    pub fn is_interrupted(&self) -> bool {
        self.code == code::INTERRUPTED
    }

    /// Adds the primary label: the place of the error.
    pub fn at(mut self, span: Range<usize>, message: impl Into<String>) -> Self {
        self.labels.push(Label { span, message: message.into(), primary: true });
        self
    }

    /// Adds a secondary label: a place that explains the error.
    pub fn because(mut self, span: Range<usize>, message: impl Into<String>) -> Self {
        self.labels.push(Label { span, message: message.into(), primary: false });
        self
    }

    /// Adds one sentence on what was found, what was expected, or why.
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// Adds one sentence on what to do.
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help.push(help.into());
        self
    }

    /// Says which text the labels point into, unless that is already known.
    pub fn in_source(mut self, source: &Source) -> Self {
        self.source.get_or_insert_with(|| source.clone());
        self
    }

    /// Moves every label by `offset` bytes: from a part of a text to the whole.
    pub fn shifted(mut self, offset: usize) -> Self {
        for label in &mut self.labels {
            label.span = label.span.start + offset..label.span.end + offset;
        }
        self
    }
}

impl Deref for Diagnostic {
    type Target = Contents;

    fn deref(&self) -> &Contents {
        &self.0
    }
}

impl DerefMut for Diagnostic {
    fn deref_mut(&mut self) -> &mut Contents {
        &mut self.0
    }
}

impl std::error::Error for Diagnostic {}

/// The candidate nearest to a misspelt word, if one is near enough to suggest.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Any short word is near to any other.
    let limit = match word.chars().count() {
        0..=2 => return candidates.into_iter().find(|candidate| candidate.eq_ignore_ascii_case(word)),
        length => length / 3,
    };
    candidates
        .into_iter()
        .map(|candidate| (edit_distance(word, candidate), candidate))
        .filter(|&(distance, _)| distance <= limit)
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, candidate)| candidate)
}

fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut previous: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut current = vec![i + 1];
        for (j, &to) in b.iter().enumerate() {
            let substituted = previous[j] + usize::from(from != to);
            current.push(substituted.min(previous[j + 1] + 1).min(current[j] + 1));
        }
        previous = current;
    }
    previous[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_suggests_a_likely_word_only() {
        assert_eq!(nearest("matmull", ["add", "matmul"]), Some("matmul"));
        assert_eq!(nearest("xyz", ["add", "matmul"]), None);
        assert_eq!((nearest("M", ["a", "b"]), nearest("M", ["a", "m"])), (None, Some("m")));
    }

    #[test]
    fn word_at_takes_the_identifier() {
        let source = Source::new("cell", "a = b\n%x = arith.addf %y");
        assert_eq!(source.word_at(2, 6).map(|s| &source.text[s]), Some("arith.addf"));
        assert_eq!(source.word_at(9, 1), None);
    }

    #[test]
    fn plain_rendering_has_line_and_caret() {
        let source = Source::new("cell", "one\ntwo three\n");
        let text = Diagnostic::error("unknown-buffer", "no buffer is named `three`")
            .at(8..13, "not found")
            .help("`%bufs` lists the buffers")
            .in_source(&source)
            .to_plain();
        assert!(text.contains("error[unknown-buffer]: no buffer is named `three`"), "{text}");
        assert!(text.contains("2 | two three"), "{text}");
        assert!(text.contains("^^^^^ not found"), "{text}");
    }
}
