//! Building the host of Rust cells with cargo, with progress and an interrupt.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use warpbook_diagnostic::{Diagnostic, Result};
use warpbook_process::cancel::Cancel;
use warpbook_process::child::ChildProcess;
use warpbook_rust_host::pipes::{Arrival, Pipes};

use super::tools::search_path;
use crate::frontend::Frontend;
use crate::render::Output;

/// What a person runs in a checkout of Warpbook's sources to build the host.
pub const COMMAND: &str = "cargo build --profile rust-host -p warpbook-rust-host --features evcxr";

/// The work of a build in seconds of one core: 205 s on two cores of an AMD EPYC, crates downloaded.
const CORE_SECONDS: f64 = 410.0;
/// Seconds that a build takes however many cores there are, since crates wait for each other: an estimate.
const CHAIN_SECONDS: f64 = 180.0;
/// Megabytes of crates that the kernel's own build has not downloaded.
const DOWNLOAD_MB: u32 = 15;
/// Megabytes that a build leaves in cargo's target directory.
const TARGET_MB: u32 = 610;

/// A checkout of Warpbook's sources.
pub struct Checkout(PathBuf);

impl Checkout {
    /// The checkout that this program was built from, if it is still there.
    pub fn find() -> Option<Self> {
        let sources = Path::new(env!("CARGO_MANIFEST_DIR"));
        sources.join("crates/rust-host/Cargo.toml").is_file().then(|| Self(sources.to_owned()))
    }
}

/// What a build takes, in a sentence.
pub fn cost() -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    #[expect(clippy::cast_precision_loss, reason = "a number of cores")]
    let seconds = (CORE_SECONDS / cores as f64).max(CHAIN_SECONDS);
    format!(
        "about {:.0} minutes on this machine's {cores} cores, {DOWNLOAD_MB} MB to download and {TARGET_MB} MB of disk",
        (seconds / 60.0).ceil()
    )
}

/// The output of a cell that waits for a build: a text that is replaced at most ten times a second.
pub struct Progress<'a> {
    frontend: &'a dyn Frontend,
    start: Instant,
    id: String,
    /// When the text was last replaced; none before the first.
    shown: Cell<Option<Instant>>,
    last: RefCell<String>,
}

impl<'a> Progress<'a> {
    /// Progress with nothing shown yet.
    pub fn new(frontend: &'a dyn Frontend) -> Self {
        let id = uuid::Uuid::new_v4().to_string();
        Self { frontend, start: Instant::now(), id, shown: Cell::new(None), last: RefCell::default() }
    }

    /// Shows `text` in the place of what was shown before.
    pub fn show(&self, text: &str) {
        if *self.last.borrow() == text {
            return;
        }
        text.clone_into(&mut self.last.borrow_mut());
        let output = Output::text(text);
        if self.shown.replace(Some(Instant::now())).is_none() {
            self.frontend.display(&output, Some(&self.id));
        } else {
            self.frontend.update_display(&output, &self.id);
        }
    }

    /// Shows how far cargo is, unless something was shown a moment ago.
    fn show_step(&self, introduction: &str, step: &Step) {
        const INTERVAL: Duration = Duration::from_millis(100);
        if self.shown.get().is_none_or(|shown| shown.elapsed() >= INTERVAL) {
            self.show(&format!("{introduction}\n{}", step.line(self.start.elapsed())));
        }
    }

    /// Shows that `program`, of `size` bytes, is installed.
    pub fn done(&self, program: &Path, size: u64) {
        let time = duration(self.start.elapsed());
        self.show(&format!(
            "Built the evaluator of Rust cells in {time}: {} ({} MB)",
            program.display(),
            size / 1_000_000
        ));
    }
}

/// The step of the build that cargo has reported last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Step {
    /// No report yet.
    #[default]
    Starting,
    /// Something before the build: waiting for another cargo, downloading.
    Preparing(String),
    /// Compiling: finished and all crates, and the crates under way.
    Compiling { finished: u32, all: u32, current: String },
}

