//! Comparisons of `setp` and `set`. PTX ISA 9.7.6.

use super::Modifier;

/// How two values are compared. The ordered comparisons are false where a value is NaN, the unordered ones true.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `.eq`
    Equal,
    /// `.ne`
    NotEqual,
    /// `.lt`; `.lo` of unsigned integers.
    Less,
    /// `.le`; `.ls` of unsigned integers.
    LessOrEqual,
    /// `.gt`; `.hi` of unsigned integers.
    Greater,
    /// `.ge`; `.hs` of unsigned integers.
    GreaterOrEqual,
    /// `.equ`
    EqualOrNan,
    /// `.neu`
    NotEqualOrNan,
    /// `.ltu`
    LessOrNan,
    /// `.leu`
    LessOrEqualOrNan,
    /// `.gtu`
    GreaterOrNan,
    /// `.geu`
    GreaterOrEqualOrNan,
    /// `.num`: neither value is NaN.
    NoNan,
    /// `.nan`: one of the values is NaN.
    AnyNan,
}

impl Comparison {
    /// The comparison that a modifier names.
    pub fn from_modifier(modifier: Modifier) -> Option<Self> {
        Some(match modifier {
            Modifier::Eq => Self::Equal,
            Modifier::Ne => Self::NotEqual,
            Modifier::Lt | Modifier::Lo => Self::Less,
            Modifier::Le | Modifier::Ls => Self::LessOrEqual,
            Modifier::Gt | Modifier::Hi => Self::Greater,
            Modifier::Ge | Modifier::Hs => Self::GreaterOrEqual,
            Modifier::Equ => Self::EqualOrNan,
            Modifier::Neu => Self::NotEqualOrNan,
            Modifier::Ltu => Self::LessOrNan,
            Modifier::Leu => Self::LessOrEqualOrNan,
            Modifier::Gtu => Self::GreaterOrNan,
            Modifier::Geu => Self::GreaterOrEqualOrNan,
            Modifier::Num => Self::NoNan,
            Modifier::IsNan => Self::AnyNan,
            _ => return None,
        })
    }
}
