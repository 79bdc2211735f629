//! `%stages`: every stage of a kernel side by side.

use serde_json::json;

use super::subject::{Subject, Words};
use super::trace::{Trace, TracedLine, TracedStage, trace};
use crate::compiler::Stage;
use crate::diagnostic::{Diagnostic, Result};
use crate::magics::{Call, Kind, Magic, OptionSpec, Spec};
use crate::render::plot::time_text;
use crate::render::stages::{Line, Pane, html};
use crate::render::{Output, grouped, table};
use crate::workspace::{Context, Workspace};

/// `%stages [KERNEL[@VERSION]]`.
pub struct Stages;

const SPEC: Spec = Spec {
    name: "stages",
    kind: Kind::Line,
    summary: "all stages of a kernel side by side, their lines linked",
    usage: "[KERNEL[@VERSION]] [--open STAGES]",
    details: "Python, TTIR, TTGIR, LLIR, PTX and SASS, as far as the kernel has them. A click on a line marks the lines \
              of every other stage that it became or came from; the arrow keys go from line to line, Escape ends it. \
              The links come from debug information: nothing is guessed.",
    options: &[OptionSpec {
        name: "--open",
        value: "STAGES",
        help: "the stages that are unfolded at first: `--open ttir,ttgir`",
    }],
};

impl Magic for Stages {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn run(&self, call: &Call<'_>, workspace: &mut Workspace, context: Context<'_>) -> Result<Option<Output>> {
        let words = Words::of(call, &SPEC)?;
        words.at_most(1, call, &SPEC)?;
        let subject = Subject::of(words.positional.first(), call, workspace)?;
        let mut opened = Vec::new();
        if let Some(span) = words.option("--open") {
            for name in call.cell.text[span.clone()].split(',') {
                let Ok(stage) = name.trim().parse::<Stage>() else {
                    let error = Diagnostic::error("unknown-stage", format!("`{name}` is no stage"));
                    return Err(Box::new(error.at(span, "").help("stages are apart by commas: `--open ttgir,ptx`")));
                };
                opened.push(stage);
            }
        }
        let trace = trace(&subject, workspace, context)?;
        Ok(Some(output(&subject.headline(), &trace, &opened)))
    }
}

/// The stage as it is written over a text.
pub(super) fn title(stage: Stage) -> &'static str {
    match stage {
        Stage::Triton => "Triton",
        Stage::Gluon => "Gluon",
        Stage::Ttir => "TTIR",
        Stage::Ttgir => "TTGIR",
        Stage::Llir => "LLIR",
        Stage::Ptx => "PTX",
        Stage::Cubin => "cubin",
        Stage::Sass => "SASS",
    }
}

fn output(headline: &str, trace: &Trace, opened: &[Stage]) -> Output {
    let mut rows = vec![["stage", "lines", "bytes", "operations", "most frequent"].map(str::to_owned).to_vec()];
    for stage in &trace.stages {
        let counts = stage.counts();
        let most: Vec<String> = counts.iter().take(5).map(|(name, count)| format!("{count} {name}")).collect();
        let total: usize = counts.iter().map(|(_, count)| count).sum();
        rows.push(vec![
            title(stage.stage).to_owned(),
            stage.lines.len().to_string(),
            grouped(stage.bytes as u64),
            if total == 0 { String::new() } else { grouped(total as u64) },
            most.join(", "),
        ]);
    }
    let (table, _) = table::both(&rows);
    let links = links(trace);
    let times: Vec<String> = trace
        .stages
        .iter()
        .filter_map(|stage| Some(format!("{} {}", title(stage.stage), time_text(stage.elapsed?))))
        .collect();
    let mut text = format!("{headline}\n{table}");
    for line in links.iter().map(|(_, text, ..)| text).chain(&trace.notes) {
        text += &format!("\n{line}");
    }
    if !times.is_empty() {
        text += &format!("\ncompile: {}", times.join(" → "));
    }
    let panes: Vec<Pane> = trace.stages.iter().map(|stage| pane(stage, trace, opened)).collect();
    let facts = json!({
        "stages": trace.stages.iter().map(|stage| json!({
            "stage": stage.stage.name(), "lines": stage.lines.len(), "bytes": stage.bytes,
            "operations": stage.counts().into_iter().map(|(name, count)| (name, json!(count)))
                .collect::<serde_json::Map<_, _>>(),
        })).collect::<Vec<_>>(),
        "links": links.iter().map(|(name, _, all, linked)| json!({"link": name, "operations": all, "linked": linked}))
            .collect::<Vec<_>>(),
    });
    Output::text(text).with_html(html(headline, &panes)).with_facts(facts)
}

/// How many operations lead on: (which link, a sentence, operations, those that lead on).
fn links(trace: &Trace) -> Vec<(String, String, usize, usize)> {
    let mut found = Vec::new();
    let mut add = |from: &str, to: &str, (all, linked): (usize, usize)| {
        if all > 0 {
            let share = linked as f64 / all as f64 * 100.0;
            let text = format!("linked: {from} → {to} {share:.1} % ({linked} of {all} operations)");
            found.push((format!("{from} → {to}"), text, all, linked));
        }
    };
    for stage in trace.stages.iter().rev() {
        if stage.stage == Stage::Sass {
            let code = stage.lines.iter().filter(|line| line.operation.is_some());
            let linked = code.clone().filter(|line| line.ptx_line.is_some()).count();
            add("SASS", "PTX", (code.count(), linked));
        }
        let below = stage.stage > trace.hinge && matches!(stage.stage, Stage::Ptx | Stage::Llir);
        if below || stage.stage == Stage::Ttir && trace.hinge == Stage::Ttgir {
            add(title(stage.stage), title(trace.hinge), stage.linked());
        }
    }
    if let Some(counts) = trace.to_python {
        add("TTGIR", "Python", counts);
    }
    found
}

fn pane(stage: &TracedStage, trace: &Trace, opened: &[Stage]) -> Pane {
    let mut note = vec![format!("{} lines", stage.lines.len())];
    note.extend(stage.elapsed.map(time_text));
    let open = match trace.hinge {
        _ if !opened.is_empty() => opened.contains(&stage.stage),
        Stage::Ttgir => matches!(stage.stage, Stage::Triton | Stage::Gluon | Stage::Ttgir | Stage::Ptx),
        _ => stage.stage != Stage::Llir,
    };
    Pane {
        title: title(stage.stage).to_owned(),
        note: note.join(" · "),
        open,
        lines: stage.lines.iter().map(|line| pane_line(stage.stage, line)).collect(),
    }
}

/// A line as it is rendered.
pub(super) fn pane_line(stage: Stage, line: &TracedLine) -> Line {
    Line {
        label: match stage {
            Stage::Sass if line.text.ends_with(':') => String::new(),
            Stage::Sass => format!("{:04x}", line.number),
            _ => line.number.to_string(),
        },
        text: line.text.clone(),
        strong: line.operation.clone(),
        keys: line.hinges.clone(),
        fine: line.ptx_line,
    }
}
