//! Cells that compile and launch: `%%triton` to `%%cubin`, and `%launch`.

pub(super) mod arguments;
mod changes;
mod compare;
mod contraction;
mod descriptor;
mod elements;
mod elsewhere;
mod locate;
pub(super) mod measure;
mod ncu;
mod observe;
mod options;
mod ptx_target;
mod rebuild;
pub(super) mod relaunch;
mod replay;
mod report;
pub(super) mod run;
mod sanitize;
pub(super) mod snapshot;
pub(super) mod stages;
mod timeout;

pub use arguments::check_options;
pub use compare::CompareDevices;
pub use ncu::Ncu;
pub use observe::{Asked, CountersMagic, StepMagic, TimelineMagic, TraceMagic, WatchMagic, compare_values, operands};
pub use options::{STAGE_OPTIONS, SWITCHES};
pub use rebuild::recover;
pub use relaunch::Relaunch;
pub use sanitize::Sanitize;
pub use stages::StageMagic;
