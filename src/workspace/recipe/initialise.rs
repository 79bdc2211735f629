//! Initialisers of `%buf`: `zeros(512, 512, dtype=f16)`, `randn(8, seed=1)`, `arange(10)`, `[1, 2, 3]`.

use std::ops::Range;

use super::random::Random;
use crate::expression::{Expr, ExprKind, Keyword, Scalar, evaluate};
use crate::workspace::{Workspace, resolve_view};
use warpbook_device::{Contents, Dtype, Number};
use warpbook_diagnostic::{Diagnostic, Result, nearest};
use warpbook_process::memory::{self, Shortage};
use warpbook_process::work::Work;

/// The functions, with what they take.
pub const INITIALISERS: [(&str, &str); 12] = [
    ("zeros", "zeros(M, N, dtype=f32)"),
    ("ones", "ones(M, N, dtype=f32)"),
    ("full", "full((M, N), value, dtype=f32)"),
    ("empty", "empty(M, N, dtype=f32)"),
    ("arange", "arange(stop) or arange(start, stop, step), dtype=i32"),
    ("eye", "eye(N, dtype=f32)"),
    ("rand", "rand(M, N, dtype=f32, seed=0): uniform in [0, 1)"),
    ("randn", "randn(M, N, dtype=f32, seed=0): normal, mean 0, variance 1"),
    ("randint", "randint(low, high, (M, N), dtype=i32, seed=0): low ≤ x < high"),
    ("zeros_like", "zeros_like(a)"),
    ("ones_like", "ones_like(a)"),
    ("empty_like", "empty_like(a)"),
];

/// Evaluates an initialiser; `None` where the expression is none (a view, an expression of tensors).
pub fn initialise(expression: &Expr, workspace: &Workspace, work: Work<'_>) -> Result<Option<Contents>> {
    match &expression.kind {
        ExprKind::List(_) => literal(expression, workspace).map(Some),
        ExprKind::Call { callee, args, keywords } => {
            let ExprKind::Name(name) = &callee.kind else { return Ok(None) };
            let Some((_, usage)) = INITIALISERS.into_iter().find(|(known, _)| known == name) else { return Ok(None) };
            let call = Call { name, usage, args, keywords, span: &expression.span, workspace, work };
            call.run().map(Some)
        }
        _ => Ok(None),
    }
}

/// One call of an initialiser.
struct Call<'a> {
    name: &'a str,
    usage: &'a str,
    args: &'a [Expr],
    keywords: &'a [Keyword],
    span: &'a Range<usize>,
    workspace: &'a Workspace,
    work: Work<'a>,
}

