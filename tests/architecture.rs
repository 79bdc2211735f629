//! The arrows of `src/lib.rs`, read from the code: which layer may use which. And where `unsafe` may stand.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Each layer with the layers that it may use, besides itself and [`EVERYONE`].
const ARROWS: [(&str, &[&str]); 22] = [
    ("bench", &["compiler", "device", "render"]),
    ("cancel", &["diagnostic"]),
    ("child", &["cancel", "diagnostic"]),
    ("compiler", &["ir", "ptx"]),
    ("device", &["emulator", "ptx"]),
    ("diagnostic", &[]),
    ("emulator", &["diagnostic", "ptx"]),
    ("expression", &["cancel", "diagnostic"]),
    ("files", &["device"]),
    ("frontend", &["diagnostic", "render"]),
    ("guest", &["device", "render"]),
    ("ir", &["diagnostic"]),
    ("kernelspec", &["diagnostic"]),
    ("layout", &["diagnostic", "ir"]),
    (
        "magics",
        &["bench", "compiler", "device", "expression", "files", "guest", "ir", "layout", "ptx", "render", "workspace"],
    ),
    ("ptx", &["diagnostic"]),
    ("render", &["diagnostic", "layout"]),
    ("server", &["render", "session", "wire"]),
    ("session", &["expression", "guest", "magics", "render", "workspace"]),
    ("wire", &["diagnostic", "render"]),
    ("workspace", &["bench", "compiler", "device", "expression", "guest", "layout", "render"]),
    // What the binary is made of stands above all.
    ("main", &["*"]),
];

/// What everyone may use, but for the layers that want nothing of a notebook.
const EVERYONE: [&str; 4] = ["cancel", "child", "diagnostic", "frontend"];
/// Those that get no more than their own arrows: a library of their own, or what the others stand on.
const ALONE: [&str; 11] = [
    "cancel",
    "child",
    "diagnostic",
    "emulator",
    "expression",
    "frontend",
    "ir",
    "kernelspec",
    "layout",
    "ptx",
    "wire",
];

/// Files and directories that may hold `unsafe`.
const UNSAFE: [&str; 6] = [
    "child.rs",
    "device/cuda",
    "emulator/arithmetic/fused_lanes.rs",
    "emulator/arithmetic/simd.rs",
    "emulator/arithmetic/vector.rs",
    "emulator/memory.rs",
];

/// What a file does that it may not. `path` is relative to `src`.
fn violations(path: &str, code: &str) -> Vec<String> {
    let tokens = tokens(code);
    let mut found = Vec::new();
    let layer = path.split('/').next().unwrap_or_default().trim_end_matches(".rs");
    // `lib.rs` only lists the layers; `main.rs` and `cli` are the binary.
    let layer = if layer == "cli" { "main" } else { layer };
    if layer != "lib" {
        match ARROWS.iter().find(|(known, _)| *known == layer) {
            None => found.push(format!("src/{path}: the layer `{layer}` has no arrows in tests/architecture.rs")),
            Some((_, allowed)) => {
                let depth = path.split('/').count() - usize::from(path.ends_with("/mod.rs"));
                for used in layers_used(&tokens, depth) {
                    let everyone = !ALONE.contains(&layer) && EVERYONE.contains(&&*used);
                    if used != layer && !everyone && !allowed.contains(&&*used) && !allowed.contains(&"*") {
                        found.push(format!("src/{path}: `{layer}` may not use `{used}`"));
                    }
                }
            }
        }
    }
    if tokens.iter().any(|token| token == "unsafe")
        && !UNSAFE.iter().any(|allowed| Path::new(path).starts_with(allowed))
    {
        found.push(format!("src/{path}: `unsafe` may not stand here"));
    }
    found
}

