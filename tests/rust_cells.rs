//! Rust cells through the true evaluator: evcxr in its own process.
//!
//! The evaluator is built apart: `cargo build -p warpbook-rust-host --features evcxr`. Without it these tests say that
//! they are skipped; where `WARPBOOK_RUST_HOST` names one they must run.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use warpbook::frontend::{Frontend, InputError, Stream};
use warpbook::guest::{RustCells, find_host};
use warpbook::render::Output;
use warpbook_diagnostic::{Diagnostic, Result, Source};
use warpbook_process::cancel::Cancel;
use warpbook_test_support::skip_unless;

/// Keeps what a cell says, and tells when something came.
#[derive(Default)]
struct Reader {
    stdout: Mutex<String>,
    stderr: Mutex<String>,
    heard: Mutex<Option<Sender<()>>>,
}

impl Frontend for Reader {
    fn stream(&self, stream: Stream, text: &str) {
        let kept = match stream {
            Stream::Stdout => &self.stdout,
            Stream::Stderr => &self.stderr,
        };
        kept.lock().expect("kept").push_str(text);
        if let Some(heard) = self.heard.lock().expect("heard").take() {
            let _ = heard.send(());
        }
    }
    fn display(&self, _: &Output, _: Option<&str>) {}
    fn update_display(&self, _: &Output, _: &str) {}
    fn clear_output(&self, _: bool) {}
    fn set_next_input(&self, _: &str, _: bool) {}
    fn input(&self, prompt: &str, _: bool) -> Result<String, InputError> {
        Ok(format!("answer to {prompt}"))
    }
}

struct Cells {
    cells: RustCells,
    host: PathBuf,
    cancel: Cancel,
    reader: Arc<Reader>,
    /// The tests look for processes of this program: one test at a time.
    _alone: MutexGuard<'static, ()>,
}

impl Cells {
    /// None if there is no evaluator.
    fn new() -> Option<Self> {
        static ALONE: Mutex<()> = Mutex::new(());
        let host = find_host(Path::new(env!("CARGO_BIN_EXE_warpbook")));
        let help = "`cargo build -p warpbook-rust-host --features evcxr`";
        let host = skip_unless("rust-cells", host.is_some(), help).then_some(host).flatten()?;
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let cells = RustCells::with_host(&host);
        Some(Self { cells, host, cancel: Cancel::new(), reader: Arc::default(), _alone: alone })
    }

    fn run(&mut self, code: &str) -> Result<Option<Output>> {
        self.cancel.reset();
        self.cells.evaluate(&Source::new("cell", code), &*self.reader, &self.cancel)
    }

    fn value(&mut self, code: &str) -> String {
        self.run(code).unwrap_or_else(|error| panic!("{error}")).expect("a value").text
    }

    fn nothing(&mut self, code: &str) {
        assert_eq!(self.run(code).unwrap_or_else(|error| panic!("{error}")), None);
    }

    fn error(&mut self, code: &str) -> Diagnostic {
        self.run(code).expect_err("the cell fails")
    }

    fn stdout(&self) -> String {
        std::mem::take(&mut *self.reader.stdout.lock().expect("stdout"))
    }

    fn stderr(&self) -> String {
        std::mem::take(&mut *self.reader.stderr.lock().expect("stderr"))
    }

    /// Runs `code` and calls `meanwhile` once it has printed something.
    fn during<R: Send>(
        &mut self,
        code: &str,
        meanwhile: impl FnOnce(&Cancel) -> R + Send,
    ) -> (Result<Option<Output>>, R) {
        let (heard, printed) = channel();
        *self.reader.heard.lock().expect("heard") = Some(heard);
        let cancel = self.cancel.clone();
        std::thread::scope(|scope| {
            let other = scope.spawn(move || {
                printed.recv_timeout(Duration::from_secs(120)).expect("the cell prints");
                meanwhile(&cancel)
            });
            let outcome = self.run(code);
            (outcome, other.join().expect("joined"))
        })
    }
}

/// The living processes of `host`, wherever they were reparented to: the evaluator, its relay, the runtime.
fn processes(host: &Path) -> Vec<Pid> {
    let host = host.canonicalize().expect("the host");
    let ids = std::fs::read_dir("/proc").expect("processes").flatten();
    let ids = ids.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    ids.filter(|id| std::fs::read_link(format!("/proc/{id}/exe")).is_ok_and(|program| program == host))
        .filter_map(Pid::from_raw)
        .collect()
}

/// The one that evcxr did not mark as a runtime.
fn evaluator(host: &Path) -> Pid {
    let is_evaluator = |process: &Pid| {
        std::fs::read(format!("/proc/{}/environ", process.as_raw_nonzero())).is_ok_and(|environment| {
            !environment.split(|&byte| byte == 0).any(|variable| variable == b"EVCXR_IS_RUNTIME=1")
        })
    };
    processes(host).into_iter().find(is_evaluator).expect("an evaluator")
}

/// Killed processes need a moment to go.
fn nothing_is_left(host: &Path) -> bool {
    let deadline = Instant::now() + Duration::from_secs(10);
    while Instant::now() < deadline {
        if processes(host).is_empty() {
            return true;
        }
        std::thread::yield_now();
    }
    false
}

