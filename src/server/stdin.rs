//! Lines that a cell asks of its reader.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::json;

use super::outbox::{Channel, Outbox, Parent};
use crate::frontend::InputError;
use warpbook_process::cancel::Cancel;

enum Event {
    Line(String),
    Interrupted,
}

/// Sends `input_request` and waits for its answer. Clones share it.
#[derive(Clone)]
pub struct Stdin {
    events: Sender<Event>,
    waiting: Arc<Mutex<Receiver<Event>>>,
}

impl Stdin {
    /// No question is open.
    pub fn new() -> Self {
        let (events, waiting) = channel();
        Self { events, waiting: Arc::new(Mutex::new(waiting)) }
    }

    /// The reader's answer, from the stdin socket.
    pub fn answer(&self, line: String) {
        let _ = self.events.send(Event::Line(line));
    }

    /// Asks the client that sent `parent` for a line and waits for it, or for an interrupt.
    pub fn ask(
        &self,
        outbox: &Outbox,
        parent: &Parent,
        prompt: &str,
        password: bool,
        cancel: &Cancel,
    ) -> Result<String, InputError> {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        // Answers to questions that were given up.
        while waiting.try_recv().is_ok() {}
        let events = self.events.clone();
        let _interrupt = cancel.on_cancel(move || drop(events.send(Event::Interrupted)));
        outbox.send(Channel::Stdin, "input_request", parent, json!({"prompt": prompt, "password": password}));
        match waiting.recv() {
            Ok(Event::Line(line)) => Ok(line),
            Ok(Event::Interrupted) | Err(_) => Err(InputError::Interrupted),
        }
    }
}
