//! Values whose text says everything: switches, numbers, choices, lists, names.

use std::any::Any;
use std::marker::PhantomData;
use std::ops::Range;
use std::time::Duration;

use crate::magics::declare::argument::{Candidates, Extent, Input, Takes};
use crate::workspace::Workspace;
use warpbook_diagnostic::{Result, nearest};

/// An option without a value: given or not.
#[derive(Clone, Copy, Debug)]
pub struct Switch;

impl Takes for Switch {
    type Value = ();

    fn placeholder(&self) -> String {
        String::new()
    }

    fn expected(&self) -> String {
        "no value".to_owned()
    }

    fn parse(&self, input: &Input<'_>) -> Result<()> {
        Err(input.refuse(&self.expected()))
    }

    fn without_value(&self) -> Option<()> {
        Some(())
    }

    fn extent(&self) -> Extent {
        Extent::Nothing
    }
}

/// A whole number of at least 0, `1_000` too.
#[derive(Clone, Copy, Debug)]
pub struct Number<T> {
    placeholder: &'static str,
    what: &'static str,
    range: Option<(u64, u64)>,
    number: PhantomData<fn() -> T>,
}

impl<T> Number<T> {
    /// Any number that fits the type. `what` names it with its article: `the number of a warp`.
    pub const fn new(placeholder: &'static str, what: &'static str) -> Self {
        Self { placeholder, what, range: None, number: PhantomData }
    }

    /// With a least and a largest value.
    pub const fn between(self, least: u64, largest: u64) -> Self {
        Self { range: Some((least, largest)), ..self }
    }
}

impl<T: TryFrom<u64> + 'static> Takes for Number<T> {
    type Value = T;

    fn placeholder(&self) -> String {
        self.placeholder.to_owned()
    }

    fn expected(&self) -> String {
        match self.range {
            Some((least, largest)) => format!("{} from {least} to {largest}", self.what),
            None => self.what.to_owned(),
        }
    }

    fn parse(&self, input: &Input<'_>) -> Result<T> {
        let number = input.text.replace('_', "").parse::<u64>().ok();
        let number = number.filter(|number| self.range.is_none_or(|(least, most)| (least..=most).contains(number)));
        number.and_then(|number| T::try_from(number).ok()).ok_or_else(|| input.refuse(&self.expected()))
    }
}

/// The number of a version: `3`, or `v3` as reports write it.
#[derive(Clone, Copy, Debug)]
pub struct VersionNumber;

impl Takes for VersionNumber {
    type Value = u32;

    fn placeholder(&self) -> String {
        "N".to_owned()
    }

    fn expected(&self) -> String {
        "the number of a version".to_owned()
    }

    fn parse(&self, input: &Input<'_>) -> Result<u32> {
        let number = input.text.strip_prefix('v').unwrap_or(input.text).parse();
        number.map_err(|_| input.refuse(&self.expected()))
    }
}

/// A time in seconds, above 0 and below 1 000 000.
#[derive(Clone, Copy, Debug)]
pub struct Seconds;

impl Takes for Seconds {
    type Value = Duration;

    fn placeholder(&self) -> String {
        "SECONDS".to_owned()
    }

    fn expected(&self) -> String {
        "a number of seconds, such as 2 or 0.5".to_owned()
    }

    fn parse(&self, input: &Input<'_>) -> Result<Duration> {
        let seconds = input.text.replace('_', "").parse::<f64>().ok().filter(|seconds| *seconds < 1e6);
        let duration = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        duration.filter(|limit| !limit.is_zero()).ok_or_else(|| input.refuse(&self.expected()))
    }
}

/// One name of a fixed list.
#[derive(Clone, Copy, Debug)]
pub struct Choice<T: 'static> {
    placeholder: &'static str,
    choices: &'static [(&'static str, T)],
}

impl<T> Choice<T> {
    /// A choice among names, each with the value that it stands for.
    pub const fn new(placeholder: &'static str, choices: &'static [(&'static str, T)]) -> Self {
        Self { placeholder, choices }
    }

    fn names(&self) -> impl Iterator<Item = &'static str> {
        self.choices.iter().map(|(name, _)| *name)
    }
}

impl<T: Copy + Sync + 'static> Takes for Choice<T> {
    type Value = T;

    fn placeholder(&self) -> String {
        self.placeholder.to_owned()
    }

    fn expected(&self) -> String {
        format!("one of {}", self.names().collect::<Vec<_>>().join(", "))
    }

    fn parse(&self, input: &Input<'_>) -> Result<T> {
        let found = self.choices.iter().find(|(name, _)| *name == input.text);
        found.map(|(_, value)| *value).ok_or_else(|| {
            let error = input.refuse(&self.expected());
            match nearest(input.text, self.names()) {
                Some(near) => error.help(format!("did you mean `{near}`?")),
                None => error,
            }
        })
    }

    fn candidates(&self, typed: &str, _: &Workspace) -> Candidates {
        Candidates::matching(typed, self.names())
    }
}

