//! `%check`: compares a buffer with a reference, or asks that a condition holds for every element.

use std::ops::Range;

use serde_json::json;

use super::comparison::{Comparison, Tolerance, compare};
use crate::expression::tensor::functions;
use crate::expression::tensor::{Elements, Tensor, Value};
use crate::expression::{BinaryOp, Expr, ExprKind, Keyword, Parser, Scalar, evaluate};
use crate::magics::declare::kinds::Expression;
use crate::magics::declare::{Argument, Candidates, Extent, Input, Takes, Typed};
use crate::magics::{Example, Kind, Magic, Needs, Spec};
use crate::render::array::short;
use crate::render::{Output, grouped};
use crate::workspace::recipe::expressions;
use crate::workspace::{Context, Workspace};
use warpbook_device::Dtype;
use warpbook_diagnostic::{Diagnostic, Result, nearest};
use warpbook_process::work::Work;

/// `%check ACTUAL == EXPECTED`
pub struct Check;

const CLAIM: Argument<Claim> = Argument::required(
    "CLAIM",
    Claim(Expression { placeholder: "ACTUAL == EXPECTED[, rtol=…, atol=…, equal_nan=True] or CONDITION", names }),
    "what has to hold: a comparison with a reference, or a condition that every element has to meet",
);

/// The keywords that may follow a comparison.
const KEYWORDS: [&str; 3] = ["rtol", "atol", "equal_nan"];

fn names() -> Vec<String> {
    functions().chain(KEYWORDS.map(|name| format!("{name}="))).collect()
}

/// An expression, and keywords behind it.
#[derive(Clone, Copy)]
struct Claim(Expression);

impl Takes for Claim {
    type Value = (Expr, Vec<Keyword>);

    fn placeholder(&self) -> String {
        self.0.placeholder()
    }

    fn expected(&self) -> String {
        "a comparison or a condition".to_owned()
    }

    fn parse(&self, input: &Input<'_>) -> Result<Self::Value> {
        let mut parser = Parser::new(input.cell, input.span.clone())?;
        let expression = parser.expression()?;
        let mut keywords = Vec::new();
        while parser.accept(",") {
            let Some((name, name_span)) = parser.name() else {
                return Err(parser.unexpected("`rtol=`, `atol=` or `equal_nan=`"));
            };
            parser.expect("=")?;
            keywords.push(Keyword { name, name_span, value: parser.expression()? });
        }
        parser.end()?;
        Ok((expression, keywords))
    }

    fn extent(&self) -> Extent {
        Extent::Rest
    }

    fn candidates(&self, typed: &str, workspace: &Workspace) -> Candidates {
        self.0.candidates(typed, workspace)
    }
}

const SPEC: Spec = Spec {
    name: "check",
    kind: Kind::Line,
    summary: "fail unless a buffer agrees with a reference, or a condition holds everywhere",
    arguments: &[&CLAIM],
    options: &[],
    details: "Both sides are expressions of tensors (`%help show`), computed in double precision. An element agrees if \
              |actual − expected| ≤ atol + rtol · |expected|; equal infinities agree, NaN only with `equal_nan=True`. The \
              shapes have to be the same, but EXPECTED may be a single number.\n\
              The default tolerances (rtol and atol) follow the type of the buffers in ACTUAL: f64 1e-9; f32 1e-4; f16 \
              1e-2; bf16 2e-2; f8e4m3 1.25e-1; f8e5m2 2.5e-1; integers and bools exactly. If only one of the two is \
              given, the other is 0.",
    examples: &[
        Example { cell: "%check c == a @ b", needs: Needs::Product, shows: "4 096 elements within rtol 1e-4" },
        Example {
            cell: "%check c == ones_like(c), rtol=1e-3, atol=1e-5",
            needs: Needs::Buffers,
            shows: "4 096 elements equal",
        },
        Example { cell: "%check (a > -10) & isfinite(a)", needs: Needs::Buffers, shows: "true of 4 096 elements" },
        Example { cell: "%check a.shape == (64, 64)", needs: Needs::Buffers, shows: "a.shape == (64, 64)" },
    ],
};

