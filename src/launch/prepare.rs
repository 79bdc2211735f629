//! From a plan to what a device takes: evaluated arguments as bytes, loaded code, memory for the launch alone.

use super::arguments;
use super::binding;
use super::code::code_for;
use super::placement;
use super::plan::{Emulation, LaunchPlan};
use super::scratch::{self, GuessedScratch};
use super::value::{Arguments, Value};
use crate::expression::Scalar;
use crate::workspace::Workspace;
use warpbook_compiler::contraction::Followed;
use warpbook_compiler::meta::{GivenArgument, GivenKind, encode, resolve_scratch};
use warpbook_compiler::{LaunchMeta, Origin, Param, ParamKind};
use warpbook_device::{Code, Device, FunctionId, Launch, LaunchReport};
use warpbook_diagnostic::{Diagnostic, Result};
use warpbook_process::cancel::Cancel;

/// A launch that is ready to run on the workspace's device.
pub struct Prepared {
    /// The launch as the device takes it.
    pub launch: Launch,
    /// The arguments that its bytes were made of.
    pub arguments: Arguments,
    /// Memory that was allocated for this launch alone: address and bytes.
    pub allocated: Vec<(u64, u64)>,
    /// True if the amount of dynamic shared memory is a guess, because no text gives it.
    pub guessed_shared: bool,
    /// Areas of scratch whose size no text gives.
    pub guessed_scratch: Vec<GuessedScratch>,
}

impl Prepared {
    /// Frees what was allocated for the launch.
    pub fn free(&self, device: &mut dyn Device) {
        free(&self.allocated, device);
    }
}

fn free(allocated: &[(u64, u64)], device: &mut dyn Device) {
    allocated.iter().for_each(|(address, _)| device.free(*address));
}

/// Prepares a launch. With `contracted`, the emulator runs that PTX instead of the version's own.
pub fn prepare(plan: &LaunchPlan, contracted: Option<&Followed>, workspace: &mut Workspace) -> Result<Prepared> {
    let mut allocated = Vec::new();
    let prepared = prepare_into(plan, contracted, workspace, &mut allocated);
    if prepared.is_err() {
        free(&allocated, workspace.device.as_mut());
    }
    Ok(Prepared { allocated, ..prepared? })
}

fn prepare_into(
    plan: &LaunchPlan,
    contracted: Option<&Followed>,
    workspace: &mut Workspace,
    allocated: &mut Vec<(u64, u64)>,
) -> Result<Prepared> {
    let located = |error: Diagnostic| error.in_source(&plan.launch.source);
    let arguments = arguments::evaluate_launch(&plan.launch, workspace)?;
    let mut meta = plan.version.meta.clone();
    if plan.version.binding.is_none() {
        // It was compiled without a launch.
        let given = binding::count_parameters(&meta.params.value, &arguments);
        resolve_scratch(&mut meta, given + plan.extra.len());
    }
    refuse_emulation(plan, workspace.device.as_ref()).map_err(located)?;
    placement::refuse_other_devices(plan.header(), workspace).map_err(located)?;
    let grid = grid(plan, &arguments, workspace)?;
    let mut args = parameters(plan, &meta, &arguments, workspace.device.as_mut(), allocated).map_err(located)?;
    let function = load(plan, contracted, &meta, workspace)?;
    let blocks = blocks(grid, &meta, plan)?;
    let scratch = scratch::allocate(plan, grid, &meta, workspace.device.as_mut(), allocated)?;
    args.extend(scratch.args);
    let guessed_shared = matches!(meta.shared.origin, Origin::Default(_)) && meta.shared.value > 0;
    let shared = match guessed_shared {
        true => {
            let own = workspace.device.info(function).static_shared;
            meta.shared.value.min(workspace.device.shared_limit().saturating_sub(own))
        }
        false => meta.shared.value,
    };
    let Emulation { check, seed, observe } = plan.how.emulation.clone();
    let launch = Launch {
        function,
        grid: blocks,
        block: meta.block_extents(),
        cluster: meta.cluster.value,
        shared,
        extra_shared: plan.extra_shared.min(shared),
        args,
        cooperative: meta.cooperative.value,
        dependent: meta.dependent.value,
        seed,
        check,
        observe,
    };
    Ok(Prepared { launch, arguments, allocated: Vec::new(), guessed_shared, guessed_scratch: scratch.guessed })
}

/// A GPU neither checks nor observes.
fn refuse_emulation(plan: &LaunchPlan, device: &dyn Device) -> Result<()> {
    if plan.how.emulation == Emulation::default() || device.is_emulated() {
        return Ok(());
    }
    let error = Diagnostic::error("needs-emulator", "only the emulator has checks and seeds");
    let error = error.at(plan.header().call_span.clone(), "");
    Err(error.help("`%sanitize` runs the last launch there, or `%device emu`"))
}

/// The number of programs along each axis.
pub fn grid(plan: &LaunchPlan, arguments: &Arguments, workspace: &Workspace) -> Result<[u32; 3]> {
    arguments::evaluate_grid(plan.header(), workspace, &grid_constants(plan, arguments))
        .map_err(|error| error.in_source(&plan.launch.source))
}

