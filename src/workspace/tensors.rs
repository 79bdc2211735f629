//! Buffers as tensors, and tensors as the contents of buffers.

use std::ops::Range;
use warpbook_gpu::ElementType;

use super::{WorkspaceScope, resolve_view};
use crate::expression::tensor::{Elements, Failure, Tensor, TensorScope};
use crate::expression::{Expr, ExprKind};
use warpbook_device::{Contents, Dtype, Number};
use warpbook_diagnostic::Result;
use warpbook_process::work::{Result as Step, Work};

/// Attributes and methods of a buffer that tell of it, not of its elements.
const FACTS: [&str; 11] =
    ["shape", "strides", "ndim", "nbytes", "itemsize", "dtype", "size", "stride", "numel", "dim", "data_ptr"];

impl TensorScope for WorkspaceScope<'_> {
    fn tensor(&self, expression: &Expr, work: Work<'_>) -> Result<Option<Tensor>> {
        let Some(view) = resolve_view(expression, self.0)? else { return Ok(None) };
        let bytes = self.0.read(&view)?;
        tensor_of(&Contents { dtype: view.dtype, shape: view.shape, bytes }, &expression.span, work).map(Some)
    }

    fn cast(&self, element: ElementType, elements: &Elements, work: Work<'_>) -> Result<Elements, Failure> {
        let dtype =
            Dtype::from_element(element).ok_or_else(|| format!("no buffer has elements of type `{element}`"))?;
        elements_of(dtype, &encoded(dtype, elements, work)?, work)
    }
}

impl WorkspaceScope<'_> {
    /// The data types that occur in an expression, each once: the types of its casts and of the buffers outside them.
    pub fn dtypes(&self, expression: &Expr) -> Vec<Dtype> {
        let mut dtypes = Vec::new();
        let of_name = |expression: &Expr| match &expression.kind {
            ExprKind::Name(name) | ExprKind::Str(name) => Dtype::parse(name),
            ExprKind::Attribute(_, name) => Dtype::parse(name),
            _ => None,
        };
        expression.walk(&mut |inner| {
            let (dtype, is_cast) = match &inner.kind {
                ExprKind::Name(name) => (self.0.buffers.get(name).map(|buffer| buffer.dtype), false),
                ExprKind::Call { callee, args, .. } => match &callee.kind {
                    ExprKind::Attribute(_, method) if method == "to" => (args.first().and_then(of_name), true),
                    _ => (of_name(callee), true),
                },
                // `a.shape` is no value of `a`'s.
                ExprKind::Attribute(_, fact) if FACTS.contains(&fact.as_str()) => return false,
                _ => (None, false),
            };
            dtypes.extend(dtype.filter(|dtype| !dtypes.contains(dtype)));
            !(is_cast && dtype.is_some())
        });
        dtypes
    }
}

/// A tensor's elements in a type, ready to be written.
pub fn contents(tensor: &Tensor, dtype: Dtype, work: Work<'_>) -> Result<Contents> {
    Ok(Contents { dtype, shape: tensor.shape.clone(), bytes: encoded(dtype, &tensor.data, work)? })
}

/// Contents as a tensor; `span` is where they are named.
pub fn tensor_of(contents: &Contents, span: &Range<usize>, work: Work<'_>) -> Result<Tensor> {
    let data = elements_of(contents.dtype, &contents.bytes, work).map_err(|failure| failure.at(span))?;
    Ok(Tensor { shape: contents.shape.clone(), data: data.into(), dtype: Some(contents.dtype.element()) })
}

fn encoded(dtype: Dtype, elements: &Elements, work: Work<'_>) -> Step<Vec<u8>> {
    let mut bytes = work.room(elements.len().saturating_mul(dtype.size()))?;
    let number: &dyn Fn(usize) -> Number = match elements {
        Elements::Float(values) => &|index| Number::Float(values[index]),
        Elements::Int(values) => &|index| Number::Int(values[index].into()),
        Elements::Bool(values) => &|index| Number::Int(values[index].into()),
    };
    work.steps(elements.len(), |range| range.for_each(|index| dtype.encode(number(index), &mut bytes)))?;
    Ok(bytes)
}

fn elements_of(dtype: Dtype, bytes: &[u8], work: Work<'_>) -> Result<Elements, Failure> {
    let (size, count) = (dtype.size(), bytes.len() / dtype.size());
    let element = |index: usize| &bytes[index * size..][..size];
    if dtype == Dtype::I1 {
        return Ok(Elements::Bool(work.map(bytes, |&byte| byte != 0)?));
    }
    if dtype.is_float() {
        return Ok(Elements::Float(work.fill(count, |index| dtype.decode(element(index)).to_f64())?));
    }
    let mut beyond = None;
    let integer = |index| match dtype.decode(element(index)) {
        Number::Int(value) => i64::try_from(value).unwrap_or_else(|_| {
            beyond.get_or_insert(value);
            0
        }),
        Number::Float(value) => value as i64,
    };
    let values = work.fill(count, integer)?;
    match beyond {
        Some(value) => Err(format!("expressions count in signed 64-bit integers; {value} is beyond").into()),
        None => Ok(Elements::Int(values)),
    }
}
