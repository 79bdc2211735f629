//! Printed text: merged, whole, in its place.

use serde_json::json;

use warpbook_test_support::client::Client;

use super::kernel;

/// Reads a cell's stdout until it is idle; how many messages it came in, and all of it.
pub fn printed(client: &mut Client, id: &str) -> (usize, String) {
    client.recv_iopub_busy(id);
    client.recv_iopub("execute_input", id);
    let (mut messages, mut text) = (0, String::new());
    loop {
        let message = client.recv_iopub_any();
        assert_eq!(message.parent_header["msg_id"], id);
        if message.header.msg_type == "status" {
            assert_eq!(message.content["execution_state"], "idle");
            return (messages, text);
        }
        assert_eq!((message.header.msg_type.as_str(), &message.content["name"]), ("stream", &json!("stdout")));
        messages += 1;
        text += message.content["text"].as_str().expect("text");
    }
}

#[test]
fn sixty_thousand_lines_all_arrive_and_so_does_the_next_cell() {
    let mut kernel = kernel();
    let client = &mut kernel.client;
    let lines = 60_000;
    let id = client.execute(&format!("lines {lines}"));
    let next = client.execute("print next");
    let (messages, text) = printed(client, &id);
    let expected: String = (0..lines).map(|line| format!("line {line}\n")).collect();
    assert!(text == expected, "{} of {} bytes", text.len(), expected.len());
    assert!(messages < 1000, "{messages} messages");
    assert_eq!(client.recv_shell("execute_reply", &id)["status"], "ok");
    assert_eq!(printed(client, &next), (1, "next".to_owned()));
    client.recv_shell("execute_reply", &next);
    kernel.finish();
}

#[test]
fn standard_error_keeps_its_name() {
    let mut kernel = kernel();
    let client = &mut kernel.client;
    let id = client.execute("warn careful");
    client.recv_iopub_busy(&id);
    client.recv_iopub("execute_input", &id);
    client.recv_iopub_stderr(&id, "careful");
    client.recv_iopub_idle(&id);
    client.recv_shell("execute_reply", &id);
    kernel.finish();
}
