//! `%diff`: two versions or kernels, stage by stage, beside what they take of the machine.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::json;

use super::passes::owned;
use super::stages::title;
use super::subject::{Subject, Words};
use super::trace::{Trace, trace};
use crate::compiler::Stage;
use crate::compiler::meta::resources;
use crate::compiler::occupancy::occupancy;
use crate::diagnostic::{Diagnostic, Result};
use crate::ir::difference;
use crate::magics::{Call, Kind, Magic, OptionSpec, Spec};
use crate::render::diff::{self, DiffLine};
use crate::render::{Output, escape_html, table};
use crate::workspace::{Context, Workspace};

/// `%diff A B`.
pub struct Diff;

/// Lines of a stage's changes that are shown.
const LONGEST: usize = 400;

const SPEC: Spec = Spec {
    name: "diff",
    kind: Kind::Line,
    summary: "what differs between two versions or kernels: text, resources, instruction mix",
    usage: "[KERNEL[@VERSION] [KERNEL[@VERSION]]] [--stage STAGE] [--values]",
    details: "`%diff k@1 k@3` compares two versions, `%diff k@1` one with the newest, `%diff` the newest with the one \
              that it was made from. Names that only shifted (`%27`, `%28`) are no changes. Machine code is compared by \
              its instruction mix. `--values` launches both on the emulator with what the buffers hold now, and tells \
              the first stored element that differs and the first instruction on the way to it that came to another value.",
    options: &[
        OptionSpec { name: "--stage", value: "STAGE", help: "compare the text of this stage only" },
        OptionSpec { name: "--values", value: "", help: "compare what they compute: the first value that differs" },
    ],
};

impl Magic for Diff {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn run(&self, call: &Call<'_>, workspace: &mut Workspace, context: Context<'_>) -> Result<Option<Output>> {
        let words = Words::of(call, &SPEC)?;
        words.at_most(2, call, &SPEC)?;
        let only = match words.option("--stage") {
            None => None,
            Some(span) => match call.cell.text[span.clone()].parse::<Stage>() {
                Ok(stage) => Some(stage),
                Err(()) => {
                    let name = &call.cell.text[span.clone()];
                    let error = Diagnostic::error("unknown-stage", format!("`{name}` is no stage"));
                    return Err(Box::new(error.at(span, "").help("one of: ttir, ttgir, llir, ptx, sass")));
                }
            },
        };
        let first = Subject::of(words.positional.first(), call, workspace)?;
        let (old, new) = match words.positional.get(1) {
            Some(word) => (first, Subject::of(Some(word), call, workspace)?),
            None => {
                let kernel = workspace.kernels.get(&first.name);
                let newest = kernel.and_then(|kernel| kernel.latest()).cloned().unwrap_or(first.version.clone());
                let old = match first.version.number == newest.number {
                    false => Some(first.version.clone()),
                    true => {
                        let before = newest.parent.or(newest.number.checked_sub(1));
                        before.and_then(|number| kernel?.version(number)).cloned()
                    }
                };
                let Some(old) = old else {
                    let error = Diagnostic::error("unknown-version", format!("`{}` has one version only", first.name));
                    return Err(Box::new(
                        error.at(call.arguments.clone(), "").help("`%diff A B` compares two kernels"),
                    ));
                };
                let subject = |version| Subject { name: first.name.clone(), version };
                (subject(old), subject(newest))
            }
        };
        if words.option("--values").is_some() {
            return crate::magics::launch::compare_values(&old, &new, call, workspace, context).map(Some);
        }
        let traces = (trace(&old, workspace, context)?, trace(&new, workspace, context)?);
        Ok(Some(output((&old, &traces.0), (&new, &traces.1), only)))
    }
}

/// One stage's comparison.
struct Compared {
    stage: Stage,
    lines: Vec<DiffLine>,
    removed: usize,
    added: usize,
}

fn compared(stage: Stage, old: &Trace, new: &Trace) -> Option<Compared> {
    let text = |trace: &Trace| {
        // The comment that keeps what no text says is Warpbook's own.
        let lines = trace.stage(stage)?.lines.iter().filter(|line| !line.text.starts_with("// warpbook:"));
        let lines: Vec<&str> = lines.map(|line| line.text.as_str()).collect();
        Some(lines.join("\n"))
    };
    let (old, new) = (text(old)?, text(new)?);
    let lines = difference::compare(&old, &new);
    let (removed, added) = difference::counts(&lines);
    Some(Compared { stage, lines: lines.iter().map(owned).collect(), removed, added })
}

