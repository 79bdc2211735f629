//! Evaluates an expression of tensors.

use std::ops::Range;

use super::super::ast::{BinaryOp, Expr, ExprKind, Subscript, UnaryOp};
use super::super::scalar::{self, Scalar, Scope, unknown_name};
use super::arithmetic;
use super::failure::Failure;
use super::matmul;
use super::value::{Elements, Tensor, Value};
use warpbook_diagnostic::{Diagnostic, Result};
use warpbook_gpu::ElementType;
use warpbook_process::cancel::Cancel;
use warpbook_process::work::{Result as Step, Work};

/// Gives names their values in an expression of tensors.
pub trait TensorScope: Scope {
    /// The tensor that a view expression names: `a`, `a[64:]`, `a.T`. `None` where it names no buffer.
    fn tensor(&self, expression: &Expr, work: Work<'_>) -> Result<Option<Tensor>>;
    /// Elements rounded as a data type rounds them. The error says why there are none.
    fn cast(&self, element: ElementType, elements: &Elements, work: Work<'_>) -> Result<Elements, Failure>;
}

/// Evaluates an expression of tensors and scalars. Errors have their place in the text that was parsed.
pub fn evaluate_tensor(expression: &Expr, scope: &dyn TensorScope, cancel: &Cancel) -> Result<Value> {
    Evaluator { scope, work: Work::new(cancel) }.value(expression)
}

pub(super) fn fail(span: &Range<usize>, failure: impl Into<Failure>) -> Diagnostic {
    failure.into().at(span)
}

pub(super) struct Evaluator<'a> {
    pub scope: &'a dyn TensorScope,
    pub work: Work<'a>,
}

impl Evaluator<'_> {
    pub fn value(&self, expression: &Expr) -> Result<Value> {
        self.work.check()?;
        let span = &expression.span;
        if is_view(expression, self.scope)
            && let Some(tensor) = self.scope.tensor(expression, self.work)?
        {
            return Ok(Value::Tensor(tensor));
        }
        match &expression.kind {
            ExprKind::Name(name) => match self.scope.name(name) {
                Some(scalar) => Ok(Value::Scalar(scalar)),
                None => Err(unknown_name(name, span, self.scope)),
            },
            ExprKind::Unary(op, operand) => match self.value(operand)? {
                Value::Scalar(value) => {
                    scalar::unary(*op, &value).map(Value::Scalar).map_err(|message| fail(span, message))
                }
                Value::Tensor(tensor) if *op == UnaryOp::Not => {
                    Ok(Value::Scalar(Scalar::Bool(!self.truth(&Value::Tensor(tensor), &operand.span)?)))
                }
                Value::Tensor(tensor) => {
                    arithmetic::unary(*op, &tensor, self.work).map(Value::Tensor).map_err(|message| fail(span, message))
                }
            },
            ExprKind::Binary(op @ (BinaryOp::And | BinaryOp::Or), left, right, _) => {
                let first = self.value(left)?;
                let decides = self.truth(&first, &left.span)? == (*op == BinaryOp::Or);
                if decides { Ok(first) } else { self.value(right) }
            }
            ExprKind::Binary(op, left, right, op_span) => {
                let (left, right) = (self.value(left)?, self.value(right)?);
                self.binary(*op, op_span, left, right)
            }
            ExprKind::Conditional { condition, then, otherwise } => {
                let value = self.value(condition)?;
                self.value(if self.truth(&value, &condition.span)? { then } else { otherwise })
            }
            ExprKind::Tuple(items) | ExprKind::List(items) => self.sequence(items, span),
            ExprKind::Subscript(base, subscripts) => match self.value(base) {
                Ok(Value::Tensor(tensor)) => self.subscript(&tensor, subscripts, span).map(Value::Tensor),
                _ => scalar::evaluate(expression, self.scope).map(Value::Scalar),
            },
            ExprKind::Attribute(base, member) => self.attribute(expression, base, member),
            ExprKind::Call { callee, args, keywords } => self.call(expression, callee, args, keywords),
            _ => scalar::evaluate(expression, self.scope).map(Value::Scalar),
        }
    }

    /// An infix operator; an error stands at the operator.
    fn binary(&self, op: BinaryOp, span: &Range<usize>, left: Value, right: Value) -> Result<Value> {
        let (left, right) = match (left, right) {
            // A list is a tensor, but two of them are equal or not as tuples.
            (Value::Scalar(left), Value::Scalar(right))
                if matches!(op, BinaryOp::Equal | BinaryOp::NotEqual)
                    || ![&left, &right].iter().any(|side| matches!(side, Scalar::Tuple(_))) =>
            {
                return scalar::binary(op, &left, &right).map(Value::Scalar).map_err(|message| fail(span, message));
            }
            (left, right) => (self.operand(left, span)?, self.operand(right, span)?),
        };
        let result = match op {
            BinaryOp::MatrixMultiply => matmul::multiply(&left, &right, self.work),
            _ => arithmetic::binary(op, &left, &right, self.work),
        };
        result.map(Value::Tensor).map_err(|message| fail(span, message))
    }

    fn operand(&self, value: Value, span: &Range<usize>) -> Result<Tensor> {
        match value {
            Value::Tensor(tensor) => Ok(tensor),
            Value::Scalar(scalar) => Tensor::from_scalar(&scalar)
                .ok_or_else(|| fail(span, format!("this takes tensors and numbers, not {}", scalar.kind()))),
        }
    }