/// The number of blocks along each axis: as Triton counts, a program is a cluster of blocks; in CUDA C, the grid counts
/// blocks, whole clusters of them.
fn blocks(grid: [u32; 3], meta: &LaunchMeta, plan: &LaunchPlan) -> Result<[u32; 3]> {
    let cluster = meta.cluster.value;
    if meta.grid_counts_blocks {
        if grid.iter().zip(cluster).all(|(blocks, each)| blocks.is_multiple_of(each.max(1))) {
            return Ok(grid);
        }
        let message = format!("a grid of {grid:?} blocks is no whole number of clusters of {cluster:?} blocks");
        let error = Diagnostic::error("grid", message).at(plan.header().call_span.clone(), "");
        let error = error.help("the grid counts blocks: give a multiple of the cluster");
        return Err(error.in_source(&plan.launch.source));
    }
    let mut blocks = [0; 3];
    for (axis, extent) in blocks.iter_mut().enumerate() {
        *extent = grid[axis].checked_mul(cluster[axis].max(1)).ok_or_else(|| {
            let error =
                Diagnostic::error("grid", format!("{} programs of {cluster:?} blocks are too many", grid[axis]));
            error.at(plan.header().call_span.clone(), "").in_source(&plan.launch.source)
        })?;
    }
    Ok(blocks)
}

/// The bytes of each parameter that the arguments give.
fn parameters(
    plan: &LaunchPlan,
    meta: &LaunchMeta,
    arguments: &Arguments,
    device: &mut dyn Device,
    allocated: &mut Vec<(u64, u64)>,
) -> Result<Vec<Vec<u8>>> {
    let whole = &plan.header().call_span;
    let mut arguments = arguments.clone();
    arguments.place(device, allocated)?;
    let mut given = match &plan.version.binding {
        Some(binding) => binding::bind(binding, meta, &arguments, device, whole)?,
        None => binding::in_order(meta, &arguments, device)?,
    };
    given.extend(plan.extra.iter().cloned());
    read_structures(&meta.params.value, &mut given, device)?;
    encode(&meta.params.value, &given, whole)
}

/// A structure's bytes are those of the buffer that is given for it.
fn read_structures(params: &[Param], given: &mut [GivenArgument], device: &dyn Device) -> Result<()> {
    for (param, argument) in params.iter().zip(given) {
        if let (ParamKind::Bytes, GivenKind::Pointer { address, .. }) = (&param.kind, &argument.kind) {
            let mut bytes = vec![0; param.size as usize];
            device.read(*address, &mut bytes).map_err(|error| {
                let message =
                    format!("`{}` is a structure of {} bytes, and the buffer has fewer", param.name, param.size);
                Diagnostic::error("argument-size", message).at(argument.span.clone(), "").note(error.message.clone())
            })?;
            argument.kind = GivenKind::Bytes(bytes);
        }
    }
    Ok(())
}

/// Loads the code, and finds the kernel in it.
fn load(
    plan: &LaunchPlan,
    contracted: Option<&Followed>,
    meta: &LaunchMeta,
    workspace: &mut Workspace,
) -> Result<FunctionId> {
    let contracted = contracted.map(|followed| Code::Ptx(&followed.text));
    let code = contracted.or_else(|| code_for(workspace.device.as_ref(), &plan.version));
    let code = code.ok_or_else(|| Diagnostic::error("no-code", "this version has no PTX and no cubin"))?;
    workspace.device.load(code, &meta.entry.value).map_err(|error| plan.in_own_text(error, workspace))
}

/// Runs a plan once on the workspace's device. The buffers keep what it made of them.
pub fn launch_once(
    plan: &LaunchPlan,
    contracted: Option<&Followed>,
    workspace: &mut Workspace,
    cancel: &Cancel,
) -> Result<LaunchReport> {
    let prepared = prepare(plan, contracted, workspace)?;
    name_unwritten(plan, &prepared.launch, workspace);
    let report = workspace.device.launch(&prepared.launch, cancel, &|_| {});
    prepared.free(workspace.device.as_mut());
    report
}

/// Names to the device the memory that nothing has written: a checked launch reports what reads it.
pub fn name_unwritten(plan: &LaunchPlan, launch: &Launch, workspace: &mut Workspace) {
    if launch.check {
        let ranges = workspace.unwritten.ranges(&workspace.buffers, &plan.title());
        workspace.device.set_unwritten(ranges);
    }
}

/// Does something with a launch that is ready, and frees what was allocated for it alone.
pub fn with_prepared<T>(
    plan: &LaunchPlan,
    workspace: &mut Workspace,
    work: impl FnOnce(&mut Workspace, &Prepared) -> Result<T>,
) -> Result<T> {
    let prepared = prepare(plan, None, workspace)?;
    let outcome = work(workspace, &prepared);
    prepared.free(workspace.device.as_mut());
    outcome
}

/// Names that a grid may use besides the workspace: keyword values, and the constants that the kernel was compiled
/// with.
fn grid_constants(plan: &LaunchPlan, arguments: &Arguments) -> Vec<(String, Scalar)> {
    let mut constants: Vec<(String, Scalar)> = arguments
        .keywords
        .iter()
        .filter_map(|(name, given)| match &given.value {
            Value::Scalar(scalar) => Some((name.clone(), scalar.clone())),
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
