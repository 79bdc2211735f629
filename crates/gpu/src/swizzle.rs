//! How rows of a matrix are spread over the banks of shared memory.

/// A swizzling mode of a matrix descriptor (PTX ISA 9.7.15.5.1 for `wgmma`, 9.7.16.4.1 for `tcgen05`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Swizzle {
    /// No swizzle: core matrices of 8 rows of 16 bytes.
    None,
    /// Swizzle within rows of 32 bytes.
    Bytes32,
    /// Swizzle within rows of 64 bytes.
    Bytes64,
    /// Swizzle within rows of 128 bytes.
    Bytes128,
    /// Rows of 128 bytes that change places in pieces of 32 bytes instead of 16; `tcgen05` only.
    Bytes128Atom32,
}

impl Swizzle {
    /// Bytes of a row of the pattern: 16 (of a core matrix), 32, 64 or 128.
    pub fn row_bytes(self) -> u32 {
        match self {
            Self::None => 16,
            Self::Bytes32 => 32,
            Self::Bytes64 => 64,
            Self::Bytes128 | Self::Bytes128Atom32 => 128,
        }
    }

    /// Bytes of the swizzle as the ISA counts them: 0 (none), 32, 64 or 128.
    pub fn bytes(self) -> u32 {
        if self == Self::None { 0 } else { self.row_bytes() }
    }

    /// The mode in words: `none`, `128 bytes`.
    pub fn description(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Bytes32 => "32 bytes",
            Self::Bytes64 => "64 bytes",
            Self::Bytes128 => "128 bytes",
            Self::Bytes128Atom32 => "128 bytes, in pieces of 32",
        }
    }
}

/// The shared address at which the byte at `address` lies after the swizzle: pieces of 16 bytes change places within a
/// pattern of `row` bytes. Bits 7 to 9 of the address go over bits 4 to 6, as many as the row has; 16 changes nothing.
#[inline(always)]
pub fn swizzled(address: u64, row: u64) -> u64 {
    address ^ (address >> 7 & (row / 16 - 1)) << 4
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_change_places() {
        assert_eq!([0, 128, 144, 1024 + 16].map(|byte| swizzled(byte, 128)), [0, 144, 128, 1040]);
        assert_eq!((swizzled(256, 64), swizzled(512, 32), swizzled(144, 16)), (256 + 32, 512, 144));
        assert_eq!(swizzled(256, 32), 256);
    }

    #[test]
    fn twice_swizzled_is_where_it_was() {
        for row in [16, 32, 64, 128] {
            for address in 0..4096 {
                assert_eq!(swizzled(swizzled(address, row), row), address);
            }
        }
    }
}
