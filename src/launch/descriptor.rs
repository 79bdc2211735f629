//! `tma(a, [128, 64])`: a host tensor descriptor, and the tensor map that it becomes from sm_90 on.

use std::ops::Range;

use super::surroundings::Surroundings;
use super::value::Value;
use crate::expression::{Expr, ExprKind, Scalar, evaluate};
use crate::workspace::resolve_view;
use warpbook_compiler::meta::{GivenArgument, GivenKind};
use warpbook_compiler::{Param, TensorDesc};
use warpbook_device::{Device, Interleave, TensorMap, TensorMapSwizzle, TensorMapType, View};
use warpbook_diagnostic::{Diagnostic, Result};

/// L2 promotion that Triton's launcher gives to the driver: 128 bytes.
const L2_PROMOTION: u8 = 2;

/// The descriptor in `tma(a, [128, 64], swizzle=128)`; `None` for any other expression. For Gluon it may have a layout,
/// `layout=gl.NVMMASharedLayout(…)`, or the name of one.
pub fn evaluate_tma(expression: &Expr, around: &Surroundings<'_>) -> Result<Option<Value>> {
    let ExprKind::Call { callee, args, keywords } = &expression.kind else { return Ok(None) };
    if !matches!(&callee.kind, ExprKind::Name(name) if name == "tma") {
        return Ok(None);
    }
    let fail = |span: &Range<usize>, message: &str| {
        let error = Diagnostic::error("argument-kind", message).at(span.clone(), "");
        error.help("`tma(a, [128, 64])`: a buffer or view, and the extents of a block of it")
    };
    let [tensor, block] = args.as_slice() else {
        return Err(fail(&expression.span, "`tma` takes a buffer and the extents of a block"));
    };
    let Some(view) = resolve_view(tensor, around.workspace)? else {
        return Err(fail(&tensor.span, "this is not a buffer"));
    };
    let scope = around.scope();
    let Scalar::Tuple(extents) = evaluate(block, &scope)? else {
        return Err(fail(&block.span, "the extents of a block are a list"));
    };
    let positive = |extent: &Scalar| extent.as_int().and_then(|extent| u32::try_from(extent).ok()).filter(|&e| e > 0);
    let Some(extents) = extents.iter().map(positive).collect::<Option<Vec<u32>>>() else {
        return Err(fail(&block.span, "the extents of a block are positive integers"));
    };
    if extents.len() != view.shape.len() {
        let message = format!("the block has {} dimensions, and the tensor has {}", extents.len(), view.shape.len());
        return Err(fail(&block.span, &message));
    }
    if view.strides.last() != Some(&1) {
        return Err(fail(&tensor.span, "the last dimension of a descriptor's tensor has to be contiguous"));
    }
    let (mut swizzle, mut layout) = (None, None);
    for (name, value) in keywords.iter().map(|keyword| (keyword.name.as_str(), &keyword.value)) {
        if name == "layout" {
            let own = |name: &String| around.defines(name).then(|| name.clone());
            let named = if let ExprKind::Name(name) = &value.kind { own(name) } else { None };
            let Some(text) = named.or_else(|| around.python(value)) else {
                return Err(fail(
                    &value.span,
                    "`layout` is an expression of Gluon: `gl.NVMMASharedLayout(…)`, or its name",
                ));
            };
            layout = Some(text);
            continue;
        }
        if name != "swizzle" {
            return Err(fail(&value.span, &format!("`tma` has no `{name}`: it has `swizzle` and `layout`")));
        }
        swizzle = Some(match evaluate(value, &scope)?.as_int() {
            Some(0) => TensorMapSwizzle::None,
            Some(32) => TensorMapSwizzle::B32,
            Some(64) => TensorMapSwizzle::B64,
            Some(128) => TensorMapSwizzle::B128,
            _ => return Err(fail(&value.span, "`swizzle` is 0, 32, 64 or 128 bytes")),
        });
    }
    if swizzle.is_some() && layout.is_some() {
        return Err(fail(&expression.span, "a layout has its own swizzle: `swizzle` does not go with `layout`"));
    }
    Ok(Some(Value::Descriptor { view, block: extents, swizzle, layout }))
}

/// The element type of Triton's metadata as the driver numbers it. Triton's numbers are the device's
/// (`tensormap.replace`): they differ in three.
fn element_type(number: u32) -> Option<TensorMapType> {
    TensorMapType::from_number(match number {
        8 => 10,
        9 => 8,
        10 => 9,
        other => other,
    })
}