/// The layers that paths from `crate::`, or from enough `super::`, begin with. A file of `depth` 1 is `src/x.rs`.
fn layers_used(tokens: &[String], depth: usize) -> BTreeSet<String> {
    let mut used = BTreeSet::new();
    for (at, token) in tokens.iter().enumerate() {
        let continues = at > 0 && tokens[at - 1] == "::";
        let mut next = at + 1;
        match token.as_str() {
            "crate" | "warpbook" if !continues => {}
            "super" if !continues => {
                let mut supers = 1;
                while tokens.get(next).is_some_and(|t| t == "::") && tokens.get(next + 1).is_some_and(|t| t == "super")
                {
                    supers += 1;
                    next += 2;
                }
                if supers < depth {
                    continue;
                }
            }
            _ => continue,
        }
        if tokens.get(next).is_none_or(|token| token != "::") {
            continue;
        }
        match tokens.get(next + 1).map(String::as_str) {
            // The first name of each item between the braces.
            Some("{") => {
                let (mut depth, mut first) = (0, true);
                for token in &tokens[next + 1..] {
                    match token.as_str() {
                        "{" => (depth, first) = (depth + 1, depth == 0),
                        "}" => depth -= 1,
                        "," if depth == 1 => first = true,
                        name if first && depth == 1 => {
                            used.insert(name.to_owned());
                            first = false;
                        }
                        _ => {}
                    }
                    if depth == 0 {
                        break;
                    }
                }
            }
            Some(name) => {
                used.insert(name.to_owned());
            }
            None => {}
        }
    }
    // Names that are no layer are items of `lib.rs`, or of a module that a test in a file stands in.
    used.retain(|name| ARROWS.iter().any(|(layer, _)| layer == name));
    used
}

/// Words, `::` and single signs of Rust, without comments, strings and characters.
fn tokens(code: &str) -> Vec<String> {
    let bytes: Vec<char> = code.chars().collect();
    let at = |index: usize| bytes.get(index).copied().unwrap_or('\0');
    let mut tokens = Vec::new();
    let mut i = 0;
    while i < bytes.len() {
        match (at(i), at(i + 1)) {
            ('/', '/') => {
                while i < bytes.len() && at(i) != '\n' {
                    i += 1;
                }
            }
            ('/', '*') => {
                let mut depth = 0;
                loop {
                    match (at(i), at(i + 1)) {
                        ('/', '*') => (depth, i) = (depth + 1, i + 2),
                        ('*', '/') => (depth, i) = (depth - 1, i + 2),
                        _ => i += 1,
                    }
                    if depth == 0 || i >= bytes.len() {
                        break;
                    }
                }
            }
            ('r', '"' | '#') if raw_string(&bytes, i).is_some() => i = raw_string(&bytes, i).unwrap_or(i + 1),
            ('"', _) => {
                i += 1;
                while i < bytes.len() && at(i) != '"' {
                    i += if at(i) == '\\' { 2 } else { 1 };
                }
                i += 1;
            }
            // A character, as against a lifetime.
            ('\'', '\\') => {
                i += 3;
                while i < bytes.len() && at(i) != '\'' {
                    i += 1;
                }
                i += 1;
            }
            ('\'', _) if at(i + 2) == '\'' => i += 3,
            (':', ':') => {
                tokens.push("::".to_owned());
                i += 2;
            }
            (c, _) if c.is_alphanumeric() || c == '_' => {
                let start = i;
                while at(i).is_alphanumeric() || at(i) == '_' {
                    i += 1;
                }
                tokens.push(bytes[start..i].iter().collect());
            }
            (c, _) => {
                if !c.is_whitespace() {
                    tokens.push(c.to_string());
                }
                i += 1;
            }
        }
    }
    tokens
}

