//! `%stages`: every stage of a kernel side by side.

use std::collections::BTreeMap;

use serde_json::json;

use super::line_links::{Linked, Trace, TracedLine, TracedStage, trace};
use super::subject::{KERNEL, Subject};
use crate::magics::declare::kinds::{List, StageName, values};
use crate::magics::declare::{Argument, Typed};
use crate::magics::{Example, Kind, Magic, Needs, Spec};
use crate::render::plot::time_text;
use crate::render::stages::{Pane, PaneLine, Panes};
use crate::render::{Block, Column, Document, Output, Prose, Table, grouped};
use crate::workspace::{Context, Workspace};
use warpbook_compiler::Stage;
use warpbook_diagnostic::Result;
use warpbook_ir::operations;

/// `%stages [KERNEL[@VERSION]]`.
pub struct Stages;

const OPEN: Argument<List<StageName>> = Argument::option(
    "--open",
    List::new("STAGES", StageName::ALL),
    "the stages that are unfolded at first, with commas between them",
);

const SPEC: Spec = Spec {
    name: "stages",
    kind: Kind::Line,
    summary: "all stages of a kernel side by side, their lines linked",
    arguments: &[&KERNEL],
    options: &[&OPEN],
    details: "Python, TTIR, TTGIR, LLIR, PTX and SASS, as far as the kernel has them. A click on a line, or the pointer over \
              it, marks the lines of every other stage that it became or came from; the arrow keys go from line to line, \
              Escape ends it. The links come from debug information. A line whose debug information was lost (a constant \
              that several places share, an instruction that LLVM moved into another block) is linked with what uses its \
              result; its number is slanted.",
    examples: &[
        Example { cell: "%stages scale", needs: Needs::Kernel, shows: "PTX" },
        Example { cell: "%stages matmul", needs: Needs::Matmul, shows: "TTGIR" },
        Example { cell: "%stages matmul@1 --open ttgir,ptx", needs: Needs::Matmul, shows: "matmul v1" },
    ],
};

impl Magic for Stages {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn run(&self, typed: &Typed<'_>, workspace: &mut Workspace, context: Context<'_>) -> Result<Option<Output>> {
        let subject = Subject::typed(typed, workspace)?;
        let opened = typed.get(&OPEN).map(|stages| values(stages)).unwrap_or_default();
        let trace = trace(&subject, workspace, context)?;
        Ok(Some(output(&subject.headline(), &trace, &opened)))
    }
}

/// The stage as it is written over a text.
pub(super) fn title(stage: Stage) -> &'static str {
    match stage {
        Stage::Triton => "Triton",
        Stage::Gluon => "Gluon",
        Stage::Glir => "GLIR",
        Stage::Ttir => "TTIR",
        Stage::Ttgir => "TTGIR",
        Stage::Llir => "LLIR",
        Stage::Ptx => "PTX",
        Stage::Cubin => "cubin",
        Stage::Sass => "SASS",
    }
}

fn output(headline: &str, trace: &Trace, opened: &[Stage]) -> Output {
    let mut table = Table::new([
        Column::text("stage"),
        Column::number("lines").left_in_text(),
        Column::number("bytes").left_in_text(),
        Column::number("operations").left_in_text(),
        Column::text("most frequent"),
    ]);
    for stage in &trace.stages {
        let counts = stage.counts();
        let most: Vec<String> = counts.iter().take(5).map(|(name, count)| format!("{count} {name}")).collect();
        let total: usize = counts.iter().map(|(_, count)| count).sum();
        table.push([
            title(stage.stage).to_owned(),
            stage.lines.len().to_string(),
            grouped(stage.bytes as u64),
            if total == 0 { String::new() } else { grouped(total as u64) },
            most.join(", "),
        ]);
    }
    let links = links(trace);
    let times: Vec<String> = trace
        .stages
        .iter()
        .filter_map(|stage| Some(format!("{} {}", title(stage.stage), time_text(stage.elapsed?))))
        .collect();
    let panes = Panes { panes: trace.stages.iter().map(|stage| pane(stage, trace, opened)).collect() };
    let mut document = Document::new(headline).with(panes).with(table);
    for line in links.iter().map(Link::text).chain(trace.notes.iter().cloned()) {
        document.line(Prose::plain(line));
    }
    if !times.is_empty() {
        document.push(Block::Aside(format!("compile: {}", times.join(" → ")).into()));
    }
    let facts = json!({
        "stages": trace.stages.iter().map(|stage| json!({
            "stage": stage.stage.name(), "lines": stage.lines.len(), "bytes": stage.bytes,
            "operations": stage.counts().into_iter().map(|(name, count)| (name, json!(count)))
                .collect::<serde_json::Map<_, _>>(),
        })).collect::<Vec<_>>(),
        "links": links.iter().map(|Link { name, linked }| json!({
            "link": name, "operations": linked.all, "linked": linked.placed, "by_use": linked.by_use,
            "rest": operations::count(linked.rest.iter().cloned()).into_iter().collect::<BTreeMap<_, _>>(),
        })).collect::<Vec<_>>(),
    });
    document.with_facts(facts).output()
}

/// A link from one stage to another.
struct Link {
    name: String,
    linked: Linked,
}

impl Link {
    /// `linked: PTX → TTGIR 95.1 % (97 of 102 operations), 4 more by what uses them; the rest: 1 bra`
    fn text(&self) -> String {
        let Linked { all, placed, by_use, .. } = self.linked;
        let share = placed as f64 / all as f64 * 100.0;
        let mut text = format!("linked: {} {share:.1} % ({placed} of {all} operations)", self.name);
        if by_use > 0 {
            text += &format!(", {by_use} more by what uses them");
        }
        let rest = operations::count(self.linked.rest.iter().cloned());
        if !rest.is_empty() {
            let shown: Vec<String> = rest.iter().take(4).map(|(name, count)| format!("{count} {name}")).collect();
            let more = rest.len().saturating_sub(4);
            let more = if more > 0 { format!(" and {more} other kinds") } else { String::new() };
            text += &format!("; the rest: {}{more}", shown.join(", "));
        }
        text
    }
}

/// How many operations lead on.
fn links(trace: &Trace) -> Vec<Link> {
    let mut found = Vec::new();
    let mut add = |from: &str, to: &str, linked: Linked| {
        if linked.all > 0 {
            found.push(Link { name: format!("{from} → {to}"), linked });
        }
    };
    for stage in trace.stages.iter().rev() {
        if stage.stage == Stage::Sass {
            add("SASS", "PTX", stage.linked_to_ptx());
        }
        let below = stage.stage > trace.hinge && matches!(stage.stage, Stage::Ptx | Stage::Llir);
        if below || matches!(stage.stage, Stage::Glir | Stage::Ttir) && trace.hinge == Stage::Ttgir {
            add(title(stage.stage), title(trace.hinge), stage.linked());
        }
    }
    if let Some(linked) = &trace.to_python {
        add("TTGIR", "Python", linked.clone());
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
pub(super) fn pane_line(stage: Stage, line: &TracedLine) -> PaneLine {
    PaneLine {
        label: match stage {
            Stage::Sass if line.text.ends_with(':') => String::new(),
            Stage::Sass => format!("{:04x}", line.number),
            _ => line.number.to_string(),
        },
        text: line.text.clone(),
        strong: line.operation.clone(),
        keys: line.hinges.clone(),
        fine: line.ptx_line,
        uses: line.uses.clone(),
    }
}
