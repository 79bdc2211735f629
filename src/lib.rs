//! Warpbook: a Jupyter kernel that runs a GPU kernel from any stage of the Triton compiler.
//!
//! Layers are modules, in the order in which a cell meets them. An arrow points at what a layer may use:
//!
//! ```text
//! main → {cli, server}   server → {session, wire}   session → {magics, guest}
//!        magics → launch → workspace → {expression, files, render}      everyone → frontend
//! ```
//!
//! What is useful without a notebook is a crate of its own under `crates/`: `warpbook-{compiler, device, emulator, ir, ptx}`.

pub mod expression;
pub mod files;
pub mod frontend;
pub mod guest;
pub mod kernelspec;
pub mod launch;
pub mod magics;
pub mod render;
pub mod server;
pub mod session;
pub mod wire;
pub mod workspace;
