//! The host of Rust cells: interrupts, deaths, and what is left behind.

use std::process::Command;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use warpbook::guest::find_host;
use warpbook_test_support::client::{Client, Process};
use warpbook_test_support::processes::{self, marked, run, wait_for_the_end_of};
use warpbook_test_support::skip_unless;

use super::interrupt::recv_interrupted;
use super::program;

/// The evaluator of Rust cells is built apart; without it there is nothing to test here.
fn evaluator_is_there() -> bool {
    let help = "`cargo build -p warpbook-rust-host --features evcxr`";
    skip_unless("rust-cells", find_host(program()).is_some(), help)
}

fn start(mark: &str) -> (Process, Client) {
    processes::start(program(), mark)
}

#[test]
fn an_endless_rust_cell_is_interrupted_and_the_next_works() {
    if !evaluator_is_there() {
        return;
    }
    let (process, mut client) = start("interrupt");
    assert_eq!(run(&mut client, "6 * 7").1, "42");
    let id = client.execute("println!(\"runs\"); loop { std::hint::spin_loop() }");
    client.recv_iopub_busy(&id);
    client.recv_iopub("execute_input", &id);
    client.recv_iopub_stdout(&id, "runs\n");
    let request = client.send_control("interrupt_request", json!({}));
    recv_interrupted(&mut client, &id, &request);
    assert_eq!(client.recv_shell("execute_reply", &id)["ename"], "interrupted");
    assert_eq!(run(&mut client, "6 * 8").0["status"], "ok");
    client.shut_down(false);
    assert!(process.wait().success());
    wait_for_the_end_of("interrupt");
}

#[test]
fn all_that_a_rust_cell_prints_arrives() {
    if !evaluator_is_there() {
        return;
    }
    let (process, mut client) = start("lines");
    let (reply, text) = run(&mut client, "for i in 0..60_000 { println!(\"line {i}\"); }");
    assert_eq!(reply["status"], "ok");
    let expected: String = (0..60_000).map(|line| format!("line {line}\n")).collect();
    assert!(text == expected, "{} of {} bytes", text.len(), expected.len());
    client.shut_down(false);
    assert!(process.wait().success());
    wait_for_the_end_of("lines");
}

#[test]
fn a_killed_kernel_leaves_no_process_behind() {
    if !evaluator_is_there() {
        return;
    }
    let (mut process, mut client) = start("killed");
    let id = client.execute("println!(\"runs\"); loop { std::hint::spin_loop() }");
    client.recv_iopub_busy(&id);
    client.recv_iopub("execute_input", &id);
    client.recv_iopub_stdout(&id, "runs\n");
    assert!(marked("killed").len() > 2, "the kernel and the processes of the cell");
    process.child.kill().expect("killed");
    process.child.wait().expect("waited");
    wait_for_the_end_of("killed");
    client.abandon();
}

#[test]
fn a_shutdown_ends_a_running_rust_cell_and_its_processes() {
    if !evaluator_is_there() {
        return;
    }
    let (process, mut client) = start("shutdown");
    let id = client.execute("println!(\"runs\"); loop { std::hint::spin_loop() }");
    client.recv_iopub_busy(&id);
    client.recv_iopub("execute_input", &id);
    client.recv_iopub_stdout(&id, "runs\n");
    client.send_control("shutdown_request", json!({"restart": true}));
    assert!(process.wait().success());
    wait_for_the_end_of("shutdown");
    // How much of the cell's end and of the shutdown still came is nobody's promise.
    client.abandon();
}

#[test]
fn the_session_survives_the_death_of_its_child() {
    if !evaluator_is_there() {
        return;
    }
    let (process, mut client) = start("victim");
    assert_eq!(run(&mut client, "6 * 7").1, "42");
    let kernel = i32::try_from(process.child.id()).expect("a process id");
    // Only the kernel's direct children: the host, and the watchdog, whose death must cost nothing but its service.
    let children = Command::new("ps").args(["--no-headers", "-o", "pid", "--ppid", &kernel.to_string()]).output();
    let children = String::from_utf8(children.expect("ps").stdout).expect("text");
    let children: Vec<Pid> = children.split_whitespace().filter_map(|id| Pid::from_raw(id.parse().ok()?)).collect();
    assert!(!children.is_empty());
    for child in children {
        kill_process(child, Signal::KILL).expect("killed");
    }
    run(&mut client, "6 * 8");
    assert_eq!(run(&mut client, "6 * 9").1, "54");
    client.shut_down(false);
    assert!(process.wait().success());
    wait_for_the_end_of("victim");
}