impl Magic for Check {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn run(&self, typed: &Typed<'_>, workspace: &mut Workspace, context: Context<'_>) -> Result<Option<Output>> {
        let call = typed.call;
        let (expression, given) = typed.required(&CLAIM)?;
        let mut keywords = Keywords::default();
        for keyword in given {
            keywords.take(&keyword.name, keyword.name_span.clone(), &keyword.value, workspace)?;
        }
        let text = &call.cell.text[expression.span.clone()];
        // A condition in brackets of its own is one too.
        let (kind, span) = (&expression.kind, &expression.span);
        let output = match kind {
            ExprKind::Binary(BinaryOp::Equal, actual, expected, operator) => {
                let sides = [actual, expected].map(|side| expressions::value(side, workspace, context.cancel));
                let [left, right] = sides;
                match (left?, right?) {
                    (Value::Scalar(left), Value::Scalar(right)) if !has_lists(&left, &right) || left == right => {
                        scalars(text, &left, &right, operator, &keywords)
                    }
                    (left, right) => {
                        let left = tensor(left, &actual.span)?;
                        let right = tensor(right, &expected.span)?;
                        let tolerance = keywords.tolerance(|| {
                            let both_exact = left.data.are_exact() && right.data.are_exact();
                            if both_exact { 0.0 } else { default_tolerance(actual, expected, workspace) }
                        });
                        tensors(text, &left, &right, operator, &tolerance, Work::new(context.cancel))
                    }
                }
            }
            _ if keywords.first.is_some() => {
                let span = keywords.first.unwrap_or_default();
                let error = Diagnostic::error("check", "a tolerance belongs to `==`").at(span, "");
                Err(error.help("`%check ACTUAL == EXPECTED, rtol=…, atol=…`"))
            }
            _ => {
                let place = match kind {
                    ExprKind::Binary(_, _, _, operator) => operator,
                    _ => span,
                };
                condition(
                    text,
                    expressions::value(expression, workspace, context.cancel)?,
                    place,
                    Work::new(context.cancel),
                )
            }
        };
        output.map(Some)
    }
}

/// The keyword arguments after the comparison: tolerances and `equal_nan`.
#[derive(Default)]
struct Keywords {
    rtol: Option<f64>,
    atol: Option<f64>,
    equal_nan: Option<bool>,
    /// Bytes of the first keyword in the cell.
    first: Option<Range<usize>>,
}

impl Keywords {
    fn take(&mut self, name: &str, span: Range<usize>, value: &Expr, workspace: &Workspace) -> Result<()> {
        self.first.get_or_insert(span.clone());
        let scalar = evaluate(value, &workspace.scope())?;
        let twice = || {
            let error = Diagnostic::error("check", format!("`{name}` is given twice"));
            error.at(span.clone(), "")
        };
        match name {
            "rtol" | "atol" => {
                let Some(number) = scalar.as_float().filter(|number| *number >= 0.0) else {
                    let error = Diagnostic::error("check", format!("`{name}` is a number of 0 or more"));
                    return Err(error.at(value.span.clone(), format!("this is {scalar}")));
                };
                let slot = if name == "rtol" { &mut self.rtol } else { &mut self.atol };
                if slot.replace(number).is_some() {
                    return Err(twice());
                }
            }
            "equal_nan" => {
                if self.equal_nan.replace(scalar.truth()).is_some() {
                    return Err(twice());
                }
            }
            _ => {
                let error = Diagnostic::error("check", format!("`%check` takes no `{name}`")).at(span, "");
                return Err(match nearest(name, KEYWORDS) {
                    Some(near) => error.help(format!("did you mean `{near}`?")),
                    None => error.help("it takes rtol, atol and equal_nan"),
                });
            }
        }
        Ok(())
    }