impl Call<'_> {
    fn fail(&self, span: &Range<usize>, message: impl Into<String>) -> Diagnostic {
        Diagnostic::error("initialiser", message).at(span.clone(), "").help(self.usage)
    }

    fn run(&self) -> Result<Contents> {
        let takes_seed = self.name.starts_with("rand");
        let known: &[&str] = if takes_seed { &["dtype", "seed", "shape"] } else { &["dtype", "shape"] };
        for keyword in self.keywords {
            if !known.contains(&keyword.name.as_str()) {
                let error = self.fail(&keyword.name_span, format!("`{}` takes no `{}`", self.name, keyword.name));
                return Err(match nearest(&keyword.name, known.iter().copied()) {
                    Some(near) => error.help(format!("did you mean `{near}`?")),
                    None => error,
                });
            }
        }
        match self.name {
            "arange" => self.arange(),
            "eye" => self.eye(),
            "full" => self.full(),
            "randint" => self.randint(),
            "zeros_like" | "ones_like" | "empty_like" => self.like(),
            _ => self.simple(),
        }
    }

    fn value(&self, expression: &Expr) -> Result<Scalar> {
        evaluate(expression, &self.workspace.scope())
    }

    fn keyword(&self, name: &str) -> Option<&Keyword> {
        self.keywords.iter().find(|keyword| keyword.name == name)
    }

    fn dtype(&self) -> Result<Option<Dtype>> {
        let Some(keyword) = self.keyword("dtype") else { return Ok(None) };
        let found = match &keyword.value.kind {
            // A misspelt type is no unknown scalar.
            ExprKind::Name(name) if self.workspace.scalars.get(name).is_none() => Dtype::parse(name),
            _ => match self.value(&keyword.value)? {
                Scalar::Dtype(element) => Dtype::from_element(element),
                Scalar::Str(name) => Dtype::parse(&name),
                _ => None,
            },
        };
        found.map(Some).ok_or_else(|| {
            let names = Dtype::ALL.map(Dtype::name).join(", ");
            let error = Diagnostic::error("dtype", "this is not a data type").at(keyword.value.span.clone(), "");
            error.note(format!("there are {names}"))
        })
    }

    fn seed(&self) -> Result<u64> {
        let Some(keyword) = self.keyword("seed") else { return Ok(0) };
        match self.value(&keyword.value)?.as_int() {
            Some(seed) => Ok(seed as u64),
            None => Err(self.fail(&keyword.value.span, "a seed is an integer")),
        }
    }

    /// A shape from `shape=…`, from the extents themselves or from one tuple of them.
    fn shape(&self, args: &[Expr]) -> Result<Vec<usize>> {
        let extents = match (self.keyword("shape"), args) {
            (Some(keyword), []) => std::slice::from_ref(&keyword.value),
            (Some(keyword), _) => return Err(self.fail(&keyword.name_span, "the shape is given twice")),
            (None, args) => args,
        };
        let mut shape = Vec::new();
        for expression in extents {
            let value = self.value(expression)?;
            let values = match value {
                Scalar::Tuple(items) if extents.len() == 1 => items,
                value => vec![value],
            };
            for value in values {
                match value.as_int().map(usize::try_from) {
                    Some(Ok(extent)) => shape.push(extent),
                    _ => {
                        return Err(
                            self.fail(&expression.span, format!("an extent is an integer of 0 or more, not {value}"))
                        );
                    }
                }
            }
        }
        Ok(shape)
    }

    fn fill(&self, dtype: Dtype, shape: Vec<usize>, mut next: impl FnMut() -> Number) -> Result<Contents> {
        let mut bytes = reserve(dtype, &shape, self.span)?;
        let count: usize = shape.iter().product();
        self.work.steps(count, |range| range.for_each(|_| dtype.encode(next(), &mut bytes)))?;
        Ok(Contents { dtype, shape, bytes })
    }

    fn simple(&self) -> Result<Contents> {
        let dtype = self.dtype()?.unwrap_or(Dtype::F32);
        let shape = self.shape(self.args)?;
        match self.name {
            "ones" => self.fill(dtype, shape, || Number::Int(1)),
            "rand" | "randn" => {
                if !dtype.is_float() {
                    let error =
                        self.fail(self.span, format!("`{}` makes floating-point numbers, not {dtype}", self.name));
                    return Err(error.help("`randint(low, high, …)` makes integers"));
                }
                let mut random = Random::new(self.seed()?);
                let normal = self.name == "randn";
                self.fill(dtype, shape, || Number::Float(if normal { random.normal() } else { random.uniform() }))
            }
            _ => {
                let mut bytes = reserve(dtype, &shape, self.span)?;
                let size = shape.iter().product::<usize>() * dtype.size();
                self.work.steps(size, |range| bytes.resize(range.end, 0))?;
                Ok(Contents { dtype, shape, bytes })
            }
        }
    }

    fn full(&self) -> Result<Contents> {
        let [shape, value] = self.args else { return Err(self.fail(self.span, "`full` takes a shape and a value")) };
        let number = self.value(value)?;
        let dtype = self.dtype()?.unwrap_or(natural(&number));
        let number = number_of(&number, dtype, &value.span)?;
        self.fill(dtype, self.shape(std::slice::from_ref(shape))?, || number)
    }

    fn arange(&self) -> Result<Contents> {
        let values = self.args.iter().map(|argument| self.value(argument)).collect::<Result<Vec<_>>>()?;
        let (start, stop, step) = match values.as_slice() {
            [stop] => (Scalar::Int(0), stop.clone(), Scalar::Int(1)),
            [start, stop] => (start.clone(), stop.clone(), Scalar::Int(1)),
            [start, stop, step] => (start.clone(), stop.clone(), step.clone()),
            _ => return Err(self.fail(self.span, "`arange` takes one to three numbers")),
        };
        let integers = (start.as_int(), stop.as_int(), step.as_int());
        if let (Some(start), Some(stop), Some(step)) = integers {
            if step == 0 {
                return Err(self.fail(self.span, "the step of `arange` is not 0"));
            }
            let (start, stop, step) = (i128::from(start), i128::from(stop), i128::from(step));
            let distance = if step > 0 { stop - start } else { start - stop };
            let count = if distance <= 0 { 0 } else { (distance - 1) / step.abs() + 1 };
            let dtype = self.dtype()?.unwrap_or(Dtype::I32);
            let count = usize::try_from(count).map_err(|_| self.fail(self.span, "this is too long"))?;
            if let Some((low, high)) = dtype.range() {
                let last = start + step * (count as i128 - 1).max(0);
                if count > 0 && !(low <= start.min(last) && start.max(last) <= high) {
                    return Err(self.fail(self.span, format!("{dtype} holds only {low} to {high}")));
                }
            }
            let mut next = start;
            return self.fill(dtype, vec![count], || {
                let value = next;
                next += step;
                Number::Int(value)
            });
        }
        let (Some(start), Some(stop), Some(step)) = (start.as_float(), stop.as_float(), step.as_float()) else {
            return Err(self.fail(self.span, "`arange` takes numbers"));
        };
        let count = ((stop - start) / step).ceil();
        if !count.is_finite() || count > 1e15 {
            return Err(self.fail(self.span, "`arange` needs finite numbers and a step that is not 0"));
        }
        let dtype = self.dtype()?.unwrap_or(Dtype::F32);
        let mut index = 0.0;
        self.fill(dtype, vec![count.max(0.0) as usize], || {
            let value = start + step * index;
            index += 1.0;
            Number::Float(value)
        })
    }

    fn eye(&self) -> Result<Contents> {
        let shape = self.shape(self.args)?;
        let shape = match shape.as_slice() {
            [n] => vec![*n, *n],
            [_, _] => shape,
            _ => return Err(self.fail(self.span, "`eye` takes one or two extents")),
        };
        let columns = shape[1].max(1);
        let mut index = 0;
        self.fill(self.dtype()?.unwrap_or(Dtype::F32), shape, || {
            let one = index / columns == index % columns;
            index += 1;
            Number::Int(one.into())
        })
    }

    fn randint(&self) -> Result<Contents> {
        let [low, high, shape @ ..] = self.args else {
            return Err(self.fail(self.span, "`randint` takes two bounds and a shape"));
        };
        let bound = |expression: &Expr| {
            self.value(expression)?.as_int().ok_or_else(|| self.fail(&expression.span, "a bound is an integer"))
        };
        let (low_value, high_value) = (bound(low)?, bound(high)?);
        if low_value >= high_value {
            return Err(self.fail(&(low.span.start..high.span.end), "the upper bound has to be above the lower one"));
        }
        let dtype = self.dtype()?.unwrap_or(Dtype::I32);
        if let Some((least, largest)) = dtype.range()
            && (i128::from(low_value) < least || i128::from(high_value) - 1 > largest)
        {
            let span = low.span.start..high.span.end;
            return Err(self.fail(&span, format!("{dtype} holds only {least} to {largest}")));
        }
        let mut random = Random::new(self.seed()?);
        self.fill(dtype, self.shape(shape)?, || Number::Int(random.integer(low_value, high_value).into()))
    }

    fn like(&self) -> Result<Contents> {
        let [of] = self.args else { return Err(self.fail(self.span, "it takes one buffer")) };
        let Some(view) = resolve_view(of, self.workspace)? else {
            return Err(self.fail(&of.span, "this is not a buffer"));
        };
        let dtype = self.dtype()?.unwrap_or(view.dtype);
        let value = Number::Int(i128::from(self.name == "ones_like"));
        self.fill(dtype, view.shape, || value)
    }
}

