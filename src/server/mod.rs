//! The kernel's side of the Jupyter protocol: sockets, order, lifecycle.

use std::path::Path;

use crate::diagnostic::{Diagnostic, Result};

/// Serves the session that a connection file describes, until it is shut down.
pub fn run(connection_file: &Path) -> Result<()> {
    std::fs::read(connection_file).map_err(|error| {
        Box::new(Diagnostic::error("connection-file", format!("cannot read {}: {error}", connection_file.display())))
    })?;
    Err(Box::new(Diagnostic::error("not-yet", "the kernel does not serve yet")))
}
