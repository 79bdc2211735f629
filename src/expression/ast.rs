//! The syntax tree of an expression. Every node knows its bytes in the cell.

use std::ops::Range;

/// An expression and its place in the cell.
#[derive(Clone, Debug, PartialEq)]
pub struct Expr {
    /// The kind of the expression, with its parts.
    pub kind: ExprKind,
    /// Bytes of the text that was parsed (the whole cell, when the parser was given a sub-range of it).
    pub span: Range<usize>,
}

/// A keyword argument: `BM=128`.
#[derive(Clone, Debug, PartialEq)]
pub struct Keyword {
    /// The parameter that it gives a value to: `BM`.
    pub name: String,
    /// Bytes of the keyword alone.
    pub name_span: Range<usize>,
    /// The expression after the equals sign.
    pub value: Expr,
}

/// One entry between square brackets.
#[derive(Clone, Debug, PartialEq)]
pub enum Subscript {
    /// A single index: the 3 of `a[3]`.
    Index(Expr),
    /// `a[lo:hi:step]`, each optional.
    Slice {
        /// First index taken.
        start: Option<Expr>,
        /// First index not taken.
        stop: Option<Expr>,
        /// Distance between indices taken; 1 where it is left out.
        step: Option<Expr>,
        /// Bytes of the whole slice.
        span: Range<usize>,
    },
}

/// The kinds of expression; Python's syntax and precedence.
#[derive(Clone, Debug, PartialEq)]
pub enum ExprKind {
    /// `42`, `0x2a`, `1_000`
    Int(i64),
    /// `1.5`, `1e-3`, `inf`, `nan`
    Float(f64),
    /// A truth value: `True` or `False`.
    Bool(bool),
    /// The absent value `None`.
    None,
    /// A string literal: `'text'` or `"text"`, without its quotes.
    Str(String),
    /// A buffer, a scalar, a function, a dtype.
    Name(String),
    /// `tl.float16`, `a.T`, `a.shape`
    Attribute(Box<Expr>, String),
    /// `f(x, k=v)`, `a.stride(0)`
    Call {
        /// The function that is called.
        callee: Box<Expr>,
        /// Positional arguments, in order.
        args: Vec<Expr>,
        /// Keyword arguments, in order.
        keywords: Vec<Keyword>,
    },
    /// An expression with its subscripts: `a[64:, 3]`.
    Subscript(Box<Expr>, Vec<Subscript>),
    /// `-x`, `not x`, `~x`
    Unary(UnaryOp, Box<Expr>),
    /// `x + y`, comparisons, `and`, `or`; with the bytes of the operator.
    Binary(BinaryOp, Box<Expr>, Box<Expr>, Range<usize>),
    /// `(x, y)`, `(x,)`
    Tuple(Vec<Expr>),
    /// The items of a list: `[x, y]`.
    List(Vec<Expr>),
    /// `x if c else y`
    Conditional {
        /// The `c` that decides.
        condition: Box<Expr>,
        /// The `x` that is taken where `c` holds.
        then: Box<Expr>,
        /// The `y` that is taken where `c` does not hold.
        otherwise: Box<Expr>,
    },
}

impl Expr {
    /// Calls `visit` with this expression, and with the expressions inside it if `visit` returns true, in order.
    pub fn walk<'a>(&'a self, visit: &mut dyn FnMut(&'a Self) -> bool) {
        if !visit(self) {
            return;
        }
        match &self.kind {
            ExprKind::Int(_)
            | ExprKind::Float(_)
            | ExprKind::Bool(_)
            | ExprKind::None
            | ExprKind::Str(_)
            | ExprKind::Name(_) => {}
            ExprKind::Attribute(base, _) | ExprKind::Unary(_, base) => base.walk(visit),
            ExprKind::Call { callee, args, keywords } => {
                callee.walk(visit);
                args.iter().for_each(|argument| argument.walk(visit));
                keywords.iter().for_each(|keyword| keyword.value.walk(visit));
            }
            ExprKind::Subscript(base, subscripts) => {
                base.walk(visit);
                for subscript in subscripts {
                    match subscript {
                        Subscript::Index(index) => index.walk(visit),
                        Subscript::Slice { start, stop, step, .. } => {
                            [start, stop, step].into_iter().flatten().for_each(|bound| bound.walk(visit));
                        }
                    }
                }
            }
            ExprKind::Binary(_, left, right, _) => {
                left.walk(visit);
                right.walk(visit);
            }
            ExprKind::Tuple(items) | ExprKind::List(items) => items.iter().for_each(|item| item.walk(visit)),
            ExprKind::Conditional { condition, then, otherwise } => {
                [condition, then, otherwise].into_iter().for_each(|part| part.walk(visit));
            }
        }
    }
}

/// An operator that stands before its operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum UnaryOp {
    Negate,
    Plus,
    Not,
    Invert,
}

/// An operator that stands between its operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum BinaryOp {
    Add,
    Subtract,
    Multiply,
    Divide,
    FloorDivide,
    Remainder,
    Power,
    MatrixMultiply,
    ShiftLeft,
    ShiftRight,
    BitAnd,
    BitOr,
    BitXor,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    Equal,
    NotEqual,
    And,
    Or,
}
