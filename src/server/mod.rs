//! The kernel's side of the Jupyter protocol: sockets, order, lifecycle.
//!
//! One tokio task for each socket, and the session on a thread of its own:
//!
//! ```text
//! each socket stands behind the guard, which takes the connections (`guard`)
//!
//! shell ───> executor (session) ──> outbox ──> publisher ──> iopub, shell replies
//! control ─> at once: kernel_info, interrupt, shutdown; its replies do not wait for iopub
//! stdin ───> the cell that asked          heartbeat ─> echo
//! ```

mod cell;
mod evaluator;
mod executor;
pub mod guard;
mod history;
mod interrupt;
mod lifecycle;
mod log;
mod outbox;
mod publisher;
mod sockets;
mod stdin;

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

use jupyter_protocol::ConnectionInfo;
use tokio::sync::Notify;
use tokio::time::timeout;
use uuid::Uuid;

pub use evaluator::Evaluator;

use crate::session::Session;
use crate::wire::{Signer, read_connection_file};
use executor::Executor;
use interrupt::Interrupter;
use log::log;
use outbox::Outbox;
use publisher::Publisher;
use sockets::Sockets;
use stdin::Stdin;
use warpbook_diagnostic::{Diagnostic, Result};

/// How long the running cell has to stop, and the last messages to be read, when the kernel ends.
const GRACE: Duration = Duration::from_secs(2);
/// How long the last messages may take from the sockets to clients that read them.
const DRAIN: Duration = Duration::from_secs(1);
/// How long the last reply has on its way through the socket's writer; `zeromq` knows no linger.
const LINGER: Duration = Duration::from_millis(20);

/// Serves the session that a connection file describes, until it is shut down.
pub fn run(connection_file: &Path) -> Result<()> {
    let session = || {
        let mut session = Session::new();
        session.warm_up();
        session
    };
    serve(&read_connection_file(connection_file)?, session)
}

/// Serves `evaluator`, which is made on the session's own thread, until it is shut down.
pub fn serve<E: Evaluator>(connection: &ConnectionInfo, evaluator: impl FnOnce() -> E + Send + 'static) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("jupyter")
        .enable_all()
        .build()
        .map_err(|error| Diagnostic::error("kernel-start", format!("cannot start the kernel's threads: {error}")))?;
    let outcome = runtime.block_on(serve_on(connection, evaluator));
    // A cell that would not stop is not waited for: the process ends.
    runtime.shutdown_background();
    outcome
}

async fn serve_on<E: Evaluator>(
    connection: &ConnectionInfo,
    evaluator: impl FnOnce() -> E + Send + 'static,
) -> Result<()> {
    let outbox = Outbox::new(&Uuid::new_v4().to_string());
    let signer = Signer::new(&connection.key);
    let stdin = Stdin::new();
    let interrupter = Interrupter::default();
    let shutdown = Arc::new(Notify::new());

    let (requests, queue) = channel();
    let ended = Arc::new(Notify::new());
    let thread = {
        let (outbox, stdin, interrupter, ended) =
            (outbox.clone(), stdin.clone(), interrupter.clone(), Arc::clone(&ended));
        std::thread::Builder::new().name("session".into()).stack_size(16 << 20).spawn(move || {
            Executor::new(evaluator(), queue, outbox, stdin, interrupter).run();
            ended.notify_one();
        })
    };
    thread.map_err(|error| Diagnostic::error("kernel-start", format!("cannot start the session's thread: {error}")))?;

    let sockets = Sockets::bind(connection).await?;
    let (shell_send, shell_recv) = sockets.shell.split();
    let (stdin_send, stdin_recv) = sockets.stdin.split();
    let publisher = Publisher::new(outbox.clone(), signer.clone(), sockets.iopub, shell_send, stdin_send);
    let publisher = tokio::spawn(publisher.run());
    let router = sockets::Router {
        signer,
        outbox: outbox.clone(),
        interrupter: interrupter.clone(),
        shutdown: Arc::clone(&shutdown),
    };
    let shell = tokio::spawn(sockets::shell(shell_recv, requests, router.clone()));
    tokio::spawn(sockets::control(sockets.control, router.clone()));
    tokio::spawn(sockets::stdin(stdin_recv, stdin, router));
    tokio::spawn(sockets::heartbeat(sockets.heartbeat));
    tokio::spawn(lifecycle::interrupts(interrupter.clone()));

    tokio::select! {
        () = shutdown.notified() => {}
        () = lifecycle::terminated() => {}
        () = lifecycle::orphaned() => {}
    }

    // The shell task owns the executor's queue: with it the executor ends, and with that the session's children.
    shell.abort();
    tokio::task::spawn_blocking(move || interrupter.close());
    if timeout(GRACE, ended.notified()).await.is_err() {
        log(format_args!("the running cell did not stop; the kernel ends without it"));
    }
    outbox.close();
    if timeout(GRACE, publisher).await.is_err() {
        log(format_args!("the last messages were not read"));
    }
    tokio::time::sleep(LINGER).await;
    let _ = timeout(DRAIN, sockets.doors.drain()).await;
    Ok(())
}
