//! Functions and methods: `softmax(x, axis=-1)`, `x.sum(0)`, `f16(x)`.

use std::ops::Range;
use warpbook_gpu::ElementType;

use super::super::ast::{Expr, ExprKind, Keyword};
use super::super::scalar::{self, Scalar};
use super::argument::{Argument, Bound};
use super::evaluate::{Evaluator, fail};
use super::functions::{FUNCTIONS, METHODS_ONLY};
use super::value::{Tensor, Value};
use warpbook_diagnostic::{Diagnostic, Result, nearest};

/// Modules that a function may be taken from: `np.exp`.
const MODULES: [&str; 5] = ["tl", "torch", "np", "math", "triton"];

impl Evaluator<'_> {
    pub(super) fn call(&self, expression: &Expr, callee: &Expr, args: &[Expr], keywords: &[Keyword]) -> Result<Value> {
        let span = &expression.span;
        let (name, base) = match &callee.kind {
            ExprKind::Name(name) => (name, None),
            ExprKind::Attribute(base, name) => match &base.kind {
                ExprKind::Name(module) if MODULES.contains(&module.as_str()) => (name, None),
                _ => (name, Some(&**base)),
            },
            _ => return Err(fail(span, "this cannot be called")),
        };
        // `a.stride(0)`: a fact about a buffer.
        if let Some(Expr { kind: ExprKind::Name(buffer), .. }) = base
            && keywords.is_empty()
            && parameters(name, true).is_none()
            && name != "to"
        {
            let values = args.iter().map(|argument| scalar::evaluate(argument, self.scope));
            if let Ok(values) = values.collect::<Result<Vec<_>>>()
                && let Some(scalar) = self.scope.member(buffer, name, Some(&values))
            {
                return Ok(Value::Scalar(scalar));
            }
        }
        if let (None, "concat" | "concatenate" | "cat" | "stack") = (base, name.as_str()) {
            return self.join(name, args, keywords, span).map(Value::Tensor);
        }
        // What else the scope makes tensors of: `randn(4, seed=1)`.
        if base.is_none()
            && let Some(tensor) = self.scope.tensor(expression, self.work)?
        {
            return Ok(Value::Tensor(tensor));
        }
        let argument = |expression: &Expr| -> Result<Argument> {
            Ok(Argument { value: self.value(expression)?, span: expression.span.clone() })
        };
        let given = base.into_iter().chain(args).map(argument).collect::<Result<Vec<_>>>()?;
        if base.is_some() && name == "to" {
            return self.to(given, span);
        }
        let are_scalars = given.iter().all(|argument| matches!(argument.value, Value::Scalar(_)));
        if base.is_none() && are_scalars && keywords.is_empty() {
            let scalars: Vec<Scalar> = given.iter().filter_map(|argument| argument.value.scalar().cloned()).collect();
            if let Some(result) = scalar::call(name, &scalars) {
                return result.map(Value::Scalar).map_err(|message| fail(span, message));
            }
        }
        let dtype = if base.is_none() { self.scope.name(name) } else { None };
        if let Some(Scalar::Dtype(dtype)) = dtype {
            return match <[Argument; 1]>::try_from(given) {
                Ok([argument]) if keywords.is_empty() => self.cast(dtype, argument, span),
                _ => Err(fail(span, format!("the cast `{name}(x)` takes one value"))),
            };
        }
        let Some(parameters) = parameters(name, base.is_some()) else {
            return Err(unknown(name, base.is_some(), &callee.span));
        };
        let mut bound = Bound::new(name, parameters, given, span, self.work)?;
        for keyword in keywords {
            bound.keyword(keyword, argument(&keyword.value)?)?;
        }
        let result = self.function(&bound)?;
        // `exp(0.5)` is a number.
        match result.data.get(0).filter(|_| are_scalars && result.shape.is_empty()) {
            Some(scalar) => Ok(Value::Scalar(scalar)),
            None => Ok(Value::Tensor(result)),
        }
    }

    /// The method `x.to(f16)`: the values rounded to another data type.
    fn to(&self, given: Vec<Argument>, span: &Range<usize>) -> Result<Value> {
        let Ok([tensor, to]) = <[Argument; 2]>::try_from(given) else {
            return Err(fail(span, "`.to(dtype)` takes a data type"));
        };
        match &to.value {
            Value::Scalar(Scalar::Dtype(dtype)) => self.cast(*dtype, tensor, &to.span),
            Value::Scalar(Scalar::Str(name)) => match ElementType::parse(name) {
                Some(dtype) => self.cast(dtype, tensor, &to.span),
                None => Err(fail(&to.span, format!("`{name}` is not a data type"))),
            },
            _ => Err(fail(&to.span, "this is not a data type")),
        }
    }

    fn cast(&self, dtype: ElementType, argument: Argument, span: &Range<usize>) -> Result<Value> {
        let tensor = argument.tensor()?;
        let data = self.scope.cast(dtype, &tensor.data, self.work).map_err(|message| fail(span, message))?;
        match (&argument.value, data.get(0).filter(|_| tensor.shape.is_empty())) {
            (Value::Scalar(_), Some(scalar)) => Ok(Value::Scalar(scalar)),
            _ => Ok(Value::Tensor(Tensor { shape: tensor.shape, data: data.into(), dtype: Some(dtype) })),
        }
    }
}

/// The parameters of a function, or of a method with the tensor first.
fn parameters(name: &str, is_method: bool) -> Option<&'static str> {
    let functions = FUNCTIONS.iter().chain(if is_method { METHODS_ONLY } else { &[] });
    let found = functions.into_iter().find(|(known, _)| *known == name).map(|(_, parameters)| *parameters);
    found.filter(|parameters| !is_method || parameters.starts_with('x'))
}

fn unknown(name: &str, is_method: bool, span: &Range<usize>) -> Diagnostic {
    let what = if is_method { "method of tensors" } else { "function" };
    let error = Diagnostic::error("unknown-function", format!("there is no {what} `{name}`")).at(span.clone(), "");
    let functions =
        FUNCTIONS.iter().chain(METHODS_ONLY).filter(|(_, parameters)| !is_method || parameters.starts_with('x'));
    let scalars = scalar::FUNCTIONS.into_iter().filter(|_| !is_method);
    let known: Vec<&str> = functions.map(|(known, _)| *known).chain(["concat", "stack"]).chain(scalars).collect();
    match nearest(name, known.iter().copied()) {
        Some(near) => error.help(format!("did you mean `{near}`?")),
        None => error.note(format!("there are: {}", known.join(" "))),
    }
}
