//! Messages that are no messages: dropped, and the kernel goes on.

use serde_json::json;
use warpbook::wire::Signer;

use warpbook_test_support::client::Client;

use super::interrupt::recv_interrupted;
use super::kernel;

/// Breaks each frame of a good message in many ways.
fn broken(good: &[Vec<u8>]) -> Vec<Vec<Vec<u8>>> {
    let mut all: Vec<Vec<Vec<u8>>> = (1..good.len()).map(|length| good[..length].to_vec()).collect();
    for (at, original) in good.iter().enumerate() {
        for frame in [b"".as_slice(), b"\0", b"{", b"[]", b"null", b"\"\\ud800\"", b"<IDS|MSG>", &[0xff; 300]] {
            if frame != original.as_slice() {
                let mut frames = good.to_vec();
                frames[at] = frame.to_vec();
                all.push(frames);
            }
        }
        let mut missing = good.to_vec();
        missing.remove(at);
        all.push(missing);
    }
    all
}

#[test]
fn unsigned_and_malformed_messages_are_dropped() {
    let mut kernel = kernel();
    let client = &mut kernel.client;
    let good = client.execute_frames("print must never be seen");
    for frames in broken(&good) {
        client.send_raw(&frames);
    }
    // Another one's key.
    let mut forged = good;
    let signature = Signer::new("another key").sign(forged[2..6].iter().map(Vec::as_slice));
    forged[1] = signature.into_bytes();
    client.send_raw(&forged);
    kernel.finish();
}

#[test]
fn signed_nonsense_is_dropped() {
    let mut kernel = kernel();
    let client = &mut kernel.client;
    let signer = Signer::new(&kernel.info.key);
    let good = client.execute_frames("print must never be seen");
    let deep = "[".repeat(100_000);
    for content in ["{}", "[]", "null", "{\"code\": 1}", "{\"code\": \"\\ud800\"}", "nan", deep.as_str()] {
        let mut frames = good.clone();
        frames[5] = content.as_bytes().to_vec();
        frames[1] = signer.sign(frames[2..6].iter().map(Vec::as_slice)).into_bytes();
        client.send_raw(&frames);
    }
    kernel.finish();
}

#[test]
fn a_client_that_leaves_before_its_reply_harms_nobody() {
    let mut kernel = kernel();
    let mut leaver = Client::connect(&kernel.info);
    kernel.client.recv_iopub_welcome();
    let id = leaver.execute("block");
    leaver.recv_iopub_welcome();
    leaver.recv_iopub_busy(&id);
    let client = &mut kernel.client;
    client.recv_iopub_busy(&id);
    client.recv_iopub("execute_input", &id);
    leaver.abandon();
    let interrupt = client.send_control("interrupt_request", json!({}));
    recv_interrupted(client, &id, &interrupt);
    kernel.finish();
}

#[test]
fn two_kernels_do_not_hear_each_other() {
    let (mut one, mut two) = (kernel(), kernel());
    for (kernel, text) in [(&mut one, "one"), (&mut two, "two")] {
        let client = &mut kernel.client;
        let id = client.execute(&format!("print {text}"));
        client.recv_iopub_busy(&id);
        client.recv_iopub("execute_input", &id);
        client.recv_iopub_stdout(&id, text);
        client.recv_iopub_idle(&id);
        client.recv_shell("execute_reply", &id);
    }
    one.finish();
    two.finish();
}
