//! `%ncu`: the hardware counters that a tuner asks for first, by Nsight Compute.

use std::io::Read;
use std::process::{Command, Stdio};

use crate::launch::code::code_for;
use crate::launch::on_device::on_device;
use crate::launch::plan::LaunchPlan;
use crate::launch::prepare::with_prepared;
use crate::launch::snapshot::Snapshot;
use crate::launch::timeout::limited;
use crate::magics::cells::options::VERSION;
use crate::magics::cells::relaunch::{LAUNCH, find};
use crate::magics::declare::Typed;
use crate::magics::{Example, Kind, Magic, Needs, Spec};
use crate::render::{Column, Document, Output, Table, grouped};
use crate::workspace::{Context, Workspace};
use warpbook_device::cuda::replay::{self, Job, Span};
use warpbook_device::emulation::{Counters, Counts, Observe, Observed};
use warpbook_diagnostic::{Diagnostic, Result, code};
use warpbook_process::child::ChildProcess;
use warpbook_process::private_directory::PrivateDirectory;
use warpbook_ptx::isa::Class;

/// `%ncu [NAME][GRID](ARGUMENTS)`
pub struct Ncu;

/// One metric of Nsight Compute, and its counterpart on the emulator.
struct Metric {
    name: &'static str,
    meaning: &'static str,
    emulated: Emulated,
}

