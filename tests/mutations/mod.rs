//! Mutants of PTX: each wait, fence, barrier, arrival, bound check, phase and count of bytes in turn taken away or
//! shifted by one, and what becomes of each.

use std::collections::BTreeMap;

/// One change.
pub struct Mutant {
    /// What was changed, by kind: `bar.sync`, `wgmma.wait_group + 1`.
    pub kind: String,
    /// Line of the change, from 1.
    pub line: usize,
    /// The whole text.
    pub text: String,
    /// A text that traps where a bound check keeps a lane away; `None` for what is no bound check.
    pub probe: Option<String>,
}

/// Instructions that are taken away whole.
const REMOVED: [&str; 20] = [
    "bar.sync",
    "bar.warp.sync",
    "barrier.sync",
    "barrier.cluster.arrive",
    "barrier.cluster.wait",
    "cp.async.wait_group",
    "cp.async.commit_group",
    "cp.async.bulk.wait_group",
    "cp.async.bulk.commit_group",
    "wgmma.wait_group",
    "wgmma.commit_group",
    "wgmma.fence",
    "fence.proxy.async",
    "fence.proxy.tensormap",
    "fence.mbarrier_init",
    "fence.acq_rel",
    "mbarrier.init",
    "mbarrier.inval",
    "mbarrier.arrive",
    "membar",
];

/// Instructions whose last number is raised by one: groups that may be under way, arrivals of a phase.
const SHIFTED: [&str; 4] = ["cp.async.wait_group", "wgmma.wait_group", "cp.async.bulk.wait_group", "mbarrier.init"];

/// Accesses whose guard is taken away.
const GUARDED: [&str; 6] =
    ["ld.global", "st.global", "atom.global", "red.global", "cp.async.c", "cp.async.bulk.tensor"];

/// The instruction of a line without its guard, and the guard.
fn unguarded(line: &str) -> (&str, Option<&str>) {
    let trimmed = line.trim_start();
    match trimmed.strip_prefix('@').and_then(|rest| rest.split_once(char::is_whitespace)) {
        Some((guard, rest)) => (rest.trim_start(), Some(guard)),
        None => (trimmed, None),
    }
}

/// A comparison with its end let in, or left out.
fn shifted_comparison(instruction: &str) -> Option<String> {
    let (opcode, rest) = instruction.split_once(char::is_whitespace)?;
    let integers = ["s32", "u32", "s64", "u64"].iter().any(|ty| opcode.ends_with(ty));
    let pairs = [(".lt.", ".le."), (".le.", ".lt."), (".gt.", ".ge."), (".ge.", ".gt.")];
    let (from, to) = pairs.into_iter().find(|(from, _)| integers && opcode.contains(from))?;
    Some(format!("{} {rest}", opcode.replacen(from, to, 1)))
}

/// The predicates that decide whether an access of global memory takes place: its guards, and what they are made of.
fn bound_predicates(lines: &[&str]) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for line in lines {
        if let (instruction, Some(guard)) = unguarded(line)
            && GUARDED.iter().any(|kind| instruction.starts_with(kind))
        {
            found.push(guard.trim_start_matches('!').to_owned());
        }
    }
    loop {
        let before = found.len();
        for line in lines {
            let (instruction, _) = unguarded(line);
            if let Some((_, rest)) = instruction.split_once(char::is_whitespace)
                && instruction.starts_with("and.pred")
            {
                let mut words = rest.trim_end_matches(';').split(',').map(|word| word.trim().to_owned());
                if words.next().is_some_and(|made| found.contains(&made)) {
                    found.extend(words.filter(|word| !found.contains(word)).collect::<Vec<_>>());
                }
            }
        }
        if found.len() == before {
            return found;
        }
    }
}

