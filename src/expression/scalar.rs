//! Scalars: numbers, strings, data types, tuples, with Python's meaning of the operators.

use std::fmt;
use std::ops::Range;

use super::ast::{BinaryOp, Expr, ExprKind, Subscript, UnaryOp};
use warpbook_diagnostic::{Diagnostic, Result, nearest};
use warpbook_gpu::ElementType;

/// A value that is no tensor.
#[derive(Clone, Debug, PartialEq)]
pub enum Scalar {
    /// Any integer of 64 bits.
    Int(i64),
    /// A floating-point number, in double precision.
    Float(f64),
    /// A truth value: `True` or `False`.
    Bool(bool),
    /// The absent value `None`.
    None,
    /// A string, without its quotes.
    Str(String),
    /// A data type, such as `f16`.
    Dtype(ElementType),
    /// A tuple or a list.
    Tuple(Vec<Scalar>),
}

impl Scalar {
    /// The value as an integer; a bool is 0 or 1. `None` for other kinds.
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Self::Int(value) => Some(*value),
            Self::Bool(value) => Some((*value).into()),
            _ => None,
        }
    }

    /// The value as a double. `None` if it is not a number.
    pub fn as_float(&self) -> Option<f64> {
        match self {
            Self::Float(value) => Some(*value),
            _ => self.as_int().map(|value| value as f64),
        }
    }

    /// True where Python's `if` takes the value as true.
    pub fn truth(&self) -> bool {
        match self {
            Self::Int(value) => *value != 0,
            Self::Float(value) => *value != 0.0,
            Self::Bool(value) => *value,
            Self::None => false,
            Self::Str(text) => !text.is_empty(),
            Self::Dtype(_) => true,
            Self::Tuple(items) => !items.is_empty(),
        }
    }

    /// The kind of value in words, for messages: `an integer`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Int(_) => "an integer",
            Self::Float(_) => "a float",
            Self::Bool(_) => "a bool",
            Self::None => "None",
            Self::Str(_) => "a string",
            Self::Dtype(_) => "a data type",
            Self::Tuple(_) => "a tuple",
        }
    }
}

impl fmt::Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(value) => write!(f, "{value}"),
            Self::Float(value) => write!(f, "{value:?}"),
            Self::Bool(value) => f.write_str(if *value { "True" } else { "False" }),
            Self::None => f.write_str("None"),
            Self::Str(text) => write!(f, "{text:?}"),
            Self::Dtype(element) => write!(f, "{element}"),
            Self::Tuple(items) => {
                f.write_str("(")?;
                for (index, item) in items.iter().enumerate() {
                    write!(f, "{}{item}", if index > 0 { ", " } else { "" })?;
                }
                f.write_str(if items.len() == 1 { ",)" } else { ")" })
            }
        }
    }
}

/// Gives names their values in an expression.
pub trait Scope {
    /// The value of a name.
    fn name(&self, name: &str) -> Option<Scalar>;
    /// `base.attribute`, `base.method(args)` where `base` is a name that has no scalar value (a buffer).
    fn member(&self, base: &str, member: &str, args: Option<&[Scalar]>) -> Option<Scalar>;
    /// Every name, for suggestions.
    fn names(&self) -> Vec<String>;
}

