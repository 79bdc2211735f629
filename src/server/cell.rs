//! The reader of one running cell: [`Frontend`] over the outbox.

use std::sync::{Mutex, PoisonError};

use jupyter_protocol::Payload;
use serde_json::json;

use super::outbox::{Channel, Outbox, Parent};
use super::stdin::Stdin;
use crate::frontend::{Frontend, InputError, Stream};
use crate::render::Output;
use crate::wire::content;
use warpbook_process::cancel::Cancel;

/// What a cell says goes to iopub with the cell's request as its parent; payloads wait for the reply.
pub struct CellFrontend<'a> {
    /// Where it all goes.
    pub outbox: &'a Outbox,
    /// The cell's request.
    pub parent: &'a Parent,
    /// Nothing is to be shown.
    pub silent: bool,
    /// The way to ask, if the client answers.
    pub stdin: Option<&'a Stdin>,
    /// The cell's interrupt.
    pub cancel: &'a Cancel,
    /// For the reply.
    pub payloads: Mutex<Vec<Payload>>,
}

impl CellFrontend<'_> {
    /// Takes the payloads that the cell left.
    pub fn take_payloads(&self) -> Vec<Payload> {
        std::mem::take(&mut *self.payloads.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn publish(&self, msg_type: &str, content: serde_json::Value) {
        if !self.silent {
            self.outbox.send(Channel::Iopub, msg_type, self.parent, content);
        }
    }

    fn add_payload(&self, payload: Payload) {
        self.payloads.lock().unwrap_or_else(PoisonError::into_inner).push(payload);
    }
}

impl Frontend for CellFrontend<'_> {
    fn stream(&self, stream: Stream, text: &str) {
        if !self.silent {
            self.outbox.stream(stream, text, self.parent);
        }
    }

    fn display(&self, output: &Output, display_id: Option<&str>) {
        self.publish("display_data", content::display_data(output, display_id));
    }

    fn update_display(&self, output: &Output, display_id: &str) {
        self.publish("update_display_data", content::update_display_data(output, display_id));
    }

    fn clear_output(&self, wait: bool) {
        self.publish("clear_output", json!({"wait": wait}));
    }

    fn set_next_input(&self, text: &str, replace: bool) {
        self.add_payload(Payload::SetNextInput { text: text.to_owned(), replace });
    }

    fn page(&self, output: &Output) {
        self.add_payload(Payload::Page { data: content::media(output), start: 0 });
    }

    fn input(&self, prompt: &str, password: bool) -> Result<String, InputError> {
        match self.stdin {
            Some(stdin) => stdin.ask(self.outbox, self.parent, prompt, password, self.cancel),
            None => Err(InputError::NotAllowed),
        }
    }
}
