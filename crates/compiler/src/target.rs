//! The GPU architecture that is compiled for.

use std::fmt;
use std::str::FromStr;

/// A compute capability as one number: 90 is sm_90.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Target(pub u32);

impl Target {
    /// The architectures that Warpbook supports.
    pub const SUPPORTED: [Self; 8] =
        [Self(75), Self(80), Self(86), Self(89), Self(90), Self(100), Self(103), Self(120)];
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sm_{}", self.0)
    }
}

impl FromStr for Target {
    type Err = ();

    /// Takes `sm_90`, `sm_90a`, `sm90` or `90`.
    fn from_str(text: &str) -> Result<Self, ()> {
        let digits = text.trim_start_matches("sm").trim_start_matches('_').trim_end_matches(['a', 'f']);
        let target = Self(digits.parse().map_err(|_| ())?);
        if Self::SUPPORTED.contains(&target) { Ok(target) } else { Err(()) }
    }
}
