//! The protocol, from the other side of the sockets: a typed frontend that panics on anything nobody asserted.

mod children;
mod client;
mod comms;
mod execute;
mod hostile;
mod interrupt;
mod introspect;
mod launches;
mod lifecycle;
mod process;
mod scripted;
mod streams;
