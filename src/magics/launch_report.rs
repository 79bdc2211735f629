//! The words for the facts of a launch: the report of a cell, and single lines for views. Everything that a run of the
//! clock decides sits in the last line of the report.

use std::fmt::Write;
use std::time::Duration;

use serde_json::{Value, json};

use crate::launch::changes::{Change, ChangedElements, Values};
use crate::launch::on_device::OnDevice;
use crate::launch::report::{Arithmetic, Contraction, GuessedShared, Implied, LaunchFacts, Report, StageTime};
use crate::launch::scratch::GuessedScratch;
use crate::render::plot::{Plot, time_text};
use crate::render::{Block, Document, Output, Prose, bytes_text, grouped};
use warpbook_compiler::meta::Resources;
use warpbook_device::emulation::{CheckReport, Counters};
use warpbook_device::{FunctionInfo, Occupancy, Timing};

/// Copies and comparisons of the buffers that take less than this are not mentioned.
const NOTABLE: Duration = Duration::from_millis(200);

/// What it cost to know what the buffers held before and what they hold now, where that is notable.
fn cost_of_copies(launch: &LaunchFacts) -> Option<String> {
    let around = launch.parts.iter().filter(|(part, _)| matches!(*part, "snapshot" | "changes"));
    let cost: Duration = around.map(|(_, time)| *time).sum();
    (cost >= NOTABLE).then(|| format!("{} to copy and compare buffers (`%config snapshots`)", time_text(cost)))
}

/// The report of a cell that compiled and launched, as it is shown.
pub fn output(report: &Report) -> Output {
    Words(report).document().output()
}

struct Words<'a>(&'a Report);

