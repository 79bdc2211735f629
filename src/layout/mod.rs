//! Which hardware place holds which element of a tensor: linear layouts, the encodings of TTGIR that have one, and
//! the banks of shared memory.

mod encoding;
mod linear;
mod shared;

pub use encoding::{Encoding, Unsupported, aliases};
pub use linear::{Layout, Place};
pub use shared::{BANKS, Shared, ways};