/// Every mutant of a text.
pub fn mutants(text: &str) -> Vec<Mutant> {
    let lines: Vec<&str> = text.lines().collect();
    let bounds = bound_predicates(&lines);
    let mut found = Vec::new();
    let changed = |changes: &[(usize, String)]| {
        let lines = lines.iter().enumerate().map(|(index, line)| {
            changes.iter().find(|(changed, _)| *changed == index).map_or(*line, |(_, new)| new.as_str())
        });
        lines.collect::<Vec<_>>().join("\n")
    };
    let mut with = |kind: String, at: usize, changes: &[(usize, String)], probe: Option<String>| {
        found.push(Mutant { kind, line: at + 1, text: changed(changes), probe });
    };
    for (at, line) in lines.iter().enumerate() {
        let (instruction, guard) = unguarded(line);
        if let Some(kind) = REMOVED.iter().find(|kind| instruction.starts_with(**kind)) {
            with((*kind).to_owned(), at, &[(at, String::new())], None);
        }
        if let Some(kind) = SHIFTED.iter().find(|kind| instruction.starts_with(**kind))
            && let Some((head, number)) = line.trim_end().trim_end_matches(';').rsplit_once([' ', '\t'])
            && let Ok(number) = number.parse::<u32>()
        {
            with(format!("{kind} + 1"), at, &[(at, format!("{head} {};", number + 1))], None);
        }
        if instruction.contains("expect_tx")
            && let Some((head, bytes)) = line.trim_end().trim_end_matches(';').rsplit_once([' ', '\t'])
            && let Ok(bytes) = bytes.parse::<u32>()
        {
            with("expect_tx + 16".to_owned(), at, &[(at, format!("{head} {};", bytes + 16))], None);
            with("expect_tx - 16".to_owned(), at, &[(at, format!("{head} {};", bytes.saturating_sub(16)))], None);
        }
        if instruction.starts_with("mbarrier.try_wait")
            && let Some(branch) = (at + 1..lines.len().min(at + 3)).find(|&next| lines[next].contains("bra"))
        {
            with("mbarrier wait".to_owned(), at, &[(at, String::new()), (branch, String::new())], None);
            if let Some((head, phase)) = line.trim_end().trim_end_matches(';').rsplit_once(", ") {
                let flipped =
                    format!("{{ .reg .b32 flipped; xor.b32 flipped, {phase}, 1; {}, flipped; }}", head.trim_start());
                with("mbarrier phase".to_owned(), at, &[(at, flipped)], None);
            }
        }
        if let Some(guard) = guard
            && GUARDED.iter().any(|kind| instruction.starts_with(kind))
        {
            let negated = guard.strip_prefix('!').map_or_else(|| format!("!{guard}"), str::to_owned);
            let probe = changed(&[(at, format!("@{negated} trap; {line}"))]);
            with("bound check".to_owned(), at, &[(at, instruction.to_owned())], Some(probe));
        }
        if let Some(shifted) = shifted_comparison(instruction)
            && let Some((_, rest)) = instruction.split_once(char::is_whitespace)
            && rest.split([',', '|']).next().is_some_and(|made| bounds.iter().any(|bound| bound == made.trim()))
        {
            with("bound check, by one".to_owned(), at, &[(at, shifted)], None);
        }
    }
    found
}

/// True if a barrier has nothing on either side, up to the barriers before and after it, but what one thread asks of an
/// mbarrier or of the TMA: that is in the order of the program, and other threads see it only behind the other barriers.
fn is_between_one_thread_s(lines: &[&str], at: usize) -> bool {
    let barrier = |line: &str| {
        let rest = line.trim().strip_prefix("bar.sync")?;
        Some(rest.split_whitespace().collect::<String>())
    };
    let Some(own) = lines.get(at).and_then(|line| barrier(line)) else { return false };
    let by_one = ["mbarrier.init", "mbarrier.arrive", "mbarrier.inval", "cp.async.bulk.tensor"];
    let touches = [
        "ld.",
        "st.",
        "ldmatrix",
        "stmatrix",
        "atom",
        "red.",
        "cp.",
        "wgmma",
        "mbarrier",
        "tensormap",
        "tcgen05",
        "bra",
    ];
    let is_quiet = |line: &str| {
        let (instruction, guard) = unguarded(line);
        let begins = |kinds: &[&str]| kinds.iter().any(|kind| instruction.starts_with(kind));
        let is_label = instruction.starts_with('$') && !instruction.starts_with("$L__tmp");
        guard.is_some() && begins(&by_one) || instruction.starts_with("ld.param") || !is_label && !begins(&touches)
    };
    let ends = |line: &str| barrier(line).as_ref() == Some(&own) || line.trim() == "{" || line.trim() == "ret;";
    let is_quiet_up_to_a_barrier = |side: Vec<&str>| {
        let last = side.into_iter().find(|line| ends(line) || !is_quiet(line));
        last.is_some_and(is_quiet)
    };
    is_quiet_up_to_a_barrier(lines[..at].iter().rev().copied().collect())
        && is_quiet_up_to_a_barrier(lines[at + 1..].to_vec())
}

/// What became of a mutant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// A finding or a fault.
    Reported,
    /// No report: the check never keeps a lane away in this launch, or no lane is at the bound that is shifted.
    NeverOff,
    /// No report: the lanes that the check keeps away read what the buffer has, and the result is the same.
    ReadsMore,
    /// No report: the lanes that the check keeps away store what is there already, and the result is the same.
    StoresTheSame,
    /// No report: only one thread does anything between the barriers before and after the one that was taken away.
    OneThread,
    /// No report: what is left orders every pair of accesses of this launch; the result is the same in any order of warps.
    StillOrdered,
    /// No report, and another result: a program that computes something else, and breaks no rule.
    ComputesOther,
    /// No report, another result, and a rule is broken: a gap.
    Gap,
    /// It did not end.
    Endless,
}

