//! A typed frontend: the other side of the Jupyter protocol.
//!
//! Every `recv_…` takes the next message of its socket and panics if it is another one than its name says, or has
//! another parent. What nobody received is a failure too, at the latest when the client is dropped.
//! `WARPBOOK_TEST_TRACE=1` prints each message in both directions.

use std::future::Future;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::Duration;

use jupyter_protocol::{ConnectionInfo, Transport};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::time::timeout;
use warpbook::server::Evaluator;
use warpbook::wire::{Header, Message, Signer};
use zeromq::util::PeerIdentity;
use zeromq::{DealerSocket, ReqSocket, Socket, SocketOptions, SocketRecv, SocketSend, SubSocket, ZmqMessage};

use crate::trace::{Channel, trace_received, trace_sent};

/// Far longer than anything here takes: it ends a test that hangs, and decides nothing else.
const PATIENCE: Duration = Duration::from_secs(120);

/// How long a dropped client listens for messages that nobody received.
const LAST_LISTEN: Duration = Duration::from_millis(20);

/// A connection file's content for sockets in `directory`.
pub fn connection(directory: &Path) -> ConnectionInfo {
    ConnectionInfo {
        transport: Transport::IPC,
        ip: directory.join("kernel").display().to_string(),
        shell_port: 1,
        iopub_port: 2,
        stdin_port: 3,
        control_port: 4,
        hb_port: 5,
        key: "a key".to_owned(),
        signature_scheme: "hmac-sha256".to_owned(),
        kernel_name: None,
    }
}

/// A kernel on a thread of this process, with an evaluator that a test makes, and a client of it.
pub struct Kernel {
    /// The client, which has received the kernel's first messages.
    pub client: Client,
    /// The kernel's sockets and key.
    pub info: ConnectionInfo,
    server: Option<JoinHandle<warpbook_diagnostic::Result<()>>>,
    _directory: TempDir,
}

impl Kernel {
    /// Starts a kernel whose cells `evaluator` runs.
    pub fn start<E: Evaluator + 'static>(evaluator: impl FnOnce() -> E + Send + 'static) -> Self {
        let directory = TempDir::new().expect("a directory for the sockets");
        let info = connection(directory.path());
        Self::start_at(info, directory, evaluator)
    }

    /// As [`Self::start`], at other addresses; `directory` may hold sockets, and is removed with the kernel.
    pub fn start_at<E: Evaluator + 'static>(
        info: ConnectionInfo,
        directory: TempDir,
        evaluator: impl FnOnce() -> E + Send + 'static,
    ) -> Self {
        let served = info.clone();
        let server = std::thread::spawn(move || warpbook::server::serve(&served, evaluator));
        let mut client = Client::connect(&info);
        client.recv_iopub_welcome();
        client.recv_iopub_starting();
        Self { client, info, server: Some(server), _directory: directory }
    }

    /// Asserts that nothing is left to be read, and shuts the kernel down.
    pub fn finish(mut self) {
        self.client.nothing_more();
        self.stop();
    }

    /// Shuts the kernel down, whatever it does.
    pub fn stop(mut self) {
        self.client.shut_down(false);
        let server = self.server.take().expect("not finished yet");
        server.join().expect("the server does not panic").expect("the server ends well");
    }
}

/// The kernel as a process of its own.
pub struct Process {
    /// The process of `warpbook kernel`.
    pub child: Child,
    /// The kernel's sockets and key.
    pub info: ConnectionInfo,
    _directory: TempDir,
}

impl Process {
    /// Starts `program`, a built `warpbook`, with more environment variables.
    pub fn start(program: &Path, environment: &[(&str, &str)]) -> Self {
        let directory = TempDir::new().expect("a directory for the sockets");
        let info = connection(directory.path());
        let file = directory.path().join("connection.json");
        std::fs::write(&file, serde_json::to_vec(&info).expect("json")).expect("the connection file");
        let child = Command::new(program)
            .arg("kernel")
            .arg("--connection-file")
            .arg(&file)
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the kernel starts");
        Self { child, info, _directory: directory }
    }

