//! The modifiers of an opcode: each is taken by the family that understands it; what is left over is refused by name.

use crate::arithmetic::formats::Rounding;
use warpbook_ptx::PtxType;
use warpbook_ptx::isa::{Comparison, Modifier, Opcode, Word};

/// The words of an opcode that nothing has taken yet, in the order in which they are written.
pub(crate) struct Modifiers<'a> {
    words: Vec<&'a Word<Modifier>>,
}

impl<'a> Modifiers<'a> {
    /// All words behind the name of the instruction.
    pub fn new(opcode: &'a Opcode) -> Self {
        Self { words: opcode.words().iter().collect() }
    }

    /// Takes the first modifier, as they are written, of which something can be made.
    pub fn take_map<T>(&mut self, make: impl Fn(Modifier) -> Option<T>) -> Option<T> {
        let (index, made) = self.words.iter().enumerate().find_map(|(index, word)| match word {
            Word::Known(modifier) => make(*modifier).map(|made| (index, made)),
            Word::Unknown(_) => None,
        })?;
        self.words.remove(index);
        Some(made)
    }

    /// Takes a modifier if it is there.
    pub fn take(&mut self, modifier: Modifier) -> bool {
        self.take_map(|own| (own == modifier).then_some(())).is_some()
    }

    /// Takes the first modifier, as they are written, that is one of several.
    pub fn take_any(&mut self, modifiers: &[Modifier]) -> Option<Modifier> {
        self.take_map(|own| modifiers.contains(&own).then_some(own))
    }

    /// Takes every modifier that is one of several: words that change nothing here.
    pub fn take_all(&mut self, modifiers: &[Modifier]) {
        while self.take_any(modifiers).is_some() {}
    }

    /// Takes the hints about levels of caches: `.L1::evict_first`, `.L2::128B`.
    pub fn take_cache_level_hints(&mut self) {
        while self.take_map(|own| own.is_cache_level_hint().then_some(())).is_some() {}
    }

    /// Takes the first modifier that is a type.
    pub fn take_type(&mut self) -> Option<PtxType> {
        self.take_map(Modifier::ty)
    }

    /// True if a type is left that nothing has taken.
    pub fn has_type(&self) -> bool {
        self.words.iter().any(|word| matches!(word, Word::Known(Modifier::Type(_))))
    }

    /// Takes a comparison.
    pub fn take_comparison(&mut self) -> Option<Comparison> {
        self.take_map(Comparison::from_modifier)
    }

    /// Takes a rounding of floating-point values.
    pub fn take_rounding(&mut self) -> Option<Rounding> {
        self.take_map(|own| {
            Some(match own {
                Modifier::Rn => Rounding::NearestEven,
                Modifier::Rna => Rounding::NearestAway,
                Modifier::Rz => Rounding::TowardZero,
                Modifier::Rm => Rounding::Down,
                Modifier::Rp => Rounding::Up,
                _ => return None,
            })
        })
    }

    /// Takes a rounding to integral values.
    pub fn take_integral_rounding(&mut self) -> Option<Rounding> {
        self.take_map(|own| {
            Some(match own {
                Modifier::Rni => Rounding::NearestEven,
                Modifier::Rzi => Rounding::TowardZero,
                Modifier::Rmi => Rounding::Down,
                Modifier::Rpi => Rounding::Up,
                _ => return None,
            })
        })
    }

    /// True if a modifier is there; it is not taken.
    pub fn has(&self, modifier: Modifier) -> bool {
        self.words.iter().any(|word| **word == modifier)
    }

    /// The first word that nothing has taken.
    pub fn first_left(&self) -> Option<&'a Word<Modifier>> {
        self.words.first().copied()
    }
}
