//! Interrupts, and control while a cell runs.

use serde_json::json;

use warpbook_test_support::client::Client;

use super::kernel;

fn interrupt(client: &mut Client) -> String {
    client.send_control("interrupt_request", json!({}))
}

/// The messages of an interrupt and of the cell that it ends come from two threads; this takes both, in any order,
/// and asserts each one's own order.
pub fn recv_interrupted(client: &mut Client, cell: &str, interrupt: &str) {
    let (mut of_cell, mut of_interrupt) = (Vec::new(), Vec::new());
    while of_cell.len() < 2 || of_interrupt.len() < 2 {
        let message = client.recv_iopub_any();
        let said = match message.header.msg_type.as_str() {
            "status" => message.content["execution_state"].clone(),
            "error" => message.content["ename"].clone(),
            other => panic!("unexpected {other}"),
        };
        match message.parent_header["msg_id"].as_str() {
            Some(parent) if parent == cell => of_cell.push(said),
            Some(parent) if parent == interrupt => of_interrupt.push(said),
            other => panic!("unexpected parent {other:?}"),
        }
    }
    assert_eq!(of_cell, ["interrupted", "idle"]);
    assert_eq!(of_interrupt, ["busy", "idle"]);
    assert_eq!(client.recv_control("interrupt_reply", interrupt), json!({"status": "ok"}));
}

#[test]
fn an_endless_cell_stops_and_the_next_works() {
    let mut kernel = kernel();
    let client = &mut kernel.client;
    for code in ["spin", "block"] {
        let id = client.execute(code);
        client.recv_iopub_busy(&id);
        client.recv_iopub("execute_input", &id);
        let request = interrupt(client);
        recv_interrupted(client, &id, &request);
        assert_eq!(client.recv_shell("execute_reply", &id)["ename"], "interrupted");
        assert_eq!(client.run_quiet("")["status"], "ok");
    }
    kernel.finish();
}

#[test]
fn a_question_can_be_interrupted() {
    let mut kernel = kernel();
    let client = &mut kernel.client;
    let id = client.execute("input well?");
    client.recv_iopub_busy(&id);
    client.recv_iopub("execute_input", &id);
    client.recv_input_request(&id);
    let request = interrupt(client);
    recv_interrupted(client, &id, &request);
    client.recv_shell("execute_reply", &id);

    let id = client.execute("input again?");
    client.recv_iopub_busy(&id);
    client.recv_iopub("execute_input", &id);
    client.recv_input_request(&id);
    client.send_input_reply("in time");
    client.recv_iopub_execute_result(&id, "in time");
    client.recv_iopub_idle(&id);
    client.recv_shell("execute_reply", &id);
    kernel.finish();
}

#[test]
fn an_interrupt_while_nothing_runs_stops_nothing() {
    let mut kernel = kernel();
    let client = &mut kernel.client;
    let request = interrupt(client);
    client.recv_iopub_busy(&request);
    client.recv_iopub_idle(&request);
    client.recv_control("interrupt_reply", &request);
    assert_eq!(client.run_quiet("")["status"], "ok");
    kernel.finish();
}

#[test]
fn control_answers_while_a_cell_runs() {
    let mut kernel = kernel();
    let client = &mut kernel.client;
    let id = client.execute("spin");
    client.recv_iopub_busy(&id);
    client.recv_iopub("execute_input", &id);
    let info = client.send_control("kernel_info_request", json!({}));
    client.recv_iopub_busy(&info);
    client.recv_iopub_idle(&info);
    assert_eq!(client.recv_control("kernel_info_reply", &info)["status"], "ok");
    let request = interrupt(client);
    recv_interrupted(client, &id, &request);
    client.recv_shell("execute_reply", &id);
    kernel.finish();
}
