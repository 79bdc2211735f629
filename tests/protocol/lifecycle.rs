//! Start and end of the kernel's process.

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use warpbook_test_support::client::{Client, Process};

use super::{kernel, program};

fn ready(process: &Process) -> Client {
    let mut client = Client::connect(&process.info);
    client.recv_iopub_welcome();
    client.recv_iopub_starting();
    client
}

fn pid(process: &Process) -> Pid {
    i32::try_from(process.child.id()).ok().and_then(Pid::from_raw).expect("a process id")
}

#[test]
fn shutdown_and_restart_are_acknowledged_and_end_the_process() {
    for restart in [false, true] {
        let process = Process::start(program(), &[]);
        let mut client = ready(&process);
        client.nothing_more();
        client.shut_down(restart);
        assert!(process.wait().success());
    }
}

#[test]
fn a_shutdown_on_shell_is_heard_too() {
    let process = Process::start(program(), &[]);
    let mut client = ready(&process);
    let id = client.send_shell("shutdown_request", json!({"restart": false}));
    client.recv_iopub_busy(&id);
    client.recv_iopub("shutdown_reply", &id);
    client.recv_iopub_idle(&id);
    client.recv_shell("shutdown_reply", &id);
    assert!(process.wait().success());
}

#[test]
fn sigterm_ends_the_kernel_and_sigint_does_not() {
    let process = Process::start(program(), &[]);
    let mut client = ready(&process);
    client.nothing_more();
    kill_process(pid(&process), Signal::INT).expect("signalled");
    client.nothing_more();
    kill_process(pid(&process), Signal::TERM).expect("signalled");
    assert!(process.wait().success());
}

#[test]
fn a_kernel_ends_with_its_parent() {
    // A process that is gone already.
    let mut gone = std::process::Command::new("true").spawn().expect("started");
    let id = gone.id().to_string();
    gone.wait().expect("waited");
    assert!(Process::start(program(), &[("JPY_PARENT_PID", &id)]).wait().success());
}

#[test]
fn a_cell_that_never_stops_does_not_keep_the_kernel() {
    let mut kernel = kernel();
    let client = &mut kernel.client;
    let id = client.execute("deaf");
    client.recv_iopub_busy(&id);
    client.recv_iopub("execute_input", &id);
    kernel.stop();
}
