//! `%%expect`: claims about a stage's text that hold or fail in the notebook.

use serde_json::json;

use super::line_links::trace;
use super::subject::{KERNEL, Subject};
use crate::magics::cells::edit::{artifact, kernel, readable};
use crate::magics::declare::kinds::StageName;
use crate::magics::declare::{Argument, Typed};
use crate::magics::{Example, Kind, Magic, Needs, Spec};
use crate::render::{Document, Output, Prose, Style};
use crate::workspace::{Context, Workspace};
use warpbook_compiler::Stage;
use warpbook_diagnostic::{Diagnostic, Result, Source};
use warpbook_ir::filecheck::{self, Kind as Claims, Problem};

/// `%%expect STAGE [KERNEL[@VERSION]]`.
pub struct Expect;

const STAGE: Argument<StageName> = Argument::required("STAGE", StageName::ALL, "the stage whose text is checked");

const SPEC: Spec = Spec {
    name: "expect",
    kind: Kind::Cell,
    summary: "check claims about a stage's text, written as for FileCheck",
    arguments: &[&STAGE, &KERNEL],
    options: &[],
    details: "Each line of the body is a claim: `CHECK: mma.sync`, `CHECK-NEXT:`, `CHECK-SAME:`, `CHECK-NOT:`, \
              `CHECK-COUNT-8:`, `CHECK-DAG:` (in any order with its neighbours), `CHECK-LABEL:`. Claims hold in order. \
              `{{…}}` is a regular expression, `[[R:%r\\d+]]` names what it matches, and `[[R]]` has to be the same text \
              again. The cell fails at the first claim that does not hold.",
    examples: &[
        Example {
            cell: "%%expect ptx scale\nCHECK: ld.global.f32 [[X:%f\\d+]]\nCHECK: add.f32 {{%f\\d+}}, [[X]], [[X]]",
            needs: Needs::Kernel,
            shows: "2 of 2 claims about the ptx hold",
        },
        Example {
            cell: "%%expect ttgir matmul\nCHECK: tt.dot\nCHECK-NOT: tt.dot",
            needs: Needs::Matmul,
            shows: "2 of 2 claims about the ttgir hold",
        },
    ],
};

impl Magic for Expect {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn run(&self, typed: &Typed<'_>, workspace: &mut Workspace, context: Context<'_>) -> Result<Option<Output>> {
        let call = typed.call;
        let stage = *typed.required(&STAGE)?;
        let subject = Subject::typed(typed, workspace)?;
        let place = typed.place(&STAGE);
        let text = match stage {
            Stage::Sass => {
                let trace = trace(&subject, workspace, context)?;
                let lines = trace.stage(Stage::Sass).map(|stage| stage.lines.iter().map(|line| line.text.clone()));
                lines.map(|lines| lines.collect::<Vec<_>>().join("\n")).unwrap_or_default()
            }
            _ => {
                let kernel = kernel(workspace, Some((&subject.name, place.clone())), call)?;
                let found = artifact(kernel, &subject.version, stage);
                readable(stage, found.map_err(|error| error.at(place.clone(), ""))?)
            }
        };
        let body = call.body.start;
        let malformed = |error: filecheck::Malformed| {
            let span = error.span.start + body..error.span.end + body;
            Diagnostic::error("expect-syntax", error.message).at(span, "").help(
                "known are CHECK, CHECK-NEXT, CHECK-SAME, CHECK-NOT, CHECK-DAG, CHECK-COUNT-n and CHECK-LABEL, each with a colon",
            )
        };
        let claims = filecheck::parse(call.body_text()).map_err(malformed)?;
        if claims.is_empty() {
            let error = Diagnostic::error("expect-syntax", "nothing is claimed").at(call.name.clone(), "");
            return Err(error.help("a line of the body: `CHECK: mma.sync`"));
        }
        let found = match filecheck::check(&claims, &text) {
            Ok(found) => found,
            Err(Problem::Malformed(error)) => return Err(malformed(error)),
            Err(Problem::Failed(failed)) => {
                let span = claims.get(failed.claim).map_or(0..0, |claim| claim.span.clone());
                let what = format!("the {stage} of {} is not as claimed", subject.name);
                let error = Diagnostic::error("expect", what);
                let error = error.at(span.start + body..span.end + body, failed.why.clone());
                let error = error.note(match failed.nearest {
                    Some(line) => surroundings(&text, line, &format!("nearest to it in the {stage}, line {line}:")),
                    None => {
                        let line = failed.line;
                        surroundings(&text, line, &format!("the {stage} around line {line}:"))
                    }
                });
                return Err(match failed.claim {
                    0 => error,
                    held => error.note(format!("{held} of {} claims hold, up to this one", claims.len())),
                });
            }
        };
        Ok(Some(output(&subject.headline(), stage, &claims, &found, call.cell, body)))
    }
}

/// A few lines of the text around a place.
fn surroundings(text: &str, line: usize, head: &str) -> String {
    let from = line.saturating_sub(2).max(1);
    let lines = text.lines().enumerate().skip(from - 1).take(4);
    let lines: Vec<String> =
        lines.map(|(at, content)| format!("{:>5} {}", at + 1, content.chars().take(100).collect::<String>())).collect();
    format!("{head}\n{}", lines.join("\n"))
}

fn output(
    headline: &str,
    stage: Stage,
    claims: &[filecheck::Claim],
    found: &[filecheck::MatchedLines],
    cell: &Source,
    body: usize,
) -> Output {
    let count = claims.len();
    let head = format!("{count} of {count} claims about the {stage} hold · {headline}");
    let mut document = Document::new(head);
    for (claim, lines) in claims.iter().zip(found) {
        let pattern = &cell.text[claim.span.start + body..claim.span.end + body];
        let what = match (claim.kind, lines.as_slice()) {
            (Claims::Not, _) => "nowhere".to_owned(),
            (Claims::Count(count), [first, .., last]) => format!("{count} ×, lines {first} to {last}"),
            (_, [line, ..]) => format!("line {line}"),
            (_, []) => String::new(),
        };
        let line = Prose::default().with(Style::Added, "✓").with(Style::Plain, format!(" {pattern}"));
        document.line(line.with(Style::Faint, format!("  ({what})")));
    }
    let facts = json!({"stage": stage.name(), "claims": count, "lines": found});
    document.with_facts(facts).output()
}
