//! One launch: arguments to bytes, scratch, snapshot, the launch itself, repetitions, and what it changed.

use std::time::Duration;

use super::arguments::{self, Arguments};
use super::locate::in_own_text;
use super::report::LaunchLines;
use super::snapshot::Snapshot;
use crate::compiler::meta::{encode, resolve_scratch};
use crate::compiler::{Origin, Stage};
use crate::device::{Code, Launch};
use crate::diagnostic::{Diagnostic, Result, Source};
use crate::expression::{LaunchHeader, Scalar};
use crate::frontend::Stream;
use crate::workspace::{Context, Version, Workspace};

/// A launch, ready but for its arguments' bytes.
pub struct Plan<'a> {
    /// The kernel's name.
    pub kernel: &'a str,
    /// What to run.
    pub version: &'a Version,
    /// The header that the arguments come from, and the text that it stands in.
    pub header: &'a LaunchHeader,
    /// That text.
    pub source: &'a Source,
    /// The text that entered the compiler, as the reader knows it.
    pub text: &'a Source,
    /// The evaluated arguments.
    pub arguments: &'a Arguments,
    /// More launches for `--bench`.
    pub repetitions: usize,
}

impl Plan<'_> {
    fn in_own_text(&self, error: Diagnostic, workspace: &Workspace) -> Diagnostic {
        in_own_text(error, self.kernel, self.version, self.text, &workspace.definitions)
    }
}

/// Runs it. Buffers get their values back when it fails.
pub fn run(plan: &Plan<'_>, workspace: &mut Workspace, context: Context<'_>) -> Result<(LaunchLines, Vec<String>)> {
    let mut temporary = Vec::new();
    let outcome = prepare(plan, workspace, &mut temporary).and_then(|prepared| {
        let outcome = launch_all(plan, &prepared.launch, workspace, context)?;
        Ok((prepared, outcome))
    });
    for address in temporary {
        workspace.device.free(address);
    }
    let (Prepared { launch, guessed_shared }, (report, samples, changes)) = outcome?;
    let mut warnings = report.warnings;
    if guessed_shared {
        let shared = launch.shared;
        warnings.push(match report.shared_touched {
            Some(touched) => format!(
                "nothing says how much shared memory this needs: it was given {shared} bytes, and touched {touched} \
                 (`--shared {touched}`)"
            ),
            None => format!("nothing says how much shared memory this needs: it was given {shared} bytes"),
        });
    }
    let lines = LaunchLines {
        grid: launch.grid,
        device: workspace.device.name(),
        emulated: workspace.device.is_emulated(),
        elapsed: report.elapsed,
        samples,
        warp_instructions: report.warp_instructions,
        changes,
    };
    Ok((lines, warnings))
}

struct Prepared {
    launch: Launch,
    /// Whether nothing said how much dynamic shared memory is needed.
    guessed_shared: bool,
}

