//! The one ordered queue of everything that the session says.
//!
//! iopub messages and shell replies go through it together, so a reply leaves only after the output before it has.
//! Stream text is merged while it waits: a cell that prints 60,000 lines sends some hundred messages. The queue is
//! bounded: who prints faster than the readers read waits in [`Outbox::stream`].

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::frontend::Stream;
use crate::wire::{Header, Message};

/// How long stream text waits for more of it.
const FLUSH_AFTER: Duration = Duration::from_millis(50);
/// How much stream text is sent without waiting for more, in bytes.
const FLUSH_AT: usize = 64 << 10;
/// How many bytes of output may wait before their producers do.
const CAPACITY: usize = 4 << 20;

/// A message's header, as its answers' `parent_header`, and its routing.
#[derive(Clone, Debug)]
pub struct Parent {
    /// The header as JSON.
    pub header: Arc<Value>,
    /// The client's routing frames.
    pub identities: Vec<bytes::Bytes>,
}

impl Parent {
    /// The parent of answers to `message`.
    pub fn from_message(message: &Message) -> Self {
        let header = serde_json::to_value(&message.header).unwrap_or_else(|_| json!({}));
        Self { header: Arc::new(header), identities: message.identities.clone() }
    }

    /// The parent of messages that answer nothing.
    pub fn none() -> Self {
        Self { header: Arc::new(json!({})), identities: Vec::new() }
    }
}

/// Where a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    /// To every subscriber.
    Iopub,
    /// To the client that sent the request on shell.
    Shell,
    /// To the client that sent the request on shell, on its stdin socket.
    Stdin,
}

/// The queue. Clones share it.
#[derive(Clone)]
pub struct Outbox {
    shared: Arc<Shared>,
    session: Arc<str>,
}

struct Shared {
    state: Mutex<State>,
    /// Notified when an item is queued and when the queue is closed.
    came: Notify,
    /// Notified when an item has been sent: there is room again.
    left: Condvar,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Item>,
    bytes: usize,
    closed: bool,
}

enum Item {
    Message(Channel, Box<Message>, usize),
    Text { parent: Parent, stream: Stream, text: String, since: Instant },
}

impl Outbox {
    /// An empty queue of messages of this Jupyter session.
    pub fn new(session: &str) -> Self {
        let shared = Shared { state: Mutex::default(), came: Notify::new(), left: Condvar::new() };
        Self { shared: Arc::new(shared), session: session.into() }
    }

    /// A message that answers `parent`.
    pub fn message(&self, msg_type: &str, parent: &Parent, content: Value) -> Message {
        Message {
            identities: parent.identities.clone(),
            header: Header::new(msg_type, &self.session),
            parent_header: Value::clone(&parent.header),
            metadata: json!({}),
            content,
            buffers: Vec::new(),
        }
    }

    /// Queues a message of the session; waits while the queue is full.
    pub fn send(&self, channel: Channel, msg_type: &str, parent: &Parent, content: Value) {
        let size = bundle_size(&content);
        self.push(self.wait_for_room(size), channel, self.message(msg_type, parent, content), size);
    }

    /// Queues a small message of a socket's task, which must not wait.
    pub fn post(&self, channel: Channel, msg_type: &str, parent: &Parent, content: Value) {
        let size = bundle_size(&content);
        self.push(self.state(), channel, self.message(msg_type, parent, content), size);
    }

    /// Queues `status` on iopub.
    pub fn status(&self, execution_state: &str, parent: &Parent) {
        self.post(Channel::Iopub, "status", parent, json!({"execution_state": execution_state}));
    }

    fn push(&self, mut state: MutexGuard<'_, State>, channel: Channel, message: Message, size: usize) {
        state.bytes += size;
        state.queue.push_back(Item::Message(channel, Box::new(message), size));
        drop(state);
        self.shared.came.notify_one();
    }

    /// Queues text of a standard stream, merged with such text before it.
    pub fn stream(&self, stream: Stream, text: &str, parent: &Parent) {
        if text.is_empty() {
            return;
        }
        let mut state = self.wait_for_room(text.len());
        state.bytes += text.len();
        if let Some(Item::Text { parent: before, stream: kind, text: waiting, .. }) = state.queue.back_mut()
            && *kind == stream
            && waiting.len() < FLUSH_AT
            && Arc::ptr_eq(&before.header, &parent.header)
        {
            waiting.push_str(text);
            if waiting.len() < FLUSH_AT {
                // The reader's timer runs already.
                return;
            }
        } else {
            let text = text.to_owned();
            state.queue.push_back(Item::Text { parent: parent.clone(), stream, text, since: Instant::now() });
        }
        drop(state);
        self.shared.came.notify_one();
    }

    /// Sends what is queued and then ends [`Outbox::next`].
    pub fn close(&self) {
        self.state().closed = true;
        self.shared.came.notify_one();
        self.shared.left.notify_all();
    }

