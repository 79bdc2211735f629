//! The kernel's log.

use std::fmt;
use std::io::Write;

/// Writes a line to the kernel's log, which is its standard error. Errors are ignored: standard error may be closed.
pub fn log(line: fmt::Arguments<'_>) {
    let line = format!("warpbook: {line}\n");
    let _ = std::io::stderr().write_all(line.as_bytes());
}
