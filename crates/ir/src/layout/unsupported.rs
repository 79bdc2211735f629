//! Layouts that cannot be drawn.

/// The reason why a layout cannot be drawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsupported(pub String);
