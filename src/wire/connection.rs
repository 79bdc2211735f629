//! The connection file: ports, transport and key, written by the program that starts the kernel.

use std::path::Path;

use jupyter_protocol::ConnectionInfo;

use warpbook_diagnostic::{Diagnostic, Result};

/// Reads a connection file.
pub fn read_connection_file(path: &Path) -> Result<ConnectionInfo> {
    let fail = |what: &str, error: &dyn std::fmt::Display| {
        Diagnostic::error("connection-file", format!("cannot {what} the connection file {}", path.display()))
            .note(error.to_string())
            .help("Jupyter writes this file and passes its name; `warpbook install` tells Jupyter about the kernel")
    };
    let text = std::fs::read_to_string(path).map_err(|error| fail("read", &error))?;
    let info: ConnectionInfo = serde_json::from_str(&text).map_err(|error| fail("understand", &error))?;
    if info.signature_scheme != "hmac-sha256" && !info.key.is_empty() {
        let scheme = &info.signature_scheme;
        return Err(fail("use", &format!("signature scheme `{scheme}`; expected `hmac-sha256`")));
    }
    Ok(info)
}
