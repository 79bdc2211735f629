//! The arguments of a launch against the parameters of the compiled kernel: checked, then written as bytes.

use std::ops::Range;
use warpbook_gpu::ElementType;

use half::{bf16, f16};

use super::{Param, ParamKind};
use warpbook_diagnostic::{Diagnostic, Result};

/// An argument of a launch.
#[derive(Clone, Debug, PartialEq)]
pub struct GivenArgument {
    /// Bytes of the argument in the cell, for the labels of errors.
    pub span: Range<usize>,
    /// Name of the argument in messages: the parameter's name, or the argument's own text.
    pub label: String,
    /// The value of the argument.
    pub kind: GivenKind,
}

/// The value of an argument.
#[derive(Clone, Debug, PartialEq)]
pub enum GivenKind {
    /// A buffer, or a part of one.
    Pointer {
        /// The element type; `None` fits every pointer.
        element: Option<ElementType>,
        /// Address of the first element in device memory.
        address: u64,
    },
    /// An integer, checked against the parameter's width when it is encoded.
    Int(i64),
    /// A floating-point number.
    Float(f64),
    /// `True` or `False`; 1 and 0 for a parameter of another type.
    Bool(bool),
    /// A host tensor-map descriptor.
    TensorMap([u8; 128]),
    /// The bytes of a structure.
    Bytes(Vec<u8>),
}

/// The value of every parameter, as wide as the parameter, in order. `whole` is where an argument would stand that is
/// not there.
pub fn encode(params: &[Param], given: &[GivenArgument], whole: &Range<usize>) -> Result<Vec<Vec<u8>>> {
    check_count(params, given, whole)?;
    params.iter().zip(given).map(|(param, argument)| encode_one(param, argument)).collect()
}

fn check_count(params: &[Param], given: &[GivenArgument], whole: &Range<usize>) -> Result<()> {
    let quoted = |params: &[Param]| {
        let names: Vec<String> = params.iter().map(|p| format!("`{}` ({})", p.name, p.type_name())).collect();
        names.join(", ")
    };
    let plural = if params.len() == 1 { "" } else { "s" };
    let message = format!("the kernel takes {} argument{plural}, and is given {}", params.len(), given.len());
    let error = Diagnostic::error("argument-count", message);
    let error = match (params.get(given.len()..), given.get(params.len()..)) {
        (Some([]), _) => return Ok(()),
        (Some(missing), _) => error.at(whole.clone(), format!("missing: {}", quoted(missing))),
        (None, Some([first, rest @ ..])) => {
            let end = rest.last().map_or(first.span.end, |last| last.span.end);
            error.at(first.span.start..end.max(first.span.end), "too much")
        }
        (None, _) => error,
    };
    let list = if params.is_empty() { "none".to_owned() } else { quoted(params) };
    Err(error.note(format!("parameters: {list}")))
}

fn encode_one(param: &Param, argument: &GivenArgument) -> Result<Vec<u8>> {
    let bytes = match (&param.kind, &argument.kind) {
        (ParamKind::Pointer { element }, GivenKind::Pointer { element: actual, address }) => {
            if let (Some(expected), Some(actual)) = (element, actual)
                && !same_element(expected, actual.triton())
            {
                return Err(wrong_element(param, argument, expected, actual.triton()));
            }
            divisible(param, argument, *address, &format!("the address 0x{address:x}"))?;
            address.to_le_bytes().to_vec()
        }
        // In PTX by hand a pointer may be a plain `.u64`.
        (ParamKind::Scalar { ty }, GivenKind::Pointer { address, .. }) if matches!(ty.as_str(), "u64" | "b64") => {
            address.to_le_bytes().to_vec()
        }
        (ParamKind::TensorMap, GivenKind::TensorMap(bytes)) => bytes.to_vec(),
        (ParamKind::Bytes, GivenKind::Bytes(bytes)) => bytes.clone(),
        (ParamKind::Scalar { ty }, GivenKind::Int(value)) => encode_int(param, argument, ty, *value)?,
        (ParamKind::Scalar { ty }, GivenKind::Bool(value)) => encode_int(param, argument, ty, i64::from(*value))?,
        (ParamKind::Scalar { ty }, GivenKind::Float(value)) => match float(ty, *value) {
            Some(bytes) => bytes,
            None => return Err(float_for_int(param, argument, ty, *value)),
        },
        _ => return Err(wrong_kind(param, argument)),
    };
    if bytes.len() == param.size as usize {
        return Ok(bytes);
    }
    let message =
        format!("`{}` is {} bytes wide, its type {} has {}", param.name, param.size, param.type_name(), bytes.len());
    Err(Diagnostic::error("argument-size", message).at(argument.span.clone(), ""))
}