/// What the emulator has to say of a metric.
enum Emulated {
    /// It counts the same thing, in PTX.
    Counts(fn(&Counters) -> f64),
    /// The emulator has no such figure; the reason.
    Not(&'static str),
}

use Emulated::{Counts as Counted, Not};

const CLOCK: &str = "no clock";
const CACHES: &str = "no caches";
const MACHINE: &str = "no machine code";

const METRICS: [Metric; 20] = [
    Metric { name: "gpu__time_duration.sum", meaning: "time on the GPU", emulated: Not(CLOCK) },
    Metric {
        name: "sm__throughput.avg.pct_of_peak_sustained_elapsed",
        meaning: "SM throughput, of its peak",
        emulated: Not(CLOCK),
    },
    Metric {
        name: "gpu__compute_memory_throughput.avg.pct_of_peak_sustained_elapsed",
        meaning: "memory throughput, of its peak",
        emulated: Not(CLOCK),
    },
    Metric { name: "dram__bytes_read.sum", meaning: "read from device memory", emulated: Not(CACHES) },
    Metric { name: "dram__bytes_write.sum", meaning: "written to device memory", emulated: Not(CACHES) },
    Metric { name: "lts__t_sector_hit_rate.pct", meaning: "hits in L2", emulated: Not(CACHES) },
    Metric { name: "l1tex__t_sector_hit_rate.pct", meaning: "hits in L1", emulated: Not(CACHES) },
    Metric {
        name: "sm__warps_active.avg.pct_of_peak_sustained_active",
        meaning: "achieved occupancy",
        emulated: Not(CLOCK),
    },
    Metric { name: "launch__registers_per_thread", meaning: "registers per thread", emulated: Not(MACHINE) },
    Metric {
        name: "smsp__inst_executed.sum",
        meaning: "warp instructions (SASS; the emulator's are PTX)",
        emulated: Counted(|counters| counters.total(|_| true).executed as f64),
    },
    Metric {
        name: "smsp__thread_inst_executed_per_inst_executed.ratio",
        meaning: "active threads per instruction",
        emulated: Counted(|counters| {
            let all = counters.total(|_| true);
            ratio(all.lanes, all.executed)
        }),
    },
    Metric {
        name: "l1tex__t_requests_pipe_lsu_mem_global_op_ld.sum",
        meaning: "global loads: requests",
        emulated: Counted(|counters| counts_of_class(counters, Class::GlobalLoad).global.requests as f64),
    },
    Metric {
        name: "l1tex__t_sectors_pipe_lsu_mem_global_op_ld.sum",
        meaning: "global loads: sectors",
        emulated: Counted(|counters| counts_of_class(counters, Class::GlobalLoad).global.sectors as f64),
    },
    Metric {
        name: "l1tex__average_t_sectors_per_request_pipe_lsu_mem_global_op_ld.ratio",
        meaning: "global loads: sectors per request",
        emulated: Counted(|counters| {
            let loads = counts_of_class(counters, Class::GlobalLoad).global;
            ratio(loads.sectors, loads.requests)
        }),
    },
    Metric {
        name: "l1tex__t_requests_pipe_lsu_mem_global_op_st.sum",
        meaning: "global stores: requests",
        emulated: Counted(|counters| counts_of_class(counters, Class::GlobalStore).global.requests as f64),
    },
    Metric {
        name: "l1tex__t_sectors_pipe_lsu_mem_global_op_st.sum",
        meaning: "global stores: sectors",
        emulated: Counted(|counters| counts_of_class(counters, Class::GlobalStore).global.sectors as f64),
    },
    Metric {
        name: "l1tex__average_t_sectors_per_request_pipe_lsu_mem_global_op_st.ratio",
        meaning: "global stores: sectors per request",
        emulated: Counted(|counters| {
            let stores = counts_of_class(counters, Class::GlobalStore).global;
            ratio(stores.sectors, stores.requests)
        }),
    },
    Metric {
        name: "l1tex__data_pipe_lsu_wavefronts_mem_shared.sum",
        meaning: "shared memory: wavefronts",
        emulated: Counted(|counters| counters.total(|_| true).shared.wavefronts as f64),
    },
    Metric {
        name: "l1tex__data_bank_conflicts_pipe_lsu.sum",
        meaning: "shared memory: bank conflicts",
        emulated: Counted(|counters| counters.total(|_| true).shared.conflicts() as f64),
    },
    Metric {
        name: "smsp__inst_executed_pipe_tensor.sum",
        meaning: "tensor-core instructions (of the hardware; the emulator's are PTX)",
        emulated: Counted(|counters| counters.total(|one| one.counts.tensor_operations > 0).effective as f64),
    },
];

fn counts_of_class(counters: &Counters, class: Class) -> Counts {
    counters.total(|counted| counted.class == class)
}

fn ratio(a: u64, b: u64) -> f64 {
    if b == 0 { 0.0 } else { a as f64 / b as f64 }
}

/// A number as a table has it.
fn number_text(value: f64) -> String {
    match value {
        whole if whole.fract() == 0.0 && whole.abs() < 1e18 => grouped(whole as u64),
        value => format!("{value:.2}"),
    }
}

/// The emulator's count has to come within this time.
const LIMIT: std::time::Duration = std::time::Duration::from_secs(30);

const SPEC: Spec = Spec {
    name: "ncu",
    kind: Kind::Line,
    summary: "hardware counters of a launch, by Nsight Compute",
    arguments: &[&LAUNCH],
    options: &[&VERSION],
    details: "The launch is repeated in a process of its own, from what the buffers hold now; they keep it. It needs a GPU \
              (`%device cuda:0`), `ncu` on the PATH or in CUDA's folder, and a driver that lets this user read counters.",
    examples: &[Example { cell: "%ncu matmul", needs: Needs::Profiler, shows: "Nsight Compute" }],
};

impl Magic for Ncu {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn run(&self, typed: &Typed<'_>, workspace: &mut Workspace, context: Context<'_>) -> Result<Option<Output>> {
        let call = typed.call;
        let device = workspace.device_name();
        let Some(ordinal) = device.strip_prefix("cuda:") else {
            let error = Diagnostic::error("no-gpu", "hardware counters need a GPU").at(call.name.clone(), "");
            return Err(error.note(format!("the device is {device}")).help("`%device cuda:0` first"));
        };
        let ordinal = ordinal.to_owned();
        let plan = find(typed, workspace)?;
        let before = Snapshot::take(workspace)?;
        let folder =
            PrivateDirectory::new("ncu").map_err(|error| failed("no folder for the launch", &error.to_string()))?;
        let code = match code_for(workspace.device.as_ref(), &plan.version) {
            Some(code) => code.bytes().to_vec(),
            None => return Err(Diagnostic::error("no-code", "this version has no PTX and no cubin")),
        };
        with_prepared(&plan, workspace, |workspace, prepared| {
            let buffers = workspace.buffers.iter().filter_map(|b| Some((b.address, before.contents(&b.name)?)));
            let (mut spans, mut memory): (Vec<Span>, Vec<Vec<u8>>) = (Vec::new(), Vec::new());
            for (address, bytes) in buffers {
                spans.push(Span { address, bytes: bytes.len() as u64 });
                memory.push(bytes.to_vec());
            }
            for &(address, bytes) in &prepared.allocated {
                let mut contents = vec![0; bytes as usize];
                workspace.device.read(address, &mut contents)?;
                spans.push(Span { address, bytes });
                memory.push(contents);
            }
            let job = Job { entry: plan.version.meta.entry.value.clone(), launch: prepared.launch.clone(), spans };
            let memory: Vec<&[u8]> = memory.iter().map(Vec::as_slice).collect();
            replay::write(folder.path(), &job, &code, &memory)
                .map_err(|error| failed("the launch could not be written down", &error.to_string()))
        })?;
        let counters = profile(&ordinal, folder.path(), context)?;
        let emulated = emulated(&plan, &before, workspace, context)?;
        let columns = [device.as_str(), "emulator"].map(|title| Column::number(title).left_in_text());
        let table = Table::new(std::iter::once(Column::text("counter")).chain(columns));
        let table = table.rows(rows(&counters, &emulated));
        let title = format!("{} v{}: one launch under Nsight Compute", plan.kernel, plan.version.number);
        let note = match &emulated {
            Ok(_) => "the emulator counts the PTX, and exactly; ptxas may merge, move and drop instructions".to_owned(),
            Err(why) => format!("no figures of the emulator: {why}"),
        };
        let mut document = Document::new(title).with(table);
        document.line(note);
        Ok(Some(document.output()))
    }
}

fn failed(message: &str, note: &str) -> Diagnostic {
    Diagnostic::error("ncu", message).note(note.to_owned())
}

/// `ncu`, wherever CUDA put it.
fn program() -> Option<std::path::PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders =
        std::env::split_paths(&path).chain(["/usr/local/cuda/bin".into(), "/opt/nvidia/nsight-compute".into()]);
    folders.map(|folder| folder.join("ncu")).find(|program| program.is_file())
}

