//! Magics that make and launch kernels: `%%triton` to `%%cubin`, `%%patch`, `%edit` and `%launch`.

pub mod edit;
pub mod options;
mod patch;
pub mod relaunch;
pub mod stages;

pub use edit::Edit;
pub use patch::Patch;
pub use relaunch::Relaunch;
pub use stages::StageMagic;
