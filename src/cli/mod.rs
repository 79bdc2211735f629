//! The subcommands that a person types.

pub mod doctor;
pub mod lab;
pub mod run;
pub mod rust_cells;

mod jupyter;