/// A list of numbers, or of lists of the same length.
fn literal(expression: &Expr, workspace: &Workspace) -> Result<Contents> {
    let value = evaluate(expression, &workspace.scope())?;
    let mut shape = Vec::new();
    let mut first = &value;
    while let Scalar::Tuple(items) = first {
        shape.push(items.len());
        let Some(inner) = items.first() else { break };
        first = inner;
    }
    let mut leaves = Vec::new();
    if !flatten(&value, &shape, &mut leaves) {
        let error =
            Diagnostic::error("initialiser", "the lists have different lengths").at(expression.span.clone(), "");
        return Err(error.note("a buffer is rectangular"));
    }
    let mut dtype = leaves.first().map_or(Dtype::F32, natural);
    for leaf in &leaves {
        dtype = match (dtype, natural(leaf)) {
            (Dtype::F32, _) | (_, Dtype::F32) => Dtype::F32,
            (Dtype::I64, _) | (_, Dtype::I64) => Dtype::I64,
            (a, b) if a == b => a,
            _ => Dtype::I32,
        };
    }
    let mut bytes = reserve(dtype, &shape, &expression.span)?;
    for leaf in &leaves {
        dtype.encode(number_of(leaf, dtype, &expression.span)?, &mut bytes);
    }
    Ok(Contents { dtype, shape, bytes })
}

