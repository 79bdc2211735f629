//! Tensors: a shape and its elements in row-major order.

use std::borrow::Cow;
use warpbook_gpu::ElementType;

use super::super::scalar::Scalar;

/// Elements in row-major order.
#[derive(Clone, Debug, PartialEq)]
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

    /// All of them as doubles; integers beyond 2^53 are rounded.
    pub fn to_floats(&self) -> Vec<f64> {
        match self {
            Self::Float(values) => values.clone(),
            Self::Int(values) => values.iter().map(|&value| value as f64).collect(),
            Self::Bool(values) => values.iter().map(|&value| f64::from(u8::from(value))).collect(),
        }
    }

    /// All of them as integers, where they are integers or bools.
    pub fn to_ints(&self) -> Option<Vec<i64>> {
        match self {
            Self::Float(_) => None,
            Self::Int(values) => Some(values.clone()),
            Self::Bool(values) => Some(values.iter().map(|&value| value.into()).collect()),
        }
    }

    /// The elements as doubles, copied only if they have another type.
    pub(super) fn floats(&self) -> Cow<'_, [f64]> {
        match self {
            Self::Float(values) => Cow::Borrowed(values),
            _ => Cow::Owned(self.to_floats()),
        }
    }

    /// The elements as integers, if they are integers or bools; copied only if they are bools.
    pub(super) fn ints(&self) -> Option<Cow<'_, [i64]>> {
        match self {
            Self::Int(values) => Some(Cow::Borrowed(values)),
            _ => self.to_ints().map(Cow::Owned),
        }
    }

    /// One truth value per element: true where it is not zero.
    pub fn to_bools(&self) -> Vec<bool> {
        match self {
            Self::Float(values) => values.iter().map(|&value| value != 0.0).collect(),
            Self::Int(values) => values.iter().map(|&value| value != 0).collect(),
            Self::Bool(values) => values.clone(),
        }
    }

    /// The elements at the places of a shape with strides from an offset. Every place has to be one of an element.
    pub(super) fn gather(&self, shape: &[usize], strides: &[isize], offset: usize) -> Self {
        match self {
            Self::Float(values) => Self::Float(gather(values, shape, strides, offset)),
            Self::Int(values) => Self::Int(gather(values, shape, strides, offset)),
            Self::Bool(values) => Self::Bool(gather(values, shape, strides, offset)),
        }
    }
}

/// An array of any rank, in row-major order.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// Extents, outermost first; empty for a single element.
    pub shape: Vec<usize>,
    /// The elements, as many as the product of the extents.
    pub data: Elements,
    /// The data type that all elements are values of, if a buffer or a cast gives one.
    pub dtype: Option<ElementType>,
}

impl Tensor {
    /// A tensor without a data type.
    pub fn new(shape: Vec<usize>, data: Elements) -> Self {
        debug_assert_eq!(elements_of(&shape), Ok(data.len()));
        Self { shape, data, dtype: None }
    }

    /// A number as a single element, a tuple as a row of its items; `None` where that is no tensor.
    pub fn from_scalar(value: &Scalar) -> Option<Self> {
        let data = match value {
            Scalar::Int(value) => Elements::Int(vec![*value]),
            Scalar::Float(value) => Elements::Float(vec![*value]),
            Scalar::Bool(value) => Elements::Bool(vec![*value]),
            Scalar::Tuple(items) if items.is_empty() => return Some(Self::new(vec![0], Elements::Float(Vec::new()))),
            Scalar::Tuple(items) => {
                let parts = items.iter().map(Self::from_scalar).collect::<Option<Vec<_>>>()?;
                return Self::stack(&parts);
            }
            _ => return None,
        };
        Some(Self::new(Vec::new(), data))
    }

    /// Tensors of one shape as the rows of another; `None` where there is none, or their shapes differ.
    pub(super) fn stack(parts: &[Self]) -> Option<Self> {
        let first = parts.first()?;
        if parts.iter().any(|part| part.shape != first.shape) {
            return None;
        }
        let shape: Vec<usize> = std::iter::once(parts.len()).chain(first.shape.iter().copied()).collect();
        elements_of(&shape).ok()?;
        let all = parts.iter().map(|part| &part.data);
        let data = if all.clone().all(|data| matches!(data, Elements::Bool(_))) {
            Elements::Bool(all.flat_map(Elements::to_bools).collect())
        } else if let Some(ints) = all.clone().map(Elements::to_ints).collect::<Option<Vec<_>>>() {
            Elements::Int(ints.concat())
        } else {
            Elements::Float(all.flat_map(Elements::to_floats).collect())
        };
        let dtype = first.dtype.filter(|_| parts.iter().all(|part| part.dtype == first.dtype));
        Some(Self { shape, data, dtype })
    }

