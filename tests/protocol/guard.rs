//! Connections without the key: what they send, how many they are, and what they do not read.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixStream;

use jupyter_protocol::{ConnectionInfo, Transport};
use tempfile::TempDir;

use warpbook_test_support::client::{Client, Kernel, Process};

use super::program_under_limit;
use super::scripted::Scripted;
use super::streams::printed;

/// The greeting of a client, and its side of the handshake as this kind of socket.
fn handshake(socket_type: &str) -> Vec<u8> {
    let mut greeting = vec![0u8; 64];
    (greeting[0], greeting[9], greeting[10]) = (0xff, 0x7f, 3);
    greeting[12..16].copy_from_slice(b"NULL");
    let mut ready = b"\x05READY\x0bSocket-Type".to_vec();
    ready.extend(u32::try_from(socket_type.len()).expect("short").to_be_bytes());
    ready.extend(socket_type.bytes());
    greeting.extend([4, u8::try_from(ready.len()).expect("short")]);
    greeting.extend(ready);
    greeting
}

/// A connection to one of the kernel's ports, over its socket in the file system.
fn connect(info: &ConnectionInfo, port: u16) -> UnixStream {
    UnixStream::connect(format!("{}-{port}", info.ip)).expect("connected")
}

/// Reads until the kernel closes the connection.
fn closed(mut stream: impl Read) {
    let mut bytes = [0; 1024];
    while stream.read(&mut bytes).is_ok_and(|count| count > 0) {}
}

#[test]
fn a_frame_that_announces_a_tebibyte_closes_its_connection_alone() {
    let mut kernel = super::kernel();
    let info = kernel.info.clone();
    for (port, socket_type) in [
        (info.shell_port, "DEALER"),
        (info.control_port, "DEALER"),
        (info.stdin_port, "DEALER"),
        (info.iopub_port, "SUB"),
        (info.hb_port, "REQ"),
    ] {
        for announced in [1u64 << 40, u64::MAX, i64::MAX as u64] {
            for flags in [2, 3, 6] {
                let mut stream = connect(&info, port);
                stream.write_all(&handshake(socket_type)).expect("sent");
                stream.write_all(&[flags]).expect("sent");
                stream.write_all(&announced.to_be_bytes()).expect("sent");
                closed(stream);
            }
        }
        let mut other = connect(&info, port);
        other.write_all(b"GET / HTTP/1.1\r\n\r\n").expect("sent");
        closed(other);
    }
    kernel.client.nothing_more();
    assert_eq!(kernel.client.heartbeat(b"beat"), b"beat");
    kernel.finish();
}

#[test]
fn ports_are_guarded_as_sockets_in_the_file_system_are() {
    let free: Vec<TcpListener> = (0..5).map(|_| TcpListener::bind("127.0.0.1:0").expect("a free port")).collect();
    let ports: Vec<u16> = free.iter().map(|port| port.local_addr().expect("bound").port()).collect();
    drop(free);
    let directory = TempDir::new().expect("a directory");
    let info = ConnectionInfo {
        transport: Transport::TCP,
        ip: "127.0.0.1".to_owned(),
        shell_port: ports[0],
        iopub_port: ports[1],
        stdin_port: ports[2],
        control_port: ports[3],
        hb_port: ports[4],
        ..warpbook_test_support::client::connection(directory.path())
    };
    let mut kernel = Kernel::start_at(info, directory, || Scripted);
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", ports[0])).expect("connected");
    stream.write_all(&handshake("DEALER")).expect("sent");
    stream.write_all(&[2]).expect("sent");
    stream.write_all(&(1u64 << 40).to_be_bytes()).expect("sent");
    closed(stream);
    assert_eq!(kernel.client.heartbeat(b"beat"), b"beat");
    kernel.finish();
}

#[test]
fn many_connections_leave_the_others_theirs() {
    let directory = TempDir::new().expect("a directory");
    // Few descriptors, so that few connections use them up.
    let process = Process::start(&program_under_limit(directory.path(), "-n 160"), &[]);
    let mut client = Client::connect(&process.info);
    client.recv_iopub_welcome();
    client.recv_iopub_starting();
    let info = &process.info;
    let ports = [info.shell_port, info.control_port, info.stdin_port, info.hb_port, info.iopub_port];
    let mut many: Vec<UnixStream> = (0..400).map(|index| connect(info, ports[index % ports.len()])).collect();
    // Some finish the handshake and stay.
    for stream in many.iter_mut().take(100) {
        let _ = stream.write_all(&handshake("DEALER"));
    }
    client.nothing_more();
    assert_eq!(client.run_quiet("%let n = 1")["status"], "ok");
    assert_eq!(client.heartbeat(b"beat"), b"beat");
    drop(many);
    let mut second = Client::connect(info);
    second.recv_iopub_welcome();
    client.recv_iopub_welcome();
    second.abandon();
    client.shut_down(false);
    assert!(process.wait().success());
}

#[test]
fn a_subscriber_that_reads_nothing_costs_the_others_no_message() {
    let mut kernel = super::kernel();
    let mut stalled = connect(&kernel.info, kernel.info.iopub_port);
    stalled.write_all(&handshake("SUB")).expect("sent");
    stalled.write_all(b"\x00\x01\x01").expect("sent");
    let client = &mut kernel.client;
    client.recv_iopub_welcome();
    // More than waits for one subscriber, its socket and the kernel's queue together.
    let lines = 3_000_000;
    let id = client.execute(&format!("lines {lines}"));
    let (_, text) = printed(client, &id);
    let expected: usize = (0..lines).map(|line: usize| format!("line {line}\n").len()).sum();
    assert_eq!(text.len(), expected);
    assert_eq!(client.recv_shell("execute_reply", &id)["status"], "ok");
    // The kernel has given it up: what it had sent comes, and then the end.
    closed(stalled);
    kernel.finish();
}