/// Everything that the device has to be told. Memory for this launch alone goes to `temporary`.
fn prepare(plan: &Plan<'_>, workspace: &mut Workspace, temporary: &mut Vec<u64>) -> Result<Prepared> {
    let located = |error: Box<Diagnostic>| Box::new(error.in_source(plan.source));
    let version = plan.version;
    let mut meta = version.meta.clone();
    if version.binding.is_none() {
        // It was compiled without a launch.
        resolve_scratch(&mut meta, plan.arguments.positional.len());
    }
    let grid = arguments::evaluate_grid(plan.header, workspace, &grid_constants(plan)).map_err(located)?;
    let mut arguments = plan.arguments.clone();
    arguments.place(workspace.device.as_mut(), temporary)?;
    let whole = &plan.header.call_span;
    let given = match &version.binding {
        Some(binding) => arguments::bind(binding, &meta.params.value, &arguments, whole).map_err(located)?,
        None => arguments::in_order(&meta.params.value, &arguments).map_err(located)?,
    };
    let mut args = encode(&meta.params.value, &given, whole).map_err(located)?;

    let loaded = match (version.artifact(Stage::Ptx), version.artifact(Stage::Cubin)) {
        (Some(ptx), _) => workspace.device.load(Code::Ptx(ptx.text().unwrap_or_default()), &meta.entry.value),
        (None, Some(cubin)) => workspace.device.load(Code::Cubin(&cubin.content), &meta.entry.value),
        (None, None) => return Err(Box::new(Diagnostic::error("no-code", "this version has no PTX and no cubin"))),
    };
    let function = loaded.map_err(|error| Box::new(plan.in_own_text(*error, workspace)))?;

    let blocks: u64 = grid.iter().map(|&extent| u64::from(extent)).product();
    let areas = [(meta.global_scratch.value, "global"), (meta.profile_scratch.value, "profile")];
    for (area, name) in areas.into_iter().take(meta.scratch_params.value as usize) {
        let address = match area.size.saturating_mul(blocks) {
            0 => 0,
            bytes => {
                let address = workspace.device.allocate(&format!("Triton's {name} scratch"), bytes)?;
                temporary.push(address);
                address
            }
        };
        args.push(address.to_le_bytes().to_vec());
    }
    let guessed_shared = matches!(meta.shared.origin, Origin::Default(_)) && meta.shared.value > 0;
    let mut shared = meta.shared.value;
    if guessed_shared {
        let own = workspace.device.info(function).static_shared;
        shared = shared.min(workspace.device.shared_limit().saturating_sub(own));
    }
    let block = [meta.threads.value, 1, 1];
    let launch = Launch { function, grid, block, cluster: meta.cluster.value, shared, args, seed: 0 };
    Ok(Prepared { launch, guessed_shared })
}

type Outcome = (crate::device::LaunchReport, Vec<Duration>, Vec<String>);

fn launch_all(plan: &Plan<'_>, launch: &Launch, workspace: &mut Workspace, context: Context<'_>) -> Result<Outcome> {
    let before = Snapshot::take(workspace)?;
    let print = |text: &str| context.frontend.stream(Stream::Stdout, text);
    let report = match workspace.device.launch(launch, context.cancel, &print) {
        Ok(report) => report,
        Err(error) => {
            before.restore(workspace)?;
            let mut error = plan.in_own_text(*error, workspace);
            if !error.is_interrupted() {
                error = error.note(format!("kernel `{}` v{}", plan.kernel, plan.version.number));
            }
            let kept = match before.left_out.as_slice() {
                [] => "every buffer has the value that it had before the launch".to_owned(),
                names => format!("too large to be restored, and perhaps changed: {}", names.join(", ")),
            };
            return Err(Box::new(error.note(kept)));
        }
    };
    let changes = before.changes(workspace)?;
    let mut samples = Vec::with_capacity(plan.repetitions);
    if plan.repetitions > 0 {
        let after = Snapshot::take(workspace)?;
        let quiet = |_: &str| {};
        for _ in 0..plan.repetitions {
            match workspace.device.launch(launch, context.cancel, &quiet) {
                Ok(again) => samples.push(again.elapsed),
                Err(error) => {
                    after.restore(workspace)?;
                    return Err(Box::new(plan.in_own_text(*error, workspace)));
                }
            }
        }
        // The buffers hold what one launch made of them.
        after.restore(workspace)?;
    }
    Ok((report, samples, changes))
}

/// What a grid may name besides the workspace: keyword values, and the constants that the kernel was compiled with.
fn grid_constants(plan: &Plan<'_>) -> Vec<(String, Scalar)> {
    let mut constants: Vec<(String, Scalar)> = plan
        .arguments
        .keywords
        .iter()
        .filter_map(|(name, given)| match &given.value {
            arguments::Value::Scalar(scalar) => Some((name.clone(), scalar.clone())),
            _ => None,
        })
        .collect();
    for (name, value) in plan.version.binding.iter().flat_map(|binding| &binding.constants) {
        let scalar = match value {
            serde_json::Value::Bool(value) => Scalar::Bool(*value),
            serde_json::Value::String(text) => Scalar::Str(text.clone()),
            serde_json::Value::Number(number) => match number.as_i64() {
                Some(value) => Scalar::Int(value),
                None => Scalar::Float(number.as_f64().unwrap_or_default()),
            },
            _ => continue,
        };
        // Parameters by their Python names are in scope too, as in Triton's grid lambdas.
        if !constants.iter().any(|(known, _)| known == name) {
            constants.push((name.clone(), scalar));
        }
    }
    constants
}
