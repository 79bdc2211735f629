//! The kernel as a process of its own, and the processes that it starts: they are known by a mark in their environment.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::client::{Client, Process};

const MARK: &str = "WARPBOOK_TEST_MARK";

/// Longest wait for processes that are ending.
const PATIENCE: Duration = Duration::from_secs(30);

/// Starts `program`, a built `warpbook`, as a kernel with a mark of its own, and connects a client.
pub fn start(program: &Path, mark: &str) -> (Process, Client) {
    let process = Process::start(program, &[(MARK, mark)]);
    let mut client = Client::connect(&process.info);
    client.recv_iopub_welcome();
    client.recv_iopub_starting();
    (process, client)
}

/// The processes that have `mark` in their environment.
pub fn marked(mark: &str) -> Vec<i32> {
    let wanted = format!("{MARK}={mark}");
    let processes = std::fs::read_dir("/proc").expect("a proc file system").flatten();
    processes
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|id| {
            let environment = std::fs::read(format!("/proc/{id}/environ")).unwrap_or_default();
            environment.split(|&byte| byte == 0).any(|variable| variable == wanted.as_bytes())
        })
        .collect()
}

/// Waits until no marked process is left.
pub fn wait_for_the_end_of(mark: &str) {
    let start = Instant::now();
    while !marked(mark).is_empty() {
        assert!(start.elapsed() < PATIENCE, "still there: {:?}", marked(mark));
        std::thread::yield_now();
    }
}

/// Runs a cell to its end, whatever it shows; the reply and all its text.
pub fn run(client: &mut Client, code: &str) -> (Value, String) {
    let id = client.execute(code);
    client.recv_iopub_busy(&id);
    let mut text = String::new();
    loop {
        let message = client.recv_iopub_any();
        assert_eq!(message.parent_header["msg_id"], id);
        text += message.content["text"].as_str().unwrap_or_default();
        text += message.content["data"]["text/plain"].as_str().unwrap_or_default();
        if message.content["execution_state"] == "idle" {
            return (client.recv_shell("execute_reply", &id), text);
        }
    }
}

/// Interrupts a running cell, takes all that it and the interrupt say, and asserts that the cell was interrupted.
pub fn interrupt(client: &mut Client, cell: &str) {
    let request = client.send_control("interrupt_request", json!({}));
    let mut idle = 0;
    while idle < 2 {
        let message = client.recv_iopub_any();
        idle += usize::from(message.content["execution_state"] == "idle");
    }
    assert_eq!(client.recv_control("interrupt_reply", &request), json!({"status": "ok"}));
    assert_eq!(client.recv_shell("execute_reply", cell)["ename"], "interrupted");
}
