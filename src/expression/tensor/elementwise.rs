//! Functions of one element at a time.

use super::super::scalar::Scalar;
use super::argument::Bound;
use super::arithmetic::common_shape;
use super::value::{Elements, Tensor, Value, broadcast, elements_of};
use warpbook_diagnostic::Result;
use warpbook_gpu::ElementType;

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
    let data = match (call.name, &x.data) {
        // These keep integers.
        ("floor" | "ceil" | "round", Elements::Int(_) | Elements::Bool(_)) => x.data.clone(),
        ("abs" | "relu", Elements::Int(values)) => {
            let apply = |&value: &i64| if call.name == "abs" { value.wrapping_abs() } else { value.max(0) };
            Elements::Int(values.iter().map(apply).collect())
        }
        ("isnan" | "isinf" | "isfinite", data) => {
            let apply: fn(f64) -> bool = match call.name {
                "isnan" => f64::is_nan,
                "isinf" => f64::is_infinite,
                _ => f64::is_finite,
            };
            Elements::Bool(data.to_floats().into_iter().map(apply).collect())
        }
        (_, data) => {
            let apply = function(call)?;
            Elements::Float(data.to_floats().into_iter().map(apply).collect())
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

/// Two tensors of one type and shape.
enum Pair {
    Float(Vec<f64>, Vec<f64>),
    Int(Vec<i64>, Vec<i64>),
    Bool(Vec<bool>, Vec<bool>),
}

fn pair(x: &Tensor, y: &Tensor, shape: &[usize]) -> Pair {
    let (x, y) = (x.broadcast_to(shape).data, y.broadcast_to(shape).data);
    match (x, y) {
        (Elements::Bool(x), Elements::Bool(y)) => Pair::Bool(x, y),
        (x, y) => match (x.to_ints(), y.to_ints()) {
            (Some(x), Some(y)) => Pair::Int(x, y),
            _ => Pair::Float(x.to_floats(), y.to_floats()),
        },
    }
}

/// The type of both, if they have the same.
fn common_dtype(x: &Tensor, y: &Tensor) -> Option<ElementType> {
    x.dtype.filter(|_| x.dtype == y.dtype)
}

fn extreme(call: &Bound<'_>, x: &Tensor, y: &Tensor, greater: bool) -> Result<Tensor> {
    let shape = common_shape(x, y).map_err(|message| call.fail(message))?;
    let data = match pair(x, y, &shape) {
        Pair::Float(x, y) => Elements::Float(
            x.into_iter().zip(y).map(|(x, y)| if x.is_nan() || (x > y) == greater && x != y { x } else { y }).collect(),
        ),
        Pair::Int(x, y) => {
            Elements::Int(x.into_iter().zip(y).map(|(x, y)| if greater { x.max(y) } else { x.min(y) }).collect())
        }
        Pair::Bool(x, y) => {
            Elements::Bool(x.into_iter().zip(y).map(|(x, y)| if greater { x | y } else { x & y }).collect())
        }
    };
    Ok(Tensor { shape, data, dtype: common_dtype(x, y) })
}

fn choose(call: &Bound<'_>) -> Result<Tensor> {
    let (condition, x, y) = (call.tensor("condition")?, call.tensor("x")?, call.tensor("y")?);
    let shape = common_shape(&x, &y).map_err(|message| call.fail(message))?;
    let shape = broadcast(&condition.shape, &shape).ok_or_else(|| {
        call.fail(format!("shapes {:?}, {:?} and {:?} do not broadcast", condition.shape, x.shape, y.shape))
    })?;
    elements_of(&shape).map_err(|message| call.fail(message))?;
    let condition = condition.broadcast_to(&shape).data.to_bools();
    fn take<T>(condition: &[bool], x: Vec<T>, y: Vec<T>) -> Vec<T> {
        condition.iter().zip(x.into_iter().zip(y)).map(|(&first, (x, y))| if first { x } else { y }).collect()
    }
    let data = match pair(&x, &y, &shape) {
        Pair::Float(x, y) => Elements::Float(take(&condition, x, y)),
        Pair::Int(x, y) => Elements::Int(take(&condition, x, y)),
        Pair::Bool(x, y) => Elements::Bool(take(&condition, x, y)),
    };
    Ok(Tensor { shape, data, dtype: common_dtype(&x, &y) })
}
