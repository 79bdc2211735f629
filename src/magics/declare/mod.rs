//! The arguments of magics, declared: one parser for all of them.
//!
//! A magic lists its positional arguments and its options as [`Argument`]s, each with the kind of value that it takes.
//! From this one declaration come reading ([`Typed`]), the errors of it, completion, inspection, `--help`, and
//! `docs/magics.md`. Reading judges what the text alone shows, and gives values with their places in the cell; what
//! they name is looked up when the magic runs.

pub mod argument;
mod complete;
pub mod kinds;
pub mod typed;
mod words;

pub use argument::{Argument, Candidates, Count, Declared, Extent, Input, Takes};
pub use complete::{complete, inspect};
pub use typed::Typed;
pub use words::words;