/// Evaluates an expression of scalars. Errors have their place in the text that was parsed.
pub fn evaluate(expression: &Expr, scope: &dyn Scope) -> Result<Scalar> {
    let fail = |message: String| Err(at(&expression.span, message));
    match &expression.kind {
        ExprKind::Int(value) => Ok(Scalar::Int(*value)),
        ExprKind::Float(value) => Ok(Scalar::Float(*value)),
        ExprKind::Bool(value) => Ok(Scalar::Bool(*value)),
        ExprKind::None => Ok(Scalar::None),
        ExprKind::Str(text) => Ok(Scalar::Str(text.clone())),
        ExprKind::Name(name) => scope.name(name).ok_or_else(|| unknown_name(name, &expression.span, scope)),
        ExprKind::Tuple(items) | ExprKind::List(items) => {
            items.iter().map(|item| evaluate(item, scope)).collect::<Result<_>>().map(Scalar::Tuple)
        }
        ExprKind::Unary(op, operand) => {
            let value = evaluate(operand, scope)?;
            unary(*op, &value).map_err(|message| at(&expression.span, message))
        }
        ExprKind::Binary(op, left, right, _) => {
            let left = evaluate(left, scope)?;
            match op {
                BinaryOp::And if !left.truth() => return Ok(left),
                BinaryOp::Or if left.truth() => return Ok(left),
                _ => {}
            }
            let right = evaluate(right, scope)?;
            binary(*op, &left, &right).map_err(|message| at(&expression.span, message))
        }
        ExprKind::Conditional { condition, then, otherwise } => {
            evaluate(if evaluate(condition, scope)?.truth() { then } else { otherwise }, scope)
        }
        ExprKind::Attribute(base, member) => match &base.kind {
            // `tl.float16` is `float16`.
            ExprKind::Name(module) if matches!(module.as_str(), "tl" | "torch" | "np") => {
                scope.name(member).ok_or_else(|| unknown_name(member, &expression.span, scope))
            }
            ExprKind::Name(name) => match scope.member(name, member, None) {
                Some(value) => Ok(value),
                None if scope.name(name).is_none() => Err(unknown_name(name, &base.span, scope)),
                None => fail(format!("`{name}` has no attribute `{member}` that is a scalar")),
            },
            _ => fail(format!("`.{member}` is not a scalar")),
        },
        ExprKind::Subscript(base, subscripts) => {
            let base = evaluate(base, scope)?;
            match (&base, &subscripts[..]) {
                (Scalar::Tuple(items), [Subscript::Index(index)]) => {
                    let position = evaluate(index, scope)?
                        .as_int()
                        .ok_or_else(|| at(&index.span, "an index is an integer".into()))?;
                    let count = items.len() as i64;
                    let wrapped = if position < 0 { position.saturating_add(count) } else { position };
                    let item = usize::try_from(wrapped).ok().and_then(|wrapped| items.get(wrapped));
                    item.cloned()
                        .ok_or_else(|| at(&index.span, format!("index {position} is outside of {count} items")))
                }
                _ => fail(format!("{} cannot be indexed this way", base.kind())),
            }
        }
        ExprKind::Call { callee, args, keywords } => {
            if let Some(keyword) = keywords.first() {
                return Err(at(&keyword.name_span, "a scalar function takes no keyword arguments".into()));
            }
            let values = args.iter().map(|argument| evaluate(argument, scope)).collect::<Result<Vec<_>>>()?;
            match &callee.kind {
                ExprKind::Name(name) => call(name, &values)
                    .ok_or_else(|| unknown_function(name, &callee.span))?
                    .map_err(|message| at(&expression.span, message)),
                ExprKind::Attribute(base, member) => match &base.kind {
                    ExprKind::Name(module) if matches!(module.as_str(), "tl" | "triton" | "math") => {
                        call(member, &values)
                            .ok_or_else(|| unknown_function(member, &callee.span))?
                            .map_err(|message| at(&expression.span, message))
                    }
                    ExprKind::Name(name) => scope
                        .member(name, member, Some(&values))
                        .ok_or_else(|| at(&expression.span, format!("`{name}.{member}(…)` is not a scalar"))),
                    _ => fail("this cannot be called".into()),
                },
                _ => fail("this cannot be called".into()),
            }
        }
    }
}

fn at(span: &Range<usize>, message: String) -> Diagnostic {
    Diagnostic::error("expression", message).at(span.clone(), "")
}

/// The error for a name that means nothing, with the nearest one that does.
pub(super) fn unknown_name(name: &str, span: &Range<usize>, scope: &dyn Scope) -> Diagnostic {
    let error = Diagnostic::error("unknown-name", format!("nothing is named `{name}`")).at(span.clone(), "not found");
    let names = scope.names();
    match nearest(name, names.iter().map(String::as_str)) {
        Some(near) => error.help(format!("did you mean `{near}`?")),
        None => error.help("`%buf NAME = …` makes a buffer, `%let NAME = …` a scalar; `%bufs` lists both"),
    }
}

