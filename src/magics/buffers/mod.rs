//! Named buffers and scalars: making, listing, forgetting.

pub(super) mod buf;
mod check;
mod compare;
mod expressions;
mod file;
mod free;
mod initialise;
mod list;
mod on_device;
mod random;
mod remake;
mod scalar;
pub(super) mod show;

pub use buf::Buf;
pub use check::Check;
pub use file::{Load, Save};
pub use free::{Free, Reset};
pub use list::Bufs;
pub(super) use remake::remake;
pub use scalar::Let;
pub use show::Show;
