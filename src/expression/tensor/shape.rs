//! Functions and subscripts that move elements or make new tensors.

use std::ops::Range;

use super::super::ast::{Expr, ExprKind, Keyword, Subscript};
use super::super::scalar::Scalar;
use super::argument::{Argument, Bound};
use super::evaluate::{Evaluator, as_integer, fail, transposed};
use super::failure::Result as Outcome;
use super::matmul;
use super::reduce::dimension;
use super::value::{Elements, Tensor, Value, broadcast, concatenated, elements_of, strides};
use crate::expression::slice_extent;
use warpbook_diagnostic::Result;
use warpbook_process::work::{Result as Step, Work};

/// `transpose`, `reshape`, `flip`, `tril` and the like.
pub(super) fn rearrange(call: &Bound<'_>) -> Result<Tensor> {
    let x = call.tensor("x")?;
    let rank = x.shape.len();
    match call.name {
        "t" => call.done(transposed(&x, call.work)),
        "transpose" | "permute" => {
            let axes = integers(&call.rest)?;
            let axes = axes.into_iter().map(|axis| dimension(call, axis, rank)).collect::<Result<Vec<_>>>()?;
            let mut order: Vec<usize> = (0..rank).collect();
            match axes.as_slice() {
                [] if call.name == "transpose" => order.reverse(),
                // Two axes are swapped, as in PyTorch; for a matrix numpy means the same.
                &[a, b] if call.name == "transpose" => order.swap(a, b),
                _ => {
                    let mut sorted = axes.clone();
                    sorted.sort_unstable();
                    if sorted != order {
                        return Err(call.fail(format!("each of {rank} axes is named once")));
                    }
                    order = axes;
                }
            }
            let own = strides(&x.shape);
            let steps: Vec<isize> = order.iter().map(|&axis| own[axis]).collect();
            call.done(x.strided(order.iter().map(|&axis| x.shape[axis]).collect(), &steps, 0, call.work))
        }
        "flip" => {
            let axes = match call.get("axis") {
                Some(axis) => axis.integers()?,
                None => (0..rank as i64).collect(),
            };
            if x.numel() == 0 {
                return Ok(x);
            }
            let mut steps = strides(&x.shape);
            let mut offset = 0;
            for axis in axes {
                let axis = dimension(call, axis, rank)?;
                // Twice is not at all.
                let last = steps[axis].wrapping_mul(x.shape[axis] as isize - 1);
                offset += last;
                steps[axis] = steps[axis].wrapping_neg();
            }
            call.done(x.strided(x.shape.clone(), &steps, offset as usize, call.work))
        }
        "broadcast_to" => {
            let shape = extents(&call.rest, call)?;
            if broadcast(&x.shape, &shape).as_ref() != Some(&shape) {
                return Err(call.fail(format!("shape {:?} does not broadcast to {shape:?}", x.shape)));
            }
            call.done(elements_of(&shape))?;
            call.done(x.broadcast_to(&shape, call.work))
        }
        "tril" | "triu" => {
            let k = call.integer("k", 0)?;
            let (Some(&columns), true) = (x.shape.last(), rank >= 2) else {
                return Err(call.fail(format!("`{}` takes matrices, not the shape {:?}", call.name, x.shape)));
            };
            let rows = x.shape[rank - 2];
            let keeps = |index: usize| {
                let (row, column) = (index / columns % rows, index % columns);
                let above = column as i64 - row as i64;
                if call.name == "tril" { above <= k } else { above >= k }
            };
            let data = call.done(masked(&x.data, keeps, call.work))?;
            Ok(Tensor { shape: x.shape, data: data.into(), dtype: x.dtype })
        }
        _ => reshape(call, x),
    }
}

