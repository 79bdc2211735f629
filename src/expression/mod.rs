//! The expression language of headers and line magics: `cdiv(M, 128)`, `a[64:]`, `softmax(a @ b)`, `randn(512, 512)`.
//!
//! One grammar, Python's, for launch headers (`name[grid](args, kw=…)`), `%let`, `%buf`, `%check`. Scalars are
//! evaluated here.

mod ast;
mod lexer;
mod parser;
mod scalar;
pub mod tensor;

pub use ast::{BinaryOp, Expr, ExprKind, Keyword, Subscript, UnaryOp};
pub use parser::{LaunchHeader, Parser, parse, parse_launch};
pub use scalar::{Scalar, Scope, binary, evaluate, unary};

/// First index and count of a slice, by Python's rules (`slice.indices`).
pub fn slice_extent(start: Option<i64>, stop: Option<i64>, step: i64, length: i64) -> (i64, i64) {
    let (low, high) = if step > 0 { (0, length) } else { (-1, length - 1) };
    let clamp = |bound: i64| if bound < 0 { bound.saturating_add(length).max(low) } else { bound.min(high) };
    let start = start.map_or(if step > 0 { low } else { high }, clamp);
    let stop = stop.map_or(if step > 0 { high } else { low }, clamp);
    let distance = if step > 0 { stop - start } else { start - stop };
    let stride = step.unsigned_abs().min(i64::MAX as u64) as i64;
    let count = if distance <= 0 { 0 } else { (distance - 1) / stride + 1 };
    (if count == 0 { 0 } else { start }, count)
}