#[test]
fn cells_share_state_and_say_what_is_wrong() {
    let Some(mut cells) = Cells::new() else { return };
    cells.nothing("let mut numbers = vec![1, 2, 3];\nfn double(x: i32) -> i32 { 2 * x }");
    cells.nothing("numbers.push(double(21));");
    assert_eq!(cells.value("numbers.iter().sum::<i32>()"), "48");

    // Output of both streams, and a line without its end.
    cells.nothing("println!(\"to out\"); eprint!(\"to err\"); print!(\"unfinished\");");
    assert_eq!(cells.stdout(), "to out\nunfinished\n");
    assert_eq!(cells.stderr(), "to err");
    cells.nothing("for i in 0..2000 { println!(\"{i} {}\", \"x\".repeat(100)); }");
    assert_eq!(cells.stdout().lines().count(), 2000);

    // The compiler's error, at its place in the cell.
    let error = cells.error("let fine = 1;\nlet ö = 2; let wrong: i32 = \"text\";");
    assert!(error.message.contains("mismatched types (E0308)"), "{error}");
    let source = error.source.as_ref().expect("the cell");
    let label = error.labels.iter().find(|label| label.primary).expect("a place");
    assert_eq!(source.text.get(label.span.clone()), Some("\"text\""), "{error}");
    assert_eq!(cells.error("let x = unknown_name;").code, "rust");
    assert_eq!(cells.value("numbers.len()"), "4");

    // A panic is an error of the cell, and leaves the variables.
    let error = cells.error("let i = 7;\nnumbers.get(i).copied().expect(\"an element\");");
    assert_eq!((error.code, error.message.as_str()), ("rust-panic", "panicked: an element"), "{error}");
    assert!(error.to_plain().contains("2 | numbers.get(i).copied().expect"), "{error}");
    assert_eq!(cells.value("numbers.len()"), "4");
    cells.nothing("let caught = std::panic::catch_unwind(|| panic!(\"caught\")).is_err();");
    assert!(cells.stderr().contains("caught"));

    // So is an error that `?` meets.
    let error = cells.error("let n: i32 = \"twelve\".parse::<i32>()?;");
    assert_eq!((error.code, error.message.as_str()), ("rust-error", "invalid digit found in string"), "{error}");

    // A value with more faces than text.
    let html = cells.run(
        "struct Bold;\nimpl Bold { fn evcxr_display(&self) {\n\
         println!(\"EVCXR_BEGIN_CONTENT text/html\\n<b>x</b>\\nEVCXR_END_CONTENT\"); } }\nBold",
    );
    let html = html.unwrap_or_else(|error| panic!("{error}")).expect("a value").html;
    assert_eq!(html.as_deref(), Some("<b>x</b>"));

    // evcxr's commands.
    assert!(cells.value(":vars").contains("numbers"));
    assert!(cells.error(":no_such_command").message.contains("no_such_command"));

    let completions = cells.cells.complete("numbers.le", 10);
    assert!(completions.matches.iter().any(|name| name.starts_with("len")), "{completions:?}");
}

#[test]
fn an_endless_cell_is_interrupted() {
    let Some(mut cells) = Cells::new() else { return };
    cells.nothing("let kept = 1;");
    let (outcome, asked) = cells.during("println!(\"running\"); loop { std::hint::spin_loop(); }", |cancel| {
        let asked = Instant::now();
        cancel.cancel();
        asked
    });
    // The bound that is promised; a kill takes milliseconds.
    assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
    let error = outcome.expect_err("interrupted");
    assert!(error.is_interrupted(), "{error}");
    assert!(error.to_plain().contains("variables"), "{error}");
    assert_eq!(cells.stdout(), "running\n");
    assert!(nothing_is_left(&cells.host));
    assert_eq!(cells.error("kept").code, "rust");
    assert_eq!(cells.value("40 + 2"), "42");
}

#[test]
fn a_killed_evaluator_is_replaced() {
    let Some(mut cells) = Cells::new() else { return };
    // The cell's own process: evcxr goes on, the variables are gone.
    let error = cells.error("let lost = 1; std::process::abort();");
    assert_eq!(error.code, "rust-process-ended", "{error}");
    cells.nothing("fn kept() -> i32 { 42 }");

    let host = cells.host.clone();
    let (outcome, ()) = cells.during("println!(\"running\"); loop { std::hint::spin_loop(); }", |_| {
        kill_process(evaluator(&host), Signal::KILL).expect("killed");
    });
    assert_eq!(outcome.expect_err("killed").code, "rust-host-ended");
    assert!(nothing_is_left(&cells.host));

    assert_eq!(cells.error("kept()").code, "rust");
    assert_eq!(cells.value("\"alive\".len()"), "5");
    kill_process(evaluator(&host), Signal::KILL).expect("killed between cells");
    assert_eq!(cells.error("1").code, "rust-host-ended");
    assert_eq!(cells.value("1"), "1");

    cells.cells.reset();
    assert!(nothing_is_left(&cells.host));
}
