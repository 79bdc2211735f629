//! Arguments of a call, in the places of its parameters.

use std::ops::Range;

use super::super::ast::Keyword;
use super::super::scalar::Scalar;
use super::evaluate::fail;
use super::failure::Failure;
use super::value::{Tensor, Value};
use warpbook_diagnostic::{Diagnostic, Result};
use warpbook_process::work::Work;

/// An argument, and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Argument {
    pub value: Value,
    pub span: Range<usize>,
}

/// A call with its arguments in their places.
pub(super) struct Bound<'a> {
    /// Name of the function that is called, as written in the cell.
    pub name: &'a str,
    /// The function's parameters as text: `x, axis=None`; the last may be `*shape`.
    parameters: &'a str,
    /// One for each parameter but a starred one.
    arguments: Vec<Option<Argument>>,
    /// The values of a starred parameter (`*shape`), in order.
    pub rest: Vec<Argument>,
    /// Bytes of the whole call in the cell.
    pub span: Range<usize>,
    /// Makes the result's array.
    pub work: Work<'a>,
}

impl Value {
    /// The scalar, if the value is one.
    pub(super) fn scalar(&self) -> Option<&Scalar> {
        match self {
            Self::Scalar(scalar) => Some(scalar),
            Self::Tensor(_) => None,
        }
    }
}

impl Argument {
    /// The argument as a tensor; a number becomes a tensor of one element.
    pub fn tensor(&self) -> Result<Tensor> {
        match &self.value {
            Value::Tensor(tensor) => Ok(tensor.clone()),
            Value::Scalar(scalar) => Tensor::from_scalar(scalar)
                .ok_or_else(|| fail(&self.span, format!("this takes a tensor or a number, not {}", scalar.kind()))),
        }
    }

    /// The argument as an integer; a tensor of one element counts as its value. Fails with a label on the argument.
    pub fn integer(&self) -> Result<i64> {
        let scalar = match &self.value {
            Value::Scalar(scalar) => scalar.clone(),
            Value::Tensor(tensor) if tensor.numel() == 1 => tensor.data.get(0).unwrap_or(Scalar::None),
            Value::Tensor(_) => return Err(fail(&self.span, "expected an integer, not a tensor")),
        };
        scalar.as_int().ok_or_else(|| fail(&self.span, format!("expected an integer, not {}", scalar.kind())))
    }

    /// The argument as a list of integers: one integer, or a tuple of them.
    pub fn integers(&self) -> Result<Vec<i64>> {
        match &self.value {
            Value::Scalar(Scalar::Tuple(items)) => {
                let one = |item: &Scalar| {
                    item.as_int().ok_or_else(|| fail(&self.span, format!("expected integers, not {}", item.kind())))
                };
                items.iter().map(one).collect()
            }
            _ => Ok(vec![self.integer()?]),
        }
    }

    /// True if the argument is `None`.
    pub fn is_none(&self) -> bool {
        self.value == Value::Scalar(Scalar::None)
    }
}

impl<'a> Bound<'a> {
    /// Puts positional arguments into the places of the parameters.
    pub fn new(
        name: &'a str,
        parameters: &'a str,
        given: Vec<Argument>,
        span: &Range<usize>,
        work: Work<'a>,
    ) -> Result<Self> {
        let named = parameters.split(", ").filter(|parameter| !parameter.is_empty() && !parameter.starts_with('*'));
        let count = named.count();
        let starred = parameters.contains('*');
        let mut given = given.into_iter();
        // A starred parameter takes what stands before the keywords; those behind it go by name only.
        let positional = parameters.split(", ").take_while(|parameter| !parameter.starts_with('*')).count();
        let positional = if starred { positional } else { count };
        let mut arguments: Vec<Option<Argument>> = given.by_ref().take(positional).map(Some).collect();
        arguments.resize(count, None);
        let rest: Vec<Argument> = given.collect();
        if let (false, Some(extra)) = (starred, rest.first()) {
            let error = fail(&extra.span, format!("`{name}` takes no argument here"));
            return Err(error.help(format!("{name}({parameters})")));
        }
        Ok(Self { name, parameters, arguments, rest, span: span.clone(), work })
    }

    /// Puts a keyword argument into the place of its parameter.
    pub fn keyword(&mut self, keyword: &Keyword, argument: Argument) -> Result<()> {
        // PyTorch's names of the same things.
        let name = match keyword.name.as_str() {
            "dim" => "axis",
            "keepdim" => "keepdims",
            name => name,
        };
        let usage = format!("{}({})", self.name, self.parameters);
        let Some(index) = self.index(name) else {
            let error = fail(&keyword.name_span, format!("`{}` takes no `{}`", self.name, keyword.name));
            return Err(error.help(usage));
        };
        if self.arguments[index].is_some() {
            return Err(fail(&keyword.name_span, format!("`{}` is given twice", keyword.name)).help(usage));
        }
        self.arguments[index] = Some(argument);
        Ok(())
    }

    fn index(&self, name: &str) -> Option<usize> {
        let named = self.parameters.split(", ").filter(|parameter| !parameter.starts_with('*'));
        named.map(|parameter| parameter.split('=').next().unwrap_or_default()).position(|known| known == name)
    }

    /// An argument that was given and is not `None`.
    pub fn get(&self, name: &str) -> Option<&Argument> {
        let argument = self.arguments.get(self.index(name)?)?.as_ref();
        argument.filter(|argument| !argument.is_none())
    }

    /// An argument that has to be there.
    pub fn required(&self, name: &str) -> Result<&Argument> {
        self.get(name).ok_or_else(|| {
            let error = fail(&self.span, format!("`{}` needs `{name}`", self.name));
            error.help(format!("{}({})", self.name, self.parameters))
        })
    }

    /// An argument that has to be there, as a tensor.
    pub fn tensor(&self, name: &str) -> Result<Tensor> {
        self.required(name)?.tensor()
    }

    /// An integer, or what it is where none is given.
    pub fn integer(&self, name: &str, default: i64) -> Result<i64> {
        self.get(name).map_or(Ok(default), Argument::integer)
    }

    /// True if the argument `name` is given and is true in Python's sense.
    pub fn is_set(&self, name: &str) -> bool {
        self.get(name).and_then(|argument| argument.value.scalar()).is_some_and(Scalar::truth)
    }

    /// An error whose label covers the whole call.
    pub fn fail(&self, failure: impl Into<Failure>) -> Diagnostic {
        fail(&self.span, failure)
    }

    /// The result of a step, or an error whose label covers the whole call.
    pub fn done<T, F: Into<Failure>>(&self, result: Result<T, F>) -> Result<T> {
        result.map_err(|failure| self.fail(failure))
    }
}
