//! Tensors: a shape and its elements in row-major order.

use std::borrow::Cow;
use std::rc::Rc;

use super::super::scalar::Scalar;
use super::failure::{Failure, Result};
use warpbook_gpu::ElementType;
use warpbook_process::cancel::Cancel;
use warpbook_process::memory;
use warpbook_process::work::{Result as Step, Work};

/// Elements in row-major order. They are never copied but by [`Work`], which asks for the memory first.
#[derive(Debug, PartialEq)]
pub enum Elements {
    /// Doubles: of any floating-point type.
    Float(Vec<f64>),
    /// 64-bit integers: of any integer type. Arithmetic wraps, as numpy's does.
    Int(Vec<i64>),
    /// Truth values, one per element.
    Bool(Vec<bool>),
}

impl Elements {
    /// Number of elements.
    pub fn len(&self) -> usize {
        match self {
            Self::Float(values) => values.len(),
            Self::Int(values) => values.len(),
            Self::Bool(values) => values.len(),
        }
    }

    /// True if there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The element at a row-major index; `None` past the end.
    pub fn get(&self, index: usize) -> Option<Scalar> {
        match self {
            Self::Float(values) => values.get(index).copied().map(Scalar::Float),
            Self::Int(values) => values.get(index).copied().map(Scalar::Int),
            Self::Bool(values) => values.get(index).copied().map(Scalar::Bool),
        }
    }

    /// True if the elements are integers or bools.
    pub fn are_exact(&self) -> bool {
        !matches!(self, Self::Float(_))
    }