impl Step {
    /// What a line of cargo's standard error says of its progress.
    fn parse(line: &str) -> Option<Self> {
        let line = line.trim();
        if let Some(bar) = line.strip_prefix("Building [") {
            let (counts, current) = bar.split_once("] ")?.1.split_once(':').unwrap_or((bar.split_once("] ")?.1, ""));
            let (finished, all) = counts.trim().split_once('/')?;
            let (finished, all) = (finished.parse().ok()?, all.parse().ok()?);
            return Some(Self::Compiling { finished, all, current: current.trim().to_owned() });
        }
        if line.starts_with("Blocking waiting for file lock") {
            return Some(Self::Preparing("waiting for another cargo that uses the same directory".into()));
        }
        ["Updating", "Downloading", "Downloaded"]
            .iter()
            .any(|word| line.starts_with(word))
            .then(|| Self::Preparing("downloading crates".into()))
    }

    /// One line that says it, `time` after the start.
    fn line(&self, time: Duration) -> String {
        let time = duration(time);
        match self {
            Self::Starting => format!("{time} · cargo starts"),
            Self::Preparing(what) => format!("{time} · {what}"),
            Self::Compiling { finished, all, current } => {
                const WIDTH: u32 = 20;
                let full = (finished * WIDTH).checked_div(*all).unwrap_or(0).min(WIDTH);
                let bar: String = (0..WIDTH).map(|place| if place < full { '█' } else { '░' }).collect();
                let line = format!("{bar} {finished} of {all} crates · {time}");
                if current.is_empty() { line } else { format!("{line} · {current}") }
            }
        }
    }
}

/// `65 s`, or `3 min 05 s`.
fn duration(time: Duration) -> String {
    match time.as_secs() {
        seconds if seconds < 100 => format!("{seconds} s"),
        seconds => format!("{} min {:02} s", seconds / 60, seconds % 60),
    }
}

/// Builds the host with `cargo` and returns the path of the program in cargo's target directory. An interrupt kills
/// cargo and all its compilers.
pub fn build(cargo: &Path, checkout: &Checkout, progress: &Progress<'_>, cancel: &Cancel) -> Result<PathBuf> {
    let introduction = format!(
        "Rust cells need an evaluator (evcxr) that is not built yet. It is built now, once: {}.\n\
         Interrupt the cell to stop it.",
        cost()
    );
    progress.show(&introduction);
    let mut command = Command::new(cargo);
    command.args(COMMAND.split(' ').skip(1)).args(["--locked", "--message-format=json-render-diagnostics"]);
    command.current_dir(&checkout.0).env("PATH", search_path());
    command.env("CARGO_TERM_QUIET", "false").env("CARGO_TERM_VERBOSE", "false").env("CARGO_TERM_COLOR", "never");
    command.env("CARGO_TERM_PROGRESS_WHEN", "always").env("CARGO_TERM_PROGRESS_WIDTH", "120");
    // Those of a cargo that started this program are not for this one.
    command.env_remove("CARGO_MAKEFLAGS").env_remove("MAKEFLAGS").env_remove("MFLAGS");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let failed = |error: std::io::Error| {
        Diagnostic::error("rust-host-build", "cargo does not start").note(format!("{}: {error}", cargo.display()))
    };
    let mut process = ChildProcess::spawn(command).map_err(failed)?;
    let (Some(messages), Some(text)) = (process.take_stdout(), process.take_stderr()) else {
        return Err(failed(std::io::ErrorKind::BrokenPipe.into()));
    };
    let killer = process.killer();
    let _kill = cancel.on_cancel(move || killer.kill());
    let mut pipes = Pipes::new(messages, text);
    let mut text = CargoText::default();
    let mut program = None;
    loop {
        match pipes.next_before(Instant::now() + Duration::from_secs(1)) {
            Ok(Arrival::Line(line)) => program = executable(&line).or(program),
            Ok(Arrival::Errors(bytes)) => text.push(&bytes),
            Ok(Arrival::End) => break,
            // Nothing new, but the time goes on.
            Err(error) if error.kind() == std::io::ErrorKind::TimedOut => {}
            Err(error) => return Err(failed(error)),
        }
        progress.show_step(&introduction, &text.step);
    }
    while let Ok(Some(bytes)) = pipes.errors_now() {
        text.push(&bytes);
    }
    let status = process.wait().map_err(failed)?;
    cancel.check()?;
    match program {
        Some(program) if status.success() => Ok(program),
        _ => Err(build_failed(&text.errors())),
    }
}