    /// Waits for the end of the process.
    pub fn wait(mut self) -> std::process::ExitStatus {
        self.child.wait().expect("the kernel is waited for")
    }
}

impl Drop for Process {
    /// A failed test leaves no kernel behind.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A client of one kernel. Dropping it asserts that no message is left to be received.
pub struct Client {
    runtime: Runtime,
    shell: DealerSocket,
    control: DealerSocket,
    stdin: DealerSocket,
    iopub: SubSocket,
    heartbeat: ReqSocket,
    signer: Signer,
    session: String,
    is_abandoned: bool,
}

impl Client {
    /// Connects to all sockets of a kernel, as soon as it has bound them.
    pub fn connect(info: &ConnectionInfo) -> Self {
        // With a thread of its own: what is sent leaves though nobody waits for an answer.
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let session = uuid::Uuid::new_v4().to_string();
        let (shell, control, stdin, iopub, heartbeat) = runtime.block_on(async {
            let mut iopub: SubSocket = connected(&info.iopub_url(), &session).await;
            iopub.subscribe("").await.expect("a subscription");
            (
                connected(&info.shell_url(), &session).await,
                connected(&info.control_url(), &session).await,
                connected(&info.stdin_url(), &session).await,
                iopub,
                connected(&info.hb_url(), &session).await,
            )
        });
        Self {
            runtime,
            shell,
            control,
            stdin,
            iopub,
            heartbeat,
            signer: Signer::new(&info.key),
            session,
            is_abandoned: false,
        }
    }

    /// Leaves without a look at what the kernel still says.
    pub fn abandon(mut self) {
        self.is_abandoned = true;
    }

    fn message(&self, msg_type: &str, content: Value) -> Message {
        Message {
            identities: Vec::new(),
            header: Header::new(msg_type, &self.session),
            parent_header: json!({}),
            metadata: json!({}),
            content,
            buffers: Vec::new(),
        }
    }

    fn frames(&self, message: &Message) -> ZmqMessage {
        message.encode(&self.signer).expect("encodes").try_into().expect("frames")
    }

    /// Sends a request on shell and returns its id.
    pub fn send_shell(&mut self, msg_type: &str, content: Value) -> String {
        let message = self.message(msg_type, content);
        trace_sent(Channel::Shell, &message);
        let frames = self.frames(&message);
        self.runtime.block_on(self.shell.send(frames)).expect("sent");
        message.header.msg_id
    }

    /// Sends a request on control and returns its id.
    pub fn send_control(&mut self, msg_type: &str, content: Value) -> String {
        let message = self.message(msg_type, content);
        trace_sent(Channel::Control, &message);
        let frames = self.frames(&message);
        self.runtime.block_on(self.control.send(frames)).expect("sent");
        message.header.msg_id
    }

    /// Sends frames as they are, on shell and on control.
    pub fn send_raw(&mut self, frames: &[Vec<u8>]) {
        let frames: Vec<bytes::Bytes> = frames.iter().cloned().map(Into::into).collect();
        let frames = ZmqMessage::try_from(frames).expect("at least one frame");
        self.runtime.block_on(self.shell.send(frames.clone())).expect("sent");
        self.runtime.block_on(self.control.send(frames.clone())).expect("sent");
        self.runtime.block_on(self.stdin.send(frames)).expect("sent");
    }

    /// The frames of a well-formed execute request, to be broken.
    pub fn execute_frames(&self, code: &str) -> Vec<Vec<u8>> {
        let message = self.message("execute_request", json!({"code": code}));
        message.encode(&self.signer).expect("encodes").iter().map(|frame| frame.to_vec()).collect()
    }

    /// Sends `execute_request` and returns its id.
    pub fn execute(&mut self, code: &str) -> String {
        self.execute_with(code, json!({}))
    }

    /// Sends `execute_request` with more fields than the code.
    pub fn execute_with(&mut self, code: &str, more: Value) -> String {
        let mut content = json!({"code": code});
        for (name, value) in more.as_object().expect("fields") {
            content[name] = value.clone();
        }
        self.send_shell("execute_request", content)
    }

