//! What the checks of a launch found, as one error.

use super::plan::LaunchPlan;
use crate::workspace::Workspace;
use warpbook_device::LaunchReport;
use warpbook_diagnostic::{Diagnostic, Result};

/// Findings besides the first that the notes name.
const MOST_NOTES: usize = 8;

/// The first finding of the checks as an error, with the others as notes.
pub fn refuse_findings(plan: &LaunchPlan, report: &LaunchReport, workspace: &Workspace) -> Result<()> {
    let findings = report.checked.iter().flat_map(|checked| &checked.findings);
    let mut told = findings.map(|finding| plan.in_own_text(finding.clone(), workspace));
    let Some(first) = told.next() else { return Ok(()) };
    let mut others: Vec<(String, usize)> = Vec::new();
    for other in told {
        let line = format!("also{}: {}", line_of(&other), other.message);
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

/// ` in line 12`, where the error has a place.
fn line_of(error: &Diagnostic) -> String {
    let line = error.source.as_ref().zip(error.labels.first()).and_then(|(source, label)| {
        Some(source.text.get(..label.span.start)?.matches('\n').count() + source.first_line)
    });
    line.map_or(String::new(), |line| format!(" in line {line}"))
}
