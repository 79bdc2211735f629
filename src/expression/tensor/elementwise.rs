//! Functions of one element at a time.

use super::super::scalar::Scalar;
use super::argument::Bound;
use super::arithmetic::common_shape;
use super::value::{Elements, Tensor, Value, broadcast, elements_of};
use std::borrow::Cow;
use std::rc::Rc;
use warpbook_diagnostic::Result;
use warpbook_gpu::ElementType;
use warpbook_process::work::{Result as Step, Work};

/// Applies `exp`, `where`, `clamp` and the like.
pub(super) fn apply(call: &Bound<'_>) -> Result<Tensor> {
    match call.name {
        "where" => return choose(call),
        "maximum" | "minimum" => return extreme(call, &call.tensor("x")?, &call.tensor("y")?, call.name == "maximum"),
        "clamp" => {
            let mut x = call.tensor("x")?;
            for (bound, greater) in [("min", true), ("max", false)] {
                if call.get(bound).is_some() {
                    x = extreme(call, &x, &call.tensor(bound)?, greater)?;
                }
            }
            return Ok(x);
        }
        _ => {}
    }
    let x = call.tensor("x")?;
    let data = match (call.name, &*x.data) {
        // These keep integers.
        ("floor" | "ceil" | "round", Elements::Int(_) | Elements::Bool(_)) => Rc::clone(&x.data),
        ("abs", Elements::Int(values)) => {
            Rc::new(Elements::Int(call.done(call.work.map(values, |value| value.wrapping_abs()))?))
        }
        ("relu", Elements::Int(values)) => {
            Rc::new(Elements::Int(call.done(call.work.map(values, |&value| value.max(0)))?))
        }
        ("isnan" | "isinf" | "isfinite", data) => {
            let apply: fn(f64) -> bool = match call.name {
                "isnan" => f64::is_nan,
                "isinf" => f64::is_infinite,
                _ => f64::is_finite,
            };
            let values = call.done(data.floats(call.work))?;
            Rc::new(Elements::Bool(call.done(call.work.map(&values, |&value| apply(value)))?))
        }
        (_, data) => {
            let apply = function(call)?;
            let values = call.done(data.floats(call.work))?;
            Rc::new(Elements::Float(call.done(call.work.map(&values, |&value| apply(value)))?))
        }
    };
    let keeps = matches!(call.name, "abs" | "relu" | "floor" | "ceil" | "round");
    let dtype = if keeps { x.dtype } else { None };
    Ok(Tensor { shape: x.shape, data, dtype })
}

fn function(call: &Bound<'_>) -> Result<fn(f64) -> f64> {
    Ok(match call.name {
        "exp" => f64::exp,
        "exp2" => f64::exp2,
        "log" => f64::ln,
        "log2" => f64::log2,
        "sqrt" => f64::sqrt,
        "rsqrt" => |x| 1.0 / x.sqrt(),
        "sin" => f64::sin,
        "cos" => f64::cos,
        "tanh" => f64::tanh,
        "erf" => libm::erf,
        "sigmoid" => sigmoid,
        "silu" => |x| if x == f64::NEG_INFINITY { -0.0 } else { x * sigmoid(x) },
        // NaN stays NaN.
        "relu" => |x| if x < 0.0 { 0.0 } else { x },
        "gelu" => match call.get("approximate").map(|argument| &argument.value) {
            None => gelu,
            Some(Value::Scalar(Scalar::Str(text))) if text == "none" => gelu,
            Some(Value::Scalar(Scalar::Str(text))) if text == "tanh" => gelu_tanh,
            Some(_) => return Err(call.fail("`approximate` is 'none' or 'tanh'")),
        },
        "abs" => f64::abs,
        "floor" => f64::floor,
        "ceil" => f64::ceil,
        "round" => f64::round_ties_even,
        name => return Err(call.fail(format!("`{name}` does not go element by element"))),
    })
}

/// Without overflow on either side.
fn sigmoid(x: f64) -> f64 {
    if x >= 0.0 {
        1.0 / (1.0 + (-x).exp())
    } else {
        let e = x.exp();
        e / (1.0 + e)
    }
}

/// x Φ(x), as PyTorch's `gelu(x, approximate='none')`.
fn gelu(x: f64) -> f64 {
    x * 0.5 * libm::erfc(-x * std::f64::consts::FRAC_1_SQRT_2)
}

