//! Which room of the kernel uses which: an arrow that is not in the table fails, and so does one that is not drawn.
//!
//! A room is a folder or a file of `src/`; the crates are rooms too, so that a name handed on by one crate counts for the
//! crate that defines it. Arrows between crates are the business of their manifests.

use std::collections::{BTreeMap, BTreeSet};

use super::{Check, Outcome};
use crate::imports::Imports;
use crate::workspace::Workspace;

/// The check.
pub const CHECK: Check = Check { name: "arrows", run };

/// Each room of `src/` with the rooms and crates that it uses, from the top of the house to its floor.
const ARROWS: &[(&str, &[&str])] = &[
    (
        "main",
        &[
            "compiler",
            "device",
            "diagnostic",
            "emulator",
            "frontend",
            "guest",
            "kernelspec",
            "process",
            "render",
            "server",
        ],
    ),
    ("server", &["diagnostic", "frontend", "process", "render", "session", "wire"]),
    ("session", &["diagnostic", "frontend", "guest", "launch", "magics", "process", "render", "workspace"]),
    (
        "magics",
        &[
            "compiler",
            "device",
            "diagnostic",
            "emulator",
            "expression",
            "files",
            "frontend",
            "gpu",
            "ir",
            "launch",
            "process",
            "ptx",
            "render",
            "workspace",
        ],
    ),
    (
        "launch",
        &[
            "compiler",
            "device",
            "diagnostic",
            "emulator",
            "expression",
            "frontend",
            "gpu",
            "ir",
            "process",
            "ptx",
            "workspace",
        ],
    ),
    ("workspace", &["compiler", "device", "diagnostic", "expression", "files", "frontend", "gpu", "ir", "process"]),
    ("files", &["device", "process"]),
    ("guest", &["compiler", "diagnostic", "frontend", "process", "render", "rust-host"]),
    ("wire", &["diagnostic", "render"]),
    ("frontend", &["render"]),
    ("render", &[]),
    ("expression", &["diagnostic", "gpu", "process"]),
    ("kernelspec", &["diagnostic"]),
];

fn run(workspace: &Workspace) -> Outcome {
    let drawn = drawn(workspace);
    let mut outcome = Outcome::default();
    let arrows: usize = drawn.values().map(BTreeMap::len).sum();
    outcome.summary = format!("{arrows} arrows between {} rooms and the crates", drawn.len());
    for (room, to) in &drawn {
        let names: Vec<&str> = to.keys().map(String::as_str).collect();
        outcome.details.push(format!("{room} -> {}", names.join(", ")));
    }
    outcome.problems = compare(&drawn, ARROWS);
    outcome
}

/// For each room those that it uses, each with one use as an example.
type Drawn = BTreeMap<String, BTreeMap<String, String>>;

fn drawn(workspace: &Workspace) -> Drawn {
    let imports = Imports::new(workspace);
    let mut drawn = Drawn::new();
    for (file, uses) in imports.used.iter().zip(&imports.handed_on).enumerate() {
        let Some(room) = room(workspace.path(file)).filter(|_| workspace.path(file).starts_with("src/")) else {
            continue;
        };
        let to = drawn.entry(room.clone()).or_default();
        for (used, names) in uses.0.iter().chain(uses.1) {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let example = format!("{} uses {} of {}", workspace.path(file), names.join(", "), workspace.path(*used));
            if let Some(used) = self::room(workspace.path(*used)).filter(|used| *used != room) {
                to.entry(used).or_insert(example);
            }
        }
    }
    drawn
}

/// The room of a file: a folder or a file of `src/`, or a crate. The program (`main.rs` and `cli/`) is one room; `lib.rs`
/// only lists the rooms.
fn room(path: &str) -> Option<String> {
    let mut parts = path.split('/');
    let room = match (parts.next(), parts.next()) {
        (Some("src"), Some(room)) => room.trim_end_matches(".rs"),
        (Some("crates"), Some(name)) => name,
        _ => return None,
    };
    match room {
        "lib" => None,
        "cli" => Some("main".to_owned()),
        room => Some(room.to_owned()),
    }
}

fn compare(drawn: &Drawn, table: &[(&str, &[&str])]) -> Vec<String> {
    let mut problems = Vec::new();
    for (room, uses) in drawn {
        let Some((_, allowed)) = table.iter().find(|(known, _)| known == room) else {
            problems.push(format!("`{room}` is no room of the table in xtask/src/tidy/arrows.rs"));
            continue;
        };
        for (used, example) in uses.iter().filter(|(used, _)| !allowed.contains(&used.as_str())) {
            problems.push(format!("`{room}` may not use `{used}`: {example}"));
        }
    }
    for (room, allowed) in table {
        let Some(uses) = drawn.get(*room) else {
            problems.push(format!("the room `{room}` of the table in xtask/src/tidy/arrows.rs is gone"));
            continue;
        };
        let used: BTreeSet<&str> = uses.keys().map(String::as_str).collect();
        for unused in allowed.iter().filter(|allowed| !used.contains(*allowed)) {
            problems
                .push(format!("`{room}` does not use `{unused}` any more: take it out of xtask/src/tidy/arrows.rs"));
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(arrows: &[(&str, &str)]) -> Drawn {
        let mut drawn = Drawn::new();
        for (from, to) in arrows {
            drawn.entry((*from).to_owned()).or_default().insert((*to).to_owned(), "an example".to_owned());
        }
        drawn
    }

    #[test]
    fn a_table_that_fits_has_no_problems() {
        assert!(compare(&drawn(&[("server", "session")]), &[("server", &["session"])]).is_empty());
    }

    #[test]
    fn an_arrow_too_many_and_one_too_few_fail() {
        let problems = compare(&drawn(&[("server", "wire")]), &[("server", &["session"])]).join("\n");
        assert!(problems.contains("`server` may not use `wire`: an example"), "{problems}");
        assert!(problems.contains("`server` does not use `session` any more"), "{problems}");
    }

    #[test]
    fn rooms_appear_and_go() {
        let problems = compare(&drawn(&[("sauna", "wire")]), &[("bench", &[])]).join("\n");
        assert!(problems.contains("`sauna` is no room"), "{problems}");
        assert!(problems.contains("`bench` of the table in xtask/src/tidy/arrows.rs is gone"), "{problems}");
    }
}
