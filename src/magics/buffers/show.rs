//! `%show`: the elements of a buffer, a view or any tensor expression.

use serde_json::json;

use crate::expression::tensor::functions;
use crate::expression::tensor::{Elements, Tensor, Value};
use crate::expression::{Expr, ExprKind};
use crate::magics::declare::kinds::{Expression, Switch};
use crate::magics::declare::{Argument, Typed};
use crate::magics::{Example, Kind, Magic, Needs, Spec};
use crate::render::array::{self, Array, Cells};
use crate::render::{Column, Document, Output, Table, grouped};
use crate::workspace::recipe::expressions;
use crate::workspace::{Context, Workspace, resolve_view};
use warpbook_device::{Contents, Dtype, Number};
use warpbook_diagnostic::{Diagnostic, Result};
use warpbook_process::work::Work;

/// `%show EXPRESSION`
pub struct Show;

const EXPRESSION: Argument<Expression> = Argument::required(
    "EXPRESSION",
    Expression { placeholder: "EXPRESSION", names: || functions().collect() },
    "a buffer, a view (`a[:4, 2]`), or any expression of tensors and scalars",
);
const FULL: Argument<Switch> = Argument::option("--full", Switch, "every element, however many there are");
const STATS: Argument<Switch> =
    Argument::option("--stats", Switch, "least, largest, mean, deviation, zeros, NaN and inf as well");

/// Most elements that are shown in full: 512 × 512.
const MOST_ELEMENTS: usize = 1 << 18;

const SPEC: Spec = Spec {
    name: "show",
    kind: Kind::Line,
    summary: "show a buffer, a view or any expression of tensors",
    arguments: &[&EXPRESSION],
    options: &[&FULL, &STATS],
    details: "Expressions are numpy's, in double precision; only a cast rounds: `f16(x)`, `x.to(bf16)`.\n\
              Operators: `+ - * / // % ** @ & | ^ ~ << >> < <= > >= == !=`, `x[1:, None, -1]`, `x.T`, \
              `y if condition else z`.\n\
              Along axes (`axis=…`, `keepdims=True`): sum mean max min prod any all argmax argmin var std logsumexp; \
              softmax log_softmax cumsum cumprod sort argsort flip.\n\
              Of each element: exp exp2 log log2 sqrt rsqrt sin cos tanh erf sigmoid relu gelu silu abs floor ceil round \
              isnan isinf isfinite clamp where maximum minimum.\n\
              Shapes: reshape transpose permute broadcast_to concat stack tril triu outer dot; arange zeros ones full eye \
              rand randn randint. Most are methods too: `x.sum(axis=0)`.",
    examples: &[
        Example { cell: "%show a[:4, :4]", needs: Needs::Buffers, shows: "f16 [4, 4]" },
        Example { cell: "%show softmax(a @ b.T / 8, axis=-1) --stats", needs: Needs::Buffers, shows: "mean" },
        Example {
            cell: "%show arange(12).reshape(3, 4).sum(axis=0)",
            needs: Needs::Nothing,
            shows: "[12  15  18  21]",
        },
    ],
};

impl Magic for Show {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn run(&self, typed: &Typed<'_>, workspace: &mut Workspace, context: Context<'_>) -> Result<Option<Output>> {
        let expression = typed.required(&EXPRESSION)?;
        let is_full = typed.has(&FULL);
        let shown = Shown::evaluate(expression, workspace, &context)?;
        let (shape, head) = match &shown {
            Shown::Scalar(text) => return Ok(Some(Output::text(text))),
            Shown::Buffer(contents) => (&contents.shape, format!("{} {:?}", contents.dtype, contents.shape)),
            Shown::Tensor(tensor) => (&tensor.shape, format!("{} {:?}", kind(tensor), tensor.shape)),
        };
        let count = shown.count();
        if is_full && count > MOST_ELEMENTS {
            let error =
                Diagnostic::error("too-large", format!("{} elements are too many to read", grouped(count as u64)));
            let error = error.at(expression.span.clone(), "");
            return Err(error.help("show a part, `a[:64, :64]`, or write all to a file: `%save a a.npy`"));
        }
        let mut head = format!("{head} · {} element{}", grouped(count as u64), if count == 1 { "" } else { "s" });
        if let Shown::Tensor(tensor) = &shown
            && tensor.dtype.is_none()
            && matches!(*tensor.data, Elements::Float(_))
        {
            head.push_str(" · not rounded to any type");
        }
        let cells = Cells { shape, element: &|index| shown.element(index), is_full };
        let mut document = Document::default();
        document.line(head);
        document.push(Array::new(&cells));
        let mut facts = json!({ "shape": shape, "dtype": shown.dtype() });
        if typed.has(&STATS) {
            let stats = Statistics::compute(&shown, Work::new(context.cancel))?;
            document.push(stats.table());
            facts["stats"] = stats.json();
        }
        Ok(Some(document.with_facts(facts).output()))
    }
}

/// The elements of contents, cut as those of any large tensor are.
pub fn elements(contents: Contents) -> Array {
    let shape = contents.shape.clone();
    let shown = Shown::Buffer(contents);
    Array::new(&Cells { shape: &shape, element: &|index| shown.element(index), is_full: false })
}