impl Words<'_> {
    /// All that it says. In the text the times stand in the last line: the rest is the same from run to run.
    fn document(&self) -> Document {
        let mut document = Document::new(self.headline());
        self.facts().into_iter().chain(self.changes()).for_each(|line| document.line(Prose::plain(line)));
        document.extend(self.warnings().into_iter().map(|warning| Block::Warning(warning.into())));
        document.push(Block::Aside(self.times().into()));
        document.extend(self.plot());
        document.with_facts(self.facts_json())
    }

    /// What the launch changed, one line for each buffer.
    fn changes(&self) -> Vec<String> {
        match &self.0.launch {
            Some(launch) if launch.changes.is_empty() => vec!["no buffer changed".to_owned()],
            Some(launch) => launch.changes.iter().map(change_text).collect(),
            None => Vec::new(),
        }
    }

    /// What the reader should know, one sentence each.
    fn warnings(&self) -> Vec<String> {
        let mut warnings = self.0.warnings.clone();
        let Some(launch) = &self.0.launch else { return warnings };
        warnings.extend(launch.warnings.iter().cloned());
        if let Some(rebuilt) = launch.rebuilt.text() {
            warnings.push(format!("the device was lost before this launch; {rebuilt}"));
        }
        warnings.extend(launch.guessed_shared.map(guessed_shared_text));
        warnings.extend(launch.guessed_scratch.iter().map(guessed_scratch_text));
        warnings.extend(launch.timing.iter().flat_map(|timing| &timing.warnings).cloned());
        warnings
    }

    fn headline(&self) -> String {
        let from = match self.0.parent {
            Some(parent) => format!(" (from v{parent}, {} edited)", self.0.entered),
            None => format!(" (from {})", self.0.entered),
        };
        let mut line = format!("{} v{}{from} · {}", self.0.kernel, self.0.version, self.0.target);
        if let Some(triton) = &self.0.triton {
            let _ = write!(line, " · Triton {triton}");
        }
        if let Some(launch) = &self.0.launch {
            let _ = write!(line, " · {}", launch.device);
            if let Some(description) = &launch.description {
                let _ = write!(line, " {description}");
            }
        }
        line
    }

    fn facts(&self) -> Vec<String> {
        let mut lines = Vec::new();
        lines.extend(self.0.implied.as_ref().map(implied_text));
        let threads = format!("{} threads ({})", self.0.threads.value, self.0.threads.origin);
        let shared = match self.0.shared.value {
            0 => "no dynamic shared memory".to_owned(),
            bytes => format!("shared {} ({})", bytes_text(bytes.into()), self.0.shared.origin),
        };
        lines.push(match &self.0.launch {
            Some(launch) => format!("grid {} × {threads} · {shared}", grid_text(launch.grid)),
            None => format!("compiled, not launched · {threads} · {shared}"),
        });
        let mut resources = Vec::new();
        if let Some(Resources { registers, local }) = self.0.resources {
            resources.push(format!("{registers} registers per thread"));
            resources.push(match local {
                0 => "no local memory, no spills".to_owned(),
                bytes => format!("{bytes} B of local memory per thread (spills, local arrays)"),
            });
        } else if let Some(FunctionInfo { registers: Some(registers), local, spills, .. }) = self.function() {
            resources.push(format!("{registers} registers per thread (compiled by the driver)"));
            resources.push(match (local, spills) {
                (0, _) => "no local memory, no spills".to_owned(),
                (bytes, Some(spilled)) => format!("{bytes} B of local memory per thread, {spilled} B spilled"),
                (bytes, None) => format!("{bytes} B of local memory per thread (spills, local arrays)"),
            });
        }
        if let Some(function) = self.function() {
            if function.static_shared > 0 {
                resources.push(format!("{} of static shared memory", bytes_text(function.static_shared.into())));
            }
            resources.extend(function.max_threads.map(|threads| format!("up to {threads} threads/block")));
        }
        if let Some(Occupancy { blocks, warps, warps_limit, limiter }) = self.occupancy() {
            let plural = if blocks == 1 { "" } else { "s" };
            let limiter = limiter.name();
            resources.push(format!("{blocks} block{plural}/SM ({warps} of {warps_limit} warps), limited by {limiter}"));
        }
        if !resources.is_empty() {
            lines.push(resources.join(" · "));
        }
        if let Some(launch) = &self.0.launch {
            lines.extend(launch.driver_log.iter().flat_map(|log| driver_lines(log)));
            lines.extend(counted_text(launch));
            lines.extend(arithmetic_text(&launch.arithmetic));
            lines.extend(launch.checked.as_ref().map(checked_text));
        }
        lines
    }

    fn function(&self) -> Option<&FunctionInfo> {
        self.0.launch.as_ref()?.function.as_ref()
    }

    fn occupancy(&self) -> Option<Occupancy> {
        self.0.launch.as_ref()?.occupancy
    }

    fn times(&self) -> String {
        let mut parts = Vec::new();
        let stages: Vec<String> = self
            .0
            .stages
            .iter()
            .map(|line| match line.cached {
                true => format!("{} cached", line.stage),
                false => format!("{} {}", line.stage, time_text(line.elapsed)),
            })
            .collect();
        if !stages.is_empty() {
            parts.push(format!("compile: {}", stages.join(" → ")));
        }
        if let Some(launch) = &self.0.launch {
            let kind = if launch.emulated { "emulated launch" } else { "launch" };
            parts.push(match &launch.timing {
                Some(timing) => timing_text(timing, kind),
                None => format!("{kind} {}", time_text(launch.elapsed)),
            });
            parts.extend(cost_of_copies(launch));
        }
        if parts.is_empty() { "nothing to compile".to_owned() } else { parts.join(" · ") }
    }

    fn plot(&self) -> Option<Plot> {
        let launch = self.0.launch.as_ref()?;
        let samples = &launch.timing.as_ref()?.samples;
        let quantiles = Quantiles::from_samples(samples)?;
        let title = format!(
            "{} v{}: median {} over {} launches on {}{}",
            self.0.kernel,
            self.0.version,
            time_text(quantiles.median),
            samples.len(),
            launch.device,
            if launch.emulated { " (emulated time)" } else { "" },
        );
        Plot::latency_histogram(&title, samples)
    }

    fn facts_json(&self) -> Value {
        json!({
            "kernel": self.0.kernel,
            "version": self.0.version,
            "parent": self.0.parent,
            "entered": self.0.entered.name(),
            "target": self.0.target.to_string(),
            "triton": self.0.triton.as_ref().map(|version| format!("Triton {version}")),
            "threads": self.0.threads.value,
            "shared_bytes": self.0.shared.value,
            "registers": self.0.resources.map(|resources| resources.registers),
            "local_bytes": self.0.resources.map(|resources| resources.local),
            "warnings": self.warnings(),
            "stages": self.0.stages.iter().map(stage_json).collect::<Vec<_>>(),
            "launch": self.0.launch.as_ref().map(launch_json),
        })
    }
}

