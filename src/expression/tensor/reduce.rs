//! Functions along axes: sums, extremes, softmax, sorting.

use std::cmp::Ordering;
use std::rc::Rc;

use super::argument::Bound;
use super::evaluate::fail;
use super::value::{Elements, Tensor, elements_of, strides};
use warpbook_diagnostic::Result;
use warpbook_process::work::{Result as Step, Work};

/// The index of a dimension, counted from the end where it is negative.
pub(super) fn dimension(call: &Bound<'_>, axis: i64, rank: usize) -> Result<usize> {
    let index = if axis < 0 { axis.saturating_add(rank as i64) } else { axis };
    usize::try_from(index).ok().filter(|&index| index < rank).ok_or_else(|| {
        let message = format!("there is no axis {axis} among {rank} dimension{}", if rank == 1 { "" } else { "s" });
        match call.get("axis").or(call.rest.first()) {
            Some(argument) => fail(&argument.span, message),
            None => call.fail(message),
        }
    })
}

/// The tensor with some axes last, so that what is reduced lies together: (elements, kept extents, reduced count).
fn with_last(tensor: &Tensor, axes: &[usize], work: Work<'_>) -> Step<(Rc<Elements>, Vec<usize>, usize)> {
    let kept: Vec<usize> = (0..tensor.shape.len()).filter(|dimension| !axes.contains(dimension)).collect();
    let own = strides(&tensor.shape);
    let order: Vec<usize> = kept.iter().chain(axes).copied().collect();
    let shape: Vec<usize> = order.iter().map(|&dimension| tensor.shape[dimension]).collect();
    let order: Vec<isize> = order.iter().map(|&dimension| own[dimension]).collect();
    let kept: Vec<usize> = kept.iter().map(|&dimension| tensor.shape[dimension]).collect();
    let reduced = axes.iter().map(|&axis| tensor.shape[axis]).fold(1usize, usize::saturating_mul);
    // Axes that are last already need no copy.
    let data =
        if order == own { Rc::clone(&tensor.data) } else { Rc::new(tensor.data.gather(&shape, &order, 0, work)?) };
    Ok((data, kept, reduced))
}

/// `sum`, `max`, `argmin` and the like.
pub(super) fn reduce(call: &Bound<'_>) -> Result<Tensor> {
    let x = call.tensor("x")?;
    let rank = x.shape.len();
    let mut axes = match call.get("axis") {
        Some(axis) => {
            let axes = axis.integers()?;
            axes.into_iter().map(|axis| dimension(call, axis, rank)).collect::<Result<Vec<_>>>()?
        }
        None => (0..rank).collect(),
    };
    axes.sort_unstable();
    if axes.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(call.fail("an axis is given twice"));
    }
    let (data, kept, reduced) = call.done(with_last(&x, &axes, call.work))?;
    if reduced == 0 && matches!(call.name, "max" | "min" | "argmax" | "argmin") {
        return Err(call.fail(format!("`{}` of no elements: the shape is {:?}", call.name, x.shape)));
    }
    let count = call.done(elements_of(&kept))?;
    let ddof = if matches!(call.name, "var" | "std") { call.integer("ddof", 0)? } else { 0 };
    let data = call.done(reduced_rows(call.name, &data, count, reduced, ddof, call.work))?;
    let shape = if call.is_set("keepdims") {
        let one = |(dimension, &extent)| if axes.contains(&dimension) { 1 } else { extent };
        x.shape.iter().enumerate().map(one).collect()
    } else {
        kept
    };
    let dtype = if matches!(call.name, "max" | "min") { x.dtype } else { None };
    Ok(Tensor { shape, data: data.into(), dtype })
}

