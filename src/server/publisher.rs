//! The task that empties the outbox: iopub through XPUB, replies through the ROUTER sockets.

use std::time::Duration;

use zeromq::{RouterSendHalf, SocketRecv, SocketSend, XPubSocket, ZmqMessage};

use super::log::log;
use super::outbox::{Channel, Outbox, Parent};
use crate::wire::{Message, Signer};

/// How long the first messages wait for a subscriber. A client that asks on shell before its subscription arrived
/// would miss the `idle` that it waits for.
const FIRST_SUBSCRIBER: Duration = Duration::from_secs(1);

/// Sends what comes out of the outbox, in order.
pub struct Publisher {
    outbox: Outbox,
    signer: Signer,
    iopub: XPubSocket,
    shell: RouterSendHalf,
    stdin: RouterSendHalf,
    greeted: bool,
}

impl Publisher {
    /// A publisher on bound sockets.
    pub fn new(
        outbox: Outbox,
        signer: Signer,
        iopub: XPubSocket,
        shell: RouterSendHalf,
        stdin: RouterSendHalf,
    ) -> Self {
        Self { outbox, signer, iopub, shell, stdin, greeted: false }
    }

    /// Runs until the outbox is closed and empty.
    pub async fn run(mut self) {
        let outbox = self.outbox.clone();
        let patience = async {
            outbox.wait_for_first().await;
            tokio::time::sleep(FIRST_SUBSCRIBER).await;
        };
        tokio::pin!(patience);
        while !self.greeted {
            tokio::select! {
                received = self.iopub.recv() => self.subscription(received).await,
                () = &mut patience => break,
            }
        }
        loop {
            tokio::select! {
                biased;
                received = self.iopub.recv() => self.subscription(received).await,
                next = outbox.next() => match next {
                    Some((channel, message)) => self.send(channel, message).await,
                    None => return,
                },
            }
        }
    }

    /// Greets a new subscriber: `iopub_welcome` says that from here on it misses nothing.
    async fn subscription(&mut self, received: zeromq::ZmqResult<ZmqMessage>) {
        let request = match received {
            Ok(request) => request,
            Err(error) => return log(format_args!("iopub: {error}")),
        };
        let Some([1, topic @ ..]) = request.get(0).map(|frame| frame.as_ref()) else { return };
        let content = serde_json::json!({"subscription": String::from_utf8_lossy(topic)});
        let mut welcome = self.outbox.message("iopub_welcome", &Parent::none(), content);
        welcome.identities = vec![bytes::Bytes::copy_from_slice(topic)];
        self.publish(welcome).await;
        if !self.greeted {
            self.greeted = true;
            let content = serde_json::json!({"execution_state": "starting"});
            let starting = self.outbox.message("status", &Parent::none(), content);
            self.send(Channel::Iopub, starting).await;
        }
    }

    async fn send(&mut self, channel: Channel, mut message: Message) {
        match channel {
            Channel::Iopub => {
                message.identities = vec![message.header.msg_type.clone().into()];
                self.publish(message).await;
            }
            Channel::Shell => reply(&mut self.shell, &message, &self.signer).await,
            Channel::Stdin => reply(&mut self.stdin, &message, &self.signer).await,
        }
    }

    /// Sends to every subscriber in turn. One that reads nothing is dropped by the [guard](super::guard).
    async fn publish(&mut self, message: Message) {
        if let Some(frames) = frames(&message, &self.signer)
            && let Err(error) = self.iopub.send(frames).await
        {
            log(format_args!("iopub: {error}"));
        }
    }
}

/// Sends a reply. The client may be gone: that is logged, no more.
pub async fn reply(socket: &mut RouterSendHalf, message: &Message, signer: &Signer) {
    if let Some(frames) = frames(message, signer)
        && let Err(error) = socket.send(frames).await
    {
        log(format_args!("{} not delivered: {error}", message.header.msg_type));
    }
}

fn frames(message: &Message, signer: &Signer) -> Option<ZmqMessage> {
    let frames = message.encode(signer).map_err(|error| log(format_args!("not sent: {error}"))).ok()?;
    ZmqMessage::try_from(frames).ok()
}
