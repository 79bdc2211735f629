//! The five sockets and the tasks that read them.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::Sender;

use jupyter_protocol::{ConnectionInfo, JupyterMessageContent, ShutdownReply};
use serde_json::{Value, json};
use tokio::sync::Notify;
use zeromq::{RepSocket, RouterRecvHalf, RouterSendHalf, RouterSocket, Socket, SocketRecv, SocketSend, XPubSocket};

use super::executor::Request;
use super::guard::{self, Guard, Limits};
use super::interrupt::Interrupter;
use super::log::log;
use super::outbox::{Channel, Outbox, Parent};
use super::publisher;
use super::stdin::Stdin;
use crate::wire::{Message, Signer, content};
use warpbook_diagnostic::{Diagnostic, Result};
use warpbook_process::private_directory::PrivateDirectory;

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
    /// What stands in front of all of them.
    pub doors: Doors,
}

/// The guarded addresses of the connection file, and the folder with the sockets behind them.
pub struct Doors {
    channels: Vec<guard::Channel>,
    _folder: PrivateDirectory,
}

impl Doors {
    /// Waits until what the sockets have said was passed on to the clients, and closes their connections.
    pub async fn drain(self) {
        for channel in self.channels {
            channel.drain().await;
        }
    }
}

impl Sockets {
    /// Binds the sockets where the connection file says.
    pub async fn bind(connection: &ConnectionInfo) -> Result<Self> {
        let folder = folder().map_err(|error| {
            Diagnostic::error("kernel-start", "no folder for the kernel's sockets")
                .note(error.to_string())
                .help("TMPDIR names the directory for temporary files")
        })?;
        let mut binder = Binder { folder: folder.path(), guard: Guard::new(), channels: Vec::new() };
        Ok(Self {
            shell: binder.bind("shell", &connection.shell_url(), Limits::REQUESTS).await?,
            control: binder.bind("control", &connection.control_url(), Limits::REQUESTS).await?,
            stdin: binder.bind("stdin", &connection.stdin_url(), Limits::REQUESTS).await?,
            iopub: binder.bind("iopub", &connection.iopub_url(), Limits::SUBSCRIPTIONS).await?,
            heartbeat: binder.bind("heartbeat", &connection.hb_url(), Limits::ECHO).await?,
            doors: Doors { channels: binder.channels, _folder: folder },
        })
    }
}

/// A folder whose path is Unicode, as the crate takes it, and leaves room for names in the address of a socket, which
/// has 108 bytes at most.
fn folder() -> std::io::Result<PrivateDirectory> {
    let folder = PrivateDirectory::new("sockets")?;
    let is_usable = folder.path().to_str().is_some_and(|path| path.len() < 90);
    if is_usable { Ok(folder) } else { PrivateDirectory::new_in(Path::new("/tmp"), "sockets") }
}

/// Binds sockets in a folder, and opens the addresses in front of them.
struct Binder<'a> {
    folder: &'a Path,
    guard: Guard,
    channels: Vec<guard::Channel>,
}

impl Binder<'_> {
    async fn bind<S: Socket>(&mut self, name: &str, address: &str, limits: Limits) -> Result<S> {
        let failed = |error: &dyn std::fmt::Display| {
            Diagnostic::error("kernel-start", format!("cannot listen at {address}"))
                .note(error.to_string())
                .help("another kernel may use the same connection file")
        };
        let path = self.folder.join(name);
        let mut socket = S::new();
        socket.bind(&format!("ipc://{}", path.display())).await.map_err(|error| failed(&error))?;
        let channel = self.guard.listen(address, path, limits).await.map_err(|error| failed(&error))?;
        self.channels.push(channel);
        Ok(socket)
    }
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
