//! The kernel's ends of a host's two pipes, read by one thread.

use std::io;
use std::os::fd::AsFd;
use std::process::{ChildStderr, ChildStdout};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// What [`Pipes::next_arrival`] has read.
pub enum Arrival {
    /// A whole line of the event pipe.
    Line(String),
    /// Some bytes of standard error.
    Errors(Vec<u8>),
    /// The host closed its event pipe: it has ended.
    End,
}

/// The host's standard output (events, by lines) and standard error (the cells', as it comes).
pub struct Pipes {
    events: ChildStdout,
    errors: Option<ChildStderr>,
    line: Vec<u8>,
    /// Bytes of `line` that are known to hold no newline.
    searched: usize,
}

impl Pipes {
    /// The ends of a new host.
    pub fn new(events: ChildStdout, errors: ChildStderr) -> Self {
        Self { events, errors: Some(errors), line: Vec::new(), searched: 0 }
    }

    /// Waits for the next arrival. Standard error that is there already comes first.
    pub fn next_arrival(&mut self) -> io::Result<Arrival> {
        self.wait(None)
    }

    /// As [`Pipes::next_arrival`], but fails with [`io::ErrorKind::TimedOut`] if nothing has arrived before `deadline`.
    pub fn next_before(&mut self, deadline: Instant) -> io::Result<Arrival> {
        self.wait(Some(deadline))
    }

    fn wait(&mut self, deadline: Option<Instant>) -> io::Result<Arrival> {
        loop {
            if let Some(bytes) = self.errors_now()? {
                return Ok(Arrival::Errors(bytes));
            }
            let unsearched = self.line.iter().skip(self.searched);
            if let Some(length) = unsearched.clone().position(|&byte| byte == b'\n') {
                let line = self.line.drain(..=self.searched + length).collect();
                self.searched = 0;
                return Ok(Arrival::Line(String::from_utf8(line).map_err(io::Error::other)?));
            }
            self.searched = self.line.len();
            let mut ready = vec![PollFd::new(&self.events, PollFlags::IN)];
            if let Some(errors) = &self.errors {
                ready.push(PollFd::new(errors, PollFlags::IN));
            }
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                return Err(io::ErrorKind::TimedOut.into());
            }
            let left = left.and_then(|left: Duration| Timespec::try_from(left).ok());
            match poll(&mut ready, left.as_ref()) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            if ready.first().is_some_and(|events| !events.revents().is_empty()) {
                let mut buffer = [0; 1 << 16];
                let count = rustix::io::retry_on_intr(|| rustix::io::read(&self.events, &mut buffer))?;
                if count == 0 {
                    return Ok(Arrival::End);
                }
                self.line.extend_from_slice(buffer.get(..count).unwrap_or_default());
            }
        }
    }

    /// Standard error that can be had without waiting.
    pub fn errors_now(&mut self) -> io::Result<Option<Vec<u8>>> {
        let Some(errors) = &self.errors else { return Ok(None) };
        let mut ready = [PollFd::from_borrowed_fd(errors.as_fd(), PollFlags::IN)];
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        if rustix::io::retry_on_intr(|| poll(&mut ready, Some(&now)))? == 0 {
            return Ok(None);
        }
        let mut buffer = vec![0; 1 << 16];
        let count = rustix::io::retry_on_intr(|| rustix::io::read(errors, &mut buffer))?;
        buffer.truncate(count);
        if buffer.is_empty() {
            self.errors = None;
            return Ok(None);
        }
        Ok(Some(buffer))
    }
}
