//! What a launch cell shows. Everything that a run of the clock decides sits in the last line.

use std::fmt::Write;
use std::time::Duration;

use serde_json::{Value, json};

use crate::render::plot::{Plot, time_text};
use crate::render::{Block, Document, Output, Prose, bytes_text, grouped};
use warpbook_compiler::meta::Resources;
use warpbook_compiler::{Sourced, Stage};
use warpbook_device::emulation::Counters;
use warpbook_device::{FunctionInfo, Occupancy, Timing};

/// A stage that was gone through, as the reader sees it.
#[derive(Clone, Debug)]
pub struct StageLine {
    /// Which.
    pub stage: Stage,
    /// How long it took.
    pub elapsed: Duration,
    /// Whether it came from the cache.
    pub cached: bool,
}

/// The launch part of a report; absent when the cell only compiled.
#[derive(Clone, Debug)]
pub struct LaunchLines {
    /// Blocks.
    pub grid: [u32; 3],
    /// The device's name.
    pub device: String,
    /// Who a GPU is: its model and its driver.
    pub description: Option<String>,
    /// Whether times are emulated.
    pub emulated: bool,
    /// Time of the launch.
    pub elapsed: Duration,
    /// Wall time in the process that owns the GPU.
    pub host: Option<Duration>,
    /// What the cell did around and for the launch, with its time: for who wants to know where it goes.
    pub parts: Vec<(&'static str, Duration)>,
    /// Times of repeated launches (`--bench`).
    pub timing: Option<Timing>,
    /// What the function takes as a GPU has loaded it.
    pub function: Option<FunctionInfo>,
    /// What the driver's compiler had to say where it made the code from PTX; empty where it had the code already.
    pub driver_log: Option<String>,
    /// How many blocks an SM holds, where the device tells.
    pub occupancy: Option<Occupancy>,
    /// Warp instructions executed, where the device counts them.
    pub warp_instructions: Option<u64>,
    /// Whose arithmetic it was, where that is not the GPU's own.
    pub arithmetic: Option<String>,
    /// What the checks say, where they were asked for.
    pub checked: Option<String>,
    /// What the emulator counted, in one line.
    pub counted: Option<String>,
    /// One line for each buffer that the launch changed.
    pub changes: Vec<String>,
}

/// From here on the reader feels what copies and comparisons of the buffers cost.
const FELT: Duration = Duration::from_millis(200);

impl LaunchLines {
    /// What it cost to know what the buffers held before and what they hold now, where that is felt.
    fn cost_of_copies(&self) -> Option<String> {
        let around = self.parts.iter().filter(|(part, _)| matches!(*part, "snapshot" | "changes"));
        let cost: Duration = around.map(|(_, time)| *time).sum();
        (cost >= FELT).then(|| format!("{} to copy and compare buffers (`%config snapshots`)", time_text(cost)))
    }
}

/// Everything that a launch cell has to tell.
#[derive(Clone, Debug)]
pub struct Report {
    /// The kernel.
    pub kernel: String,
    /// Its version, and the one it was made from.
    pub version: u32,
    /// The version that the text was edited from.
    pub parent: Option<u32>,
    /// Where the text entered.
    pub entered: Stage,
    /// `sm_80`
    pub target: String,
    /// `Triton 3.4.0`; `None` where Triton had no part.
    pub triton: Option<String>,
    /// The stages after the entry.
    pub stages: Vec<StageLine>,
    /// Threads per block.
    pub threads: Sourced<u32>,
    /// Dynamic shared memory in bytes.
    pub shared: Sourced<u32>,
    /// Values that the header does not say: `chosen by the kernel: BM = 128, num_warps = 4`.
    pub unsaid: Option<String>,
    /// What the machine code takes, where there is some.
    pub resources: Option<Resources>,
    /// The launch.
    pub launch: Option<LaunchLines>,
    /// What the reader should know.
    pub warnings: Vec<String>,
}

impl Report {
    /// All that it says. In the text the times stand in the last line: the rest is the same from run to run.
    fn document(&self) -> Document {
        let mut document = Document::new(self.headline());
        self.facts().into_iter().chain(self.changes()).for_each(|line| document.line(Prose::plain(line)));
        document.extend(self.warnings.iter().map(|warning| Block::Warning(warning.into())));
        document.push(Block::Aside(self.times().into()));
        document.extend(self.plot());
        document.with_facts(self.facts_json())
    }

