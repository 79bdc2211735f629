//! A limit of the address space: what does not fit is an error that names sizes, and the session goes on.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use tempfile::TempDir;
use warpbook_test_support::client::{Client, Process};
use warpbook_test_support::processes::run;

use super::program_under_limit;

/// Elements of f32 that take 3 GiB, more than the limit of 2 GiB.
const MANY: usize = 3 << 28;

/// A file whose end is a hole: its length is true, and it takes no room.
fn with_hole(path: &Path, head: &[u8], bytes: u64) {
    let mut file = File::create(path).expect("created");
    file.write_all(head).expect("written");
    file.set_len(head.len() as u64 + bytes).expect("as long as that");
}

/// The header of a `.npy` file of so many f32.
fn npy(count: usize) -> Vec<u8> {
    let mut header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({count},), }}");
    while (10 + header.len() + 1) % 64 != 0 {
        header.push(' ');
    }
    header.push('\n');
    let length = u16::try_from(header.len()).expect("short").to_le_bytes();
    [b"\x93NUMPY\x01\x00", &length[..], header.as_bytes()].concat()
}

#[test]
fn what_does_not_fit_under_a_limit_of_the_address_space_is_an_error_with_its_size() {
    let directory = TempDir::new().expect("a directory");
    let (array, tensors) = (directory.path().join("a.npy"), directory.path().join("a.safetensors"));
    with_hole(&array, &npy(MANY), 4 * MANY as u64);
    let header = format!("{{\"a\":{{\"dtype\":\"F32\",\"shape\":[{MANY}],\"data_offsets\":[0,{}]}}}}", 4 * MANY);
    let head = [&(header.len() as u64).to_le_bytes()[..], header.as_bytes()].concat();
    with_hole(&tensors, &head, 4 * MANY as u64);

    // In units of 1 KiB.
    let limited = program_under_limit(directory.path(), &format!("-v {}", 2 << 20));
    let process = Process::start(&limited, &[]);
    let mut client = Client::connect(&process.info);
    client.recv_iopub_welcome();
    client.recv_iopub_starting();
    assert_eq!(
        run(&mut client, "%buf a = arange(30000)\n%buf row = ones(1, 30000)\n%buf column = ones(30000, 1)").0["status"],
        "ok"
    );
    let cells = [
        (format!("%buf b = zeros({MANY})"), "3 GiB"),
        (format!("%buf b = randn({MANY}, seed=1)"), "3 GiB"),
        (format!("%buf b = empty({MANY})"), "3 GiB"),
        (format!("%buf b = zeros({})", 1u64 << 60), "EiB"),
        ("%buf b = row + column".to_owned(), "GiB"),
        ("%check sum(column * row) == 1".to_owned(), "GiB"),
        ("%check column @ row == 1".to_owned(), "GiB"),
        (format!("%load b = {}", array.display()), "3 GiB"),
        (format!("%load b = {}", tensors.display()), "3 GiB"),
    ];
    for (cell, size) in cells {
        let (reply, _) = run(&mut client, &cell);
        let code = if cell.starts_with("%load") { "file" } else { "out-of-memory" };
        assert_eq!(reply["ename"], code, "{cell}: {reply}");
        let text = reply["traceback"].to_string();
        assert!(text.contains(size) && text.contains("ulimit -v"), "{cell}: {text}");
        assert_eq!(run(&mut client, "%check a == arange(30000)").0["status"], "ok", "after {cell}");
    }
    client.shut_down(false);
    assert!(process.wait().success());
}
