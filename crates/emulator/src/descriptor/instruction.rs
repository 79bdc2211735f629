//! The instruction descriptor of `tcgen05.mma`: a register that says the shape, the types and how operands lie (PTX ISA
//! 9.7.16.4.2).

use crate::arithmetic::product::Element;
use crate::arithmetic::scaled::Small;
use crate::fault::Unsupported;
use warpbook_gpu::InstructionDescriptor;
use warpbook_ptx::isa::MmaKind;

/// The instruction descriptor, taken apart (PTX ISA 9.7.16.4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Description {
    /// Rows that a block has.
    pub m: usize,
    pub n: usize,
    /// True if two blocks share the work.
    pub pair: bool,
    /// Codes of the types of D, A and B.
    pub d: u32,
    pub a: u32,
    pub b: u32,
    pub negate: [bool; 2],
    pub mn_major: [bool; 2],
    pub saturate: bool,
    /// Which bytes of the scales are meant, of A and of B, and their type.
    pub scale_bytes: [usize; 2],
    pub powers_of_two: bool,
}

impl Description {
    /// The fields of the register's bits; `scaled`: of a block-scaled product, `pair`: of a pair of blocks.
    pub fn decode(bits: u32, scaled: bool, pair: bool) -> Result<Self, Unsupported> {
        let bits = InstructionDescriptor(bits);
        if bits.is_sparse() {
            return Err(Unsupported("a sparse `tcgen05.mma`".to_owned()));
        }
        if scaled && bits.has_k_96() {
            return Err(Unsupported("a `tcgen05.mma` of fp4 with k = 96".to_owned()));
        }
        let (m, n) = (bits.m() as usize, bits.n() as usize);
        let (rows, whose) = if pair { (m / 2, "a pair of blocks") } else { (m, "one block") };
        let fits = if pair { n.is_multiple_of(16) && !(scaled && m == 128) } else { true };
        if !matches!(rows, 64 | 128) || !(8..=256).contains(&n) || !fits {
            return Err(Unsupported(format!("a `tcgen05.mma` of {m} rows and {n} columns in {whose}")));
        }
        Ok(Self {
            m: rows,
            n,
            pair,
            d: if scaled { 1 } else { bits.d_code() },
            a: bits.a_code(),
            b: bits.b_code(),
            negate: bits.negates(),
            mn_major: bits.is_mn_major(),
            saturate: !scaled && bits.saturates(),
            scale_bytes: bits.scale_bytes().map(|byte| byte as usize),
            powers_of_two: bits.has_power_of_two_scales(),
        })
    }

    /// Lane and column of an element of D, from those of the first: 64 rows of a block alone have half of each warp's lanes,
    /// those of a pair the lower half of all lanes, and the other half for the second half of the columns
    /// (PTX ISA 9.7.16.10.5, layouts A, B, D and F).
    pub fn cell(&self, row: usize, column: usize) -> (u32, u32) {
        let (lane, column) = match (self.m, self.pair) {
            (64, false) => (row % 16 + row / 16 * 32, column),
            (64, true) if column >= self.n / 2 => (64 + row, column - self.n / 2),
            _ => (row, column),
        };
        (lane as u32, column as u32)
    }

    /// Columns of tensor memory that D has.
    pub fn columns(&self) -> u32 {
        (if self.pair && self.m == 64 { self.n / 2 } else { self.n }) as u32
    }

    /// How many blocks have a part.
    pub fn blocks(&self) -> usize {
        if self.pair { 2 } else { 1 }
    }
}

/// The small float that a code of a kind means.
pub(crate) fn small(kind: MmaKind, code: u32) -> Result<Small, Unsupported> {
    let small = kind.operand_type(code).and_then(Small::from_element);
    small.ok_or_else(|| Unsupported(format!("element type {code} of a `tcgen05.mma`")))
}

/// The element of a kind with whole elements in whole bytes; `None` for the others.
pub(crate) fn element(kind: MmaKind, code: u32) -> Option<Element> {
    kind.operand_type(code).and_then(Element::from_element_type)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_of_triton_s() {
        // f16, f32 sums, 128 × 128, B is MN-major.
        let description = Description::decode(136_380_432, false, false).expect("a description");
        assert_eq!((description.m, description.n, description.d), (128, 128, 1));
        assert_eq!((description.a, description.b, description.mn_major), (0, 0, [false, true]));
        assert!(Description::decode(136_380_432 | 4, false, false).is_err());
    }
}