fn nanoseconds(duration: &Duration) -> Value {
    json!(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX))
}

fn stage_json(line: &StageTime) -> Value {
    json!({ "stage": line.stage.name(), "cached": line.cached, "nanoseconds": nanoseconds(&line.elapsed) })
}

fn launch_json(launch: &LaunchFacts) -> Value {
    let function = launch.function.as_ref();
    let parts = launch.parts.iter().map(|(part, time)| ((*part).to_owned(), nanoseconds(time)));
    let samples = launch.timing.iter().flat_map(|timing| &timing.samples).map(nanoseconds);
    json!({
        "device": launch.device,
        "emulated": launch.emulated,
        "grid": launch.grid,
        "warp_instructions": launch.warp_instructions,
        "changes": launch.changes.iter().map(change_json).collect::<Vec<_>>(),
        "counters": launch.counters.as_ref().map(counters_json),
        "checked_accesses": launch.checked.as_ref().map(|checked| checked.accesses),
        "unverified_arithmetic": launch.arithmetic.unverified.map(|capability| format!("sm_{capability}")),
        "contraction": launch.arithmetic.contraction.as_ref().map(contraction_json),
        "nanoseconds": nanoseconds(&launch.elapsed),
        "host_nanoseconds": launch.host.as_ref().map(nanoseconds),
        "description": launch.description,
        "parts_nanoseconds": parts.collect::<serde_json::Map<_, _>>(),
        "registers": function.and_then(|function| function.registers),
        "local_bytes": function.map(|function| function.local),
        "spilled_bytes": function.and_then(|function| function.spills),
        "static_shared_bytes": function.map(|function| function.static_shared),
        "max_threads": function.and_then(|function| function.max_threads),
        "driver_log": launch.driver_log,
        "blocks_per_sm": launch.occupancy.map(|occupancy| occupancy.blocks),
        "occupancy_limiter": launch.occupancy.map(|occupancy| occupancy.limiter.name()),
        "samples_nanoseconds": samples.collect::<Vec<_>>(),
        "timing": launch.timing.as_ref().map(timing_json),
    })
}

fn timing_json(timing: &Timing) -> Value {
    json!({
        "method": timing.method,
        "warmup": timing.warmup,
        "graph_nanoseconds": timing.graph.map(|graph| nanoseconds(&graph.each)),
        "graph_launches": timing.graph.map(|graph| graph.launches),
        "submit_nanoseconds": timing.submit.map(|submit| [nanoseconds(&submit.ours), nanoseconds(&submit.bare)]),
        "sm_clock_mhz": timing.clocks,
    })
}

/// Median and spread of the samples, how they were taken, and the graph's figure beside them.
fn timing_text(timing: &Timing, kind: &str) -> String {
    let Some(q) = Quantiles::from_samples(&timing.samples) else { return kind.to_owned() };
    let mut text = format!(
        "{kind} {} median (5–95 %: {}–{}; {}; {}",
        time_text(q.median),
        time_text(q.low),
        time_text(q.high),
        match timing.warmup {
            0 => format!("{} samples", timing.samples.len()),
            warmup => format!("{} samples after {warmup} to warm up", timing.samples.len()),
        },
        timing.method,
    );
    if let Some((before, after)) = timing.clocks {
        let _ = match before == after {
            true => write!(text, "; SM clock {before} MHz"),
            false => write!(text, "; SM clock {before} → {after} MHz"),
        };
    }
    text.push(')');
    if let Some(graph) = timing.graph {
        let each = time_text(graph.each);
        let _ = write!(text, " · {each} each, back to back in a CUDA graph of {} (caches warm)", graph.launches);
    }
    if let Some(submit) = timing.submit {
        let (ours, bare) = (time_text(submit.ours), time_text(submit.bare));
        let _ = write!(text, " · {ours} for the host to submit (a bare driver call {bare})");
    }
    text
}

