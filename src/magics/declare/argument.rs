//! An argument of a magic, declared once: its name, what it takes, and one line of help. Reading, completion,
//! inspection, `--help` and the reference all come from this declaration.

use std::any::Any;
use std::ops::Range;

use crate::workspace::Workspace;
use warpbook_diagnostic::{Diagnostic, Result};

/// How much of the arguments a value takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// The argument has no value: a switch, given or not.
    Nothing,
    /// The value is one word.
    Word,
    /// One word, or nothing: `--bench`, `--bench 20`.
    MaybeWord,
    /// All words up to the options: an expression or a launch, which have a grammar of their own.
    Rest,
}

/// How many values an argument may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// None or one value.
    Optional,
    /// Exactly one value.
    Required,
    /// One or more; commas between them count as blanks.
    Several,
    /// Any number of values, none included.
    Any,
}

/// The text of a value where it stands in the cell.
#[derive(Clone, Debug)]
pub struct Input<'a> {
    /// The whole text of the cell.
    pub cell: &'a str,
    /// Bytes of the value in the cell.
    pub span: Range<usize>,
    /// Text of the value, without its quotes.
    pub text: &'a str,
    /// The argument as errors name it: `--count`, `STAGE`.
    pub name: &'a str,
}

impl Input<'_> {
    /// The error of a value that is none of its kind: "`--count` takes {expected}".
    pub fn refuse(&self, expected: &str) -> Diagnostic {
        let error = Diagnostic::error("option-value", format!("`{}` takes {expected}", self.name));
        error.at(self.span.clone(), "")
    }
}

/// What completes a value that is being typed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Candidates {
    /// Bytes of the typed text that stay: a candidate replaces what follows them.
    pub kept: usize,
    /// Names that fit what follows, best first.
    pub names: Vec<String>,
}

impl Candidates {
    /// Those of some names that begin with what was typed.
    pub fn matching<S: Into<String> + AsRef<str>>(typed: &str, names: impl IntoIterator<Item = S>) -> Self {
        let names = names.into_iter().filter(|name| name.as_ref().starts_with(typed)).map(Into::into);
        Self { kept: 0, names: names.collect() }
    }
}

/// A kind of value: how it is read, what it is called, what completes it.
pub trait Takes: Sync {
    /// The type of the parsed value.
    type Value: Any;

    /// Stands for the value in usage lines: `N`, `X,Y,Z`. Not used for switches.
    fn placeholder(&self) -> String;

    /// Completes the sentence "`--count` takes …": `a number of steps from 1 to 400`.
    fn expected(&self) -> String;

    /// Reads a value. Only what the text itself shows is judged here; names are looked up in the session when the magic
    /// runs.
    ///
    /// # Errors
    /// What is wrong with the text, with its place in the cell.
    fn parse(&self, input: &Input<'_>) -> Result<Self::Value>;

    /// The value of an option that is given without one; `None` where a value has to follow.
    fn without_value(&self) -> Option<Self::Value> {
        None
    }

    /// How much of the arguments a value takes.
    fn extent(&self) -> Extent {
        Extent::Word
    }

    /// What completes a value of which `typed` is there.
    fn candidates(&self, typed: &str, workspace: &Workspace) -> Candidates {
        let _ = (typed, workspace);
        Candidates::default()
    }

    /// For an optional argument: true if a word belongs to it rather than to the argument after it. `next_claims` is
    /// true if the argument after it claims the word.
    fn takes_word(&self, text: &str, next_claims: bool, workspace: &Workspace) -> bool {
        let _ = (text, next_claims, workspace);
        true
    }

    /// True if a word is a value of this where another argument could take it too: the optional one before, or, of
    /// several values, the one that has to follow. `is_alone` is true if it is the only word.
    fn claims(&self, text: &str, is_alone: bool, workspace: &Workspace) -> bool {
        let _ = (text, is_alone, workspace);
        false
    }
}

/// An argument of a magic: an option (`--count`) or a positional one (`STAGE`).
#[derive(Clone, Copy, Debug)]
pub struct Argument<K> {
    /// Its name: an option's with the two dashes. Unique within a magic.
    pub name: &'static str,
    /// The kind of its values, which parses them.
    pub takes: K,
    /// How many values it may have.
    pub count: Count,
    /// Description of the argument in one line, for the help page.
    pub help: &'static str,
}

impl<K> Argument<K> {
    /// An option, which may be left out.
    pub const fn option(name: &'static str, takes: K, help: &'static str) -> Self {
        Self { name, takes, count: Count::Optional, help }
    }

