//! What a version is besides its texts, each fact with its name: what two sides do not share is a row of the table.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::super::line_links::Trace;
use super::super::stages::title;
use super::super::subject::Subject;
use crate::launch::measure::ROUNDS;
use crate::render::grouped;
use crate::render::plot::time_text;
use warpbook_compiler::meta::{LaunchMeta, resources};
use warpbook_compiler::{PassEdits, Stage};
use warpbook_device::Timing;
use warpbook_device::emulation::Counters;
use warpbook_gpu::GpuLimits;

/// One property of a side of the comparison: registers, latency, the number of one instruction.
#[derive(Clone, Debug, PartialEq)]
pub struct Fact {
    /// Name of the property, the same on both sides.
    pub name: String,
    /// The value as it is shown.
    pub value: String,
    /// Its number, where the change of it says something.
    pub number: Option<f64>,
}

/// Instructions of a kind that are listed for each stage.
const MOST_NAMES: usize = 8;
/// What is listed before the rest where its number changed: tensor cores, copies, waits.
const TELLING: [&str; 14] = [
    "mma", "wgmma", "tcgen05", "ldmatrix", "cp", "mbarrier", "bar", "HMMA", "IMMA", "QGMMA", "HGMMA", "LDSM", "LDGSTS",
    "UTMALDG",
];

fn word(name: impl Into<String>, value: impl Into<String>) -> Fact {
    Fact { name: name.into(), value: value.into(), number: None }
}

fn number(name: impl Into<String>, value: u64) -> Fact {
    Fact { name: name.into(), value: grouped(value), number: Some(value as f64) }
}

/// What the machine code takes of a multiprocessor.
pub fn resource_facts(subject: &Subject, trace: &Trace) -> Vec<Fact> {
    let meta = &subject.version.meta;
    let mut facts = vec![number("shared bytes", meta.shared.value.into())];
    let taken = trace.cubin.as_ref().and_then(|cubin| resources(&cubin.content, &meta.entry.value));
    if let Some(taken) = taken {
        let limits = GpuLimits::for_capability(subject.version.target.0);
        let full = limits.occupancy(meta.threads.value, taken.registers, meta.shared.value);
        facts.push(number("registers", taken.registers.into()));
        facts.push(number("local bytes (spills)", taken.local.into()));
        let (blocks, limit) = (full.blocks, full.each[0].0.name());
        let value = format!("{blocks} (limited by {limit})");
        facts.push(Fact { name: "blocks per multiprocessor".into(), value, number: Some(blocks.into()) });
    }
    facts
}