    /// Runs a cell that says nothing but its result or its error; returns the reply's content.
    pub fn run_quiet(&mut self, code: &str) -> Value {
        let id = self.execute(code);
        self.recv_iopub_busy(&id);
        self.recv_iopub("execute_input", &id);
        self.recv_iopub_idle(&id);
        self.recv_shell("execute_reply", &id)
    }

    /// The next message on shell.
    pub fn recv_shell(&mut self, msg_type: &str, parent: &str) -> Value {
        let message = receive(&self.runtime, &mut self.shell, &self.signer, Channel::Shell);
        expect(message, msg_type, Some(parent))
    }

    /// The next message on control.
    pub fn recv_control(&mut self, msg_type: &str, parent: &str) -> Value {
        let message = receive(&self.runtime, &mut self.control, &self.signer, Channel::Control);
        expect(message, msg_type, Some(parent))
    }

    /// The next question on stdin.
    pub fn recv_input_request(&mut self, parent: &str) -> Value {
        let message = receive(&self.runtime, &mut self.stdin, &self.signer, Channel::Stdin);
        expect(message, "input_request", Some(parent))
    }

    /// Answers a question.
    pub fn send_input_reply(&mut self, value: &str) {
        let message = self.message("input_reply", json!({"value": value}));
        trace_sent(Channel::Stdin, &message);
        let frames = self.frames(&message);
        self.runtime.block_on(self.stdin.send(frames)).expect("sent");
    }

    /// The next message on iopub.
    pub fn recv_iopub(&mut self, msg_type: &str, parent: &str) -> Value {
        let message = receive(&self.runtime, &mut self.iopub, &self.signer, Channel::Iopub);
        expect(message, msg_type, Some(parent))
    }

    /// The next message on iopub, whatever it is.
    pub fn recv_iopub_any(&mut self) -> Message {
        receive(&self.runtime, &mut self.iopub, &self.signer, Channel::Iopub)
    }

    /// The first message of a new subscription.
    pub fn recv_iopub_welcome(&mut self) {
        let message = self.recv_iopub_any();
        assert_eq!(expect(message, "iopub_welcome", None)["subscription"], "");
    }

    /// The first state of a kernel.
    pub fn recv_iopub_starting(&mut self) {
        let message = self.recv_iopub_any();
        assert_eq!(expect(message, "status", None)["execution_state"], "starting");
    }

    /// The kernel works on `parent`.
    pub fn recv_iopub_busy(&mut self, parent: &str) {
        assert_eq!(self.recv_iopub("status", parent)["execution_state"], "busy");
    }

    /// The kernel is done with `parent`.
    pub fn recv_iopub_idle(&mut self, parent: &str) {
        assert_eq!(self.recv_iopub("status", parent)["execution_state"], "idle");
    }

    /// A cell's code and number, as all clients see it.
    pub fn recv_iopub_execute_input(&mut self, parent: &str, code: &str, count: usize) {
        let content = self.recv_iopub("execute_input", parent);
        assert_eq!(content, json!({"code": code, "execution_count": count}));
    }

    /// Text on standard output.
    pub fn recv_iopub_stdout(&mut self, parent: &str, text: &str) {
        assert_eq!(self.recv_iopub("stream", parent), json!({"name": "stdout", "text": text}));
    }

    /// Text on standard error.
    pub fn recv_iopub_stderr(&mut self, parent: &str, text: &str) {
        assert_eq!(self.recv_iopub("stream", parent), json!({"name": "stderr", "text": text}));
    }

    /// The text of a cell's result.
    pub fn recv_iopub_execute_result(&mut self, parent: &str, text: &str) {
        assert_eq!(self.recv_iopub("execute_result", parent)["data"]["text/plain"], text);
    }

