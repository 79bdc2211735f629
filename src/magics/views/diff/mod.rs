//! `%diff`: two versions or kernels, stage by stage, beside what they take of the machine and what they do on it.

mod facts;
mod sides;
mod values;

use serde_json::json;

use self::facts::{Fact, Ratio};
use self::sides::{FIRST, SECOND, TARGETS, TRITONS};
use super::line_links::{Trace, trace};
use super::passes::owned;
use super::stages::title;
use super::subject::Subject;
use crate::launch::measure;
use crate::launch::plan::LaunchPlan;
use crate::magics::declare::kinds::{StageName, Switch};
use crate::magics::declare::{Argument, Typed};
use crate::magics::{Example, Kind, Magic, Needs, Spec};
use crate::render::diff::{self, DiffLine};
use crate::render::{Alternative, Column, Cut, Document, Fold, Output, Table};
use crate::workspace::{Context, Workspace};
use warpbook_compiler::Stage;
use warpbook_device::Timing;
use warpbook_diagnostic::Result;
use warpbook_ir::difference;

/// `%diff A B`.
pub struct Diff;

/// Lines of a stage's changes that are shown.
const LONGEST: usize = 400;
/// Rows of the table that the text has room for.
const ROWS: usize = 40;

const STAGE: Argument<StageName> = Argument::option("--stage", StageName::ALL, "compare the text of this stage only");
const COUNTERS: Argument<Switch> =
    Argument::option("--counters", Switch, "on a GPU: have the emulator count both launches too");
const VALUES: Argument<Switch> =
    Argument::option("--values", Switch, "compare what they compute: the first stored element that differs");
const STATIC: Argument<Switch> = Argument::option("--static", Switch, "launch nothing: neither counters nor latency");

const SPEC: Spec = Spec {
    name: "diff",
    kind: Kind::Line,
    summary: "what differs between two versions, kernels, targets or versions of Triton: text, resources, \
              instructions, counters",
    arguments: &[&FIRST, &SECOND],
    options: &[&STAGE, &TARGETS, &TRITONS, &COUNTERS, &VALUES, &STATIC],
    details: "A name that only shifted (`%27` to `%28`) is not shown as a change. Machine code is compared by its instruction \
              mix. Both sides are launched as their kernel was launched last, on what the buffers hold now, which they \
              keep: on the emulator to be counted, on a GPU to be timed in turns. `--values` shows the first stored element \
              that differs, and the first instruction on the way to it whose results differ.",
    examples: &[
        Example { cell: "%diff matmul --targets sm_80,sm_90 --static", needs: Needs::Matmul, shows: "sm_90" },
        Example { cell: "%diff matmul@1 matmul@2", needs: Needs::Versions, shows: "matmul v2" },
        Example { cell: "%diff matmul --values", needs: Needs::Versions, shows: "matmul" },
    ],
};

impl Magic for Diff {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn run(&self, typed: &Typed<'_>, workspace: &mut Workspace, context: Context<'_>) -> Result<Option<Output>> {
        let call = typed.call;
        let only = typed.get(&STAGE).copied();
        let (old, new) = sides::sides(typed, workspace, context)?;
        if typed.has(&VALUES) {
            return values::compare_values(&old, &new, call, workspace, context).map(Some);
        }
        let traces = (trace(&old, workspace, context)?, trace(&new, workspace, context)?);
        let mut sides = [Side::new(&old, &traces.0), Side::new(&new, &traces.1)];
        let (mut notes, mut ratio) = (Vec::new(), None);
        if !typed.has(&STATIC) {
            let counts = workspace.device.is_emulated() || typed.has(&COUNTERS);
            let ready = sides.each_ref().map(|side| side.ready(&mut notes, workspace));
            if !workspace.device.is_emulated() {
                ratio = time(&mut sides, &ready, &mut notes, workspace, context)?;
            }
            for (side, plan) in sides.iter_mut().zip(&ready).filter(|_| counts) {
                let Some(plan) = plan else { continue };
                side.count(plan, &mut notes, workspace, context)?;
            }
        }
        Ok(Some(output(&sides, ratio.as_ref(), &notes, only)))
    }
}

/// One of the two versions that are compared.
struct Side<'a> {
    subject: &'a Subject,
    trace: &'a Trace,
    /// What a launch of it did, or took.
    launched: Vec<Fact>,
}