/// The elements at the indices that are kept, and zeros elsewhere.
fn masked(data: &Elements, keeps: impl Fn(usize) -> bool, work: Work<'_>) -> Step<Elements> {
    fn kept<T: Copy + Default>(values: &[T], keeps: impl Fn(usize) -> bool, work: Work<'_>) -> Step<Vec<T>> {
        work.fill(values.len(), |index| if keeps(index) { values[index] } else { T::default() })
    }
    Ok(match data {
        Elements::Float(values) => Elements::Float(kept(values, keeps, work)?),
        Elements::Int(values) => Elements::Int(kept(values, keeps, work)?),
        Elements::Bool(values) => Elements::Bool(kept(values, keeps, work)?),
    })
}

fn reshape(call: &Bound<'_>, x: Tensor) -> Result<Tensor> {
    let wanted = integers(&call.rest)?;
    let count = x.numel();
    let known = wanted.iter().filter(|&&extent| extent != -1);
    let known = known.map(|&extent| usize::try_from(extent).ok()).try_fold(1usize, |all, one| all.checked_mul(one?));
    let unknown = wanted.iter().filter(|&&extent| extent == -1).count();
    let inferred = match (known, unknown) {
        (Some(known), 0) if known == count => Some(0),
        (Some(known), 1) if known != 0 && count.is_multiple_of(known) => Some(count / known),
        _ => None,
    };
    let Some(inferred) = inferred else {
        return Err(call.fail(format!("{count} elements do not fit the shape {wanted:?}")));
    };
    let shape = wanted.iter().map(|&extent| usize::try_from(extent).unwrap_or(inferred)).collect();
    Ok(Tensor { shape, ..x })
}

/// Integers given one by one or as one tuple.
fn integers(arguments: &[Argument]) -> Result<Vec<i64>> {
    match arguments {
        [only] => only.integers(),
        several => several.iter().map(Argument::integer).collect(),
    }
}

fn extents(arguments: &[Argument], call: &Bound<'_>) -> Result<Vec<usize>> {
    let extent = |value: i64| {
        usize::try_from(value).map_err(|_| call.fail(format!("an extent is an integer of 0 or more, not {value}")))
    };
    integers(arguments)?.into_iter().map(extent).collect()
}

/// `zeros`, `arange` and the like.
pub(super) fn create(call: &Bound<'_>) -> Result<Tensor> {
    let filled = |shape: Vec<usize>, value: &dyn Fn(usize) -> f64| -> Result<Tensor> {
        let count = call.done(elements_of(&shape))?;
        Ok(Tensor::new(shape, Elements::Float(call.done(call.work.fill(count, value))?)))
    };
    match call.name {
        "zeros" => filled(extents(&call.rest, call)?, &|_| 0.0),
        "ones" => filled(extents(&call.rest, call)?, &|_| 1.0),
        "full" => {
            let shape = extents(std::slice::from_ref(call.required("shape")?), call)?;
            call.done(elements_of(&shape))?;
            let value = call.tensor("value")?;
            if value.numel() != 1 {
                return Err(call.fail("`full` takes one value"));
            }
            call.done(Tensor { shape: Vec::new(), ..value }.broadcast_to(&shape, call.work))
        }
        "eye" => {
            let n = call.required("n")?;
            let m = call.get("m").unwrap_or(n);
            let shape = extents(&[n.clone(), m.clone()], call)?;
            let columns = shape[1].max(1);
            filled(shape, &|index| if index / columns == index % columns { 1.0 } else { 0.0 })
        }
        _ => arange(call),
    }
}