/// The name of a tensor's type, or of its kind where it has none.
fn kind(tensor: &Tensor) -> &'static str {
    match (&tensor.dtype, &*tensor.data) {
        (Some(dtype), _) => dtype.name(),
        (None, Elements::Float(_)) => "f64",
        (None, Elements::Int(_)) => "i64",
        (None, Elements::Bool(_)) => "i1",
    }
}

/// The value that `%show` shows.
enum Shown {
    /// A buffer or a part of one: its elements as they are, unsigned ones of 64 bits too.
    Buffer(Contents),
    Tensor(Tensor),
    Scalar(String),
}

impl Shown {
    fn evaluate(expression: &Expr, workspace: &Workspace, context: &Context<'_>) -> Result<Self> {
        // What is no view can be a tensor; what is wrong as both is said below.
        if let Ok(Some(view)) = resolve_view(expression, workspace) {
            let bytes = workspace.read(&view)?;
            return Ok(Self::Buffer(Contents { dtype: view.dtype, shape: view.shape, bytes }));
        }
        Ok(match expressions::value(expression, workspace, context.cancel)? {
            Value::Tensor(tensor) => Self::Tensor(tensor),
            // A list of numbers is a tensor; a tuple, such as a shape, is none.
            Value::Scalar(scalar) => match (&expression.kind, Tensor::from_scalar(&scalar)) {
                (ExprKind::List(_), Some(tensor)) => Self::Tensor(tensor),
                _ => Self::Scalar(scalar.to_string()),
            },
        })
    }

    fn count(&self) -> usize {
        match self {
            Self::Buffer(contents) => contents.bytes.len() / contents.dtype.size(),
            Self::Tensor(tensor) => tensor.numel(),
            Self::Scalar(_) => 1,
        }
    }

    fn dtype(&self) -> Option<&str> {
        match self {
            Self::Buffer(contents) => Some(contents.dtype.name()),
            Self::Tensor(tensor) => Some(kind(tensor)),
            Self::Scalar(_) => None,
        }
    }

    fn number(&self, index: usize) -> Number {
        match self {
            Self::Buffer(Contents { dtype, bytes, .. }) => {
                let size = dtype.size();
                dtype.decode(bytes.get(index * size..(index + 1) * size).unwrap_or_default())
            }
            Self::Tensor(tensor) => match &*tensor.data {
                Elements::Float(values) => Number::Float(values.get(index).copied().unwrap_or_default()),
                Elements::Int(values) => Number::Int(values.get(index).copied().unwrap_or_default().into()),
                Elements::Bool(values) => Number::Int(values.get(index).copied().unwrap_or_default().into()),
            },
            Self::Scalar(_) => Number::Int(0),
        }
    }

    fn element(&self, index: usize) -> array::Element {
        let is_bool = match self {
            Self::Buffer(contents) => contents.dtype == Dtype::I1,
            Self::Tensor(tensor) => matches!(*tensor.data, Elements::Bool(_)),
            Self::Scalar(_) => false,
        };
        match self.number(index) {
            Number::Float(value) => array::Element::Float(value),
            Number::Int(value) if is_bool => array::Element::Text(if value != 0 { "True" } else { "False" }.to_owned()),
            Number::Int(value) => array::Element::Text(value.to_string()),
        }
    }
}

/// Facts about all elements. Least, largest, mean and deviation are of the finite elements only.
struct Statistics {
    least: f64,
    largest: f64,
    mean: f64,
    deviation: f64,
    zeros: usize,
    nans: usize,
    infinities: usize,
}

impl Default for Statistics {
    /// Of no elements.
    fn default() -> Self {
        let nan = f64::NAN;
        Self { least: nan, largest: nan, mean: nan, deviation: nan, zeros: 0, nans: 0, infinities: 0 }
    }
}

impl Statistics {
    fn compute(shown: &Shown, work: Work<'_>) -> Result<Self> {
        let (mut found, mut sum, mut finite) = (Self::default(), 0.0, 0usize);
        work.steps(shown.count(), |range| {
            for value in range.map(|index| shown.number(index).to_f64()) {
                found.zeros += usize::from(value == 0.0);
                found.nans += usize::from(value.is_nan());
                found.infinities += usize::from(value.is_infinite());
                if value.is_finite() {
                    (found.least, found.largest) = (found.least.min(value), found.largest.max(value));
                    sum += value;
                    finite += 1;
                }
            }
        })?;
        let mean = sum / finite as f64;
        let mut squares = 0.0;
        work.steps(shown.count(), |range| {
            let values = range.map(|index| shown.number(index).to_f64()).filter(|value| value.is_finite());
            squares += values.map(|value| (value - mean) * (value - mean)).sum::<f64>();
        })?;
        Ok(Self { mean, deviation: (squares / finite as f64).sqrt(), ..found })
    }

    fn table(&self) -> Table {
        let numbers = [self.least, self.largest, self.mean, self.deviation].map(array::short);
        let counts = [self.zeros, self.nans, self.infinities].map(|count| grouped(count as u64));
        let titles = ["min", "max", "mean", "std", "zeros", "nan", "inf"];
        let columns = titles.map(|title| Column::number(title).left_in_text());
        Table::new(columns).row(numbers.into_iter().chain(counts))
    }

    fn json(&self) -> serde_json::Value {
        json!({
            "min": self.least, "max": self.largest, "mean": self.mean, "std": self.deviation,
            "zeros": self.zeros, "nan": self.nans, "inf": self.infinities,
        })
    }
}