/// The path of the program that a message of cargo speaks of, if it is the host.
fn executable(message: &str) -> Option<PathBuf> {
    let message: Value = serde_json::from_str(message).ok()?;
    let is_host = message["reason"] == "compiler-artifact" && message["target"]["name"] == "warpbook-rust-host";
    message["executable"].as_str().filter(|_| is_host).map(PathBuf::from)
}

/// The error for a build that failed with `errors` as cargo's last lines.
fn build_failed(errors: &str) -> Diagnostic {
    let contains = |words: &[&str]| words.iter().any(|word| errors.contains(word));
    let diagnostic = Diagnostic::error("rust-host-build", "the evaluator of Rust cells cannot be built").note(errors);
    let diagnostic =
        if contains(&["failed to download", "Could not resolve host", "network", "failed to fetch", "failed to get"]) {
            diagnostic
                .help("the first build downloads crates from crates.io: connect to the network and run the cell again")
        } else if contains(&["No space left on device"]) {
            diagnostic.help(format!(
                "the build needs {TARGET_MB} MB in cargo's target directory; CARGO_TARGET_DIR chooses another"
            ))
        } else if contains(&["linker `"]) {
            diagnostic.help("install a C compiler to link with (Debian, Ubuntu: apt install gcc libc6-dev)")
        } else {
            diagnostic.help(
            "`warpbook rust-cells install` builds it again from a terminal; `warpbook doctor` shows what is missing",
        )
        };
    diagnostic.help("magics (`%…`, `%%…`) work without it")
}

/// Cargo's standard error: its progress, and the last lines that are something else.
#[derive(Default)]
struct CargoText {
    pending: Vec<u8>,
    step: Step,
    lines: VecDeque<String>,
}

impl CargoText {
    fn push(&mut self, bytes: &[u8]) {
        /// As many lines as an error of the compiler may have.
        const MOST_LINES: usize = 60;
        self.pending.extend_from_slice(bytes);
        // A line of progress ends with a carriage return, so that the next one is written over it.
        while let Some(end) = self.pending.iter().position(|&byte| matches!(byte, b'\n' | b'\r')) {
            let line: Vec<u8> = self.pending.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            match Step::parse(&line) {
                Some(step) => self.step = step,
                None if line.trim().is_empty() => {}
                None => {
                    self.lines.push_back(line.trim_end().to_owned());
                    if self.lines.len() > MOST_LINES {
                        self.lines.pop_front();
                    }
                }
            }
        }
    }