/// Each metric and its value with its unit. Metrics that this Nsight Compute or this GPU does not have are left out.
fn profile(ordinal: &str, folder: &std::path::Path, context: Context<'_>) -> Result<Vec<(String, String)>> {
    let mut names: Vec<&str> = METRICS.iter().map(|metric| metric.name).collect();
    loop {
        match profile_these(&names, ordinal, folder, context) {
            Err(error) => {
                let unknown =
                    |name: &&str| error.notes.iter().any(|note| note.contains("metric") && note.contains(*name));
                let known: Vec<&str> = names.iter().copied().filter(|name| !unknown(name)).collect();
                if known.is_empty() || known.len() == names.len() {
                    return Err(error);
                }
                names = known;
            }
            found => return found,
        }
    }
}

fn profile_these(
    names: &[&str],
    ordinal: &str,
    folder: &std::path::Path,
    context: Context<'_>,
) -> Result<Vec<(String, String)>> {
    let Some(program) = program() else {
        let error = Diagnostic::error("ncu", "Nsight Compute (`ncu`) was not found");
        return Err(error.help("it comes with the CUDA toolkit; put its folder on the PATH"));
    };
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
        let error = Diagnostic::error("ncu", "the driver allows only administrators to read hardware counters");
        return Err(error
            .note("ERR_NVGPUCTRPERM")
            .help("run as root, or load the driver with NVreg_RestrictProfilingToAdminUsers=0"));
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
    warpbook_device::cuda::REPLAY_COMMAND
}

