//! `%passes`: every pass that the compiler ran, what each one changed, and a compilation with some of them changed.

mod again;
mod failed;

use std::fmt::Write;
use std::time::Duration;

use serde_json::json;

use super::subject::{Subject, Words, told};
use crate::magics::{Call, Kind, Magic, OptionSpec, Spec};
use crate::render::diff::{self, DiffLine};
use crate::render::plot::time_text;
use crate::render::{Output, escape_html};
use crate::workspace::{Context, Workspace};
use warpbook_compiler::{CompileRequest, Pass, Passes, Stage};
use warpbook_diagnostic::{Diagnostic, Result, Source};
use warpbook_ir::{difference, locations};

/// `%passes [KERNEL[@VERSION]]`.
pub struct PassesMagic;

/// Lines of a pass's changes that are shown.
const LONGEST: usize = 160;

const SPEC: Spec = Spec {
    name: "passes",
    kind: Kind::Line,
    summary: "every pass that the compiler ran, with its time and what it changed",
    usage: "[KERNEL[@VERSION]] [--edit PASS | --skip PASS | --until PASS | --from PASS | --failed]",
    details: "The list is the installed Triton's own: its stages build it, and each pass is run by itself. Names that \
              only shifted are no changes. `--skip`, `--until` and `--from` compile the kernel again with that changed, \
              as its newest version, and launch it as it was launched last (`%diff` shows what it made of it); \
              `--edit PASS` puts the IR after a pass into a new cell, which goes on from there. A pass is named as here, \
              with or without its group; `cse#2` is the second one of its name. The passes are MLIR's, down to the LLVM \
              dialect; those of LLVM itself are not shown.",
    options: &[
        OptionSpec { name: "--edit", value: "PASS", help: "the IR after this pass in a new cell, ready to change" },
        OptionSpec {
            name: "--skip",
            value: "PASS",
            help: "compile without it and launch; several are apart by commas",
        },
        OptionSpec { name: "--until", value: "PASS", help: "compile without those after it in its stage, and launch" },
        OptionSpec { name: "--from", value: "PASS", help: "compile from the IR that it was given on, and launch" },
        OptionSpec { name: "--failed", value: "", help: "the pass that broke a compilation last: the IR before it" },
        OptionSpec { name: "--cell", value: "", help: "with `--failed`: that IR in a new cell that does it again" },
    ],
};

