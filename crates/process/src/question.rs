//! Short questions to other programs: what is its version, what does it find. A program that does not answer is killed.

use std::io::Read;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::channel;
use std::time::Duration;

use crate::cancel::Cancel;
use crate::child::ChildProcess;

/// How long a program may take to answer. Python on a slow disk takes seconds.
pub const PATIENCE: Duration = Duration::from_secs(20);
/// Most bytes of an answer: what is beyond is not read.
const MOST: u64 = 1 << 20;

/// A program's answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// What it wrote to its standard output, as far as it is text.
    pub output: String,
    /// What it wrote to its standard error, as far as it is text.
    pub errors: String,
    /// How it ended.
    pub status: ExitStatus,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum NoAnswer {
    /// The program cannot be started.
    #[error("{0}")]
    NotStarted(#[from] std::io::Error),
    /// It took longer than it may, and was killed.
    #[error("it did not answer within {} seconds", .0.as_secs_f32())]
    Silent(Duration),
    /// The reader interrupted the cell, and it was killed.
    #[error("interrupted")]
    Interrupted,
}

/// What the waiting thread hears.
enum Event {
    Ended(std::io::Result<Answer>),
    Interrupted,
}

/// Runs a program without input to its end, and kills its process group at an interrupt or when the time is over.
pub fn ask(mut command: Command, limit: Duration, cancel: &Cancel) -> Result<Answer, NoAnswer> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = ChildProcess::spawn(command)?;
    let killer = child.killer();
    let (sender, events) = channel();
    let interrupted = sender.clone();
    let _interrupt = cancel.on_cancel({
        let killer = killer.clone();
        move || {
            // Told first: the end that the signal brings is no answer.
            let _ = interrupted.send(Event::Interrupted);
            killer.kill();
        }
    });
    let read = |pipe: Option<Box<dyn Read + Send>>| {
        let mut bytes = Vec::new();
        if let Some(pipe) = pipe {
            let _ = pipe.take(MOST).read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let output = child.take_stdout().map(|pipe| Box::new(pipe) as Box<dyn Read + Send>);
    let errors = child.take_stderr().map(|pipe| Box::new(pipe) as Box<dyn Read + Send>);
    // The threads end with the pipes, which a process that left the group may hold open: nobody waits for them then.
    std::thread::Builder::new().name("question".into()).spawn(move || {
        let errors = std::thread::Builder::new().name("question-errors".into()).spawn(move || read(errors));
        let output = read(output);
        let errors = errors.map(|errors| errors.join().unwrap_or_default()).unwrap_or_default();
        let answer = child.wait().map(|status| Answer { output, errors, status });
        let _ = sender.send(Event::Ended(answer));
    })?;
    match events.recv_timeout(limit) {
        Ok(Event::Ended(answer)) => Ok(answer?),
        Ok(Event::Interrupted) => Err(NoAnswer::Interrupted),
        Err(_) => {
            killer.kill();
            Err(NoAnswer::Silent(limit))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn a_program_that_answers_is_heard() {
        let answer = ask(shell("echo yes; echo no >&2; exit 3"), PATIENCE, &Cancel::new()).expect("an answer");
        assert_eq!((answer.output.as_str(), answer.errors.as_str()), ("yes\n", "no\n"));
        assert_eq!(answer.status.code(), Some(3));
        assert!(matches!(ask(Command::new("/not/here"), PATIENCE, &Cancel::new()), Err(NoAnswer::NotStarted(_))));
    }

    #[test]
    fn a_program_that_does_not_answer_is_killed() {
        // It ignores what asks politely, and so does its child.
        let script = "trap '' INT TERM; sleep 1000 & sleep 1000; sleep 1000";
        let silent = ask(shell(script), Duration::from_millis(50), &Cancel::new());
        assert!(matches!(silent, Err(NoAnswer::Silent(_))), "{silent:?}");
    }

    #[test]
    fn an_interrupt_ends_the_wait() {
        let cancel = Cancel::new();
        cancel.cancel();
        let day = Duration::from_secs(86_400);
        // One that left the group holds the pipe open.
        let interrupted = ask(shell("setsid sleep 5 & sleep 1000"), day, &cancel);
        assert!(matches!(interrupted, Err(NoAnswer::Interrupted)), "{interrupted:?}");
    }
}
