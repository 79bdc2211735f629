//! Values of a launch's arguments: what the compiler and the compiled kernel take them for.

use std::ops::Range;
use warpbook_gpu::ElementType;

use crate::expression::{Scalar, Scope};
use crate::workspace::Workspace;
use warpbook_compiler::Argument;
use warpbook_compiler::meta::{GivenArgument, GivenKind};
use warpbook_device::{Device, Dtype, TensorMapSwizzle, View};
use warpbook_diagnostic::{Diagnostic, Result};

/// An argument as it stands in the header, evaluated.
#[derive(Clone, Debug)]
pub struct Given {
    /// The evaluated value.
    pub value: Value,
    /// Bytes of the argument in the cell, for the labels of errors.
    pub span: Range<usize>,
}

/// The value of one argument of a launch.
#[derive(Clone, Debug)]
pub enum Value {
    /// A buffer or a view of one.
    View(View),
    /// An integer, float, boolean, string, tuple or data type.
    Scalar(Scalar),
    /// A name that Python cells define: a jit function, a layout.
    Function(String),
    /// An expression that only Python can evaluate: `gl.BlockedLayout([1], [32], [4], [0])`.
    Python(String),
    /// A tuple with a buffer in it.
    Tuple(Vec<Given>),
    /// `tma(a, [128, 64])`: a host tensor descriptor.
    Descriptor {
        /// The tensor, or the part of one, that the descriptor addresses.
        view: View,
        /// Extents of the block that one access moves.
        block: Vec<u32>,
        /// The swizzle in shared memory, for code that the compiler's metadata does not say it of.
        swizzle: Option<TensorMapSwizzle>,
        /// The layout of the block in shared memory, an expression of Gluon's.
        layout: Option<String>,
    },
    /// `addr(a, b)`: an array of device addresses, which is put into memory for the launch.
    Addresses(Vec<u64>),
}

/// Gives the names of a header their values: keyword values, the kernel's constants, the workspace's names.
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

/// The arguments of a launch, evaluated.
#[derive(Clone, Debug, Default)]
pub struct Arguments {
    /// Arguments without a keyword, in order.
    pub positional: Vec<Given>,
    /// Keyword arguments and their names.
    pub keywords: Vec<(String, Given)>,
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

impl Given {
    /// The argument as Triton specialises on it.
    pub fn to_compiler(&self) -> Argument {
        match &self.value {
            Value::View(view) => Argument::Buffer {
                dtype: view.dtype.element(),
                address: view.address,
                shape: view.shape.iter().map(|&extent| extent as u64).collect(),
                strides: view.strides.clone(),
            },
            Value::Scalar(scalar) => scalar_to_compiler(scalar),
            Value::Function(name) => Argument::Function(name.clone()),
            Value::Python(text) => Argument::Python(text.clone()),
            Value::Tuple(items) => Argument::Tuple(items.iter().map(Given::to_compiler).collect()),
            Value::Descriptor { view, block, swizzle, layout } => Argument::Descriptor {
                dtype: view.dtype.element(),
                address: view.address,
                shape: view.shape.iter().map(|&extent| extent as u64).collect(),
                strides: view.strides.clone(),
                block: block.clone(),
                layout: layout.clone(),
                swizzle: swizzle.map(|swizzle| swizzle.bytes().unwrap_or(0)),
            },
            // What PyTorch programs pass: a tensor of 64-bit integers. Device memory is aligned to 256 bytes.
            Value::Addresses(addresses) => Argument::Buffer {
                dtype: ElementType::I64,
                address: 256,
                shape: vec![addresses.len() as u64],
                strides: vec![1],
            },
        }
    }

    /// The argument in the form that is compared with the compiled parameters. Fails for a value that no parameter can
    /// hold.
    pub fn to_parameter(&self, label: String) -> Result<GivenArgument> {
        let kind = match &self.value {
            Value::View(view) => GivenKind::Pointer { element: Some(view.dtype.element()), address: view.address },
            Value::Scalar(Scalar::Int(value)) => GivenKind::Int(*value),
            Value::Scalar(Scalar::Float(value)) => GivenKind::Float(*value),
            Value::Scalar(Scalar::Bool(value)) => GivenKind::Bool(*value),
            Value::Scalar(other) => return Err(self.no_parameter(other.kind())),
            Value::Function(_) => return Err(self.no_parameter("a function")),
            Value::Python(_) => return Err(self.no_parameter("an expression of Python")),
            Value::Tuple(_) => return Err(self.no_parameter("a tuple")),
            Value::Descriptor { .. } => return Err(self.no_parameter("a tensor descriptor")),
            Value::Addresses(_) => return Err(self.no_parameter("an array of addresses that is not in memory")),
        };
        Ok(GivenArgument { span: self.span.clone(), label, kind })
    }

    fn no_parameter(&self, what: &str) -> Diagnostic {
        let error = Diagnostic::error("argument-kind", format!("{what} cannot be a parameter of compiled code"));
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
        Scalar::Dtype(element) => Argument::Dtype(*element),
        Scalar::Tuple(items) => Argument::Tuple(items.iter().map(scalar_to_compiler).collect()),
    }
}
