//! The process of evcxr.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crossbeam_channel::{Receiver, Select};
use evcxr::{CommandContext, EvalCallbacks};

use warpbook_rust_host::protocol::{self, CompilationError, Event, Failure, Label, Request};

/// Serves requests until standard input ends.
pub fn run() -> io::Result<()> {
    // Events go to what was standard output. Whatever else prints, in evcxr or below it, goes to standard error.
    let events = File::from(rustix::io::dup(io::stdout())?);
    rustix::stdio::dup2_stdout(io::stderr())?;
    let mut events = Events::new(events);
    // Before evcxr, which takes its time to start: the kernel need not wait to learn that it has the wrong program.
    events.write(&Event::Hello { protocol: protocol::VERSION })?;

    let requests = RefCell::new(io::stdin().lines());
    let next_request = || -> io::Result<Option<Request>> {
        let Some(line) = requests.borrow_mut().next().transpose()? else { return Ok(None) };
        Ok(Some(serde_json::from_str(&line)?))
    };
    let (mut context, outputs) = match CommandContext::new() {
        Ok(started) => started,
        Err(error) => {
            let failure = Failure::Start { message: error.to_string() };
            return events.write(&Event::Failed { failure });
        }
    };
    let channel = Channel { events: Mutex::new(events), stdout: outputs.stdout, stderr: outputs.stderr };
    let channel = Arc::new(channel);
    let pump = Arc::clone(&channel);
    std::thread::Builder::new().name("output".into()).spawn(move || pump.run())?;

    while let Some(request) = next_request()? {
        let event = match request {
            Request::Execute { code } => execute(&mut context, &code, &channel, &next_request),
            Request::Complete { code, offset } => complete(&mut context, &code, offset),
            // An answer that came too late.
            Request::Input { .. } => continue,
        };
        channel.lock().write(&event)?;
    }
    Ok(())
}

type NextRequest<'a> = dyn Fn() -> io::Result<Option<Request>> + 'a;

fn execute(context: &mut CommandContext, code: &str, channel: &Channel, next_request: &NextRequest<'_>) -> Event {
    // evcxr does not export the type of a request.
    let mut callbacks = EvalCallbacks {
        input_reader: &|request| read_input(request.prompt, request.is_password, channel, next_request),
    };
    match context.execute_with_callbacks(code, &mut callbacks) {
        Ok(outputs) => Event::Done { outputs: outputs.content_by_mime_type.into_iter().collect() },
        Err(error) => Event::Failed { failure: failure(error) },
    }
}

/// Asks the kernel for a line from the cell's reader; what does not come is empty.
fn read_input(prompt: String, password: bool, channel: &Channel, next_request: &NextRequest<'_>) -> String {
    if channel.lock().write(&Event::Input { prompt, password }).is_err() {
        return String::new();
    }
    match next_request() {
        Ok(Some(Request::Input { text })) => text,
        _ => String::new(),
    }
}

fn complete(context: &mut CommandContext, code: &str, offset: usize) -> Event {
    match context.completions(code, offset) {
        Ok(found) => Event::Completions {
            start: found.start_offset,
            end: found.end_offset,
            matches: found.completions.into_iter().map(|completion| completion.code).collect(),
        },
        Err(_) => Event::Completions { start: offset, end: offset, matches: Vec::new() },
    }
}

fn failure(error: evcxr::Error) -> Failure {
    match error {
        evcxr::Error::CompilationErrors(errors) => {
            Failure::Compilation { errors: errors.iter().map(compilation_error).collect() }
        }
        evcxr::Error::SubprocessTerminated(message) => Failure::Ended { message },
        error => Failure::Message { message: error.to_string() },
    }
}

fn compilation_error(error: &evcxr::CompilationError) -> CompilationError {
    let labels = error.spanned_messages().iter().filter_map(|message| {
        let span = message.span.as_ref()?;
        Some(Label {
            start: (span.start_line, span.start_column),
            end: (span.end_line, span.end_column),
            text: message.label.clone(),
            primary: message.is_primary,
        })
    });
    CompilationError {
        code: error.code().map(str::to_owned),
        message: error.message(),
        labels: labels.collect(),
        notes: error.evcxr_extra_hint().map(str::to_owned).into_iter().collect(),
        help: error.help(),
        rendered: error.rendered(),
    }
}

/// The way to the kernel, and what evcxr has received from the cells but not yet sent on.
struct Channel {
    events: Mutex<Events>,
    stdout: Receiver<String>,
    stderr: Receiver<String>,
}

impl Channel {
    /// Sends on what the cells print. evcxr's `execute` does not return before its channel is empty.
    fn run(&self) {
        let mut select = Select::new();
        select.recv(&self.stdout);
        loop {
            // Only waits: lines are taken under the lock, so that none is under way when an answer is written.
            select.ready();
            let mut events = self.lock();
            // Ready and yet empty: evcxr is gone, or the other side was faster.
            match self.stdout.try_recv() {
                Ok(line) => {
                    if events.stdout(line, &self.stdout).is_err() {
                        return;
                    }
                }
                Err(crossbeam_channel::TryRecvError::Empty) => {}
                Err(crossbeam_channel::TryRecvError::Disconnected) => return,
            }
        }
    }

    /// The events' end, after everything that was printed so far.
    fn lock(&self) -> MutexGuard<'_, Events> {
        let mut events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        if let Ok(line) = self.stdout.try_recv() {
            // If the kernel is gone, the next write says so too.
            let _ = events.stdout(line, &self.stdout);
        }
        let errors: String = self.stderr.try_iter().map(|line| line + "\n").collect();
        if !errors.is_empty() {
            let _ = events.write(&Event::Stderr { text: errors });
        }
        events
    }
}

struct Events(File);

impl Events {
    fn new(file: File) -> Self {
        Self(file)
    }

    fn write(&mut self, event: &Event) -> io::Result<()> {
        let mut line = serde_json::to_vec(event)?;
        line.push(b'\n');
        self.0.write_all(&line)
    }

    fn stdout(&mut self, first: String, more: &Receiver<String>) -> io::Result<()> {
        /// As much as one event should carry.
        const MOST_BYTES: usize = 1 << 16;
        let mut text = first + "\n";
        for line in more.try_iter() {
            text.push_str(&line);
            text.push('\n');
            if text.len() > MOST_BYTES {
                self.write(&Event::Stdout { text: std::mem::take(&mut text) })?;
            }
        }
        if text.is_empty() { Ok(()) } else { self.write(&Event::Stdout { text }) }
    }
}
