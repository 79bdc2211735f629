//! The session's own thread: shell requests in order, one at a time.

use std::any::Any;
use std::collections::{HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::mpsc::Receiver;

use jupyter_protocol::{
    CommId, CommInfoReply, CompleteReply, CompleteRequest, ExecuteReply, ExecuteRequest, ExecutionCount,
    ExpressionResult, HistoryReply, InspectReply, InspectRequest, IsCompleteReply, JupyterMessageContent,
};
use serde_json::{Map, Value, json};

use super::cell::CellFrontend;
use super::evaluator::Evaluator;
use super::history::History;
use super::interrupt::Interrupter;
use super::log;
use super::outbox::{Channel, Outbox, Parent};
use super::stdin::Stdin;
use crate::diagnostic::{Diagnostic, Result};
use crate::session::Completeness;
use crate::wire::content;

/// A shell request, read and checked.
pub struct Request {
    /// Its type, for what is not known.
    pub msg_type: String,
    /// What its answers refer to.
    pub parent: Parent,
    /// What it asks.
    pub content: JupyterMessageContent,
}

/// Answers shell requests with an evaluator.
pub struct Executor<E> {
    evaluator: E,
    outbox: Outbox,
    stdin: Stdin,
    interrupter: Interrupter,
    history: History,
    count: usize,
}

impl<E: Evaluator> Executor<E> {
    /// An executor that has run nothing yet.
    pub fn new(evaluator: E, outbox: Outbox, stdin: Stdin, interrupter: Interrupter) -> Self {
        Self { evaluator, outbox, stdin, interrupter, history: History::default(), count: 0 }
    }

    /// Answers requests until their senders are gone.
    pub fn run(mut self, requests: &Receiver<Request>) {
        let mut waiting = VecDeque::new();
        // How many of the waiting requests came before a cell failed that stops those after it.
        let mut aborting = 0_usize;
        loop {
            let Some(request) = waiting.pop_front().or_else(|| requests.recv().ok()) else { return };
            let aborted = aborting > 0;
            aborting = aborting.saturating_sub(1);
            if !self.answer(request, aborted) {
                waiting.extend(requests.try_iter());
                aborting = waiting.len();
            }
        }
    }

    /// Answers one request, between busy and idle. `false`: the execute requests that wait are to be aborted.
    fn answer(&mut self, request: Request, aborted: bool) -> bool {
        let Request { msg_type, parent, content } = request;
        let runs = matches!(content, JupyterMessageContent::ExecuteRequest(_)) && !aborted;
        if runs {
            self.interrupter.cell_starts();
        }
        self.outbox.status("busy", &parent);
        let mut go_on = true;
        let reply = match content {
            JupyterMessageContent::ExecuteRequest(_) if aborted => {
                Some(("execute_reply", content::execute_aborted(self.count)))
            }
            JupyterMessageContent::ExecuteRequest(request) => {
                let (reply, succeeded) = self.execute(&request, &parent);
                go_on = succeeded || !request.stop_on_error;
                Some(("execute_reply", reply))
            }
            JupyterMessageContent::KernelInfoRequest(_) => Some(("kernel_info_reply", content::kernel_info())),
            JupyterMessageContent::CompleteRequest(request) => Some(("complete_reply", self.complete(&request))),
            JupyterMessageContent::InspectRequest(request) => Some(("inspect_reply", self.inspect(&request))),
            JupyterMessageContent::IsCompleteRequest(request) => {
                Some(("is_complete_reply", self.is_complete(&request.code)))
            }
            JupyterMessageContent::HistoryRequest(request) => {
                Some(("history_reply", content::to_json(&HistoryReply::new(self.history.answer(&request)))))
            }
            // The kernel opens no comms and knows no targets.
            JupyterMessageContent::CommInfoRequest(_) => {
                Some(("comm_info_reply", content::to_json(&CommInfoReply::default())))
            }
            JupyterMessageContent::CommOpen(open) => {
                let CommId(id) = open.comm_id;
                self.outbox.send(Channel::Iopub, "comm_close", &parent, json!({"comm_id": id, "data": {}}));
                None
            }
            JupyterMessageContent::CommMsg(_) | JupyterMessageContent::CommClose(_) => None,
            _ => {
                log(format_args!("no answer to `{msg_type}` on shell"));
                None
            }
        };
        if let Some((msg_type, content)) = reply {
            self.outbox.send(Channel::Shell, msg_type, &parent, content);
        }
        if runs {
            self.interrupter.cell_ends();
        }
        self.outbox.status("idle", &parent);
        go_on
    }

    fn execute(&mut self, request: &ExecuteRequest, parent: &Parent) -> (Value, bool) {
        let stored = request.store_history && !request.silent;
        if stored {
            self.count += 1;
            self.history.store(self.count, &request.code);
        }
        let count = self.count;
        if !request.silent {
            let content = json!({"code": request.code, "execution_count": count});
            self.outbox.send(Channel::Iopub, "execute_input", parent, content);
        }
        let frontend = CellFrontend {
            outbox: &self.outbox,
            parent,
            silent: request.silent,
            stdin: request.allow_stdin.then_some(&self.stdin),
            cancel: self.interrupter.cancel(),
            payloads: Mutex::default(),
        };
        let evaluator = &mut self.evaluator;
        let result = guarded(|| evaluator.execute(&request.code, &frontend, self.interrupter.cancel()));
        match result {
            Ok(output) => {
                let payload = frontend.take_payloads();
                if let Some(output) = output.filter(|_| !request.silent) {
                    let content = content::execute_result(&output, count);
                    self.outbox.send(Channel::Iopub, "execute_result", parent, content);
                    if stored {
                        self.history.store_output(&output.text);
                    }
                }
                let user_expressions = self.user_expressions(request);
                let reply = ExecuteReply {
                    execution_count: ExecutionCount(count),
                    payload,
                    user_expressions: Some(user_expressions),
                    ..ExecuteReply::default()
                };
                (content::to_json(&reply), true)
            }
            Err(diagnostic) => {
                let error = content::error(&diagnostic);
                if !request.silent {
                    self.outbox.send(Channel::Iopub, "error", parent, content::to_json(&error));
                }
                (content::execute_error(&error, count), false)
            }
        }
    }

    fn user_expressions(&mut self, request: &ExecuteRequest) -> HashMap<String, ExpressionResult> {
        let cancel = self.interrupter.cancel();
        let evaluator = &mut self.evaluator;
        let mut evaluate = |expression: &str| match guarded(|| evaluator.evaluate(expression, cancel)) {
            Ok(output) => ExpressionResult::Ok { data: content::media(&output), metadata: Map::new() },
            Err(diagnostic) => {
                let error = content::error(&diagnostic);
                ExpressionResult::Error { ename: error.ename, evalue: error.evalue, traceback: error.traceback }
            }
        };
        let expressions = request.user_expressions.iter().flatten();
        expressions.map(|(name, expression)| (name.clone(), evaluate(expression))).collect()
    }

    fn complete(&mut self, request: &CompleteRequest) -> Value {
        let cursor = content::byte_offset(&request.code, request.cursor_pos);
        let evaluator = &mut self.evaluator;
        match guarded(|| Ok(evaluator.complete(&request.code, cursor))) {
            Ok(completion) => {
                let span = content::code_points(&request.code, &completion.span);
                content::to_json(&CompleteReply {
                    matches: completion.matches,
                    cursor_start: span.start,
                    cursor_end: span.end,
                    ..CompleteReply::default()
                })
            }
            Err(diagnostic) => error_reply(&diagnostic),
        }
    }

    fn inspect(&mut self, request: &InspectRequest) -> Value {
        let cursor = content::byte_offset(&request.code, request.cursor_pos);
        let detail = u8::from(request.detail_level.unwrap_or(0) > 0);
        let evaluator = &mut self.evaluator;
        match guarded(|| Ok(evaluator.inspect(&request.code, cursor, detail))) {
            Ok(found) => content::to_json(&InspectReply {
                found: found.is_some(),
                data: found.as_ref().map(content::media).unwrap_or_default(),
                ..InspectReply::default()
            }),
            Err(diagnostic) => error_reply(&diagnostic),
        }
    }

    fn is_complete(&self, code: &str) -> Value {
        let reply = match guarded(|| Ok(self.evaluator.is_complete(code))) {
            Ok(Completeness::Complete) => IsCompleteReply::complete(),
            Ok(Completeness::Incomplete(indent)) => IsCompleteReply::incomplete(indent),
            Ok(Completeness::Invalid) => IsCompleteReply::invalid(),
            Err(_) => IsCompleteReply::unknown(),
        };
        content::to_json(&reply)
    }
}

fn error_reply(diagnostic: &Diagnostic) -> Value {
    let mut reply = content::to_json(&content::error(diagnostic));
    reply["status"] = json!("error");
    reply
}

/// Runs a part of the session; a panic in it becomes an error, and the session goes on.
fn guarded<T>(call: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|panic| Err(Box::new(panicked(panic.as_ref()))))
}

fn panicked(panic: &(dyn Any + Send)) -> Diagnostic {
    let text = panic.downcast_ref::<&str>().copied().or(panic.downcast_ref::<String>().map(String::as_str));
    Diagnostic::error("internal-error", format!("Warpbook itself failed: {}", text.unwrap_or("no message")))
        .note("the session goes on; what this cell was changing may be half done")
        .help("please report this with the cell's text")
}