    /// Waits until there is something to send.
    pub async fn wait_for_first(&self) {
        loop {
            let came = self.shared.came.notified();
            {
                let state = self.state();
                if state.closed || !state.queue.is_empty() {
                    // The permit was for `next`.
                    self.shared.came.notify_one();
                    return;
                }
            }
            came.await;
        }
    }

    /// The next message to send; `None` once the queue is closed and empty. Can be cancelled and called again.
    pub async fn next(&self) -> Option<(Channel, Message)> {
        loop {
            let came = self.shared.came.notified();
            let wait = {
                let mut state = self.state();
                let alone = state.queue.len() == 1 && !state.closed;
                match state.queue.front() {
                    None if state.closed => return None,
                    None => None,
                    Some(Item::Text { text, since, .. })
                        if alone && text.len() < FLUSH_AT && since.elapsed() < FLUSH_AFTER =>
                    {
                        Some(FLUSH_AFTER.saturating_sub(since.elapsed()))
                    }
                    Some(_) => {
                        let item = state.queue.pop_front();
                        let next = item.map(|item| self.leave(&mut state, item));
                        drop(state);
                        self.shared.left.notify_all();
                        return next;
                    }
                }
            };
            match wait {
                None => came.await,
                // Either way the queue is looked at again.
                Some(wait) => drop(tokio::time::timeout(wait, came).await),
            }
        }
    }

    fn leave(&self, state: &mut State, item: Item) -> (Channel, Message) {
        match item {
            Item::Message(channel, message, size) => {
                state.bytes -= size;
                (channel, *message)
            }
            Item::Text { parent, stream, text, .. } => {
                state.bytes -= text.len();
                let name = match stream {
                    Stream::Stdout => "stdout",
                    Stream::Stderr => "stderr",
                };
                (Channel::Iopub, self.message("stream", &parent, json!({"name": name, "text": text})))
            }
        }
    }

    fn wait_for_room(&self, size: usize) -> MutexGuard<'_, State> {
        let mut state = self.state();
        // Something larger than the whole queue goes in when the queue is empty.
        while state.bytes > 0 && state.bytes + size > CAPACITY && !state.closed {
            state = self.shared.left.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The bytes of the texts in a content, which is nearly all of a large message.
fn bundle_size(content: &Value) -> usize {
    match content {
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(bundle_size).sum(),
        Value::Object(fields) => fields.values().map(bundle_size).sum(),
        _ => 8,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parent(id: &str) -> Parent {
        Parent { header: Arc::new(json!({"msg_id": id})), identities: Vec::new() }
    }

    async fn drain(outbox: &Outbox) -> Vec<(String, String)> {
        outbox.close();
        let mut sent = Vec::new();
        while let Some((_, message)) = outbox.next().await {
            let text = message.content["text"].as_str().or(message.content["execution_state"].as_str());
            sent.push((message.header.msg_type, text.unwrap_or_default().to_owned()));
        }
        sent
    }

    #[tokio::test]
    async fn text_is_merged_and_keeps_its_place() {
        let outbox = Outbox::new("s");
        let (one, two) = (parent("1"), parent("2"));
        for text in ["a", "b"] {
            outbox.stream(Stream::Stdout, text, &one);
        }
        outbox.stream(Stream::Stderr, "e", &one);
        outbox.stream(Stream::Stdout, "c", &one);
        outbox.status("idle", &one);
        outbox.stream(Stream::Stdout, "d", &two);
        let sent = drain(&outbox).await;
        let sent: Vec<_> = sent.iter().map(|(kind, text)| (kind.as_str(), text.as_str())).collect();
        assert_eq!(sent, [("stream", "ab"), ("stream", "e"), ("stream", "c"), ("status", "idle"), ("stream", "d")]);
    }

    #[tokio::test]
    async fn text_alone_is_sent_without_a_message_behind_it() {
        let outbox = Outbox::new("s");
        outbox.stream(Stream::Stdout, "alone", &parent("1"));
        let (channel, message) = outbox.next().await.expect("the text");
        assert_eq!((channel, message.content["text"].as_str()), (Channel::Iopub, Some("alone")));
    }

    #[tokio::test]
    async fn a_fast_producer_waits_and_loses_nothing() {
        let outbox = Outbox::new("s");
        let producer = outbox.clone();
        let line = "x".repeat(99) + "\n";
        let lines = 3 * CAPACITY / line.len();
        let thread = std::thread::spawn(move || {
            let parent = parent("1");
            for _ in 0..lines {
                producer.stream(Stream::Stdout, &line, &parent);
            }
            producer.close();
        });
        let mut bytes = 0;
        while let Some((_, message)) = outbox.next().await {
            bytes += message.content["text"].as_str().map_or(0, str::len);
        }
        thread.join().expect("the producer ends");
        assert_eq!(bytes, lines * 100);
    }
}
