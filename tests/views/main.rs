//! Looking inside a kernel: what each view says of a small matmul, with the installed Triton.

mod contraction;
mod diff;
mod dump;
mod layout;
mod machine;
mod observe;
mod passes;
mod stages;
mod watch_and_step;

use std::sync::Mutex;

use warpbook::frontend::{Frontend, InputError, Stream};
use warpbook::render::Output;
use warpbook::session::Session;
use warpbook_compiler::environment;
use warpbook_diagnostic::Diagnostic;
use warpbook_process::cancel::Cancel;

/// Keeps what is put into the next cell.
#[derive(Default)]
struct Reader(Mutex<String>);

impl Frontend for Reader {
    fn stream(&self, _: Stream, _: &str) {}
    fn display(&self, _: &Output, _: Option<&str>) {}
    fn update_display(&self, _: &Output, _: &str) {}
    fn clear_output(&self, _: bool) {}
    fn set_next_input(&self, text: &str, _: bool) {
        text.clone_into(&mut self.0.lock().expect("not poisoned"));
    }
    fn input(&self, _: &str, _: bool) -> Result<String, InputError> {
        Err(InputError::NotAllowed)
    }
}

/// One tile of a matmul, BLOCK × BLOCK.
const MATMUL: &str = "@triton.jit
def matmul(a_ptr, b_ptr, c_ptr, K: tl.constexpr, N: tl.constexpr, BLOCK: tl.constexpr):
    rows, columns, k = tl.arange(0, BLOCK), tl.arange(0, BLOCK), tl.arange(0, BLOCK)
    sum = tl.zeros((BLOCK, BLOCK), dtype=tl.float32)
    for start in range(0, K, BLOCK):
        a = tl.load(a_ptr + rows[:, None] * K + (start + k)[None, :])
        b = tl.load(b_ptr + (start + k)[:, None] * N + columns[None, :])
        sum = tl.dot(a, b, sum)
    tl.store(c_ptr + rows[:, None] * N + columns[None, :], sum)
";

/// A session with buffers and the matmul launched.
fn session() -> Session {
    environment::jupyter_python(&mut |line| println!("{line}"), &Cancel::new()).expect("a Python environment");
    let mut session = Session::new();
    run(&mut session, "%target sm_80\n%triton 3.4.0");
    run(
        &mut session,
        "%buf a = randn(64, 64, dtype=f16, seed=1)\n%buf b = randn(64, 64, dtype=f16, seed=2)\n%buf c = zeros(64, 64)",
    );
    run(&mut session, &format!("%%triton matmul[1](a, b, c, 64, 64, BLOCK=64)\n{MATMUL}"));
    session
}

fn run(session: &mut Session, cell: &str) -> Output {
    let output =
        session.execute(cell, &Reader::default(), &Cancel::new()).unwrap_or_else(|error| panic!("{cell}\n{error}"));
    let output = output.unwrap_or_default();
    assert!(output.text.len() < 4096, "{} bytes of text\n{}", output.text.len(), output.text);
    if let Some(html) = &output.html {
        keep(cell, html);
        for outside in ["src=\"http", "href=\"http", "@import", "url("] {
            assert!(!html.contains(outside), "{outside} in the HTML of {cell}");
        }
    }
    output
}

/// Writes a view into the directory that `WARPBOOK_TEST_HTML` names: to be looked at.
fn keep(cell: &str, html: &str) {
    let Some(directory) = std::env::var_os("WARPBOOK_TEST_HTML") else { return };
    let line = cell.lines().next().unwrap_or_default();
    let name: String = line.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    let path = std::path::Path::new(&directory).join(format!("{name}.html"));
    std::fs::write(path, html).expect("written");
}

fn fails(session: &mut Session, cell: &str) -> Diagnostic {
    match session.execute(cell, &Reader::default(), &Cancel::new()) {
        Ok(output) => panic!("{cell}\n{output:?}"),
        Err(error) => error,
    }
}

/// The cell that `%edit` makes.
fn edited(session: &mut Session, cell: &str) -> String {
    let reader = Reader::default();
    session.execute(cell, &reader, &Cancel::new()).unwrap_or_else(|error| panic!("{cell}\n{error}"));
    reader.0.into_inner().expect("not poisoned")
}

/// The text without its last line, which holds times.
fn timeless(output: &Output) -> &str {
    output.text.rsplit_once('\n').map_or("", |(text, _)| text)
}