/// A reduction of each of `count` rows of `length` elements.
fn reduced_rows(name: &str, data: &Elements, count: usize, length: usize, ddof: i64, work: Work<'_>) -> Step<Elements> {
    Ok(match (name, data) {
        ("any", data) => Elements::Bool(rows(&data.bools(work)?, count, length, work, |row| any(row, true, work))?),
        ("all", data) => Elements::Bool(rows(&data.bools(work)?, count, length, work, |row| !any(row, false, work))?),
        ("max", Elements::Bool(values)) => {
            Elements::Bool(rows(values, count, length, work, |row| any(row, true, work))?)
        }
        ("min", Elements::Bool(values)) => {
            Elements::Bool(rows(values, count, length, work, |row| !any(row, false, work))?)
        }
        ("argmax" | "argmin", data) => {
            let greatest = name == "argmax";
            Elements::Int(match data.ints(work)? {
                Some(values) => rows(&values, count, length, work, |row| first_extreme(row, greatest, work))?,
                None => rows(&data.floats(work)?, count, length, work, |row| first_extreme(row, greatest, work))?,
            })
        }
        ("sum" | "prod" | "max" | "min", data) if data.are_exact() => {
            let values = data.ints(work)?.unwrap_or_default();
            Elements::Int(rows(&values, count, length, work, |row| {
                let row = work.watched(row).copied();
                match name {
                    "sum" => row.fold(0, i64::wrapping_add),
                    "prod" => row.fold(1, i64::wrapping_mul),
                    "max" => row.max().unwrap_or_default(),
                    _ => row.min().unwrap_or_default(),
                }
            })?)
        }
        (name, data) => {
            Elements::Float(rows(&data.floats(work)?, count, length, work, float_reduction(name, ddof, work))?)
        }
    })
}

/// One value for each row. A reduction may end early at an interrupt: its value is not used then.
fn rows<T, R>(values: &[T], count: usize, length: usize, work: Work<'_>, reduce: impl Fn(&[T]) -> R) -> Step<Vec<R>> {
    let mut reduced = work.room(count)?;
    // Looks at the interrupt after some elements, however many rows they are.
    let step = (ROWS / length.max(1)).max(1);
    for first in (0..count).step_by(step) {
        work.check()?;
        reduced.extend((first..(first + step).min(count)).map(|row| reduce(&values[row * length..][..length])));
    }
    work.check()?;
    Ok(reduced)
}

/// Elements of short rows between two looks at the interrupt.
const ROWS: usize = 1 << 15;

fn any(row: &[bool], wanted: bool, work: Work<'_>) -> bool {
    work.watched(row).any(|&truth| truth == wanted)
}

fn largest(row: &[f64], work: Work<'_>) -> f64 {
    work.watched(row).copied().fold(f64::NEG_INFINITY, |a, b| if a.is_nan() || a > b { a } else { b })
}

fn float_reduction<'a>(name: &str, ddof: i64, work: Work<'a>) -> impl Fn(&[f64]) -> f64 + use<'a> {
    let name = name.to_owned();
    move |row| match name.as_str() {
        "sum" => work.watched(row).sum(),
        "prod" => work.watched(row).product(),
        "mean" => work.watched(row).sum::<f64>() / row.len() as f64,
        "max" => largest(row, work),
        "min" => work.watched(row).copied().fold(f64::INFINITY, |a, b| if a.is_nan() || a < b { a } else { b }),
        "logsumexp" => log_sum_exp(row, work),
        _ => {
            let mean = work.watched(row).sum::<f64>() / row.len() as f64;
            let squares: f64 = work.watched(row).map(|value| (value - mean) * (value - mean)).sum();
            let variance = squares / (row.len() as i64).saturating_sub(ddof).max(0) as f64;
            if name == "std" { variance.sqrt() } else { variance }
        }
    }
}

fn log_sum_exp(row: &[f64], work: Work<'_>) -> f64 {
    let largest = largest(row, work);
    if largest.is_infinite() {
        return largest;
    }
    largest + work.watched(row).map(|value| (value - largest).exp()).sum::<f64>().ln()
}

/// The index of the first extreme; a NaN is one, as in numpy.
fn first_extreme<T: PartialOrd + Copy>(row: &[T], greatest: bool, work: Work<'_>) -> i64 {
    let mut best = 0;
    for (index, value) in work.watched(row).enumerate() {
        let is_nan = value.partial_cmp(value).is_none();
        let better = if greatest { *value > row[best] } else { *value < row[best] };
        if is_nan {
            return index as i64;
        }
        if better {
            best = index;
        }
    }
    best as i64
}

