//! What the checks of a launch found, as one error.

use super::plan::LaunchPlan;
use crate::workspace::Workspace;
use warpbook_compiler::Stage;
use warpbook_device::LaunchReport;
use warpbook_diagnostic::{Diagnostic, Place, Result};

/// Findings besides the first that the notes name.
const MOST_NOTES: usize = 8;

/// The first finding of the checks as an error, with the others as notes.
pub fn refuse_findings(plan: &LaunchPlan, report: &LaunchReport, workspace: &Workspace) -> Result<()> {
    let findings = report.checked.iter().flat_map(|checked| &checked.findings);
    let mut told = findings.map(|finding| plan.in_own_text(with_own_line(finding, plan), workspace));
    let Some(first) = told.next() else { return Ok(()) };
    let headline = |finding: &Diagnostic| format!("also{}: {}", line_of(finding), finding.message);
    let known = headline(&first);
    let mut others: Vec<(String, usize)> = Vec::new();
    // More instructions of the first one's line say the same once more.
    for line in told.map(|other| headline(&other)).filter(|line| *line != known) {
        match others.iter_mut().find(|(known, _)| *known == line) {
            Some((_, count)) => *count += 1,
            None => others.push((line, 1)),
        }
    }
    let more = others.len().saturating_sub(MOST_NOTES);
    let others = others.into_iter().take(MOST_NOTES).map(|(line, count)| match count {
        1 => line,
        _ => format!("{line} ({count} instructions)"),
    });
    let others = others.chain((more > 0).then(|| format!("and {more} more")));
    Err(others.fold(first, Diagnostic::note))
}

/// A finding in PTX that the reader wrote or edited, with the line of the Python that its instruction comes from.
fn with_own_line(finding: &Diagnostic, plan: &LaunchPlan) -> Diagnostic {
    match finding.origin.as_ref().filter(|_| plan.version.entered == Stage::Ptx) {
        Some(Place { path, line, .. }) => finding.clone().note(format!("this one comes from {path}:{line}")),
        None => finding.clone(),
    }
}

/// ` in line 12`, where the error has a place.
fn line_of(error: &Diagnostic) -> String {
    let line = error.source.as_ref().zip(error.labels.first()).and_then(|(source, label)| {
        Some(source.text.get(..label.span.start)?.matches('\n').count() + source.first_line)
    });
    line.map_or(String::new(), |line| format!(" in line {line}"))
}