/// PyTorch's `gelu(x, approximate='tanh')`.
fn gelu_tanh(x: f64) -> f64 {
    let inner = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x * x * x);
    0.5 * x * (1.0 + inner.tanh())
}

/// Elements of two tensors in one type.
enum Pair<'a> {
    Float(Cow<'a, [f64]>, Cow<'a, [f64]>),
    Int(Cow<'a, [i64]>, Cow<'a, [i64]>),
    Bool(&'a [bool], &'a [bool]),
}

impl<'a> Pair<'a> {
    fn new(x: &'a Elements, y: &'a Elements, work: Work<'_>) -> Step<Self> {
        if let (Elements::Bool(x), Elements::Bool(y)) = (x, y) {
            return Ok(Self::Bool(x, y));
        }
        if x.are_exact()
            && y.are_exact()
            && let (Some(x), Some(y)) = (x.ints(work)?, y.ints(work)?)
        {
            return Ok(Self::Int(x, y));
        }
        Ok(Self::Float(x.floats(work)?, y.floats(work)?))
    }
}

/// The type of both, if they have the same.
fn common_dtype(x: &Tensor, y: &Tensor) -> Option<ElementType> {
    x.dtype.filter(|_| x.dtype == y.dtype)
}

fn extreme(call: &Bound<'_>, x: &Tensor, y: &Tensor, greater: bool) -> Result<Tensor> {
    let shape = call.done(common_shape(x, y))?;
    let work = call.work;
    let larger = |data: (&Elements, &Elements)| -> Step<Elements> {
        Ok(match Pair::new(data.0, data.1, work)? {
            Pair::Float(x, y) => {
                let take_first = |x: f64, y: f64| x.is_nan() || (x > y) == greater && x != y;
                Elements::Float(work.zip(&x, &y, |x, y| if take_first(x, y) { x } else { y })?)
            }
            Pair::Int(x, y) => Elements::Int(work.zip(&x, &y, |x, y| if greater { x.max(y) } else { x.min(y) })?),
            Pair::Bool(x, y) => Elements::Bool(work.zip(x, y, |x, y| if greater { x | y } else { x & y })?),
        })
    };
    let (a, b) = (call.done(x.broadcast_to(&shape, work))?, call.done(y.broadcast_to(&shape, work))?);
    let data = call.done(larger((&a.data, &b.data)))?;
    Ok(Tensor { shape, data: data.into(), dtype: common_dtype(x, y) })
}

fn choose(call: &Bound<'_>) -> Result<Tensor> {
    let (condition, x, y) = (call.tensor("condition")?, call.tensor("x")?, call.tensor("y")?);
    let shape = call.done(common_shape(&x, &y))?;
    let shape = broadcast(&condition.shape, &shape).ok_or_else(|| {
        call.fail(format!("shapes {:?}, {:?} and {:?} do not broadcast", condition.shape, x.shape, y.shape))
    })?;
    call.done(elements_of(&shape))?;
    let work = call.work;
    fn take<T: Copy>(condition: &[bool], x: &[T], y: &[T], work: Work<'_>) -> Step<Vec<T>> {
        let mut taken = work.room(condition.len())?;
        work.steps(condition.len(), |range| {
            let pairs = x[range.clone()].iter().zip(&y[range.clone()]);
            taken.extend(condition[range].iter().zip(pairs).map(|(&first, (&x, &y))| if first { x } else { y }));
        })?;
        Ok(taken)
    }
    let chosen = || -> Step<Elements> {
        let condition = condition.broadcast_to(&shape, work)?;
        let (x, y) = (x.broadcast_to(&shape, work)?, y.broadcast_to(&shape, work)?);
        let condition = condition.data.bools(work)?;
        Ok(match Pair::new(&x.data, &y.data, work)? {
            Pair::Float(x, y) => Elements::Float(take(&condition, &x, &y, work)?),
            Pair::Int(x, y) => Elements::Int(take(&condition, &x, &y, work)?),
            Pair::Bool(x, y) => Elements::Bool(take(&condition, x, y, work)?),
        })
    };
    let data = call.done(chosen())?;
    Ok(Tensor { dtype: common_dtype(&x, &y), shape, data: data.into() })
}
