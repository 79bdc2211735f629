//! `%passes`: every pass that the compiler ran, what each one changed, and a compilation with some of them changed.

mod failed;
mod recompile;

use std::fmt::Write;
use std::time::Duration;

use serde_json::json;

use self::recompile::Edits;
use super::subject::{KERNEL, Subject, show_progress};
use crate::magics::declare::kinds::{List, Switch, Text};
use crate::magics::declare::{Argument, Typed};
use crate::magics::{Example, Kind, Magic, Needs, Spec};
use crate::render::diff::{Diff, DiffLine};
use crate::render::plot::time_text;
use crate::render::{Alternative, Block, Document, Fold, Output, Prose, Style};
use crate::workspace::{Context, Workspace};
use warpbook_compiler::{CompileRequest, Pass, Passes, Stage};
use warpbook_diagnostic::{Diagnostic, Result, Source};
use warpbook_ir::{difference, locations};

/// `%passes [KERNEL[@VERSION]]`.
pub struct PassesMagic;

/// Lines of a pass's changes that are shown.
const LONGEST: usize = 160;

const PASS: Text = Text::new("PASS", "the name of a pass, as `%passes` shows it");
const EDIT: Argument<Text> =
    Argument::option("--edit", PASS, "put the IR after this pass into a new cell, ready to change");
const SKIP: Argument<List<Text>> = Argument::option(
    "--skip",
    List::new("PASS,…", PASS),
    "compile without this pass, and launch; with commas between several",
);
const UNTIL: Argument<Text> =
    Argument::option("--until", PASS, "compile without the passes after this one in its stage, and launch");
const FROM: Argument<Text> = Argument::option("--from", PASS, "compile on from the IR before this pass, and launch");
const FAILED: Argument<Switch> =
    Argument::option("--failed", Switch, "show the pass that broke a compilation last, with the IR before it");
const CELL: Argument<Switch> =
    Argument::option("--cell", Switch, "with `--failed`: put that IR into a new cell that fails the same way");

const SPEC: Spec = Spec {
    name: "passes",
    kind: Kind::Line,
    summary: "every pass that the compiler ran, with its time and what it changed",
    arguments: &[&KERNEL],
    options: &[&EDIT, &SKIP, &UNTIL, &FROM, &FAILED, &CELL],
    details: "The list is the installed Triton's own: its stages build it, and each pass is run by itself. A name that only \
              shifted (`%27` to `%28`) is not shown as a change. `--skip`, `--until` and `--from` compile the kernel again \
              with that changed, as its newest version, and launch it as it was launched last (`%diff` shows the effect). \
              A pass is named as in the list, with or without its group; `cse#2` is the second one of its name. The passes \
              are MLIR's, down to the LLVM dialect; the passes of LLVM itself are not shown.",
    examples: &[
        Example { cell: "%passes matmul", needs: Needs::Matmul, shows: "changed the IR" },
        Example { cell: "%passes matmul --edit coalesce", needs: Needs::Matmul, shows: "--after" },
        Example { cell: "%passes matmul --skip reorder_instructions", needs: Needs::Matmul, shows: "compiled without" },
    ],
};

impl Magic for PassesMagic {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn run(&self, typed: &Typed<'_>, workspace: &mut Workspace, context: Context<'_>) -> Result<Option<Output>> {
        let call = typed.call;
        if typed.has(&FAILED) {
            return failed::show(typed.has(&CELL), call, workspace, context).map(Some);
        }
        let subject = Subject::typed(typed, workspace)?;
        let Some(request) = subject.version.request.clone().filter(|request| request.entry < Stage::Llir) else {
            let error = Diagnostic::error("no-passes", format!("{} entered below the passes", subject.headline()));
            return Err(error
                .at(call.arguments.clone(), "")
                .note(format!("it entered at {}; passes run on ttir and ttgir", subject.version.entered)));
        };
        let mut request = CompileRequest::clone(&request);
        request.triton = subject.triton(workspace, context.cancel)?;
        let edits = Edits {
            skip: typed.get(&SKIP).into_iter().flatten().map(|name| name.value.value.clone()).collect(),
            until: typed.get(&UNTIL).map(|name| name.value.clone()),
        };
        if (typed.has(&SKIP) || typed.has(&UNTIL)) && !typed.has(&FROM) {
            let place = typed.span(&SKIP).or(typed.span(&UNTIL)).unwrap_or_else(|| typed.everything());
            return recompile::with_edits(&subject, request, &edits, place, workspace, context).map(Some);
        }
        let found = workspace.compiler.passes(&request, context.cancel, &mut |news| show_progress(news, context));
        let found = found.map_err(|failure| {
            let name = format!("{}.{}", subject.name, request.entry);
            failure.diagnostic.in_source(&Source::new(name, request.text.clone()))
        })?;
        if let Some(pass) = typed.get(&FROM) {
            return recompile::from_pass(&subject, &found, pass, &edits, workspace, context).map(Some);
        }
        match typed.get(&EDIT) {
            Some(pass) => recompile::edit(&subject, &found, &pass.value, context)
                .map_err(|error| error.at(pass.span.clone(), ""))
                .map(Some),
            None => Ok(Some(output(&subject.headline(), &found))),
        }
    }
}

