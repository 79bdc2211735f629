//! The arguments of a launch: from expressions of the header to values, to what the compiler and the kernel take.

use std::ops::Range;

use super::descriptor;
use crate::expression::{Expr, ExprKind, LaunchHeader, Scalar, Scope, evaluate};
use crate::workspace::{LaunchSpec, Workspace, resolve_view};
use warpbook_compiler::meta::{GivenArgument, GivenKind};
use warpbook_compiler::{Argument, Binding, BoundParam, LaunchMeta, Param, ParamKind};
use warpbook_device::{Device, Dtype, Swizzle, View};
use warpbook_diagnostic::{Diagnostic, Result};

/// An argument as it stands in the header, evaluated.
#[derive(Clone, Debug)]
pub struct Given {
    /// What it is.
    pub value: Value,
    /// Its bytes in the cell.
    pub span: Range<usize>,
}

/// The value of an argument.
#[derive(Clone, Debug)]
pub enum Value {
    /// A buffer or a view of one.
    View(View),
    /// A scalar.
    Scalar(Scalar),
    /// The name of a jit function.
    Function(String),
    /// A tuple with a buffer in it.
    Tuple(Vec<Given>),
    /// `tma(a, [128, 64])`: a host tensor descriptor.
    Descriptor {
        /// The tensor.
        view: View,
        /// Extents of the block that one access moves.
        block: Vec<u32>,
        /// The swizzle in shared memory, for code that the compiler's metadata does not say it of.
        swizzle: Option<Swizzle>,
    },
    /// `addr(a, b)`: an array of device addresses, which is put into memory for the launch.
    Addresses(Vec<u64>),
}

/// What the names of a header mean: its keyword values, the kernel's constants, the workspace's names.
pub struct HeaderScope<'a> {
    /// Scalars, buffers and data types.
    pub workspace: &'a Workspace,
    /// Keyword values and constants of the kernel; they win.
    pub constants: &'a [(String, Scalar)],
}

impl Scope for HeaderScope<'_> {
    fn name(&self, name: &str) -> Option<Scalar> {
        let constant = self.constants.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
        constant.or_else(|| self.workspace.scope().name(name))
    }

    fn member(&self, base: &str, member: &str, args: Option<&[Scalar]>) -> Option<Scalar> {
        self.workspace.scope().member(base, member, args)
    }

    fn names(&self) -> Vec<String> {
        let mut names = self.workspace.scope().names();
        names.extend(self.constants.iter().map(|(name, _)| name.clone()));
        names
    }
}

/// Evaluates one argument.
pub fn evaluate_argument(expression: &Expr, workspace: &Workspace, constants: &[(String, Scalar)]) -> Result<Given> {
    let span = expression.span.clone();
    if let Some(view) = resolve_view(expression, workspace)? {
        return Ok(Given { value: Value::View(view), span });
    }
    if let ExprKind::Tuple(items) | ExprKind::List(items) = &expression.kind {
        let items =
            items.iter().map(|item| evaluate_argument(item, workspace, constants)).collect::<Result<Vec<_>>>()?;
        let all_scalars: Option<Vec<Scalar>> =
            items.iter().map(|item| if let Value::Scalar(s) = &item.value { Some(s.clone()) } else { None }).collect();
        let value = match all_scalars {
            Some(scalars) => Value::Scalar(Scalar::Tuple(scalars)),
            None => Value::Tuple(items),
        };
        return Ok(Given { value, span });
    }
    if let Some(addresses) = addresses(expression, workspace)? {
        return Ok(Given { value: Value::Addresses(addresses), span });
    }
    if let Some(value) = descriptor::evaluate_tma(expression, workspace, constants)? {
        return Ok(Given { value, span });
    }
    let scope = HeaderScope { workspace, constants };
    if let ExprKind::Name(name) = &expression.kind
        && scope.name(name).is_none()
        && workspace.definitions.defines(name)
    {
        return Ok(Given { value: Value::Function(name.clone()), span });
    }
    evaluate(expression, &scope).map(|scalar| Given { value: Value::Scalar(scalar), span })
}

