//! What a launch did to a buffer.

use warpbook_device::{Buffer, Dtype, Number};

/// A buffer that holds something else than before. The same bytes written again are no change.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// The buffer's name.
    pub buffer: String,
    /// The type of its elements.
    pub dtype: Dtype,
    /// Extents of the buffer, outermost first.
    pub shape: Vec<usize>,
    /// The elements that changed; `None` where the buffer is too large to keep a copy of, and only a digest is known.
    pub elements: Option<ChangedElements>,
}

/// The elements of a buffer that changed, and what it holds now.
#[derive(Clone, Debug, PartialEq)]
pub struct ChangedElements {
    /// Number of elements that changed.
    pub changed: usize,
    /// Number of elements of the buffer.
    pub all: usize,
    /// Indices of the first element that changed, outermost first.
    pub first: Vec<usize>,
    /// Summary of the whole buffer after the launch.
    pub values: Values,
}

/// A summary of a buffer's elements.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Values {
    /// A buffer of integers.
    Integers {
        /// The least element.
        least: i128,
        /// The largest element.
        largest: i128,
    },
    /// A buffer of floating-point numbers.
    Floats {
        /// Least, largest and mean of the finite elements; `None` where there is no such element.
        finite: Option<[f64; 3]>,
        /// Number of elements that are no numbers.
        nans: usize,
        /// Number of infinite elements.
        infinities: usize,
    },
}

impl Change {
    /// The difference between two contents of a buffer; `None` if there is none.
    pub fn between(before: &[u8], after: &[u8], buffer: &Buffer) -> Option<Self> {
        let size = buffer.dtype.size();
        let (old, new) = (before.chunks_exact(size), after.chunks_exact(size));
        let mut changed = old.zip(new).enumerate().filter(|(_, (a, b))| a != b).map(|(index, _)| index);
        let first = changed.next()?;
        let elements = ChangedElements {
            changed: 1 + changed.count(),
            all: after.len() / size,
            first: index_of(first, &buffer.shape),
            values: Values::summarize(buffer.dtype, after),
        };
        Some(Self { elements: Some(elements), ..Self::unknown(buffer) })
    }

    /// A change of which only a digest is known.
    pub fn unknown(buffer: &Buffer) -> Self {
        Self { buffer: buffer.name.clone(), dtype: buffer.dtype, shape: buffer.shape.clone(), elements: None }
    }
}

impl Values {
    fn summarize(dtype: Dtype, bytes: &[u8]) -> Self {
        let numbers = bytes.chunks_exact(dtype.size()).map(|element| dtype.decode(element));
        if !dtype.is_float() {
            let (mut least, mut largest) = (i128::MAX, i128::MIN);
            for number in numbers {
                if let Number::Int(value) = number {
                    (least, largest) = (least.min(value), largest.max(value));
                }
            }
            return Self::Integers { least, largest };
        }
        let (mut low, mut high, mut sum) = (f64::INFINITY, f64::NEG_INFINITY, 0.0);
        let (mut count, mut nans, mut infinities) = (0usize, 0usize, 0usize);
        for value in numbers.map(Number::to_f64) {
            if value.is_nan() {
                nans += 1;
            } else if value.is_infinite() {
                infinities += 1;
            } else {
                (low, high, sum, count) = (low.min(value), high.max(value), sum + value, count + 1);
            }
        }
        let finite = (count > 0).then(|| [low, high, sum / count as f64]);
        Self::Floats { finite, nans, infinities }
    }
}

/// The index along each dimension of an element in row-major order.
pub fn index_of(mut flat: usize, shape: &[usize]) -> Vec<usize> {
    let mut index = vec![0; shape.len()];
    for (slot, &extent) in index.iter_mut().zip(shape).rev() {
        *slot = flat % extent.max(1);
        flat /= extent.max(1);
    }
    index
}
