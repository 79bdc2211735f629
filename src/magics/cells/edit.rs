//! `%edit`: a stage's text in a new cell, ready to change.

use std::ops::Range;

use base64::Engine;

use super::options::VERSION;
use crate::magics::declare::kinds::{Kernel as KernelKind, StageName};
use crate::magics::declare::{Argument, Typed};
use crate::magics::{Call, Example, Kind, Magic, Needs, Spec};
use crate::render::Output;
use crate::workspace::{Context, Kernel, Version, Workspace};
use warpbook_compiler::meta::comment;
use warpbook_compiler::{Artifact, Stage};
use warpbook_diagnostic::{Diagnostic, Result, code, nearest};
use warpbook_ir::locations;

/// `%edit STAGE [KERNEL] [--version N]`.
pub struct Edit;

/// Width in characters of the lines of a cubin's base64.
const COLUMNS: usize = 76;

const STAGE: Argument<StageName> = Argument::required("STAGE", StageName::ENTRIES, "the stage whose text is edited");
const KERNEL: Argument<KernelKind> = Argument::optional(
    "KERNEL",
    KernelKind,
    "the kernel; without it, the one used last. `matmul@2` is its version 2; without a number, its newest",
);
const SPEC: Spec = Spec {
    name: "edit",
    kind: Kind::Line,
    summary: "put a stage's text into a new cell, ready to change",
    arguments: &[&STAGE, &KERNEL],
    options: &[&VERSION],
    details: "The new cell has its header: run it, and the kernel is launched as it was launched last. A `warpbook:` comment \
              in its first line keeps what the text itself does not state (shared memory, scratch, names and types of the \
              parameters).",
    examples: &[
        Example { cell: "%edit ptx scale", needs: Needs::Kernel, shows: "%%ptx scale" },
        Example { cell: "%edit ttgir matmul@1", needs: Needs::Matmul, shows: "%%ttgir matmul" },
    ],
};

impl Magic for Edit {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn run(&self, typed: &Typed<'_>, workspace: &mut Workspace, context: Context<'_>) -> Result<Option<Output>> {
        let call = typed.call;
        let stage = *typed.required(&STAGE)?;
        let named = typed.get(&KERNEL);
        let name = named.and_then(|named| named.name.as_ref());
        let kernel = kernel(workspace, name.map(|name| (name.value.as_str(), name.span.clone())), call)?;
        let version = match (typed.get(&VERSION), named.and_then(|named| named.version.as_ref())) {
            (Some(number), _) => numbered(kernel, &number.to_string(), typed.place(&VERSION))?,
            (None, Some(number)) => numbered(kernel, &number.value, number.span.clone())?,
            (None, None) => newest(kernel, call)?,
        };
        let artifact = artifact(kernel, version, stage).map_err(|error| error.at(call.arguments.clone(), ""))?;
        let text = match stage {
            Stage::Cubin => base64_lines(&artifact.content),
            _ => readable(stage, artifact),
        };
        let body = comment::annotate_compiled(stage, &text, &version.meta, &version.options, version.triton.as_deref());
        context.frontend.set_next_input(&format!("%%{stage} {}\n{body}", kernel.name), false);
        let lines = body.lines().count();
        let place = format!("{stage} of {} v{}: {lines} lines in the cell below", kernel.name, version.number);
        Ok(Some(Output::text(place)))
    }
}

/// A stage's text as it is edited: without MLIR's locations, which errors would otherwise name instead of its lines.
pub fn readable(stage: Stage, artifact: &Artifact) -> String {
    let text = artifact.text().unwrap_or_default();
    match stage {
        stage if stage.is_mlir() => locations::remove(text),
        _ => text.to_owned(),
    }
}

fn base64_lines(bytes: &[u8]) -> String {
    let text = base64::engine::general_purpose::STANDARD.encode(bytes);
    let mut lines = String::with_capacity(text.len() + text.len() / COLUMNS + 1);
    for (index, c) in text.chars().enumerate() {
        if index > 0 && index.is_multiple_of(COLUMNS) {
            lines.push('\n');
        }
        lines.push(c);
    }
    lines.push('\n');
    lines
}

/// A kernel by name, or the one that was used last.
pub fn kernel<'a>(workspace: &'a Workspace, name: Option<(&str, Range<usize>)>, call: &Call<'_>) -> Result<&'a Kernel> {
    let kernels = &workspace.kernels;
    let error = match name {
        None => match kernels.last() {
            Some(kernel) => return Ok(kernel),
            None => Diagnostic::error(code::UNKNOWN_KERNEL, "no kernel was compiled yet").at(call.name.clone(), ""),
        },
        Some((name, span)) => match kernels.get(name) {
            Some(kernel) => return Ok(kernel),
            None => {
                let error =
                    Diagnostic::error(code::UNKNOWN_KERNEL, format!("there is no kernel `{name}`")).at(span, "");
                if let Some(near) = nearest(name, kernels.names()) {
                    return Err(error.help(format!("did you mean `{near}`?")));
                }
                error
            }
        },
    };
    Err(error.help("a `%%triton`, `%%ttir`, … or `%%ptx` cell makes one"))
}

/// A kernel's newest version. Fails if it has none.
pub fn newest<'a>(kernel: &'a Kernel, call: &Call<'_>) -> Result<&'a Version> {
    kernel.latest().ok_or_else(|| {
        let error = Diagnostic::error("unknown-version", format!("`{}` has no version yet", kernel.name));
        error.at(call.arguments.clone(), "")
    })
}

/// A kernel's version by the text of its number.
pub fn numbered<'a>(kernel: &'a Kernel, number: &str, span: Range<usize>) -> Result<&'a Version> {
    let found = number.trim_start_matches('v').parse().ok().and_then(|number| kernel.version(number));
    found.ok_or_else(|| {
        let error = Diagnostic::error("unknown-version", format!("`{}` has no version `{number}`", kernel.name));
        let numbers: Vec<String> = kernel.versions.iter().map(|version| version.number.to_string()).collect();
        error.at(span, "").note(format!("it has: {}", numbers.join(", ")))
    })
}

/// What a version holds at a stage.
pub fn artifact<'a>(kernel: &Kernel, version: &'a Version, stage: Stage) -> Result<&'a Artifact> {
    version.artifact(stage).ok_or_else(|| {
        let has: Vec<&str> = version.stages.iter().map(|outcome| outcome.artifact.stage.name()).collect();
        let message = format!("`{}` v{} has no {stage}", kernel.name, version.number);
        let error = Diagnostic::error("unknown-stage", message).note(format!("it has: {}", has.join(", ")));
        if stage < version.entered {
            error.help(format!("it entered at {}, below that stage: `--version` takes an earlier one", version.entered))
        } else {
            error
        }
    })
}