/// The addresses in `addr(a, b[64:])`.
fn addresses(expression: &Expr, workspace: &Workspace) -> Result<Option<Vec<u64>>> {
    let ExprKind::Call { callee, args, keywords } = &expression.kind else { return Ok(None) };
    if !matches!(&callee.kind, ExprKind::Name(name) if name == "addr") {
        return Ok(None);
    }
    let fail = |span: &Range<usize>| {
        let error = Diagnostic::error("argument-kind", "`addr` takes buffers or views of them");
        error.at(span.clone(), "")
    };
    if args.is_empty() || !keywords.is_empty() {
        return Err(fail(&expression.span));
    }
    let address = |argument: &Expr| match resolve_view(argument, workspace)? {
        Some(view) => Ok(view.address),
        None => Err(fail(&argument.span)),
    };
    args.iter().map(address).collect::<Result<_>>().map(Some)
}

/// The arguments of a launch, evaluated.
#[derive(Clone, Debug, Default)]
pub struct Arguments {
    /// Positional ones.
    pub positional: Vec<Given>,
    /// Keyword arguments and their names.
    pub keywords: Vec<(String, Given)>,
    /// What the compiled code takes after all others, and no header says.
    pub extra: Vec<GivenArgument>,
}

impl Arguments {
    /// Puts arrays of addresses into device memory, which is added to `temporary`, address and bytes: to be freed after the launch.
    pub fn place(&mut self, device: &mut dyn Device, temporary: &mut Vec<(u64, u64)>) -> Result<()> {
        let keywords = self.keywords.iter_mut().map(|(_, given)| given);
        for given in self.positional.iter_mut().chain(keywords) {
            let Value::Addresses(addresses) = &given.value else { continue };
            let bytes: Vec<u8> = addresses.iter().flat_map(|address| address.to_le_bytes()).collect();
            let address = device.allocate("an array of addresses", bytes.len() as u64)?;
            temporary.push((address, bytes.len() as u64));
            device.write(address, &bytes)?;
            given.value = Value::View(View {
                buffer: String::new(),
                dtype: Dtype::I64,
                place: device.place(),
                address,
                shape: vec![addresses.len()],
                strides: vec![1],
            });
        }
        Ok(())
    }
}

/// The arguments of a launch, evaluated where they stand.
pub fn of(launch: &LaunchSpec, workspace: &Workspace) -> Result<Arguments> {
    evaluate_all(&launch.header, workspace).map_err(|error| error.in_source(&launch.source))
}

/// Evaluates every positional and keyword argument.
pub fn evaluate_all(header: &LaunchHeader, workspace: &Workspace) -> Result<Arguments> {
    let mut keywords = Vec::with_capacity(header.keywords.len());
    let mut constants: Vec<(String, Scalar)> = Vec::new();
    for keyword in &header.keywords {
        let given = evaluate_argument(&keyword.value, workspace, &constants)?;
        if let Value::Scalar(scalar) = &given.value {
            constants.push((keyword.name.clone(), scalar.clone()));
        }
        keywords.push((keyword.name.clone(), given));
    }
    let positional =
        header.args.iter().map(|argument| evaluate_argument(argument, workspace, &constants)).collect::<Result<_>>()?;
    Ok(Arguments { positional, keywords, extra: Vec::new() })
}

impl Given {
    /// As Triton's specialisation sees it.
    pub fn to_compiler(&self) -> Argument {
        match &self.value {
            Value::View(view) => Argument::Buffer {
                dtype: view.dtype.triton().to_owned(),
                address: view.address,
                shape: view.shape.iter().map(|&extent| extent as u64).collect(),
                strides: view.strides.clone(),
            },
            Value::Scalar(scalar) => scalar_to_compiler(scalar),
            Value::Function(name) => Argument::Function(name.clone()),
            Value::Tuple(items) => Argument::Tuple(items.iter().map(Given::to_compiler).collect()),
            Value::Descriptor { view, block, .. } => Argument::Descriptor {
                dtype: view.dtype.triton().to_owned(),
                address: view.address,
                shape: view.shape.iter().map(|&extent| extent as u64).collect(),
                strides: view.strides.clone(),
                block: block.clone(),
            },
            // What PyTorch programs pass: a tensor of 64-bit integers. Device memory is aligned to 256 bytes.
            Value::Addresses(addresses) => Argument::Buffer {
                dtype: "i64".to_owned(),
                address: 256,
                shape: vec![addresses.len() as u64],
                strides: vec![1],
            },
        }
    }

