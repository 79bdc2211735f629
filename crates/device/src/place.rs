//! Where a buffer lives: the emulator's memory, or a GPU's.

use std::fmt;

/// A memory of the session. All emulated architectures share one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Place {
    /// The emulator's, which is the host's.
    #[default]
    Emulator,
    /// Memory of the GPU with this number.
    Gpu(u32),
}

impl Place {
    /// The place that a device's name begins with: `emu`, `emu:sm_90`, `cuda:1`, `cuda`.
    pub fn from_name(name: &str) -> Option<Self> {
        match name.split_once(':') {
            Some(("cuda", number)) => number.parse().ok().map(Self::Gpu),
            Some(("emu", _)) => Some(Self::Emulator),
            Some(_) => None,
            None if name == "cuda" => Some(Self::Gpu(0)),
            None => (name == "emu").then_some(Self::Emulator),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Emulator => f.write_str("emu"),
            Self::Gpu(number) => write!(f, "cuda:{number}"),
        }
    }
}