/// What the emulator counted of a launch, in one line.
pub fn counters_text(counters: &Counters) -> String {
    let all = counters.total(|_| true);
    let mut parts = vec![format!("{} warp instructions", grouped(all.executed))];
    if all.tensor_operations > 0 {
        parts.push(format!("{} tensor-core FLOPs", grouped(all.tensor_operations)));
    }
    if all.global.requests > 0 {
        let [own, best] = [all.global.sectors, all.global.least_sectors].map(|count| ratio(count, all.global.requests));
        let best = if best == own { String::new() } else { format!(" (at best {best})") };
        parts.push(format!("{own} sectors/request{best}"));
    }
    if all.bulk_bytes > 0 {
        parts.push(format!("{} by TMA", bytes_text(all.bulk_bytes)));
    }
    if all.shared.requests > 0 {
        parts.push(match all.shared.conflicts() {
            0 => "no bank conflicts".to_owned(),
            1 => "1 bank conflict".to_owned(),
            count => format!("{} bank conflicts", grouped(count)),
        });
    }
    match all.divergent {
        0 => {}
        1 => parts.push("1 divergent branch".to_owned()),
        count => parts.push(format!("{} divergent branches", grouped(count))),
    }
    parts.join(" · ")
}

/// `4.0`; empty where the divisor is 0.
fn ratio(a: u64, b: u64) -> String {
    if b == 0 { String::new() } else { format!("{:.1}", a as f64 / b as f64) }
}

/// What a launch did to a buffer, and what that holds now, in one line.
fn change_text(change: &Change) -> String {
    let Change { buffer, dtype, shape, elements } = change;
    let Some(ChangedElements { changed, all, first, values }) = elements else {
        return format!("{buffer}  {dtype} {shape:?}  changed (too large to keep a copy of)");
    };
    let which = match changed == all {
        true => format!("all {all} elements changed"),
        false => format!("{changed} of {all} elements changed, the first at {first:?}"),
    };
    format!("{buffer}  {dtype} {shape:?}  {which} · {}", values_text(values))
}

/// Least, largest and mean value, NaN left out, and how many NaN and infinities there are.
fn values_text(values: &Values) -> String {
    let (finite, nans, infinities) = match *values {
        Values::Integers { least, largest } => return format!("min {least}, max {largest}"),
        Values::Floats { finite, nans, infinities } => (finite, nans, infinities),
    };
    let mut text = match finite {
        None => "no finite value".to_owned(),
        Some([least, largest, mean]) => format!("min {}, max {}, mean {}", short(least), short(largest), short(mean)),
    };
    text.push_str(&if nans == 0 { " · no NaN".to_owned() } else { format!(" · {nans} NaN") });
    if infinities > 0 {
        text.push_str(&format!(" · {infinities} infinite"));
    }
    text
}

/// The number with four significant digits.
fn short(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    let exponent = value.abs().log10().floor() as i32;
    if (-4..6).contains(&exponent) {
        let text = format!("{value:.*}", usize::try_from(3 - exponent).unwrap_or(0));
        let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
        return text.to_owned();
    }
    format!("{value:.3e}")
}

