//! The five sockets and the tasks that read them.

use std::sync::Arc;
use std::sync::mpsc::Sender;

use jupyter_protocol::{ConnectionInfo, JupyterMessageContent, ShutdownReply};
use serde_json::{Value, json};
use tokio::sync::Notify;
use zeromq::{RepSocket, RouterRecvHalf, RouterSendHalf, RouterSocket, Socket, SocketRecv, SocketSend, XPubSocket};

use super::executor::Request;
use super::interrupt::Interrupter;
use super::log::log;
use super::outbox::{Channel, Outbox, Parent};
use super::publisher;
use super::stdin::Stdin;
use crate::wire::{Message, Signer, content};
use warpbook_diagnostic::{Diagnostic, Result};

/// The kernel's sockets, bound.
pub struct Sockets {
    /// Requests to the session.
    pub shell: RouterSocket,
    /// Requests that must not wait for a cell.
    pub control: RouterSocket,
    /// Lines of input.
    pub stdin: RouterSocket,
    /// Everything that is shown.
    pub iopub: XPubSocket,
    /// The heartbeat, which echoes what it receives.
    pub heartbeat: RepSocket,
}

impl Sockets {
    /// Binds the sockets where the connection file says.
    pub async fn bind(connection: &ConnectionInfo) -> Result<Self> {
        Ok(Self {
            shell: bind(&connection.shell_url()).await?,
            control: bind(&connection.control_url()).await?,
            stdin: bind(&connection.stdin_url()).await?,
            iopub: bind(&connection.iopub_url()).await?,
            heartbeat: bind(&connection.hb_url()).await?,
        })
    }
}

async fn bind<S: Socket>(address: &str) -> Result<S> {
    let mut socket = S::new();
    socket.bind(address).await.map_err(|error| {
        Diagnostic::error("kernel-start", format!("cannot listen at {address}"))
            .note(error.to_string())
            .help("another kernel may use the same connection file")
    })?;
    Ok(socket)
}

/// What the tasks share.
#[derive(Clone)]
pub struct Router {
    /// Checks what comes in.
    pub signer: Signer,
    /// Takes what goes out.
    pub outbox: Outbox,
    /// Stops the running cell.
    pub interrupter: Interrupter,
    /// Ends the kernel.
    pub shutdown: Arc<Notify>,
}

impl Router {
    /// The next message that is signed and well formed; what is not is logged and dropped. `None`: the socket is gone.
    async fn receive(&self, socket: &mut impl SocketRecv, name: &str) -> Option<(Message, JupyterMessageContent)> {
        loop {
            let frames = socket.recv().await.map_err(|error| log(format_args!("{name}: {error}"))).ok()?;
            let message = Message::decode(frames.into_vec(), &self.signer);
            match message.and_then(|message| content::request(&message).map(|content| (message, content))) {
                Ok(received) => return Some(received),
                Err(error) => log(format_args!("dropped a message on {name}: {error}")),
            }
        }
    }

    /// Announces the end and returns the reply for the client that requested it.
    fn shut_down(&self, restart: bool, parent: &Parent) -> Value {
        let reply = content::to_json(&ShutdownReply { restart, ..ShutdownReply::default() });
        // Other clients hear of it too.
        self.outbox.post(Channel::Iopub, "shutdown_reply", parent, reply.clone());
        reply
    }
}

/// Queues shell requests for the session. A shutdown does not wait for its turn.
pub async fn shell(mut socket: RouterRecvHalf, requests: Sender<Request>, router: Router) {
    while let Some((message, content)) = router.receive(&mut socket, "shell").await {
        let parent = Parent::from_message(&message);
        if let JupyterMessageContent::ShutdownRequest(request) = content {
            router.outbox.status("busy", &parent);
            let reply = router.shut_down(request.restart, &parent);
            router.outbox.post(Channel::Shell, "shutdown_reply", &parent, reply);
            router.outbox.status("idle", &parent);
            router.shutdown.notify_one();
        } else if requests.send(Request { msg_type: message.header.msg_type, parent, content }).is_err() {
            return;
        }
    }
}

/// Answers control requests at once, whatever runs.
pub async fn control(socket: RouterSocket, router: Router) {
    let (mut send, mut socket) = socket.split();
    while let Some((message, content)) = router.receive(&mut socket, "control").await {
        let parent = Parent::from_message(&message);
        router.outbox.status("busy", &parent);
        let mut last = false;
        let reply = match content {
            JupyterMessageContent::KernelInfoRequest(_) => Some(("kernel_info_reply", content::kernel_info())),
            JupyterMessageContent::InterruptRequest(_) => {
                let interrupter = router.interrupter.clone();
                tokio::task::spawn_blocking(move || interrupter.interrupt());
                Some(("interrupt_reply", json!({"status": "ok"})))
            }
            JupyterMessageContent::ShutdownRequest(request) => {
                last = true;
                Some(("shutdown_reply", router.shut_down(request.restart, &parent)))
            }
            _ => {
                log(format_args!("no answer to `{}` on control", message.header.msg_type));
                None
            }
        };
        if let Some((msg_type, content)) = reply {
            answer(&mut send, &router, msg_type, &parent, content).await;
        }
        router.outbox.status("idle", &parent);
        if last {
            router.shutdown.notify_one();
        }
    }
}

async fn answer(socket: &mut RouterSendHalf, router: &Router, msg_type: &str, parent: &Parent, content: Value) {
    let message = router.outbox.message(msg_type, parent, content);
    publisher::reply(socket, &message, &router.signer).await;
}

/// Passes answers on to the cell that asked.
pub async fn stdin(mut socket: RouterRecvHalf, stdin: Stdin, router: Router) {
    while let Some((_, content)) = router.receive(&mut socket, "stdin").await {
        if let JupyterMessageContent::InputReply(reply) = content {
            stdin.answer(reply.value);
        }
    }
}

/// Sends back what comes.
pub async fn heartbeat(mut socket: RepSocket) {
    loop {
        match socket.recv().await {
            Ok(message) => drop(socket.send(message).await),
            Err(zeromq::ZmqError::NoMessage) => return,
            // One client's connection; the others go on.
            Err(_) => {}
        }
    }
}