fn arange(call: &Bound<'_>) -> Result<Tensor> {
    let first = call.tensor("start")?;
    let (start, stop) = match call.get("stop") {
        Some(stop) => (first, stop.tensor()?),
        None => (Tensor::new(Vec::new(), Elements::Int(vec![0])), first),
    };
    let step = call.get("step").map_or(Ok(Tensor::new(Vec::new(), Elements::Int(vec![1]))), Argument::tensor)?;
    let numbers = [&start, &stop, &step].map(|tensor| tensor.data.get(0).filter(|_| tensor.numel() == 1));
    let [Some(start), Some(stop), Some(step)] = &numbers else {
        return Err(call.fail("`arange` takes one to three numbers"));
    };
    if let (Some(start), Some(stop), Some(step)) = (start.as_int(), stop.as_int(), step.as_int()) {
        let distance = i128::from(stop) - i128::from(start);
        let count = match i128::from(step) {
            0 => return Err(call.fail("the step of `arange` is not 0")),
            step if (distance > 0) == (step > 0) && distance != 0 => (distance.abs() - 1) / step.abs() + 1,
            _ => 0,
        };
        let count = call.done(elements_of(&[usize::try_from(count).unwrap_or(usize::MAX)]))?;
        let values = call.work.fill(count, |at| start.wrapping_add((at as i64).wrapping_mul(step)));
        return Ok(Tensor::new(vec![count], Elements::Int(call.done(values)?)));
    }
    let float = |number: &Scalar| number.as_float().unwrap_or(f64::NAN);
    let (start, stop, step) = (float(start), float(stop), float(step));
    let count = ((stop - start) / step).ceil();
    if !count.is_finite() {
        return Err(call.fail("`arange` needs finite numbers and a step that is not 0"));
    }
    let count = call.done(elements_of(&[count.max(0.0) as usize]))?;
    let values = call.work.fill(count, |at| start + at as f64 * step);
    Ok(Tensor::new(vec![count], Elements::Float(call.done(values)?)))
}

