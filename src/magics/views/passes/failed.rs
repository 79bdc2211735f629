//! `%passes --failed`: the pass that broke a compilation, what it was given, and how to see it break again.

use serde_json::json;

use crate::magics::Call;
use crate::render::stages::{Pane, PaneLine, Panes};
use crate::render::{Document, Output, Prose};
use crate::workspace::{Context, Workspace};
use warpbook_compiler::{BrokenPass, Stage};
use warpbook_diagnostic::{Diagnostic, Result};
use warpbook_ir::{locations, operations};

/// The broken pass as a view; with `--cell`, its IR is put into a new cell too.
pub fn show(in_cell: bool, call: &Call<'_>, workspace: &Workspace, context: Context<'_>) -> Result<Output> {
    let Some(broken) = workspace.compiler.broken_pass() else {
        let error = Diagnostic::error("no-failed-pass", "no pass has failed in this session");
        return Err(error.at(call.arguments.clone(), ""));
    };
    let kernel = broken.request.name.as_deref().unwrap_or("kernel");
    let headline =
        format!("{} broke {kernel} · {} · Triton {}", broken.name, broken.request.target, broken.request.triton);
    let before = locations::remove(&broken.text);
    let given = format!("{} before it", broken.stage);
    let mut document = Document::new(headline);
    document.line(Prose::plain(&broken.message));
    document.line(format!("{given}: {} lines", before.lines().count()));
    let mut panes = vec![pane(&given, true, &before)];
    if let Some(reproducer) = &broken.reproducer {
        let pipeline = reproducer.lines().find_map(|line| line.trim().strip_prefix("pipeline: "));
        let pipeline = pipeline.unwrap_or_default().trim_matches([',', '"']);
        document.line(format!("reproducer (`triton-opt --run-reproducer FILE`): {pipeline}"));
        panes.push(pane("reproducer for triton-opt", false, reproducer));
    }
    let (entry, cell) = cell(broken, kernel);
    if in_cell {
        context.frontend.set_next_input(&cell, false);
        document.line(format!("{entry} that does it again: in the cell below"));
    } else {
        document.line("`%passes --failed --cell` puts it into a cell that does it again");
        panes.push(pane("a cell that does it again", false, &cell));
    }
    let facts = json!({
        "pass": broken.name, "stage": broken.stage.name(), "kernel": kernel, "said": broken.message, "before": before,
        "reproducer": broken.reproducer, "cell": cell,
    });
    Ok(document.with(Panes { panes }).with_facts(facts).output())
}

fn pane(title: &str, open: bool, text: &str) -> Pane {
    let line = |(at, line): (usize, &str)| PaneLine {
        label: (at + 1).to_string(),
        strong: operations::in_mlir(line),
        text: line.to_owned(),
        ..PaneLine::default()
    };
    let lines: Vec<PaneLine> = text.lines().enumerate().map(line).collect();
    Pane { title: title.to_owned(), note: format!("{} lines", lines.len()), open, lines }
}

/// A cell that compiles what the pass was given, through it and what follows: its stage, and the cell.
fn cell(broken: &BrokenPass, kernel: &str) -> (Stage, String) {
    let (entry, text, after) = match (broken.stage, &broken.previous) {
        (Stage::Ttir, Some(previous)) => (Stage::Ttir, &broken.text, Some(previous)),
        (Stage::Ttgir, Some(previous)) => (Stage::Ttgir, &broken.text, Some(previous)),
        // The first pass of a stage is given the stage before it.
        (Stage::Ttir | Stage::Ttgir, None) => (Stage::Ttir, &broken.text, None),
        // A cell enters no later than with TTGIR: the passes before it run again.
        _ => (Stage::Ttgir, &broken.start, None),
    };
    let request = &broken.request;
    let mut header = format!("%%{entry} {kernel}");
    if let Some(after) = after {
        header += &format!(" --after {after}");
    }
    if !request.passes.skip.is_empty() {
        header += &format!(" --skip {}", request.passes.skip.join(","));
    }
    header += &format!(" --target {} --triton {}", request.target, request.triton);
    (entry, format!("{header}\n{}", locations::remove(text)))
}