/// The last three lines of the table: names, units, values; every field is quoted.
fn parse(output: &str) -> Vec<(String, String)> {
    let rows: Vec<Vec<&str>> = output
        .lines()
        .filter(|line| line.starts_with('"'))
        .filter_map(|line| Some(line.trim().strip_prefix('"')?.strip_suffix('"')?.split("\",\"").collect()))
        .collect();
    let [names, units, values, ..] = rows.as_slice() else { return Vec::new() };
    let known = |name: &str| METRICS.iter().any(|metric| metric.name == name);
    let columns = names.iter().zip(units).zip(values).filter(|((name, _), _)| known(name));
    columns.map(|((name, unit), value)| ((*name).to_owned(), value_text(value, unit))).collect()
}

/// A value with its unit; counts need none.
fn value_text(value: &str, unit: &str) -> String {
    let value = value.replace(',', "").parse().map_or_else(|_| value.to_owned(), number_text);
    match unit {
        "inst" | "request" | "sector" | "register/thread" | "sector/request" | "" => value,
        unit => format!("{value} {unit}"),
    }
}

/// The rows of the table: what was measured, and what the emulator counts of the same, or why it does not.
fn rows(measured: &[(String, String)], emulated: &Result<Counters, String>) -> Vec<[String; 3]> {
    let mut rows = Vec::new();
    for metric in &METRICS {
        let Some((_, value)) = measured.iter().find(|(name, _)| name == metric.name) else { continue };
        let beside = match (&metric.emulated, emulated) {
            (Not(why), _) => format!("– ({why})"),
            (Counted(count), Ok(counters)) => number_text(count(counters)),
            (Counted(_), Err(_)) => "–".to_owned(),
        };
        rows.push([metric.meaning.to_owned(), value.clone(), beside]);
    }
    rows
}

/// What the emulator counts for the same launch; `Err` with the reason if it cannot, or not in time.
fn emulated(
    plan: &LaunchPlan,
    before: &Snapshot,
    workspace: &mut Workspace,
    context: Context<'_>,
) -> Result<Result<Counters, String>> {
    let counted = limited(Some(LIMIT), context.cancel, |cancel| {
        let plan = plan.observed(Observe::Counters { in_order: true });
        on_device("emu", &plan, before, workspace, Context { cancel, ..context })
    });
    context.cancel.check()?;
    Ok(match counted {
        Ok(result) => match result.report.observed {
            Some(Observed::Counters(counters)) => Ok(counters),
            _ => Err("it counted nothing".to_owned()),
        },
        Err(error) if error.code == code::TIMEOUT => Err(format!(
            "it had not ended within {} s; a smaller grid gives the same figures per block",
            LIMIT.as_secs()
        )),
        Err(error) => Err(error.message.clone()),
    })
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
        assert_eq!(found[1].1, "3.10 us");
        assert_eq!(value_text("67952640.000000", "inst"), "67 952 640");
        assert_eq!(value_text("1,858", ""), "1 858");
        assert!(parse("==ERROR== nothing").is_empty());
        let beside = |emulated: Result<Counters, String>| {
            rows(&found, &emulated).into_iter().map(|[_, _, beside]| beside).collect::<Vec<_>>()
        };
        assert_eq!(beside(Err("too slow".to_owned())), ["– (no clock)", "– (no caches)"]);
        let found = vec![("smsp__inst_executed.sum".to_owned(), "12".to_owned())];
        assert_eq!(rows(&found, &Ok(Counters::default()))[0][1..], ["12", "0"]);
        assert_eq!(rows(&found, &Err("too slow".to_owned()))[0][1..], ["12", "–"]);
    }
}