pub(super) const FUNCTIONS: [&str; 16] = [
    "cdiv",
    "min",
    "max",
    "abs",
    "len",
    "next_power_of_2",
    "int",
    "float",
    "bool",
    "round",
    "i32",
    "i64",
    "f32",
    "f64",
    "sqrt",
    "log2",
];

fn unknown_function(name: &str, span: &Range<usize>) -> Diagnostic {
    let error =
        Diagnostic::error("unknown-function", format!("there is no scalar function `{name}`")).at(span.clone(), "");
    match nearest(name, FUNCTIONS) {
        Some(near) => error.help(format!("did you mean `{near}`?")),
        None => error.note(format!("there are: {}", FUNCTIONS.join(", "))),
    }
}

const OVERFLOW: &str = "the result does not fit 64 bits";

/// A prefix operator.
pub fn unary(op: UnaryOp, value: &Scalar) -> Result<Scalar, String> {
    let refused = || format!("{op:?} does not apply to {}", value.kind());
    Ok(match (op, value) {
        (UnaryOp::Not, _) => Scalar::Bool(!value.truth()),
        (UnaryOp::Negate, Scalar::Float(value)) => Scalar::Float(-value),
        (UnaryOp::Plus, Scalar::Float(value)) => Scalar::Float(*value),
        (UnaryOp::Negate, _) => Scalar::Int(value.as_int().ok_or_else(refused)?.checked_neg().ok_or(OVERFLOW)?),
        (UnaryOp::Plus, _) => Scalar::Int(value.as_int().ok_or_else(refused)?),
        (UnaryOp::Invert, _) => Scalar::Int(!value.as_int().ok_or_else(refused)?),
    })
}

/// An infix operator; `and` and `or` without their shortcut.
pub fn binary(op: BinaryOp, left: &Scalar, right: &Scalar) -> Result<Scalar, String> {
    use BinaryOp as Op;
    match op {
        Op::And => return Ok(if left.truth() { right.clone() } else { left.clone() }),
        Op::Or => return Ok(if left.truth() { left.clone() } else { right.clone() }),
        Op::Equal | Op::NotEqual => {
            let equal = match (left.as_float(), right.as_float()) {
                (Some(a), Some(b)) => match (left.as_int(), right.as_int()) {
                    (Some(a), Some(b)) => a == b,
                    _ => a == b,
                },
                _ => left == right,
            };
            return Ok(Scalar::Bool(equal == (op == Op::Equal)));
        }
        _ => {}
    }
    let refused = || format!("{op:?} does not apply to {} and {}", left.kind(), right.kind());
    if let (Some(a), Some(b)) = (left.as_int(), right.as_int()) {
        return integers(op, a, b);
    }
    let (a, b) = (left.as_float().ok_or_else(refused)?, right.as_float().ok_or_else(refused)?);
    Ok(match op {
        Op::Add => Scalar::Float(a + b),
        Op::Subtract => Scalar::Float(a - b),
        Op::Multiply => Scalar::Float(a * b),
        Op::Divide | Op::FloorDivide | Op::Remainder if b == 0.0 => return Err("division by zero".into()),
        Op::Divide => Scalar::Float(a / b),
        Op::FloorDivide => Scalar::Float((a / b).floor()),
        Op::Remainder => Scalar::Float(a - (a / b).floor() * b),
        Op::Power => Scalar::Float(a.powf(b)),
        Op::Less => Scalar::Bool(a < b),
        Op::LessEqual => Scalar::Bool(a <= b),
        Op::Greater => Scalar::Bool(a > b),
        Op::GreaterEqual => Scalar::Bool(a >= b),
        _ => return Err(refused()),
    })
}

