//! `%passes`: every pass that the compiler ran, and what each one changed.

use std::fmt::Write;
use std::time::Duration;

use serde_json::json;

use super::subject::{Subject, Words, told};
use crate::compiler::meta::comment;
use crate::compiler::{CompileRequest, Pass, Passes, Stage};
use crate::diagnostic::{Diagnostic, Result, Source, nearest};
use crate::ir::{difference, locations};
use crate::magics::{Call, Kind, Magic, OptionSpec, Spec};
use crate::render::diff::{self, DiffLine};
use crate::render::plot::time_text;
use crate::render::{Output, escape_html};
use crate::workspace::{Context, Workspace};

/// `%passes [KERNEL[@VERSION]]`.
pub struct PassesMagic;

/// Lines of a pass's changes that are shown.
const LONGEST: usize = 160;

const SPEC: Spec = Spec {
    name: "passes",
    kind: Kind::Line,
    summary: "every pass that the compiler ran, with its time and what it changed",
    usage: "[KERNEL[@VERSION]] [--edit PASS]",
    details: "The list is the installed Triton's own: its stages build it, and each pass is run by itself. Names that \
              only shifted are no changes. `--edit PASS` puts the IR after a pass into a new cell, which goes on from \
              there; `--skip PASS` and `--until PASS` of `%%triton`, `%%ttir` and `%%ttgir` leave passes out. A pass is \
              named as here, with or without its group; `cse#2` is the second one of its name.",
    options: &[OptionSpec {
        name: "--edit",
        value: "PASS",
        help: "the IR after this pass in a new cell, ready to change",
    }],
};

impl Magic for PassesMagic {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn run(&self, call: &Call<'_>, workspace: &mut Workspace, context: Context<'_>) -> Result<Option<Output>> {
        let words = Words::of(call, &SPEC)?;
        words.at_most(1, call, &SPEC)?;
        let subject = Subject::of(words.positional.first(), call, workspace)?;
        let Some(request) = subject.version.request.clone().filter(|request| request.entry < Stage::Llir) else {
            let error = Diagnostic::error("no-passes", format!("{} entered below the passes", subject.headline()));
            return Err(Box::new(
                error
                    .at(call.arguments.clone(), "")
                    .note(format!("it entered at {}; passes run on ttir and ttgir", subject.version.entered)),
            ));
        };
        let mut request = CompileRequest::clone(&request);
        request.triton = subject.triton(workspace);
        let found = workspace.compiler.passes(&request, context.cancel, &mut |news| told(news, context));
        let found = found.map_err(|failure| {
            let name = format!("{}.{}", subject.name, request.entry);
            Box::new(failure.diagnostic.in_source(&Source::new(name, request.text.clone())))
        })?;
        match words.option("--edit") {
            Some(span) => edit(&subject, &found, &call.cell.text[span.clone()], context)
                .map_err(|error| Box::new(error.at(span, "")))
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

/// The IR after a pass in a new cell that goes on from there.
fn edit(subject: &Subject, passes: &Passes, name: &str, context: Context<'_>) -> Result<Output> {
    let (base, number) = name.split_once('#').unwrap_or((name, ""));
    let is_it = |pass: &Pass| {
        let short = pass.name.rsplit('.').next().unwrap_or_default();
        (pass.name == base || short == base) && (number.is_empty() || number == pass.count.to_string())
    };
    let Some(at) = passes.passes.iter().position(is_it) else {
        let error = Diagnostic::error("unknown-pass", format!("no pass is called `{name}`"));
        let names: Vec<String> = passes.passes.iter().map(Pass::label).collect();
        let short = names.iter().filter_map(|name| name.rsplit('.').next());
        return Err(Box::new(match nearest(name, names.iter().map(String::as_str).chain(short)) {
            Some(near) => error.help(format!("did you mean `{near}`?")),
            None => error.help("`%passes` lists them"),
        }));
    };
    let pass = &passes.passes[at];
    if !matches!(pass.stage, Stage::Ttir | Stage::Ttgir) {
        let error = Diagnostic::error("unknown-pass", format!("`{name}` is a pass of the stage {}", pass.stage));
        return Err(Box::new(error.help("cells go on after passes of ttir and ttgir")));
    }
    let texts = passes.passes[..=at].iter().rev().find_map(|pass| pass.text.as_ref());
    let body = locations::remove(texts.unwrap_or(&passes.start));
    let version = &subject.version;
    let body =
        comment::annotate_compiled(pass.stage, &body, &version.meta, &version.options, version.triton.as_deref());
    let label = pass.label();
    context.frontend.set_next_input(&format!("%%{} {} --after {label}\n{body}", pass.stage, subject.name), false);
    let lines = body.lines().count();
    Ok(Output::text(format!("{} of {} after {label}: {lines} lines in the cell below", pass.stage, subject.name)))
}
