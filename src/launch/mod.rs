//! The launch of a kernel's version, as a layer below the magics: arguments to bytes, the launch on a device, what it
//! changed, and how buffers get their values back when it fails. Nothing here knows a magic.

pub mod arguments;
pub mod binding;
pub mod built;
pub mod changes;
pub mod code;
pub mod contraction;
mod descriptor;
mod elements;
mod findings;
mod locate;
pub mod measure;
pub mod on_device;
mod placement;
pub mod plan;
pub mod prepare;
pub mod ptx_target;
pub mod recovery;
pub mod report;
pub mod run;
pub mod scratch;
pub mod snapshot;
mod surroundings;
pub mod timeout;
pub mod value;
