//! Looking inside a kernel: its stages, passes, machine code, differences, layouts.

mod passes;
mod stages;
mod subject;
mod trace;

pub use passes::PassesMagic;
pub use stages::Stages;
