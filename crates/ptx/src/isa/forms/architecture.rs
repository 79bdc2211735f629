//! Architectures and versions of PTX: which code runs where.

use std::fmt;

/// A version of the PTX ISA: (8, 7).
pub type Version = (u32, u32);

/// The name of an architecture: `sm_90`, `sm_90a`, `sm_100f`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Architecture {
    /// Number of the architecture: 90 for `sm_90`.
    pub number: u32,
    /// The architectures on which code for this one runs.
    pub reach: Reach,
}

/// On which architectures code runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// `sm_90`: on this architecture and all later ones.
    Later,
    /// `sm_100f`: on this architecture and later ones of the same family.
    Family,
    /// `sm_90a`: on this architecture alone.
    Alone,
}

impl Architecture {
    /// `sm_90`: this architecture and all later ones.
    pub const fn later(number: u32) -> Self {
        Self { number, reach: Reach::Later }
    }

    /// `sm_90a`: this architecture alone.
    pub const fn alone(number: u32) -> Self {
        Self { number, reach: Reach::Alone }
    }

    /// Reads `sm_90a`; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix("sm_")?;
        let digits = rest.trim_end_matches(['a', 'f']);
        let reach = match &rest[digits.len()..] {
            "" => Reach::Later,
            "f" => Reach::Family,
            "a" => Reach::Alone,
            _ => return None,
        };
        Some(Self { number: digits.parse().ok()?, reach })
    }

    /// Number of the family: 10 for `sm_100` and `sm_103`.
    pub fn family(self) -> u32 {
        self.number / 10
    }

    /// True if a GPU of the architecture `number` runs code that was compiled for this one.
    pub fn runs_on(self, number: u32) -> bool {
        match self.reach {
            Reach::Later => self.number <= number,
            Reach::Family => self.number <= number && self.family() == number / 10,
            Reach::Alone => self.number == number,
        }
    }

    /// True if code for this architecture may use what `needed` has.
    pub fn has(self, needed: Self) -> bool {
        match needed.reach {
            Reach::Later => self.number >= needed.number,
            Reach::Family => {
                self.reach != Reach::Later && self.number >= needed.number && self.family() == needed.family()
            }
            Reach::Alone => self.reach == Reach::Alone && self.number == needed.number,
        }
    }

    /// The first version of the PTX ISA whose `.target` may name it; `None` where that is not known.
    pub fn first_version(self) -> Option<Version> {
        let plain = match self.number {
            ..=50 => (4, 0),
            51..=53 => (4, 2),
            54..=62 => (5, 0),
            63..=70 => (6, 0),
            71..=72 => (6, 1),
            73..=75 => (6, 3),
            76..=80 => (7, 0),
            86 => (7, 1),
            87 => (7, 4),
            88 => (9, 0),
            89 | 90 => (7, 8),
            100 | 101 => (8, 6),
            120 => (8, 7),
            103 | 121 => (8, 8),
            110 => (9, 0),
            _ => return None,
        };
        Some(match self.reach {
            Reach::Alone if self.number == 90 => (8, 0),
            Reach::Family => plain.max((8, 8)),
            _ => plain,
        })
    }
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let suffix = match self.reach {
            Reach::Later => "",
            Reach::Family => "f",
            Reach::Alone => "a",
        };
        write!(f, "sm_{}{suffix}", self.number)
    }
}

/// What a form or a modifier needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Need {
    /// The first version of the PTX ISA that has it; (0, 0) for every one.
    pub version: Version,
    /// Architectures of which the target has to have one; none for every target.
    pub targets: Vec<Architecture>,
}

impl Need {
    /// True if a target fulfils it.
    pub fn is_met_by(&self, target: Architecture) -> bool {
        self.targets.is_empty() || self.targets.iter().any(|&needed| target.has(needed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(text: &str) -> Architecture {
        Architecture::parse(text).unwrap_or_else(|| panic!("{text}"))
    }

    #[test]
    fn names_are_printed_as_they_are_read() {
        for text in ["sm_80", "sm_90a", "sm_100f", "sm_121"] {
            assert_eq!(named(text).to_string(), text);
        }
        for text in ["sm_", "sm_90b", "sm_90af", "compute_90", "90", "sm_a"] {
            assert_eq!(Architecture::parse(text), None, "{text}");
        }
    }

    #[test]
    fn code_runs_on_later_architectures_unless_it_is_specific() {
        for (code, number, runs) in [
            ("sm_80", 90, true),
            ("sm_90", 80, false),
            ("sm_90a", 90, true),
            ("sm_90a", 100, false),
            ("sm_100a", 103, false),
            ("sm_100f", 103, true),
            ("sm_100f", 120, false),
            ("sm_103f", 100, false),
        ] {
            assert_eq!(named(code).runs_on(number), runs, "{code} on {number}");
        }
    }

    #[test]
    fn a_target_has_what_earlier_ones_have_unless_that_is_specific() {
        for (target, needed, has) in [
            ("sm_90", "sm_80", true),
            ("sm_80", "sm_90", false),
            ("sm_90", "sm_90a", false),
            ("sm_100a", "sm_90a", false),
            ("sm_100a", "sm_100f", true),
            ("sm_103a", "sm_100f", true),
            ("sm_100", "sm_100f", false),
            ("sm_120f", "sm_100f", false),
        ] {
            assert_eq!(named(target).has(named(needed)), has, "{target} {needed}");
        }
    }
}