    fn tolerance(&self, default: impl FnOnce() -> f64) -> Tolerance {
        let (rtol, atol) = match (self.rtol, self.atol) {
            (None, None) => {
                let both = default();
                (both, both)
            }
            (rtol, atol) => (rtol.unwrap_or(0.0), atol.unwrap_or(0.0)),
        };
        Tolerance { rtol, atol, equal_nan: self.equal_nan.unwrap_or(false) }
    }
}

/// rtol and atol where none is given: those of the coarsest type among the buffers of ACTUAL, or of EXPECTED where
/// ACTUAL has none.
fn default_tolerance(actual: &Expr, expected: &Expr, workspace: &Workspace) -> f64 {
    let of_type = |dtype: &Dtype| match dtype {
        Dtype::F64 => 1e-9,
        Dtype::F32 => 1e-4,
        Dtype::F16 => 1e-2,
        Dtype::Bf16 => 2e-2,
        Dtype::F8E4m3 => 0.125,
        Dtype::F8E5m2 => 0.25,
        _ => 0.0,
    };
    let scope = workspace.scope();
    let mut dtypes = scope.dtypes(actual);
    if dtypes.is_empty() {
        dtypes = scope.dtypes(expected);
    }
    if dtypes.is_empty() { 1e-9 } else { dtypes.iter().map(of_type).fold(0.0, f64::max) }
}

fn has_lists(left: &Scalar, right: &Scalar) -> bool {
    matches!(left, Scalar::Tuple(_))
        && matches!(right, Scalar::Tuple(_))
        && Tensor::from_scalar(left).is_some_and(|tensor| matches!(*tensor.data, Elements::Float(_)))
}

fn tensor(value: Value, span: &Range<usize>) -> Result<Tensor> {
    match value {
        Value::Tensor(tensor) => Ok(tensor),
        Value::Scalar(scalar) => Tensor::from_scalar(&scalar).ok_or_else(|| {
            let error = Diagnostic::error("check", format!("{} has no elements to compare", scalar.kind()));
            error.at(span.clone(), "")
        }),
    }
}

fn scalars(text: &str, left: &Scalar, right: &Scalar, operator: &Range<usize>, keywords: &Keywords) -> Result<Output> {
    let tolerance = keywords.tolerance(|| 0.0);
    let agree = match (left.as_float(), right.as_float()) {
        (Some(a), Some(b)) if left.as_int().is_none() || right.as_int().is_none() => tolerance.agree(a, b),
        (Some(_), Some(_)) if keywords.first.is_none() => left.as_int() == right.as_int(),
        (Some(a), Some(b)) => tolerance.agree(a, b),
        _ => left == right,
    };
    if agree {
        return Ok(Output::text(format!("{text} · {left}")));
    }
    let error = Diagnostic::error("check-failed", "the values differ").at(operator.clone(), "");
    Err(error.note(format!("found {left}")).note(format!("expected {right}")))
}

fn tensors(
    text: &str,
    actual: &Tensor,
    expected: &Tensor,
    operator: &Range<usize>,
    tolerance: &Tolerance,
    work: Work<'_>,
) -> Result<Output> {
    if actual.shape != expected.shape && !expected.shape.is_empty() {
        let message = format!("shapes differ: {:?} and {:?}", actual.shape, expected.shape);
        return Err(Diagnostic::error("check-failed", message).at(operator.clone(), ""));
    }
    let found = compare(actual, expected, tolerance, work)?;
    if found.differing == 0 {
        return Ok(passed(text, &found, tolerance));
    }
    Err(failed(actual, &found, operator, tolerance))
}

