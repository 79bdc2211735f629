//! `%ncu`: the hardware counters that a tuner asks for first, by Nsight Compute.

use std::io::Read;
use std::process::{Command, Stdio};

use super::arguments;
use super::relaunch::Again;
use super::run::{Checks, Plan, code_for, with_prepared};
use super::snapshot::Snapshot;
use super::timeout::limited;
use crate::child::ChildProcess;
use crate::device::cuda::replay::{self, Job, Span};
use crate::device::{Code, Emulated};
use crate::diagnostic::{Diagnostic, Result};
use crate::magics::{Call, Kind, Magic, OptionSpec, Spec};
use crate::render::{Output, grouped, table};
use crate::workspace::{Context, Workspace};

/// `%ncu [NAME][GRID](ARGUMENTS)`
pub struct Ncu;

const OPTIONS: &[OptionSpec] =
    &[OptionSpec { name: "--version", value: "N", help: "this version of the kernel rather than the newest" }];

/// Nsight Compute's metric, and what it means.
const METRICS: [(&str, &str); 12] = [
    ("gpu__time_duration.sum", "time on the GPU"),
    ("sm__throughput.avg.pct_of_peak_sustained_elapsed", "SM throughput, of its peak"),
    ("gpu__compute_memory_throughput.avg.pct_of_peak_sustained_elapsed", "memory throughput, of its peak"),
    ("dram__bytes_read.sum", "read from device memory"),
    ("dram__bytes_write.sum", "written to device memory"),
    ("lts__t_sector_hit_rate.pct", "hits in L2"),
    ("l1tex__t_sector_hit_rate.pct", "hits in L1"),
    ("sm__warps_active.avg.pct_of_peak_sustained_active", "achieved occupancy"),
    (INSTRUCTIONS, "warp instructions (SASS; the emulator counts PTX)"),
    ("l1tex__data_bank_conflicts_pipe_lsu.sum", "shared-memory bank conflicts"),
    ("smsp__inst_executed_pipe_tensor.sum", "tensor-core instructions"),
    ("launch__registers_per_thread", "registers per thread"),
];
const INSTRUCTIONS: &str = "smsp__inst_executed.sum";

/// The emulator's count has to come within this time.
const LIMIT: std::time::Duration = std::time::Duration::from_secs(5);

