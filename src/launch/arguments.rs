//! The arguments of a launch: the expressions of the header, evaluated.

use std::ops::Range;

use super::descriptor;
use super::surroundings::Surroundings;
use super::value::{Arguments, Given, HeaderScope, Value};
use crate::expression::{Expr, ExprKind, LaunchHeader, Scalar, Scope, evaluate};
use crate::workspace::{LaunchSpec, Workspace, names_of, resolve_view};
use warpbook_compiler::Stage;
use warpbook_diagnostic::{Diagnostic, Result};

/// Evaluates one argument.
pub fn evaluate_argument(expression: &Expr, around: &Surroundings<'_>) -> Result<Given> {
    let Surroundings { workspace, .. } = *around;
    let span = expression.span.clone();
    if let Some(view) = resolve_view(expression, workspace)? {
        return Ok(Given { value: Value::View(view), span });
    }
    if let ExprKind::Tuple(items) | ExprKind::List(items) = &expression.kind {
        let items = items.iter().map(|item| evaluate_argument(item, around)).collect::<Result<Vec<_>>>()?;
        let all_scalars: Option<Vec<Scalar>> =
            items.iter().map(|item| if let Value::Scalar(s) = &item.value { Some(s.clone()) } else { None }).collect();
        let value = match all_scalars {
            Some(scalars) => Value::Scalar(Scalar::Tuple(scalars)),
            None => Value::Tuple(items),
        };
        return Ok(Given { value, span });
    }
    if let Some(addresses) = addresses(expression, workspace)? {
        return Ok(Given { value: Value::Addresses(addresses), span });
    }
    if let Some(value) = descriptor::evaluate_tma(expression, around)? {
        return Ok(Given { value, span });
    }
    let scope = around.scope();
    if let ExprKind::Name(name) = &expression.kind
        && scope.name(name).is_none()
        && around.defines(name)
    {
        return Ok(Given { value: Value::Function(name.clone()), span });
    }
    if let Some(text) = around.python(expression) {
        return Ok(Given { value: Value::Python(text), span });
    }
    evaluate(expression, &scope).map(|scalar| Given { value: Value::Scalar(scalar), span })
}

/// The addresses in `addr(a, b[64:])`.
fn addresses(expression: &Expr, workspace: &Workspace) -> Result<Option<Vec<u64>>> {
    let ExprKind::Call { callee, args, keywords } = &expression.kind else { return Ok(None) };
    if !matches!(&callee.kind, ExprKind::Name(name) if name == "addr") {
        return Ok(None);
    }
    let fail = |span: &Range<usize>| {
        let error = Diagnostic::error("argument-kind", "`addr` takes buffers or views of them");
        error.at(span.clone(), "")
    };
    if args.is_empty() || !keywords.is_empty() {
        return Err(fail(&expression.span));
    }
    let address = |argument: &Expr| match resolve_view(argument, workspace)? {
        Some(view) => Ok(view.address),
        None => Err(fail(&argument.span)),
    };
    args.iter().map(address).collect::<Result<_>>().map(Some)
}

/// The arguments of a launch, evaluated where they stand.
pub fn evaluate_launch(launch: &LaunchSpec, workspace: &Workspace) -> Result<Arguments> {
    evaluate_all(&launch.header, &launch.source.text, workspace).map_err(|error| error.in_source(&launch.source))
}

/// Evaluates every positional and keyword argument.
fn evaluate_all(header: &LaunchHeader, text: &str, workspace: &Workspace) -> Result<Arguments> {
    let is_python = [Stage::Triton, Stage::Gluon].iter().any(|stage| text.starts_with(&format!("%%{stage}")));
    let own = if is_python { names_of(text) } else { Vec::new() };
    let mut keywords = Vec::with_capacity(header.keywords.len());
    let mut constants: Vec<(String, Scalar)> = Vec::new();
    for keyword in &header.keywords {
        let around = Surroundings { workspace, constants: &constants, text, own: &own };
        let given = evaluate_argument(&keyword.value, &around)?;
        if let Value::Scalar(scalar) = &given.value {
            constants.push((keyword.name.clone(), scalar.clone()));
        }
        keywords.push((keyword.name.clone(), given));
    }
    let around = Surroundings { workspace, constants: &constants, text, own: &own };
    let positional = header.args.iter().map(|argument| evaluate_argument(argument, &around)).collect::<Result<_>>()?;
    Ok(Arguments { positional, keywords })
}

/// The grid, evaluated: one to three positive extents, missing ones 1.
pub fn evaluate_grid(header: &LaunchHeader, workspace: &Workspace, constants: &[(String, Scalar)]) -> Result<[u32; 3]> {
    let scope = HeaderScope { workspace, constants };
    let mut grid = [1u32; 3];
    for (extent, expression) in grid.iter_mut().zip(header.grid.iter().flatten()) {
        let value = evaluate(expression, &scope)?;
        *extent = match value.as_int().map(u32::try_from) {
            Some(Ok(value)) if value > 0 => value,
            _ => {
                let error = Diagnostic::error("grid", format!("a grid extent is a positive integer, not {value}"));
                return Err(error.at(expression.span.clone(), ""));
            }
        };
    }
    Ok(grid)
}
