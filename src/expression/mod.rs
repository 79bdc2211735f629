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
pub use parser::{HeaderOption, LaunchHeader, Parser, parse, parse_launch, parse_with_options};
pub use scalar::{Scalar, Scope, binary, evaluate, unary};
