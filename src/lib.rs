//! Warpbook: a Jupyter kernel that runs a GPU kernel from any stage of the Triton compiler.
//!
//! Layers are modules, in the order in which a cell meets them. An arrow points at what a layer may use:
//!
//! ```text
//! main → server → session → magics → workspace → {compiler, files, device, guest, bench, layout, render, expression}
//!        server → wire      files → device → {emulator, cuda}      emulator → ptx      compiler → {ir, ptx}
//!        everyone → {diagnostic, cancel, child, frontend}
//! ```
//!
//! `ir`, `ptx`, `emulator` and `layout` import nothing from outside themselves but `diagnostic` and each other
//! (downwards): they are a library for someone who wants no notebook. `tests/architecture.rs` holds the arrows.

pub mod expression;
pub mod files;
pub mod frontend;
pub mod guest;
pub mod kernelspec;
pub mod magics;
pub mod render;
pub mod server;
pub mod session;
pub mod wire;
pub mod workspace;
