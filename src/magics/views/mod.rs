//! Looking inside a kernel: its stages, passes, machine code, differences, layouts.

mod stages;
mod subject;
mod trace;

pub use stages::Stages;
