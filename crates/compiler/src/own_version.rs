//! The version of Triton in the reader's own environment, asked for once.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::environment;
use warpbook_diagnostic::{Diagnostic, Result};
use warpbook_ir::triton_version::TritonVersion;
use warpbook_process::cancel::Cancel;
use warpbook_process::question;

/// How often a waiting cell checks for an interrupt.
const POLL: Duration = Duration::from_millis(10);

/// The answer, which several threads may wait for. Clones share it.
#[derive(Clone, Default)]
pub struct OwnVersion(Arc<Mutex<State>>);

#[derive(Default)]
enum State {
    #[default]
    NotAsked,
    /// A thread waits for the interpreter; the token kills that interpreter.
    Asked(Cancel),
    /// A version; an error is reported once, and then the question is asked again.
    Answered(Result<String>),
}

impl OwnVersion {
    /// The version of Triton in the reader's own environment, or [`TritonVersion::DEFAULT`] if there is none. Fails at
    /// an interrupt, which kills an interpreter that has not answered, and if the interpreter never answers.
    pub fn get(&self, cancel: &Cancel) -> Result<String> {
        loop {
            let mut state = self.state();
            if let (State::Asked(token), true) = (&*state, cancel.is_cancelled()) {
                token.cancel();
                *state = State::NotAsked;
            }
            match &*state {
                State::Answered(Ok(version)) => return Ok(version.clone()),
                State::Answered(Err(error)) => {
                    let error = error.clone();
                    *state = State::NotAsked;
                    return Err(error);
                }
                State::NotAsked => {
                    cancel.check()?;
                    *state = State::Asked(self.ask()?);
                }
                State::Asked(_) => {
                    drop(state);
                    std::thread::sleep(POLL);
                }
            }
        }
    }

    /// Asks on a thread of its own; the token ends the question.
    fn ask(&self) -> Result<Cancel> {
        let token = Cancel::new();
        let (own, given_up) = (self.clone(), token.clone());
        let thread = std::thread::Builder::new().name("triton-version".into()).spawn(move || {
            let answer = find(&given_up);
            let mut state = own.state();
            // Another question may have been asked since.
            if !given_up.is_cancelled() {
                *state = State::Answered(answer);
            }
        });
        match thread {
            Ok(_) => Ok(token),
            Err(error) => Err(Diagnostic::error("internal", "no thread can be started").note(error.to_string())),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn find(cancel: &Cancel) -> Result<String> {
    let own = match environment::chosen() {
        Some(python) => environment::triton_version(&python, question::PATIENCE, cancel)?,
        None => None,
    };
    Ok(own.unwrap_or_else(|| TritonVersion::DEFAULT.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interrupt_gives_the_question_up() {
        let own = OwnVersion::default();
        let asked = Cancel::new();
        *own.state() = State::Asked(asked.clone());
        let cancel = Cancel::new();
        cancel.cancel();
        assert!(own.get(&cancel).expect_err("interrupted").is_interrupted());
        assert!(asked.is_cancelled(), "the interpreter is killed");
        assert!(matches!(*own.state(), State::NotAsked), "and asked again next time");
    }

    #[test]
    fn an_error_is_reported_once() {
        let own = OwnVersion::default();
        *own.state() = State::Answered(Err(Diagnostic::error("python-silent", "no answer")));
        assert_eq!(own.get(&Cancel::new()).expect_err("reported").code, "python-silent");
        assert!(matches!(*own.state(), State::NotAsked));
    }
}
