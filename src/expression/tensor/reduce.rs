//! Functions along axes: sums, extremes, softmax, sorting.

use super::argument::Bound;
use super::evaluate::fail;
use super::value::{Elements, Tensor, elements_of, strides};
use warpbook_diagnostic::Result;

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
fn with_last(tensor: &Tensor, axes: &[usize]) -> (Elements, Vec<usize>, usize) {
    let kept: Vec<usize> = (0..tensor.shape.len()).filter(|dimension| !axes.contains(dimension)).collect();
    let own = strides(&tensor.shape);
    let order: Vec<usize> = kept.iter().chain(axes).copied().collect();
    let shape: Vec<usize> = order.iter().map(|&dimension| tensor.shape[dimension]).collect();
    let order: Vec<isize> = order.iter().map(|&dimension| own[dimension]).collect();
    let kept: Vec<usize> = kept.iter().map(|&dimension| tensor.shape[dimension]).collect();
    let reduced = axes.iter().map(|&axis| tensor.shape[axis]).fold(1usize, usize::saturating_mul);
    (tensor.data.gather(&shape, &order, 0), kept, reduced)
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
    let (data, kept, reduced) = with_last(&x, &axes);
    if reduced == 0 && matches!(call.name, "max" | "min" | "argmax" | "argmin") {
        return Err(call.fail(format!("`{}` of no elements: the shape is {:?}", call.name, x.shape)));
    }
    let count = elements_of(&kept).map_err(|message| call.fail(message))?;
    let ddof = if matches!(call.name, "var" | "std") { call.integer("ddof", 0)? } else { 0 };
    let data = match (call.name, data) {
        ("any", data) => Elements::Bool(rows(&data.to_bools(), count, reduced, |row| row.contains(&true))),
        ("all", data) => Elements::Bool(rows(&data.to_bools(), count, reduced, |row| !row.contains(&false))),
        ("argmax" | "argmin", data) => Elements::Int(match data.ints() {
            Some(values) => rows(&values, count, reduced, |row| first_extreme(row, call.name == "argmax")),
            None => rows(&data.floats(), count, reduced, |row| first_extreme(row, call.name == "argmax")),
        }),
        ("max", Elements::Bool(values)) => Elements::Bool(rows(&values, count, reduced, |row| row.contains(&true))),
        ("min", Elements::Bool(values)) => Elements::Bool(rows(&values, count, reduced, |row| !row.contains(&false))),
        ("sum" | "prod" | "max" | "min", data) => match data.to_ints() {
            Some(values) => Elements::Int(rows(&values, count, reduced, |row| {
                let row = row.iter().copied();
                match call.name {
                    "sum" => row.fold(0, i64::wrapping_add),
                    "prod" => row.fold(1, i64::wrapping_mul),
                    "max" => row.max().unwrap_or_default(),
                    _ => row.min().unwrap_or_default(),
                }
            })),
            None => Elements::Float(rows(&data.floats(), count, reduced, float_reduction(call.name, ddof))),
        },
        (name, data) => Elements::Float(rows(&data.floats(), count, reduced, float_reduction(name, ddof))),
    };
    let shape = if call.is_set("keepdims") {
        let one = |(dimension, &extent)| if axes.contains(&dimension) { 1 } else { extent };
        x.shape.iter().enumerate().map(one).collect()
    } else {
        kept
    };
    let dtype = if matches!(call.name, "max" | "min") { x.dtype } else { None };
    Ok(Tensor { shape, data, dtype })
}

/// One value for each row.
fn rows<T, R>(values: &[T], count: usize, length: usize, reduce: impl Fn(&[T]) -> R) -> Vec<R> {
    (0..count).map(|row| reduce(&values[row * length..][..length])).collect()
}