fn integers(op: BinaryOp, a: i64, b: i64) -> Result<Scalar, String> {
    use BinaryOp as Op;
    let zero = || "division by zero".to_owned();
    let shift = || u32::try_from(b).map_err(|_| "a shift is not negative".to_owned());
    let checked = |value: Option<i64>| value.map(Scalar::Int).ok_or_else(|| OVERFLOW.to_owned());
    match op {
        Op::Add => checked(a.checked_add(b)),
        Op::Subtract => checked(a.checked_sub(b)),
        Op::Multiply => checked(a.checked_mul(b)),
        Op::Divide if b == 0 => Err(zero()),
        Op::Divide => Ok(Scalar::Float(a as f64 / b as f64)),
        Op::FloorDivide | Op::Remainder if b == 0 => Err(zero()),
        Op::FloorDivide => checked(floor_divide(a, b)),
        Op::Remainder => checked(floor_divide(a, b).and_then(|q| a.checked_sub(q.checked_mul(b)?))),
        Op::Power if b < 0 => Ok(Scalar::Float((a as f64).powf(b as f64))),
        Op::Power => checked(u32::try_from(b).ok().and_then(|b| a.checked_pow(b))),
        Op::ShiftLeft => checked(a.checked_mul(1i64.checked_shl(shift()?).filter(|one| *one > 0).ok_or(OVERFLOW)?)),
        Op::ShiftRight => Ok(Scalar::Int(a >> shift()?.min(63))),
        Op::BitAnd => Ok(Scalar::Int(a & b)),
        Op::BitOr => Ok(Scalar::Int(a | b)),
        Op::BitXor => Ok(Scalar::Int(a ^ b)),
        Op::Less => Ok(Scalar::Bool(a < b)),
        Op::LessEqual => Ok(Scalar::Bool(a <= b)),
        Op::Greater => Ok(Scalar::Bool(a > b)),
        Op::GreaterEqual => Ok(Scalar::Bool(a >= b)),
        Op::MatrixMultiply => Err("`@` multiplies matrices, not numbers".into()),
        Op::Equal | Op::NotEqual | Op::And | Op::Or => Err("this operator does not compute a number".into()),
    }
}

/// Rounds toward negative infinity, as Python does.
fn floor_divide(a: i64, b: i64) -> Option<i64> {
    let quotient = a.checked_div(b)?;
    let inexact = a.checked_rem(b)? != 0;
    if inexact && (a < 0) != (b < 0) { quotient.checked_sub(1) } else { Some(quotient) }
}

/// A scalar function; `None` if there is none of that name.
pub(super) fn call(name: &str, args: &[Scalar]) -> Option<Result<Scalar, String>> {
    if !FUNCTIONS.contains(&name) {
        return None;
    }
    let wrong = || format!("`{name}` does not take {}", args.iter().map(Scalar::kind).collect::<Vec<_>>().join(", "));
    let integer = |index: usize| args.get(index).and_then(Scalar::as_int).ok_or_else(wrong);
    let float = |index: usize| args.get(index).and_then(Scalar::as_float).ok_or_else(wrong);
    let result = match (name, args) {
        ("cdiv", [_, _]) => integer(0).and_then(|a| {
            let b = integer(1)?;
            if b == 0 {
                return Err("division by zero".into());
            }
            a.checked_neg()
                .and_then(|a| floor_divide(a, b))
                .and_then(i64::checked_neg)
                .map(Scalar::Int)
                .ok_or(OVERFLOW.into())
        }),
        ("min" | "max", [Scalar::Tuple(items)]) if !items.is_empty() => extreme(name, items),
        ("min" | "max", [_, _, ..]) => extreme(name, args),
        ("abs", [Scalar::Float(value)]) => Ok(Scalar::Float(value.abs())),
        ("abs", [_]) => integer(0).and_then(|a| a.checked_abs().map(Scalar::Int).ok_or(OVERFLOW.into())),
        ("len", [Scalar::Tuple(items)]) => Ok(Scalar::Int(items.len() as i64)),
        ("len", [Scalar::Str(text)]) => Ok(Scalar::Int(text.chars().count() as i64)),
        ("next_power_of_2", [_]) => integer(0).and_then(|a| {
            let power = u64::try_from(a.max(1)).ok().and_then(u64::checked_next_power_of_two);
            power.and_then(|power| i64::try_from(power).ok()).map(Scalar::Int).ok_or(OVERFLOW.into())
        }),
        ("int" | "i32" | "i64" | "round", [Scalar::Float(value)]) => {
            let rounded = if name == "round" { value.round_ties_even() } else { value.trunc() };
            if rounded.abs() < 9.2e18 { Ok(Scalar::Int(rounded as i64)) } else { Err(OVERFLOW.into()) }
        }
        ("int" | "i32" | "i64" | "round", [_]) => integer(0).map(Scalar::Int),
        ("float" | "f32" | "f64", [_]) => float(0).map(Scalar::Float),
        ("sqrt", [_]) => float(0).map(|a| Scalar::Float(a.sqrt())),
        ("log2", [_]) => float(0).map(|a| Scalar::Float(a.log2())),
        ("bool", [value]) => Ok(Scalar::Bool(value.truth())),
        _ => Err(wrong()),
    };
    Some(result)
}

