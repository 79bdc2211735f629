//! The expression language of headers and line magics: `cdiv(M, 128)`, `a[64:]`, `softmax(a @ b)`, `randn(512, 512)`.
//!
//! One grammar for launch headers (`name[grid](args, kw=…)`), `%let`, `%buf`, `%check`. Parsing is here; scalars are
//! evaluated here too; tensors are evaluated in `tensor`.

mod ast;

pub use ast::{BinaryOp, Expr, ExprKind, Keyword, Subscript, UnaryOp};
