//! The magics: one registry, from which dispatch, completion, inspection, `--help` and the reference come;
//! one file per magic or per family of magics.

mod cell;
mod clear;
pub mod help;
mod registry;

pub use cell::{Part, parts};
pub use registry::{Call, Kind, Magic, OptionSpec, Spec, find, names, registry};