fn passed(text: &str, found: &Comparison, tolerance: &Tolerance) -> Output {
    let count = elements(found.count);
    let mut line = match &found.worst {
        _ if tolerance.is_exact() => format!("{text} · {count} equal"),
        None => format!("{text} · {count} equal (within {tolerance})"),
        Some(worst) => {
            let place = if worst.index.is_empty() { String::new() } else { format!(" at {:?}", worst.index) };
            format!("{text} · {count} within {tolerance} · worst {}{place}", short(worst.off))
        }
    };
    if found.nans > 0 {
        line.push_str(&format!(" · {} NaN in both", grouped(found.nans as u64)));
    }
    let worst = found.worst.as_ref().map(|worst| json!({ "difference": worst.off, "index": worst.index }));
    Output::text(line).with_facts(json!({
        "elements": found.count, "rtol": tolerance.rtol, "atol": tolerance.atol, "worst": worst,
    }))
}

fn failed(actual: &Tensor, found: &Comparison, operator: &Range<usize>, tolerance: &Tolerance) -> Diagnostic {
    let message = match found.count {
        1 => "the element differs".to_owned(),
        count if count == found.differing => format!("all {} differ", elements(count)),
        count => format!("{} of {} differ", grouped(found.differing as u64), elements(count)),
    };
    let mut error = Diagnostic::error("check-failed", message).at(operator.clone(), format!("not within {tolerance}"));
    if tolerance.is_exact() {
        error.labels.iter_mut().for_each(|label| label.message = "not equal".to_owned());
    }
    if let Some(worst) = &found.worst {
        let allowed = if tolerance.is_exact() || !worst.off.is_finite() {
            String::new()
        } else {
            format!(", {} allowed", short(worst.allowed))
        };
        let off = if worst.off.is_finite() { format!(": off by {}{allowed}", short(worst.off)) } else { String::new() };
        error =
            error.note(format!("worst at {:?}: found {}, expected {}{off}", worst.index, worst.found, worst.expected));
    }
    if let Some(first) = found.first.as_ref().filter(|first| found.worst.as_ref() != Some(first)) {
        error = error.note(format!("first at {:?}: found {}, expected {}", first.index, first.found, first.expected));
    }
    if let Some(region) = found.region(&actual.shape) {
        error = error.note(format!("all of them lie in {region}"));
    }
    if found.nan_counts.iter().all(|&count| count > 0) && !tolerance.equal_nan {
        error = error.help("`equal_nan=True` lets NaN agree with NaN");
    }
    for (what, [in_actual, in_expected]) in [("NaN", found.nan_counts), ("inf", found.infinities)] {
        if in_actual + in_expected > 0 {
            let (a, b) = (grouped(in_actual as u64), grouped(in_expected as u64));
            error = error.note(format!("{what}: {a} found, {b} expected"));
        }
    }
    error
}

fn elements(count: usize) -> String {
    format!("{} element{}", grouped(count as u64), if count == 1 { "" } else { "s" })
}

/// A condition that has to hold for every element.
fn condition(text: &str, value: Value, place: &Range<usize>, work: Work<'_>) -> Result<Output> {
    let tensor = match value {
        Value::Scalar(scalar) if scalar.truth() => return Ok(Output::text(format!("{text} · {scalar}"))),
        Value::Scalar(scalar) => {
            return Err(Diagnostic::error("check-failed", format!("this is {scalar}")).at(place.clone(), ""));
        }
        Value::Tensor(tensor) => tensor,
    };
    let Elements::Bool(truths) = &*tensor.data else {
        let error = Diagnostic::error("check", "this is a tensor of numbers, not a condition").at(place.clone(), "");
        return Err(error.help("`%check ACTUAL == EXPECTED` compares; `%show` shows"));
    };
    let first = work.watched(truths).position(|&truth| !truth);
    let false_count = work.watched(truths).filter(|&&truth| !truth).count();
    work.check()?;
    let Some(first) = first else {
        if tensor.shape.is_empty() {
            return Ok(Output::text(format!("{text} · True")));
        }
        return Ok(Output::text(format!("{text} · true of {}", elements(truths.len()))));
    };
    let message = format!("false for {} of {}", grouped(false_count as u64), elements(truths.len()));
    let error = Diagnostic::error("check-failed", message).at(place.clone(), "");
    let index = super::comparison::index_of(first, &tensor.shape);
    Err(error.note(format!("first at {index:?}")))
}
