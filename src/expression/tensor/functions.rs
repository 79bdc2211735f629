//! The functions, by name.

use super::argument::Bound;
use super::elementwise;
use super::evaluate::Evaluator;
use super::reduce;
use super::shape;
use super::value::Tensor;
use warpbook_diagnostic::Result;

/// Functions with their parameters. A function whose first parameter is `x` is a method too.
pub(super) const FUNCTIONS: &[(&str, &str)] = &[
    ("sum", "x, axis=None, keepdims=False"),
    ("mean", "x, axis=None, keepdims=False"),
    ("max", "x, axis=None, keepdims=False"),
    ("min", "x, axis=None, keepdims=False"),
    ("prod", "x, axis=None, keepdims=False"),
    ("any", "x, axis=None, keepdims=False"),
    ("all", "x, axis=None, keepdims=False"),
    ("argmax", "x, axis=None, keepdims=False"),
    ("argmin", "x, axis=None, keepdims=False"),
    ("var", "x, axis=None, keepdims=False, ddof=0"),
    ("std", "x, axis=None, keepdims=False, ddof=0"),
    ("logsumexp", "x, axis=None, keepdims=False"),
    ("softmax", "x, axis=-1"),
    ("log_softmax", "x, axis=-1"),
    ("cumsum", "x, axis=None"),
    ("cumprod", "x, axis=None"),
    ("sort", "x, axis=-1"),
    ("argsort", "x, axis=-1"),
    ("flip", "x, axis=None"),
    ("exp", "x"),
    ("exp2", "x"),
    ("log", "x"),
    ("log2", "x"),
    ("sqrt", "x"),
    ("rsqrt", "x"),
    ("sin", "x"),
    ("cos", "x"),
    ("tanh", "x"),
    ("erf", "x"),
    ("sigmoid", "x"),
    ("relu", "x"),
    ("gelu", "x, approximate='none'"),
    ("silu", "x"),
    ("abs", "x"),
    ("floor", "x"),
    ("ceil", "x"),
    ("round", "x"),
    ("isnan", "x"),
    ("isinf", "x"),
    ("isfinite", "x"),
    ("clamp", "x, min=None, max=None"),
    ("where", "condition, x, y"),
    ("maximum", "x, y"),
    ("minimum", "x, y"),
    ("transpose", "x, *axes"),
    ("reshape", "x, *shape"),
    ("tril", "x, k=0"),
    ("triu", "x, k=0"),
    ("outer", "x, y"),
    ("dot", "x, y"),
    ("broadcast_to", "x, *shape"),
    ("arange", "start, stop=None, step=1"),
    ("zeros", "*shape"),
    ("ones", "*shape"),
    ("full", "shape, value"),
    ("eye", "n, m=None"),
];

/// Methods that are no functions.
pub(super) const METHODS_ONLY: &[(&str, &str)] = &[("t", "x"), ("permute", "x, *axes"), ("view", "x, *shape")];

/// The names of all functions, for completion.
pub fn functions() -> impl Iterator<Item = String> {
    FUNCTIONS.iter().map(|(name, _)| (*name).to_owned())
}

impl Evaluator<'_> {
    /// Runs a function.
    pub(super) fn function(&self, call: &Bound<'_>) -> Result<Tensor> {
        match call.name {
            "sum" | "mean" | "max" | "min" | "prod" | "any" | "all" | "argmax" | "argmin" | "var" | "std"
            | "logsumexp" => reduce::reduce(call),
            "softmax" | "log_softmax" | "cumsum" | "cumprod" | "sort" | "argsort" => reduce::along(call),
            "flip" | "transpose" | "permute" | "t" | "reshape" | "view" | "broadcast_to" | "tril" | "triu" => {
                shape::rearrange(call)
            }
            "arange" | "zeros" | "ones" | "full" | "eye" => shape::create(call),
            "outer" | "dot" => self.product(call),
            _ => elementwise::apply(call),
        }
    }
}
