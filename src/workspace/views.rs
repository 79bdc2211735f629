//! Expressions that name a buffer or a part of one: `a`, `a[64:]`, `a[0, ::2]`, `a.T`, `a.view(dtype=i32)`.

use std::ops::Range;

use super::Workspace;
use crate::expression::{Expr, ExprKind, Keyword, Scalar, Subscript, evaluate, slice_extent};
use warpbook_device::{Dtype, View, contiguous_strides};
use warpbook_diagnostic::{Diagnostic, Result};

/// The view that an expression names; `None` where it names no buffer.
pub fn resolve_view(expression: &Expr, workspace: &Workspace) -> Result<Option<View>> {
    match &expression.kind {
        ExprKind::Name(name) => Ok(workspace.buffers.get(name).map(|buffer| buffer.view())),
        ExprKind::Subscript(base, subscripts) => {
            let Some(view) = resolve_view(base, workspace)? else { return Ok(None) };
            subscript(view, subscripts, &expression.span, workspace).map(Some)
        }
        ExprKind::Attribute(base, name) if name == "T" => {
            let Some(view) = resolve_view(base, workspace)? else { return Ok(None) };
            Ok(Some(transposed(view)))
        }
        ExprKind::Call { callee, args, keywords } => {
            let ExprKind::Attribute(base, method) = &callee.kind else { return Ok(None) };
            if !matches!(method.as_str(), "t" | "transpose" | "view" | "reshape") {
                return Ok(None);
            }
            let Some(view) = resolve_view(base, workspace)? else { return Ok(None) };
            call(view, method, args, keywords, &expression.span, workspace).map(Some)
        }
        _ => Ok(None),
    }
}

fn fail(span: &Range<usize>, message: impl Into<String>) -> Diagnostic {
    Diagnostic::error("view", message).at(span.clone(), "")
}

fn transposed(mut view: View) -> View {
    view.shape.reverse();
    view.strides.reverse();
    view
}

fn integer(expression: &Expr, workspace: &Workspace) -> Result<i64> {
    let value = evaluate(expression, &workspace.scope())?;
    value.as_int().ok_or_else(|| fail(&expression.span, format!("an index is an integer, not {}", value.kind())))
}

fn subscript(view: View, subscripts: &[Subscript], span: &Range<usize>, workspace: &Workspace) -> Result<View> {
    if subscripts.len() > view.shape.len() {
        let error = fail(span, format!("{} indices for {} dimensions", subscripts.len(), view.shape.len()));
        return Err(error.note(format!("the shape is {:?}", view.shape)));
    }
    let size = view.dtype.size() as i64;
    let (mut address, mut shape, mut strides) = (view.address, Vec::new(), Vec::new());
    for (dimension, (&extent, &stride)) in view.shape.iter().zip(&view.strides).enumerate() {
        let length = extent as i64;
        match subscripts.get(dimension) {
            None => {
                shape.push(extent);
                strides.push(stride);
            }
            Some(Subscript::Index(expression)) => {
                let index = integer(expression, workspace)?;
                let from_start = if index < 0 { index + length } else { index };
                if !(0..length).contains(&from_start) {
                    let error = fail(&expression.span, format!("index {index} is outside of dimension {dimension}"));
                    return Err(error.note(format!("its extent is {extent}")));
                }
                address = address.wrapping_add_signed(from_start * stride * size);
            }
            Some(Subscript::Slice { start, stop, step, span }) => {
                let given = |bound: &Option<Expr>| bound.as_ref().map(|e| integer(e, workspace)).transpose();
                let (start, stop, step) = (given(start)?, given(stop)?, given(step)?.unwrap_or(1));
                if step == 0 {
                    return Err(fail(span, "the step of a slice is not 0"));
                }
                let (first, count) = slice_extent(start, stop, step, length);
                address = address.wrapping_add_signed(first * stride * size);
                shape.push(count as usize);
                strides.push(stride.saturating_mul(step));
            }
        }
    }
    Ok(View { address, shape, strides, ..view })
}

fn call(
    view: View,
    method: &str,
    args: &[Expr],
    keywords: &[Keyword],
    span: &Range<usize>,
    workspace: &Workspace,
) -> Result<View> {
    match method {
        "t" if args.is_empty() && keywords.is_empty() => Ok(transposed(view)),
        "transpose" => transpose(view, args, span, workspace),
        "view" if args.is_empty() && keywords.len() == 1 && keywords[0].name == "dtype" => {
            let value = evaluate(&keywords[0].value, &workspace.scope())?;
            retype(view, &value, &keywords[0].value.span)
        }
        "view" | "reshape" if keywords.is_empty() => reshape(view, args, span, workspace),
        _ => Err(fail(span, format!("`{method}` is not used like this"))),
    }
}

fn transpose(mut view: View, args: &[Expr], span: &Range<usize>, workspace: &Workspace) -> Result<View> {
    let [a, b] = args else { return Err(fail(span, "`transpose` takes two dimensions")) };
    let rank = view.shape.len() as i64;
    let dimension = |expression: &Expr| -> Result<usize> {
        let given = integer(expression, workspace)?;
        let index = if given < 0 { given + rank } else { given };
        usize::try_from(index)
            .ok()
            .filter(|&index| index < view.shape.len())
            .ok_or_else(|| fail(&expression.span, format!("there is no dimension {given}")))
    };
    let (a, b) = (dimension(a)?, dimension(b)?);
    view.shape.swap(a, b);
    view.strides.swap(a, b);
    Ok(view)
}

