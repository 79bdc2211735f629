//! Interrupts of kernels and of compilations.

use std::path::Path;

use warpbook_test_support::client::{Client, Process};
use warpbook_test_support::processes::{self, interrupt, run, wait_for_the_end_of};

fn start(mark: &str) -> (Process, Client) {
    processes::start(Path::new(env!("CARGO_BIN_EXE_warpbook")), mark)
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
