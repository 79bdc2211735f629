//! `%sass`: the machine code with its control codes, beside the lines that it was made of.

use std::collections::HashSet;

use serde_json::json;

use super::line_links::{Trace, TracedLine, TracedStage, trace};
use super::stages::{pane_line, title};
use super::subject::{KERNEL, Subject};
use crate::magics::declare::Typed;
use crate::magics::{Example, Kind, Magic, Needs, Spec};
use crate::render::stages::{Pane, Panes};
use crate::render::{Alternative, Document, Output};
use crate::workspace::{Context, Workspace};
use warpbook_compiler::Stage;
use warpbook_diagnostic::{Diagnostic, Result};

/// `%sass [KERNEL[@VERSION]]`.
pub struct Sass;

const SPEC: Spec = Spec {
    name: "sass",
    kind: Kind::Line,
    summary: "the machine code with its control codes, and how much of it each line became",
    arguments: &[&KERNEL],
    options: &[],
    details: "`B01----:R2:W3:Y:S04` before an instruction is what its encoding tells the scheduler: wait for the \
              scoreboards 0 and 1; release scoreboard 2 when the operands are read, and scoreboard 3 when the result is \
              written; another warp may go next (`Y`); wait 4 cycles before the next instruction. `.reuse` keeps an operand \
              in the reuse cache. The number beside a line of the source is how many machine instructions it became.",
    examples: &[Example {
        cell: "%sass matmul",
        needs: Needs::Matmul,
        shows: "machine instructions by line of Triton",
    }],
};

impl Magic for Sass {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn run(&self, typed: &Typed<'_>, workspace: &mut Workspace, context: Context<'_>) -> Result<Option<Output>> {
        let call = typed.call;
        let subject = Subject::typed(typed, workspace)?;
        let trace = trace(&subject, workspace, context)?;
        let Some(code) = trace.stage(Stage::Sass) else {
            let error = Diagnostic::error("no-machine-code", format!("{} has no machine code", subject.headline()));
            let error = error.at(call.arguments.clone(), "");
            return Err(trace.notes.iter().cloned().fold(error, Diagnostic::note));
        };
        Ok(Some(output(&subject.headline(), &trace, code)))
    }
}

/// Machine instructions that came of a line of another stage.
fn instructions_of(line: &TracedLine, code: &TracedStage) -> usize {
    if line.hinges.is_empty() {
        return 0;
    }
    let own: HashSet<u32> = line.hinges.iter().copied().collect();
    let machine = code.lines.iter().filter(|line| line.operation.is_some());
    machine.filter(|line| line.hinges.iter().any(|hinge| own.contains(hinge))).count()
}

fn output(headline: &str, trace: &Trace, code: &TracedStage) -> Output {
    let source = [Stage::Triton, Stage::Gluon, trace.hinge].into_iter().find_map(|stage| trace.stage(stage));
    let source = source.filter(|source| source.stage != Stage::Sass);
    let counted: Vec<usize> =
        source.map(|source| source.lines.iter().map(|line| instructions_of(line, code)).collect()).unwrap_or_default();
    let controls = || trace.code.iter().flat_map(|function| &function.instructions).filter_map(|one| one.control);
    let total = controls().count();
    let stalls: u64 = controls().map(|control| u64::from(control.stall)).sum();
    let waits = controls().filter(|control| control.wait != 0).count();
    let reuse = controls().filter(|control| control.reuse != 0).count();
    let counts = code.counts();
    let most: Vec<String> = counts.iter().take(12).map(|(name, count)| format!("{count} {name}")).collect();
    let mut document = Document::new(headline);
    document.line(format!(
        "{total} instructions · stall counts add up to {stalls} cycles · {waits} wait for a scoreboard · \
         {reuse} use the reuse cache\n{}",
        most.join(", ")
    ));
    if let Some(source) = source {
        let mut listed = format!("machine instructions by line of {}:", title(source.stage));
        let mut lines: Vec<_> = source.lines.iter().zip(&counted).filter(|(_, count)| **count > 0).collect();
        lines.sort_by_key(|(line, count)| (std::cmp::Reverse(**count), line.number));
        for (line, count) in lines.iter().take(12) {
            let shown: String = line.text.trim().chars().take(80).collect();
            listed += &format!("\n{count:>5}  {:>4}: {shown}", line.number);
        }
        // The pane of the source has the same numbers.
        document.push(Alternative::in_text(listed));
    }
    let mut panes = Vec::new();
    if let Some(source) = source {
        let lines = source.lines.iter().zip(&counted).map(|(line, count)| {
            let mut shown = pane_line(source.stage, line);
            shown.label = if *count > 0 { format!("{count} ×") } else { String::new() };
            shown
        });
        let note = "machine instructions per line".to_owned();
        panes.push(Pane { title: title(source.stage).to_owned(), note, open: true, lines: lines.collect() });
    }
    if let Some(ptx) = trace.stage(Stage::Ptx).filter(|ptx| source.is_none_or(|source| source.stage != ptx.stage)) {
        let lines = ptx.lines.iter().map(|line| pane_line(Stage::Ptx, line)).collect();
        panes.push(Pane { title: "PTX".into(), note: format!("{} lines", ptx.lines.len()), open: false, lines });
    }
    let lines = code.lines.iter().map(|line| pane_line(Stage::Sass, line)).collect();
    let note = "wait : read : write : yield : stall".to_owned();
    panes.push(Pane { title: "SASS".into(), note, open: true, lines });
    let facts = json!({
        "instructions": total, "stall_cycles": stalls, "waits": waits, "reuse": reuse,
        "mix": counts.into_iter().map(|(name, count)| (name, json!(count))).collect::<serde_json::Map<_, _>>(),
    });
    document.with(Panes { panes }).with_facts(facts).output()
}
