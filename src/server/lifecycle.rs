//! How the kernel ends: by request, by signal, or with its parent.

use std::time::Duration;

use rustix::process::{Pid, getppid, test_kill_process};
use tokio::signal::unix::{SignalKind, signal};

use super::interrupt::Interrupter;
use super::log::log;

/// How often the parent is looked at.
const PARENT_POLL: Duration = Duration::from_secs(1);

/// SIGINT interrupts the running cell, for clients that know no interrupt messages (and for Ctrl-C in the terminal
/// of the server, which must not end the kernel).
pub async fn interrupts(interrupter: Interrupter) {
    let Ok(mut interrupts) = signal(SignalKind::interrupt()) else { return };
    while interrupts.recv().await.is_some() {
        let interrupter = interrupter.clone();
        tokio::task::spawn_blocking(move || interrupter.interrupt());
    }
}

/// Returns when somebody sends SIGTERM.
pub async fn terminated() {
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => drop(terminate.recv().await),
        Err(error) => {
            log(format_args!("SIGTERM: {error}"));
            std::future::pending().await
        }
    }
}

/// Returns when the process named by `JPY_PARENT_PID` is gone; never, where that is not set.
pub async fn orphaned() {
    let pid = std::env::var("JPY_PARENT_PID").ok().and_then(|pid| pid.parse().ok()).and_then(Pid::from_raw);
    let Some(parent) = pid else { return std::future::pending().await };
    // A parent that nobody has waited for yet can still be signalled, but its children are another's already.
    let was_child = getppid() == Some(parent);
    let mut poll = tokio::time::interval(PARENT_POLL);
    loop {
        poll.tick().await;
        let gone = test_kill_process(parent) == Err(rustix::io::Errno::SRCH);
        if gone || (was_child && getppid() != Some(parent)) {
            return log(format_args!("the parent process {} is gone", parent.as_raw_nonzero()));
        }
    }
}
