//! `%%patch`: a stage's text with a few lines changed, compiled and launched like a cell of that stage.

use super::edit::{VERSION, artifact, kernel, newest, numbered, readable, stage, words};
use super::options::{STAGE_OPTIONS, SWITCHES};
use super::stages::StageMagic;
use crate::expression::parse_launch;
use crate::magics::{Call, Kind, Magic, OptionSpec, Spec};
use crate::render::Output;
use crate::workspace::{Context, Kernel, Version, Workspace};
use warpbook_compiler::{Stage, apply_patch};
use warpbook_diagnostic::{Diagnostic, Result, Source};

/// `%%patch STAGE [KERNEL][GRID](ARGUMENTS) [--options]`.
pub struct Patch;

const OPTIONS: [OptionSpec; STAGE_OPTIONS.len() + 1] = {
    let mut options = [VERSION; STAGE_OPTIONS.len() + 1];
    let mut index = 0;
    while index < STAGE_OPTIONS.len() {
        options[index] = STAGE_OPTIONS[index];
        index += 1;
    }
    options
};

const SPEC: Spec = Spec {
    name: "patch",
    kind: Kind::Cell,
    summary: "change a few lines of a stage's text, then compile and launch it",
    usage: "STAGE [KERNEL][GRID](ARGUMENTS) [--options]",
    details: "The body is `old → new` (or `old -> new`), one pair a line, each in the text exactly once; or lines of a diff \
              with `-` and `+`, with or without `@@` headers. With a name only (or nothing), the kernel is launched as it \
              was launched last. The same cell again patches the same text again.",
    options: &OPTIONS,
};

impl Magic for Patch {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn words(&self) -> Vec<String> {
        Stage::ENTRIES.map(|stage| stage.name().to_owned()).to_vec()
    }

    fn run(&self, call: &Call<'_>, workspace: &mut Workspace, context: Context<'_>) -> Result<Option<Output>> {
        let text = &*call.cell.text;
        let first = words(text, call.arguments.clone()).next();
        let rest = first.as_ref().map_or(call.arguments.end, |word| word.end)..call.arguments.end;
        let stage = stage(call, first.clone())?;
        if stage == Stage::Cubin {
            let error = Diagnostic::error("unknown-stage", "a cubin has no text to patch");
            return Err(error.at(first.unwrap_or_default(), "").help("`%%patch ptx` changes what it is made of"));
        }
        let header = parse_launch(text, rest.clone(), &SWITCHES)?;
        let named = header.name.as_ref().map(|(name, span)| (name.as_str(), span.clone()));
        let kernel = kernel(workspace, named, call)?;
        let option = header.option(VERSION.name);
        let patch = call.body_text();
        let version = match option {
            Some(option) => numbered(kernel, option.value.as_deref().unwrap_or_default(), option.value_span.clone())?,
            None => patched_before(kernel, stage, patch).map_or_else(|| newest(kernel, call), Ok)?,
        };
        let artifact = artifact(kernel, version, stage).map_err(|error| error.at(call.arguments.clone(), ""))?;
        let patched = apply_patch(&readable(stage, artifact), patch).map_err(|error| {
            let error = error.shifted(call.body.start);
            error.note(format!("the text is the {stage} of {} v{}", kernel.name, version.number))
        })?;

        // As if the reader had written the whole cell.
        let mut arguments = text[rest.clone()].to_owned();
        if let Some(option) = option {
            let end = option.value_span.end.max(option.span.end);
            arguments.replace_range(option.span.start - rest.start..end - rest.start, "");
        }
        if header.name.is_none() {
            let rest = arguments.trim_start();
            let gap = if rest.starts_with(['[', '(']) { "" } else { " " };
            arguments = format!("{}{gap}{rest}", kernel.name);
        }
        let name = format!("{}.{stage}", kernel.name);
        let cell = Whole::new(stage, arguments.trim(), &patched, &name);
        let (name, base) = (kernel.name.clone(), version.number);
        workspace.kernels.set_base(&name, Some(base));
        let result = StageMagic(stage).run(&cell.call(), workspace, context);
        workspace.kernels.set_base(&name, None);
        result.map_err(|error| error.in_source(&cell.source))
    }
}

/// The version that this very patch made the newest one from: a cell that is run again patches the same text again.
fn patched_before<'a>(kernel: &'a Kernel, stage: Stage, patch: &str) -> Option<&'a Version> {
    let latest = kernel.latest().filter(|latest| latest.entered == stage)?;
    let made = latest.artifact(stage)?.text()?;
    kernel.versions.iter().rev().skip(1).find(|version| {
        version
            .artifact(stage)
            .is_some_and(|base| apply_patch(&readable(stage, base), patch).is_ok_and(|patched| patched == made))
    })
}

/// A cell of a stage, made up.
struct Whole {
    source: Source,
    name: usize,
    header: usize,
}

impl Whole {
    fn new(stage: Stage, arguments: &str, body: &str, name: &str) -> Self {
        let head = format!("%%{stage} {arguments}");
        let source = Source::new(name, format!("{head}\n{body}"));
        Self { source, name: 2 + stage.name().len(), header: head.len() }
    }

    fn call(&self) -> Call<'_> {
        Call {
            cell: &self.source,
            name: 0..self.name,
            arguments: (self.name + 1).min(self.header)..self.header,
            body: self.header + 1..self.source.text.len(),
        }
    }
}
