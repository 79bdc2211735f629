//! Latency of a launch: warm-up until it is stable, then samples between CUDA events with the L2 cache flushed before
//! each, or launches back to back from a CUDA graph. The loops run in the device host.
//!
//! The method follows `triton.testing.do_bench` and `do_bench_cudagraph`, so that figures can be compared.

use std::time::{Duration, Instant};

use nvml_wrapper::Nvml;
use nvml_wrapper::bitmasks::device::ThrottleReasons;
use nvml_wrapper::enum_wrappers::device::Clock;

use super::driver::{Context, Event, Prepared, Result};
use super::nvml;
use crate::{GraphTiming, SubmitCost, Timing, TimingPlan};

/// Samples are taken for about this long, unless their number is given.
const SAMPLING: Duration = Duration::from_millis(100);
/// Warm-up goes on for this long at least: clocks rise in steps of some milliseconds.
const WARM_UP: Duration = Duration::from_millis(25);
/// Most samples of a timing that does not give a number.
const MOST_SAMPLES: u32 = 10_000;
/// Launches in a graph take about this long together.
const GRAPH: Duration = Duration::from_millis(5);
/// Kernels shorter than this are submitted slower than they run: the cost of submitting matters.
const SHORT: Duration = Duration::from_micros(50);
/// Launches that a stream's queue takes without a wait.
const QUEUE: u32 = 200;
/// Rounds of which the best counts.
const ROUNDS: u32 = 7;
/// Replays of the graph, of which the median is taken.
const REPLAYS: usize = 11;

/// The GPU's clocks and throttling, as NVML reports them; empty without NVML.
pub struct Meter {
    nvml: Option<Nvml>,
    bus_id: String,
}

impl Meter {
    /// The meter of the GPU of a context.
    pub fn new(context: &Context) -> Self {
        Self { nvml: nvml::open(), bus_id: context.bus_id().unwrap_or_default() }
    }

    fn clock(&self) -> Option<u32> {
        self.nvml.as_ref()?.device_by_pci_bus_id(self.bus_id.as_str()).ok()?.clock_info(Clock::SM).ok()
    }

    /// Why the clocks are held down now, if they are.
    fn throttled(&self) -> Option<String> {
        let device = self.nvml.as_ref()?.device_by_pci_bus_id(self.bus_id.as_str()).ok()?;
        let reasons = device.current_throttle_reasons().ok()?;
        let known = [
            (ThrottleReasons::SW_POWER_CAP, "the power limit"),
            (ThrottleReasons::HW_SLOWDOWN, "a hardware slowdown"),
            (ThrottleReasons::SW_THERMAL_SLOWDOWN, "temperature"),
            (ThrottleReasons::HW_THERMAL_SLOWDOWN, "temperature (hardware)"),
            (ThrottleReasons::HW_POWER_BRAKE_SLOWDOWN, "an external power brake"),
        ];
        let found: Vec<&str> =
            known.iter().filter(|(reason, _)| reasons.contains(*reason)).map(|(_, words)| *words).collect();
        (!found.is_empty()).then(|| found.join(", "))
    }
}

/// Memory that is overwritten to flush the L2 cache.
pub struct Flush {
    /// Address of the memory on the device.
    pub address: u64,
    /// Number of bytes, more than the L2 cache has.
    pub bytes: u64,
}

