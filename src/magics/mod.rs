//! The magics: one registry, from which dispatch, completion, inspection, `--help` and the reference come;
//! one file per magic or per family of magics.

mod buffers;
mod cell;
mod clear;
mod edit;
pub mod help;
mod launch;
mod patch;
mod registry;
mod settings;
mod views;

pub use cell::{Part, parts};
pub use launch::recover;
pub use registry::{Call, Kind, Magic, OptionSpec, Spec, find, names, no_arguments, registry};
