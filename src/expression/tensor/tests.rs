//! Values that numpy computed, and the mistakes that are named.

use super::super::{Expr, ExprKind, Scalar, Scope, parse};
use super::{Elements, Failure, Tensor, TensorScope, Value, evaluate_tensor};
use warpbook_diagnostic::Result;
use warpbook_gpu::ElementType;
use warpbook_process::cancel::Cancel;
use warpbook_process::work::Work;

/// The tensors that `golden.txt` was computed with.
struct Names;

fn named(name: &str) -> Option<Tensor> {
    let floats = |shape: &[usize], values: &[f64]| Tensor::new(shape.to_vec(), Elements::Float(values.to_vec()));
    let ints = |shape: &[usize], values: &[i64]| Tensor::new(shape.to_vec(), Elements::Int(values.to_vec()));
    Some(match name {
        "a" => floats(&[2, 3], &[0.5, -1.25, 2.0, 3.5, 0.0, -0.75]),
        "b" => floats(&[3, 2], &[1.0, -2.0, 0.25, 4.0, -1.5, 0.125]),
        "v" => floats(&[3], &[2.0, -1.0, 0.5]),
        "n" => floats(&[3], &[1.0, f64::NAN, 3.0]),
        "i" => ints(&[2, 3], &[7, -7, 3, 0, 5, -2]),
        "j" => ints(&[3], &[2, 3, -4]),
        "t" => ints(&[2, 3, 4], &(0..24).collect::<Vec<_>>()),
        "m" => Tensor::new(vec![2, 3], Elements::Bool(vec![true, false, true, false, false, true])),
        _ => return None,
    })
}

impl Scope for Names {
    fn name(&self, name: &str) -> Option<Scalar> {
        matches!(name, "f16" | "float16").then(|| Scalar::Dtype(ElementType::F16))
    }

    fn member(&self, base: &str, member: &str, _: Option<&[Scalar]>) -> Option<Scalar> {
        let tensor = named(base).filter(|_| member == "shape")?;
        Some(Scalar::Tuple(tensor.shape.iter().map(|&extent| Scalar::Int(extent as i64)).collect()))
    }

    fn names(&self) -> Vec<String> {
        Vec::new()
    }
}

impl TensorScope for Names {
    fn tensor(&self, expression: &Expr, _: Work<'_>) -> Result<Option<Tensor>> {
        // Views are the workspace's; here the evaluator itself has to take them apart.
        Ok(match &expression.kind {
            ExprKind::Name(name) => named(name),
            _ => None,
        })
    }

    fn cast(&self, dtype: ElementType, elements: &Elements, work: Work<'_>) -> Result<Elements, Failure> {
        assert_eq!(dtype, ElementType::F16);
        let values = elements.floats(work)?;
        Ok(Elements::Float(work.map(&values, |&value| half::f16::from_f64(value).to_f64())?))
    }
}

fn value(text: &str) -> Result<Value> {
    evaluate_tensor(&parse(text, 0..text.len())?, &Names, &Cancel::new())
}

/// Doubles agree with numpy's to four units in the last place of 1 or of the value, integers and bools exactly.
#[test]
fn values_are_numpy_s() {
    let lines: Vec<&str> = include_str!("golden.txt").lines().collect();
    assert!(lines.len() > 100);
    for line in lines {
        let (text, expected) = line.split_once(" => ").expect("an expression and its value");
        let (head, values) = expected.split_once(" :").expect("a kind, a shape and values");
        let (kind, shape) = head.split_once(' ').expect("a kind and a shape");
        let expected: Vec<f64> = values.split_whitespace().map(|value| value.parse().expect("a number")).collect();
        let tensor = match value(text).unwrap_or_else(|error| panic!("{text}: {error}")) {
            Value::Tensor(tensor) => tensor,
            Value::Scalar(scalar) => Tensor::from_scalar(&scalar).expect("a number"),
        };
        let extents: Vec<String> = tensor.shape.iter().map(usize::to_string).collect();
        assert_eq!(if extents.is_empty() { "-".to_owned() } else { extents.join("x") }, shape, "{text}");
        let own = match *tensor.data {
            Elements::Float(_) => "f",
            Elements::Int(_) => "i",
            Elements::Bool(_) => "b",
        };
        assert_eq!(own, kind, "{text}");
        let cancel = Cancel::new();
        let found = tensor.data.floats(Work::new(&cancel)).expect(text);
        assert_eq!(found.len(), expected.len(), "{text}");
        for (found, expected) in found.iter().zip(&expected) {
            let tolerance = if kind == "f" { 4.0 * f64::EPSILON * expected.abs().max(1.0) } else { 0.0 };
            let equal = found == expected || found.is_nan() && expected.is_nan();
            assert!(equal || (found - expected).abs() <= tolerance, "{text}: {found} for {expected}");
        }
    }
}