    /// Number of elements.
    pub fn numel(&self) -> usize {
        self.data.len()
    }

    /// The same elements seen through other extents and strides.
    pub(super) fn strided(&self, shape: Vec<usize>, strides: &[isize], offset: usize) -> Self {
        let data = self.data.gather(&shape, strides, offset);
        Self { shape, data, dtype: self.dtype }
    }

    /// The tensor repeated to fill a shape that its own broadcasts to.
    pub(super) fn broadcast_to(&self, shape: &[usize]) -> Self {
        if self.shape == shape {
            return self.clone();
        }
        self.strided(shape.to_vec(), &broadcast_strides(&self.shape, shape), 0)
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

/// Number of elements of a shape. Fails if this machine cannot hold twice as many doubles.
pub(super) fn elements_of(shape: &[usize]) -> Result<usize, String> {
    // A zero anywhere makes it empty, however large the rest is.
    if shape.contains(&0) {
        return Ok(0);
    }
    let info = rustix::system::sysinfo();
    let memory = u64::from(info.mem_unit.max(1)).saturating_mul(info.totalram);
    let count = shape.iter().try_fold(1usize, |product, &extent| product.checked_mul(extent));
    let fits = |&count: &usize| (count as u64).checked_mul(16).is_some_and(|bytes| bytes <= memory);
    count.filter(fits).ok_or_else(|| format!("a tensor of {shape:?} does not fit the memory of this machine"))
}

fn gather<T: Copy>(values: &[T], shape: &[usize], strides: &[isize], offset: usize) -> Vec<T> {
    let count: usize = if shape.contains(&0) { 0 } else { shape.iter().product() };
    let mut gathered = Vec::with_capacity(count);
    let (Some((&inner, outer)), Some((&step, outer_strides))) = (shape.split_last(), strides.split_last()) else {
        gathered.extend(values.get(offset));
        return gathered;
    };
    let mut index = vec![0usize; outer.len()];
    let mut start = offset as isize;
    while gathered.len() < count {
        if step == 1 {
            gathered.extend_from_slice(&values[start as usize..start as usize + inner]);
        } else {
            gathered.extend((0..inner as isize).map(|at| values[(start + at * step) as usize]));
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
    gathered
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_broadcast_as_numpy_s() {
        assert_eq!(broadcast(&[3, 1], &[4]), Some(vec![3, 4]));
        assert_eq!(broadcast(&[], &[2, 0]), Some(vec![2, 0]));
        assert_eq!(broadcast(&[1], &[0]), Some(vec![0]));
        assert_eq!(broadcast(&[3], &[4]), None);
        assert_eq!(elements_of(&[0, usize::MAX, usize::MAX]), Ok(0));
        assert!(elements_of(&[usize::MAX, 2]).is_err());
        assert!(elements_of(&[1 << 40]).is_err());
    }

    #[test]
    fn strides_of_any_sign_gather() {
        let row = Tensor::new(vec![2, 3], Elements::Int((0..6).collect()));
        assert_eq!(row.strided(vec![3, 2], &[1, 3], 0).data, Elements::Int(vec![0, 3, 1, 4, 2, 5]));
        assert_eq!(row.strided(vec![2, 2], &[-3, -2], 5).data, Elements::Int(vec![5, 3, 2, 0]));
        assert_eq!(row.strided(vec![], &[], 4).data, Elements::Int(vec![4]));
        assert_eq!(row.strided(vec![0, 3], &[3, 1], 0).data, Elements::Int(vec![]));
        let column = Tensor::new(vec![2, 1], Elements::Bool(vec![true, false]));
        assert_eq!(column.broadcast_to(&[1, 2, 2]).data, Elements::Bool(vec![true, true, false, false]));
    }
}
