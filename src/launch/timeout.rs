//! A limit on the time of a launch (`--timeout`).

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use warpbook_diagnostic::{Diagnostic, Result, code};
use warpbook_process::cancel::Cancel;

/// Runs `work` under a token that is cancelled by `cancel` or when the time limit is over. Fails with a timeout in the
/// second case.
pub fn limited<T>(limit: Option<Duration>, cancel: &Cancel, work: impl FnOnce(&Cancel) -> Result<T>) -> Result<T> {
    let Some(limit) = limit else { return work(cancel) };
    let inner = Cancel::new();
    let linked = inner.clone();
    let guard = cancel.on_cancel(move || linked.cancel());
    let (done, timer) = channel::<()>();
    let (expired, outcome) = std::thread::scope(|scope| {
        let inner = &inner;
        let watch = scope.spawn(move || {
            let expired = timer.recv_timeout(limit) == Err(RecvTimeoutError::Timeout);
            if expired {
                inner.cancel();
            }
            expired
        });
        let outcome = work(inner);
        drop(done);
        (watch.join().unwrap_or(false), outcome)
    });
    drop(guard);
    match outcome {
        Err(error) if error.is_interrupted() && expired && !cancel.is_cancelled() => {
            let message = format!("the launch had not ended after {} s (`--timeout`)", limit.as_secs_f64());
            Err(Diagnostic::error(code::TIMEOUT, message)
                .help("the kernel may be in an endless loop, or in a wait that never ends"))
        }
        outcome => outcome,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_tells_who_ended_it() {
        let wait = |cancel: &Cancel| -> Result<()> {
            let (sender, receiver) = channel();
            let _guard = cancel.on_cancel(move || {
                let _ = sender.send(());
            });
            let _ = receiver.recv();
            cancel.check()
        };
        let outer = Cancel::new();
        let error = limited(Some(Duration::from_millis(1)), &outer, wait).expect_err("ended");
        assert_eq!(error.code, "timeout");
        outer.cancel();
        let error = limited(Some(Duration::from_secs(3600)), &outer, wait).expect_err("ended");
        assert!(error.is_interrupted());
        assert_eq!(limited(Some(Duration::from_secs(3600)), &Cancel::new(), |_| Ok(7)).expect("done"), 7);
    }
}
