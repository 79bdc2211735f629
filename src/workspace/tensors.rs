//! Buffers as tensors, and tensors as the contents of buffers.

use super::{WorkspaceScope, resolve_view};
use crate::device::{Contents, Dtype, Number, View};
use crate::diagnostic::{Diagnostic, Result};
use crate::expression::Expr;
use crate::expression::tensor::{Elements, Tensor, TensorScope};

impl TensorScope for WorkspaceScope<'_> {
    fn tensor(&self, expression: &Expr) -> Result<Option<Tensor>> {
        let Some(view) = resolve_view(expression, self.0)? else { return Ok(None) };
        let bytes = view.read(self.0.device.as_ref())?;
        let data = decoded(&view, &bytes)
            .map_err(|message| Box::new(Diagnostic::error("expression", message).at(expression.span.clone(), "")))?;
        Ok(Some(Tensor { shape: view.shape, data, dtype: Some(view.dtype.name().to_owned()) }))
    }

    fn cast(&self, dtype: &str, elements: &Elements) -> Option<Result<(String, Elements), String>> {
        let dtype = Dtype::parse(dtype)?;
        let bytes = encoded(dtype, elements);
        Some(elements_of(dtype, &bytes).map(|data| (dtype.name().to_owned(), data)))
    }
}

impl WorkspaceScope<'_> {
    /// The types of the buffers that an expression reads, each once.
    pub fn dtypes(&self, expression: &Expr) -> Vec<Dtype> {
        let mut dtypes = Vec::new();
        expression.for_each_name(&mut |name| {
            if let Some(buffer) = self.0.buffers.get(name)
                && !dtypes.contains(&buffer.dtype)
            {
                dtypes.push(buffer.dtype);
            }
        });
        dtypes
    }
}

/// A tensor's elements in a type, ready to be written.
pub fn contents(tensor: &Tensor, dtype: Dtype) -> Contents {
    Contents { dtype, shape: tensor.shape.clone(), bytes: encoded(dtype, &tensor.data) }
}

fn decoded(view: &View, bytes: &[u8]) -> Result<Elements, String> {
    elements_of(view.dtype, bytes).map_err(|message| format!("`{}`: {message}", view.buffer))
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
