//! What was typed: a magic's arguments, read as its specification declares them. What will be done is the magic's
//! business.

use std::any::Any;
use std::ops::Range;

use super::argument::{Argument, Count, Declared, Extent, Input, Takes};
use super::words::{Word, words};
use crate::magics::spec::{Call, Spec};
use crate::workspace::Workspace;
use warpbook_diagnostic::{Diagnostic, Result, nearest};

/// The arguments of one use of a magic.
pub struct Typed<'a> {
    /// Where the magic stands in the cell.
    pub call: &'a Call<'a>,
    spec: &'static Spec,
    given: Vec<Given>,
}

/// A parsed value of an argument.
struct Given {
    /// Name of the argument that the value belongs to.
    name: &'static str,
    /// Bytes of the value; of the option's name where it has no value.
    span: Range<usize>,
    /// Bytes of the option with its value.
    whole: Range<usize>,
    value: Box<dyn Any>,
}

impl<'a> Typed<'a> {
    /// Reads the arguments of a call.
    ///
    /// # Errors
    /// An unknown option, a value that is none of its kind, a missing argument, one argument too many.
    pub fn parse(call: &'a Call<'a>, spec: &'static Spec, workspace: &Workspace) -> Result<Self> {
        let mut typed = Self { call, spec, given: Vec::new() };
        let rest = typed.take_options(words(&call.cell.text, call.arguments.clone())?)?;
        typed.positional(rest, workspace)?;
        match spec.arguments.iter().chain(spec.options).find(|declared| typed.is_missing(**declared)) {
            Some(missing) => Err(typed.missing(*missing)),
            None => Ok(typed),
        }
    }

    /// The value of an argument, if it was given.
    pub fn get<K: Takes>(&self, argument: &Argument<K>) -> Option<&K::Value> {
        self.values(argument).next()
    }

