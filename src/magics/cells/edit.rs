//! `%edit`: a stage's text in a new cell, ready to change.

use std::ops::Range;

use base64::Engine;

use crate::magics::{Call, Kind, Magic, OptionSpec, Spec};
use crate::render::Output;
use crate::workspace::{Context, Kernel, Version, Workspace};
use warpbook_compiler::meta::comment;
use warpbook_compiler::{Artifact, Stage};
use warpbook_diagnostic::{Diagnostic, Result, code, nearest};
use warpbook_ir::locations;

/// `%edit STAGE [KERNEL] [--version N]`.
pub struct Edit;

/// Columns of a cubin's base64.
const COLUMNS: usize = 76;

/// The option of `%edit` and `%%patch`.
pub const VERSION: OptionSpec =
    OptionSpec { name: "--version", value: "N", help: "take this version of the kernel rather than the newest" };

const SPEC: Spec = Spec {
    name: "edit",
    kind: Kind::Line,
    summary: "put a stage's text into a new cell, ready to change",
    usage: "STAGE [KERNEL] [--version N]",
    details: "STAGE is `triton`, `gluon`, `ttir`, `ttgir`, `llir`, `ptx` or `cubin`. The new cell has its header: run it, \
              and the kernel is launched as it was launched last. A `warpbook:` comment in its first line keeps what the \
              text itself does not say (shared memory, scratch, the parameters' names and types).",
    options: &[VERSION],
};

impl Magic for Edit {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn words(&self) -> Vec<String> {
        Stage::ENTRIES.map(|stage| stage.name().to_owned()).to_vec()
    }

    fn run(&self, call: &Call<'_>, workspace: &mut Workspace, context: Context<'_>) -> Result<Option<Output>> {
        let mut words = words(&call.cell.text, call.arguments.clone());
        let stage = stage(call, words.next())?;
        let (mut name, mut number) = (None, None);
        while let Some(word) = words.next() {
            let text = &call.cell.text[word.clone()];
            if text == VERSION.name {
                number = Some(words.next().unwrap_or(word.end..word.end));
            } else if text.starts_with(VERSION.name) && text[VERSION.name.len()..].starts_with('=') {
                number = Some(word.start + VERSION.name.len() + 1..word.end);
            } else if name.is_none() && !text.starts_with('-') {
                name = Some(word);
            } else {
                let error = Diagnostic::error("unexpected-argument", format!("`%edit` has no use for `{text}`"));
                return Err(error.at(word, "").help(format!("%edit {}", SPEC.usage)));
            }
        }
        let kernel = kernel(workspace, name.as_ref().map(|span| (&call.cell.text[span.clone()], span.clone())), call)?;
        let version = match number {
            Some(span) => numbered(kernel, &call.cell.text[span.clone()], span)?,
            None => newest(kernel, call)?,
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
        Stage::Ttir | Stage::Ttgir => locations::remove(text),
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

/// The bytes of each word.
pub fn words(text: &str, range: Range<usize>) -> impl Iterator<Item = Range<usize>> {
    let content = &text[range.clone()];
    let start = range.start;
    content.split_whitespace().map(move |word| {
        // A word is a part of `content`.
        let at = start + (word.as_ptr() as usize - content.as_ptr() as usize);
        at..at + word.len()
    })
}

/// The stage that the first word names.
pub fn stage(call: &Call<'_>, word: Option<Range<usize>>) -> Result<Stage> {
    let names = || Stage::ENTRIES.into_iter().map(Stage::name);
    let list = || names().collect::<Vec<_>>().join(", ");
    let magic = &call.cell.text[call.name.clone()];
    let Some(span) = word else {
        let error = Diagnostic::error("missing-argument", format!("`{magic}` wants a stage")).at(call.name.clone(), "");
        return Err(error.help(format!("one of: {}", list())));
    };
    let text = &call.cell.text[span.clone()];
    match text.parse() {
        Ok(stage) if stage != Stage::Sass => Ok(stage),
        _ => {
            let error =
                Diagnostic::error("unknown-stage", format!("`{text}` is no stage that can be edited")).at(span, "");
            Err(match nearest(text, names()) {
                Some(near) => error.help(format!("did you mean `{near}`?")),
                None => error.help(format!("one of: {}", list())),
            })
        }
    }
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

/// A kernel's newest version.
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