fn flatten(value: &Scalar, shape: &[usize], leaves: &mut Vec<Scalar>) -> bool {
    match (value, shape) {
        (Scalar::Tuple(items), [extent, rest @ ..]) => {
            items.len() == *extent && items.iter().all(|item| flatten(item, rest, leaves))
        }
        (Scalar::Tuple(_), []) | (_, [_, ..]) => false,
        (leaf, []) => {
            leaves.push(leaf.clone());
            true
        }
    }
}

/// The data type of a number that is given without one.
fn natural(value: &Scalar) -> Dtype {
    match value {
        Scalar::Bool(_) => Dtype::I1,
        Scalar::Int(value) if i32::try_from(*value).is_err() => Dtype::I64,
        Scalar::Int(_) => Dtype::I32,
        _ => Dtype::F32,
    }
}

/// A scalar as an element; an integer that does not fit is refused.
pub fn number_of(value: &Scalar, dtype: Dtype, span: &Range<usize>) -> Result<Number> {
    let fail = |message: String| Err(Diagnostic::error("initialiser", message).at(span.clone(), ""));
    let number = match value {
        Scalar::Int(value) => Number::Int((*value).into()),
        Scalar::Bool(value) => Number::Int((*value).into()),
        Scalar::Float(value) => Number::Float(*value),
        other => return fail(format!("an element is a number, not {}", other.kind())),
    };
    match (number, dtype.range()) {
        (Number::Int(value), Some((low, high))) if !(low..=high).contains(&value) => {
            fail(format!("{value} does not fit {dtype}, which holds {low} to {high}"))
        }
        // Infinity and NaN have no fraction that is 0.
        (Number::Float(value), Some(_)) if dtype != Dtype::I1 && value.fract() != 0.0 => {
            fail(format!("{value} is not an integer, but the buffer is {dtype}"))
        }
        (Number::Float(value), Some((low, high))) if dtype != Dtype::I1 && !(low..=high).contains(&(value as i128)) => {
            fail(format!("{value} does not fit {dtype}, which holds {low} to {high}"))
        }
        _ => Ok(number),
    }
}

/// Room for the elements of a shape; an error where there is none for them and for the emulated device's copy.
pub fn reserve(dtype: Dtype, shape: &[usize], span: &Range<usize>) -> Result<Vec<u8>> {
    // An extent of 0 must not hide others that no address has: strides are products too.
    let bytes = shape.iter().try_fold(dtype.size(), |product, &extent| product.checked_mul(extent.max(1)));
    let both = bytes.and_then(|bytes| (bytes as u64).checked_mul(2));
    let what = || format!("{shape:?} of {dtype}");
    let refused = |shortage: Shortage| {
        let wanted = bytes.map(|bytes| bytes as u64);
        let error = Shortage { wanted, ..shortage }.diagnostic(&what()).at(span.clone(), "");
        error.note("the host holds a copy beside the emulated device's")
    };
    memory::check(both).map_err(refused)?;
    memory::room(bytes.unwrap_or(usize::MAX)).map_err(refused)
}