/// `softmax`, `cumsum`, `sort`: an axis in, the same axis out.
pub(super) fn along(call: &Bound<'_>) -> Result<Tensor> {
    let mut x = call.tensor("x")?;
    let is_running = matches!(call.name, "cumsum" | "cumprod");
    if call.get("axis").is_none() && is_running {
        x.shape = vec![x.numel()];
    }
    let rank = x.shape.len();
    let axis = dimension(call, call.integer("axis", -1)?, rank)?;
    let work = call.work;
    let (data, kept, length) = call.done(with_last(&x, &[axis], work))?;
    let data = match length {
        0 => data,
        _ => Rc::new(call.done(each_row(call.name, &data, length, work))?),
    };
    let dtype = if call.name == "sort" { x.dtype } else { None };
    // Back to where the axis was.
    if axis + 1 == rank {
        return Ok(Tensor { shape: x.shape, data, dtype });
    }
    let moved: Vec<usize> = kept.iter().copied().chain([length]).collect();
    let mut steps = strides(&moved);
    if let Some(last) = steps.pop() {
        steps.insert(axis, last);
    }
    let data = call.done(data.gather(&x.shape, &steps, 0, work))?;
    Ok(Tensor { data: data.into(), shape: x.shape, dtype })
}

/// Each row of `length` elements, which is not 0, made into another one of that length.
fn each_row(name: &str, data: &Elements, length: usize, work: Work<'_>) -> Step<Elements> {
    Ok(match (name, data) {
        ("argsort", data) => Elements::Int(match data.ints(work)? {
            Some(values) => sorted_indices(&values, length, i64::cmp, work)?,
            None => sorted_indices(&data.floats(work)?, length, compare, work)?,
        }),
        ("sort", Elements::Bool(values)) => Elements::Bool(sorted(values, length, bool::cmp, work)?),
        ("sort", Elements::Int(values)) => Elements::Int(sorted(values, length, i64::cmp, work)?),
        ("sort", Elements::Float(values)) => Elements::Float(sorted(values, length, compare, work)?),
        ("cumsum" | "cumprod", data) => match data.ints(work)? {
            Some(values) => {
                let apply = if name == "cumsum" { i64::wrapping_add } else { i64::wrapping_mul };
                Elements::Int(running(&values, length, apply, work)?)
            }
            None => {
                let apply = if name == "cumsum" { |a, b| a + b } else { |a, b| a * b };
                Elements::Float(running(&data.floats(work)?, length, apply, work)?)
            }
        },
        (name, data) => Elements::Float(softmax(&data.floats(work)?, length, name == "softmax", work)?),
    })
}

/// softmax of each row, or its logarithm.
fn softmax(values: &[f64], length: usize, is_plain: bool, work: Work<'_>) -> Step<Vec<f64>> {
    let mut all = work.room(values.len())?;
    for row in values.chunks(length) {
        let largest = largest(row, work);
        let sum: f64 = work.watched(row).map(|value| (value - largest).exp()).sum();
        let log = sum.ln();
        let one = |value: &f64| if is_plain { (value - largest).exp() / sum } else { value - largest - log };
        work.steps(length, |range| all.extend(row[range].iter().map(one)))?;
    }
    Ok(all)
}

/// Sums or products from the beginning of each row to each of its elements.
fn running<T: Copy>(values: &[T], length: usize, add: impl Fn(T, T) -> T, work: Work<'_>) -> Step<Vec<T>> {
    let mut all: Vec<T> = work.room(values.len())?;
    work.steps(values.len(), |range| {
        for index in range {
            let value = match all.last() {
                Some(&before) if index % length != 0 => add(before, values[index]),
                _ => values[index],
            };
            all.push(value);
        }
    })?;
    Ok(all)
}

/// NaN goes last, as in numpy.
fn compare(a: &f64, b: &f64) -> Ordering {
    a.partial_cmp(b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
}

/// Each row in order.
fn sorted<T: Copy>(values: &[T], length: usize, compare: fn(&T, &T) -> Ordering, work: Work<'_>) -> Step<Vec<T>> {
    let mut all = work.room(values.len())?;
    for row in values.chunks(length) {
        work.append(&mut all, &work.sorted(work.copy(row)?, compare)?)?;
    }
    Ok(all)
}

/// For each row, the order that sorts it; equal elements stay in order.
fn sorted_indices<T>(values: &[T], length: usize, compare: fn(&T, &T) -> Ordering, work: Work<'_>) -> Step<Vec<i64>> {
    let mut all = work.room(values.len())?;
    for row in values.chunks(length) {
        let indices = work.fill(length, |index| index as i64)?;
        let order = work.sorted(indices, |&a, &b| compare(&row[a as usize], &row[b as usize]))?;
        work.append(&mut all, &order)?;
    }
    Ok(all)
}