/// The end of a raw string that begins at `start` with its `r`.
fn raw_string(code: &[char], start: usize) -> Option<usize> {
    let is_word = start.checked_sub(1).is_some_and(|before| code[before].is_alphanumeric() || code[before] == '_');
    let hashes = code[start + 1..].iter().take_while(|c| **c == '#').count();
    let open = start + 1 + hashes;
    if is_word && code[start - 1] != 'b' || code.get(open) != Some(&'"') {
        return None;
    }
    let closes =
        |at: &usize| code[*at] == '"' && code[at + 1..].iter().take(hashes).filter(|c| **c == '#').count() == hashes;
    (open + 1..code.len()).find(closes).map(|at| at + 1 + hashes)
}

fn files(directory: &Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in fs::read_dir(directory).expect("src is there") {
        let path = entry.expect("src can be read").path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn the_arrows_of_lib_rs_hold() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = Vec::new();
    files(&src, &mut paths);
    assert!(paths.len() > 100, "{} files", paths.len());
    let mut found = Vec::new();
    for path in paths {
        let code = fs::read_to_string(&path).expect("a source file");
        let relative = path.strip_prefix(&src).expect("in src").to_str().expect("UTF-8").to_owned();
        found.extend(violations(&relative, &code));
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn every_layer_is_known() {
    let lib = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")).expect("lib.rs");
    let modules: Vec<&str> = lib.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')).collect();
    assert!(modules.len() > 10, "{modules:?}");
    for module in modules {
        assert!(ARROWS.iter().any(|(layer, _)| *layer == module), "`{module}` has no arrows");
    }
}

#[test]
fn violations_are_found() {
    for (path, code, expected) in [
        ("emulator/warp.rs", "use crate::device::Device;", "`emulator` may not use `device`"),
        (
            "emulator/warp.rs",
            "use crate::{ptx::Module, cancel::{Cancel, x}, diagnostic};",
            "`emulator` may not use `cancel`",
        ),
        ("ptx/parser.rs", "fn f() { crate::compiler::meta::from_ptx(x) }", "`ptx` may not use `compiler`"),
        ("ptx/parser.rs", "use super::super::wire;", "`ptx` may not use `wire`"),
        ("device/mod.rs", "use super::workspace::Workspace;", "`device` may not use `workspace`"),
        ("cancel.rs", "use super::server;", "`cancel` may not use `server`"),
        ("compiler/meta/ptx.rs", "pub(crate) use crate::magics::Spec;", "`compiler` may not use `magics`"),
        ("magics/x.rs", "let c = '\"'; let y: &'static crate::server::S;", "`magics` may not use `server`"),
        ("sauna.rs", "", "the layer `sauna` has no arrows in tests/architecture.rs"),
        ("ptx/lexer.rs", "fn f() { unsafe { g() } }", "`unsafe` may not stand here"),
        ("emulator/memory_access.rs", "unsafe impl Send for X {}", "`unsafe` may not stand here"),
    ] {
        let found = violations(path, code);
        assert_eq!(found, [format!("src/{path}: {expected}")], "{code}");
    }
}

#[test]
fn what_is_allowed_is_no_violation() {
    for (path, code) in [
        ("emulator/warp.rs", "use crate::emulator::Lanes; use crate::ptx::Module; use super::super::ptx;"),
        (
            "emulator/warp.rs",
            "// crate::server::x, unsafe\n/* /* unsafe */ crate::wire */ let s = \"crate::wire \\\" unsafe\";",
        ),
        ("emulator/warp.rs", "let s = r#\"crate::wire \"unsafe\" \"#; let c = 'u'; let n = '\\u{41}'; f::<'a>();"),
        ("compiler/meta/ptx.rs", "use super::comment; use super::super::render_this; use crate::ptx;"),
        ("compiler/worker.rs", "use crate::{cancel::Cancel, child, frontend};"),
        ("emulator/memory.rs", "unsafe { x }"),
        ("device/cuda/driver.rs", "unsafe { x }"),
        ("cli/run.rs", "use warpbook::server::Server;"),
    ] {
        assert_eq!(violations(path, code), Vec::<String>::new(), "{code}");
    }
}