fn encode_int(param: &Param, argument: &GivenArgument, ty: &str, value: i64) -> Result<Vec<u8>> {
    let Some((signs, bits)) = integer(ty) else {
        // Python's integers go into floating-point parameters.
        return float(ty, value as f64).ok_or_else(|| unknown_type(param, argument, ty));
    };
    divisible(param, argument, value.unsigned_abs(), &format!("the value {value}"))?;
    let value = i128::from(value);
    let low = if signs == Signs::Unsigned { 0 } else { -(1_i128 << (bits.max(2) - 1)) };
    let high = match (bits, signs) {
        (1, _) => 1,
        (bits, Signs::Signed) => (1_i128 << (bits - 1)) - 1,
        (bits, _) => (1_i128 << bits) - 1,
    };
    let low = if bits == 1 { 0 } else { low };
    if !(low..=high).contains(&value) {
        let message = format!("{value} does not fit into `{}`, which is {ty}", argument.label);
        let error = Diagnostic::error("argument-range", message).at(argument.span.clone(), "");
        return Err(error.note(format!("{ty} holds {low} to {high}")));
    }
    Ok(value.to_le_bytes()[..bits.div_ceil(8) as usize].to_vec())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Signs {
    Signed,
    Unsigned,
    /// The type names bits only: both readings are good.
    Either,
}

/// Signs and bits of an integer type. PTX writes `.u32` for a signed one too, so that a `u` says nothing about signs
/// but for one bit.
fn integer(ty: &str) -> Option<(Signs, u32)> {
    let (signs, digits) = match (ty.get(..1)?, ty.get(1..)?) {
        ("i" | "s", "1") | ("u" | "b", "1") => (Signs::Unsigned, "1"),
        ("i" | "s", digits) => (Signs::Signed, digits),
        ("u" | "b", digits) => (Signs::Either, digits),
        _ => return None,
    };
    let bits = digits.parse().ok().filter(|bits| [1, 8, 16, 32, 64].contains(bits))?;
    Some((signs, bits))
}

/// A number in a floating-point type, or in bits of PTX that may well be one: newer LLVM writes `.b32` for a float.
fn float(ty: &str, value: f64) -> Option<Vec<u8>> {
    let element = match ty {
        "b32" => ElementType::F32,
        "b64" => ElementType::F64,
        _ => ElementType::parse(ty)?,
    };
    Some(match element {
        ElementType::F16 => f16::from_f64(value).to_le_bytes().to_vec(),
        ElementType::Bf16 => bf16::from_f64(value).to_le_bytes().to_vec(),
        ElementType::F32 => (value as f32).to_le_bytes().to_vec(),
        ElementType::F64 => value.to_le_bytes().to_vec(),
        _ => return None,
    })
}

/// True if a buffer of `actual` can stand where the code expects a pointer to `expected`. MLIR's integers carry no
/// sign, and a boolean is stored as a byte.
fn same_element(expected: &str, actual: &str) -> bool {
    let storage = |name: &str| integer(name).map(|(_, bits)| bits.max(8));
    expected == actual || storage(expected).is_some_and(|bits| storage(actual) == Some(bits))
}

fn divisible(param: &Param, argument: &GivenArgument, value: u64, words: &str) -> Result<()> {
    let Some(divisor) = param.divisibility.filter(|&divisor| divisor > 1) else { return Ok(()) };
    if value.is_multiple_of(u64::from(divisor)) {
        return Ok(());
    }
    let message = format!("`{}` must be divisible by {divisor}", argument.label);
    Err(Diagnostic::error("divisibility", message)
        .at(argument.span.clone(), format!("{words} is not"))
        .note(format!("the code was compiled under `tt.divisibility = {divisor}` for `{}`", param.name))
        .help("launch the Triton source with this argument, so that it is compiled for it")
        .help("or take the attribute out of the TTIR or TTGIR and compile from there"))
}

fn wrong_element(param: &Param, argument: &GivenArgument, expected: &str, actual: &str) -> Diagnostic {
    let message = format!("`{}` points to {expected}, and is given a buffer of {actual}", param.name);
    Diagnostic::error("argument-type", message)
        .at(argument.span.clone(), format!("*{actual}"))
        .note(format!("expected: a buffer of {expected}; the code reads the bytes as {expected}"))
}

fn float_for_int(param: &Param, argument: &GivenArgument, ty: &str, value: f64) -> Diagnostic {
    if integer(ty).is_none() {
        return unknown_type(param, argument, ty);
    }
    let message = format!("`{}` is {ty}, and is given the floating-point number {value}", param.name);
    let error = Diagnostic::error("argument-type", message).at(argument.span.clone(), "");
    if value.fract() == 0.0 && value.abs() < 9e15 {
        error.help(format!("as an integer: {}", value as i64))
    } else if ty == "b16" {
        error.help("the text does not say which type of 16 bits this is: give the bits as an integer")
    } else {
        error
    }
}

fn unknown_type(param: &Param, argument: &GivenArgument, ty: &str) -> Diagnostic {
    let message = format!("`{}` has the type {ty}, which takes no number", param.name);
    Diagnostic::error("argument-type", message).at(argument.span.clone(), "")
}

fn wrong_kind(param: &Param, argument: &GivenArgument) -> Diagnostic {
    let found = match argument.kind {
        GivenKind::Pointer { .. } => "a buffer",
        GivenKind::Int(_) | GivenKind::Float(_) => "a number",
        GivenKind::Bool(_) => "a boolean",
        GivenKind::TensorMap(_) => "a tensor descriptor",
        GivenKind::Bytes(_) => "a structure",
    };
    let expected = match param.kind {
        ParamKind::Pointer { .. } => "a pointer",
        ParamKind::Scalar { .. } => "a number",
        ParamKind::TensorMap => "a tensor descriptor",
        ParamKind::Bytes => "a structure",
    };
    let message = format!("`{}` is {expected}, and is given {found}", param.name);
    let error = Diagnostic::error("argument-type", message)
        .at(argument.span.clone(), "")
        .note(format!("expected: {}", param.type_name()));
    match param.kind {
        ParamKind::Pointer { .. } => error.help("a pointer takes a buffer: `%buf name = zeros(…)` makes one"),
        ParamKind::TensorMap => error.help("`tma(buffer, [rows, columns])` makes a descriptor"),
        ParamKind::Bytes => error.help("a structure takes a buffer, or a part of one, that holds its bytes: `p[0:24]`"),
        ParamKind::Scalar { .. } => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scalar(ty: &str, size: u32) -> Param {
        let kind = ParamKind::Scalar { ty: ty.to_owned() };
        Param { name: "n".to_owned(), kind, size, align: size, divisibility: None }
    }

    fn pointer(element: &str) -> Param {
        let kind = ParamKind::Pointer { element: Some(element.to_owned()) };
        Param { name: "a".to_owned(), kind, size: 8, align: 8, divisibility: Some(16) }
    }

    fn argument(kind: GivenKind) -> GivenArgument {
        GivenArgument { span: 3..4, label: "n".to_owned(), kind }
    }

    fn buffer(element: &str, address: u64) -> GivenArgument {
        argument(GivenKind::Pointer { element: ElementType::parse(element), address })
    }

    fn encode_one(param: Param, kind: GivenKind) -> Result<Vec<u8>> {
        encode(&[param], &[argument(kind)], &(0..9)).map(|mut values| values.remove(0))
    }

    fn refused(param: Param, argument: GivenArgument) -> Diagnostic {
        let error = encode(&[param], &[argument], &(0..9)).expect_err("refused");
        assert_eq!(error.labels[0].span, 3..4, "{error}");
        error
    }

    #[test]
    fn numbers_are_as_wide_as_their_type() {
        use GivenKind::{Bool, Float, Int};
        let cases: [(&str, u32, GivenKind, &[u8]); 12] = [
            ("i32", 4, Int(-2), &[0xfe, 0xff, 0xff, 0xff]),
            ("u32", 4, Int(-1), &[0xff; 4]),
            ("b32", 4, Int(0xffff_ffff), &[0xff; 4]),
            ("i64", 8, Int(1 << 40), &[0, 0, 0, 0, 0, 1, 0, 0]),
            ("u1", 1, Bool(true), &[1]),
            ("i8", 1, Int(-128), &[0x80]),
            ("fp16", 2, Float(1.0), &[0x00, 0x3c]),
            ("bf16", 2, Float(1.0), &[0x80, 0x3f]),
            ("fp32", 4, Int(2), &[0, 0, 0, 0x40]),
            ("f32", 4, Float(-0.0), &[0, 0, 0, 0x80]),
            ("b32", 4, Float(1.0), &[0, 0, 0x80, 0x3f]),
            ("fp64", 8, Float(1.0), &[0, 0, 0, 0, 0, 0, 0xf0, 0x3f]),
        ];
        for (ty, size, kind, expected) in cases {
            let bytes =
                encode_one(scalar(ty, size), kind.clone()).unwrap_or_else(|error| panic!("{ty} {kind:?}: {error}"));
            assert_eq!(bytes, expected, "{ty} {kind:?}");
        }
    }

    #[test]
    fn what_does_not_fit_is_refused_at_its_caret() {
        use GivenKind::{Float, Int};
        for (ty, size, value) in
            [("i32", 4, 1 << 31), ("i32", 4, -(1 << 31) - 1), ("u32", 4, 1 << 32), ("u1", 1, 2), ("i1", 1, -1)]
        {
            assert_eq!(refused(scalar(ty, size), argument(Int(value))).code, "argument-range", "{ty} {value}");
        }
        for (ty, size) in [("i32", 4), ("u64", 8), ("b16", 2)] {
            assert_eq!(refused(scalar(ty, size), argument(Float(2.0))).code, "argument-type", "{ty}");
        }
        assert_eq!(refused(scalar("i32", 4), buffer("fp16", 256)).code, "argument-type");
        assert_eq!(refused(pointer("fp16"), argument(Int(0))).code, "argument-type");
        let error = refused(pointer("fp16"), buffer("fp32", 256));
        assert!(error.message.contains("fp16") && error.message.contains("fp32"), "{error}");
        let error = refused(pointer("fp16"), buffer("fp16", 0x108));
        assert_eq!(error.code, "divisibility");
        assert!(error.labels[0].message.contains("0x108"), "{error}");
    }

    #[test]
    fn a_divisible_number_must_be_divisible() {
        let param = Param { divisibility: Some(16), ..scalar("i32", 4) };
        assert_eq!(
            encode(std::slice::from_ref(&param), &[argument(GivenKind::Int(-32))], &(0..9)).map(|v| v.len()),
            Ok(1)
        );
        assert_eq!(refused(param, argument(GivenKind::Int(24))).code, "divisibility");
    }

    #[test]
    fn pointers_go_where_pointers_go() {
        for (param, argument) in [
            (pointer("fp16"), buffer("fp16", 0x100)),
            (pointer("i32"), buffer("u32", 0x100)),
            (pointer("i1"), buffer("u8", 0x100)),
            (scalar("u64", 8), buffer("fp16", 0x100)),
        ] {
            let values = encode(&[param], &[argument], &(0..9)).expect("fits");
            assert_eq!(values, [0x100u64.to_le_bytes()]);
        }
    }

    #[test]
    fn a_wrong_count_names_what_is_missing_or_too_much() {
        let params = [pointer("fp16"), scalar("i32", 4)];
        let error = encode(&params, &[buffer("fp16", 0)], &(0..9)).expect_err("one is missing");
        assert_eq!((error.labels[0].span.clone(), error.labels[0].message.as_str()), (0..9, "missing: `n` (i32)"));
        let three = [buffer("fp16", 0), argument(GivenKind::Int(1)), argument(GivenKind::Int(2))];
        let error = encode(&params, &three, &(0..9)).expect_err("one too much");
        assert_eq!(error.labels[0].span, 3..4);
        assert_eq!(error.notes, ["parameters: `a` (*fp16), `n` (i32)"]);
    }
}
