//! Layouts of shared memory: the byte that holds an element, and the bank that it is in.

/// A layout of shared memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shared {
    /// `#ttg.swizzled_shared`: groups of `vec` elements along the fastest dimension change places from row to row.
    Swizzled {
        /// Elements that stay together.
        vec: u32,
        /// Rows that are swizzled alike.
        per_phase: u32,
        /// Different swizzles.
        max_phase: u32,
        /// Dimensions, fastest first.
        order: Vec<usize>,
    },
    /// `#ttg.nvmma_shared`: what TMA writes and `wgmma` reads.
    Nvmma {
        /// 0, 32, 64 or 128 bytes.
        swizzle: u32,
        /// Whether the first dimension is the fastest.
        transposed: bool,
        /// Bits of an element.
        element_bits: u32,
    },
}

/// Banks of shared memory, four bytes wide each.
pub const BANKS: u32 = 32;

impl Shared {
    /// The byte of an element of a matrix, from the start of its buffer.
    pub fn byte(&self, row: u32, column: u32, shape: [u32; 2], element_bytes: u32) -> u32 {
        match self {
            Self::Swizzled { vec, per_phase, max_phase, order } => {
                let is_transposed = order.first() == Some(&0);
                let (outer, inner, width) =
                    if is_transposed { (column, row, shape[0]) } else { (row, column, shape[1]) };
                let phase = outer / (*per_phase).max(1) % (*max_phase).max(1);
                let vec = (*vec).max(1);
                // A row narrower than the swizzle wraps around in it.
                let group = ((inner / vec) ^ phase) % (width / vec).max(1);
                (outer * width + group * vec + inner % vec) * element_bytes
            }
            Self::Nvmma { swizzle, transposed, element_bits } => {
                let element_bytes = (element_bits / 8).max(1);
                let (outer, inner, rows) = if *transposed { (column, row, shape[1]) } else { (row, column, shape[0]) };
                // Rows are 16 bytes long without a swizzle, and as long as the swizzle with one.
                let pitch = (*swizzle).max(16);
                let byte = inner * element_bytes;
                let (tile, byte) = (byte / pitch, byte % pitch);
                let phase = if *swizzle == 0 { 0 } else { outer / (128 / pitch) % (pitch / 16) };
                tile * rows * pitch + outer * pitch + ((byte / 16) ^ phase) * 16 + byte % 16
            }
        }
    }

    /// The bank of a byte.
    pub fn bank(byte: u32) -> u32 {
        byte / 4 % BANKS
    }
}

/// How many rounds an access of these bytes takes: the most different four-byte words in one bank.
pub fn ways(bytes: impl Iterator<Item = u32>) -> u32 {
    let mut words: Vec<u32> = bytes.map(|byte| byte / 4).collect();
    words.sort_unstable();
    words.dedup();
    let mut each = [0_u32; BANKS as usize];
    for word in words {
        each[(word % BANKS) as usize] += 1;
    }
    each.into_iter().max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rounds of one matrix of `ldmatrix`: eight rows of 16 bytes at a column.
    fn ldmatrix(shared: &Shared, column: u32) -> u32 {
        ways(
            (0..8)
                .flat_map(|row| (0..8).map(move |at| (row, at)))
                .map(|(row, at)| shared.byte(row, column + at, [64, 64], 2)),
        )
    }

    #[test]
    fn a_swizzle_keeps_ldmatrix_free_of_conflicts() {
        let swizzled = |max_phase| Shared::Swizzled { vec: 8, per_phase: 1, max_phase, order: vec![1, 0] };
        assert_eq!((ldmatrix(&swizzled(1), 0), ldmatrix(&swizzled(2), 0), ldmatrix(&swizzled(8), 8)), (8, 4, 1));
        for swizzle in [32, 64, 128] {
            let shared = Shared::Nvmma { swizzle, transposed: false, element_bits: 16 };
            assert_eq!(ldmatrix(&shared, 0), 1, "{swizzle}");
        }
    }

    #[test]
    fn each_byte_holds_one_element() {
        for shared in [
            Shared::Swizzled { vec: 8, per_phase: 2, max_phase: 4, order: vec![0, 1] },
            Shared::Nvmma { swizzle: 128, transposed: false, element_bits: 16 },
            Shared::Nvmma { swizzle: 32, transposed: true, element_bits: 16 },
        ] {
            let mut bytes: Vec<u32> = (0..64 * 64).map(|at| shared.byte(at / 64, at % 64, [64, 64], 2)).collect();
            bytes.sort_unstable();
            assert!(bytes.iter().zip(0..).all(|(byte, at): (&u32, u32)| *byte == at * 2), "{shared:?}");
        }
    }
}