    /// The values of an argument that takes several.
    pub fn values<'b, K: Takes>(
        &'b self,
        argument: &Argument<K>,
    ) -> impl Iterator<Item = &'b K::Value> + use<'a, 'b, K> {
        self.find(argument.name).filter_map(|given| given.value.downcast_ref())
    }

    /// The value of a required argument.
    ///
    /// # Errors
    /// The argument is missing, which reading has refused already.
    pub fn required<K: Takes>(&self, argument: &Argument<K>) -> Result<&K::Value> {
        self.get(argument).ok_or_else(|| self.missing(argument))
    }

    /// True if an option was given.
    pub fn has<K>(&self, argument: &Argument<K>) -> bool {
        self.find(argument.name).next().is_some()
    }

    /// Bytes of an argument's value in the cell, if it was given.
    pub fn span<K>(&self, argument: &Argument<K>) -> Option<Range<usize>> {
        self.find(argument.name).next().map(|given| given.span.clone())
    }

    /// Bytes of each value of an argument that takes several.
    pub fn spans<'b, K>(&'b self, argument: &Argument<K>) -> impl Iterator<Item = Range<usize>> + use<'a, 'b, K> {
        self.find(argument.name).map(|given| given.span.clone())
    }

    /// Bytes of an option with its value, if it was given.
    pub fn whole<K>(&self, argument: &Argument<K>) -> Option<Range<usize>> {
        self.find(argument.name).next().map(|given| given.whole.clone())
    }

    /// Bytes of each option with its value.
    pub fn options(&self) -> impl Iterator<Item = Range<usize>> {
        self.given.iter().filter(|given| given.name.starts_with("--")).map(|given| given.whole.clone())
    }

    /// Bytes of the value of an option, by the option's name.
    pub fn span_of_option(&self, name: &str) -> Option<Range<usize>> {
        self.given.iter().find(|given| given.name == name).map(|given| given.span.clone())
    }

    /// The place of an error about an argument: its value, or else all arguments, or else the magic's name.
    pub fn place<K>(&self, argument: &Argument<K>) -> Range<usize> {
        self.span(argument).unwrap_or_else(|| self.everything())
    }

    /// The place of an error about the whole call: its arguments, or the magic's name where it has none.
    pub fn everything(&self) -> Range<usize> {
        match self.call.arguments.is_empty() {
            true => self.call.name.clone(),
            false => self.call.arguments.clone(),
        }
    }

    fn find(&self, name: &'static str) -> impl Iterator<Item = &Given> {
        debug_assert!(
            self.spec.arguments.iter().chain(self.spec.options).any(|declared| declared.name() == name),
            "`{name}` is asked of `{}`, which does not declare it",
            self.spec.name
        );
        self.given.iter().filter(move |given| given.name == name)
    }

    /// Takes the options out of the words.
    fn take_options(&mut self, words: Vec<Word>) -> Result<Vec<Word>> {
        let mut rest = Vec::new();
        let mut words = words.into_iter().peekable();
        while let Some(word) = words.next() {
            if !word.is_option() {
                rest.push(word);
                continue;
            }
            let name = word.text.split('=').next().unwrap_or_default();
            let name_span = word.span.start..word.span.start + name.len();
            let Some(option) = self.spec.options.iter().copied().find(|option| option.name() == name) else {
                return Err(self.unknown_option(name, name_span));
            };
            if let Some(first) = self.given.iter().find(|given| given.name == option.name()) {
                let error = Diagnostic::error("option-twice", format!("`{name}` is given twice")).at(name_span, "");
                return Err(error.because(first.whole.clone(), "the first time"));
            }
            let inline = word
                .text
                .split_once('=')
                .map(|(_, text)| Word { text: text.to_owned(), span: name_span.end + 1..word.span.end });
            let value = match (option.extent(), inline) {
                (Extent::Nothing, Some(value)) => {
                    let error = Diagnostic::error("option-value", format!("`{name}` takes no value"));
                    return Err(error.at(value.span, ""));
                }
                (Extent::Nothing, None) => None,
                (_, Some(value)) => Some(value),
                (_, None) => words.next_if(|word| !word.is_option()),
            };
            let value = value.filter(|value| !value.text.is_empty());
            let (span, parsed) = match value {
                Some(word) => (word.span.clone(), option.parse(&self.input(&word, option.name()))?),
                None => match option.without_value() {
                    Some(value) => (name_span.clone(), value),
                    None => {
                        let message = format!("`{name}` needs a value: {}", option.expected());
                        return Err(Diagnostic::error("missing-value", message).at(name_span, ""));
                    }
                },
            };
            let whole = word.span.start..span.end.max(word.span.end);
            self.given.push(Given { name: option.name(), span, whole, value: parsed });
        }
        Ok(rest)
    }

    /// Gives the other words to the positional arguments, in order.
    fn positional(&mut self, words: Vec<Word>, workspace: &Workspace) -> Result<()> {
        let declared = self.spec.arguments;
        let is_alone = words.len() == 1;
        let mut words = words.into_iter().peekable();
        // Arguments that were left out, in case that a word comes out of order.
        let mut passed: Vec<&'static dyn Declared> = Vec::new();
        for (at, argument) in declared.iter().copied().enumerate() {
            let Some(first) = words.peek().cloned() else { break };
            if argument.extent() == Extent::Rest {
                self.rest(argument, first, words.by_ref().last())?;
                break;
            }
            let is_needed = |later: &&&dyn Declared| matches!(later.count(), Count::Required | Count::Several);
            let needed = declared[at + 1..].iter().filter(is_needed).count();
            match argument.count() {
                Count::Optional => {
                    let next_claims =
                        declared.get(at + 1).is_some_and(|next| next.claims(&first.text, is_alone, workspace));
                    let is_spare = words.len() > needed || !next_claims;
                    if is_spare && argument.takes_word(&first.text, next_claims, workspace) {
                        words.next();
                        self.give(argument, &first)?;
                    } else {
                        passed.push(argument);
                    }
                }
                Count::Required => {
                    words.next();
                    self.give(argument, &first)?;
                }
                Count::Several | Count::Any => {
                    let is_own = |word: &Word| argument.claims(&word.text, is_alone, workspace);
                    while words.len() > needed || words.peek().is_some_and(is_own) {
                        let Some(word) = words.next() else { break };
                        self.each(argument, &word)?;
                    }
                }
            }
        }
        for word in words {
            let fitting = passed.iter().position(|argument| argument.takes_word(&word.text, false, workspace));
            match fitting {
                Some(at) => self.give(passed.remove(at), &word)?,
                None => return Err(self.too_many(&word)),
            }
        }
        Ok(())
    }

    fn give(&mut self, argument: &'static dyn Declared, word: &Word) -> Result<()> {
        let value = argument.parse(&self.input(word, argument.name()))?;
        let (span, whole) = (word.span.clone(), word.span.clone());
        self.given.push(Given { name: argument.name(), span, whole, value });
        Ok(())
    }

    /// Gives the parts of a word between commas.
    fn each(&mut self, argument: &'static dyn Declared, word: &Word) -> Result<()> {
        // Only a word as it stands in the cell has parts with places of their own.
        let is_plain = self.call.cell.text[word.span.clone()] == word.text && !word.text.contains(['(', '[']);
        if !is_plain {
            return self.give(argument, word);
        }
        let mut start = word.span.start;
        for part in word.text.split(',') {
            let span = start..start + part.len();
            start = span.end + 1;
            if !part.is_empty() {
                self.give(argument, &Word { text: part.to_owned(), span })?;
            }
        }
        Ok(())
    }

    /// Gives all words from the first to the last one.
    fn rest(&mut self, argument: &'static dyn Declared, first: Word, last: Option<Word>) -> Result<()> {
        let span = first.span.start..last.unwrap_or(first).span.end;
        let between = self.given.iter().find(|given| span.contains(&given.whole.start));
        if let Some(option) = between {
            let message = format!("`{}` stands between other arguments", option.name);
            let error = Diagnostic::error("option-place", message).at(option.whole.clone(), "");
            return Err(error.help("options come last"));
        }
        let text = self.call.cell.text[span.clone()].to_owned();
        self.give(argument, &Word { text, span })
    }

    fn input<'w>(&'w self, word: &'w Word, name: &'w str) -> Input<'w> {
        Input { cell: &self.call.cell.text, span: word.span.clone(), text: &word.text, name }
    }

    fn is_missing(&self, argument: &dyn Declared) -> bool {
        matches!(argument.count(), Count::Required | Count::Several)
            && !self.given.iter().any(|given| given.name == argument.name())
    }

    /// The error of an argument that has to be given and is not.
    fn missing(&self, argument: &dyn Declared) -> Diagnostic {
        let what = match argument.name().starts_with("--") {
            true => format!("`{}`", argument.label()),
            false => argument.expected(),
        };
        let message = format!("`{}` needs {what}", self.spec.title());
        let error = Diagnostic::error("missing-argument", message).at(self.call.name.clone(), "");
        self.with_usage(error)
    }

    fn too_many(&self, word: &Word) -> Diagnostic {
        let text = &self.call.cell.text[word.span.clone()];
        let message = match self.spec.arguments.is_empty() {
            true => format!("`{}` takes no arguments", self.spec.title()),
            false => format!("`{}` does not take `{text}`: it is one argument too many", self.spec.title()),
        };
        self.with_usage(Diagnostic::error("unexpected-argument", message).at(word.span.clone(), ""))
    }

    fn unknown_option(&self, name: &str, span: Range<usize>) -> Diagnostic {
        let message = format!("`{}` has no option `{name}`", self.spec.title());
        let error = Diagnostic::error("unknown-option", message).at(span, "");
        match nearest(name, self.spec.options.iter().map(|option| option.name())) {
            Some(near) => error.help(format!("did you mean `{near}`?")),
            None => self.with_usage(error),
        }
    }

    fn with_usage(&self, error: Diagnostic) -> Diagnostic {
        let usage = self.spec.usage_line();
        let error = error.help(format!("usage: {usage}"));
        match self.spec.examples.first() {
            Some(example) => error.help(format!("for example: `{}`", example.cell.lines().next().unwrap_or_default())),
            None => error,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::magics::declare::kinds::{BufferName, Device, List, Number, StageName, Switch};
    use crate::magics::example::{Example, Needs};
    use crate::magics::spec::Kind;
    use warpbook_diagnostic::Source;

    const STAGE: Argument<StageName> = Argument::required("STAGE", StageName::ENTRIES, "a stage");
    const NAMES: Argument<BufferName> =
        Argument::any("NAME", BufferName { placeholder: "NAME", scalars: false }, "buffers");
    const COUNT: Argument<Number<u32>> =
        Argument::option("--count", Number::new("N", "a number of steps").between(1, 400), "steps");
    const DEVICES: Argument<List<Device>> = Argument::option("--devices", List::new("A,B", Device), "devices");
    const FULL: Argument<Switch> = Argument::option("--full", Switch, "everything");

    const SPEC: Spec = Spec {
        name: "look",
        kind: Kind::Line,
        summary: "look at something",
        arguments: &[&STAGE, &NAMES],
        options: &[&COUNT, &DEVICES, &FULL],
        details: "",
        examples: &[Example { cell: "%look ptx", needs: Needs::Nothing, shows: "" }],
    };

    /// What is read of the arguments, or the code of the error, what is under its caret, and its first help.
    fn read(arguments: &str) -> Result<String, (&'static str, String, String)> {
        let text = format!("%look {arguments}");
        let cell = Source::new("cell", text.as_str());
        let call = Call { cell: &cell, name: 0..5, arguments: 6..text.len(), body: text.len()..text.len() };
        match Typed::parse(&call, &SPEC, &Workspace::default()) {
            Ok(typed) => {
                let names: Vec<&str> = typed.values(&NAMES).map(|name| name.value.as_str()).collect();
                let devices = typed.get(&DEVICES).into_iter().flatten().map(|device| &text[device.span.clone()]);
                let devices: Vec<&str> = devices.collect();
                let (stage, count, full) = (typed.get(&STAGE), typed.get(&COUNT), typed.has(&FULL));
                Ok(format!("{stage:?} {names:?} {count:?} {devices:?} {full}"))
            }
            Err(error) => {
                let caret = error.labels.first().map_or(String::new(), |label| text[label.span.clone()].to_owned());
                Err((error.code, caret, error.help.first().cloned().unwrap_or_default()))
            }
        }
    }

    #[test]
    fn options_stand_anywhere_and_lists_keep_the_places_of_their_parts() {
        let read = |arguments| read(arguments).expect(arguments);
        assert_eq!(read("ptx a, b c --full"), r#"Some(Ptx) ["a", "b", "c"] None [] true"#);
        assert_eq!(read("--count=1_0 ptx a,b"), r#"Some(Ptx) ["a", "b"] Some(10) [] false"#);
        assert_eq!(read("ptx --devices emu,cuda:1 a"), r#"Some(Ptx) ["a"] None ["emu", "cuda:1"] false"#);
    }

    #[test]
    fn mistakes_are_placed_and_have_help() {
        for (arguments, code, caret, help) in [
            ("", "missing-argument", "%look", "usage: %look STAGE [NAME …] [--count N] [--devices A,B] [--full]"),
            ("ptxx", "unknown-stage", "ptxx", "did you mean `ptx`?"),
            ("ptx --ful", "unknown-option", "--ful", "did you mean `--full`?"),
            ("ptx --count", "missing-value", "--count", ""),
            ("ptx --count --full", "missing-value", "--count", ""),
            ("ptx --count 401", "option-value", "401", ""),
            ("ptx --full=3", "option-value", "3", ""),
            ("ptx --devices emu,cuba:0", "unknown-device", "cuba:0", "did you mean `cuda:0`?"),
            ("ptx --full --full", "option-twice", "--full", ""),
            ("ptx 'a", "syntax", "'", ""),
        ] {
            let (found, place, first) = read(arguments).expect_err(arguments);
            assert_eq!((found, place.as_str(), first.as_str()), (code, caret, help), "{arguments}");
        }
    }
}
