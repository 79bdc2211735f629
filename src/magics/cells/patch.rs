//! `%%patch`: a stage's text with a few lines changed, compiled and launched like a cell of that stage.

use super::edit::{artifact, kernel, newest, numbered, readable};
use super::options::{PATCH_OPTIONS, VERSION};
use super::stages::StageMagic;
use crate::magics::declare::kinds::{Launch, StageName};
use crate::magics::declare::{Argument, Typed};
use crate::magics::{self, Call, Example, Kind, Magic, Needs, Spec};
use crate::render::Output;
use crate::workspace::{Context, Kernel, Version, Workspace};
use warpbook_compiler::{Stage, apply_patch};
use warpbook_diagnostic::{Diagnostic, Result, Source};

/// `%%patch STAGE [KERNEL][GRID](ARGUMENTS) [--options]`.
pub struct Patch;

const STAGE: Argument<StageName> = Argument::required("STAGE", StageName::ENTRIES, "the stage whose text is changed");
const LAUNCH: Argument<Launch> = Argument::optional(
    "LAUNCH",
    Launch { versions: true, keywords: &[] },
    "the kernel, and a launch; with a name only, or nothing, the kernel is launched as it was launched last",
);

const SPEC: Spec = Spec {
    name: "patch",
    kind: Kind::Cell,
    summary: "change a few lines of a stage's text, then compile and launch it",
    arguments: &[&STAGE, &LAUNCH],
    options: PATCH_OPTIONS,
    details: "The body is `old → new` (or `old -> new`), one pair per line, where each old text occurs exactly once; or lines of \
              a diff with `-` and `+`, with or without `@@` headers. Running the cell again patches \
              the same text, not the result.",
    examples: &[
        Example {
            cell: "%%patch ptx scale\nadd.f32 %f2, %f1, %f1; → mul.f32 %f2, %f1, %f1;",
            needs: Needs::Kernel,
            shows: "scale v2",
        },
        Example {
            cell: "%%patch triton matmul\n[None, :], acc) → [None, :], -acc)",
            needs: Needs::Matmul,
            shows: "matmul v2",
        },
    ],
};

impl Magic for Patch {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn run(&self, typed: &Typed<'_>, workspace: &mut Workspace, context: Context<'_>) -> Result<Option<Output>> {
        let call = typed.call;
        let text = &*call.cell.text;
        let stage = *typed.required(&STAGE)?;
        if stage == Stage::Cubin {
            let error = Diagnostic::error("unknown-stage", "a cubin has no text to patch").at(typed.place(&STAGE), "");
            return Err(error.help("`%%patch ptx` changes the text that it is made from"));
        }
        let header = typed.get(&LAUNCH).cloned().unwrap_or_default();
        let named = header.name.as_ref().map(|(name, span)| (name.as_str(), span.clone()));
        let kernel = kernel(workspace, named, call)?;
        let patch = call.body_text();
        let version = match (typed.get(&VERSION), &header.version) {
            (Some(number), _) => numbered(kernel, &number.to_string(), typed.place(&VERSION))?,
            (None, Some((number, span))) => numbered(kernel, number, span.clone())?,
            (None, None) => patched_before(kernel, stage, patch).map_or_else(|| newest(kernel, call), Ok)?,
        };
        let artifact = artifact(kernel, version, stage).map_err(|error| error.at(call.arguments.clone(), ""))?;
        let patched = apply_patch(&readable(stage, artifact), patch).map_err(|error| {
            let error = error.shifted(call.body.start);
            error.note(format!("the text is the {stage} of {} v{}", kernel.name, version.number))
        })?;

        // As if the reader had written the whole cell.
        let launch = typed.span(&LAUNCH).map_or("", |span| &text[span]);
        let behind_name = launch.find(['[', '(']).unwrap_or(launch.len());
        let mut arguments = format!("{}{}", kernel.name, &launch[behind_name..]);
        for option in typed.options().filter(|option| Some(option) != typed.whole(&VERSION).as_ref()) {
            arguments += &format!(" {}", &text[option]);
        }
        let name = format!("{}.{stage}", kernel.name);
        let cell = Whole::new(stage, arguments.trim(), &patched, &name);
        let (name, base) = (kernel.name.clone(), version.number);
        workspace.kernels.set_base(&name, Some(base));
        let result = magics::run(&StageMagic(stage), &cell.call(), workspace, context);
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
