//! Operators between elements.

use std::rc::Rc;

use super::super::ast::{BinaryOp, UnaryOp};
use super::failure::Result;
use super::value::{Elements, Tensor, broadcast, elements_of};
use warpbook_process::work::{Result as Step, Work};

/// A prefix operator on each element. A bool counts as an integer but for `~` and `not`.
pub(super) fn unary(op: UnaryOp, tensor: &Tensor, work: Work<'_>) -> Result<Tensor> {
    let data = match (op, &*tensor.data) {
        (UnaryOp::Plus, Elements::Float(_)) => return Ok(Tensor { dtype: None, ..tensor.clone() }),
        (UnaryOp::Negate, Elements::Float(values)) => Elements::Float(work.map(values, |value| -value)?),
        (UnaryOp::Invert | UnaryOp::Not, Elements::Bool(values)) => Elements::Bool(work.map(values, |value| !value)?),
        (UnaryOp::Not, data) => Elements::Bool(work.map(&data.bools(work)?, |value| !value)?),
        (op, data) => {
            let Some(values) = data.ints(work)? else { return Err("`~` takes integers or bools, not floats".into()) };
            let apply = |&value: &i64| match op {
                UnaryOp::Negate => value.wrapping_neg(),
                UnaryOp::Invert => !value,
                _ => value,
            };
            Elements::Int(work.map(&values, apply)?)
        }
    };
    Ok(Tensor::new(tensor.shape.clone(), data))
}

/// An infix operator on each pair of elements, both sides broadcast to one shape.
pub(super) fn binary(op: BinaryOp, left: &Tensor, right: &Tensor, work: Work<'_>) -> Result<Tensor> {
    let shape = common_shape(left, right)?;
    let data = elements(op, left, right, &shape, work)?;
    Ok(Tensor::new(shape, data))
}

/// The shape that two tensors broadcast to.
pub(super) fn common_shape(left: &Tensor, right: &Tensor) -> Result<Vec<usize>> {
    let shape = broadcast(&left.shape, &right.shape)
        .ok_or_else(|| format!("shapes {:?} and {:?} do not broadcast", left.shape, right.shape))?;
    elements_of(&shape)?;
    Ok(shape)
}

fn elements(op: BinaryOp, left: &Tensor, right: &Tensor, shape: &[usize], work: Work<'_>) -> Result<Elements> {
    use BinaryOp as Op;
    let (a, b) = (side(left, right, shape, work)?, side(right, left, shape, work)?);
    if let (Elements::Bool(a), Elements::Bool(b)) = (&*a, &*b) {
        let apply: Option<fn(bool, bool) -> bool> = match op {
            Op::BitAnd => Some(|a, b| a & b),
            Op::BitOr => Some(|a, b| a | b),
            Op::BitXor => Some(|a, b| a ^ b),
            _ => None,
        };
        if let Some(apply) = apply {
            return Ok(Elements::Bool(zip(a, b, apply, work)?));
        }
    }
    if let (Some(a), Some(b)) = (a.ints(work)?, b.ints(work)?) {
        return integers(op, &a, &b, work);
    }
    let (a, b) = (a.floats(work)?, b.floats(work)?);
    let number = |apply: fn(f64, f64) -> f64| Ok(Elements::Float(zip(&a, &b, apply, work)?));
    let truth = |apply: fn(f64, f64) -> bool| Ok(Elements::Bool(zip(&a, &b, apply, work)?));
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
fn side(tensor: &Tensor, other: &Tensor, shape: &[usize], work: Work<'_>) -> Step<Rc<Elements>> {
    if tensor.shape == shape || tensor.numel() == 1 && other.shape == shape {
        Ok(Rc::clone(&tensor.data))
    } else {
        Ok(tensor.broadcast_to(shape, work)?.data)
    }
}

fn zip<T: Copy, R>(a: &[T], b: &[T], apply: impl Fn(T, T) -> R, work: Work<'_>) -> Step<Vec<R>> {
    match (a, b) {
        (a, &[b]) => work.map(a, |&a| apply(a, b)),
        (&[a], b) => work.map(b, |&b| apply(a, b)),
        (a, b) => work.zip(a, b, apply),
    }
}

fn integers(op: BinaryOp, a: &[i64], b: &[i64], work: Work<'_>) -> Result<Elements> {
    use BinaryOp as Op;
    let number = |apply: fn(i64, i64) -> i64| Ok(Elements::Int(zip(a, b, apply, work)?));
    let truth = |apply: fn(i64, i64) -> bool| Ok(Elements::Bool(zip(a, b, apply, work)?));
    let real = |apply: fn(i64, i64) -> f64| Ok(Elements::Float(zip(a, b, apply, work)?));
    let any = |found: fn(&i64) -> bool| work.watched(b).any(found);
    match op {
        Op::FloorDivide | Op::Remainder if any(|&divisor| divisor == 0) => Err("division of an integer by zero".into()),
        Op::ShiftLeft | Op::ShiftRight if any(|shift| !(0..64).contains(shift)) => Err("a shift is 0 to 63".into()),
        Op::Add => number(i64::wrapping_add),
        Op::Subtract => number(i64::wrapping_sub),
        Op::Multiply => number(i64::wrapping_mul),
        Op::Divide => real(|a, b| a as f64 / b as f64),
        Op::FloorDivide => number(floor_divide),
        Op::Remainder => number(|a, b| a.wrapping_sub(floor_divide(a, b).wrapping_mul(b))),
        Op::Power if any(|&exponent| exponent < 0) => real(|a, b| (a as f64).powf(b as f64)),
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
