//! The task that empties the outbox: iopub through XPUB, replies through the ROUTER sockets.

use std::time::Duration;

use tokio::time::timeout;
use zeromq::util::PeerIdentity;
use zeromq::{RouterSendHalf, Socket, SocketEvent, SocketRecv, SocketSend, XPubSocket, ZmqMessage};

use super::log::log;
use super::outbox::{Channel, Outbox, Parent};
use crate::wire::{Message, Signer};

/// How long the first messages wait for a subscriber. A client that asks on shell before its subscription arrived
/// would miss the `idle` that it waits for.
const FIRST_SUBSCRIBER: Duration = Duration::from_secs(1);
/// How long one subscriber that reads nothing may hold up the others. XPUB writes to them in turn.
const STALLED: Duration = Duration::from_secs(5);

/// Sends what comes out of the outbox, in order.
pub struct Publisher {
    outbox: Outbox,
    signer: Signer,
    iopub: XPubSocket,
    shell: RouterSendHalf,
    stdin: RouterSendHalf,
    /// Who connected to iopub, to be able to disconnect who stalls.
    events: futures_channel::mpsc::Receiver<SocketEvent>,
    subscribers: Vec<PeerIdentity>,
    greeted: bool,
}

impl Publisher {
    /// A publisher on bound sockets.
    pub fn new(
        outbox: Outbox,
        signer: Signer,
        mut iopub: XPubSocket,
        shell: RouterSendHalf,
        stdin: RouterSendHalf,
    ) -> Self {
        let events = iopub.monitor();
        Self { outbox, signer, iopub, shell, stdin, events, subscribers: Vec::new(), greeted: false }
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

    async fn publish(&mut self, mut message: Message) {
        for _ in 0..2 {
            let Some(frames) = frames(&message, &self.signer) else { return };
            match timeout(STALLED, self.iopub.send(frames)).await {
                Ok(Ok(())) => return,
                Ok(Err(error)) => return log(format_args!("iopub: {error}")),
                // Who is alive connects again by itself; who is stopped does not. Some may have the message already:
                // better twice than never, but clients refuse a signature that they have seen.
                Err(_) => self.disconnect_all().await,
            }
            message.header.msg_id = uuid::Uuid::new_v4().to_string();
        }
    }

    async fn disconnect_all(&mut self) {
        log(format_args!(
            "iopub: a subscriber has read nothing for {STALLED:?}; all are disconnected, to connect again"
        ));
        while let Ok(event) = self.events.try_recv() {
            if let SocketEvent::Accepted(_, peer) = event {
                self.subscribers.push(peer);
            }
        }
        let backend = self.iopub.backend();
        for peer in self.subscribers.drain(..) {
            backend.peer_disconnected(&peer);
        }
        if let Ok(received) = timeout(FIRST_SUBSCRIBER, self.iopub.recv()).await {
            // The welcome is sent to everybody and could stall in turn; the message that follows says as much.
            drop(received);
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
