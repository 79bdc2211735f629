//! Operators between elements.

use std::borrow::Cow;

use super::super::ast::{BinaryOp, UnaryOp};
use super::value::{Elements, Tensor, broadcast, elements_of};

/// A prefix operator on each element. A bool counts as an integer but for `~` and `not`.
pub(super) fn unary(op: UnaryOp, tensor: &Tensor) -> Result<Tensor, String> {
    let data = match (op, &tensor.data) {
        (UnaryOp::Plus, Elements::Float(_)) => tensor.data.clone(),
        (UnaryOp::Negate, Elements::Float(values)) => Elements::Float(values.iter().map(|value| -value).collect()),
        (UnaryOp::Invert | UnaryOp::Not, Elements::Bool(values)) => {
            Elements::Bool(values.iter().map(|value| !value).collect())
        }
        (UnaryOp::Invert, Elements::Float(_)) => return Err("`~` takes integers or bools, not floats".into()),
        (UnaryOp::Not, data) => Elements::Bool(data.to_bools().into_iter().map(|value| !value).collect()),
        (op, data) => {
            let values = data.to_ints().unwrap_or_default();
            let apply = |value: i64| match op {
                UnaryOp::Negate => value.wrapping_neg(),
                UnaryOp::Invert => !value,
                _ => value,
            };
            Elements::Int(values.into_iter().map(apply).collect())
        }
    };
    Ok(Tensor::new(tensor.shape.clone(), data))
}

/// An infix operator on each pair of elements, both sides broadcast to one shape.
pub(super) fn binary(op: BinaryOp, left: &Tensor, right: &Tensor) -> Result<Tensor, String> {
    let shape = common_shape(left, right)?;
    let data = elements(op, left, right, &shape)?;
    Ok(Tensor::new(shape, data))
}

/// The shape that two tensors broadcast to.
pub(super) fn common_shape(left: &Tensor, right: &Tensor) -> Result<Vec<usize>, String> {
    let shape = broadcast(&left.shape, &right.shape)
        .ok_or_else(|| format!("shapes {:?} and {:?} do not broadcast", left.shape, right.shape))?;
    elements_of(&shape)?;
    Ok(shape)
}

fn elements(op: BinaryOp, left: &Tensor, right: &Tensor, shape: &[usize]) -> Result<Elements, String> {
    use BinaryOp as Op;
    let sides = (side(left, right, shape), side(right, left, shape));
    let (a, b) = (sides.0.as_ref(), sides.1.as_ref());
    if let (Elements::Bool(a), Elements::Bool(b)) = (a, b) {
        let apply: Option<fn(bool, bool) -> bool> = match op {
            Op::BitAnd => Some(|a, b| a & b),
            Op::BitOr => Some(|a, b| a | b),
            Op::BitXor => Some(|a, b| a ^ b),
            _ => None,
        };
        if let Some(apply) = apply {
            return Ok(Elements::Bool(zip(a, b, apply)));
        }
    }
    if let (Some(a), Some(b)) = (a.ints(), b.ints()) {
        return integers(op, &a, &b);
    }
    let (a, b) = (a.floats(), b.floats());
    let number = |apply: fn(f64, f64) -> f64| Ok(Elements::Float(zip(&a, &b, apply)));
    let truth = |apply: fn(f64, f64) -> bool| Ok(Elements::Bool(zip(&a, &b, apply)));
    match op {
        Op::Add => number(|a, b| a + b),
        Op::Subtract => number(|a, b| a - b),
        Op::Multiply => number(|a, b| a * b),
        Op::Divide => number(|a, b| a / b),
        Op::FloorDivide => number(|a, b| (a / b).floor()),
        Op::Remainder => number(remainder),
        Op::Power => number(f64::powf),
        Op::Less => truth(|a, b| a < b),
        Op::LessEqual => truth(|a, b| a <= b),
        Op::Greater => truth(|a, b| a > b),
        Op::GreaterEqual => truth(|a, b| a >= b),
        Op::Equal => truth(|a, b| a == b),
        Op::NotEqual => truth(|a, b| a != b),
        Op::BitAnd | Op::BitOr | Op::BitXor | Op::ShiftLeft | Op::ShiftRight => {
            Err("this operator takes integers or bools, not floats".into())
        }
        Op::MatrixMultiply | Op::And | Op::Or => Err("this operator does not go element by element".into()),
    }
}

