//! The parts of an opcode: each is taken by whoever understands it, and what is left over is refused by name.

use std::str::FromStr;

use crate::arithmetic::formats::Rounding;
use warpbook_ptx::PtxType;

/// An opcode taken apart: `ld.global.v4.b32` is `ld` and the modifiers `global v4 b32`.
pub(super) struct Modifiers<'a> {
    parts: Vec<&'a str>,
}

impl<'a> Modifiers<'a> {
    pub fn new(opcode: &'a str) -> (&'a str, Self) {
        let mut parts = opcode.split('.');
        let name = parts.next().unwrap_or_default();
        (name, Self { parts: parts.collect() })
    }

    /// Takes a modifier if it is there.
    pub fn take(&mut self, modifier: &str) -> bool {
        match self.parts.iter().position(|part| *part == modifier) {
            Some(index) => {
                self.parts.remove(index);
                true
            }
            None => false,
        }
    }

    /// Takes the first of several modifiers that is there.
    pub fn take_any(&mut self, modifiers: &[&'static str]) -> Option<&'static str> {
        modifiers.iter().copied().find(|modifier| self.take(modifier))
    }

    /// Takes the first modifier, as they are written, that is one of several.
    pub fn take_first(&mut self, modifiers: &[&'static str]) -> Option<&'static str> {
        let (index, found) = self.parts.iter().enumerate().find_map(|(index, part)| {
            modifiers.iter().find(|modifier| *modifier == part).map(|found| (index, *found))
        })?;
        self.parts.remove(index);
        Some(found)
    }

    /// Takes the first modifier that begins with `prefix`.
    pub fn take_prefixed(&mut self, prefix: &str) -> Option<&'a str> {
        let index = self.parts.iter().position(|part| part.starts_with(prefix))?;
        Some(self.parts.remove(index))
    }

    /// Takes the first modifier that is a type.
    pub fn take_type(&mut self) -> Option<PtxType> {
        let index = self.parts.iter().position(|part| PtxType::from_str(part).is_ok())?;
        self.parts.remove(index).parse().ok()
    }

    /// Takes a rounding of floating-point values.
    pub fn take_rounding(&mut self) -> Option<Rounding> {
        self.take_any(&["rn", "rna", "rz", "rm", "rp"]).map(|name| match name {
            "rn" => Rounding::NearestEven,
            "rna" => Rounding::NearestAway,
            "rz" => Rounding::TowardZero,
            "rm" => Rounding::Down,
            _ => Rounding::Up,
        })
    }

    /// Takes a rounding to integral values.
    pub fn take_integral_rounding(&mut self) -> Option<Rounding> {
        self.take_any(&["rni", "rzi", "rmi", "rpi"]).map(|name| match name {
            "rni" => Rounding::NearestEven,
            "rzi" => Rounding::TowardZero,
            "rmi" => Rounding::Down,
            _ => Rounding::Up,
        })
    }

    /// Whether a modifier is there, without taking it.
    pub fn has(&self, modifier: &str) -> bool {
        self.parts.contains(&modifier)
    }

    /// What nobody took.
    pub fn rest(&self) -> &[&'a str] {
        &self.parts
    }
}