    /// A positional argument that may be left out.
    pub const fn optional(name: &'static str, takes: K, help: &'static str) -> Self {
        Self { name, takes, count: Count::Optional, help }
    }

    /// An argument, positional or not, that has to be given.
    pub const fn required(name: &'static str, takes: K, help: &'static str) -> Self {
        Self { name, takes, count: Count::Required, help }
    }

    /// A positional argument of one or more values.
    pub const fn several(name: &'static str, takes: K, help: &'static str) -> Self {
        Self { name, takes, count: Count::Several, help }
    }

    /// A positional argument of any number of values.
    pub const fn any(name: &'static str, takes: K, help: &'static str) -> Self {
        Self { name, takes, count: Count::Any, help }
    }
}

/// An [`Argument`] whatever it takes, as a magic's specification lists it.
pub trait Declared: Sync {
    /// Its name: an option's with the two dashes.
    fn name(&self) -> &'static str;
    /// How many values it may have.
    fn count(&self) -> Count;
    /// Description of the argument in one line, for the help page.
    fn help(&self) -> &'static str;
    /// What stands for the value, as [`Takes::placeholder`].
    fn placeholder(&self) -> String;
    /// What has to be given, as [`Takes::expected`].
    fn expected(&self) -> String;
    /// How many words it takes, as [`Takes::extent`].
    fn extent(&self) -> Extent;
    /// As [`Takes::parse`].
    ///
    /// # Errors
    /// As [`Takes::parse`].
    fn parse(&self, input: &Input<'_>) -> Result<Box<dyn Any>>;
    /// The value of an option without one, as [`Takes::without_value`].
    fn without_value(&self) -> Option<Box<dyn Any>>;
    /// Completions of a value, as [`Takes::candidates`].
    fn candidates(&self, typed: &str, workspace: &Workspace) -> Candidates;
    /// True if a word is its own, as [`Takes::takes_word`].
    fn takes_word(&self, text: &str, next_claims: bool, workspace: &Workspace) -> bool;
    /// True if it claims a word, as [`Takes::claims`].
    fn claims(&self, text: &str, is_alone: bool, workspace: &Workspace) -> bool;

    /// The argument as it is written: `--count N`, `--full`, `STAGE`.
    fn label(&self) -> String {
        match (self.name().starts_with("--"), self.extent()) {
            (true, Extent::Nothing) => self.name().to_owned(),
            (true, Extent::MaybeWord) => format!("{} [{}]", self.name(), self.placeholder()),
            (true, _) => format!("{} {}", self.name(), self.placeholder()),
            (false, _) => self.placeholder(),
        }
    }

    /// The argument in a usage line: `[--count N]`, `STAGE`, `NAME …`.
    fn usage(&self) -> String {
        match self.count() {
            // A launch says itself which of its parts may be left out.
            Count::Optional if self.label().starts_with('[') => self.label(),
            Count::Optional => format!("[{}]", self.label()),
            Count::Required => self.label(),
            Count::Several => format!("{} …", self.label()),
            Count::Any => format!("[{} …]", self.label()),
        }
    }
}

impl<K: Takes> Declared for Argument<K> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn count(&self) -> Count {
        self.count
    }

    fn help(&self) -> &'static str {
        self.help
    }

    fn placeholder(&self) -> String {
        self.takes.placeholder()
    }

    fn expected(&self) -> String {
        self.takes.expected()
    }

    fn extent(&self) -> Extent {
        self.takes.extent()
    }

    fn parse(&self, input: &Input<'_>) -> Result<Box<dyn Any>> {
        Ok(Box::new(self.takes.parse(input)?))
    }

    fn without_value(&self) -> Option<Box<dyn Any>> {
        self.takes.without_value().map(|value| Box::new(value) as Box<dyn Any>)
    }

    fn candidates(&self, typed: &str, workspace: &Workspace) -> Candidates {
        self.takes.candidates(typed, workspace)
    }

    fn takes_word(&self, text: &str, next_claims: bool, workspace: &Workspace) -> bool {
        self.takes.takes_word(text, next_claims, workspace)
    }

    fn claims(&self, text: &str, is_alone: bool, workspace: &Workspace) -> bool {
        self.takes.claims(text, is_alone, workspace)
    }
}