    /// The text from the first error on, or else the last few lines.
    fn errors(&self) -> String {
        const LAST_LINES: usize = 5;
        let first = self.lines.iter().position(|line| line.starts_with("error"));
        let first = first.unwrap_or(self.lines.len().saturating_sub(LAST_LINES));
        let lines: Vec<&str> = self.lines.iter().skip(first).map(String::as_str).collect();
        lines.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    use crate::frontend::{InputError, Stream};

    /// Collects the outputs that were displayed.
    #[derive(Default)]
    struct Displayed(Mutex<Vec<String>>);

    impl Displayed {
        fn texts(&self) -> Vec<String> {
            self.0.lock().expect("kept").clone()
        }
    }

    impl Frontend for Displayed {
        fn stream(&self, _: Stream, _: &str) {}
        fn display(&self, output: &Output, _: Option<&str>) {
            self.0.lock().expect("kept").push(output.text.clone());
        }
        fn update_display(&self, output: &Output, _: &str) {
            self.0.lock().expect("kept").push(output.text.clone());
        }
        fn clear_output(&self, _: bool) {}
        fn set_next_input(&self, _: &str, _: bool) {}
        fn input(&self, _: &str, _: bool) -> std::result::Result<String, InputError> {
            Err(InputError::NotAllowed)
        }
    }

    /// Builds with a shell script in the place of cargo.
    fn build_with(script: &str, displayed: &Displayed, cancel: &Cancel) -> Result<PathBuf> {
        let directory = tempfile::tempdir().expect("a directory");
        let cargo = directory.path().join("cargo");
        // Written by another process: this one may be starting processes, which would hold the file open for writing.
        let write = ["-c", r#"printf '#!/bin/sh\n%s\n' "$1" >"$0" && chmod 755 "$0""#];
        let written = Command::new("/bin/sh").args(write).arg(&cargo).arg(script).status().expect("sh starts");
        assert!(written.success());
        build(&cargo, &Checkout(directory.path().to_owned()), &Progress::new(displayed), cancel)
    }

    #[test]
    fn lines_of_progress_are_read() {
        let compiling = |finished, all, current: &str| Some(Step::Compiling { finished, all, current: current.into() });
        assert_eq!(
            Step::parse("    Building [=>    ] 12/345: syn, quote(build)   \r"),
            compiling(12, 345, "syn, quote(build)")
        );
        assert_eq!(Step::parse("    Building [      ] 0/1"), compiling(0, 1, ""));
        assert_eq!(Step::parse(" Downloading crates ..."), Some(Step::Preparing("downloading crates".into())));
        assert_eq!(Step::parse("    Blocking waiting for file lock on build directory").map(|_| ()), Some(()));
        for other in ["   Compiling syn v2.0.1", "    Building [x", "error: no", ""] {
            assert_eq!(Step::parse(other), None, "{other}");
        }
    }

    #[test]
    fn a_step_is_one_line() {
        let step = Step::Compiling { finished: 1, all: 4, current: "syn".into() };
        assert_eq!(step.line(Duration::from_secs(185)), "█████░░░░░░░░░░░░░░░ 1 of 4 crates · 3 min 05 s · syn");
        assert_eq!(Step::Starting.line(Duration::from_secs(2)), "2 s · cargo starts");
    }

    #[test]
    fn a_build_shows_its_progress_and_returns_the_program() {
        let displayed = Displayed::default();
        let script = "printf '    Building [=>   ] 1/2: syn \\r' >&2
            echo '{\"reason\":\"compiler-artifact\",\"target\":{\"name\":\"syn\"},\"executable\":null}'
            sleep 0.3
            printf '    Building [===> ] 2/2: warpbook-rust-host(bin) \\r' >&2
            echo '{\"reason\":\"compiler-artifact\",\"target\":{\"name\":\"warpbook-rust-host\"},\"executable\":\"/there\"}'
            sleep 0.3";
        let built = build_with(script, &displayed, &Cancel::new()).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(built, Path::new("/there"));
        let texts = displayed.texts();
        assert!(texts[0].contains("not built yet") && texts[0].contains(" minutes on "), "{texts:?}");
        assert!(texts.iter().any(|text| text.contains("2 of 2 crates")), "{texts:?}");
    }

    #[test]
    fn a_failed_build_reports_cargos_error_with_a_remedy() {
        let failed =
            |script: &str| build_with(script, &Displayed::default(), &Cancel::new()).expect_err("fails").to_plain();
        let text = failed("echo '   Compiling x' >&2; echo 'error: failed to download `x`' >&2; exit 101");
        assert!(text.contains("failed to download `x`") && text.contains("connect to the network"), "{text}");
        assert!(!text.contains("Compiling"), "{text}");
        let text = failed("echo 'error: linker `cc` not found' >&2; exit 101");
        assert!(text.contains("install a C compiler"), "{text}");
        let text = failed("exit 1");
        assert!(text.contains("warpbook doctor"), "{text}");
    }

    #[test]
    fn an_interrupt_kills_cargo_and_its_compilers() {
        let cancel = Cancel::new();
        let (displayed, canceller) = (Displayed::default(), cancel.clone());
        let (outcome, since) = std::thread::scope(|scope| {
            let displayed = &displayed;
            let interrupt = scope.spawn(move || {
                // The compiler, a grandchild, is running.
                while !displayed.texts().iter().any(|text| text.contains("of 9 crates")) {
                    std::thread::yield_now();
                }
                canceller.cancel();
                Instant::now()
            });
            // The pipes close when all that hold them are gone.
            let script = "sleep 1000 & printf '  Building [> ] 1/9: syn\\r' >&2; sleep 0.3; printf '  Building [> ] 2/9: x\\r' >&2; wait";
            (build_with(script, displayed, &cancel), interrupt.join().expect("joined"))
        });
        assert!(since.elapsed() < Duration::from_secs(2), "{:?}", since.elapsed());
        assert!(outcome.expect_err("interrupted").is_interrupted());
    }
}