/// A pass and how it changed the text.
struct Shown<'a> {
    pass: &'a Pass,
    lines: Vec<DiffLine>,
    removed: usize,
    added: usize,
}

fn shown(passes: &Passes) -> Vec<Shown<'_>> {
    let mut before = locations::remove(&passes.start);
    let mut all = Vec::new();
    for pass in &passes.passes {
        let mut one = Shown { pass, lines: Vec::new(), removed: 0, added: 0 };
        if let Some(text) = &pass.text {
            let after = locations::remove(text);
            let lines = difference::compare(&before, &after);
            (one.removed, one.added) = difference::counts(&lines);
            if one.removed + one.added > 0 {
                one.lines = lines.iter().map(owned).collect();
            }
            before = after;
        }
        all.push(one);
    }
    all
}

/// The same line for rendering.
pub fn owned(line: &difference::Line<'_>) -> DiffLine {
    match line {
        difference::Line::Same(text) => DiffLine::Same((*text).to_owned()),
        difference::Line::Removed(text, marks) => DiffLine::Removed((*text).to_owned(), marks.clone()),
        difference::Line::Added(text, marks) => DiffLine::Added((*text).to_owned(), marks.clone()),
    }
}

impl Shown<'_> {
    fn is_changed(&self) -> bool {
        self.removed + self.added > 0
    }

    /// `−3 +5`, or why there is nothing.
    fn change_text(&self) -> String {
        match (&self.pass.failed, &self.pass.skipped) {
            (Some(_), _) => "failed".to_owned(),
            (_, Some(why)) => why.clone(),
            _ if self.is_changed() => format!("−{} +{}", self.removed, self.added),
            _ => "unchanged".to_owned(),
        }
    }
}

fn output(headline: &str, passes: &Passes) -> Output {
    let all = shown(passes);
    let changed = all.iter().filter(|one| one.is_changed()).count();
    let total: Duration = all.iter().map(|one| one.pass.elapsed).sum();
    let mut document = Document::new(headline);
    document.line(format!("{} passes, {changed} changed the IR", all.len()));
    let group = format!("wb-{}", headline.split(' ').take(2).collect::<Vec<_>>().join("-"));
    for stage in all.chunk_by(|one, next| one.pass.stage == next.pass.stage) {
        document.push(stage_section(stage, &group, &passes.log));
    }
    document.line(format!("{} in all", time_text(total)));
    let facts = json!({"passes": all.iter().map(|one| json!({
        "stage": one.pass.stage.name(), "name": one.pass.label(), "arguments": one.pass.arguments,
        "nanoseconds": u64::try_from(one.pass.elapsed.as_nanos()).unwrap_or(u64::MAX),
        "removed": one.removed, "added": one.added, "skipped": one.pass.skipped, "failed": one.pass.failed,
    })).collect::<Vec<_>>()});
    document.with_facts(facts).output()
}

/// The passes of a stage: in the text one line, in HTML a fold for each that changed something.
fn stage_section(all: &[Shown<'_>], group: &str, log: &str) -> Alternative {
    let Some(first) = all.first() else { return Alternative::default() };
    let mut text = format!("{}:", first.pass.stage);
    let mut blocks = vec![Block::Line(Prose::default().with(Style::Strong, first.pass.stage.name()))];
    let is_quiet = |one: &Shown<'_>| !one.is_changed() && one.pass.failed.is_none();
    let is_alike = |one: &Shown<'_>, next: &Shown<'_>| {
        is_quiet(one) && is_quiet(next) && one.pass.skipped.is_some() == next.pass.skipped.is_some()
    };
    for run in all.chunk_by(is_alike) {
        let Some(one) = run.first() else { continue };
        if is_quiet(one) {
            let names: Vec<String> = run.iter().map(|one| one.pass.label()).collect();
            let (count, what) = (run.len(), one.pass.skipped.as_deref().unwrap_or("unchanged"));
            let _ = match one.pass.skipped {
                Some(_) => write!(text, " ({count} {what})"),
                None => write!(text, " ·{count}"),
            };
            blocks.push(Block::Aside(Prose::plain(format!("{count} {what}: {}", names.join(", ")))));
            continue;
        }
        let _ = write!(text, " {} {}", one.pass.label(), one.change_text());
        let summary = Prose::plain(one.pass.label())
            .with(Style::Faint, format!(" {} ", one.pass.arguments.join(", ")))
            .with(Style::Removed, format!("−{}", one.removed))
            .with(Style::Added, format!(" +{}", one.added))
            .with(Style::Faint, format!(" {}", time_text(one.pass.elapsed)));
        let diff = Diff { lines: one.lines.clone(), most: LONGEST };
        blocks.push(Fold::new(summary).group(group).with(diff).into());
        if let Some(failed) = &one.pass.failed {
            blocks.push(Block::Verbatim(format!("{failed}\n{}", log.trim())));
            let _ = write!(text, " ({failed})");
        }
    }
    Alternative::new(text, blocks)
}