fn change_json(change: &Change) -> Value {
    let Change { buffer, dtype, shape, elements } = change;
    let mut facts = json!({"buffer": buffer, "dtype": dtype.to_string(), "shape": shape});
    let Some(ChangedElements { changed, all, first, values }) = elements else { return facts };
    facts["changed"] = json!(changed);
    facts["elements"] = json!(all);
    facts["first"] = json!(first);
    match *values {
        // JSON's numbers may be read as doubles: integers beyond them are text.
        Values::Integers { least, largest } => {
            facts["least"] = json!(least.to_string());
            facts["largest"] = json!(largest.to_string());
        }
        Values::Floats { finite, nans, infinities } => {
            let [least, largest, mean] = finite.map_or([None; 3], |values| values.map(Some));
            facts["least"] = json!(least);
            facts["largest"] = json!(largest);
            facts["mean"] = json!(mean);
            facts["nans"] = json!(nans);
            facts["infinities"] = json!(infinities);
        }
    }
    facts
}

/// What the emulator counted of a launch, in one line.
fn counted_text(launch: &LaunchFacts) -> Option<String> {
    match &launch.counters {
        Some(counters) => Some(counters_text(counters)),
        None => launch.warp_instructions.map(|count| format!("{} warp instructions", grouped(count))),
    }
}

fn counters_json(counters: &Counters) -> Value {
    let all = counters.total(|_| true);
    json!({
        "warp_instructions": all.executed,
        "tensor_operations": all.tensor_operations,
        "global_requests": all.global.requests,
        "global_sectors": all.global.sectors,
        "least_global_sectors": all.global.least_sectors,
        "bulk_bytes": all.bulk_bytes,
        "shared_requests": all.shared.requests,
        "bank_conflicts": all.shared.conflicts(),
        "divergent_branches": all.divergent,
    })
}

/// Whose arithmetic it was, and which pairs were contracted.
pub fn arithmetic_text(arithmetic: &Arithmetic) -> Option<String> {
    let parts: Vec<String> = arithmetic
        .unverified
        .map(unverified_text)
        .into_iter()
        .chain(arithmetic.contraction.as_ref().map(contraction_text))
        .collect();
    (!parts.is_empty()).then(|| parts.join(" · "))
}

/// The emulator's arithmetic of an architecture was not compared with hardware.
pub fn unverified_text(capability: u32) -> String {
    format!("arithmetic of sm_{capability} modelled, not verified")
}

/// The pairs of multiplications and additions that ptxas may contract, in a few words.
pub fn contraction_text(contraction: &Contraction) -> String {
    match *contraction {
        Contraction::AsWritten { pairs } => format!("{pairs} mul/add pairs that ptxas may contract are as in PTX"),
        Contraction::Followed { contracted, candidates, unknown, folded } => {
            let folded = match folded {
                0 => String::new(),
                1 => ", 1 folded constant as ptxas computed it".to_owned(),
                folded => format!(", {folded} folded constants as ptxas computed them"),
            };
            let unknown = match unknown {
                0 => String::new(),
                unknown => format!(", {unknown} cannot be read from the machine code"),
            };
            format!("{contracted} of {candidates} mul/add pairs contracted as ptxas did{unknown}{folded}")
        }
    }
}

fn contraction_json(contraction: &Contraction) -> Value {
    match *contraction {
        Contraction::AsWritten { pairs } => json!({"followed": false, "candidates": pairs}),
        Contraction::Followed { contracted, candidates, unknown, folded } => {
            json!({"followed": true, "candidates": candidates, "contracted": contracted, "unknown": unknown, "folded": folded})
        }
    }
}

/// The device that a launch ran on, with what has to be known of its arithmetic.
pub fn device_text(launch: &OnDevice) -> String {
    match launch.arithmetic.unverified {
        Some(capability) => format!("{} · {}", launch.device, unverified_text(capability)),
        None => launch.device.clone(),
    }
}

fn guessed_shared_text(GuessedShared { given, touched }: GuessedShared) -> String {
    match touched {
        Some(touched) => format!(
            "the kernel's text does not state its shared memory: the launch gave it {given} bytes, and it used {touched} \
             (`--shared {touched}`)"
        ),
        None => format!("the kernel's text does not state its shared memory: the launch gave it {given} bytes"),
    }
}

