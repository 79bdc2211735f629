//! The protocol between the kernel and the process that evaluates Rust cells.
//!
//! That process is this package's binary, `warpbook-rust-host`. It needs evcxr and with it most of rust-analyzer, so it
//! is built only with the feature `evcxr`; the library has the messages alone, and the kernel builds without it.
//!
//! Three processes stand behind a Rust cell, all in one process group that dies with the kernel:
//!
//! ```text
//! kernel ──JSON lines── host: evcxr, rust-analyzer, cargo ── relay ── runtime: the cells' code
//! ```
//!
//! Host, relay and runtime are the same program, started in different ways. The runtime's standard error goes straight
//! to the kernel; its standard output passes through the relay and evcxr, whose own messages share it.

pub mod pipes;
pub mod protocol;
