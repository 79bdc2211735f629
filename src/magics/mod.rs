//! The magics: `magic` says what one is, one file per magic or per family of magics declares and runs it, and
//! `registry` is the table of all of them, from which dispatch, completion, inspection, `--help` and the reference come.

mod buffers;
mod cell;
mod cells;
mod clear;
pub mod declare;
pub mod example;
pub mod help;
mod launch_report;
mod magic;
#[cfg(test)]
mod reference;
pub mod registry;
mod settings;
mod spec;
mod views;

pub use cell::{Part, parts};
pub use example::{Example, Needs};
pub use magic::{Magic, run};
pub use spec::{Call, Kind, Spec};
