//! Descriptors of matrices: in shared memory, as `wgmma` and `tcgen05.mma` take them, and of a `tcgen05` instruction.
//! (PTX ISA 9.7.15.5.1 "Matrix Descriptor Format", 9.7.16.4.1 "Shared Memory Descriptor", 9.7.16.4.2 "Instruction
//! Descriptor".)

use super::{ElementType, Swizzle};

/// Which instruction a matrix descriptor is for: the fields differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DescriptorFormat {
    /// `wgmma` (sm_90a).
    Wgmma,
    /// `tcgen05.mma` (sm_100a).
    Tcgen05,
}

/// A matrix in shared memory, as a 64-bit matrix descriptor describes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MatrixDescriptor {
    /// Byte of shared memory at which the matrix begins.
    pub start: u32,
    /// "Leading dimension byte offset".
    pub leading: u32,
    /// "Stride dimension byte offset".
    pub stride: u32,
    /// Where the swizzle's pattern begins, in units of 128 bytes; 0 where the pattern is aligned. Without a swizzle it
    /// means nothing.
    pub base_offset: u32,
    /// True if `leading` is an address, not an offset; `tcgen05` only.
    pub is_leading_absolute: bool,
    /// The swizzling mode; `None` for a number that the ISA gives no meaning.
    pub swizzle: Option<Swizzle>,
    /// Bits 46 to 48: the constant 1 for `tcgen05`, 0 for `wgmma`.
    pub version: u32,
}

impl MatrixDescriptor {
    /// Decodes the 64 bits of a matrix descriptor.
    #[inline]
    pub fn decode(bits: u64, format: DescriptorFormat) -> Self {
        let field = |low: u32, width: u32| (bits >> low & ((1 << width) - 1)) as u32;
        let swizzle = match format {
            DescriptorFormat::Wgmma => match field(62, 2) {
                0 => Some(Swizzle::None),
                1 => Some(Swizzle::Bytes128),
                2 => Some(Swizzle::Bytes64),
                _ => Some(Swizzle::Bytes32),
            },
            DescriptorFormat::Tcgen05 => match field(61, 3) {
                0 => Some(Swizzle::None),
                1 => Some(Swizzle::Bytes128Atom32),
                2 => Some(Swizzle::Bytes128),
                4 => Some(Swizzle::Bytes64),
                6 => Some(Swizzle::Bytes32),
                _ => None,
            },
        };
        Self {
            start: field(0, 14) << 4,
            leading: field(16, 14) << 4,
            stride: field(32, 14) << 4,
            base_offset: field(49, 3),
            is_leading_absolute: format == DescriptorFormat::Tcgen05 && field(52, 1) == 1,
            swizzle,
            version: field(46, 3),
        }
    }

    /// The fields as rows of a table: bits, name, value.
    pub fn fields(&self, format: DescriptorFormat) -> Vec<[String; 3]> {
        let swizzle = self.swizzle.map_or("no meaning", Swizzle::description).to_owned();
        let leading = if self.is_leading_absolute { "leading byte address" } else { "leading byte offset" };
        let mut fields = vec![
            ["0–13".to_owned(), "start address".to_owned(), format!("{:#x}", self.start)],
            ["16–29".to_owned(), leading.to_owned(), format!("{}", self.leading)],
            ["32–45".to_owned(), "stride byte offset".to_owned(), format!("{}", self.stride)],
            ["49–51".to_owned(), "base offset".to_owned(), format!("{}", self.base_offset)],
        ];
        match format {
            DescriptorFormat::Wgmma => fields.push(["62–63".to_owned(), "swizzle".to_owned(), swizzle]),
            DescriptorFormat::Tcgen05 => {
                fields.push(["46–48".to_owned(), "constant 1".to_owned(), format!("{}", self.version)]);
                fields.push(["61–63".to_owned(), "swizzle".to_owned(), swizzle]);
            }
        }
        fields
    }
}

/// The instruction descriptor of `tcgen05.mma`: a register that says the shape, the types and how operands lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InstructionDescriptor(pub u32);

impl InstructionDescriptor {
    #[inline]
    fn field(self, low: u32, width: u32) -> u32 {
        self.0 >> low & ((1 << width) - 1)
    }

    /// M: number of rows of A and D.
    pub fn m(self) -> u32 {
        self.field(24, 5) << 4
    }

    /// N: number of columns of B and D.
    pub fn n(self) -> u32 {
        self.field(17, 6) << 3
    }

    /// True if A is a sparse matrix.
    pub fn is_sparse(self) -> bool {
        self.field(2, 1) == 1
    }

    /// True if integer sums saturate. Without block scaling only.
    pub fn saturates(self) -> bool {
        self.field(3, 1) == 1
    }

    /// Code of the type of D. Without block scaling only.
    pub fn d_code(self) -> u32 {
        self.field(4, 2)
    }

    /// Code of the type of A; its meaning depends on the instruction's kind.
    pub fn a_code(self) -> u32 {
        self.field(7, 3)
    }

    /// Code of the type of B; its meaning depends on the instruction's kind.
    pub fn b_code(self) -> u32 {
        self.field(10, 3)
    }

