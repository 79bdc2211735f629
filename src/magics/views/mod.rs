//! Looking inside a kernel: its stages, passes, machine code, differences, layouts.

mod diff;
pub(in crate::magics) mod dump;
mod expect;
mod layout;
mod mma;
mod passes;
mod resources;
mod sass;
mod stages;
pub(in crate::magics) mod subject;
mod tma;
mod trace;

pub use diff::Diff;
pub use dump::Dump;
pub use expect::Expect;
pub use layout::LayoutMagic;
pub use mma::Mma;
pub use passes::PassesMagic;
pub use resources::ResourcesMagic;
pub use sass::Sass;
pub use stages::Stages;
pub use tma::Tma;
