//! A kernel compiled again with its passes changed: without some, or from the middle on.

use std::ops::Range;

use crate::launch::built::inherit;
use crate::magics::cells::stages::launch_compiled;
use crate::magics::declare::kinds::Placed;
use crate::magics::views::subject::{Subject, compile};
use crate::render::Output;
use crate::workspace::{Context, Workspace};
use warpbook_compiler::meta::comment;
use warpbook_compiler::{CompileRequest, Pass, PassEdits, Passes, Stage};
use warpbook_diagnostic::{Diagnostic, Result, nearest};
use warpbook_ir::locations;

/// What a compilation changes of the compiler's own passes.
pub struct Edits {
    /// Passes that are left out.
    pub skip: Vec<String>,
    /// The last pass of its stage that is run.
    pub until: Option<String>,
}

impl Edits {
    /// The passes of a compilation, with these changes.
    fn apply(&self, mut passes: PassEdits) -> PassEdits {
        passes.skip.extend(self.skip.iter().filter(|name| !name.is_empty()).cloned());
        if self.until.is_some() {
            passes.until.clone_from(&self.until);
        }
        passes
    }
}

/// `--skip` and `--until`: the same text through other passes. An unknown pass is an error at `place`.
pub fn with_edits(
    subject: &Subject,
    mut request: CompileRequest,
    edits: &Edits,
    place: Range<usize>,
    workspace: &mut Workspace,
    context: Context<'_>,
) -> Result<Output> {
    request.passes = edits.apply(request.passes);
    let compiled = compile(&request, workspace, context);
    let compiled = compiled.map_err(|mut error| match error.code {
        "unknown-pass" => {
            error.source = None;
            error.labels.clear();
            error.at(place, "")
        }
        _ => error,
    })?;
    launch_compiled(&subject.name, compiled, request, &subject.version, None, workspace, context)
}

/// `--from`: the IR that a pass was given, compiled on from there.
pub fn from_pass(
    subject: &Subject,
    passes: &Passes,
    pass: &Placed<String>,
    edits: &Edits,
    workspace: &mut Workspace,
    context: Context<'_>,
) -> Result<Output> {
    let located = |error: Diagnostic| error.at(pass.span.clone(), "");
    let at = find(passes, &pass.value).map_err(located)?;
    let stage = passes.passes[at].stage;
    let previous = passes.passes[..at].iter().rev().find(|pass| pass.stage == stage && pass.skipped.is_none());
    // The first pass of a stage is given the stage before it.
    let entry = match (stage, previous) {
        (Stage::Ttir, _) | (Stage::Ttgir, None) => Stage::Ttir,
        (Stage::Ttgir, Some(_)) | (_, None) => Stage::Ttgir,
        (_, Some(_)) => {
            let name = passes.passes[at].label();
            let error = Diagnostic::error("unknown-pass", format!("`{name}` is a pass of the stage {stage}"));
            return Err(located(error.help("a compilation begins at passes of ttir and ttgir")));
        }
    };
    let text = locations::remove(text_before(passes, at));
    let text = annotated(subject, entry, &text);
    let mut request = CompileRequest::new(entry, subject_until(subject), text, subject.version.target);
    request.name = Some(subject.name.clone());
    request.triton = subject.triton(workspace, context.cancel)?;
    request.passes.after = previous.map(Pass::label);
    request.passes = edits.apply(request.passes);
    let implied = inherit(&mut request, &subject.version);
    let compiled = compile(&request, workspace, context)?;
    launch_compiled(&subject.name, compiled, request, &subject.version, implied, workspace, context)
}

/// As far as the version itself was taken.
fn subject_until(subject: &Subject) -> Stage {
    let last = subject.version.stages.last().map_or(Stage::Ptx, |outcome| outcome.artifact.stage);
    if last == Stage::Cubin { Stage::Cubin } else { Stage::Ptx }
}

fn annotated(subject: &Subject, stage: Stage, text: &str) -> String {
    let version = &subject.version;
    comment::annotate_compiled(stage, text, &version.meta, &version.options, version.triton.as_deref())
}

/// The module before a pass.
fn text_before(passes: &Passes, at: usize) -> &str {
    let text = passes.passes[..at].iter().rev().find_map(|pass| pass.text.as_ref());
    text.unwrap_or(&passes.start)
}

/// The pass that a name selects.
fn find(passes: &Passes, name: &str) -> Result<usize> {
    let (base, number) = name.split_once('#').unwrap_or((name, ""));
    let is_it = |pass: &Pass| {
        let short = pass.name.rsplit('.').next().unwrap_or_default();
        (pass.name == base || short == base) && (number.is_empty() || number == pass.count.to_string())
    };
    if let Some(at) = passes.passes.iter().position(is_it) {
        return Ok(at);
    }
    let error = Diagnostic::error("unknown-pass", format!("no pass is called `{name}`"));
    let names: Vec<String> = passes.passes.iter().map(Pass::label).collect();
    let short = names.iter().filter_map(|name| name.rsplit('.').next());
    Err(match nearest(name, names.iter().map(String::as_str).chain(short)) {
        Some(near) => error.help(format!("did you mean `{near}`?")),
        None => error.help("`%passes` lists them"),
    })
}

/// The IR after a pass in a new cell that goes on from there.
pub fn edit(subject: &Subject, passes: &Passes, name: &str, context: Context<'_>) -> Result<Output> {
    let at = find(passes, name)?;
    let pass = &passes.passes[at];
    if !matches!(pass.stage, Stage::Ttir | Stage::Ttgir) {
        let error = Diagnostic::error("unknown-pass", format!("`{name}` is a pass of the stage {}", pass.stage));
        return Err(error.help("cells go on after passes of ttir and ttgir"));
    }
    let body = annotated(subject, pass.stage, &locations::remove(text_before(passes, at + 1)));
    let label = pass.label();
    context.frontend.set_next_input(&format!("%%{} {} --after {label}\n{body}", pass.stage, subject.name), false);
    let lines = body.lines().count();
    Ok(Output::text(format!("{} of {} after {label}: {lines} lines in the cell below", pass.stage, subject.name)))
}
