//! Plain cells: Rust, evaluated by evcxr in a process of its own.
//!
//! That process, the host, is another program (`warpbook-rust-host`), which is built and installed apart from the
//! kernel; [`warpbook_rust_host`] draws the processes behind it and has the protocol. Here is the kernel's side: it
//! finds a host, starts it with the first Rust cell, and turns what it sends into output and diagnostics.
//!
//! All processes of the host are in one process group that dies with the kernel. An interrupt ends the whole group,
//! since a cell or a compilation cannot be stopped alone: the variables are lost, and the next Rust cell starts a new
//! group.

mod build;
mod completeness;
mod error;
mod host;
mod installation;
mod rust_cells;
mod stderr;
mod tools;

pub use build::cost as build_cost;
pub use completeness::{Completeness, completeness};
pub use host::Completions;
pub use installation::{Search, can_build, find_host, install, missing, search, unusable};
pub use rust_cells::RustCells;
