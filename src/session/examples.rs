//! Every example of every magic, run in a session of its own.

use super::Session;
use crate::frontend::{Frontend, InputError, Stream};
use crate::magics::registry::specs;
use crate::magics::{Example, Needs};
use crate::render::Output;
use std::sync::{Mutex, PoisonError};
use warpbook_compiler::environment;
use warpbook_diagnostic::Result;
use warpbook_process::cancel::Cancel;

/// Collects what a cell shows.
#[derive(Default)]
struct Shown(Mutex<String>);

impl Shown {
    fn add(&self, text: &str) {
        let mut shown = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        shown.push_str(text);
        shown.push('\n');
    }
}

impl Frontend for Shown {
    fn stream(&self, _: Stream, text: &str) {
        self.add(text);
    }
    fn display(&self, output: &Output, _: Option<&str>) {
        self.add(&output.text);
    }
    fn update_display(&self, output: &Output, _: &str) {
        self.add(&output.text);
    }
    fn clear_output(&self, _: bool) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
    fn set_next_input(&self, text: &str, _: bool) {
        self.add(text);
    }
    fn page(&self, output: &Output) {
        self.add(&output.text);
    }
    fn input(&self, _: &str, _: bool) -> Result<String, InputError> {
        Err(InputError::NotAllowed)
    }
}

/// What a cell shows, or its error. Files are those of a folder of the test's own.
fn run(session: &mut Session, cell: &str, folder: &str) -> String {
    let cell = cell.replace(" a.npy", &format!(" {folder}/a.npy")).replace(" all.", &format!(" {folder}/all."));
    let shown = Shown::default();
    match session.execute(&cell, &shown, &Cancel::new()) {
        Ok(result) => result.iter().for_each(|output| shown.add(&output.text)),
        Err(error) => shown.add(&format!("{cell}\n{error}")),
    }
    shown.0.into_inner().unwrap_or_else(PoisonError::into_inner)
}

fn check(wanted: impl Fn(Needs) -> bool) {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path().to_str().expect("a path");
    let mut problems = Vec::new();
    for need in Needs::ALL.into_iter().filter(|need| wanted(*need)) {
        for spec in specs() {
            let examples: Vec<&Example> = spec.examples.iter().filter(|example| example.needs == need).collect();
            if examples.is_empty() {
                continue;
            }
            let mut session = Session::new();
            if need.is_triton() {
                run(&mut session, "%triton 3.4", folder);
            }
            let setup = need.cells().iter().map(|cell| run(&mut session, cell, folder));
            let failed = setup.filter(|shown| shown.contains("error["));
            problems.extend(failed);
            for Example { cell, shows, .. } in examples {
                let shown = run(&mut session, cell, folder);
                if !shown.contains(shows) || shown.contains("error[") {
                    problems.push(format!("{cell}\ndoes not show `{shows}`, but\n{shown}"));
                }
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn examples_show_what_they_promise() {
    check(|need| !need.is_triton() && !matches!(need, Needs::Gpu | Needs::Profiler));
}

#[test]
fn examples_of_triton_show_what_they_promise() {
    if !environment::managed().iter().any(|(version, _)| version == "3.4.0") {
        println!("skipped: Triton 3.4.0 is not installed (`%triton 3.4.0` and a `%%triton` cell install it)");
        return;
    }
    check(Needs::is_triton);
}
