//! Questions about the kernel, the cell and the past.

use serde_json::json;

use warpbook_test_support::client::Client;

use super::kernel;

#[test]
fn kernel_info_on_shell_and_control() {
    let mut kernel = kernel();
    let client = &mut kernel.client;
    let shell = client.ask("kernel_info_request", json!({}), "kernel_info_reply");
    let id = client.send_control("kernel_info_request", json!({}));
    client.recv_iopub_busy(&id);
    client.recv_iopub_idle(&id);
    let control = client.recv_control("kernel_info_reply", &id);
    assert_eq!(shell, control);
    assert_eq!((&shell["language_info"]["name"], &shell["supported_features"]), (&json!("rust"), &json!([])));
    kernel.finish();
}

#[test]
fn completion_counts_code_points() {
    let mut kernel = kernel();
    let request = json!({"code": "😀 é𝛼x y", "cursor_pos": 5});
    let reply = kernel.client.ask("complete_request", request, "complete_reply");
    assert_eq!((&reply["cursor_start"], &reply["cursor_end"]), (&json!(2), &json!(5)));
    assert_eq!(reply["matches"], json!(["É𝛼X"]));
    let beyond = json!({"code": "é", "cursor_pos": 99});
    let reply = kernel.client.ask("complete_request", beyond, "complete_reply");
    assert_eq!((&reply["cursor_start"], &reply["cursor_end"]), (&json!(0), &json!(1)));
    kernel.finish();
}

#[test]
fn inspection_and_completeness() {
    let mut kernel = kernel();
    let client = &mut kernel.client;
    let request = json!({"code": "é", "cursor_pos": 1, "detail_level": 1});
    let reply = client.ask("inspect_request", request, "inspect_reply");
    assert_eq!(reply["data"], json!({"text/plain": "2 bytes before the cursor, detail 1"}));
    let reply = client.ask("inspect_request", json!({"code": "", "cursor_pos": 0}), "inspect_reply");
    assert_eq!(reply, json!({"status": "ok", "found": false, "data": {}, "metadata": {}}));
    for (code, status, indent) in [("1", "complete", ""), ("open (", "incomplete", "    "), ("never", "invalid", "")] {
        let reply = client.ask("is_complete_request", json!({"code": code}), "is_complete_reply");
        assert_eq!((&reply["status"], &reply["indent"]), (&json!(status), &json!(indent)));
    }
    kernel.finish();
}

#[test]
fn history_remembers_stored_cells() {
    let mut kernel = kernel();
    let client = &mut kernel.client;
    client.run_quiet("next a");
    let id = client.execute("result b");
    for msg_type in ["status", "execute_input", "execute_result", "status"] {
        client.recv_iopub(msg_type, &id);
    }
    client.recv_shell("execute_reply", &id);
    let id = client.execute_with("", json!({"store_history": false}));
    for msg_type in ["status", "execute_input", "status"] {
        client.recv_iopub(msg_type, &id);
    }
    client.recv_shell("execute_reply", &id);

    let history =
        |client: &mut Client, request| client.ask("history_request", request, "history_reply")["history"].take();
    let tail = json!({"hist_access_type": "tail", "n": 2, "raw": true, "output": true});
    assert_eq!(history(client, tail), json!([[1, 1, ["next a", ""]], [1, 2, ["result b", "b"]]]));
    let range = json!({"hist_access_type": "range", "session": 0, "start": 1, "stop": 2});
    assert_eq!(history(client, range), json!([[1, 1, "next a"]]));
    let search = json!({"hist_access_type": "search", "pattern": "res*", "unique": true});
    assert_eq!(history(client, search), json!([[1, 2, "result b"]]));
    kernel.finish();
}

#[test]
fn the_heart_beats_with_what_it_was_sent() {
    let mut kernel = kernel();
    for beat in [b"ping".as_slice(), b"\0\xff", b"x"] {
        assert_eq!(kernel.client.heartbeat(beat), beat);
    }
    kernel.finish();
}
