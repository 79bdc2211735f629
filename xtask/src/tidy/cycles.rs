//! No two files use each other, directly or through others.
//!
//! A name counts for the file that defines it, through however many re-exports. What a file only hands on with `pub use`
//! is no use; nor is a path that only names a module.

use super::{Check, Outcome};
use crate::components::{Graph, arrows_up, cycles};
use crate::imports::Imports;
use crate::workspace::Workspace;

/// The check.
pub const CHECK: Check = Check { name: "cycles", run };

/// Files that may stand in a cycle: none.
const BOUND: usize = 0;

/// Names shown of one arrow.
const MAX_NAMES: usize = 6;

fn run(workspace: &Workspace) -> Outcome {
    let imports = Imports::new(workspace);
    let graph: Graph =
        imports.used.iter().enumerate().map(|(file, uses)| (file, uses.keys().copied().collect())).collect();
    let cycles = cycles(&graph);
    let files: usize = cycles.iter().map(Vec::len).sum();
    let uses = |from: &usize, to: &usize| graph.get(from).is_some_and(|used| used.contains(to));
    let mutual: usize = cycles
        .iter()
        .flat_map(|cycle| cycle.iter().map(move |from| (cycle, from)))
        .map(|(cycle, from)| cycle.iter().filter(|to| from < *to && uses(from, to) && uses(to, from)).count())
        .sum();

    let mut outcome = Outcome::bounded("files in import cycles", files, BOUND);
    outcome.summary += &format!(" of {}; {} cycles, {mutual} pairs that use each other", graph.len(), cycles.len());
    for cycle in &cycles {
        let paths: Vec<&str> = cycle.iter().map(|file| workspace.path(*file)).collect();
        outcome.details.push(format!("cycle of {} files: {}", cycle.len(), paths.join(" ")));
        let up = arrows_up(&graph, cycle);
        outcome.details.push(format!("  opened if these {} arrows go:", up.len()));
        for (from, to) in up {
            let names: Vec<&str> = imports.used[from][&to].iter().map(String::as_str).collect();
            let more =
                if names.len() > MAX_NAMES { format!(" and {} more", names.len() - MAX_NAMES) } else { String::new() };
            let shown = names[..names.len().min(MAX_NAMES)].join(", ");
            let (from, to) = (workspace.path(from), workspace.path(to));
            outcome.details.push(format!("    {from} -> {to}: {shown}{more}"));
        }
    }
    outcome
}
