//! Sources of kernels that several tests launch. They are the files of `kernels/`, which benchmarks in Python read too.

/// One tile of a matmul: `matmul(a_ptr, b_ptr, c_ptr, K, N, BLOCK)`, all blocks square.
pub const MATMUL: &str = include_str!("../kernels/matmul.py");

/// Attention with a running maximum: `attention(q_ptr, k_ptr, v_ptr, o_ptr, N, scale, BM, BN, D)`, `BM` rows for a program.
pub const ATTENTION: &str = include_str!("../kernels/attention.py");

/// PTX as Triton writes it: `bump(x, n)` adds 1.0 to each element; the last pointer is Triton's scratch.
pub const BUMP: &str = include_str!("../kernels/bump.ptx");

/// The text of a kernel in a Python file that holds each as `NAME = """…"""`.
///
/// # Panics
///
/// If there is none of this name.
#[track_caller]
pub fn named<'a>(python: &'a str, name: &str) -> &'a str {
    let begin = format!("{name} = \"\"\"");
    let begins = |(at, _): &(usize, &str)| *at == 0 || python[..*at].ends_with('\n');
    let found = python.match_indices(begin.as_str()).find(begins);
    let (at, _) = found.unwrap_or_else(|| panic!("no kernel `{name}`"));
    let text = &python[at + begin.len()..];
    text.split_once("\"\"\"").unwrap_or_else(|| panic!("`{name}` has no end")).0
}
