//! Named buffers and scalars: making, listing, forgetting.

pub(super) mod buf;
mod check;
mod comparison;
mod file;
mod free;
mod list;
mod on_device;
mod scalar;
pub(super) mod show;

pub use buf::Buf;
pub use check::Check;
pub use file::{Load, Save};
pub use free::{Free, Reset};
pub use list::Bufs;
pub use scalar::Let;
pub use show::Show;