impl<'a> Side<'a> {
    fn new(subject: &'a Subject, trace: &'a Trace) -> Self {
        Self { subject, trace, launched: Vec::new() }
    }

    /// Its kernel's last launch; what cannot be launched goes to the notes.
    fn ready(&self, notes: &mut Vec<String>, workspace: &Workspace) -> Option<LaunchPlan> {
        let name = &self.subject.name;
        let Some(launch) = workspace.kernels.get(name).and_then(|kernel| kernel.launch.clone()) else {
            note(notes, format!("`{name}` was never launched: nothing is counted or timed"));
            return None;
        };
        launch.header.grid.as_ref()?;
        Some(LaunchPlan::from_last_launch(name, &self.subject.version, &launch))
    }

    /// Lets the emulator count the instructions of a launch.
    fn count(
        &mut self,
        plan: &LaunchPlan,
        notes: &mut Vec<String>,
        workspace: &mut Workspace,
        context: Context<'_>,
    ) -> Result<()> {
        match measure::counters(plan, workspace, context) {
            Ok(counters) => self.launched.extend(facts::counted(&counters)),
            Err(error) if error.is_interrupted() => return Err(error),
            Err(error) => note(notes, format!("{} was not counted: {}", self.subject.headline(), error.message)),
        }
        Ok(())
    }

    /// Lets the GPU time one launch with the given number of samples.
    fn time(
        &self,
        plan: &LaunchPlan,
        samples: Option<u32>,
        notes: &mut Vec<String>,
        workspace: &mut Workspace,
        context: Context<'_>,
    ) -> Result<Option<Timing>> {
        match measure::latency(plan, samples, workspace, context) {
            Ok(Some(timing)) => return Ok(Some(timing)),
            Ok(None) => {
                note(notes, format!("{} was not compiled for this GPU, so it was not timed", self.subject.headline()))
            }
            Err(error) if error.is_interrupted() => return Err(error),
            Err(error) => note(notes, format!("{} was not timed: {}", self.subject.headline(), error.message)),
        }
        Ok(None)
    }

    fn timed(&mut self, timing: Timing, notes: &mut Vec<String>) {
        self.launched.extend(facts::latency(&timing));
        note(notes, format!("latency: {}", timing.method));
        timing.warnings.into_iter().for_each(|warning| note(notes, warning));
    }
}

/// Adds a note, unless the same one is there.
fn note(notes: &mut Vec<String>, text: String) {
    if !notes.contains(&text) {
        notes.push(text);
    }
}

