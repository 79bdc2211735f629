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

use warpbook::render::Output;
use warpbook::session::Session;
use warpbook_test_support::environment::{self, has_triton};
use warpbook_test_support::kernels::MATMUL;
use warpbook_test_support::notebook::{fails, next_cell, run};

/// A session with buffers and the matmul launched.
fn session() -> Session {
    environment::python();
    let mut session = Session::new();
    run(&mut session, "%target sm_80\n%triton 3.4.0");
    run(
        &mut session,
        "%buf a = randn(64, 64, dtype=f16, seed=1)\n%buf b = randn(64, 64, dtype=f16, seed=2)\n%buf c = zeros(64, 64)",
    );
    run(&mut session, &format!("%%triton matmul[1](a, b, c, 64, 64, BLOCK=64)\n{MATMUL}"));
    session
}

/// The text without its last line, which holds times.
fn timeless(output: &Output) -> &str {
    output.text.rsplit_once('\n').map_or("", |(text, _)| text)
}