fn extreme(name: &str, items: &[Scalar]) -> Result<Scalar, String> {
    let mut best = items[0].clone();
    for item in &items[1..] {
        let op = if name == "min" { BinaryOp::Less } else { BinaryOp::Greater };
        if binary(op, item, &best)?.truth() {
            best = item.clone();
        }
    }
    Ok(best)
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;

    struct Names;

    impl Scope for Names {
        fn name(&self, name: &str) -> Option<Scalar> {
            match name {
                "M" => Some(Scalar::Int(100)),
                "float16" | "f16" => Some(Scalar::Dtype(ElementType::F16)),
                _ => None,
            }
        }

        fn member(&self, base: &str, member: &str, args: Option<&[Scalar]>) -> Option<Scalar> {
            match (base, member, args) {
                ("a", "shape", None) => Some(Scalar::Tuple(vec![Scalar::Int(3), Scalar::Int(5)])),
                ("a", "stride", Some([Scalar::Int(0)])) => Some(Scalar::Int(5)),
                _ => None,
            }
        }

        fn names(&self) -> Vec<String> {
            vec!["M".into(), "matrix".into()]
        }
    }

    fn value(text: &str) -> Result<Scalar> {
        evaluate(&parse(text, 0..text.len())?, &Names)
    }

    #[test]
    fn values_are_python_s() {
        for (text, expected) in [
            ("cdiv(M, 32) * 2", "8"),
            ("-7 // 2, -7 % 3, 7 % -3", "(-4, 2, -2)"),
            ("7 / 2", "3.5"),
            ("2 ** 10 - 1 if M > 5 else 0", "1023"),
            ("a.shape[-1] + a.stride(0)", "10"),
            ("max(1, 2.5, 2)", "2.5"),
            ("next_power_of_2(M)", "128"),
            ("tl.float16", "f16"),
            ("not 0 and 'x'", "\"x\""),
            ("1 << 40", "1099511627776"),
            ("i64(3.9), float(1)", "(3, 1.0)"),
            ("1 == 1.0, None == None, (1, 2) == (1, 2)", "(True, True, True)"),
        ] {
            let text = if text.contains(", ") && !text.contains('(')
                || text.starts_with(['-', '1', 'i']) && text.contains(", ")
            {
                format!("({text})")
            } else {
                text.to_owned()
            };
            assert_eq!(value(&text).unwrap_or_else(|error| panic!("{text}: {error}")).to_string(), expected, "{text}");
        }
    }

    #[test]
    fn mistakes_are_named_at_their_place() {
        for (text, message, place) in [
            ("1 // 0", "division by zero", "1 // 0"),
            ("9223372036854775807 + 1", "the result does not fit 64 bits", "9223372036854775807 + 1"),
            ("2 * N", "nothing is named `N`", "N"),
            ("cdv(1, 2)", "there is no scalar function `cdv`", "cdv"),
            ("a.shape[7]", "index 7 is outside of 2 items", "7"),
            ("'x' * 2", "Multiply does not apply to a string and an integer", "'x' * 2"),
            ("1 << -1", "a shift is not negative", "1 << -1"),
        ] {
            let error = value(text).expect_err(text);
            assert_eq!(error.message, message);
            assert_eq!(&text[error.labels[0].span.clone()], place);
        }
        assert_eq!(value("matrx").expect_err("unknown").help, ["did you mean `matrix`?"]);
    }
}
