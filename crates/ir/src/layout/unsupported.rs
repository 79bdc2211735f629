//! Layouts that cannot be drawn.

/// Why a layout is not drawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsupported(pub String);
