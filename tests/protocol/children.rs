//! The kernel's process with what runs in it and beside it: the emulator, the compile worker, the host of Rust cells.

use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::client::{Client, Process};
use crate::interrupt::recv_interrupted;

const MARK: &str = "WARPBOOK_TEST_MARK";

/// The processes that have `mark` in their environment.
fn marked(mark: &str) -> Vec<i32> {
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
fn wait_for_the_end_of(mark: &str) {
    let start = Instant::now();
    while !marked(mark).is_empty() {
        assert!(start.elapsed() < Duration::from_secs(30), "still there: {:?}", marked(mark));
        std::thread::yield_now();
    }
}

fn start(mark: &str) -> (Process, Client) {
    let process = Process::start(&[(MARK, mark)]);
    let mut client = Client::connect(&process.info);
    client.recv_iopub_welcome();
    client.recv_iopub_starting();
    (process, client)
}

/// Runs a cell to its end, whatever it shows; the reply and all its text.
fn run(client: &mut Client, code: &str) -> (Value, String) {
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
fn interrupt(client: &mut Client, cell: &str) {
    let request = client.send_control("interrupt_request", json!({}));
    let mut idle = 0;
    while idle < 2 {
        let message = client.recv_iopub_any();
        idle += usize::from(message.content["execution_state"] == "idle");
    }
    assert_eq!(client.recv_control("interrupt_reply", &request), json!({"status": "ok"}));
    assert_eq!(client.recv_shell("execute_reply", cell)["ename"], "interrupted");
}

const ENDLESS_PTX: &str = "%%ptx endless[1](x)
.version 8.0
.target sm_80
.address_size 64
.visible .entry endless(.param .u64 x)
{
    .reg .b32 %r<2>;
    .reg .b64 %rd<2>;
    ld.param.u64 %rd1, [x];
    mov.b32 %r1, 7;
    st.global.b32 [%rd1], %r1;
again:
    bra again;
}";

#[test]
fn an_endless_kernel_is_interrupted_and_its_buffers_are_restored() {
    let (process, mut client) = start("endless-kernel");
    run(&mut client, "%buf x = [1, 2, 3, 4]");
    let id = client.execute(ENDLESS_PTX);
    client.recv_iopub_busy(&id);
    client.recv_iopub("execute_input", &id);
    interrupt(&mut client, &id);
    let (reply, text) = run(&mut client, "%check x == [1, 2, 3, 4]");
    assert_eq!(reply["status"], "ok", "{text}");
    client.shut_down(false);
    assert!(process.wait().success());
}

#[test]
fn a_running_compilation_is_interrupted_and_the_next_works() {
    let (process, mut client) = start("endless-compilation");
    run(&mut client, "%buf x = zeros(4)");
    let kernel = "@triton.jit\ndef one(x):\n    tl.store(x, 1.0)\n";
    // The worker is there, and the cell runs in it.
    assert_eq!(run(&mut client, &format!("%%triton one[1](x)\n{kernel}")).0["status"], "ok");
    let id = client.execute(&format!("%%triton one[1](x)\n{kernel}\nwhile True:\n    pass\n"));
    client.recv_iopub_busy(&id);
    client.recv_iopub("execute_input", &id);
    interrupt(&mut client, &id);
    let (reply, text) = run(&mut client, &format!("%%triton one[1](x)\n{kernel}    tl.store(x + 1, 2.0)\n"));
    assert_eq!(reply["status"], "ok", "{text}");
    client.shut_down(false);
    assert!(process.wait().success());
    wait_for_the_end_of("endless-compilation");
}

#[test]
fn an_endless_rust_cell_is_interrupted_and_the_next_works() {
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
    let (mut process, mut client) = start("killed");
    let id = client.execute("println!(\"runs\"); loop { std::hint::spin_loop() }");
    client.recv_iopub_busy(&id);
    client.recv_iopub("execute_input", &id);
    client.recv_iopub_stdout(&id, "runs\n");
    assert!(marked("killed").len() > 2, "the kernel and the processes of the cell");
    process.child.kill().expect("killed");
    process.child.wait().expect("waited");
    wait_for_the_end_of("killed");
}

#[test]
fn a_shutdown_ends_a_running_rust_cell_and_its_processes() {
    let (process, mut client) = start("shutdown");
    let id = client.execute("println!(\"runs\"); loop { std::hint::spin_loop() }");
    client.recv_iopub_busy(&id);
    client.recv_iopub("execute_input", &id);
    client.recv_iopub_stdout(&id, "runs\n");
    client.send_control("shutdown_request", json!({"restart": true}));
    assert!(process.wait().success());
    wait_for_the_end_of("shutdown");
}

#[test]
fn the_session_survives_the_death_of_its_child() {
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
