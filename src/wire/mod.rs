//! Jupyter's messages as bytes: connection file, frames, signature, contents. Knows no sockets and no Triton.
//!
//! The contents' types are those of `jupyter-protocol`; [`content`] fills its gaps.

mod connection;
pub mod content;
mod message;
mod signature;

pub use connection::read_connection_file;
pub use message::{Header, Message, PROTOCOL_VERSION, WireError};
pub use signature::Signer;
