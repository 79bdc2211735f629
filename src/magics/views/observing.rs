//! The arguments that `%watch`, `%trace` and `%step` share: a kernel's last launch, a block, a warp, an element.

use std::ops::Range;

use super::subject::Subject;
use crate::expression::parse;
use crate::launch::changes::index_of;
use crate::launch::on_device::{OnDevice, on_device};
use crate::launch::plan::LaunchPlan;
use crate::launch::snapshot::Snapshot;
use crate::magics::Call;
use crate::magics::declare::kinds::{Block, Number};
use crate::magics::declare::{Argument, Typed};
use crate::magics::launch_report::device_text;
use crate::workspace::{Context, Workspace, resolve_view};
use warpbook_compiler::{Artifact, Stage};
use warpbook_device::Dtype;
use warpbook_device::emulation::{Observe, Observed, Span};
use warpbook_diagnostic::{Diagnostic, Result, nearest};

pub const BLOCK: Argument<Block> =
    Argument::option("--block", Block, "this block of the grid rather than block (0, 0, 0)");
pub const WARP: Argument<Number<u32>> =
    Argument::option("--warp", Number::new("W", "the number of a warp"), "this warp of the block rather than warp 0");

/// The kernel as it was launched last.
pub fn last_launch(subject: &Subject, call: &Call<'_>, workspace: &Workspace) -> Result<LaunchPlan> {
    let name = &subject.name;
    let launch = workspace.kernels.get(name).and_then(|kernel| kernel.launch.clone()).ok_or_else(|| {
        let message = format!("`{name}` was never launched, so its arguments are not known");
        let error = Diagnostic::error("never-launched", message).at(call.arguments.clone(), "");
        error.help(format!("`%launch {name}[GRID](ARGUMENTS)`"))
    })?;
    if launch.header.grid.is_none() {
        let error = Diagnostic::error("grid", "a launch needs a grid").at(call.arguments.clone(), "");
        return Err(error.help(format!("`%launch {name}[GRID](ARGUMENTS)`")));
    }
    Ok(LaunchPlan::new(name, subject.version.clone(), launch))
}

/// True if the TTGIR defines a value by this name.
pub fn is_value_of_ttgir(plan: &LaunchPlan, name: &str) -> bool {
    let text = plan.version.artifact(Stage::Ttgir).and_then(Artifact::text).unwrap_or_default();
    let base = name.split('#').next().unwrap_or(name);
    let mut words = text.split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '%' | '$' | '.' | '-')));
    words.any(|word| word == base)
}

/// The error of a block that the launch does not have.
pub fn no_such_block(typed: &Typed<'_>, [x, y, z]: [u32; 3]) -> Diagnostic {
    let error = Diagnostic::error("no-such-block", format!("the launch has no block ({x}, {y}, {z})"));
    error.at(typed.place(&BLOCK), "").help("the grid is in brackets: `name[GRID](ARGUMENTS)`")
}

/// The error of a warp that the block does not have.
pub fn no_such_warp(warp: u32, warps: u32, span: Option<Range<usize>>) -> Diagnostic {
    let error = Diagnostic::error("no-such-warp", format!("the block has no warp {warp}"));
    let error = error.note(match warps {
        1 => "it has one, number 0".to_owned(),
        _ => format!("it has {warps}, numbers 0 to {}", warps.saturating_sub(1)),
    });
    match span {
        Some(span) => error.at(span, ""),
        None => error,
    }
}

/// One element of a buffer, as the cell names it.
#[derive(Clone, Debug)]
pub struct Element {
    /// The element as it is written in the cell: `c[3,5]`.
    pub text: String,
    /// Bytes of the element in its buffer.
    pub span: Span,
    pub dtype: Dtype,
    /// Indices, outermost first.
    pub index: Vec<usize>,
}

/// The element that a word of the cell names.
pub fn element(span: &Range<usize>, call: &Call<'_>, workspace: &Workspace) -> Result<Element> {
    let text = &call.cell.text[span.clone()];
    let expression = parse(&call.cell.text, span.clone())?;
    let view = resolve_view(&expression, workspace)?.ok_or_else(|| {
        let name = text.split('[').next().unwrap_or(text).trim();
        let error = Diagnostic::error("unknown-buffer", format!("there is no buffer `{name}`")).at(span.clone(), "");
        match nearest(name, workspace.buffers.iter().map(|buffer| buffer.name.as_str())) {
            Some(near) => error.help(format!("did you mean `{near}`?")),
            None => error.help("`%bufs` lists the buffers"),
        }
    })?;
    let buffer = workspace.buffers.get(&view.buffer);
    let Some(buffer) = buffer.filter(|_| view.numel() == 1) else {
        let error = Diagnostic::error("one-element", format!("`{text}` is {} elements", view.numel()));
        let rank = view.shape.len();
        let all = vec!["0"; rank].join(", ");
        let error = error.at(span.clone(), "this has to be one element");
        return Err(error.help(format!("such as `{text}[{all}]`")).note(format!("its shape: {:?}", view.shape)));
    };
    let from = view.address - buffer.address;
    let at = (from / buffer.dtype.size().max(1) as u64) as usize;
    Ok(Element {
        text: text.split_whitespace().collect(),
        span: Span { buffer: buffer.name.clone(), from, to: from + view.dtype.size() as u64 },
        dtype: view.dtype,
        index: index_of(at, &buffer.shape),
    })
}

/// One launch that is observed, and where: the device with what is known of its arithmetic.
pub fn launched(
    plan: &LaunchPlan,
    observe: &Observe,
    workspace: &mut Workspace,
    context: Context<'_>,
) -> Result<(Option<Observed>, String)> {
    let result = observed(plan, observe, workspace, context)?;
    let device = device_text(&result);
    Ok((result.report.observed, device))
}

/// The launch again on the emulator, observed; the buffers keep what they hold.
pub fn observed(
    plan: &LaunchPlan,
    observe: &Observe,
    workspace: &mut Workspace,
    context: Context<'_>,
) -> Result<OnDevice> {
    workspace.revive()?;
    let before = Snapshot::take(workspace)?;
    let device = if workspace.device.is_emulated() { workspace.device_name() } else { "emu".to_owned() };
    let outcome = on_device(&device, &plan.observed(observe.clone()), &before, workspace, context);
    outcome.map_err(|error| {
        if error.is_interrupted() {
            return error;
        }
        error.note("in the launch that is repeated to be observed, on what the buffers hold now")
    })
}