fn retype(mut view: View, value: &Scalar, span: &Range<usize>) -> Result<View> {
    let dtype = match value {
        Scalar::Dtype(element) => Dtype::from_element(*element),
        _ => None,
    };
    let Some(dtype) = dtype else { return Err(fail(span, "this is not a data type")) };
    let (old, new) = (view.dtype.size(), dtype.size());
    if old != new {
        let contiguous = view.is_contiguous();
        let Some(last) = view.shape.last_mut().filter(|last| contiguous && (**last * old).is_multiple_of(new)) else {
            let error = fail(span, format!("a view of {} as {dtype} needs other strides", view.dtype));
            return Err(error.note("the last dimension has to be contiguous, and its bytes a whole number of elements"));
        };
        *last = *last * old / new;
        view.strides = contiguous_strides(&view.shape);
    }
    view.dtype = dtype;
    Ok(view)
}

fn reshape(mut view: View, args: &[Expr], span: &Range<usize>, workspace: &Workspace) -> Result<View> {
    let values = match args {
        [Expr { kind: ExprKind::Tuple(items) | ExprKind::List(items), .. }] => items.as_slice(),
        args => args,
    };
    let extents = values.iter().map(|value| integer(value, workspace)).collect::<Result<Vec<_>>>()?;
    let count = view.numel();
    let known: Option<usize> = extents
        .iter()
        .filter(|&&extent| extent != -1)
        .try_fold(1usize, |product, &extent| product.checked_mul(usize::try_from(extent).ok()?));
    let unknown = extents.iter().filter(|&&extent| extent == -1).count();
    let shape = known
        .filter(|&known| unknown == 0 && known == count || unknown == 1 && known != 0 && count.is_multiple_of(known));
    let Some(known) = shape else {
        return Err(fail(span, format!("{count} elements do not fit the shape {extents:?}")));
    };
    if !view.is_contiguous() {
        return Err(fail(span, "only a contiguous view has another shape").help("copy it first: `%buf b = a`"));
    }
    view.shape = extents.iter().map(|&extent| if extent == -1 { count / known } else { extent as usize }).collect();
    view.strides = contiguous_strides(&view.shape);
    Ok(view)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expression::parse;
    use crate::workspace::fixture::put_zeros;

    fn workspace() -> Workspace {
        let mut workspace = Workspace::default();
        put_zeros(&mut workspace, "a", Dtype::F32, &[3, 4]);
        workspace
    }

    /// (offset in bytes, shape, strides)
    fn resolved(text: &str) -> Result<(i64, Vec<usize>, Vec<i64>)> {
        let workspace = workspace();
        let base = workspace.buffers.get("a").expect("a").address;
        let view = resolve_view(&parse(text, 0..text.len())?, &workspace)?.expect("a view");
        Ok(((view.address as i64).wrapping_sub(base as i64), view.shape, view.strides))
    }

    #[test]
    fn views_are_numpy_s() {
        for (text, offset, shape, strides) in [
            ("a", 0, vec![3, 4], vec![4, 1]),
            ("a[1]", 16, vec![4], vec![1]),
            ("a[-1, -1]", 44, vec![], vec![]),
            ("a[1:, ::2]", 16, vec![2, 2], vec![4, 2]),
            ("a[::-1]", 32, vec![3, 4], vec![-4, 1]),
            ("a[:, 3:0:-2]", 12, vec![3, 2], vec![4, -2]),
            ("a[5:]", 0, vec![0, 4], vec![4, 1]),
            ("a.T", 0, vec![4, 3], vec![1, 4]),
            ("a.transpose(0, -1)[2]", 8, vec![3], vec![4]),
            ("a.reshape(2, -1)", 0, vec![2, 6], vec![6, 1]),
            ("a.view(dtype=f16)", 0, vec![3, 8], vec![8, 1]),
            ("a.view(12)[4:]", 16, vec![8], vec![1]),
        ] {
            assert_eq!(
                resolved(text).unwrap_or_else(|error| panic!("{text}: {error}")),
                (offset, shape, strides),
                "{text}"
            );
        }
    }

    #[test]
    fn mistakes_have_their_place() {
        for (text, message) in [
            ("a[3]", "index 3 is outside of dimension 0"),
            ("a[0, 0, 0]", "3 indices for 2 dimensions"),
            ("a[::0]", "the step of a slice is not 0"),
            ("a.reshape(5, 5)", "12 elements do not fit the shape [5, 5]"),
            ("a.T.reshape(12)", "only a contiguous view has another shape"),
            ("a[1.5]", "an index is an integer, not a float"),
            ("a.reshape(-1, -1)", "12 elements do not fit the shape [-1, -1]"),
            ("a.reshape(-2, -6)", "12 elements do not fit the shape [-2, -6]"),
        ] {
            assert_eq!(resolved(text).expect_err(text).message, message, "{text}");
        }
        let text = "b";
        assert_eq!(resolve_view(&parse(text, 0..1).expect("parsed"), &workspace()).expect("no error"), None);
    }
}