impl Evaluator<'_> {
    /// `outer(x, y)`, `dot(x, y)`
    pub(super) fn product(&self, call: &Bound<'_>) -> Result<Tensor> {
        let (mut x, mut y) = (call.tensor("x")?, call.tensor("y")?);
        if call.name == "outer" {
            x.shape = vec![x.numel(), 1];
            y.shape = vec![1, y.numel()];
        }
        call.done(matmul::multiply(&x, &y, self.work))
    }

    /// `concat([a, b], axis=0)`, `stack([a, b], axis=0)`
    pub(super) fn join(&self, name: &str, args: &[Expr], keywords: &[Keyword], span: &Range<usize>) -> Result<Tensor> {
        let usage = format!("{name}([a, b], axis=0)");
        let mut axis = None;
        for keyword in keywords {
            if !matches!(keyword.name.as_str(), "axis" | "dim") {
                let error = fail(&keyword.name_span, format!("`{name}` takes no `{}`", keyword.name));
                return Err(error.help(usage));
            }
            axis = Some(&keyword.value);
        }
        let (items, axis) = match args {
            [Expr { kind: ExprKind::List(items) | ExprKind::Tuple(items), .. }] => (items, axis),
            [Expr { kind: ExprKind::List(items) | ExprKind::Tuple(items), .. }, given] if axis.is_none() => {
                (items, Some(given))
            }
            _ => return Err(fail(span, format!("`{name}` takes a list of tensors")).help(usage)),
        };
        let axis = axis.map_or(Ok(0), |axis| self.integer(axis))?;
        let mut tensors = items.iter().map(|item| self.tensor(item)).collect::<Result<Vec<_>>>()?;
        let Some(first) = tensors.first().map(|tensor| tensor.shape.clone()) else {
            return Err(fail(span, format!("`{name}` takes one tensor or more")));
        };
        let rank = first.len() + usize::from(name == "stack");
        let wrapped = if axis < 0 { axis.saturating_add(rank as i64) } else { axis };
        let Some(axis) = usize::try_from(wrapped).ok().filter(|&axis| axis < rank) else {
            return Err(fail(span, format!("there is no axis {axis} among {rank} dimensions")));
        };
        let mut total = 0usize;
        for (tensor, item) in tensors.iter_mut().zip(items) {
            let without = |shape: &[usize]| {
                let others = shape.iter().enumerate().filter(|(at, _)| name == "stack" || *at != axis);
                others.map(|(_, &extent)| extent).collect::<Vec<_>>()
            };
            if tensor.shape.len() != first.len() || without(&tensor.shape) != without(&first) {
                let message = format!("shapes {first:?} and {:?} do not join along axis {axis}", tensor.shape);
                return Err(fail(&item.span, message));
            }
            if name == "stack" {
                tensor.shape.insert(axis, 1);
            }
            total = total.saturating_add(tensor.shape[axis]);
        }
        joined(&tensors, axis, total, self.work).map_err(|message| fail(span, message))
    }

    /// `x[1:, None, -1]`, `x[indices]`, `x[:, mask]`
    pub(super) fn subscript(&self, x: &Tensor, subscripts: &[Subscript], span: &Range<usize>) -> Result<Tensor> {
        let mut taken: Option<(usize, Tensor, Range<usize>)> = None;
        let own = strides(&x.shape);
        let (mut offset, mut shape, mut steps) = (0isize, Vec::new(), Vec::new());
        let mut dimension = 0;
        // First and last of the subscripts that are indices, and how many there are.
        let mut indexed: Option<(usize, usize, usize)> = None;
        for (position, subscript) in subscripts.iter().enumerate() {
            if matches!(subscript, Subscript::Index(Expr { kind: ExprKind::None, .. })) {
                shape.push(1);
                steps.push(0);
                continue;
            }
            let (Some(&extent), Some(&stride)) = (x.shape.get(dimension), own.get(dimension)) else {
                let error = fail(span, format!("too many indices for {} dimensions", x.shape.len()));
                return Err(error.note(format!("the shape is {:?}", x.shape)));
            };
            let length = extent as i64;
            match subscript {
                Subscript::Index(expression) => {
                    let (first, _, count) = indexed.unwrap_or((position, position, 0));
                    indexed = Some((first, position, count + 1));
                    let value = self.value(expression)?;
                    if let Some(indices) = several(&value) {
                        if taken.replace((shape.len(), indices, expression.span.clone())).is_some() {
                            let error = fail(&expression.span, "only one index may be a tensor");
                            return Err(error.help("index twice: `x[rows][:, columns]`"));
                        }
                        shape.push(extent);
                        steps.push(stride);
                        dimension += 1;
                        continue;
                    }
                    let index = as_integer(&value, &expression.span)?;
                    let from_start = if index < 0 { index.saturating_add(length) } else { index };
                    if !(0..length).contains(&from_start) {
                        let error =
                            fail(&expression.span, format!("index {index} is outside of dimension {dimension}"));
                        return Err(error.note(format!("its extent is {extent}")));
                    }
                    offset = offset.wrapping_add((from_start as isize).wrapping_mul(stride));
                }
                Subscript::Slice { start, stop, step, span } => {
                    let given = |bound: &Option<Expr>| bound.as_ref().map(|bound| self.integer(bound)).transpose();
                    let (start, stop, step) = (given(start)?, given(stop)?, given(step)?.unwrap_or(1));
                    if step == 0 {
                        return Err(fail(span, "the step of a slice is not 0"));
                    }
                    let (first, count) = slice_extent(start, stop, step, length);
                    offset = offset.wrapping_add((first as isize).wrapping_mul(stride));
                    shape.push(count as usize);
                    steps.push(stride.wrapping_mul(step as isize));
                }
            }
            dimension += 1;
        }
        shape.extend(x.shape.iter().skip(dimension));
        steps.extend(own.iter().skip(dimension));
        if let (Some((first, last, count)), true) = (indexed, taken.is_some())
            && last - first + 1 != count
        {
            let error = fail(span, "a tensor and a number as indices stand side by side");
            return Err(error.help("index twice: `x[0][:, indices]`"));
        }
        let seen = x.strided(shape, &steps, offset as usize, self.work).map_err(|stopped| fail(span, stopped))?;
        match taken {
            Some((axis, indices, span)) => {
                take(&seen, axis, &indices, self.work).map_err(|message| fail(&span, message))
            }
            None => Ok(seen),
        }
    }
}