/// A value with its place in the cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed<T> {
    /// The parsed value.
    pub value: T,
    /// Bytes of the value in the cell.
    pub span: Range<usize>,
}

/// Several values in one word, with commas between them.
#[derive(Clone, Copy, Debug)]
pub struct List<K> {
    placeholder: &'static str,
    each: K,
    least: usize,
    most: usize,
}

impl<K: Copy> List<K> {
    /// A list of at least one value.
    pub const fn new(placeholder: &'static str, each: K) -> Self {
        Self { placeholder, each, least: 1, most: usize::MAX }
    }

    /// With a least and a largest number of values.
    pub const fn between(self, least: usize, most: usize) -> Self {
        Self { least, most, ..self }
    }
}

impl<K: Takes> Takes for List<K> {
    type Value = Vec<Placed<K::Value>>;

    fn placeholder(&self) -> String {
        self.placeholder.to_owned()
    }

    fn expected(&self) -> String {
        let count = match (self.least, self.most) {
            (1, usize::MAX) => "one or more of these".to_owned(),
            (least, usize::MAX) => format!("{least} or more of these"),
            (least, most) if most == least + 1 => format!("{least} or {most} of these"),
            (least, most) => format!("{least} to {most} of these"),
        };
        format!("{count}, with commas between them: {}", self.each.expected())
    }

    fn parse(&self, input: &Input<'_>) -> Result<Self::Value> {
        // The parts of a quoted word have the place of the word.
        let is_plain = input.cell[input.span.clone()] == *input.text;
        let (mut values, mut start) = (Vec::new(), input.span.start);
        for part in input.text.split(',') {
            let blanks = part.len() - part.trim_start().len();
            let span = start + blanks..start + blanks + part.trim().len();
            start += part.len() + 1;
            let span = if is_plain { span } else { input.span.clone() };
            let value = self.each.parse(&Input { span: span.clone(), text: part.trim(), ..input.clone() })?;
            values.push(Placed { value, span });
        }
        if (self.least..=self.most).contains(&values.len()) {
            return Ok(values);
        }
        Err(input.refuse(&self.expected()))
    }

    fn candidates(&self, typed: &str, workspace: &Workspace) -> Candidates {
        let kept = typed.rfind(',').map_or(0, |comma| comma + 1);
        let found = self.each.candidates(&typed[kept..], workspace);
        Candidates { kept: kept + found.kept, ..found }
    }
}

/// A value that may be left out: `--bench`, `--bench 20`.
#[derive(Clone, Copy, Debug)]
pub struct Maybe<K>(pub K);

impl<K: Takes> Takes for Maybe<K> {
    type Value = Option<K::Value>;

    fn placeholder(&self) -> String {
        self.0.placeholder()
    }

    fn expected(&self) -> String {
        self.0.expected()
    }

    fn parse(&self, input: &Input<'_>) -> Result<Self::Value> {
        self.0.parse(input).map(Some)
    }

    fn without_value(&self) -> Option<Self::Value> {
        Some(None)
    }

    fn extent(&self) -> Extent {
        Extent::MaybeWord
    }

    fn candidates(&self, typed: &str, workspace: &Workspace) -> Candidates {
        self.0.candidates(typed, workspace)
    }
}

/// A word that only the magic itself understands: the name of a pass, a value of the TTGIR.
#[derive(Clone, Copy)]
pub struct Text {
    /// Stands for the value in usage lines.
    pub placeholder: &'static str,
    /// What has to be given, as [`Takes::expected`].
    pub expected: &'static str,
    /// True if a word is a value of this, as [`Takes::claims`].
    pub claims: fn(&str, bool, &Workspace) -> bool,
    /// Names that completion offers.
    pub names: fn(&Workspace) -> Vec<String>,
}

impl Text {
    /// A word that nothing is known of.
    pub const fn new(placeholder: &'static str, expected: &'static str) -> Self {
        Self { placeholder, expected, claims: |_, _, _| false, names: |_| Vec::new() }
    }
}

impl Takes for Text {
    type Value = Placed<String>;

    fn placeholder(&self) -> String {
        self.placeholder.to_owned()
    }

    fn expected(&self) -> String {
        self.expected.to_owned()
    }

    fn parse(&self, input: &Input<'_>) -> Result<Placed<String>> {
        Ok(Placed { value: input.text.to_owned(), span: input.span.clone() })
    }

    fn candidates(&self, typed: &str, workspace: &Workspace) -> Candidates {
        Candidates::matching(typed, (self.names)(workspace))
    }

    fn claims(&self, text: &str, is_alone: bool, workspace: &Workspace) -> bool {
        (self.claims)(text, is_alone, workspace)
    }
}

/// The values of a list without their places.
pub fn values<T: Any + Clone>(list: &[Placed<T>]) -> Vec<T> {
    list.iter().map(|placed| placed.value.clone()).collect()
}