    /// As the check against the compiled parameters sees it; errors for what no parameter can hold.
    pub fn to_parameter(&self, label: String) -> Result<GivenArgument> {
        let kind = match &self.value {
            Value::View(view) => {
                GivenKind::Pointer { element: Some(view.dtype.triton().to_owned()), address: view.address }
            }
            Value::Scalar(Scalar::Int(value)) => GivenKind::Int(*value),
            Value::Scalar(Scalar::Float(value)) => GivenKind::Float(*value),
            Value::Scalar(Scalar::Bool(value)) => GivenKind::Bool(*value),
            Value::Scalar(other) => return Err(self.no_parameter(other.kind())),
            Value::Function(_) => return Err(self.no_parameter("a function")),
            Value::Tuple(_) => return Err(self.no_parameter("a tuple")),
            Value::Descriptor { .. } => return Err(self.no_parameter("a tensor descriptor")),
            Value::Addresses(_) => return Err(self.no_parameter("an array of addresses that is not in memory")),
        };
        Ok(GivenArgument { span: self.span.clone(), label, kind })
    }

    fn no_parameter(&self, what: &str) -> Diagnostic {
        let error = Diagnostic::error("argument-kind", format!("{what} is no parameter of compiled code"));
        error.at(self.span.clone(), "").note("below Triton, parameters are pointers and numbers")
    }
}

fn scalar_to_compiler(scalar: &Scalar) -> Argument {
    match scalar {
        Scalar::Int(value) => Argument::Int(*value),
        Scalar::Float(value) => Argument::Float(*value),
        Scalar::Bool(value) => Argument::Bool(*value),
        Scalar::None => Argument::None,
        Scalar::Str(text) => Argument::Str(text.clone()),
        Scalar::Dtype(name) => {
            Argument::Dtype(Dtype::parse(name).map_or_else(|| name.clone(), |d| d.triton().to_owned()))
        }
        Scalar::Tuple(items) => Argument::Tuple(items.iter().map(scalar_to_compiler).collect()),
    }
}

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
            let error =
                Diagnostic::error("compiled-constant", format!("the code has {compiled} for `{name}`, not {text}"));
            let note = format!("`{name}` became a constant when this version was compiled from Python");
            return Err(error.at(span.clone(), "").note(note).help("compile it again from `%%triton`"));
        }
    }
    Ok(())
}

/// What the launch gave for a parameter of the Python function.
fn find<'a>(binding: &Binding, param: &BoundParam, arguments: &'a Arguments) -> Option<&'a Given> {
    let position = binding.names.iter().position(|name| *name == param.name);
    let given = position.and_then(|position| arguments.positional.get(position));
    given.or_else(|| arguments.keywords.iter().find(|(name, _)| *name == param.name).map(|(_, given)| given))
}

/// A descriptor as Triton passes it where the target has no tensor maps: a pointer with extents and strides, and then
/// extents and strides again.
fn parts_of_descriptor(name: &str, view: &View, span: &Range<usize>) -> Vec<GivenArgument> {
    let element = Some(view.dtype.triton().to_owned());
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
    let Arguments { positional: args, keywords, .. } = arguments;
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

/// The grid, evaluated: one to three positive extents, missing ones 1.
pub fn evaluate_grid(header: &LaunchHeader, workspace: &Workspace, constants: &[(String, Scalar)]) -> Result<[u32; 3]> {
    let scope = HeaderScope { workspace, constants };
    let mut grid = [1u32; 3];
    for (extent, expression) in grid.iter_mut().zip(header.grid.iter().flatten()) {
        let value = evaluate(expression, &scope)?;
        *extent = match value.as_int().map(u32::try_from) {
            Some(Ok(value)) if value > 0 => value,
            _ => {
                let error = Diagnostic::error("grid", format!("a grid extent is a positive integer, not {value}"));
                return Err(error.at(expression.span.clone(), ""));
            }
        };
    }
    Ok(grid)
}
