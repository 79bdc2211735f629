//! An opcode: the name of an instruction and the words behind it, in the order in which they are written.

use std::fmt;

use super::{Description, Mnemonic, Modifier};
use crate::types::PtxType;

/// A word of an opcode: one of PTX, or any other, which is kept as it is written.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Word<T> {
    /// A word that PTX has.
    Known(T),
    /// A word that this version of PTX does not have. Whoever executes the instruction refuses it by this text.
    Unknown(Box<str>),
}

/// The name of an instruction as it is written.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Name {
    mnemonic: Mnemonic,
    spelling: &'static str,
}

/// `ld.global.v4.b32`, taken apart once. Any text is an opcode; printing gives it back.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Opcode {
    name: Word<Name>,
    words: Box<[Word<Modifier>]>,
}

impl Opcode {
    /// Takes a text apart. Words that PTX does not have are kept as text.
    pub fn parse(text: &str) -> Self {
        let (name, rest) = match Mnemonic::at_start(text) {
            Some((mnemonic, spelling)) => (Word::Known(Name { mnemonic, spelling }), &text[spelling.len()..]),
            None => {
                let end = text.find('.').unwrap_or(text.len());
                (Word::Unknown(text[..end].into()), &text[end..])
            }
        };
        let word = |word| Modifier::parse(word).map_or_else(|| Word::Unknown(word.into()), Word::Known);
        let words = rest.strip_prefix('.').map_or_else(Box::default, |rest| rest.split('.').map(word).collect());
        Self { name, words }
    }

    /// The instruction that it names; `None` where PTX has none of that name.
    pub fn mnemonic(&self) -> Option<Mnemonic> {
        match &self.name {
            Word::Known(name) => Some(name.mnemonic),
            Word::Unknown(_) => None,
        }
    }

    /// The name of the instruction as it is written: `ld`, `cp.async.bulk`.
    pub fn name(&self) -> &str {
        match &self.name {
            Word::Known(name) => name.spelling,
            Word::Unknown(text) => text,
        }
    }

    /// What the table says of the instruction; nothing where PTX has none of that name.
    pub fn description(&self) -> &'static Description {
        const UNKNOWN: Description = Description::DEFAULT;
        self.mnemonic().map_or(&UNKNOWN, Mnemonic::description)
    }

    /// The words behind the name, in the order in which they are written.
    pub fn words(&self) -> &[Word<Modifier>] {
        &self.words
    }

    /// The modifiers in the order in which they are written; words that PTX does not have are left out.
    pub fn modifiers(&self) -> impl DoubleEndedIterator<Item = Modifier> {
        self.words.iter().filter_map(|word| match word {
            Word::Known(modifier) => Some(*modifier),
            Word::Unknown(_) => None,
        })
    }

    /// True if the modifier is there.
    pub fn has(&self, modifier: Modifier) -> bool {
        self.modifiers().any(|own| own == modifier)
    }

    /// True if one of the modifiers is there.
    pub fn has_any(&self, modifiers: &[Modifier]) -> bool {
        self.modifiers().any(|own| modifiers.contains(&own))
    }

    /// The types that it names, of those that registers and variables can have.
    pub fn types(&self) -> impl DoubleEndedIterator<Item = PtxType> {
        self.modifiers().filter_map(Modifier::ty)
    }

    /// The type that the instruction works in: the last word, where that is a type.
    pub fn ty(&self) -> Option<PtxType> {
        match self.words.last() {
            Some(Word::Known(Modifier::Type(ty))) => Some(*ty),
            _ => None,
        }
    }
}

impl fmt::Display for Opcode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        self.words.iter().try_for_each(|word| write!(f, ".{word}"))
    }
}

impl<T: fmt::Display> fmt::Display for Word<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known(known) => known.fmt(f),
            Self::Unknown(text) => f.write_str(text),
        }
    }
}

impl<T: PartialEq> PartialEq<T> for Word<T> {
    fn eq(&self, other: &T) -> bool {
        matches!(self, Self::Known(known) if known == other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_longest_that_fit() {
        let named = |text| Opcode::parse(text).mnemonic();
        assert_eq!(named("cp.async.cg.shared.global"), Some(Mnemonic::CpAsync));
        assert_eq!(named("cp.async.bulk.shared::cluster.global"), Some(Mnemonic::CpAsyncBulk));
        assert_eq!(named("cp.async.bulk.tensor.2d.shared::cluster.global"), Some(Mnemonic::CpAsyncBulkTensor));
        assert_eq!(named("bar.cta.sync"), Some(Mnemonic::BarSync));
        assert_eq!(named("mbarrier.arrive_drop.b64"), Some(Mnemonic::MbarrierArriveDrop));
        assert_eq!(named("ldmatrix.sync"), Some(Mnemonic::LdMatrix));
        assert_eq!(["ldx.global", "cp.async_", "bar", "", ".ld"].map(named), [None; 5]);
    }

    #[test]
    fn any_text_is_given_back() {
        for text in
            ["ld.global.v4.b32", "ld", "ld.", "ld..x", "frobnicate.b32", "bar.cta.sync", "", ".", "add.wrong.f32"]
        {
            assert_eq!(Opcode::parse(text).to_string(), text);
        }
    }
}