    /// What the launch changed, in words where it is nothing.
    fn changes(&self) -> Vec<String> {
        match &self.launch {
            Some(launch) if launch.changes.is_empty() => vec!["no buffer holds anything else than before".to_owned()],
            Some(launch) => launch.changes.clone(),
            None => Vec::new(),
        }
    }

    fn headline(&self) -> String {
        let from = match self.parent {
            Some(parent) => format!(" (from v{parent}, {} edited)", self.entered),
            None => format!(" (from {})", self.entered),
        };
        let mut line = format!("{} v{}{from} · {}", self.kernel, self.version, self.target);
        if let Some(triton) = &self.triton {
            let _ = write!(line, " · {triton}");
        }
        if let Some(launch) = &self.launch {
            let _ = write!(line, " · {}", launch.device);
            if let Some(description) = &launch.description {
                let _ = write!(line, " {description}");
            }
        }
        line
    }

    fn facts(&self) -> Vec<String> {
        let mut lines = Vec::new();
        lines.extend(self.unsaid.clone());
        let threads = format!("{} threads ({})", self.threads.value, self.threads.origin);
        let shared = match self.shared.value {
            0 => "no dynamic shared memory".to_owned(),
            bytes => format!("shared {} ({})", bytes_text(bytes.into()), self.shared.origin),
        };
        lines.push(match &self.launch {
            Some(launch) => format!("grid {} × {threads} · {shared}", grid_text(launch.grid)),
            None => format!("compiled, not launched · {threads} · {shared}"),
        });
        let mut resources = Vec::new();
        if let Some(Resources { registers, local }) = self.resources {
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
        if let Some(launch) = &self.launch {
            lines.extend(launch.driver_log.iter().flat_map(|log| driver_lines(log)));
            lines.extend(launch.counted.clone());
            lines.extend(launch.arithmetic.clone());
            lines.extend(launch.checked.clone());
        }
        lines
    }

    fn function(&self) -> Option<&FunctionInfo> {
        self.launch.as_ref()?.function.as_ref()
    }

    fn occupancy(&self) -> Option<Occupancy> {
        self.launch.as_ref()?.occupancy
    }

    fn times(&self) -> String {
        let mut parts = Vec::new();
        let stages: Vec<String> = self
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
        if let Some(launch) = &self.launch {
            let kind = if launch.emulated { "emulated launch" } else { "launch" };
            parts.push(match &launch.timing {
                Some(timing) => timing_text(timing, kind),
                None => format!("{kind} {}", time_text(launch.elapsed)),
            });
            parts.extend(launch.cost_of_copies());
        }
        if parts.is_empty() { "nothing to compile".to_owned() } else { parts.join(" · ") }
    }

    /// Every form of the report.
    pub fn output(&self) -> Output {
        self.document().output()
    }

    fn plot(&self) -> Option<Plot> {
        let launch = self.launch.as_ref()?;
        let samples = &launch.timing.as_ref()?.samples;
        let quantiles = Quantiles::of(samples)?;
        let title = format!(
            "{} v{}: median {} over {} launches on {}{}",
            self.kernel,
            self.version,
            time_text(quantiles.median),
            samples.len(),
            launch.device,
            if launch.emulated { " (emulated time)" } else { "" },
        );
        Plot::latency_histogram(&title, samples)
    }

    fn facts_json(&self) -> Value {
        let nanoseconds = |d: &Duration| json!(u64::try_from(d.as_nanos()).unwrap_or(u64::MAX));
        json!({
            "kernel": self.kernel,
            "version": self.version,
            "parent": self.parent,
            "entered": self.entered.name(),
            "target": self.target,
            "triton": self.triton,
            "threads": self.threads.value,
            "shared_bytes": self.shared.value,
            "registers": self.resources.map(|resources| resources.registers),
            "local_bytes": self.resources.map(|resources| resources.local),
            "warnings": self.warnings,
            "stages": self.stages.iter().map(|line| json!({
                "stage": line.stage.name(), "cached": line.cached, "nanoseconds": nanoseconds(&line.elapsed),
            })).collect::<Vec<_>>(),
            "launch": self.launch.as_ref().map(|launch| json!({
                "device": launch.device,
                "emulated": launch.emulated,
                "grid": launch.grid,
                "warp_instructions": launch.warp_instructions,
                "nanoseconds": nanoseconds(&launch.elapsed),
                "host_nanoseconds": launch.host.as_ref().map(nanoseconds),
                "description": launch.description,
                "parts_nanoseconds": launch.parts.iter().map(|(part, time)| ((*part).to_owned(), nanoseconds(time)))
                    .collect::<serde_json::Map<_, _>>(),
                "registers": launch.function.as_ref().and_then(|function| function.registers),
                "local_bytes": launch.function.as_ref().map(|function| function.local),
                "spilled_bytes": launch.function.as_ref().and_then(|function| function.spills),
                "static_shared_bytes": launch.function.as_ref().map(|function| function.static_shared),
                "max_threads": launch.function.as_ref().and_then(|function| function.max_threads),
                "driver_log": launch.driver_log,
                "blocks_per_sm": launch.occupancy.map(|occupancy| occupancy.blocks),
                "occupancy_limiter": launch.occupancy.map(|occupancy| occupancy.limiter.name()),
                "samples_nanoseconds":
                    launch.timing.iter().flat_map(|timing| &timing.samples).map(nanoseconds).collect::<Vec<_>>(),
                "timing": launch.timing.as_ref().map(|timing| json!({
                    "method": timing.method,
                    "warmup": timing.warmup,
                    "graph_nanoseconds": timing.graph.map(|graph| nanoseconds(&graph.each)),
                    "graph_launches": timing.graph.map(|graph| graph.launches),
                    "submit_nanoseconds":
                        timing.submit.map(|submit| [nanoseconds(&submit.ours), nanoseconds(&submit.bare)]),
                    "sm_clock_mhz": timing.clocks,
                })),
            })),
        })
    }
}

/// Median and spread of the samples, how they were taken, and the graph's figure beside them.
fn timing_text(timing: &Timing, kind: &str) -> String {
    let Some(q) = Quantiles::of(&timing.samples) else { return kind.to_owned() };
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

struct Quantiles {
    low: Duration,
    median: Duration,
    high: Duration,
}

impl Quantiles {
    fn of(samples: &[Duration]) -> Option<Self> {
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
    use warpbook_compiler::Origin;

    fn report() -> Report {
        Report {
            kernel: "matmul".into(),
            version: 4,
            parent: Some(3),
            entered: Stage::Ttgir,
            target: "sm_90".into(),
            triton: Some("Triton 3.4.0".into()),
            stages: vec![
                StageLine { stage: Stage::Llir, elapsed: Duration::from_millis(412), cached: false },
                StageLine { stage: Stage::Ptx, elapsed: Duration::from_millis(96), cached: true },
            ],
            threads: Sourced::new(128, Origin::IrAttribute("ttg.num-warps".into())),
            shared: Sourced::new(98304, Origin::IrAttribute("ttg.shared".into())),
            unsaid: None,
            resources: None,
            launch: Some(LaunchLines {
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
                arithmetic: None,
                checked: None,
                counted: Some("1 234 567 warp instructions · 4.0 sectors/request".into()),
                changes: vec!["c  f16 [512, 512]  all 262144 elements written".into()],
            }),
            warnings: Vec::new(),
        }
    }

    #[test]
    fn times_sit_in_the_last_line() {
        let mut other = report();
        other.stages[0].elapsed = Duration::from_millis(1);
        other.stages[1].cached = false;
        let (a, b) = (report().document().text(), other.document().text());
        let body = |text: &str| text.rsplit_once('\n').map(|(body, _)| body.to_owned());
        assert_eq!(body(&a), body(&b));
        assert_eq!(
            a,
            "matmul v4 (from v3, ttgir edited) · sm_90 · Triton 3.4.0 · emu:sm_90\n\
             grid 64 × 128 threads (ttg.num-warps) · shared 96 KiB (ttg.shared)\n\
             1 234 567 warp instructions · 4.0 sectors/request\n\
             c  f16 [512, 512]  all 262144 elements written\n\
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
        let output = report.output();
        assert!(output.text.contains("20 samples; wall time of the emulator"), "{}", output.text);
        assert!(output.svg.is_some_and(|svg| svg.contains("(emulated time)")));
    }
}
