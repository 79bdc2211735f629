//! The matrix descriptor of `wgmma` and `tcgen05`, and where it puts each element in shared memory. PTX ISA 9.7.15.5.1.

use warpbook_gpu::{DescriptorFormat, MatrixDescriptor, Swizzle, swizzled};

/// A matrix in shared memory, as its descriptor says (PTX ISA 9.7.15.5.1, "Matrix Descriptor Format").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Matrix {
    pub start: u64,
    pub leading: u64,
    pub stride: u64,
    /// Bytes of a row of the swizzled pattern; 16 without swizzle.
    pub row: u64,
    pub mn_major: bool,
}

impl Matrix {
    /// The matrix of a `wgmma` descriptor; `None` where it has a base offset.
    pub fn from_wgmma(descriptor: u64, mn_major: bool) -> Option<Self> {
        let descriptor = MatrixDescriptor::decode(descriptor, DescriptorFormat::Wgmma);
        let swizzle = descriptor.swizzle?;
        // The pattern would begin off its own alignment; without a swizzle the field says nothing.
        if swizzle != Swizzle::None && descriptor.base_offset != 0 {
            return None;
        }
        Some(Self::from_descriptor(descriptor, swizzle, mn_major))
    }

    /// As `tcgen05` has it (PTX ISA 9.7.16.5.1): the swizzle is elsewhere. What is refused, is so by name.
    pub fn from_tcgen05(descriptor: u64, mn_major: bool) -> Result<Self, &'static str> {
        let descriptor = MatrixDescriptor::decode(descriptor, DescriptorFormat::Tcgen05);
        match (descriptor.swizzle, descriptor.base_offset) {
            _ if descriptor.is_leading_absolute => Err("a `tcgen05` descriptor with an absolute leading address"),
            // The base offset says nothing without a swizzle.
            (Some(Swizzle::None), _) => Ok(Self::from_descriptor(descriptor, Swizzle::None, mn_major)),
            (_, 1..) => Err("a `tcgen05` descriptor with a base offset"),
            (Some(Swizzle::Bytes128Atom32), _) => {
                Err("the 128-byte swizzle of 32-byte pieces in a `tcgen05` descriptor")
            }
            (Some(swizzle), _) => Ok(Self::from_descriptor(descriptor, swizzle, mn_major)),
            (None, _) => Err("a `tcgen05` descriptor whose swizzling mode has no meaning"),
        }
    }

    fn from_descriptor(descriptor: MatrixDescriptor, swizzle: Swizzle, mn_major: bool) -> Self {
        let MatrixDescriptor { start, leading, stride, .. } = descriptor;
        let row = swizzle.row_bytes().into();
        Self { start: start.into(), leading: leading.into(), stride: stride.into(), row, mn_major }
    }

    /// Shared address of a byte of a row or column, K-major.
    pub fn byte(&self, mn: u64, byte: u64) -> u64 {
        swizzled(self.start + self.across(mn) + self.along(byte), self.row)
    }

    /// Shared address of the element in row or column `mn`, `k`; `size` is that of an element.
    #[inline(always)]
    pub fn address(&self, mn: u64, k: u64, size: u64) -> u64 {
        swizzled(self.start + self.row_offset(mn, size) + self.k_offset(k, size), self.row)
    }

    /// Bytes that row or column `mn` adds to an address, before the swizzle; `size` is that of an element.
    #[inline(always)]
    pub fn row_offset(&self, mn: u64, size: u64) -> u64 {
        if self.mn_major { self.along(mn * size) } else { self.across(mn) }
    }

    /// Bytes that index `k` adds to an address, before the swizzle; `size` is that of an element.
    #[inline(always)]
    pub fn k_offset(&self, k: u64, size: u64) -> u64 {
        if self.mn_major { self.across(k) } else { self.along(k * size) }
    }

    /// Along the contiguous dimension, in bytes: rows of the pattern lie side by side.
    #[inline(always)]
    pub fn along(&self, bytes: u64) -> u64 {
        let apart = match (self.mn_major, self.row) {
            // Core matrices of 8 rows of 16 bytes.
            (true, 16) => self.stride,
            (false, 16) | (true, _) => self.leading,
            (false, _) => self.row,
        };
        (bytes >> self.row.trailing_zeros()) * apart + (bytes & (self.row - 1))
    }

    /// Across it: rows of the pattern in groups of 8.
    #[inline(always)]
    pub fn across(&self, index: u64) -> u64 {
        let apart = if self.mn_major && self.row == 16 { self.leading } else { self.stride };
        (index >> 3) * apart + (index & 7) * self.row
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_follow_the_canonical_layouts() {
        // K-major, 128-byte swizzle, 8-row groups 1024 bytes apart; k = 16 of f16 are 32 bytes.
        let descriptor = (0x400 >> 4) | (1u64 << 16) | (1024u64 >> 4) << 32 | 1 << 62;
        let matrix = Matrix::from_wgmma(descriptor, false).expect("a matrix");
        assert_eq!(matrix.address(0, 0, 2), 0x400);
        assert_eq!(matrix.address(1, 0, 2), 0x400 + 128 + 16);
        assert_eq!(matrix.address(9, 8, 2), 0x400 + 1024 + 128);
        // MN-major, 128-byte swizzle: 64 columns of f16 are a row; groups of 8 k are `stride` apart.
        let descriptor = (4096u64 >> 4) << 16 | (1024u64 >> 4) << 32 | 1 << 62;
        let matrix = Matrix::from_wgmma(descriptor, true).expect("a matrix");
        assert_eq!(matrix.address(0, 1, 2), 128 + 16);
        assert_eq!(matrix.address(64, 0, 2), 4096);
        assert_eq!(matrix.address(0, 8, 2), 1024);
        // Without swizzle, K-major: core matrices of 128 bytes.
        let descriptor = (256u64 >> 4) << 16 | (512u64 >> 4) << 32;
        let matrix = Matrix::from_wgmma(descriptor, false).expect("a matrix");
        assert_eq!(matrix.address(0, 8, 2), 256);
        assert_eq!(matrix.address(8, 0, 2), 512);
        assert_eq!(matrix.address(1, 1, 2), 18);
    }

    #[test]
    fn a_base_offset_says_nothing_without_a_swizzle() {
        // Triton 3.6: a block of scales, 512 bytes into a tile, and the tile itself.
        let tile = 70_403_103_916_032;
        assert_eq!(Matrix::from_tcgen05(tile + (1 << 51) + 32, false), Matrix::from_tcgen05(tile + 32, false));
        assert!(Matrix::from_tcgen05(tile | 2 << 61 | 1 << 51, false).is_err());
        assert!(Matrix::from_wgmma(1 << 51, false).is_some() && Matrix::from_wgmma(1 << 51 | 1 << 62, false).is_none());
    }
}
