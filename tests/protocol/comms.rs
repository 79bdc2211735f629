//! Comms: the kernel has none.

use serde_json::json;

use super::kernel;

#[test]
fn an_unknown_comm_is_closed() {
    let mut kernel = kernel();
    let client = &mut kernel.client;
    let id = client.send_shell("comm_open", json!({"comm_id": "c", "target_name": "jupyter.widget", "data": {}}));
    client.recv_iopub_busy(&id);
    assert_eq!(client.recv_iopub("comm_close", &id), json!({"comm_id": "c", "data": {}}));
    client.recv_iopub_idle(&id);
    let reply = client.ask("comm_info_request", json!({}), "comm_info_reply");
    assert_eq!(reply, json!({"status": "ok", "comms": {}}));
    let id = client.send_shell("comm_msg", json!({"comm_id": "c", "data": {}}));
    client.recv_iopub_busy(&id);
    client.recv_iopub_idle(&id);
    kernel.finish();
}