/// One side's elements: a single one, or as many as the shape has.
fn side<'a>(tensor: &'a Tensor, other: &Tensor, shape: &[usize]) -> Cow<'a, Elements> {
    if tensor.shape == shape || tensor.numel() == 1 && other.shape == shape {
        Cow::Borrowed(&tensor.data)
    } else {
        Cow::Owned(tensor.broadcast_to(shape).data)
    }
}

fn zip<T: Copy, R>(a: &[T], b: &[T], apply: impl Fn(T, T) -> R) -> Vec<R> {
    match (a, b) {
        (a, &[b]) => a.iter().map(|&a| apply(a, b)).collect(),
        (&[a], b) => b.iter().map(|&b| apply(a, b)).collect(),
        (a, b) => a.iter().zip(b).map(|(&a, &b)| apply(a, b)).collect(),
    }
}

fn integers(op: BinaryOp, a: &[i64], b: &[i64]) -> Result<Elements, String> {
    use BinaryOp as Op;
    let number = |apply: fn(i64, i64) -> i64| Ok(Elements::Int(zip(a, b, apply)));
    let truth = |apply: fn(i64, i64) -> bool| Ok(Elements::Bool(zip(a, b, apply)));
    match op {
        Op::FloorDivide | Op::Remainder if b.contains(&0) => Err("division of an integer by zero".into()),
        Op::ShiftLeft | Op::ShiftRight if b.iter().any(|shift| !(0..64).contains(shift)) => {
            Err("a shift is 0 to 63".into())
        }
        Op::Add => number(i64::wrapping_add),
        Op::Subtract => number(i64::wrapping_sub),
        Op::Multiply => number(i64::wrapping_mul),
        Op::Divide => Ok(Elements::Float(zip(a, b, |a, b| a as f64 / b as f64))),
        Op::FloorDivide => number(floor_divide),
        Op::Remainder => number(|a, b| a.wrapping_sub(floor_divide(a, b).wrapping_mul(b))),
        Op::Power if b.iter().any(|&exponent| exponent < 0) => {
            Ok(Elements::Float(zip(a, b, |a, b| (a as f64).powf(b as f64))))
        }
        Op::Power => number(power),
        Op::ShiftLeft => number(|a, b| a.wrapping_shl(b as u32)),
        Op::ShiftRight => number(|a, b| a.wrapping_shr(b as u32)),
        Op::BitAnd => number(|a, b| a & b),
        Op::BitOr => number(|a, b| a | b),
        Op::BitXor => number(|a, b| a ^ b),
        Op::Less => truth(|a, b| a < b),
        Op::LessEqual => truth(|a, b| a <= b),
        Op::Greater => truth(|a, b| a > b),
        Op::GreaterEqual => truth(|a, b| a >= b),
        Op::Equal => truth(|a, b| a == b),
        Op::NotEqual => truth(|a, b| a != b),
        Op::MatrixMultiply | Op::And | Op::Or => Err("this operator does not go element by element".into()),
    }
}

/// Rounds toward negative infinity, as Python does; `b` is not 0.
fn floor_divide(a: i64, b: i64) -> i64 {
    let quotient = a.wrapping_div(b);
    if a.wrapping_rem(b) != 0 && (a < 0) != (b < 0) { quotient - 1 } else { quotient }
}

/// Wraps, however large the exponent is.
fn power(base: i64, exponent: i64) -> i64 {
    let (mut result, mut square, mut rest) = (1i64, base, exponent);
    while rest > 0 {
        if rest & 1 == 1 {
            result = result.wrapping_mul(square);
        }
        square = square.wrapping_mul(square);
        rest >>= 1;
    }
    result
}

/// Has the sign of the divisor, as Python's has.
fn remainder(a: f64, b: f64) -> f64 {
    let rest = a % b;
    if rest != 0.0 && (rest < 0.0) != (b < 0.0) { rest + b } else { rest }
}
