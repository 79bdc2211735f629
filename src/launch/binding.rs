//! From the arguments of a launch to the values of the compiled code's parameters.

use std::ops::Range;

use super::descriptor;
use super::value::{Arguments, Given, Value};
use crate::expression::Scalar;
use warpbook_compiler::meta::{GivenArgument, GivenKind};
use warpbook_compiler::{Binding, BoundParam, LaunchMeta, Param, ParamKind};
use warpbook_device::{Device, View};
use warpbook_diagnostic::{Diagnostic, Result};

/// The compiled parameters' values from Python-level arguments, in the order of the parameters.
pub fn bind(
    binding: &Binding,
    meta: &LaunchMeta,
    arguments: &Arguments,
    device: &dyn Device,
    whole: &Range<usize>,
) -> Result<Vec<GivenArgument>> {
    check_constants(binding, arguments)?;
    let tensor_maps = meta.params.value.iter().any(|param| param.kind == ParamKind::TensorMap);
    let mut encodings = meta.tensor_descs.iter();
    let mut given = Vec::with_capacity(binding.params.len());
    for param in &binding.params {
        match find(binding, param, arguments) {
            Some(Given { value: Value::Descriptor { view, block, swizzle }, span }) if tensor_maps => {
                let map = descriptor::tensor_map(view, block, *swizzle, encodings.next(), span)?;
                let kind = descriptor::encode(&map, device, span)?;
                given.push(GivenArgument { span: span.clone(), label: param.name.clone(), kind });
                given.extend(descriptor::extents_and_strides(&param.name, view, span));
            }
            Some(Given { value: Value::Descriptor { view, .. }, span }) if param.descriptor_rank() > 0 => {
                given.extend(parts_of_descriptor(&param.name, view, span));
            }
            found => given.push(bind_one(param, found, arguments, whole)?),
        }
    }
    Ok(given)
}

/// The compiled parameters' values from arguments that are the parameters themselves: in order, or by their names.
/// A keyword that no parameter has is there for the grid.
pub fn in_order(params: &[Param], arguments: &Arguments, device: &dyn Device) -> Result<Vec<GivenArgument>> {
    let name = |index: usize| params.get(index).map_or_else(|| format!("argument {index}"), |param| param.name.clone());
    let parameter = |given: &Given, label: String| match &given.value {
        Value::Descriptor { view, block, swizzle } => {
            let map = descriptor::tensor_map(view, block, *swizzle, None, &given.span)?;
            let kind = descriptor::encode(&map, device, &given.span)?;
            Ok(GivenArgument { span: given.span.clone(), label, kind })
        }
        _ => given.to_parameter(label),
    };
    let positional = arguments.positional.iter().enumerate();
    let mut given = positional.map(|(index, given)| parameter(given, name(index))).collect::<Result<Vec<_>>>()?;
    for param in params.iter().skip(given.len()) {
        let Some((_, value)) = arguments.keywords.iter().find(|(name, _)| *name == param.name) else { break };
        given.push(parameter(value, param.name.clone())?);
    }
    Ok(given)
}

/// Refuses a value for what the code has as a constant, if it is another one.
fn check_constants(binding: &Binding, arguments: &Arguments) -> Result<()> {
    for (name, compiled) in &binding.specialised {
        let position = binding.names.iter().position(|known| known == name);
        let given = position.and_then(|position| arguments.positional.get(position));
        let given =
            given.or_else(|| arguments.keywords.iter().find(|(known, _)| known == name).map(|(_, given)| given));
        let Some(Given { value: Value::Scalar(value), span }) = given else { continue };
        let text = match value {
            Scalar::Int(_) | Scalar::Bool(_) | Scalar::None | Scalar::Float(_) => value.to_string(),
            Scalar::Str(text) => format!("'{text}'"),
            _ => continue,
        };
        if text != *compiled {
            let error = Diagnostic::error(
                "compiled-constant",
                format!("the code was compiled with {compiled} for `{name}`, not {text}"),
            );
            let note = format!("`{name}` became a constant when this version was compiled from Python");
            return Err(error.at(span.clone(), "").note(note).help("compile it again from `%%triton`"));
        }
    }
    Ok(())
}

/// The launch's argument for a parameter of the Python function.
fn find<'a>(binding: &Binding, param: &BoundParam, arguments: &'a Arguments) -> Option<&'a Given> {
    let position = binding.names.iter().position(|name| *name == param.name);
    let given = position.and_then(|position| arguments.positional.get(position));
    given.or_else(|| arguments.keywords.iter().find(|(name, _)| *name == param.name).map(|(_, given)| given))
}

/// A descriptor as Triton passes it where the target has no tensor maps: a pointer with extents and strides, and then
/// extents and strides again.
fn parts_of_descriptor(name: &str, view: &View, span: &Range<usize>) -> Vec<GivenArgument> {
    let element = Some(view.dtype.element());
    let kind = GivenKind::Pointer { element, address: view.address };
    let mut parts = vec![GivenArgument { span: span.clone(), label: name.to_owned(), kind }];
    for _ in 0..2 {
        parts.extend(descriptor::extents_and_strides(name, view, span));
    }
    parts
}

fn bind_one(
    param: &BoundParam,
    given: Option<&Given>,
    arguments: &Arguments,
    whole: &Range<usize>,
) -> Result<GivenArgument> {
    let Arguments { positional: args, keywords } = arguments;
    let Some(mut given) = given else {
        // A default value or a heuristic's result.
        let kind = match &param.value {
            serde_json::Value::Bool(value) => GivenKind::Bool(*value),
            serde_json::Value::Number(number) if number.is_f64() => {
                GivenKind::Float(number.as_f64().unwrap_or_default())
            }
            serde_json::Value::Number(number) => GivenKind::Int(number.as_i64().unwrap_or_default()),
            _ => {
                let error = Diagnostic::error("missing-argument", format!("the argument `{}` is missing", param.name));
                return Err(error.at(whole.clone(), format!("{} given", args.len() + keywords.len())));
            }
        };
        return Ok(GivenArgument { span: whole.clone(), label: param.name.clone(), kind });
    };
    let from_scalar;
    for &index in &param.path {
        given = match &given.value {
            Value::Tuple(items) if index < items.len() => &items[index],
            Value::Scalar(Scalar::Tuple(items)) if index < items.len() => {
                from_scalar = Given { value: Value::Scalar(items[index].clone()), span: given.span.clone() };
                return from_scalar.to_parameter(param.name.clone());
            }
            _ => {
                let error = Diagnostic::error("argument-kind", format!("`{}` has to be a tuple", param.name));
                return Err(error.at(given.span.clone(), ""));
            }
        };
    }
    given.to_parameter(param.name.clone())
}
