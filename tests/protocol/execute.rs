//! Cells: what they say, in which order, and what the reply holds.

use serde_json::json;

use super::kernel;

#[test]
fn a_cell_says_what_it_does_in_order() {
    let mut kernel = kernel();
    let client = &mut kernel.client;
    let id = client.execute("result 42");
    client.recv_iopub_busy(&id);
    client.recv_iopub_execute_input(&id, "result 42", 1);
    let result = client.recv_iopub("execute_result", &id);
    assert_eq!(result["data"], json!({"text/plain": "42", "text/html": "<b>42</b>"}));
    assert_eq!(result["execution_count"], 1);
    client.recv_iopub_idle(&id);
    let reply = client.recv_shell("execute_reply", &id);
    assert_eq!(reply, json!({"status": "ok", "execution_count": 1, "payload": [], "user_expressions": {}}));
    kernel.finish();
}

#[test]
fn counts_go_up_with_stored_cells_only() {
    let mut kernel = kernel();
    let client = &mut kernel.client;
    assert_eq!(client.run_quiet("")["execution_count"], 1);
    let id = client.execute_with("", json!({"store_history": false}));
    client.recv_iopub_busy(&id);
    client.recv_iopub_execute_input(&id, "", 1);
    client.recv_iopub_idle(&id);
    assert_eq!(client.recv_shell("execute_reply", &id)["execution_count"], 1);
    assert_eq!(client.run_quiet("")["execution_count"], 2);
    kernel.finish();
}

#[test]
fn a_silent_cell_shows_nothing() {
    let mut kernel = kernel();
    let client = &mut kernel.client;
    for code in ["print x", "result x", "progress", "fail x"] {
        let id = client.execute_with(code, json!({"silent": true, "stop_on_error": false}));
        client.recv_iopub_busy(&id);
        client.recv_iopub_idle(&id);
        assert_eq!(client.recv_shell("execute_reply", &id)["execution_count"], 0);
    }
    kernel.finish();
}

#[test]
fn an_error_is_shown_and_replied() {
    let mut kernel = kernel();
    let client = &mut kernel.client;
    let id = client.execute("fail no such buffer");
    client.recv_iopub_busy(&id);
    client.recv_iopub_execute_input(&id, "fail no such buffer", 1);
    client.recv_iopub_error(&id, "scripted-failure", "no such buffer");
    client.recv_iopub_idle(&id);
    let reply = client.recv_shell("execute_reply", &id);
    assert_eq!((&reply["status"], &reply["ename"]), (&json!("error"), &json!("scripted-failure")));
    assert_eq!(client.run_quiet("")["status"], "ok");
    kernel.finish();
}

#[test]
fn a_panic_is_an_error_and_the_session_goes_on() {
    let mut kernel = kernel();
    let client = &mut kernel.client;
    let id = client.execute("panic out of cheese");
    client.recv_iopub_busy(&id);
    client.recv_iopub_execute_input(&id, "panic out of cheese", 1);
    client.recv_iopub_error(&id, "internal-error", "Warpbook itself failed: out of cheese");
    client.recv_iopub_idle(&id);
    assert_eq!(client.recv_shell("execute_reply", &id)["status"], "error");
    assert_eq!(client.run_quiet("")["execution_count"], 2);
    kernel.finish();
}

#[test]
fn user_expressions_are_evaluated_one_by_one() {
    let mut kernel = kernel();
    let client = &mut kernel.client;
    let id = client.execute_with("", json!({"user_expressions": {"a": "x", "b": "bad"}}));
    client.recv_iopub_busy(&id);
    client.recv_iopub_execute_input(&id, "", 1);
    client.recv_iopub_idle(&id);
    let values = &client.recv_shell("execute_reply", &id)["user_expressions"];
    assert_eq!(values["a"], json!({"status": "ok", "data": {"text/plain": "value of x"}, "metadata": {}}));
    assert_eq!((&values["b"]["status"], &values["b"]["ename"]), (&json!("error"), &json!("scripted-failure")));
    kernel.finish();
}

#[test]
fn displays_are_updated_and_cleared() {
    let mut kernel = kernel();
    let client = &mut kernel.client;
    let id = client.execute("progress");
    client.recv_iopub_busy(&id);
    client.recv_iopub("execute_input", &id);
    let shown = client.recv_iopub("display_data", &id);
    assert_eq!(shown, json!({"data": {"text/plain": "0 %"}, "metadata": {}, "transient": {"display_id": "p"}}));
    let updated = client.recv_iopub("update_display_data", &id);
    assert_eq!((&updated["data"]["text/plain"], &updated["transient"]["display_id"]), (&json!("100 %"), &json!("p")));
    client.recv_iopub_idle(&id);
    client.recv_shell("execute_reply", &id);

    let id = client.execute("clear");
    client.recv_iopub_busy(&id);
    client.recv_iopub("execute_input", &id);
    client.recv_iopub_stdout(&id, "soon gone");
    assert_eq!(client.recv_iopub("clear_output", &id), json!({"wait": true}));
    client.recv_iopub_idle(&id);
    client.recv_shell("execute_reply", &id);
    kernel.finish();
}

#[test]
fn payloads_come_with_the_reply() {
    let mut kernel = kernel();
    let next = kernel.client.run_quiet("next %%ttgir k");
    assert_eq!(next["payload"], json!([{"source": "set_next_input", "text": "%%ttgir k", "replace": false}]));
    let page = kernel.client.run_quiet("page help");
    assert_eq!(page["payload"], json!([{"source": "page", "data": {"text/plain": "help"}, "start": 0}]));
    kernel.finish();
}

#[test]
fn a_cell_asks_its_own_client() {
    let mut kernel = kernel();
    let client = &mut kernel.client;
    let id = client.execute_with("password which? ", json!({"allow_stdin": true}));
    client.recv_iopub_busy(&id);
    client.recv_iopub("execute_input", &id);
    assert_eq!(client.recv_input_request(&id), json!({"prompt": "which? ", "password": true}));
    client.send_input_reply("this one");
    client.recv_iopub_execute_result(&id, "this one");
    client.recv_iopub_idle(&id);
    client.recv_shell("execute_reply", &id);

    let id = client.execute_with("input which?", json!({"allow_stdin": false}));
    client.recv_iopub_busy(&id);
    client.recv_iopub("execute_input", &id);
    client.recv_iopub_error(&id, "no-input", "this frontend does not answer input requests");
    client.recv_iopub_idle(&id);
    client.recv_shell("execute_reply", &id);
    kernel.finish();
}