fn guessed_scratch_text(guessed: &GuessedScratch) -> String {
    let (name, option) = (guessed.area.name(), guessed.area.option());
    let (blocks, per_block) = (guessed.blocks, guessed.per_block());
    format!(
        "the kernel's text does not state its {name}: {blocks} {} wrote {} bytes of it in all (`{option} {per_block}/128`)",
        if blocks == 1 { "block" } else { "blocks" },
        guessed.touched
    )
}

/// Values that the header does not give, in one line.
fn implied_text(implied: &Implied) -> String {
    match implied {
        Implied::Chosen { config, values } => {
            let config = config.iter().map(|(config, count)| format!("{config} (1 of {count} configurations)"));
            let values = values.iter().map(|(name, value)| format!("{name} = {value}"));
            format!("chosen by the kernel: {}", config.chain(values).collect::<Vec<_>>().join(", "))
        }
        Implied::Inherited { version, options } => {
            let options: Vec<String> = options.iter().map(|(name, value)| format!("{name} = {value}")).collect();
            format!("as in v{version}: {}", options.join(", "))
        }
    }
}

/// The checks of a launch that found nothing, in one line.
pub fn checked_text(checked: &CheckReport) -> String {
    let accesses = grouped(checked.accesses);
    let left_out = if checked.incomplete { "; more global memory was touched than is watched (64 MiB)" } else { "" };
    let copies = match checked.copies {
        0 => String::new(),
        count => format!(
            "; {} read a copy of what another warp stored then, which is harmless where only that warp's copy is used",
            grouped(count)
        ),
    };
    format!("checked: nothing found in {accesses} accesses{copies}{left_out}")
}

struct Quantiles {
    low: Duration,
    median: Duration,
    high: Duration,
}

impl Quantiles {
    fn from_samples(samples: &[Duration]) -> Option<Self> {
        let mut sorted = samples.to_vec();
        sorted.sort();
        let at =
            |quantile: f64| sorted.get(((sorted.len().checked_sub(1)?) as f64 * quantile).round() as usize).copied();
        Some(Self { low: at(0.05)?, median: at(0.5)?, high: at(0.95)? })
    }
}

/// The driver's log without the lines that it writes for every kernel.
fn driver_lines(log: &str) -> impl Iterator<Item = String> {
    const USUAL: [&str; 5] =
        ["bytes gmem", "Compile time", "Compiling entry function", "Function properties for", "Overriding"];
    let telling = |line: &&str| !line.is_empty() && !USUAL.iter().any(|usual| line.contains(usual));
    log.lines().map(str::trim).filter(telling).map(|line| format!("the driver's compiler: {line}"))
}