/// Times a launch as the plan says.
pub fn time(
    context: &Context,
    prepared: &Prepared<'_>,
    plan: &TimingPlan,
    flush: Option<&Flush>,
    meter: &Meter,
) -> Result<Timing> {
    let clear = || match flush {
        Some(flush) => context.zero(flush.address, flush.bytes),
        None => Ok(()),
    };
    let once = |clear: &dyn Fn() -> Result<()>| {
        clear()?;
        context.timed(|| context.submit(prepared)).map(|nanoseconds| Duration::from_nanos(nanoseconds.max(1)))
    };
    // Warm-up until two batches in a row agree within 2 %, for a while at least and not for ever; or one launch.
    let (mut warmup, mut spent, mut last) = (0u32, Duration::ZERO, Duration::ZERO);
    let estimate = loop {
        let launches = if plan.warm { 1 } else { 5 };
        let mut batch = Vec::with_capacity(5);
        for _ in 0..launches {
            batch.push(once(&clear)?);
        }
        warmup += launches;
        spent += batch.iter().sum::<Duration>();
        let median = median(&mut batch);
        let stable = median.abs_diff(last) <= median / 50;
        if plan.warm || spent >= 8 * WARM_UP || (stable && (spent >= WARM_UP || warmup >= 500)) {
            break median;
        }
        last = median;
    };
    let before = meter.clock();
    let fitting = (SAMPLING.as_nanos() / estimate.as_nanos().max(1)).clamp(20, u128::from(MOST_SAMPLES)) as u32;
    let count = plan.samples.unwrap_or(fitting).max(1) as usize;
    // All are submitted before the first is waited for, so that the GPU is never idle between them. The events of
    // very many samples are used again.
    let mut samples = Vec::with_capacity(count);
    let mut events = Vec::new();
    for _ in 0..count.min(1000) {
        events.push((Event::new()?, Event::new()?));
    }
    while samples.len() < count {
        let round = &events[..events.len().min(count - samples.len())];
        for (begin, end) in round {
            clear()?;
            context.record(begin)?;
            context.submit(prepared)?;
            context.record(end)?;
        }
        context.synchronize()?;
        for (begin, end) in round {
            samples.push(Duration::from_nanos(begin.nanoseconds_to(end)?));
        }
    }
    let throttled = meter.throttled();
    let after = meter.clock();
    let graph = match plan.graph {
        true => Some(graph(context, prepared, estimate)?),
        false => None,
    };
    let submit = match graph {
        Some(graph) if graph.each < SHORT => Some(submit_cost(context, prepared)?),
        _ => None,
    };
    let mut warnings = Vec::new();
    if let Some(reason) = throttled {
        warnings.push(format!("the GPU's clocks were held down by {reason}"));
    }
    let mut sorted = samples.clone();
    sorted.sort();
    let at = |percent: usize| sorted.get((sorted.len() - 1) * percent / 100).copied().unwrap_or_default();
    // A few samples among others say nothing of their spread.
    if !plan.warm && at(95) - at(5) > at(50) / 5 {
        warnings.push("the samples spread widely: 5 % and 95 % are more than a fifth of the median apart".to_owned());
    }
    if let (Some(before), Some(after)) = (before, after)
        && before.abs_diff(after) * 20 > before.max(after)
    {
        warnings.push(format!("the SM clock went from {before} to {after} MHz while it was measured"));
    }
    let method = match flush {
        Some(flush) => format!("CUDA events, L2 flushed ({} MiB written before each)", flush.bytes >> 20),
        None => "CUDA events, L2 as the launch before left it".to_owned(),
    };
    Ok(Timing { samples, method, warmup, graph, submit, clocks: before.zip(after), warnings })
}

/// The time of one launch among many back to back.
fn graph(context: &Context, prepared: &Prepared<'_>, estimate: Duration) -> Result<GraphTiming> {
    let launches = (GRAPH.as_nanos() / estimate.as_nanos().max(1)).clamp(10, 2000) as u32;
    let graph = context.capture(|| (0..launches).try_for_each(|_| context.submit(prepared)))?;
    context.replay(&graph)?;
    let mut replays = Vec::with_capacity(REPLAYS);
    for _ in 0..REPLAYS {
        replays.push(Duration::from_nanos(context.timed(|| context.replay(&graph))?));
    }
    Ok(GraphTiming { each: median(&mut replays) / launches, launches })
}

/// The cost of submitting: launches without a wait, in rounds of both kinds by turns, the best of each.
fn submit_cost(context: &Context, prepared: &Prepared<'_>) -> Result<SubmitCost> {
    let round = |submit: &dyn Fn() -> Result<()>| {
        let start = Instant::now();
        (0..QUEUE).try_for_each(|_| submit())?;
        let spent = start.elapsed();
        context.synchronize()?;
        Ok(spent / QUEUE)
    };
    let (mut ours, mut bare) = (Duration::MAX, Duration::MAX);
    for _ in 0..ROUNDS {
        bare = bare.min(round(&|| context.submit_bare(prepared))?);
        ours = ours.min(round(&|| context.submit(prepared))?);
    }
    Ok(SubmitCost { ours, bare })
}

fn median(samples: &mut [Duration]) -> Duration {
    samples.sort();
    samples.get(samples.len() / 2).copied().unwrap_or_default()
}
