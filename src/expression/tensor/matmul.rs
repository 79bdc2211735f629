//! Matrix products in double precision, on all cores.

use super::failure::Result;
use super::value::{Elements, Tensor, broadcast, elements_of};
use warpbook_process::cancel::Cancel;
use warpbook_process::work::{Result as Step, Work};

/// Columns and depth of a block of the right matrix, which stays in the L2 cache.
const COLUMNS: usize = 256;
const DEPTH: usize = 128;

/// The shapes of `left @ right` and of the batches of both: (result, batch).
fn shapes(left: &Tensor, right: &Tensor) -> Result<(Vec<usize>, Vec<usize>)> {
    let refused = |why: &str| format!("shapes {:?} and {:?} do not multiply: {why}", left.shape, right.shape);
    let (a, b) = (&left.shape, &right.shape);
    let (Some(&a_depth), Some(&b_last)) = (a.last(), b.last()) else {
        return Err(refused("`@` takes vectors and matrices").into());
    };
    let b_depth = if b.len() > 1 { b[b.len() - 2] } else { b_last };
    if a_depth != b_depth {
        return Err(refused(&format!("{a_depth} columns meet {b_depth} rows")).into());
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

/// `left @ right`.
pub(super) fn multiply(left: &Tensor, right: &Tensor, work: Work<'_>) -> Result<Tensor> {
    let (shape, batch) = shapes(left, right)?;
    // A vector is a row on the left and a column on the right.
    let rows = if left.shape.len() > 1 { left.shape[left.shape.len() - 2] } else { 1 };
    let depth = left.shape.last().copied().unwrap_or(1);
    let columns = if right.shape.len() > 1 { right.shape.last().copied().unwrap_or(1) } else { 1 };
    let with_batch = |tensor: &Tensor, matrix: [usize; 2]| -> Result<_> {
        let own = tensor.shape[..tensor.shape.len().saturating_sub(2)].to_vec();
        let tensor = Tensor { shape: [own, matrix.to_vec()].concat(), ..tensor.clone() };
        let shape = [batch.as_slice(), &matrix].concat();
        elements_of(&shape)?;
        Ok(tensor.broadcast_to(&shape, work)?.data)
    };
    let (a, b) = (with_batch(left, [rows, depth])?, with_batch(right, [depth, columns])?);
    let sizes = Sizes { rows, depth, columns };
    let count = if shape.contains(&0) { 0 } else { shape.iter().product() };
    let data = match (a.ints(work)?, b.ints(work)?) {
        (Some(a), Some(b)) => {
            Elements::Int(product(&a, &b, count, sizes, work, |sum, a, b| sum.wrapping_add(a.wrapping_mul(b)))?)
        }
        _ => {
            let (a, b) = (a.floats(work)?, b.floats(work)?);
            Elements::Float(product(&a, &b, count, sizes, work, |sum, a, b| sum + a * b)?)
        }
    };
    Ok(Tensor::new(shape, data))
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
    work: Work<'_>,
    add: impl Fn(T, T, T) -> T + Copy + Send + Sync,
) -> Step<Vec<T>> {
    let Sizes { rows, depth, columns } = sizes;
    let cancel = work.cancel();
    let mut result = work.repeat(count, T::default())?;
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
                let (mut row, mut target) = (part * share, target);
                // Up to the end of a matrix, or of the share.
                while !target.is_empty() {
                    let count = (rows - row % rows).min(target.len() / columns);
                    let (own, rest) = target.split_at_mut(count * columns);
                    let matrix = &b[row / rows * depth * columns..][..depth * columns];
                    block_product(&a[row * depth..][..count * depth], matrix, own, sizes, cancel, add);
                    (row, target) = (row + count, rest);
                }
            });
        }
    });
    work.check()?;
    Ok(result)
}

/// Some rows of a product. A block of the right matrix is used for all of them before the next one is read, and for
/// four rows at a time.
fn block_product<T: Copy>(
    a: &[T],
    b: &[T],
    result: &mut [T],
    sizes: Sizes,
    cancel: &Cancel,
    add: impl Fn(T, T, T) -> T + Copy,
) {
    let Sizes { depth, columns, .. } = sizes;
    for first in (0..columns).step_by(COLUMNS) {
        let block = first..(first + COLUMNS).min(columns);
        for start in (0..depth).step_by(DEPTH) {
            let inner = start..(start + DEPTH).min(depth);
            for (factors, sums) in a.chunks(4 * depth).zip(result.chunks_mut(4 * columns)) {
                if cancel.is_cancelled() {
                    return;
                }
                let mut rows = sums.chunks_mut(columns).map(|row| &mut row[block.clone()]);
                if let (Some(r0), Some(r1), Some(r2), Some(r3)) = (rows.next(), rows.next(), rows.next(), rows.next()) {
                    for k in inner.clone() {
                        let [f0, f1, f2, f3] = [0, 1, 2, 3].map(|row| factors[row * depth + k]);
                        let values = &b[k * columns..][block.clone()];
                        let sums = r0.iter_mut().zip(r1.iter_mut()).zip(r2.iter_mut().zip(r3.iter_mut()));
                        for (((s0, s1), (s2, s3)), &value) in sums.zip(values) {
                            (*s0, *s1) = (add(*s0, f0, value), add(*s1, f1, value));
                            (*s2, *s3) = (add(*s2, f2, value), add(*s3, f3, value));
                        }
                    }
                    continue;
                }
                for (factors, row) in factors.chunks(depth).zip(sums.chunks_mut(columns)) {
                    for k in inner.clone() {
                        for (sum, &value) in row[block.clone()].iter_mut().zip(&b[k * columns..][block.clone()]) {
                            *sum = add(*sum, factors[k], value);
                        }
                    }
                }
            }
        }
    }
}
