//! Mutants of PTX: each wait, fence, barrier and bound check in turn taken away or shifted by one.

use std::collections::BTreeMap;

/// One change.
pub struct Mutant {
    /// What was changed, by kind: `bar.sync`, `wgmma.wait_group + 1`.
    pub kind: String,
    /// Line of the change, from 1.
    pub line: usize,
    /// The whole text.
    pub text: String,
}

/// Instructions that are taken away whole.
const REMOVED: [&str; 12] = [
    "bar.sync",
    "barrier.sync",
    "barrier.cluster.wait",
    "cp.async.wait_group",
    "cp.async.commit_group",
    "wgmma.wait_group",
    "wgmma.commit_group",
    "wgmma.fence",
    "fence.proxy.async",
    "mbarrier.arrive",
    "cp.async.bulk.wait_group",
    "cp.async.bulk.commit_group",
];

/// Waits whose number of groups that may be under way is raised by one.
const SHIFTED: [&str; 2] = ["cp.async.wait_group", "wgmma.wait_group"];

/// Accesses whose guard is taken away.
const GUARDED: [&str; 5] = ["ld.global", "st.global", "atom.global", "red.global", "cp.async.c"];

/// The instruction of a line without its guard, and whether it had one.
fn unguarded(line: &str) -> (&str, bool) {
    let trimmed = line.trim_start();
    match trimmed.strip_prefix('@').and_then(|rest| rest.split_once(char::is_whitespace)) {
        Some((_, rest)) => (rest.trim_start(), true),
        None => (trimmed, false),
    }
}

/// Every mutant of a text.
pub fn mutants(text: &str) -> Vec<Mutant> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    let mut with = |kind: String, at: usize, changes: &[(usize, String)]| {
        let changed = lines.iter().enumerate().map(|(index, line)| {
            changes.iter().find(|(changed, _)| *changed == index).map_or(*line, |(_, new)| new.as_str())
        });
        found.push(Mutant { kind, line: at + 1, text: changed.collect::<Vec<_>>().join("\n") });
    };
    for (at, line) in lines.iter().enumerate() {
        let (instruction, guarded) = unguarded(line);
        if let Some(kind) = REMOVED.iter().find(|kind| instruction.starts_with(**kind)) {
            with((*kind).to_owned(), at, &[(at, String::new())]);
        }
        if let Some(kind) = SHIFTED.iter().find(|kind| instruction.starts_with(**kind))
            && let Some((head, pending)) = line.trim_end().trim_end_matches(';').rsplit_once(' ')
            && let Ok(pending) = pending.parse::<u32>()
        {
            with(format!("{kind} + 1"), at, &[(at, format!("{head} {};", pending + 1))]);
        }
        if instruction.starts_with("mbarrier.try_wait")
            && let Some(branch) = (at + 1..lines.len().min(at + 3)).find(|&next| lines[next].contains("bra"))
        {
            with("mbarrier wait".to_owned(), at, &[(at, String::new()), (branch, String::new())]);
            if let Some((head, phase)) = line.trim_end().trim_end_matches(';').rsplit_once(", ") {
                let flipped =
                    format!("{{ .reg .b32 flipped; xor.b32 flipped, {phase}, 1; {}, flipped; }}", head.trim_start());
                with("mbarrier phase".to_owned(), at, &[(at, flipped)]);
            }
        }
        if guarded && GUARDED.iter().any(|kind| instruction.starts_with(kind)) {
            with("bound check".to_owned(), at, &[(at, instruction.to_owned())]);
        }
    }
    found
}

/// What became of a mutant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A finding or a fault.
    Reported,
    /// No report, and another result.
    Wrong,
    /// No report, and the same result.
    Silent,
    /// It did not end.
    Endless,
}

/// Verdicts by kind.
#[derive(Default)]
pub struct Table {
    counts: BTreeMap<String, [usize; 4]>,
    /// The mutants that were not reported, a line each.
    pub unreported: Vec<String>,
}

impl Table {
    /// Notes one.
    pub fn add(&mut self, kernel: &str, mutant: &Mutant, verdict: Verdict) {
        self.counts.entry(mutant.kind.clone()).or_default()[verdict as usize] += 1;
        if verdict != Verdict::Reported {
            self.unreported.push(format!("{verdict:?} {kernel} line {}: without {}", mutant.line, mutant.kind));
        }
    }

    /// As it is printed.
    pub fn show(&self) -> String {
        let mut text =
            format!("{:<28} {:>8} {:>8} {:>8} {:>8}\n", "taken away", "reported", "wrong", "silent", "endless");
        let mut total = [0; 4];
        for (kind, counts) in &self.counts {
            total.iter_mut().zip(counts).for_each(|(total, count)| *total += count);
            let [reported, wrong, silent, endless] = counts;
            text += &format!("{kind:<28} {reported:>8} {wrong:>8} {silent:>8} {endless:>8}\n");
        }
        let [reported, wrong, silent, endless] = total;
        text + &format!("{:<28} {reported:>8} {wrong:>8} {silent:>8} {endless:>8}", "all")
    }
}