/// (what, in the first, in the second), for everything that has a number.
fn facts(subject: &Subject, trace: &Trace) -> Vec<(String, String)> {
    let meta = &subject.version.meta;
    let mut facts = vec![
        ("target".to_owned(), subject.version.target.to_string()),
        ("Triton".to_owned(), subject.version.triton.clone().unwrap_or_default()),
        ("threads".to_owned(), meta.threads.value.to_string()),
        ("shared bytes".to_owned(), meta.shared.value.to_string()),
    ];
    facts.extend(subject.version.options.iter().map(|(name, value)| (name.clone(), value.to_string())));
    let taken = trace.cubin.as_ref().and_then(|cubin| resources(&cubin.content, &meta.entry.value));
    if let Some(taken) = taken {
        let full = occupancy(subject.version.target, meta.threads.value, taken.registers, meta.shared.value);
        facts.push(("registers".to_owned(), taken.registers.to_string()));
        facts.push(("local bytes".to_owned(), taken.local.to_string()));
        let limit = full.each[0].0.name();
        facts.push(("blocks per multiprocessor".to_owned(), format!("{} (limited by {limit})", full.blocks)));
    }
    facts
}

fn output(old: (&Subject, &Trace), new: (&Subject, &Trace), only: Option<Stage>) -> Output {
    let order = [Stage::Triton, Stage::Gluon, Stage::Ttir, Stage::Ttgir, Stage::Llir, Stage::Ptx];
    let stages: Vec<Compared> = order
        .into_iter()
        .filter(|stage| only.is_none_or(|only| only == *stage))
        .filter_map(|stage| compared(stage, old.1, new.1))
        .collect();
    let headline = format!("{} → {}", old.0.headline(), new.0.headline());
    let mut text = headline.clone();
    let mut html = format!(
        "<div class=\"wb-e\"><style>{}.wb-e{{font-size:12px}}.wb-e summary{{cursor:pointer}}.wb-e .wb-d{{max-height:520px;overflow:auto}}</style>\
         <strong>{}</strong>",
        diff::STYLE,
        escape_html(&headline)
    );
    for one in &stages {
        let what = match one.removed + one.added {
            0 => "the same".to_owned(),
            _ => format!("−{} +{} lines", one.removed, one.added),
        };
        let _ = write!(text, "\n{}: {what}", title(one.stage));
        let shown = if one.removed + one.added > 0 { diff::html(&one.lines, LONGEST) } else { String::new() };
        let is_open = only.is_some() || one.stage == new.0.version.entered;
        let open = if is_open && !shown.is_empty() { " open" } else { "" };
        let _ = write!(html, "<details{open}><summary>{} {what}</summary>{shown}</details>", title(one.stage));
    }
    // In the text only a short difference has room.
    let entered = stages.iter().find(|one| only.unwrap_or(new.0.version.entered) == one.stage);
    if let Some(one) = entered.filter(|one| (1..=24).contains(&(one.removed + one.added))) {
        for line in &one.lines {
            let (sign, line) = match line {
                DiffLine::Same(_) => continue,
                DiffLine::Removed(line, _) => ('-', line),
                DiffLine::Added(line, _) => ('+', line),
            };
            let _ = write!(text, "\n{sign} {}", line.trim().chars().take(110).collect::<String>());
        }
    }
    let mut rows = vec![vec![String::new(), "before".to_owned(), "after".to_owned()]];
    let (before, after) = (facts(old.0, old.1), facts(new.0, new.1));
    let mut changed = BTreeMap::new();
    for (name, value) in &after {
        let was = before.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value);
        if was != value {
            changed.insert(name.clone(), json!([was, value]));
            rows.push(vec![name.clone(), was.to_owned(), value.clone()]);
        }
    }
    for stage in [Stage::Ptx, Stage::Sass] {
        let counts = |trace: &Trace| -> BTreeMap<String, usize> {
            trace.stage(stage).map(|stage| stage.counts().into_iter().collect()).unwrap_or_default()
        };
        let (before, after) = (counts(old.1), counts(new.1));
        let mut names: Vec<&String> = before.keys().chain(after.keys()).collect();
        names.sort();
        names.dedup();
        let count = |counts: &BTreeMap<String, usize>, name: &String| counts.get(name).copied().unwrap_or(0);
        names.retain(|name| count(&before, name) != count(&after, name));
        names.sort_by_key(|name| std::cmp::Reverse(count(&before, name).abs_diff(count(&after, name))));
        for name in names.into_iter().take(8) {
            let label = format!("{} {name}", title(stage));
            rows.push(vec![label, count(&before, name).to_string(), count(&after, name).to_string()]);
        }
    }
    if rows.len() > 1 {
        let (table, table_html) = table::both(&rows);
        let _ = write!(text, "\n{table}");
        html.push_str(&table_html);
    } else {
        text.push_str("\nresources and instruction mix: the same");
        html.push_str("<div>resources and instruction mix: the same</div>");
    }
    html.push_str("</div>");
    let facts = json!({
        "stages": stages.iter().map(|one| json!({"stage": one.stage.name(), "removed": one.removed, "added": one.added}))
            .collect::<Vec<_>>(),
        "changed": changed,
    });
    Output::text(text).with_html(html).with_facts(facts)
}