impl Magic for Ncu {
    fn spec(&self) -> &'static Spec {
        &Spec {
            name: "ncu",
            kind: Kind::Line,
            summary: "hardware counters of a launch, by Nsight Compute",
            usage: "[NAME][GRID](ARGUMENTS)",
            details: "The launch is repeated in a process of its own, from what the buffers hold now; they keep it. \
                      Needs a GPU (`%device cuda:0`), `ncu` on the PATH or in CUDA's folder, and a driver that lets \
                      this user read counters.",
            options: OPTIONS,
        }
    }

    fn run(&self, call: &Call<'_>, workspace: &mut Workspace, context: Context<'_>) -> Result<Option<Output>> {
        let device = workspace.device_name();
        let Some(ordinal) = device.strip_prefix("cuda:") else {
            let error = Diagnostic::error("no-gpu", "hardware counters are a GPU's").at(call.name.clone(), "");
            return Err(Box::new(error.note(format!("the device is {device}")).help("`%device cuda:0` first")));
        };
        let ordinal = ordinal.to_owned();
        let again = Again::find(call, OPTIONS, workspace)?;
        let before = Snapshot::take(workspace)?;
        let evaluated = arguments::evaluate_all(&again.launch.header, workspace)
            .map_err(|error| Box::new(error.in_source(&again.launch.source)))?;
        let text = again.text();
        let plan = Plan {
            text: &text,
            kernel: &again.name,
            version: &again.version,
            header: &again.launch.header,
            source: &again.launch.source,
            arguments: &evaluated,
            timing: None,
            timeout: None,
            checks: Checks::default(),
        };
        let folder = tempfile::tempdir().map_err(|error| failed("no folder for the launch", &error.to_string()))?;
        let code = match code_for(workspace.device.as_ref(), &again.version) {
            Some(Code::Ptx(text)) => text.as_bytes().to_vec(),
            Some(Code::Cubin(bytes)) => bytes.to_vec(),
            None => return Err(Box::new(Diagnostic::error("no-code", "this version has no PTX and no cubin"))),
        };
        with_prepared(&plan, workspace, |workspace, launch, temporary| {
            let buffers = workspace.buffers.iter().filter_map(|b| Some((b.address, before.contents(&b.name)?)));
            let (mut spans, mut memory): (Vec<Span>, Vec<Vec<u8>>) = (Vec::new(), Vec::new());
            for (address, bytes) in buffers {
                spans.push(Span { address, bytes: bytes.len() as u64 });
                memory.push(bytes.to_vec());
            }
            for &(address, bytes) in temporary {
                let mut contents = vec![0; bytes as usize];
                workspace.device.read(address, &mut contents)?;
                spans.push(Span { address, bytes });
                memory.push(contents);
            }
            let job = Job { entry: again.version.meta.entry.value.clone(), launch: launch.clone(), spans };
            let memory: Vec<&[u8]> = memory.iter().map(Vec::as_slice).collect();
            replay::write(folder.path(), &job, &code, &memory)
                .map_err(|error| failed("the launch could not be written down", &error.to_string()))
        })?;
        let counters = profile(&ordinal, folder.path(), context)?;
        let emulated = emulated_instructions(&again, &before, workspace, context);
        let mut rows = vec![["counter", device.as_str(), "emulator"].map(str::to_owned).to_vec()];
        for (metric, meaning) in METRICS {
            let Some((_, value)) = counters.iter().find(|(name, _)| name == metric) else { continue };
            let beside = match emulated {
                Some(count) if metric == INSTRUCTIONS => grouped(count),
                _ => String::new(),
            };
            rows.push(vec![meaning.to_owned(), value.clone(), beside]);
        }
        let (text, html) = table::both(&rows);
        let title = format!("{} v{}: one launch under Nsight Compute", again.name, again.version.number);
        Ok(Some(Output::text(format!("{title}\n{text}")).with_html(format!("<div><b>{title}</b>{html}</div>"))))
    }
}

fn failed(message: &str, note: &str) -> Box<Diagnostic> {
    Box::new(Diagnostic::error("ncu", message).note(note.to_owned()))
}

/// `ncu`, wherever CUDA put it.
fn program() -> Option<std::path::PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders =
        std::env::split_paths(&path).chain(["/usr/local/cuda/bin".into(), "/opt/nvidia/nsight-compute".into()]);
    folders.map(|folder| folder.join("ncu")).find(|program| program.is_file())
}

