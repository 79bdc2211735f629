//! Messages between a client and a kernel, printed while debugging a test: `WARPBOOK_TEST_TRACE=1`.

use std::fmt;
use std::sync::OnceLock;

use serde_json::Value;
use warpbook::wire::Message;

/// A socket of the Jupyter protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    /// Requests and replies.
    Shell,
    /// Requests that do not wait for cells.
    Control,
    /// Questions of a cell to its reader.
    Stdin,
    /// What all clients see.
    Iopub,
}

impl fmt::Display for Channel {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.pad(match self {
            Self::Shell => "shell",
            Self::Control => "control",
            Self::Stdin => "stdin",
            Self::Iopub => "iopub",
        })
    }
}

/// Characters shown of a message's content.
const MAX_CONTENT: usize = 160;

/// Prints a message that the client sends.
pub fn trace_sent(channel: Channel, message: &Message) {
    if is_on() {
        eprintln!("{}", line("->", channel, message));
    }
}

/// Prints a message that the client received.
pub fn trace_received(channel: Channel, message: &Message) {
    if is_on() {
        eprintln!("{}", line("<-", channel, message));
    }
}

fn is_on() -> bool {
    static IS_ON: OnceLock<bool> = OnceLock::new();
    *IS_ON.get_or_init(|| std::env::var("WARPBOOK_TEST_TRACE").is_ok_and(|value| !matches!(value.as_str(), "" | "0")))
}

/// `<- iopub   status (of 1a2b3c4d): {"execution_state":"busy"}`
fn line(arrow: &str, channel: Channel, message: &Message) -> String {
    let short = |id: &str| id.chars().take(8).collect::<String>();
    let parent = message.parent_header["msg_id"].as_str().map(|id| format!(" (of {})", short(id))).unwrap_or_default();
    let content = shortened(&message.content);
    format!("{arrow} {channel:<7} {} {}{parent}: {content}", message.header.msg_type, short(&message.header.msg_id))
}

fn shortened(content: &Value) -> String {
    let text = content.to_string();
    match text.char_indices().nth(MAX_CONTENT) {
        Some((at, _)) => format!("{}… ({} bytes)", &text[..at], text.len()),
        None => text,
    }
}