    /// An error with its code and message.
    pub fn recv_iopub_error(&mut self, parent: &str, ename: &str, evalue: &str) {
        let content = self.recv_iopub("error", parent);
        assert_eq!((content["ename"].as_str(), content["evalue"].as_str()), (Some(ename), Some(evalue)));
        assert!(content["traceback"].as_array().is_some_and(|lines| !lines.is_empty()));
    }

    /// One request with its reply, between busy and idle.
    pub fn ask(&mut self, request: &str, content: Value, reply: &str) -> Value {
        let id = self.send_shell(request, content);
        self.recv_iopub_busy(&id);
        self.recv_iopub_idle(&id);
        self.recv_shell(reply, &id)
    }

    /// Asserts that the next thing the kernel says is the answer to a question asked now.
    pub fn nothing_more(&mut self) {
        let reply = self.ask("kernel_info_request", json!({}), "kernel_info_reply");
        assert_eq!(reply["status"], "ok");
    }

    /// Shuts the kernel down through control.
    pub fn shut_down(&mut self, restart: bool) {
        let id = self.send_control("shutdown_request", json!({"restart": restart}));
        self.recv_iopub_busy(&id);
        assert_eq!(self.recv_iopub("shutdown_reply", &id), json!({"status": "ok", "restart": restart}));
        self.recv_iopub_idle(&id);
        assert_eq!(self.recv_control("shutdown_reply", &id), json!({"status": "ok", "restart": restart}));
    }

    /// Sends bytes to the heartbeat and returns its answer.
    pub fn heartbeat(&mut self, beat: &[u8]) -> Vec<u8> {
        let answer = self.runtime.block_on(async {
            self.heartbeat.send(beat.to_vec().into()).await.expect("sent");
            patiently(self.heartbeat.recv()).await.expect("an answer")
        });
        answer.into_vec().concat()
    }
}

async fn connected<S: Socket>(address: &str, identity: &str) -> S {
    patiently(async {
        loop {
            let mut options = SocketOptions::default();
            options.peer_identity(PeerIdentity::try_from(identity.as_bytes().to_vec()).expect("an identity"));
            let mut socket = S::with_options(options);
            // The kernel may not have bound it yet.
            if socket.connect(address).await.is_ok() {
                return socket;
            }
            tokio::task::yield_now().await;
        }
    })
    .await
}

async fn patiently<T>(future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future).await.expect("the kernel says nothing")
}

fn receive(runtime: &Runtime, socket: &mut impl SocketRecv, signer: &Signer, channel: Channel) -> Message {
    let frames = runtime.block_on(patiently(socket.recv())).expect("a message");
    let message = Message::decode(frames.into_vec(), signer).expect("well formed and signed");
    trace_received(channel, &message);
    message
}

/// What comes on a socket within a moment; none where its other end is gone.
async fn leftover(socket: &mut impl SocketRecv, signer: &Signer, channel: Channel) -> Option<String> {
    let frames = timeout(LAST_LISTEN, socket.recv()).await.ok()?.ok()?;
    let message = Message::decode(frames.into_vec(), signer).ok()?;
    Some(format!("{channel} {}: {}", message.header.msg_type, message.content))
}

impl Drop for Client {
    fn drop(&mut self) {
        if self.is_abandoned || std::thread::panicking() {
            return;
        }
        let Self { runtime, shell, control, stdin, iopub, signer, .. } = self;
        let left = runtime.block_on(async {
            tokio::join!(
                leftover(shell, signer, Channel::Shell),
                leftover(control, signer, Channel::Control),
                leftover(stdin, signer, Channel::Stdin),
                leftover(iopub, signer, Channel::Iopub),
            )
        });
        let left: Vec<String> = [left.0, left.1, left.2, left.3].into_iter().flatten().collect();
        assert!(left.is_empty(), "nobody received:\n{}", left.join("\n"));
    }
}

fn expect(message: Message, msg_type: &str, parent: Option<&str>) -> Value {
    assert_eq!(message.header.msg_type, msg_type, "content: {}", message.content);
    assert_eq!(message.parent_header["msg_id"].as_str(), parent, "the parent of {msg_type}: {}", message.content);
    message.content
}