/// Each metric and its value with its unit.
fn profile(ordinal: &str, folder: &std::path::Path, context: Context<'_>) -> Result<Vec<(String, String)>> {
    let Some(program) = program() else {
        let error = Diagnostic::error("ncu", "Nsight Compute (`ncu`) was not found");
        return Err(Box::new(error.help("it comes with the CUDA toolkit; put its folder on the PATH")));
    };
    let names: Vec<&str> = METRICS.iter().map(|(metric, _)| *metric).collect();
    let mut command = Command::new(program);
    command.args(["--csv", "--page", "raw", "--print-units", "auto", "--metrics", &names.join(",")]);
    // What runs the launch is this very program.
    let own = std::fs::read_link("/proc/self/exe").unwrap_or_else(|_| "warpbook".into());
    command.arg(own).args([replay_command(), &format!("cuda:{ordinal}")]).arg(folder);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let start = |error: std::io::Error| failed("Nsight Compute did not start", &error.to_string());
    let mut child = ChildProcess::spawn(command).map_err(start)?;
    let killer = child.killer();
    let guard = context.cancel.on_cancel(move || killer.kill());
    let mut output = String::new();
    let errors = child.take_stderr().map(|mut stderr| {
        std::thread::spawn(move || {
            let mut text = String::new();
            let _ = stderr.read_to_string(&mut text);
            text
        })
    });
    if let Some(mut stdout) = child.take_stdout() {
        let _ = stdout.read_to_string(&mut output);
    }
    let status = child.wait();
    let errors = errors.and_then(|thread| thread.join().ok()).unwrap_or_default();
    drop(guard);
    context.cancel.check()?;
    if output.contains("ERR_NVGPUCTRPERM") || errors.contains("ERR_NVGPUCTRPERM") {
        let error = Diagnostic::error("ncu", "the driver lets only administrators read hardware counters");
        return Err(Box::new(
            error
                .note("ERR_NVGPUCTRPERM")
                .help("run as root, or load the driver with NVreg_RestrictProfilingToAdminUsers=0"),
        ));
    }
    let found = parse(&output);
    if found.is_empty() {
        let status = status.map_or_else(|error| error.to_string(), |status| status.to_string());
        let tail: Vec<&str> = output.lines().chain(errors.lines()).rev().take(6).collect();
        let tail: Vec<&str> = tail.into_iter().rev().collect();
        return Err(failed("Nsight Compute measured nothing", &format!("{status}\n{}", tail.join("\n"))));
    }
    Ok(found)
}

fn replay_command() -> &'static str {
    crate::device::cuda::REPLAY_COMMAND
}

/// The last three lines of the table: names, units, values; every field is quoted.
fn parse(output: &str) -> Vec<(String, String)> {
    let rows: Vec<Vec<&str>> = output
        .lines()
        .filter(|line| line.starts_with('"'))
        .filter_map(|line| Some(line.trim().strip_prefix('"')?.strip_suffix('"')?.split("\",\"").collect()))
        .collect();
    let [names, units, values, ..] = rows.as_slice() else { return Vec::new() };
    let known = |name: &str| METRICS.iter().any(|(metric, _)| *metric == name);
    let columns = names.iter().zip(units).zip(values).filter(|((name, _), _)| known(name));
    columns.map(|((name, unit), value)| ((*name).to_owned(), format!("{value} {unit}").trim().to_owned())).collect()
}

/// What the emulator counts for the same launch, if it can run it in time.
fn emulated_instructions(
    again: &Again,
    before: &Snapshot,
    workspace: &mut Workspace,
    context: Context<'_>,
) -> Option<u64> {
    let emulated = Box::new(Emulated::new(workspace.device.capability()));
    let (gpu, homes) = workspace.swap_device(emulated, |name| before.contents(name).cloned())?;
    let outcome = limited(Some(LIMIT), context.cancel, |cancel| {
        let evaluated = arguments::evaluate_all(&again.launch.header, workspace)?;
        let text = again.text();
        let plan = Plan {
            text: &text,
            kernel: &again.name,
            version: &again.version,
            header: &again.launch.header,
            source: &again.launch.source,
            arguments: &evaluated,
            timing: None,
            timeout: None,
            checks: Checks::default(),
        };
        super::run::launch_once(&plan, workspace, cancel)
    });
    workspace.swap_back(gpu, homes);
    outcome.ok()?.warp_instructions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_ncu_is_read() {
        let output = "==PROF== Connected\n\"ID\",\"Kernel Name\",\"dram__bytes_read.sum\",\"gpu__time_duration.sum\"\n\
                      \"\",\"\",\"Mbyte\",\"us\"\n\"0\",\"add(\",\"1.25\",\"3.1\"\n";
        let found = parse(output);
        assert_eq!(found[0], ("dram__bytes_read.sum".to_owned(), "1.25 Mbyte".to_owned()));
        assert_eq!(found[1].1, "3.1 us");
        assert!(parse("==ERROR== nothing").is_empty());
    }
}