fn float_reduction(name: &str, ddof: i64) -> impl Fn(&[f64]) -> f64 {
    let name = name.to_owned();
    move |row| match name.as_str() {
        "sum" => row.iter().sum(),
        "prod" => row.iter().product(),
        "mean" => row.iter().sum::<f64>() / row.len() as f64,
        "max" => row.iter().copied().fold(f64::NEG_INFINITY, |a, b| if a.is_nan() || a > b { a } else { b }),
        "min" => row.iter().copied().fold(f64::INFINITY, |a, b| if a.is_nan() || a < b { a } else { b }),
        "logsumexp" => log_sum_exp(row),
        _ => {
            let mean = row.iter().sum::<f64>() / row.len() as f64;
            let squares: f64 = row.iter().map(|value| (value - mean) * (value - mean)).sum();
            let variance = squares / (row.len() as i64).saturating_sub(ddof).max(0) as f64;
            if name == "std" { variance.sqrt() } else { variance }
        }
    }
}

fn log_sum_exp(row: &[f64]) -> f64 {
    let largest = row.iter().copied().fold(f64::NEG_INFINITY, |a, b| if a.is_nan() || a > b { a } else { b });
    if largest.is_infinite() {
        return largest;
    }
    largest + row.iter().map(|value| (value - largest).exp()).sum::<f64>().ln()
}

/// The index of the first extreme; a NaN is one, as in numpy.
fn first_extreme<T: PartialOrd + Copy>(row: &[T], greatest: bool) -> i64 {
    let mut best = 0;
    for (index, value) in row.iter().enumerate() {
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
    let (data, kept, length) = with_last(&x, &[axis]);
    let data = match (call.name, data) {
        (_, data) if length == 0 => data,
        ("argsort", data) => Elements::Int(match data.to_ints() {
            Some(values) => values.chunks(length).flat_map(sorted_indices).collect(),
            None => data.to_floats().chunks(length).flat_map(sorted_indices).collect(),
        }),
        ("sort", Elements::Bool(mut values)) => {
            values.chunks_mut(length).for_each(<[bool]>::sort_unstable);
            Elements::Bool(values)
        }
        ("sort" | "cumsum" | "cumprod", data) => match data.to_ints() {
            Some(mut values) => {
                for row in values.chunks_mut(length) {
                    match call.name {
                        "sort" => row.sort_unstable(),
                        "cumsum" => running(row, i64::wrapping_add),
                        _ => running(row, i64::wrapping_mul),
                    }
                }
                Elements::Int(values)
            }
            None => {
                let mut values = data.to_floats();
                for row in values.chunks_mut(length) {
                    match call.name {
                        "sort" => row.sort_by(compare),
                        "cumsum" => running(row, |a, b| a + b),
                        _ => running(row, |a, b| a * b),
                    }
                }
                Elements::Float(values)
            }
        },
        (name, data) => {
            let mut values = data.to_floats();
            for row in values.chunks_mut(length) {
                let largest =
                    row.iter().copied().fold(f64::NEG_INFINITY, |a, b| if a.is_nan() || a > b { a } else { b });
                let sum: f64 = row.iter().map(|value| (value - largest).exp()).sum();
                let log = sum.ln();
                for value in row {
                    let shifted = *value - largest;
                    *value = if name == "softmax" { shifted.exp() / sum } else { shifted - log };
                }
            }
            Elements::Float(values)
        }
    };
    // Back to where the axis was.
    let moved: Vec<usize> = kept.iter().copied().chain([length]).collect();
    let mut steps = strides(&moved);
    if let Some(last) = steps.pop() {
        steps.insert(axis, last);
    }
    let dtype = if call.name == "sort" { x.dtype } else { None };
    Ok(Tensor { data: data.gather(&x.shape, &steps, 0), shape: x.shape, dtype })
}

fn running<T: Copy>(row: &mut [T], add: impl Fn(T, T) -> T) {
    for index in 1..row.len() {
        row[index] = add(row[index - 1], row[index]);
    }
}

/// NaN goes last, as in numpy.
fn compare(a: &f64, b: &f64) -> std::cmp::Ordering {
    a.partial_cmp(b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
}

/// The order that sorts a row; equal ones stay in order.
fn sorted_indices<T: PartialOrd>(row: &[T]) -> Vec<i64> {
    let mut indices: Vec<i64> = (0..row.len() as i64).collect();
    let is_nan = |value: &T| value.partial_cmp(value).is_none();
    indices.sort_by(|&a, &b| {
        let (a, b) = (&row[a as usize], &row[b as usize]);
        a.partial_cmp(b).unwrap_or_else(|| is_nan(a).cmp(&is_nan(b)))
    });
    indices
}