impl Verdict {
    const ALL: [(Self, &'static str); 9] = [
        (Self::Reported, "reported"),
        (Self::NeverOff, "never off"),
        (Self::ReadsMore, "reads more"),
        (Self::StoresTheSame, "same value"),
        (Self::OneThread, "one thread"),
        (Self::StillOrdered, "ordered"),
        (Self::ComputesOther, "other"),
        (Self::Gap, "GAP"),
        (Self::Endless, "endless"),
    ];
}

/// What a checked run of a text gives.
pub enum Outcome {
    /// A finding or a fault.
    Reported,
    /// It was stopped.
    Endless,
    /// Nothing is found; whether the result is that of the right kernel.
    Quiet {
        /// The same bits.
        same: bool,
    },
}

/// Orders of warps in which a survivor is tried.
const ORDERS: u64 = 4;

/// The verdict on a mutant of a right text; `run` is a checked launch of a text in an order of warps.
pub fn judge(right: &str, mutant: &Mutant, mut run: impl FnMut(&str, u64) -> Outcome) -> Verdict {
    let is_bound = mutant.kind.starts_with("bound check");
    let same = match run(&mutant.text, 0) {
        Outcome::Reported => return Verdict::Reported,
        Outcome::Endless => return Verdict::Endless,
        Outcome::Quiet { same } => same,
    };
    if !same {
        return if is_bound { Verdict::ComputesOther } else { Verdict::Gap };
    }
    if let Some(probe) = &mutant.probe {
        if !matches!(run(probe, 0), Outcome::Reported) {
            return Verdict::NeverOff;
        }
        let line = mutant.text.lines().nth(mutant.line - 1).unwrap_or_default();
        let reads = line.starts_with("ld.") || line.starts_with("cp.async");
        return if reads { Verdict::ReadsMore } else { Verdict::StoresTheSame };
    }
    if is_bound {
        return Verdict::NeverOff;
    }
    for seed in 1..=ORDERS {
        match run(&mutant.text, seed) {
            Outcome::Reported => return Verdict::Reported,
            Outcome::Endless => return Verdict::Endless,
            Outcome::Quiet { same: false } => return Verdict::Gap,
            Outcome::Quiet { same: true } => {}
        }
    }
    let lines: Vec<&str> = right.lines().collect();
    if is_between_one_thread_s(&lines, mutant.line - 1) { Verdict::OneThread } else { Verdict::StillOrdered }
}

/// Verdicts by kind.
#[derive(Default)]
pub struct Table {
    counts: BTreeMap<String, [usize; 9]>,
    kernels: usize,
    /// The mutants that were not reported, by verdict, a line each.
    survivors: Vec<(Verdict, String)>,
}

impl Table {
    /// A kernel whose mutants follow.
    pub fn kernel(&mut self) {
        self.kernels += 1;
    }

    /// Notes one.
    pub fn add(&mut self, kernel: &str, mutant: &Mutant, verdict: Verdict) {
        let at = Verdict::ALL.iter().position(|(known, _)| *known == verdict).unwrap_or_default();
        self.counts.entry(mutant.kind.clone()).or_default()[at] += 1;
        if verdict != Verdict::Reported {
            self.survivors.push((verdict, format!("{kernel}, line {}: {}", mutant.line, mutant.kind)));
        }
    }

    /// As it is printed.
    pub fn show(&self) -> String {
        let heads: Vec<String> = Verdict::ALL.iter().map(|(_, head)| format!("{head:>12}")).collect();
        let mut text = format!("{:<28}{}  report rate\n", "taken away", heads.concat());
        let mut total = [0; 9];
        let mut row = |name: &str, counts: &[usize; 9]| {
            let cells: Vec<String> = counts.iter().map(|count| format!("{count:>12}")).collect();
            let all: usize = counts.iter().sum();
            // What never matters in this launch cannot be reported.
            let equivalent: usize = counts[1..6].iter().sum();
            let rate = |of: usize| if of == 0 { 100.0 } else { 100.0 * counts[0] as f64 / of as f64 };
            text += &format!(
                "{name:<28}{}  {:.1} %, {:.1} % of those that are not equivalent\n",
                cells.concat(),
                rate(all),
                rate(all - equivalent)
            );
        };
        for (kind, counts) in &self.counts {
            total.iter_mut().zip(counts).for_each(|(total, count)| *total += count);
            row(kind, counts);
        }
        row("all", &total);
        text += &format!("{} kernels\n", self.kernels);
        let mut survivors: Vec<&(Verdict, String)> =
            self.survivors.iter().filter(|(verdict, _)| *verdict >= Verdict::StillOrdered).collect();
        survivors.sort();
        for (verdict, survivor) in survivors {
            text += &format!("{verdict:?}: {survivor}\n");
        }
        text
    }
}
