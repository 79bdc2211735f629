//! What the tests of this workspace share.
//!
//! - [`needs`]: how a test says that it is skipped, and why.
//! - [`command`]: programs that a test runs.
//! - [`environment`]: Python, with Triton or with what a test needs.
//! - [`generated`]: files that are written from the code.
//! - [`kernels`]: sources of kernels that several tests launch.
//! - [`notebook`]: a session, a reader that records what cells show, and `check_…` functions.
//! - [`client`]: the other side of the Jupyter protocol, typed.
//! - [`random`]: numbers that are the same in every run.
//! - [`processes`]: a kernel as a process, and what it starts.
//!
//! Nothing here is part of a shipped Warpbook.

#[cfg(feature = "notebook")]
pub mod client;
pub mod command;
pub mod environment;
pub mod generated;
pub mod kernels;
pub mod needs;
#[cfg(feature = "notebook")]
pub mod notebook;
#[cfg(feature = "notebook")]
pub mod processes;
pub mod random;
#[cfg(feature = "notebook")]
mod trace;

pub use needs::skip_unless;
