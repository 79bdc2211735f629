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
use super::log::log;
use super::outbox::{Channel, Outbox, Parent};
use super::stdin::Stdin;
use crate::session::Completeness;
use crate::wire::content;
use warpbook_diagnostic::{Diagnostic, Result};

/// A shell request, read and checked.
pub struct Request {
    /// Its type, for what is not known.
    pub msg_type: String,
    /// What its answers refer to.
    pub parent: Parent,
    /// What it asks.
    pub content: JupyterMessageContent,
}

/// The requests that wait.
struct Queue {
    requests: Receiver<Request>,
    waiting: VecDeque<Request>,
    /// How many of those in `waiting` came before a cell failed that stops the ones after it.
    aborting: usize,
}

impl Queue {
    /// The next request, and whether it was aborted, should it want to run a cell.
    fn next(&mut self) -> Option<(Request, bool)> {
        let request = self.waiting.pop_front().or_else(|| self.requests.recv().ok())?;
        let aborted = self.aborting > 0;
        self.aborting = self.aborting.saturating_sub(1);
        Some((request, aborted))
    }

    /// Aborts the cells that wait. Called before the client hears of the failure: what it sends then is to run.
    fn abort(&mut self) {
        self.waiting.extend(self.requests.try_iter());
        self.aborting = self.waiting.len();
    }
}

/// Answers shell requests with an evaluator.
pub struct Executor<E> {
    evaluator: E,
    queue: Queue,
    outbox: Outbox,
    stdin: Stdin,
    interrupter: Interrupter,
    history: History,
    count: usize,
}

impl<E: Evaluator> Executor<E> {
    /// An executor that has run nothing yet.
    pub fn new(
        evaluator: E,
        requests: Receiver<Request>,
        outbox: Outbox,
        stdin: Stdin,
        interrupter: Interrupter,
    ) -> Self {
        let queue = Queue { requests, waiting: VecDeque::new(), aborting: 0 };
        Self { evaluator, queue, outbox, stdin, interrupter, history: History::default(), count: 0 }
    }

    /// Answers requests until their senders are gone.
    pub fn run(mut self) {
        while let Some((request, aborted)) = self.queue.next() {
            self.answer(request, aborted);
        }
    }

    /// Answers one request, between busy and idle.
    fn answer(&mut self, request: Request, aborted: bool) {
        let Request { msg_type, parent, content } = request;
        let runs = matches!(content, JupyterMessageContent::ExecuteRequest(_)) && !aborted;
        if runs {
            self.interrupter.cell_starts();
        }
        self.outbox.status("busy", &parent);
        let reply = match content {
            JupyterMessageContent::ExecuteRequest(_) if aborted => {
                Some(("execute_reply", content::execute_aborted(self.count)))
            }
            JupyterMessageContent::ExecuteRequest(request) => {
                let reply = self.execute(&request, &parent);
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
    }

    fn execute(&mut self, request: &ExecuteRequest, parent: &Parent) -> Value {
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
                content::to_json(&reply)
            }
            Err(diagnostic) => {
                if request.stop_on_error {
                    self.queue.abort();
                }
                let error = content::error(&diagnostic);
                if !request.silent {
                    self.outbox.send(Channel::Iopub, "error", parent, content::to_json(&error));
                }
                content::execute_error(&error, count)
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
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|panic| Err(panicked(panic.as_ref())))
}

fn panicked(panic: &(dyn Any + Send)) -> Diagnostic {
    let text = panic.downcast_ref::<&str>().copied().or(panic.downcast_ref::<String>().map(String::as_str));
    Diagnostic::error("internal-error", format!("Warpbook itself failed: {}", text.unwrap_or("no message")))
        .note("the session continues; what this cell was changing may be incomplete")
        .help("please report this with the cell's text")
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;
    use crate::frontend::Frontend;
    use crate::render::Output;
    use crate::session::Completion;
    use warpbook_process::cancel::Cancel;

    /// Every cell fails.
    struct Failing;

    impl Evaluator for Failing {
        fn execute(&mut self, cell: &str, _: &dyn Frontend, _: &Cancel) -> Result<Option<Output>> {
            Err(Diagnostic::error("failed", cell))
        }
        fn evaluate(&mut self, expression: &str, _: &Cancel) -> Result<Output> {
            Ok(Output::text(expression))
        }
        fn complete(&mut self, _: &str, cursor: usize) -> Completion {
            Completion { span: cursor..cursor, matches: Vec::new() }
        }
        fn inspect(&mut self, _: &str, _: usize, _: u8) -> Option<Output> {
            None
        }
        fn is_complete(&self, _: &str) -> Completeness {
            Completeness::Complete
        }
    }

    #[tokio::test]
    async fn a_failed_cell_aborts_those_that_wait_and_nothing_else() {
        let (requests, queue) = channel();
        let cell = |code: &str, stop_on_error| {
            JupyterMessageContent::ExecuteRequest(ExecuteRequest {
                code: code.to_owned(),
                stop_on_error,
                ..ExecuteRequest::default()
            })
        };
        let asked = [
            cell("goes on", false),
            cell("stops", true),
            cell("waits", true),
            JupyterMessageContent::KernelInfoRequest(Default::default()),
            cell("waits too", true),
        ];
        for content in asked {
            let request = Request { msg_type: String::new(), parent: Parent::none(), content };
            requests.send(request).expect("queued");
        }
        drop(requests);
        let outbox = Outbox::new("s");
        Executor::new(Failing, queue, outbox.clone(), Stdin::new(), Interrupter::default()).run();
        outbox.close();
        let mut statuses = Vec::new();
        while let Some((channel, message)) = outbox.next().await {
            if channel == Channel::Shell {
                statuses.push(message.content["status"].as_str().unwrap_or_default().to_owned());
            }
        }
        assert_eq!(statuses, ["error", "error", "aborted", "ok", "aborted"]);
    }
}
