//! The magics: one registry, from which dispatch, completion, inspection, `--help` and the reference come;
//! one file per magic or per family of magics.

mod buffers;
mod cell;
mod clear;
pub mod help;
mod launch;
mod registry;
mod settings;

pub use cell::{Part, parts};
pub use registry::{Call, Kind, Magic, OptionSpec, Spec, find, names, no_arguments, registry};