#[test]
fn mistakes_are_named_at_their_place() {
    for (text, message, place) in [
        ("a + b", "shapes [2, 3] and [3, 2] do not broadcast", "+"),
        ("(a * 2)  @ v[:2]", "shapes [2, 3] and [2] do not multiply: 3 columns meet 2 rows", "@"),
        ("a @ 2", "shapes [2, 3] and [] do not multiply: `@` takes vectors and matrices", "@"),
        ("a + 'x'", "this takes tensors and numbers, not a string", "+"),
        ("i // (j - 2)", "division of an integer by zero", "//"),
        ("a & m", "this operator takes integers or bools, not floats", "&"),
        ("softmx(a)", "there is no function `softmx`", "softmx"),
        ("a.summ()", "there is no method of tensors `summ`", "a.summ"),
        ("a.sum(axis=2)", "there is no axis 2 among 2 dimensions", "2"),
        ("a.sum(axes=1)", "`sum` takes no `axes`", "axes"),
        ("exp(a, 2)", "`exp` takes no argument here", "2"),
        ("where(m)", "`where` needs `x`", "where(m)"),
        ("a and m", "a tensor of [2, 3] is neither true nor false", "a"),
        ("a.reshape(4)", "6 elements do not fit the shape [4]", "a.reshape(4)"),
        ("(a + 1)[0, 5]", "index 5 is outside of dimension 1", "5"),
        ("a[:, [0, 3]]", "index 3 is outside of dimension 1, whose extent is 3", "[0, 3]"),
        ("a[m]", "a mask of shape [2, 3] does not fit 2 elements", "m"),
        ("a[v]", "an index is an integer, not a float", "v"),
        ("t[j - 2, j]", "only one index may be a tensor", "j"),
        ("t[0, :, j]", "a tensor and a number as indices stand side by side", "t[0, :, j]"),
        ("max(zeros(0))", "`max` of no elements: the shape is [0]", "max(zeros(0))"),
        ("concat([a, b])", "shapes [2, 3] and [3, 2] do not join along axis 0", "b"),
        ("a + q", "nothing is named `q`", "q"),
        ("arange(0, 1, 0)", "the step of `arange` is not 0", "arange(0, 1, 0)"),
        ("a.to(3)", "this is not a data type", "3"),
    ] {
        let error = value(text).expect_err(text);
        assert_eq!(error.message, message, "{text}");
        assert_eq!(&text[error.labels[0].span.clone()], place, "{text}");
    }
    assert_eq!(value("softmx(a)").expect_err("unknown").help, ["did you mean `softmax`?"]);
}

#[test]
fn what_no_machine_holds_is_refused() {
    for text in [
        "zeros(1000000, 1000000, 1000000)",
        "ones(4611686018427387904, 4)",
        "arange(9223372036854775807)",
        "outer(arange(1000000), arange(1000000))",
        "eye(10000000)",
        "full((1 << 62, 2), 0)",
        "broadcast_to(v, 10000000000000, 3)",
        "arange(0, 1, 1e-300)",
    ] {
        let error = value(text).expect_err(text);
        assert!(error.message.contains("memory"), "{text}: {error}");
    }
    for text in [
        "zeros(0, 4611686018427387904, 4611686018427387904).sum(axis=0).T",
        "flip(zeros(0, 4611686018427387904, 4))",
        "zeros(4611686018427387904, 0)[1:, :, None]",
        "arange(-9223372036854775807, 9223372036854775807, 4611686018427387904)",
        "i << 63",
        "(i - 9223372036854775807) // -1",
        "tril(zeros(0, 0))",
        "softmax(zeros(2, 0))",
        "zeros(2, 0)[:, []]",
        "zeros(0, 4)[[]]",
        "zeros(3, 0)[[0, 1]]",
        "sort(n)[::-1][0:100:7]",
        "concat([zeros(2, 0), zeros(2, 0)], axis=1)",
        "a[5:9223372036854775807, -9223372036854775807::9223372036854775807]",
    ] {
        // Any answer but a panic.
        let _ = value(text);
    }
}

