//! Cells that compile and launch: `%%triton` to `%%cubin`, and `%launch`.

mod arguments;
mod changes;
mod locate;
mod options;
mod relaunch;
mod report;
mod run;
mod snapshot;
mod stages;

pub use arguments::check_options;
pub use options::{STAGE_OPTIONS, SWITCHES};
pub use relaunch::Relaunch;
pub use stages::StageMagic;
