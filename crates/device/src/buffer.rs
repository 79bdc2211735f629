//! Named device memory with a type and a shape, and views of it.

use super::{Device, Dtype, Place};
use warpbook_diagnostic::{Result, interrupt};
use warpbook_process::memory;

/// How a buffer's first contents can be made again.
#[derive(Clone, Debug, PartialEq)]
pub enum Recipe {
    /// The initialiser as the reader wrote it: `randn(512, 512, dtype=f16, seed=1)`.
    Initialiser(String),
    /// Read from a file.
    File(String),
    /// Computed from other buffers' contents at that time.
    Expression(String),
    /// Copied from another buffer's contents at that time.
    Copy(String),
    /// A value in the middle of a kernel, as `%dump` stored it: `%27 of matmul v1, program (0, 0, 0)`.
    Dump(String),
}

impl Recipe {
    /// A few words for `%bufs`.
    pub fn text(&self) -> String {
        match self {
            Self::Initialiser(text) | Self::Expression(text) | Self::Dump(text) => text.clone(),
            Self::File(path) => format!("file {path}"),
            Self::Copy(of) => format!("copy of {of}"),
        }
    }
}

/// A named allocation in device memory, contiguous in row-major order.
#[derive(Clone, Debug, PartialEq)]
pub struct Buffer {
    /// Name of the buffer in the session.
    pub name: String,
    /// The type of its elements.
    pub dtype: Dtype,
    /// Extents, outermost first; empty for a single element.
    pub shape: Vec<usize>,
    /// Distance between neighbours along each dimension, in elements.
    pub strides: Vec<i64>,
    /// The device whose memory holds the buffer.
    pub place: Place,
    /// Address of the first byte in the device's memory.
    pub address: u64,
    /// Number of bytes that the elements take.
    pub bytes: u64,
    /// How the first contents can be made again.
    pub recipe: Recipe,
}

impl Buffer {
    /// Number of elements: the product of the extents.
    pub fn numel(&self) -> usize {
        self.shape.iter().product()
    }

    /// A view of all of it.
    pub fn view(&self) -> View {
        View {
            buffer: self.name.clone(),
            dtype: self.dtype,
            place: self.place,
            address: self.address,
            shape: self.shape.clone(),
            strides: self.strides.clone(),
        }
    }
}

/// Row-major strides of a shape, in elements.
pub fn contiguous_strides(shape: &[usize]) -> Vec<i64> {
    let mut strides = vec![1i64; shape.len()];
    for dimension in (1..shape.len()).rev() {
        strides[dimension - 1] = strides[dimension].saturating_mul(shape[dimension].max(1) as i64);
    }
    strides
}

/// Zeros to copy a buffer's bytes over.
fn zeroed(bytes: usize, buffer: &str) -> Result<Vec<u8>> {
    let room = memory::room(bytes);
    let mut zeros = room.map_err(|shortage| shortage.diagnostic(&format!("a copy of `{buffer}`")))?;
    zeros.resize(bytes, 0);
    Ok(zeros)
}

/// Elements of a buffer: where they begin, and how far apart they are.
#[derive(Clone, Debug, PartialEq)]
pub struct View {
    /// The buffer that it lies in.
    pub buffer: String,
    /// The type that its bytes are read as.
    pub dtype: Dtype,
    /// The device whose memory holds the elements.
    pub place: Place,
    /// Device address of the first element.
    pub address: u64,
    /// Extents, outermost first.
    pub shape: Vec<usize>,
    /// Distance between neighbours along each dimension, in elements; may be negative.
    pub strides: Vec<i64>,
}

impl View {
    /// Number of elements: the product of the extents.
    pub fn numel(&self) -> usize {
        self.shape.iter().product()
    }

    /// True if its elements lie one after another in row-major order.
    pub fn is_contiguous(&self) -> bool {
        let expected = contiguous_strides(&self.shape);
        self.shape.iter().zip(self.strides.iter().zip(&expected)).all(|(&extent, (own, row))| extent <= 1 || own == row)
    }

    /// The bytes of its elements in row-major order.
    pub fn read(&self, device: &dyn Device) -> Result<Vec<u8>> {
        let size = self.dtype.size();
        let mut bytes = zeroed(self.numel().saturating_mul(size), &self.buffer)?;
        if bytes.is_empty() {
            return Ok(bytes);
        }
        if self.is_contiguous() {
            device.read(self.address, &mut bytes)?;
            return Ok(bytes);
        }
        let (low, high) = self.extent();
        let mut span = zeroed((high - low + 1) as usize * size, &self.buffer)?;
        device.read(self.address.wrapping_add_signed(low * size as i64), &mut span)?;
        for (step, (target, offset)) in bytes.chunks_exact_mut(size).zip(self.offsets()).enumerate() {
            interrupt::check_at(step)?;
            let from = (offset - low) as usize * size;
            target.copy_from_slice(&span[from..from + size]);
        }
        Ok(bytes)
    }

    /// The least and the largest offset of an element from the first one, in elements.
    fn extent(&self) -> (i64, i64) {
        let mut extent = (0, 0);
        for (&length, &stride) in self.shape.iter().zip(&self.strides) {
            let last = (length as i64 - 1) * stride;
            extent = (extent.0 + last.min(0), extent.1 + last.max(0));
        }
        extent
    }

    /// The offset of each element from the first one, in elements, in row-major order.
    fn offsets(&self) -> impl Iterator<Item = i64> + '_ {
        let mut index = vec![0usize; self.shape.len()];
        let mut offset = 0i64;
        (0..self.numel()).map(move |_| {
            let current = offset;
            for dimension in (0..index.len()).rev() {
                index[dimension] += 1;
                offset += self.strides[dimension];
                if index[dimension] < self.shape[dimension] {
                    break;
                }
                offset -= self.strides[dimension] * self.shape[dimension] as i64;
                index[dimension] = 0;
            }
            current
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Emulated;

    #[test]
    fn strided_views_gather_their_elements() {
        let mut device = Emulated::new(80);
        let address = device.allocate("a", 48).expect("memory");
        let bytes: Vec<u8> = (0..12i32).flat_map(i32::to_le_bytes).collect();
        device.write(address, &bytes).expect("written");
        let place = device.place();
        let whole =
            View { buffer: "a".into(), dtype: Dtype::I32, place, address, shape: vec![3, 4], strides: vec![4, 1] };
        assert_eq!(whole.read(&device).expect("read"), bytes);
        let numbers = |view: &View| -> Vec<i32> {
            let bytes = view.read(&device).expect("read");
            bytes.chunks(4).map(|four| i32::from_le_bytes(four.try_into().expect("four"))).collect()
        };
        let transposed = View { shape: vec![4, 3], strides: vec![1, 4], ..whole.clone() };
        assert_eq!(numbers(&transposed), [0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11]);
        let backwards = View { address: address + 44, shape: vec![2, 2], strides: vec![-4, -2], ..whole.clone() };
        assert_eq!(numbers(&backwards), [11, 9, 7, 5]);
        let single = View { shape: vec![], strides: vec![], ..whole.clone() };
        assert_eq!(numbers(&single), [0]);
        let empty = View { shape: vec![0, 4], ..whole };
        assert_eq!(numbers(&empty), Vec::<i32>::new());
    }
}
