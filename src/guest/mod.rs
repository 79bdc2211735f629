//! Plain cells: Rust, evaluated by evcxr in a process of its own.
//!
//! Three processes stand behind a Rust cell, all in one process group that dies with the kernel:
//!
//! ```text
//! kernel ── RustCells ──JSON lines── rust-host: evcxr, rust-analyzer, cargo ── relay ── runtime: the cells' code
//! ```
//!
//! The runtime's standard error goes straight to the kernel; its standard output goes by the relay and evcxr, whose
//! own messages share it. An interrupt ends the whole group, since a cell or a compilation cannot be stopped alone:
//! the variables are lost, and the next Rust cell starts a new group.

mod build_directory;
mod completeness;
mod error;
mod pipes;
mod protocol;
mod rust_cells;

#[cfg(feature = "rust-cells")]
mod relay;
#[cfg(feature = "rust-cells")]
mod rust_host;

pub use completeness::{Completeness, completeness};
pub use rust_cells::{Completions, RustCells};

/// What `main` does before anything else: this program is also evcxr's runtime and its compiler wrapper, known by
/// their environment variables. Returns only if it is neither.
pub fn process_hook() {
    #[cfg(feature = "rust-cells")]
    {
        relay::process_hook();
        evcxr::runtime_hook();
    }
}

/// `warpbook rust-host`: serves Rust cells on standard input and output until the input ends.
#[cfg(feature = "rust-cells")]
pub fn run_rust_host() -> std::io::Result<()> {
    rust_host::run()
}
