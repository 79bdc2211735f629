//! Between evcxr and the process that runs the cells' code.
//!
//! evcxr does not tell its user whether a cell panicked or left by `?`, sees standard output by lines only, and
//! hands on standard error with no order to anything. So the program that evcxr takes for its runtime is this relay,
//! which starts the true runtime: standard error goes straight to the kernel, and evcxr's own messages on standard
//! output are looked at on their way.

use std::fs::OpenOptions;
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio, exit};

use rustix::process::{Signal, getppid, set_parent_process_death_signal};

use warpbook_rust_host::protocol::{MARK, PANICKED, RETURNED_ERROR};

/// Set by evcxr for its runtime.
const IS_RUNTIME: &str = "EVCXR_IS_RUNTIME";
/// Set by the relay for the true runtime.
const RELAYED: &str = "WARPBOOK_RUST_RUNTIME";
/// What `RUST_BACKTRACE` shall be for the cells. evcxr sets it to 1, but a backtrace is 20 lines of evcxr's own frames
/// and of this machine's paths, which do not belong into a notebook unless they are asked for.
const BACKTRACE: &str = "WARPBOOK_RUST_BACKTRACE";

/// What evcxr and its runtime say to each other on standard output.
const PANIC: &str = "EVCXR_PANIC_NOTIFICATION";
const USER_ERROR: &str = "EVCXR_ERROR_OCCURRED";
const COMPLETE: &str = "EVCXR_EXECUTION_COMPLETE";
const CONTENT: &str = "EVCXR_BEGIN_CONTENT ";

/// Relays, if this process was started as evcxr's runtime.
pub fn process_hook() {
    if std::env::var_os(IS_RUNTIME).is_none() {
        return;
    }
    // Both processes are started by their parents' main threads, which live as long as those do.
    let _ = set_parent_process_death_signal(Some(Signal::KILL));
    if std::env::var_os(RELAYED).is_some() {
        return;
    }
    match relay() {
        Ok(code) => exit(code),
        Err(error) => {
            eprintln!("warpbook: the Rust runtime did not start: {error}");
            exit(99);
        }
    }
}

fn relay() -> io::Result<i32> {
    // evcxr's own process writes its errors to the kernel; so shall the runtime, with nobody between.
    let host = getppid().map_or(0, |host| host.as_raw_nonzero().get());
    let kernel = OpenOptions::new().write(true).open(format!("/proc/{host}/fd/2")).ok();
    let mut command = Command::new(std::env::current_exe()?);
    command.args(std::env::args_os().skip(1)).env(RELAYED, "1").stdout(Stdio::piped());
    match std::env::var_os(BACKTRACE) {
        Some(value) => command.env("RUST_BACKTRACE", value),
        None => command.env_remove("RUST_BACKTRACE"),
    };
    if let Some(kernel) = &kernel {
        command.stderr(kernel.try_clone()?);
    }
    let mut runtime = command.spawn()?;
    let mark = |what: &str| {
        let line = format!("{MARK}{what}\n");
        match &kernel {
            Some(kernel) => (&*kernel).write_all(line.as_bytes()),
            None => io::stderr().write_all(line.as_bytes()),
        }
    };

    let mut lines = BufReader::new(runtime.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?);
    let mut out = io::stdout().lock();
    let mut line = Vec::new();
    while lines.read_until(b'\n', &mut line)? > 0 {
        // evcxr ends at a byte that is no UTF-8.
        let text = String::from_utf8_lossy(&line);
        let text = text.strip_suffix('\n').unwrap_or(&text);
        for part in split_messages(text) {
            match part {
                PANIC => mark(PANICKED)?,
                USER_ERROR => mark(RETURNED_ERROR)?,
                _ => {}
            }
            writeln!(out, "{part}")?;
        }
        out.flush()?;
        line.clear();
    }
    drop(out);
    let status = runtime.wait()?;
    if let Some(signal) = status.signal().and_then(Signal::from_named_raw) {
        // evcxr tells its user how the runtime ended.
        let _ = rustix::process::kill_process(rustix::process::getpid(), signal);
    }
    Ok(status.code().unwrap_or(99))
}

/// Sets evcxr's messages on lines of their own: a cell may have printed the line's beginning with `print!`.
fn split_messages(line: &str) -> impl Iterator<Item = &str> {
    let whole = [PANIC, USER_ERROR, COMPLETE].into_iter().find_map(|message| {
        let before = line.strip_suffix(message)?;
        Some(before.len())
    });
    let at = whole.or_else(|| line.find(CONTENT)).unwrap_or(0);
    let (before, message) = line.split_at(at);
    [before, message].into_iter().enumerate().filter(|(i, part)| *i == 1 || !part.is_empty()).map(|(_, part)| part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_get_lines_of_their_own() {
        let split = |line| split_messages(line).collect::<Vec<_>>();
        assert_eq!(split(""), [""]);
        assert_eq!(split("plain"), ["plain"]);
        assert_eq!(split(COMPLETE), [COMPLETE]);
        assert_eq!(split("12EVCXR_EXECUTION_COMPLETE"), ["12", COMPLETE]);
        assert_eq!(split("xEVCXR_BEGIN_CONTENT text/plain"), ["x", "EVCXR_BEGIN_CONTENT text/plain"]);
    }
}