    /// True where the elements of A, of B are negated.
    pub fn negates(self) -> [bool; 2] {
        [self.field(13, 1) == 1, self.field(14, 1) == 1]
    }

    /// True where A is contiguous along M, B along N, rather than along K.
    pub fn is_mn_major(self) -> [bool; 2] {
        [self.field(15, 1) == 1, self.field(16, 1) == 1]
    }

    /// Byte of the scale factors' words that is meant, of A and of B. With block scaling only.
    pub fn scale_bytes(self) -> [u32; 2] {
        [self.field(29, 2), self.field(4, 2)]
    }

    /// True if scale factors are powers of two (`ue8m0`). With block scaling only.
    pub fn has_power_of_two_scales(self) -> bool {
        self.field(23, 1) == 1
    }

    /// True if a product of fp4 has k = 96. With block scaling only.
    pub fn has_k_96(self) -> bool {
        self.field(31, 1) == 1
    }

    /// The fields of a descriptor without block scaling as rows of a table: bits, name, value. `operand_type` gives the type
    /// of A or B for its code, which depends on the instruction's kind.
    pub fn fields(self, operand_type: impl Fn(u32) -> Option<ElementType>) -> Vec<[String; 3]> {
        let operand = |number: u32| {
            operand_type(number).map_or_else(|| format!("{number}, no meaning"), |element| element.ptx().to_owned())
        };
        let yes = |condition: bool| if condition { "yes" } else { "no" }.to_owned();
        let major = |is_mn_major: bool| if is_mn_major { "M or N" } else { "K" }.to_owned();
        let result = match self.d_code() {
            0 => "f16",
            1 => "f32",
            2 => "s32",
            _ => "no meaning",
        };
        let rows = [
            ("2", "sparse", yes(self.is_sparse())),
            ("3", "saturate", yes(self.saturates())),
            ("4–5", "type of D", result.to_owned()),
            ("7–9", "type of A", operand(self.a_code())),
            ("10–12", "type of B", operand(self.b_code())),
            ("13", "negate A", yes(self.negates()[0])),
            ("14", "negate B", yes(self.negates()[1])),
            ("15", "A is contiguous along", major(self.is_mn_major()[0])),
            ("16", "B is contiguous along", major(self.is_mn_major()[1])),
            ("17–22", "N", self.n().to_string()),
            ("24–28", "M", self.m().to_string()),
        ];
        rows.map(|(bits, name, value)| [bits.to_owned(), name.to_owned(), value]).to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptors_that_triton_wrote() {
        // Triton 3.6: `or.b64 %rd70, %rd96, 4611686293305294848` for sm_90.
        let hopper = MatrixDescriptor::decode(4611686293305294848 | 0xc00, DescriptorFormat::Wgmma);
        let expected = MatrixDescriptor {
            start: 0xc000,
            leading: hopper.leading,
            stride: 1024,
            base_offset: 0,
            is_leading_absolute: false,
            swizzle: Some(Swizzle::Bytes128),
            version: 0,
        };
        assert_eq!(hopper, expected);
        // The same for sm_100, and the instruction of a 128×64×16 product of f16.
        let blackwell = MatrixDescriptor::decode(4611756662049472514, DescriptorFormat::Tcgen05);
        let found = (blackwell.swizzle, blackwell.version, blackwell.start, blackwell.stride);
        assert_eq!(found, (Some(Swizzle::Bytes128), 1, 32, 1024));
        let instruction = InstructionDescriptor(135331856);
        assert_eq!((instruction.m(), instruction.n()), (128, 64));
        let fields = instruction.fields(|code| (code == 0).then_some(ElementType::F16));
        let named = |name: &str| fields.iter().find(|field| field[1] == name).map(|field| field[2].clone());
        assert_eq!((named("type of D").as_deref(), named("type of B").as_deref()), (Some("f32"), Some("f16")));
        assert_eq!(named("B is contiguous along").as_deref(), Some("M or N"));
    }

    /// Every code of both formats: "128-Byte with 32B atomic swizzling" is a mode of its own of `tcgen05`, and three codes
    /// have no meaning there.
    #[test]
    fn swizzling_modes_are_numbered_as_in_the_isa() {
        use Swizzle::{Bytes32, Bytes64, Bytes128, Bytes128Atom32, None as Plain};
        let wgmma = |code: u64| MatrixDescriptor::decode(code << 62, DescriptorFormat::Wgmma).swizzle;
        assert_eq!([0, 1, 2, 3].map(wgmma), [Plain, Bytes128, Bytes64, Bytes32].map(Some));
        let tcgen05 = |code: u64| MatrixDescriptor::decode(code << 61, DescriptorFormat::Tcgen05).swizzle;
        let expected =
            [Some(Plain), Some(Bytes128Atom32), Some(Bytes128), None, Some(Bytes64), None, Some(Bytes32), None];
        assert_eq!([0, 1, 2, 3, 4, 5, 6, 7].map(tcgen05), expected);
    }

    #[test]
    fn an_absolute_leading_address_is_only_of_tcgen05() {
        let is_absolute = |format| MatrixDescriptor::decode(1 << 52, format).is_leading_absolute;
        assert!(is_absolute(DescriptorFormat::Tcgen05) && !is_absolute(DescriptorFormat::Wgmma));
    }
}