/// Times both sides by turns, or the one that this GPU runs. The ratio of their medians, where there are both.
fn time(
    sides: &mut [Side<'_>; 2],
    ready: &[Option<LaunchPlan>; 2],
    notes: &mut Vec<String>,
    workspace: &mut Workspace,
    context: Context<'_>,
) -> Result<Option<Ratio>> {
    let mut first = [None, None];
    for ((side, plan), first) in sides.iter().zip(ready).zip(&mut first) {
        let Some(plan) = plan else { continue };
        *first = side.time(plan, Some(1), notes, workspace, context)?;
    }
    if let ([Some(old), Some(new)], [Some(first), Some(second)]) = (ready, &first) {
        let each = [first, second].map(|timing| timing.samples.first().copied().unwrap_or_default());
        let timings = match measure::by_turns([old, new], each, workspace, context) {
            Ok(timings) => timings,
            Err(error) if error.is_interrupted() => return Err(error),
            Err(error) => {
                note(notes, format!("they were not timed: {}", error.message));
                return Ok(None);
            }
        };
        let ratio = Ratio::from_timings(&timings);
        notes.extend(ratio.as_ref().map(Ratio::describe));
        for (side, timing) in sides.iter_mut().zip(timings) {
            side.timed(timing, notes);
        }
        return Ok(ratio);
    }
    for ((side, plan), first) in sides.iter_mut().zip(ready).zip(&first) {
        let (Some(plan), Some(_)) = (plan, first) else { continue };
        if let Some(timing) = side.time(plan, None, notes, workspace, context)? {
            side.timed(timing, notes);
        }
    }
    Ok(None)
}

/// The compared texts of one stage.
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

/// The rows of the table: the properties that differ, and those that are always shown.
fn rows(sides: &[Side<'_>; 2]) -> Vec<[String; 4]> {
    let [old, new] = sides;
    let (mix_old, mix_new) = facts::mix(old.trace, new.trace);
    let all = |side: &Side<'_>, mix: Vec<Fact>| {
        let mut all = side.launched.clone();
        all.extend(facts::resource_facts(side.subject, side.trace));
        all.extend(facts::metadata(side.subject));
        all.extend(mix);
        all
    };
    let (before, after) = (all(old, mix_old), all(new, mix_new));
    let find = |facts: &[Fact], name: &str| facts.iter().position(|fact| fact.name == name);
    let mut rows = Vec::new();
    for fact in &after {
        let was = find(&before, &fact.name).map(|at| &before[at]);
        rows.extend(facts::row(was, Some(fact)));
    }
    for fact in before.iter().filter(|fact| find(&after, &fact.name).is_none()) {
        rows.extend(facts::row(Some(fact), None));
    }
    rows
}

fn output(sides: &[Side<'_>; 2], ratio: Option<&Ratio>, notes: &[String], only: Option<Stage>) -> Output {
    let [old, new] = sides;
    let order = [Stage::Triton, Stage::Gluon, Stage::Glir, Stage::Ttir, Stage::Ttgir, Stage::Llir, Stage::Ptx];
    let stages: Vec<Compared> = order
        .into_iter()
        .filter(|stage| only.is_none_or(|only| only == *stage))
        .filter_map(|stage| compared(stage, old.trace, new.trace))
        .collect();
    let headline = format!("{} → {}", old.subject.headline(), new.subject.headline());
    let mut document = Document::new(headline);
    let entered = new.subject.version.entered;
    for one in &stages {
        let what = match one.removed + one.added {
            0 => "the same".to_owned(),
            _ => format!("−{} +{} lines", one.removed, one.added),
        };
        let summary = format!("{}: {what}", title(one.stage));
        if one.removed + one.added == 0 {
            document.line(summary);
            continue;
        }
        let diff = diff::Diff { lines: one.lines.clone(), most: LONGEST };
        document.push(Fold::section(summary).open(only.is_some() || one.stage == entered).with(diff));
    }
    // In the text only a short difference has room.
    let entered = stages.iter().find(|one| only.unwrap_or(entered) == one.stage);
    if let Some(one) = entered.filter(|one| (1..=24).contains(&(one.removed + one.added))) {
        document.push(Alternative::in_text(changed_lines(&one.lines).join("\n")));
    }
    let found = rows(sides);
    let is_changed = |[_, before, after, _]: &&[String; 4]| before != after;
    if !found.is_empty() {
        let columns = ["before", "after", "change"].map(Column::number);
        let table = Table::new(std::iter::once(Column::text("")).chain(columns)).rows(found.clone());
        document.push(table.cut(Cut { text: ROWS - 1, html: usize::MAX, what: "rows" }));
    }
    if found.iter().find(is_changed).is_none() {
        let what = match sides.iter().any(|side| !side.launched.is_empty()) {
            true => "resources, metadata, instruction mix and counters: the same",
            false => "resources, metadata and instruction mix: the same",
        };
        document.line(what);
    }
    notes.iter().for_each(|note| document.line(note));
    let changed: serde_json::Map<_, _> =
        found.into_iter().map(|[name, before, after, _]| (name, json!([before, after]))).collect();
    let facts = json!({
        "stages": stages.iter().map(|one| json!({"stage": one.stage.name(), "removed": one.removed, "added": one.added}))
            .collect::<Vec<_>>(),
        "changed": changed,
        "latency": ratio.map(Ratio::facts),
    });
    document.with_facts(facts).output()
}

/// The lines of a comparison that are in one of the texts alone, as far as a line of text has room.
fn changed_lines(lines: &[DiffLine]) -> Vec<String> {
    let changed = lines.iter().filter_map(|line| match line {
        DiffLine::Same(_) => None,
        DiffLine::Removed(line, _) => Some(('-', line)),
        DiffLine::Added(line, _) => Some(('+', line)),
    });
    changed.map(|(sign, line)| format!("{sign} {}", line.trim().chars().take(110).collect::<String>())).collect()
}