    /// The elements as doubles, copied only if they have another type; integers beyond 2^53 are rounded.
    pub fn floats(&self, work: Work<'_>) -> Step<Cow<'_, [f64]>> {
        Ok(match self {
            Self::Float(values) => Cow::Borrowed(values),
            Self::Int(values) => Cow::Owned(work.map(values, |&value| value as f64)?),
            Self::Bool(values) => Cow::Owned(work.map(values, |&value| f64::from(u8::from(value)))?),
        })
    }

    /// The elements as integers, if they are integers or bools; copied only if they are bools.
    pub fn ints(&self, work: Work<'_>) -> Step<Option<Cow<'_, [i64]>>> {
        Ok(match self {
            Self::Float(_) => None,
            Self::Int(values) => Some(Cow::Borrowed(values)),
            Self::Bool(values) => Some(Cow::Owned(work.map(values, |&value| value.into())?)),
        })
    }

    /// One truth value per element, copied only if they are numbers: true where it is not zero.
    pub fn bools(&self, work: Work<'_>) -> Step<Cow<'_, [bool]>> {
        Ok(match self {
            Self::Float(values) => Cow::Owned(work.map(values, |&value| value != 0.0)?),
            Self::Int(values) => Cow::Owned(work.map(values, |&value| value != 0)?),
            Self::Bool(values) => Cow::Borrowed(values),
        })
    }

    /// The elements at the places of a shape with strides from an offset. Every place has to be one of an element.
    pub(super) fn gather(&self, shape: &[usize], strides: &[isize], offset: usize, work: Work<'_>) -> Step<Self> {
        Ok(match self {
            Self::Float(values) => Self::Float(gather(values, shape, strides, offset, work)?),
            Self::Int(values) => Self::Int(gather(values, shape, strides, offset, work)?),
            Self::Bool(values) => Self::Bool(gather(values, shape, strides, offset, work)?),
        })
    }
}

/// An array of any rank, in row-major order.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// Extents, outermost first; empty for a single element.
    pub shape: Vec<usize>,
    /// The elements, as many as the product of the extents. Clones of a tensor share them.
    pub data: Rc<Elements>,
    /// The data type that all elements are values of, if a buffer or a cast gives one.
    pub dtype: Option<ElementType>,
}

impl Tensor {
    /// A tensor without a data type.
    pub fn new(shape: Vec<usize>, data: Elements) -> Self {
        debug_assert_eq!(if shape.contains(&0) { 0 } else { shape.iter().product() }, data.len());
        Self { shape, data: Rc::new(data), dtype: None }
    }

    /// A number as a single element, a tuple as a row of its items; `None` where that is no tensor. A tuple was written
    /// out in a cell, so its size needs no care.
    pub fn from_scalar(value: &Scalar) -> Option<Self> {
        let data = match value {
            Scalar::Int(value) => Elements::Int(vec![*value]),
            Scalar::Float(value) => Elements::Float(vec![*value]),
            Scalar::Bool(value) => Elements::Bool(vec![*value]),
            Scalar::Tuple(items) if items.is_empty() => return Some(Self::new(vec![0], Elements::Float(Vec::new()))),
            Scalar::Tuple(items) => {
                let parts = items.iter().map(Self::from_scalar).collect::<Option<Vec<_>>>()?;
                return Self::stack(&parts, Work::new(&Cancel::new())).ok()?;
            }
            _ => return None,
        };
        Some(Self::new(Vec::new(), data))
    }

    /// Tensors of one shape as the rows of another; `None` where there is none, or their shapes differ.
    pub(super) fn stack(parts: &[Self], work: Work<'_>) -> Result<Option<Self>> {
        let Some(first) = parts.first() else { return Ok(None) };
        if parts.iter().any(|part| part.shape != first.shape) {
            return Ok(None);
        }
        let shape: Vec<usize> = std::iter::once(parts.len()).chain(first.shape.iter().copied()).collect();
        let data = concatenated(parts, 1, elements_of(&shape)?, work)?;
        let dtype = first.dtype.filter(|_| parts.iter().all(|part| part.dtype == first.dtype));
        Ok(Some(Self { shape, data: data.into(), dtype }))
    }

    /// Number of elements.
    pub fn numel(&self) -> usize {
        self.data.len()
    }

    /// The same elements seen through other extents and strides.
    pub(super) fn strided(&self, shape: Vec<usize>, strides: &[isize], offset: usize, work: Work<'_>) -> Step<Self> {
        let data = self.data.gather(&shape, strides, offset, work)?;
        Ok(Self { shape, data: data.into(), dtype: self.dtype })
    }

    /// The tensor repeated to fill a shape that its own broadcasts to.
    pub(super) fn broadcast_to(&self, shape: &[usize], work: Work<'_>) -> Step<Self> {
        if self.shape == shape {
            return Ok(self.clone());
        }
        self.strided(shape.to_vec(), &broadcast_strides(&self.shape, shape), 0, work)
    }
}

/// The value of an expression.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// An array of numbers or truth values.
    Tensor(Tensor),
    /// A number, a string, a data type or a tuple.
    Scalar(Scalar),
}

/// Row-major strides, in elements.
pub(super) fn strides(shape: &[usize]) -> Vec<isize> {
    let mut strides = vec![1; shape.len()];
    for dimension in (1..shape.len()).rev() {
        // Wraps only where there are no elements.
        strides[dimension - 1] = isize::wrapping_mul(strides[dimension], shape[dimension].max(1) as isize);
    }
    strides
}

/// Strides that make a tensor of shape `from` look like one of shape `to`.
fn broadcast_strides(from: &[usize], to: &[usize]) -> Vec<isize> {
    let missing = to.len().saturating_sub(from.len());
    let own = strides(from);
    let stride = |dimension: usize| match dimension.checked_sub(missing) {
        Some(index) if from[index] == to[dimension] => own[index],
        _ => 0,
    };
    (0..to.len()).map(stride).collect()
}

/// The shape that two shapes broadcast to, by numpy's rules.
pub(super) fn broadcast(a: &[usize], b: &[usize]) -> Option<Vec<usize>> {
    let rank = a.len().max(b.len());
    let extent = |shape: &[usize], dimension: usize| {
        (dimension + shape.len()).checked_sub(rank).and_then(|index| shape.get(index)).copied().unwrap_or(1)
    };
    let both = |dimension: usize| match (extent(a, dimension), extent(b, dimension)) {
        (a, b) if a == b => Some(a),
        (1, other) | (other, 1) => Some(other),
        _ => None,
    };
    (0..rank).map(both).collect()
}

/// Number of elements of a shape. Fails if a byte for each is more than there is: what an element really takes is
/// asked for where it is taken.
pub(super) fn elements_of(shape: &[usize]) -> Result<usize> {
    // A zero anywhere makes it empty, however large the rest is.
    if shape.contains(&0) {
        return Ok(0);
    }
    let count = shape.iter().try_fold(1usize, |product, &extent| product.checked_mul(extent));
    // A vector has at most `isize::MAX` bytes, and an element has 8.
    let count = count.filter(|&count| count <= isize::MAX as usize / 8);
    let count = count.ok_or_else(|| Failure::from(format!("a tensor of {shape:?} does not fit any memory")))?;
    memory::check(Some(count as u64)).map_err(|shortage| shortage.into()).map(|()| count)
}

/// The elements of tensors one after another, in `outer` equal parts of each by turns; all become what holds them all.
pub(super) fn concatenated(parts: &[Tensor], outer: usize, count: usize, work: Work<'_>) -> Result<Elements> {
    fn interleaved<T: Copy>(parts: &[Cow<'_, [T]>], outer: usize, count: usize, work: Work<'_>) -> Step<Vec<T>>
    where
        [T]: ToOwned<Owned = Vec<T>>,
    {
        let mut all = work.room(count)?;
        for index in 0..if count == 0 { 0 } else { outer } {
            for part in parts {
                let length = part.len() / outer;
                work.append(&mut all, &part[index * length..][..length])?;
            }
        }
        Ok(all)
    }
    let all = || parts.iter().map(|part| &*part.data);
    if all().all(|data| matches!(data, Elements::Bool(_))) {
        let parts = all().map(|data| data.bools(work)).collect::<Step<Vec<_>>>()?;
        return Ok(Elements::Bool(interleaved(&parts, outer, count, work)?));
    }
    if let Some(parts) = all().map(|data| data.ints(work).transpose()).collect::<Option<Step<Vec<_>>>>() {
        return Ok(Elements::Int(interleaved(&parts?, outer, count, work)?));
    }
    let parts = all().map(|data| data.floats(work)).collect::<Step<Vec<_>>>()?;
    Ok(Elements::Float(interleaved(&parts, outer, count, work)?))
}

fn gather<T: Copy>(values: &[T], shape: &[usize], strides: &[isize], offset: usize, work: Work<'_>) -> Step<Vec<T>> {
    let count: usize = if shape.contains(&0) { 0 } else { shape.iter().product() };
    work.check()?;
    let mut gathered = work.room(count)?;
    let (Some((&inner, outer)), Some((&step, outer_strides))) = (shape.split_last(), strides.split_last()) else {
        gathered.extend(values.get(offset));
        return Ok(gathered);
    };
    let mut index = vec![0usize; outer.len()];
    let mut start = offset as isize;
    // Short rows are counted until they are worth a look at the interrupt.
    let mut unwatched = 0;
    while gathered.len() < count {
        if inner >= WATCHED && step == 1 {
            work.append(&mut gathered, &values[start as usize..start as usize + inner])?;
        } else if inner >= WATCHED {
            work.steps(inner, |part| gathered.extend(part.map(|at| values[(start + at as isize * step) as usize])))?;
        } else if step == 1 {
            gathered.extend_from_slice(&values[start as usize..start as usize + inner]);
        } else {
            gathered.extend((0..inner as isize).map(|at| values[(start + at * step) as usize]));
        }
        unwatched += inner;
        if unwatched >= WATCHED {
            unwatched = 0;
            work.check()?;
        }
        for dimension in (0..outer.len()).rev() {
            index[dimension] += 1;
            start += outer_strides[dimension];
            if index[dimension] < outer[dimension] {
                break;
            }
            start -= outer_strides[dimension] * outer[dimension] as isize;
            index[dimension] = 0;
        }
    }
    Ok(gathered)
}

/// Elements that are moved between two looks at the interrupt.
const WATCHED: usize = 1 << 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_broadcast_as_numpy_s() {
        assert_eq!(broadcast(&[3, 1], &[4]), Some(vec![3, 4]));
        assert_eq!(broadcast(&[], &[2, 0]), Some(vec![2, 0]));
        assert_eq!(broadcast(&[1], &[0]), Some(vec![0]));
        assert_eq!(broadcast(&[3], &[4]), None);
        assert_eq!(elements_of(&[0, usize::MAX, usize::MAX]).ok(), Some(0));
        assert!(elements_of(&[usize::MAX, 2]).is_err());
        assert!(elements_of(&[1 << 40]).is_err());
    }

    #[test]
    fn strides_of_any_sign_gather() {
        let cancel = Cancel::new();
        let work = Work::new(&cancel);
        let ints = |tensor: Tensor| tensor.data.ints(work).expect("no interrupt").expect("integers").into_owned();
        let row = Tensor::new(vec![2, 3], Elements::Int((0..6).collect()));
        let seen = |shape: &[usize], strides: &[isize], offset: usize| {
            ints(row.strided(shape.to_vec(), strides, offset, work).expect("memory"))
        };
        assert_eq!(seen(&[3, 2], &[1, 3], 0), [0, 3, 1, 4, 2, 5]);
        assert_eq!(seen(&[2, 2], &[-3, -2], 5), [5, 3, 2, 0]);
        assert_eq!(seen(&[], &[], 4), [4]);
        assert_eq!(seen(&[0, 3], &[3, 1], 0), [0i64; 0]);
        let column = Tensor::new(vec![2, 1], Elements::Bool(vec![true, false]));
        let repeated = column.broadcast_to(&[1, 2, 2], work).expect("memory");
        assert_eq!(*repeated.data, Elements::Bool(vec![true, true, false, false]));
    }
}