/// An index that is a tensor with a dimension, or a list.
fn several(value: &Value) -> Option<Tensor> {
    match value {
        Value::Tensor(tensor) if !tensor.shape.is_empty() => Some(tensor.clone()),
        Value::Scalar(list @ Scalar::Tuple(_)) => Tensor::from_scalar(list),
        _ => None,
    }
}

/// The parts of a tensor at some indices of an axis; the indices' shape takes the axis' place, as in numpy.
fn take(x: &Tensor, axis: usize, indices: &Tensor, work: Work<'_>) -> Outcome<Tensor> {
    let extent = x.shape[axis];
    let (places, shape) = match &*indices.data {
        Elements::Float(values) if values.is_empty() => (Vec::new(), indices.shape.clone()),
        Elements::Float(_) => return Err("an index is an integer, not a float".into()),
        Elements::Bool(mask) => {
            if indices.shape != [extent] {
                return Err(format!("a mask of shape {:?} does not fit {extent} elements", indices.shape).into());
            }
            let count = work.watched(mask).filter(|&&chosen| chosen).count();
            let mut places: Vec<usize> = work.room(count)?;
            places.extend(work.watched(mask).enumerate().filter(|(_, chosen)| **chosen).map(|(at, _)| at));
            work.check()?;
            (places, vec![count])
        }
        Elements::Int(values) => {
            let place = |&index: &i64| {
                let from_start = if index < 0 { index.saturating_add(extent as i64) } else { index };
                usize::try_from(from_start).ok().filter(|&place| place < extent)
            };
            let outside = work.watched(values).find(|index| place(index).is_none());
            if let Some(index) = outside {
                let message = format!("index {index} is outside of dimension {axis}, whose extent is {extent}");
                return Err(message.into());
            }
            (work.map(values, |index| place(index).unwrap_or_default())?, indices.shape.clone())
        }
    };
    let shape = [&x.shape[..axis], &shape, &x.shape[axis + 1..]].concat();
    let count = elements_of(&shape)?;
    let inner = x.shape[axis + 1..].iter().fold(1usize, |all, &one| all.saturating_mul(one));
    let pick = Pick { places: &places, extent, inner, count };
    let data = match &*x.data {
        Elements::Float(values) => Elements::Float(pick.from(values, work)?),
        Elements::Int(values) => Elements::Int(pick.from(values, work)?),
        Elements::Bool(values) => Elements::Bool(pick.from(values, work)?),
    };
    Ok(Tensor { shape, data: data.into(), dtype: x.dtype })
}

/// Which parts of an axis are taken.
struct Pick<'a> {
    /// Indices along the axis.
    places: &'a [usize],
    /// Extent of the axis.
    extent: usize,
    /// Elements of one part: the product of the extents behind the axis.
    inner: usize,
    /// Elements of the result.
    count: usize,
}

impl Pick<'_> {
    fn from<T: Copy>(&self, values: &[T], work: Work<'_>) -> Step<Vec<T>> {
        let mut picked = work.room(self.count)?;
        while picked.len() < self.count {
            let outer = picked.len() / (self.places.len() * self.inner);
            for place in work.watched(self.places) {
                work.append(&mut picked, &values[(outer * self.extent + place) * self.inner..][..self.inner])?;
            }
            work.check()?;
        }
        Ok(picked)
    }
}

/// Tensors of one rank one after another along an axis.
fn joined(tensors: &[Tensor], axis: usize, total: usize, work: Work<'_>) -> Outcome<Tensor> {
    let Some(first) = tensors.first() else { return Err("there is nothing to join".into()) };
    let mut shape = first.shape.clone();
    shape[axis] = total;
    let count = elements_of(&shape)?;
    let outer: usize = if shape.contains(&0) { 0 } else { shape[..axis].iter().product() };
    let data = concatenated(tensors, outer, count, work)?;
    let dtype = first.dtype.filter(|_| tensors.iter().all(|tensor| tensor.dtype == first.dtype));
    Ok(Tensor { shape, data: data.into(), dtype })
}
