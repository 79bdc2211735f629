//! `unsafe` stands in few files, each named here.

use proc_macro2::{TokenStream, TokenTree};

use super::{Check, Outcome};
use crate::workspace::Workspace;

/// The check.
pub const CHECK: Check = Check { name: "unsafe", run };

/// Files and folders that may hold `unsafe`. One that does not need it any more fails.
const ALLOWED: &[&str] = &[
    "crates/device/src/cuda/",
    "crates/device/src/emulated.rs",
    "crates/emulator/src/arithmetic/fused_lanes.rs",
    "crates/emulator/src/arithmetic/simd.rs",
    "crates/emulator/src/arithmetic/vector.rs",
    "crates/emulator/src/state/memory.rs",
    "crates/process/src/child.rs",
    "crates/python/src/lent.rs",
];

fn run(workspace: &Workspace) -> Outcome {
    let holds = |text: &str| text.parse().is_ok_and(holds_unsafe);
    let paths: Vec<&str> =
        workspace.files.iter().filter(|file| holds(&file.text)).map(|file| file.path.as_str()).collect();
    let mut outcome = Outcome { summary: format!("{} files with `unsafe`", paths.len()), ..Outcome::default() };
    for path in paths.iter().filter(|path| !ALLOWED.iter().any(|allowed| path.starts_with(allowed))) {
        outcome.problems.push(format!("{path}: `unsafe` may not stand here"));
    }
    for allowed in ALLOWED.iter().filter(|allowed| !paths.iter().any(|path| path.starts_with(*allowed))) {
        outcome.problems.push(format!("{allowed}: no `unsafe` any more: take it out of xtask/src/tidy/unsafe_code.rs"));
    }
    outcome.details = paths.into_iter().map(str::to_owned).collect();
    outcome
}

fn holds_unsafe(tokens: TokenStream) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(name) => name == "unsafe",
        TokenTree::Group(group) => holds_unsafe(group.stream()),
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_code_counts() {
        let holds = |code: &str| holds_unsafe(code.parse().expect("tokens"));
        assert!(holds("fn f() { unsafe { g() } }"));
        assert!(holds("macro_rules! m { () => { unsafe { g() } } }"));
        assert!(!holds("// unsafe\nfn f() -> &'static str { \"unsafe\" }"));
    }
}