/// `64`, `64 × 2` or `64 × 2 × 3` blocks.
fn grid_text([x, y, z]: [u32; 3]) -> String {
    match (y, z) {
        (1, 1) => format!("{x}"),
        (_, 1) => format!("({x}, {y})"),
        _ => format!("({x}, {y}, {z})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::launch::recovery::rebuild::Rebuilt;
    use warpbook_compiler::{Origin, Sourced, Stage, Target};
    use warpbook_device::{Buffer, Dtype, Recipe};

    fn report() -> Report {
        Report {
            kernel: "matmul".into(),
            version: 4,
            parent: Some(3),
            entered: Stage::Ttgir,
            target: Target(90),
            triton: Some("3.4.0".into()),
            stages: vec![
                StageTime { stage: Stage::Llir, elapsed: Duration::from_millis(412), cached: false },
                StageTime { stage: Stage::Ptx, elapsed: Duration::from_millis(96), cached: true },
            ],
            threads: Sourced::new(128, Origin::IrAttribute("ttg.num-warps".into())),
            shared: Sourced::new(98304, Origin::IrAttribute("ttg.shared".into())),
            implied: None,
            resources: None,
            launch: Some(LaunchFacts {
                grid: [64, 1, 1],
                device: "emu:sm_90".into(),
                description: None,
                emulated: true,
                elapsed: Duration::from_micros(41_200),
                host: None,
                parts: Vec::new(),
                timing: None,
                function: None,
                driver_log: None,
                occupancy: None,
                warp_instructions: Some(1_234_567),
                arithmetic: Arithmetic::default(),
                checked: None,
                counters: None,
                changes: vec![Change { buffer: "c".into(), dtype: Dtype::F16, shape: vec![512, 512], elements: None }],
                rebuilt: Rebuilt::default(),
                guessed_shared: None,
                guessed_scratch: Vec::new(),
                warnings: Vec::new(),
            }),
            warnings: Vec::new(),
        }
    }

    #[test]
    fn times_sit_in_the_last_line() {
        let mut other = report();
        other.stages[0].elapsed = Duration::from_millis(1);
        other.stages[1].cached = false;
        let (a, b) = (Words(&report()).document().text(), Words(&other).document().text());
        let body = |text: &str| text.rsplit_once('\n').map(|(body, _)| body.to_owned());
        assert_eq!(body(&a), body(&b));
        assert_eq!(
            a,
            "matmul v4 (from v3, ttgir edited) · sm_90 · Triton 3.4.0 · emu:sm_90\n\
             grid 64 × 128 threads (ttg.num-warps) · shared 96 KiB (ttg.shared)\n\
             1 234 567 warp instructions\n\
             c  f16 [512, 512]  changed (too large to keep a copy of)\n\
             compile: llir 412 ms → ptx cached · emulated launch 41.2 ms"
        );
    }

    #[test]
    fn a_benchmark_is_plotted_and_called_emulated() {
        let mut report = report();
        if let Some(launch) = &mut report.launch {
            let samples = (1..=20).map(Duration::from_millis).collect();
            let method = "wall time of the emulator".to_owned();
            launch.timing = Some(Timing { samples, method, ..Timing::default() });
        }
        let output = output(&report);
        assert!(output.text.contains("20 samples; wall time of the emulator"), "{}", output.text);
        assert!(output.svg.is_some_and(|svg| svg.contains("(emulated time)")));
    }

    fn changes(before: &[u8], after: &[u8], buffer: &Buffer) -> Option<String> {
        Change::between(before, after, buffer).as_ref().map(change_text)
    }

    fn buffer(dtype: Dtype, shape: Vec<usize>) -> Buffer {
        let bytes = (shape.iter().product::<usize>() * dtype.size()) as u64;
        let strides = warpbook_device::contiguous_strides(&shape);
        Buffer {
            name: "c".into(),
            dtype,
            shape,
            strides,
            place: Default::default(),
            address: 0,
            bytes,
            recipe: Recipe::Initialiser(String::new()),
        }
    }

    #[test]
    fn the_line_says_how_much_and_what() {
        let before = [0u8; 24];
        let mut after = before;
        let c = buffer(Dtype::F32, vec![2, 3]);
        assert_eq!(changes(&before, &after, &c), None);
        after[16..20].copy_from_slice(&(-93.0625f32).to_le_bytes());
        assert_eq!(
            changes(&before, &after, &c).expect("changed"),
            "c  f32 [2, 3]  1 of 6 elements changed, the first at [1, 1] · min -93.06, max 0, mean -15.51 · no NaN"
        );
        let after: Vec<u8> =
            [1.0f32, f32::NAN, f32::INFINITY, 1e9, 2.0, 3.0].into_iter().flat_map(f32::to_le_bytes).collect();
        assert_eq!(
            changes(&before, &after, &c).expect("changed"),
            "c  f32 [2, 3]  all 6 elements changed · min 1, max 1.000e9, mean 2.500e8 · 1 NaN · 1 infinite"
        );
        let counts = buffer(Dtype::U8, vec![24]);
        assert_eq!(
            changes(&before, &[7; 24], &counts).expect("changed"),
            "c  u8 [24]  all 24 elements changed · min 7, max 7"
        );
    }
}