/// The tensor map of a view. `compiled` is the compiler's choice of box, swizzle and element type; without it the
/// block itself is the box, and `swizzle` has to be given: code reads wrong numbers under another one.
pub fn tensor_map(
    view: &View,
    block: &[u32],
    swizzle: Option<TensorMapSwizzle>,
    compiled: Option<&TensorDesc>,
    span: &Range<usize>,
) -> Result<TensorMap> {
    let fail = |message: String| Diagnostic::error("tensor-map", message).at(span.clone(), "");
    let size = view.dtype.size() as u64;
    let (mut element, mut tile, mut chosen) = (TensorMapType::from(view.dtype), block.to_vec(), swizzle);
    if let Some(compiled) = compiled {
        if u64::from(compiled.element_size) != size {
            let expected = compiled.element_size;
            return Err(fail(format!("the code moves elements of {expected} bytes, and {} has {size}", view.dtype)));
        }
        // Of padded fp4, the box counts elements, and the block bytes of two elements each.
        let mut whole = block.to_vec();
        if let Some(last) = whole.last_mut().filter(|_| compiled.fp4_padded) {
            *last = last.saturating_mul(2);
        }
        let fits = compiled.block_size.len() == whole.len()
            && compiled.block_size.iter().zip(&whole).all(|(&part, &whole)| part > 0 && whole.is_multiple_of(part));
        if !fits {
            let error = fail(format!("the code was compiled for boxes of {:?} elements", compiled.block_size));
            return Err(error.note(format!("this descriptor has blocks of {block:?}")));
        }
        let known = TensorMapSwizzle::from_number(compiled.swizzle);
        if let Some(asked) = swizzle.filter(|asked| Some(*asked) != known) {
            let own = known.and_then(TensorMapSwizzle::bytes).unwrap_or(0);
            let asked = asked.bytes().unwrap_or(0);
            return Err(fail(format!("the code was compiled for a swizzle of {own} bytes, not {asked}")));
        }
        element = element_type(compiled.element_type)
            .ok_or_else(|| fail(format!("the code names the unknown element type {}", compiled.element_type)))?;
        if compiled.fp4_padded != (element == TensorMapType::U4x16Padded) {
            return Err(fail(format!("padded fp4 goes with the element type 14, not {}", compiled.element_type)));
        }
        tile.clone_from(&compiled.block_size);
        chosen = known;
    }
    let Some(chosen) = chosen else { return Err(no_swizzle(view, block, span)) };
    let bytes = |&stride: &i64| u64::try_from(stride).ok().and_then(|stride| stride.checked_mul(size));
    let mut strides = view
        .strides
        .iter()
        .rev()
        .skip(1)
        .map(bytes)
        .collect::<Option<Vec<u64>>>()
        .ok_or_else(|| fail("a tensor map needs positive strides".to_owned()))?;
    let mut dims: Vec<u64> = view.shape.iter().rev().map(|&extent| extent as u64).collect();
    // The stride of an extent of one element is never used; the driver checks it all the same.
    for (index, stride) in strides.iter_mut().enumerate() {
        if dims.get(index + 1) == Some(&1) && *stride == 0 {
            *stride = dims[0].saturating_mul(size).next_multiple_of(16);
        }
    }
    if element == TensorMapType::U4x16Padded {
        dims[0] = dims[0].saturating_mul(2);
    }
    tile.reverse();
    Ok(TensorMap {
        element,
        address: view.address,
        element_strides: vec![1; dims.len()],
        dims,
        strides,
        tile,
        interleave: Interleave::None,
        swizzle: chosen,
        l2_promotion: L2_PROMOTION,
        fill_nan: false,
    })
}

/// The error for code that says nothing of the swizzle it was compiled for.
fn no_swizzle(view: &View, block: &[u32], span: &Range<usize>) -> Diagnostic {
    let error = Diagnostic::error("tensor-map", "the text does not state the swizzle of this descriptor");
    let name = if view.buffer.is_empty() { "a" } else { &view.buffer };
    error
        .at(span.clone(), "")
        .note("the swizzle is how the compiled code finds elements in shared memory: with another one it reads wrong ones")
        .help(format!("`tma({name}, {block:?}, swizzle=128)` gives it: 0, 32, 64 or 128 bytes"))
        .help("a `// warpbook: tensordesc=…` comment, as `%edit` writes it, gives it too")
}

/// The bytes of a tensor map whose constraints hold; else the error names each that does not.
pub fn encode(map: &TensorMap, device: &dyn Device, span: &Range<usize>) -> Result<GivenKind> {
    let broken = map.broken();
    if let Some(first) = broken.first() {
        let message = format!("this tensor map is not possible: {}", first.problem);
        let error = Diagnostic::error("tensor-map", message).at(span.clone(), first.field.clone());
        let error = error.note(format!("{}: expected {}", first.field, first.expected));
        let more = broken.iter().skip(1).map(|b| format!("{}: {}; expected {}", b.field, b.problem, b.expected));
        let error = more.fold(error, Diagnostic::note);
        return Err(error.help("dimensions are counted from the innermost one, as the driver does"));
    }
    let bytes = device.tensor_map(map).map_err(|error| error.at(span.clone(), ""))?;
    match bytes.try_into() {
        Ok(bytes) => Ok(GivenKind::TensorMap(bytes)),
        Err(_) => Err(Diagnostic::error("tensor-map", "a tensor map has 128 bytes").at(span.clone(), "")),
    }
}

/// The arguments that a host descriptor becomes, as Triton passes it: `first` is the value of its own parameter, the
/// tensor map or the pointer, and `params` are the compiled parameters from that one on. A tensor map is followed by
/// extents and strides; a pointer by extents and strides, from Triton 3.6 on by the padding, and by extents and strides
/// again.
pub fn parts(first: GivenKind, name: &str, view: &View, params: &[Param], span: &Range<usize>) -> Vec<GivenArgument> {
    let part = |label: String, kind: GivenKind| GivenArgument { span: span.clone(), label, kind };
    let is_pointer = matches!(first, GivenKind::Pointer { .. });
    let mut parts = vec![part(name.to_owned(), first)];
    let extents = view.shape.iter().enumerate().map(|(at, &n)| (format!("{name}.shape[{at}]"), n as i64));
    let strides = view.strides.iter().enumerate().map(|(at, &n)| (format!("{name}.stride({at})"), n));
    let both: Vec<_> = extents.chain(strides).map(|(label, value)| part(label, GivenKind::Int(value))).collect();
    parts.extend(both.iter().cloned());
    if is_pointer {
        if params.get(parts.len()).is_some_and(|param| param.size == 1) {
            // What lies outside of the tensor is zero.
            parts.push(part(format!("{name}.padding"), GivenKind::Bool(false)));
        }
        parts.extend(both);
    }
    parts
}
