//! The host of Rust cells: a process in which evcxr evaluates what the kernel sends on standard input.
//!
//! evcxr starts this program again for two other tasks, and marks each with an environment variable: to run the cells'
//! code (the runtime, with a relay before it) and to wrap the compiler.

mod host;
mod relay;

use std::process::ExitCode;

fn main() -> ExitCode {
    relay::process_hook();
    evcxr::runtime_hook();
    match host::run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("warpbook-rust-host: {error}");
            ExitCode::FAILURE
        }
    }
}
