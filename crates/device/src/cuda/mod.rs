//! An NVIDIA GPU as a [`Device`](super::Device), owned by a process that may fault: `warpbook device-host cuda:0`.
//!
//! A fatal error of a kernel poisons its CUDA context for good, and an endless kernel can only be ended together with
//! its process. So the context lives in a child of the kernel. [`Hosted`] is the kernel's side: it starts the host,
//! keeps a copy of what the device's memory held, and gives a new host that memory back. `host` is the other side.
//! They speak over a socket ([`protocol`]); bulk data goes through shared memory ([`shared`]).

mod backend;
mod client;
mod digest;
mod driver;
mod emulated_host;
mod fault;
mod host;
mod nvml;
mod protocol;
pub mod replay;
mod shared;
mod timing;

pub use client::{Hosted, REPLAY_COMMAND, default_budget, process_hook};
pub use digest::{digest as content_digest, digest_from};
pub use protocol::Properties;