    /// The value of an expression as a tensor; a number is one of a single element.
    pub fn tensor(&self, expression: &Expr) -> Result<Tensor> {
        let value = self.value(expression)?;
        self.operand(value, &expression.span)
    }

    /// The value of an expression as an integer.
    pub fn integer(&self, expression: &Expr) -> Result<i64> {
        as_integer(&self.value(expression)?, &expression.span)
    }

    fn truth(&self, value: &Value, span: &Range<usize>) -> Result<bool> {
        match value {
            Value::Scalar(scalar) => Ok(scalar.truth()),
            Value::Tensor(tensor) => match tensor.data.get(0).filter(|_| tensor.numel() == 1) {
                Some(only) => Ok(only.truth()),
                None => {
                    let error = fail(span, format!("a tensor of {:?} is neither true nor false", tensor.shape));
                    Err(error.help("`all(…)` or `any(…)` of it is; `& | ~` go element by element"))
                }
            },
        }
    }

    /// A tuple of scalars; tensors of one shape become the rows of another.
    fn sequence(&self, items: &[Expr], span: &Range<usize>) -> Result<Value> {
        let values = items.iter().map(|item| self.value(item)).collect::<Result<Vec<_>>>()?;
        let scalar = |value: &Value| match value {
            Value::Scalar(scalar) => Some(scalar.clone()),
            Value::Tensor(_) => None,
        };
        if let Some(scalars) = values.iter().map(scalar).collect() {
            return Ok(Value::Scalar(Scalar::Tuple(scalars)));
        }
        let tensors = values.into_iter().zip(items).map(|(value, item)| self.operand(value, &item.span));
        let stacked = Tensor::stack(&tensors.collect::<Result<Vec<_>>>()?, self.work);
        let stacked = stacked.map_err(|failure| fail(span, failure))?;
        stacked.map(Value::Tensor).ok_or_else(|| fail(span, "only tensors of one shape make a list"))
    }

    fn attribute(&self, expression: &Expr, base: &Expr, member: &str) -> Result<Value> {
        // Facts about a buffer need no elements.
        if let ExprKind::Name(_) = base.kind
            && member != "T"
        {
            return scalar::evaluate(expression, self.scope).map(Value::Scalar);
        }
        let tensor = self.tensor(base)?;
        let extents = || tensor.shape.iter().map(|&extent| Scalar::Int(extent as i64)).collect();
        match member {
            "T" => {
                Ok(Value::Tensor(transposed(&tensor, self.work).map_err(|stopped| fail(&expression.span, stopped))?))
            }
            "shape" => Ok(Value::Scalar(Scalar::Tuple(extents()))),
            "ndim" => Ok(Value::Scalar(Scalar::Int(tensor.shape.len() as i64))),
            _ => Err(fail(&expression.span, format!("a tensor has no attribute `{member}`"))),
        }
    }
}

/// A value as an integer.
pub(super) fn as_integer(value: &Value, span: &Range<usize>) -> Result<i64> {
    let scalar = match value {
        Value::Scalar(scalar) => scalar.clone(),
        Value::Tensor(tensor) if tensor.numel() == 1 => tensor.data.get(0).unwrap_or(Scalar::None),
        Value::Tensor(_) => return Err(fail(span, "expected an integer, not a tensor")),
    };
    scalar.as_int().ok_or_else(|| fail(span, format!("expected an integer, not {}", scalar.kind())))
}

/// True if an expression can name a part of a buffer as it lies in memory.
fn is_view(expression: &Expr, scope: &dyn TensorScope) -> bool {
    match &expression.kind {
        ExprKind::Name(_) => true,
        ExprKind::Subscript(base, subscripts) => {
            let is_plain = |subscript: &Subscript| match subscript {
                Subscript::Index(index) => is_scalar(index, scope),
                Subscript::Slice { .. } => true,
            };
            is_view(base, scope) && subscripts.iter().all(is_plain)
        }
        ExprKind::Attribute(base, member) => member == "T" && is_view(base, scope),
        ExprKind::Call { callee, .. } => match &callee.kind {
            ExprKind::Attribute(base, method) => {
                matches!(method.as_str(), "t" | "transpose" | "view") && is_view(base, scope)
            }
            _ => false,
        },
        _ => false,
    }
}

/// True if an index is certainly a single number, so that no elements have to be read.
fn is_scalar(index: &Expr, scope: &dyn TensorScope) -> bool {
    match &index.kind {
        ExprKind::Int(_) | ExprKind::Float(_) | ExprKind::Bool(_) | ExprKind::Str(_) => true,
        ExprKind::Name(name) => scope.name(name).is_some_and(|scalar| !matches!(scalar, Scalar::Tuple(_))),
        ExprKind::Unary(_, operand) => is_scalar(operand, scope),
        ExprKind::Binary(_, left, right, _) => is_scalar(left, scope) && is_scalar(right, scope),
        // `a.shape[0]`
        ExprKind::Subscript(base, _) => matches!(&base.kind, ExprKind::Attribute(_, fact) if fact == "shape"),
        _ => false,
    }
}

/// All dimensions in reverse.
pub(super) fn transposed(tensor: &Tensor, work: Work<'_>) -> Step<Tensor> {
    let shape = tensor.shape.iter().rev().copied().collect();
    let strides: Vec<isize> = super::value::strides(&tensor.shape).into_iter().rev().collect();
    tensor.strided(shape, &strides, 0, work)
}
