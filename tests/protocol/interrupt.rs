//! Interrupts, and control while a cell runs.

use serde_json::json;

use tempfile::TempDir;
use warpbook_test_support::client::Client;
use warpbook_test_support::processes;

use super::{kernel, program};

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

/// A kernel of very many instructions in a straight line.
fn long_ptx() -> String {
    let body = "add.f32 %f1, %f1, %f2;\n".repeat(400_000);
    format!(
        "%%ptx long[1](a)\n.version 8.4\n.target sm_80\n.address_size 64\n.visible .entry long(.param .u64 a)\n{{\n\
         .reg .f32 %f<3>;\n{body}ret;\n}}\n"
    )
}

#[test]
fn long_work_on_arrays_files_and_texts_is_interrupted() {
    let (process, mut client) = processes::start(program(), "long-work");
    let folder = TempDir::new().expect("a directory");
    assert_eq!(processes::run(&mut client, "%buf a = ones(20000000)\n%buf m = ones(3000, 3000)").0["status"], "ok");
    let file = folder.path().join("a.npz");
    let cells = [
        "%buf r = randn(100000000, seed=1)".to_owned(),
        "%buf r = randint(0, 7, 100000000, seed=1)".to_owned(),
        "%check exp(sin(a) * cos(a)) + tanh(a) / 3 == erf(a)".to_owned(),
        "%check sum(sort(a * 3 - cumsum(a))) == 1".to_owned(),
        "%check m @ m @ m @ m == m".to_owned(),
        "%show a.reshape(5000, 4000).t() + 1 --stats".to_owned(),
        format!("%save a m {}", file.display()),
        long_ptx(),
    ];
    for cell in cells {
        let id = client.execute(&cell);
        client.recv_iopub_busy(&id);
        client.recv_iopub("execute_input", &id);
        processes::interrupt(&mut client, &id);
        let (reply, text) = processes::run(&mut client, "%check a[0:5] == ones(5)");
        assert_eq!(reply["status"], "ok", "after {}: {text}", cell.lines().next().unwrap_or_default());
    }
    assert!(!file.exists(), "no half of a file");
    client.shut_down(false);
    assert!(process.wait().success());
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
