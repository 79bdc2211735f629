//! From the arguments of a launch to the values of the compiled code's parameters.

use std::ops::Range;

use super::descriptor;
use super::value::{Arguments, Given, Value};
use crate::expression::Scalar;
use warpbook_compiler::meta::{GivenArgument, GivenKind};
use warpbook_compiler::{Binding, BoundParam, LaunchMeta, Param, ParamKind, TensorDesc};
use warpbook_device::{Device, TensorMapSwizzle, View};
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
    let mut descriptors = Descriptors::new(meta, device);
    let mut given = Vec::with_capacity(binding.params.len());
    for param in &binding.params {
        match find(binding, param, arguments) {
            Some(Given { value: Value::Descriptor { view, block, swizzle, .. }, span })
                if param.descriptor_rank() > 0 =>
            {
                let described = Described { view, block, swizzle: *swizzle, span };
                given.extend(descriptors.take_apart(&param.name, given.len(), &described)?);
            }
            found => given.push(bind_one(param, found, arguments, whole)?),
        }
    }
    Ok(given)
}

/// The compiled parameters' values from arguments that are the parameters themselves: in order, or by their names.
/// A keyword that no parameter has is there for the grid. Where there are fewer arguments than parameters, a descriptor
/// stands for its extents and strides too.
pub fn in_order(meta: &LaunchMeta, arguments: &Arguments, device: &dyn Device) -> Result<Vec<GivenArgument>> {
    let params = &meta.params.value;
    let mut descriptors = Descriptors::new(meta, device);
    let name = |index: usize| params.get(index).map_or_else(|| format!("argument {index}"), |param| param.name.clone());
    let apart = has_whole_descriptors(params, arguments);
    let mut given = Vec::with_capacity(params.len());
    let mut add = |value: &Given, given: &mut Vec<GivenArgument>| {
        let label = name(given.len());
        match &value.value {
            Value::Descriptor { view, block, swizzle, .. } => {
                let described = Described { view, block, swizzle: *swizzle, span: &value.span };
                let mut parts = descriptors.take_apart(&label, given.len(), &described)?;
                parts.truncate(if apart { parts.len() } else { 1 });
                given.extend(parts);
            }
            _ => given.push(value.to_parameter(label)?),
        }
        Ok::<(), Diagnostic>(())
    };
    for value in &arguments.positional {
        add(value, &mut given)?;
    }
    while let Some(param) = params.get(given.len()) {
        let Some((_, value)) = arguments.keywords.iter().find(|(name, _)| *name == param.name) else { break };
        add(value, &mut given)?;
    }
    Ok(given)
}

/// Number of compiled parameters that the positional arguments fill, for code with `params`, in which Triton's scratch
/// pointers may still be.
pub fn count_parameters(params: &[Param], arguments: &Arguments) -> usize {
    let mut at = 0;
    let apart = has_whole_descriptors(params, arguments);
    for given in &arguments.positional {
        at += match &given.value {
            Value::Descriptor { view, .. } if apart => {
                let first = match params.get(at).map(|param| &param.kind) {
                    Some(ParamKind::TensorMap) => GivenKind::TensorMap([0; 128]),
                    _ => GivenKind::Pointer { element: None, address: 0 },
                };
                descriptor::parts(first, "", view, params.get(at..).unwrap_or_default(), &given.span).len()
            }
            _ => 1,
        };
    }
    at
}

/// True if the arguments are too few to be the parameters one by one, and there is a descriptor among them, which then
/// stands for its extents and strides too. Triton's own trailing pointers have no argument.
fn has_whole_descriptors(params: &[Param], arguments: &Arguments) -> bool {
    let named = arguments.keywords.iter().filter(|(name, _)| params.iter().any(|param| param.name == *name));
    let values = arguments.positional.iter().chain(named.map(|(_, given)| given));
    let missing = params.get(values.clone().count()..).unwrap_or_default();
    let only_scratch = missing.len() <= 2 && missing.iter().all(Param::may_be_scratch);
    !only_scratch && values.clone().any(|given| matches!(given.value, Value::Descriptor { .. }))
}

/// A `tma(…)` argument.
struct Described<'a> {
    view: &'a View,
    block: &'a [u32],
    swizzle: Option<TensorMapSwizzle>,
    span: &'a Range<usize>,
}

/// Makes parameters of host descriptors; each tensor map takes the next of the encodings that the code was compiled for.
struct Descriptors<'a> {
    params: &'a [Param],
    encodings: std::slice::Iter<'a, TensorDesc>,
    device: &'a dyn Device,
}

impl<'a> Descriptors<'a> {
    fn new(meta: &'a LaunchMeta, device: &'a dyn Device) -> Self {
        Self { params: &meta.params.value, encodings: meta.tensor_descs.iter(), device }
    }

    /// The values of the parameters that a descriptor becomes, the first of which is the parameter with the index `at`.
    fn take_apart(&mut self, name: &str, at: usize, described: &Described<'_>) -> Result<Vec<GivenArgument>> {
        let Described { view, block, swizzle, span } = *described;
        let params = self.params.get(at..).unwrap_or_default();
        let first = match params.first().map(|param| &param.kind) {
            Some(ParamKind::Pointer { .. }) => {
                GivenKind::Pointer { element: Some(view.dtype.element()), address: view.address }
            }
            _ => {
                let map = descriptor::tensor_map(view, block, swizzle, self.encodings.next(), span)?;
                descriptor::encode(&map, self.device, span)?
            }
        };
        Ok(descriptor::parts(first, name, view, params, span))
    }
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
        if text != *compiled && !is_number(value, compiled) {
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

/// True if a value is the number that `compiled` writes in Python's way: `1e-05` is 0.00001.
fn is_number(value: &Scalar, compiled: &str) -> bool {
    let number = match value {
        Scalar::Float(value) => *value,
        Scalar::Int(value) if compiled.parse::<i64>().is_err() => *value as f64,
        _ => return false,
    };
    compiled.parse::<f64>().is_ok_and(|compiled| compiled == number || compiled.is_nan() && number.is_nan())
}

/// The launch's argument for a parameter of the Python function.
fn find<'a>(binding: &Binding, param: &BoundParam, arguments: &'a Arguments) -> Option<&'a Given> {
    let position = binding.names.iter().position(|name| *name == param.name);
    let given = position.and_then(|position| arguments.positional.get(position));
    given.or_else(|| arguments.keywords.iter().find(|(name, _)| *name == param.name).map(|(_, given)| given))
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