impl Magic for PassesMagic {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn run(&self, call: &Call<'_>, workspace: &mut Workspace, context: Context<'_>) -> Result<Option<Output>> {
        let words = Words::of(call, &SPEC)?;
        words.at_most(1, call, &SPEC)?;
        if words.option("--failed").is_some() {
            return failed::show(&words, call, workspace, context).map(Some);
        }
        let subject = Subject::of(words.positional.first(), call, workspace)?;
        let Some(request) = subject.version.request.clone().filter(|request| request.entry < Stage::Llir) else {
            let error = Diagnostic::error("no-passes", format!("{} entered below the passes", subject.headline()));
            return Err(error
                .at(call.arguments.clone(), "")
                .note(format!("it entered at {}; passes run on ttir and ttgir", subject.version.entered)));
        };
        let mut request = CompileRequest::clone(&request);
        request.triton = subject.triton(workspace);
        if ["--skip", "--until"].iter().any(|name| words.option(name).is_some()) && words.option("--from").is_none() {
            return again::changed(&subject, request, &words, call, workspace, context).map(Some);
        }
        let found = workspace.compiler.passes(&request, context.cancel, &mut |news| told(news, context));
        let found = found.map_err(|failure| {
            let name = format!("{}.{}", subject.name, request.entry);
            failure.diagnostic.in_source(&Source::new(name, request.text.clone()))
        })?;
        if let Some(span) = words.option("--from") {
            return again::from(&subject, &found, span, &words, call, workspace, context).map(Some);
        }
        match words.option("--edit") {
            Some(span) => again::edit(&subject, &found, &call.cell.text[span.clone()], context)
                .map_err(|error| error.at(span, ""))
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
    fn what(&self) -> String {
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
    let mut text = format!("{headline}\n{} passes, {changed} changed the IR", all.len());
    let mut html = format!(
        "<div class=\"wb-p\"><style>{}{STYLE}</style><div><strong>{}</strong> · {} passes, {changed} changed the IR · {}</div>",
        diff::STYLE,
        escape_html(headline),
        all.len(),
        time_text(total)
    );
    let group = format!("wb-{}", headline.split(' ').take(2).collect::<Vec<_>>().join("-"));
    let mut at = 0;
    let mut stage = None;
    let mut line = String::new();
    while let Some(one) = all.get(at) {
        if stage != Some(one.pass.stage) {
            stage = Some(one.pass.stage);
            let _ = write!(html, "<h4>{}</h4>", one.pass.stage);
            let _ = write!(text, "{}\n{}:", std::mem::take(&mut line), one.pass.stage);
        }
        let same = |other: &Shown<'_>| {
            other.pass.stage == one.pass.stage
                && !other.is_changed()
                && other.pass.failed.is_none()
                && other.pass.skipped.is_some() == one.pass.skipped.is_some()
        };
        let run = all[at..].iter().take_while(|other| same(other)).count();
        if run > 0 {
            let names: Vec<String> = all[at..at + run].iter().map(|one| one.pass.label()).collect();
            let what = one.pass.skipped.clone().unwrap_or_else(|| "unchanged".to_owned());
            let _ = write!(html, "<div class=\"u\">{run} {what}: {}</div>", escape_html(&names.join(", ")));
            let _ = write!(
                text,
                " {}",
                if one.pass.skipped.is_some() { format!("({run} {what})") } else { format!("·{run}") }
            );
            at += run;
            continue;
        }
        let _ = write!(text, " {} {}", one.pass.label(), one.what());
        let arguments = one.pass.arguments.join(", ");
        let _ = write!(
            html,
            "<details name=\"{}\"><summary>{} <small>{}</small> <b class=\"r\">−{}</b> <b class=\"a\">+{}</b> \
             <small>{}</small></summary>{}</details>",
            escape_html(&group),
            escape_html(&one.pass.label()),
            escape_html(&arguments),
            one.removed,
            one.added,
            time_text(one.pass.elapsed),
            diff::html(&one.lines, LONGEST)
        );
        if let Some(failed) = &one.pass.failed {
            let _ = write!(html, "<pre>{}\n{}</pre>", escape_html(failed), escape_html(passes.log.trim()));
            let _ = write!(text, " ({failed})");
        }
        at += 1;
    }
    html.push_str("</div>");
    let _ = write!(text, "\n{} in all", time_text(total));
    let facts = json!({"passes": all.iter().map(|one| json!({
        "stage": one.pass.stage.name(), "name": one.pass.label(), "arguments": one.pass.arguments,
        "nanoseconds": u64::try_from(one.pass.elapsed.as_nanos()).unwrap_or(u64::MAX),
        "removed": one.removed, "added": one.added, "skipped": one.pass.skipped, "failed": one.pass.failed,
    })).collect::<Vec<_>>()});
    Output::text(text).with_html(html).with_facts(facts)
}

const STYLE: &str = ".wb-p{font-family:var(--jp-code-font-family,ui-monospace,monospace);font-size:12px}\
    .wb-p h4{margin:8px 0 2px}.wb-p details{border:1px solid rgba(128,128,128,.35);border-radius:4px;margin:2px 0}\
    .wb-p summary{cursor:pointer;padding:2px 8px;background:rgba(128,128,128,.1)}.wb-p small{opacity:.8}\
    .wb-p .u{opacity:.75;padding:1px 8px}.wb-p b.r{color:#c02f2f}.wb-p b.a{color:#1f7a3a}\
    @media (prefers-color-scheme:dark){.wb-p b.r{color:#ff8a80}.wb-p b.a{color:#6fcf87}}\
    body[data-jp-theme-light=\"true\"] .wb-p b.r{color:#c02f2f}body[data-jp-theme-light=\"true\"] .wb-p b.a{color:#1f7a3a}\
    body[data-jp-theme-light=\"false\"] .wb-p b.r{color:#ff8a80}body[data-jp-theme-light=\"false\"] .wb-p b.a{color:#6fcf87}\
    .wb-p .wb-d{max-height:520px;overflow:auto;padding:4px 8px}";
