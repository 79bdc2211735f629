//! Buffers as tensors, and tensors as the contents of buffers.

use std::ops::Range;
use warpbook_gpu::ElementType;

use super::{WorkspaceScope, resolve_view};
use crate::expression::tensor::{Elements, Tensor, TensorScope};
use crate::expression::{Expr, ExprKind};
use warpbook_device::{Contents, Dtype, Number};
use warpbook_diagnostic::{Diagnostic, Result};

/// Attributes and methods of a buffer that tell of it, not of its elements.
const FACTS: [&str; 11] =
    ["shape", "strides", "ndim", "nbytes", "itemsize", "dtype", "size", "stride", "numel", "dim", "data_ptr"];

impl TensorScope for WorkspaceScope<'_> {
    fn tensor(&self, expression: &Expr) -> Result<Option<Tensor>> {
        let Some(view) = resolve_view(expression, self.0)? else { return Ok(None) };
        let bytes = self.0.read(&view)?;
        tensor_of(&Contents { dtype: view.dtype, shape: view.shape, bytes }, &expression.span).map(Some)
    }

    fn cast(&self, element: ElementType, elements: &Elements) -> Result<Elements, String> {
        let dtype =
            Dtype::from_element(element).ok_or_else(|| format!("no buffer has elements of type `{element}`"))?;
        elements_of(dtype, &encoded(dtype, elements))
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
pub fn contents(tensor: &Tensor, dtype: Dtype) -> Contents {
    Contents { dtype, shape: tensor.shape.clone(), bytes: encoded(dtype, &tensor.data) }
}

/// Contents as a tensor; `span` is where they are named.
pub fn tensor_of(contents: &Contents, span: &Range<usize>) -> Result<Tensor> {
    let data = elements_of(contents.dtype, &contents.bytes)
        .map_err(|message| Diagnostic::error("expression", message).at(span.clone(), ""))?;
    Ok(Tensor { shape: contents.shape.clone(), data, dtype: Some(contents.dtype.element()) })
}

fn encoded(dtype: Dtype, elements: &Elements) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(elements.len() * dtype.size());
    match elements {
        Elements::Float(values) => values.iter().for_each(|&value| dtype.encode(Number::Float(value), &mut bytes)),
        Elements::Int(values) => values.iter().for_each(|&value| dtype.encode(Number::Int(value.into()), &mut bytes)),
        Elements::Bool(values) => values.iter().for_each(|&value| dtype.encode(Number::Int(value.into()), &mut bytes)),
    }
    bytes
}

fn elements_of(dtype: Dtype, bytes: &[u8]) -> Result<Elements, String> {
    let chunks = bytes.chunks_exact(dtype.size());
    if dtype == Dtype::I1 {
        return Ok(Elements::Bool(chunks.map(|element| element != [0]).collect()));
    }
    if dtype.is_float() {
        return Ok(Elements::Float(chunks.map(|element| dtype.decode(element).to_f64()).collect()));
    }
    let integer = |element: &[u8]| match dtype.decode(element) {
        Number::Int(value) => i64::try_from(value).map_err(|_| value),
        Number::Float(value) => Ok(value as i64),
    };
    let values = chunks.map(integer).collect::<Result<Vec<_>, _>>();
    values.map(Elements::Int).map_err(|value| format!("expressions count in signed 64-bit integers; {value} is beyond"))
}