/// How the version was compiled, and what a launch needs to know about it.
pub fn metadata(subject: &Subject) -> Vec<Fact> {
    let version = &subject.version;
    let LaunchMeta { entry, params, num_warps, threads, cluster, tmem, tensor_descs, .. } = &version.meta;
    let mut facts = vec![
        word("target", version.target.to_string()),
        word("Triton", version.triton.clone().unwrap_or_default()),
        word("entered at", version.entered.name()),
        word("entry", entry.value.clone()),
        number("threads", threads.value.into()),
        number("num_warps", num_warps.value.into()),
    ];
    for (name, value) in version.options.iter().filter(|(name, _)| *name != "num_warps") {
        facts.push(match value.as_u64() {
            Some(value) => number(name.clone(), value),
            None => word(name.clone(), plain(value)),
        });
    }
    let [x, y, z] = cluster.value;
    facts.push(word("cluster", format!("{x} × {y} × {z}")));
    for param in &params.value {
        let divisibility = param.divisibility.map(|by| format!(", divisible by {by}")).unwrap_or_default();
        facts.push(word(format!("parameter {}", param.name), format!("{}{divisibility}", param.type_name())));
    }
    for (at, map) in tensor_descs.iter().enumerate() {
        let value = format!("swizzle mode {}, box {:?} of {} bytes", map.swizzle, map.block_size, map.element_size);
        facts.push(word(format!("tensor descriptor {at}"), value));
    }
    if let Some(binding) = &version.binding {
        let constants = binding.specialised.iter();
        facts.extend(constants.map(|(name, value)| word(format!("constexpr {name}"), value.clone())));
        facts.push(word("configuration", binding.config.clone()));
    }
    let (global, profile) = (version.meta.global_scratch.value, version.meta.profile_scratch.value);
    facts.push(number("global scratch bytes", global.size));
    facts.push(number("profile scratch bytes", profile.size));
    facts.push(number("tensor memory columns", tmem.value.into()));
    facts.push(word("cooperative", version.meta.cooperative.value.to_string()));
    facts.push(word("dependent launch", version.meta.dependent.value.to_string()));
    if let Some(PassEdits { skip, until, after }) = version.request.as_ref().map(|request| &request.passes) {
        facts.push(word("passes skipped", skip.join(", ")));
        facts.push(word("passes until", until.clone().unwrap_or_default()));
        facts.push(word("passes after", after.clone().unwrap_or_default()));
    }
    facts
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Instructions by kind whose number changed most, of PTX and of machine code.
pub fn mix(old: &Trace, new: &Trace) -> (Vec<Fact>, Vec<Fact>) {
    let (mut before, mut after) = (Vec::new(), Vec::new());
    for stage in [Stage::Ptx, Stage::Sass] {
        let counts = |trace: &Trace| -> BTreeMap<String, u64> {
            let counts = trace.stage(stage).map(|stage| stage.counts()).unwrap_or_default();
            counts.into_iter().map(|(name, count)| (name, count as u64)).collect()
        };
        let (old, new) = (counts(old), counts(new));
        if old.is_empty() || new.is_empty() {
            continue;
        }
        let of = |counts: &BTreeMap<String, u64>, name: &str| counts.get(name).copied().unwrap_or(0);
        let mut names: Vec<&String> = old.keys().chain(new.keys()).collect();
        names.sort();
        names.dedup();
        names.sort_by_key(|name| {
            let changed = of(&old, name).abs_diff(of(&new, name));
            let is_telling = TELLING.contains(&name.split('.').next().unwrap_or(name));
            std::cmp::Reverse((is_telling && changed > 0, changed))
        });
        let total = |counts: &BTreeMap<String, u64>| counts.values().sum();
        before.push(number(format!("{} instructions", title(stage)), total(&old)));
        after.push(number(format!("{} instructions", title(stage)), total(&new)));
        for name in names.into_iter().take(MOST_NAMES) {
            before.push(number(format!("{} {name}", title(stage)), of(&old, name)));
            after.push(number(format!("{} {name}", title(stage)), of(&new, name)));
        }
    }
    (before, after)
}

/// The name of the fact that stands for the work of a launch.
pub const EXECUTED: &str = "warp instructions executed";
/// The name of the fact that is a measured time.
pub const LATENCY: &str = "latency";

/// What a launch did, as the emulator counted it.
pub fn counted(counters: &Counters) -> Vec<Fact> {
    let all = counters.total(|_| true);
    let bulk: u64 = counters.buffers.iter().map(|traffic| traffic.bulk_loaded + traffic.bulk_stored).sum();
    vec![
        number(EXECUTED, all.executed),
        number("tensor-core FLOPs", all.tensor_operations),
        number("global requests", all.global.requests),
        number("global sectors", all.global.sectors),
        number("global bytes", all.global.bytes),
        number("bytes by TMA", bulk),
        number("shared requests", all.shared.requests),
        number("shared wavefronts", all.shared.wavefronts),
        number("bank conflicts", all.shared.conflicts()),
        number("divergent branches", all.divergent),
        number("tests of an mbarrier", all.tests),
    ]
}

fn sorted(samples: &[Duration]) -> Vec<Duration> {
    let mut samples = samples.to_vec();
    samples.sort();
    samples
}

/// The sample that a share of the sorted ones lies below.
fn quantile(sorted: &[Duration], share: f64) -> Option<Duration> {
    sorted.get((sorted.len().saturating_sub(1) as f64 * share).round() as usize).copied()
}

/// A measured latency: its median and where nine of ten samples lie.
pub fn latency(timing: &Timing) -> Option<Fact> {
    let samples = sorted(&timing.samples);
    let at = |share| quantile(&samples, share);
    let (low, median, high) = (at(0.05)?, at(0.5)?, at(0.95)?);
    let value = format!("{} (5–95 %: {}–{})", time_text(median), time_text(low), time_text(high));
    Some(Fact { name: LATENCY.into(), value, number: Some(median.as_secs_f64()) })
}

/// The latency of the second side in terms of the first's, both timed by turns.
#[derive(Clone, Debug, PartialEq)]
pub struct Ratio {
    /// Median of the second side divided by the median of the first.
    all: f64,
    /// The least and the largest such ratio in a single round.
    rounds: (f64, f64),
    samples: [usize; 2],
}

impl Ratio {
    /// Of samples that come in [`ROUNDS`] rounds of one length each.
    pub fn from_timings(timings: &[Timing; 2]) -> Option<Self> {
        let median = |samples: &[Duration]| {
            quantile(&sorted(samples), 0.5).map(|median| median.as_secs_f64()).filter(|seconds| *seconds > 0.0)
        };
        let [old, new] = timings.each_ref().map(|timing| timing.samples.as_slice());
        let round = |samples: &'_ [Duration]| samples.len().div_ceil(ROUNDS as usize).max(1);
        let each = old.chunks(round(old)).zip(new.chunks(round(new)));
        let each = each.filter_map(|(old, new)| Some(median(new)? / median(old)?));
        let rounds = each.fold((f64::INFINITY, 0.0_f64), |(low, high), ratio| (low.min(ratio), high.max(ratio)));
        Some(Self { all: median(new)? / median(old)?, rounds, samples: [old.len(), new.len()] })
    }

    /// The ratio and its spread in a sentence.
    pub fn describe(&self) -> String {
        let (low, high) = self.rounds;
        format!(
            "timed by turns in {ROUNDS} rounds: the ratio of the medians is {:.3}, in single rounds {low:.3} to {high:.3}",
            self.all
        )
    }

    /// The ratio as JSON, with the numbers of rounds and samples.
    pub fn facts(&self) -> Value {
        json!({"ratio": self.all, "rounds": ROUNDS, "samples": self.samples})
    }
}

/// A row: name, before, after, change. `None` for a property that is the same on both sides and is not always shown.
pub fn row(before: Option<&Fact>, after: Option<&Fact>) -> Option<[String; 4]> {
    let fact = after.or(before)?;
    let value = |fact: Option<&Fact>| clipped(fact.map_or("", |fact| &fact.value));
    let (old, new) = (value(before), value(after));
    if old == new && ![EXECUTED, LATENCY].contains(&fact.name.as_str()) {
        return None;
    }
    let change = match (before.and_then(|fact| fact.number), after.and_then(|fact| fact.number)) {
        (Some(old), Some(new)) if old > 0.0 && old != new => {
            let percent = format!("{:+.1} %", (new / old - 1.0) * 100.0);
            percent.replace('-', "−")
        }
        _ => String::new(),
    };
    Some([fact.name.clone(), old, new, change])
}

/// Longer values say no more in a table.
fn clipped(value: &str) -> String {
    match value.char_indices().nth(48) {
        Some((end, _)) => format!("{}…", &value[..end]),
        None => value.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_latencies_have_a_ratio() {
        // The clock falls from round to round, for both alike.
        let timing = |each: u64| {
            let rounds = (0..u64::from(ROUNDS)).flat_map(|round| [1000 + 10 * round; 3]);
            let samples = rounds.map(|nanoseconds| Duration::from_nanos(nanoseconds * each)).collect();
            Timing { samples, ..Timing::default() }
        };
        let ratio = Ratio::from_timings(&[timing(4), timing(3)]).expect("a ratio");
        let text = "timed by turns in 20 rounds: the ratio of the medians is 0.750, in single rounds 0.750 to 0.750";
        assert_eq!((ratio.describe().as_str(), ratio.samples), (text, [60, 60]));
        assert_eq!(Ratio::from_timings(&[Timing::default(), timing(1)]), None);
    }

    #[test]
    fn rows_are_what_differs() {
        let row = |old: Fact, new: Fact| row(Some(&old), Some(&new));
        assert_eq!(row(number("registers", 40), number("registers", 40)), None);
        let shown = row(number("registers", 1000), number("registers", 900)).expect("a row");
        assert_eq!(shown, ["registers", "1 000", "900", "−10.0 %"]);
        let shown = row(number("spills", 0), number("spills", 8)).expect("a row");
        assert_eq!(shown, ["spills", "0", "8", ""]);
        let shown = row(number(EXECUTED, 5), number(EXECUTED, 5)).expect("what is always asked for");
        assert_eq!(shown, [EXECUTED, "5", "5", ""]);
        let shown = super::row(Some(&word("cluster", "1")), None).expect("a row");
        assert_eq!(shown, ["cluster", "1", "", ""]);
    }
}
