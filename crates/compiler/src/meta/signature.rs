//! The user's parameters as a source of their types knows them: a bound Python kernel, or a function of TTIR or TTGIR.

use super::comment::width;
use super::{Param, ParamKind};
use crate::Binding;
use warpbook_gpu::ElementType;
use warpbook_ir::mlir;

/// A parameter of the source, before tensor descriptors are taken apart.
pub(super) enum Declared {
    /// One parameter of the compiled code.
    Plain(Param),
    /// A host tensor descriptor: one 128-byte parameter where the target has TMA, and otherwise a pointer with
    /// extents and strides.
    Descriptor {
        /// Name of the parameter.
        name: String,
        /// Triton's name of the element type.
        element: Option<String>,
        /// Number of dimensions.
        rank: usize,
    },
}

/// The runtime parameters of a bound Python kernel. After each descriptor Triton passes its extents and strides.
pub(super) fn from_binding(binding: &Binding) -> Vec<Declared> {
    let mut declared = Vec::new();
    for bound in &binding.params {
        let path: String = bound.path.iter().map(|index| format!(".{index}")).collect();
        let name = format!("{}{path}", bound.name);
        match bound.ty.strip_prefix("tensordesc<").and_then(|rest| rest.strip_suffix('>')) {
            Some(described) => {
                let (element, extents) = described.split_once('[').unwrap_or((described, ""));
                let extents = extents.split(']').next().unwrap_or_default();
                let rank = extents.split(',').filter(|extent| !extent.trim().is_empty()).count();
                declared.push(Declared::Descriptor { name: name.clone(), element: Some(element.into()), rank });
                declared.extend(extents_and_strides(&name, rank).map(Declared::Plain));
            }
            None => declared.push(Declared::Plain(plain(name, kind(&bound.ty), bound.divisibility))),
        }
    }
    declared
}

/// `a.shape[0]`, …, `a.stride(0)`, …: 32 and 64 bits wide.
fn extents_and_strides(name: &str, rank: usize) -> impl Iterator<Item = Param> {
    let scalar = |name: String, ty: &str| plain(name, ParamKind::Scalar { ty: ty.to_owned() }, None);
    let extents = (0..rank).map(move |at| scalar(format!("{name}.shape[{at}]"), "i32"));
    extents.chain((0..rank).map(move |at| scalar(format!("{name}.stride({at})"), "i64")))
}

fn kind(ty: &str) -> ParamKind {
    match ty.strip_prefix('*') {
        // `*k…`: a pointer to constant memory.
        Some(element) => {
            let element = element.strip_prefix('k').unwrap_or(element);
            ParamKind::Pointer { element: width(element).is_some().then(|| element.to_owned()) }
        }
        None => ParamKind::Scalar { ty: ty.to_owned() },
    }
}

fn plain(name: String, kind: ParamKind, divisibility: Option<u32>) -> Param {
    let size = match &kind {
        ParamKind::Pointer { .. } => 8,
        ParamKind::Scalar { ty } => width(ty).unwrap_or(8),
        ParamKind::TensorMap => 128,
        // No IR above PTX has one.
        ParamKind::Bytes => 0,
    };
    Param { name, kind, size, align: size.min(64), divisibility }
}

/// The arguments of a kernel in the text of TTIR or TTGIR; `None` if there is no such function, or a type that no
/// launch can give.
pub(super) fn from_function(function: &mlir::Function) -> Option<Vec<Declared>> {
    function.arguments.iter().map(from_argument).collect()
}

fn from_argument(argument: &mlir::Argument) -> Option<Declared> {
    let name = argument.name.clone();
    if let Some(described) = argument.ty.strip_prefix("!tt.tensordesc<") {
        // From Triton 3.8 on the tensor's extents stand without `tensor<…>`.
        let described = described.strip_prefix("tensor<").unwrap_or(described);
        let shaped = described.split(['>', ',']).next()?;
        let mut parts: Vec<&str> = shaped.split('x').collect();
        let element = parts.pop().and_then(scalar).map(str::to_owned);
        return Some(Declared::Descriptor { name, element, rank: parts.len() });
    }
    let kind = match argument.ty.strip_prefix("!tt.ptr<") {
        Some(pointee) => {
            let pointee = pointee.split([',', '>']).next()?;
            ParamKind::Pointer { element: scalar(pointee).map(str::to_owned) }
        }
        None => ParamKind::Scalar { ty: scalar(&argument.ty)?.to_owned() },
    };
    Some(Declared::Plain(plain(name, kind, argument.divisibility())))
}

/// Triton's name of a scalar type of MLIR.
fn scalar(ty: &str) -> Option<&'static str> {
    ElementType::from_mlir(ty).map(ElementType::triton)
}

/// The parameters of the compiled code: the declared ones in the shape that the code's own parameters have, scratch
/// pointers left over. `None` if they do not fit together.
pub(super) fn matched(declared: &[Declared], compiled: &[Param]) -> Option<(Vec<Param>, usize)> {
    let mut rest = compiled.iter().peekable();
    let mut params = Vec::with_capacity(compiled.len());
    let mut take = |param: Param, rest: &mut dyn Iterator<Item = &Param>| {
        let found = rest.next()?;
        params.push(Param { size: found.size, align: found.align, ..param });
        (param_size(params.last()?) == found.size).then_some(())
    };
    for declared in declared {
        match declared {
            Declared::Plain(param) => take(param.clone(), &mut rest)?,
            Declared::Descriptor { name, .. } if rest.peek()?.kind == ParamKind::TensorMap => {
                take(plain(name.clone(), ParamKind::TensorMap, None), &mut rest)?;
            }
            Declared::Descriptor { name, element, rank } => {
                take(plain(name.clone(), ParamKind::Pointer { element: element.clone() }, None), &mut rest)?;
                let wide = |name: String| plain(name, ParamKind::Scalar { ty: "i64".to_owned() }, None);
                for at in 0..*rank {
                    take(wide(format!("{name}.shape[{at}]")), &mut rest)?;
                }
                for at in 0..*rank {
                    take(wide(format!("{name}.stride({at})")), &mut rest)?;
                }
                // From 3.6 on: whether what lies outside is NaN.
                if rest.peek().is_some_and(|next| next.size == 1) {
                    let padding = ParamKind::Scalar { ty: "i1".to_owned() };
                    take(plain(format!("{name}.padding"), padding, None), &mut rest)?;
                }
            }
        }
    }
    let left: Vec<&Param> = rest.collect();
    let scratch = left.iter().all(|param| param.may_be_scratch());
    (left.len() <= 2 && scratch).then_some((params, left.len()))
}

/// Size of a parameter in bytes, by its type.
fn param_size(param: &Param) -> u32 {
    plain(String::new(), param.kind.clone(), None).size
}

/// The parameters as they would be without the code: for a text that was not compiled down to PTX.
pub(super) fn uncompiled(declared: &[Declared]) -> Vec<Param> {
    let one = |declared: &Declared| match declared {
        Declared::Plain(param) => param.clone(),
        Declared::Descriptor { name, .. } => plain(name.clone(), ParamKind::TensorMap, None),
    };
    declared.iter().map(one).collect()
}