#[test]
fn a_cast_says_the_type_and_arithmetic_forgets_it() {
    let dtype = |text: &str| match value(text) {
        Ok(Value::Tensor(tensor)) => tensor.dtype,
        other => panic!("{text}: {other:?}"),
    };
    assert_eq!(dtype("f16(a).T[1:].reshape(-1)"), Some(ElementType::F16));
    assert_eq!(dtype("max(a.to(float16), axis=0)"), Some(ElementType::F16));
    assert_eq!(dtype("f16(a) + 1"), None);
}

#[test]
fn large_products_are_split_over_threads_and_can_be_interrupted() {
    let text = "ones(200, 130) @ full((130, 300), 0.5)";
    let Ok(Value::Tensor(product)) = value(text) else { panic!("{text}") };
    assert_eq!(*product.data, Elements::Float(vec![65.0; 60000]));
    // 3 matrices of 67 rows: shares of threads end within a matrix, and groups of four rows do not divide it.
    let text = "(arange(67 * 3 * 150).reshape(3, 67, 150) % 7) @ (arange(150 * 290).reshape(150, 290) % 5)";
    let Ok(Value::Tensor(product)) = value(text) else { panic!("{text}") };
    let Elements::Int(found) = &*product.data else { panic!("{text}") };
    for (index, &found) in found.iter().enumerate() {
        let (row, column) = ((index / 290) as i64, (index % 290) as i64);
        let expected: i64 = (0..150).map(|k| ((row * 150 + k) % 7) * ((k * 290 + column) % 5)).sum();
        assert_eq!(found, expected, "{row} {column}");
    }
    let text = "ones(200, 130) @ full((130, 300), 0.5)";
    let cancel = Cancel::new();
    cancel.cancel();
    let expression = parse(text, 0..text.len()).expect("parsed");
    assert!(evaluate_tensor(&expression, &Names, &cancel).expect_err("interrupted").is_interrupted());
}

/// Names whose look-up interrupts the cell: what comes after it has to notice by itself.
struct Interrupting<'a>(&'a Cancel);

impl Scope for Interrupting<'_> {
    fn name(&self, name: &str) -> Option<Scalar> {
        Names.name(name)
    }

    fn member(&self, base: &str, member: &str, args: Option<&[Scalar]>) -> Option<Scalar> {
        Names.member(base, member, args)
    }

    fn names(&self) -> Vec<String> {
        Vec::new()
    }
}

impl TensorScope for Interrupting<'_> {
    fn tensor(&self, expression: &Expr, work: Work<'_>) -> Result<Option<Tensor>> {
        let found = Names.tensor(expression, work)?;
        if found.is_some() {
            self.0.cancel();
        }
        Ok(found)
    }

    fn cast(&self, dtype: ElementType, elements: &Elements, work: Work<'_>) -> Result<Elements, Failure> {
        Names.cast(dtype, elements, work)
    }
}

/// Each function and operator looks at the interrupt itself, not only the evaluator between two of them.
#[test]
fn every_function_can_be_interrupted() {
    // These move no elements of a matrix whose axes stay where they are.
    let moves_nothing = ["reshape", "arange", "zeros", "ones", "full", "eye", "clamp", "view"];
    let with = |name: &str| match name {
        "where" => "where(1, 2, a)".to_owned(),
        "maximum" | "minimum" | "outer" => format!("{name}(1, a)"),
        "dot" => "dot([1, 2], a)".to_owned(),
        "broadcast_to" => "a.broadcast_to(2, 2, 3)".to_owned(),
        "transpose" | "flip" | "tril" | "triu" => format!("{name}(a)"),
        name if name.starts_with("arg") || matches!(name, "any" | "all") => format!("{name}(i)"),
        name => format!("{name}(a)"),
    };
    let functions = super::functions().filter(|name| !moves_nothing.contains(&name.as_str()));
    let functions = functions.map(|name| with(&name));
    let operators =
        ["1 + a", "1 < i", "2 ** i", "7 // (j)", "True & m", "-a", "~i", "~m", "[1, 2] @ a", "[1.5, 2] @ i"];
    let others = ["f16(a)", "a[[0, 1]]", "a[:, ::-1]", "a.T.T", "a.t()", "a.permute(1, 0)", "i.sum(0)", "m.any(1)"];
    for text in functions.chain(operators.into_iter().chain(others).map(str::to_owned)) {
        let cancel = Cancel::new();
        let scope = Interrupting(&cancel);
        let expression = parse(&text, 0..text.len()).expect("parsed");
        match evaluate_tensor(&expression, &scope, &cancel) {
            Err(error) if error.is_interrupted() => {}
            other => panic!("{text}: {other:?}"),
        }
    }
}
