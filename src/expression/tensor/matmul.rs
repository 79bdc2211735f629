//! Matrix products in double precision, on all cores.

use super::value::{Elements, Tensor, broadcast, elements_of};
use crate::cancel::Cancel;
use crate::diagnostic::Result;

/// Columns and depth of a block: one of the right matrix and a row of the result stay in the L1 and L2 caches.
const COLUMNS: usize = 256;
const DEPTH: usize = 128;

/// The shapes of `left @ right` and of the batches of both: (result, batch).
fn shapes(left: &Tensor, right: &Tensor) -> Result<(Vec<usize>, Vec<usize>), String> {
    let refused = |why: &str| format!("shapes {:?} and {:?} do not multiply: {why}", left.shape, right.shape);
    let (a, b) = (&left.shape, &right.shape);
    let (Some(&a_depth), Some(&b_last)) = (a.last(), b.last()) else {
        return Err(refused("`@` takes vectors and matrices"));
    };
    let b_depth = if b.len() > 1 { b[b.len() - 2] } else { b_last };
    if a_depth != b_depth {
        return Err(refused(&format!("{a_depth} columns meet {b_depth} rows")));
    }
    let batch = |shape: &[usize]| shape[..shape.len().saturating_sub(2)].to_vec();
    let batch = broadcast(&batch(a), &batch(b)).ok_or_else(|| refused("the batches do not broadcast"))?;
    let mut result = batch.clone();
    if a.len() > 1 {
        result.push(a[a.len() - 2]);
    }
    if b.len() > 1 {
        result.push(b_last);
    }
    elements_of(&result)?;
    Ok((result, batch))
}

/// `left @ right`. The inner error is about shapes; the outer one is an interrupt.
pub(super) fn multiply(left: &Tensor, right: &Tensor, cancel: &Cancel) -> Result<Result<Tensor, String>> {
    let (shape, batch) = match shapes(left, right) {
        Ok(shapes) => shapes,
        Err(message) => return Ok(Err(message)),
    };
    // A vector is a row on the left and a column on the right.
    let rows = if left.shape.len() > 1 { left.shape[left.shape.len() - 2] } else { 1 };
    let depth = left.shape.last().copied().unwrap_or(1);
    let columns = if right.shape.len() > 1 { right.shape.last().copied().unwrap_or(1) } else { 1 };
    let with_batch = |tensor: &Tensor, matrix: [usize; 2]| {
        let own = tensor.shape[..tensor.shape.len().saturating_sub(2)].to_vec();
        let tensor = Tensor { shape: [own, matrix.to_vec()].concat(), ..tensor.clone() };
        let shape = [batch.as_slice(), &matrix].concat();
        elements_of(&shape).map(|_| tensor.broadcast_to(&shape).data)
    };
    let (a, b) = match (with_batch(left, [rows, depth]), with_batch(right, [depth, columns])) {
        (Ok(a), Ok(b)) => (a, b),
        (Err(message), _) | (_, Err(message)) => return Ok(Err(message)),
    };
    let sizes = Sizes { rows, depth, columns };
    let count = if shape.contains(&0) { 0 } else { shape.iter().product() };
    let data = match (a.to_ints(), b.to_ints()) {
        (Some(a), Some(b)) => {
            Elements::Int(product(&a, &b, count, sizes, cancel, |sum, a, b| sum.wrapping_add(a.wrapping_mul(b)))?)
        }
        _ => Elements::Float(product(&a.to_floats(), &b.to_floats(), count, sizes, cancel, |sum, a, b| sum + a * b)?),
    };
    Ok(Ok(Tensor::new(shape, data)))
}

#[derive(Clone, Copy)]
struct Sizes {
    rows: usize,
    depth: usize,
    columns: usize,
}

/// Products of all matrices of a batch: `count` elements. Each sum runs over the depth in order, so threads do not change the result.
fn product<T: Copy + Default + Send + Sync>(
    a: &[T],
    b: &[T],
    count: usize,
    sizes: Sizes,
    cancel: &Cancel,
    add: impl Fn(T, T, T) -> T + Copy + Send + Sync,
) -> Result<Vec<T>> {
    let Sizes { rows, depth, columns } = sizes;
    let mut result = vec![T::default(); count];
    if count == 0 || depth == 0 {
        return Ok(result);
    }
    // The rows of all matrices, one after another.
    let total = count / columns;
    let threads = std::thread::available_parallelism().map_or(1, |cores| cores.get());
    // A thread for less than a millisecond of work is not worth its start.
    let threads = if total.saturating_mul(depth).saturating_mul(columns) < 1 << 18 { 1 } else { threads };
    let share = total.div_ceil(threads).max(1);
    std::thread::scope(|scope| {
        for (part, target) in result.chunks_mut(share * columns).enumerate() {
            scope.spawn(move || {
                for (offset, row) in target.chunks_mut(columns).enumerate() {
                    if cancel.is_cancelled() {
                        return;
                    }
                    let index = part * share + offset;
                    let matrix = &b[index / rows * depth * columns..][..depth * columns];
                    row_product(&a[index * depth..][..depth], matrix, row, add);
                }
            });
        }
    });
    cancel.check()?;
    Ok(result)
}

/// One row of a product.
fn row_product<T: Copy>(a: &[T], b: &[T], row: &mut [T], add: impl Fn(T, T, T) -> T) {
    let columns = row.len();
    for first in (0..columns).step_by(COLUMNS) {
        let last = (first + COLUMNS).min(columns);
        let target = &mut row[first..last];
        for start in (0..a.len()).step_by(DEPTH) {
            for (k, &factor) in a.iter().enumerate().skip(start).take(DEPTH) {
                for (sum, &value) in target.iter_mut().zip(&b[k * columns + first..k * columns + last]) {
                    *sum = add(*sum, factor, value);
                }
            }
        }
    }
}
