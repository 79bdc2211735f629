//! The protocol, from the other side of the sockets: the typed client panics on anything nobody asserted.

mod children;
mod comms;
mod execute;
mod guard;
mod hostile;
mod interrupt;
mod introspect;
mod lifecycle;
mod scripted;
mod streams;

use scripted::Scripted;
use warpbook_test_support::client::Kernel;

/// A kernel with the scripted evaluator.
fn kernel() -> Kernel {
    Kernel::start(|| Scripted)
}

/// The built command.
fn program() -> &'static std::path::Path {
    std::path::Path::new(env!("CARGO_BIN_EXE_warpbook"))
}
