//! Descriptors of matrices: in shared memory, as `wgmma` and `tcgen05.mma` take them, and of a `tcgen05` instruction.
//! (PTX ISA 9.7.15.5.1 "Matrix Descriptor Format", 9.7.16.4 "Matrix Descriptors".)

/// Which instruction a descriptor is for: the fields differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Generation {
    /// `wgmma`
    Hopper,
    /// `tcgen05.mma`
    Blackwell,
}

/// A matrix in shared memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MatrixDescriptor {
    /// Byte at which it begins.
    pub start: u32,
    /// "Leading dimension byte offset".
    pub leading: u32,
    /// "Stride dimension byte offset".
    pub stride: u32,
    /// Where the swizzle's pattern begins, in units of its rows.
    pub base_offset: u32,
    /// Bytes of the swizzle: 0, 32, 64 or 128; `None` for a number that has no meaning.
    pub swizzle: Option<u32>,
    /// The constant that tells the two generations apart, at bits 46 to 48.
    pub version: u32,
}

impl MatrixDescriptor {
    /// Takes the 64 bits apart.
    pub fn decode(bits: u64, generation: Generation) -> Self {
        let field = |low: u32, width: u32| (bits >> low & ((1 << width) - 1)) as u32;
        let swizzle = match generation {
            Generation::Hopper => Some([0, 128, 64, 32][field(62, 2) as usize]),
            Generation::Blackwell => match field(61, 3) {
                0 => Some(0),
                // With pieces of 32 bytes where it is 1.
                1 | 2 => Some(128),
                4 => Some(64),
                6 => Some(32),
                _ => None,
            },
        };
        Self {
            start: field(0, 14) << 4,
            leading: field(16, 14) << 4,
            stride: field(32, 14) << 4,
            base_offset: field(49, 3),
            swizzle,
            version: field(46, 3),
        }
    }

    /// The fields with their bits, as a table has them.
    pub fn fields(&self, generation: Generation) -> Vec<[String; 3]> {
        let swizzle = match self.swizzle {
            Some(0) => "none".to_owned(),
            Some(bytes) => format!("{bytes} bytes"),
            None => "no meaning".to_owned(),
        };
        let mut fields = vec![
            ["0–13".to_owned(), "start address".to_owned(), format!("{:#x}", self.start)],
            ["16–29".to_owned(), "leading byte offset".to_owned(), format!("{}", self.leading)],
            ["32–45".to_owned(), "stride byte offset".to_owned(), format!("{}", self.stride)],
            ["49–51".to_owned(), "base offset".to_owned(), format!("{}", self.base_offset)],
        ];
        match generation {
            Generation::Hopper => fields.push(["62–63".to_owned(), "swizzle".to_owned(), swizzle]),
            Generation::Blackwell => {
                fields.push(["46–48".to_owned(), "constant 1".to_owned(), format!("{}", self.version)]);
                fields.push(["61–63".to_owned(), "swizzle".to_owned(), swizzle]);
            }
        }
        fields
    }
}

/// The instruction descriptor of `tcgen05.mma` without block scaling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstructionDescriptor {
    /// Rows of A and D.
    pub m: u32,
    /// Columns of B and D.
    pub n: u32,
    /// Every field: bits, name, value.
    pub fields: Vec<[String; 3]>,
}

impl InstructionDescriptor {
    /// Takes the 32 bits apart for a kind: `f16`, `tf32`, `f8f6f4`, `i8`.
    pub fn decode(bits: u32, kind: &str) -> Self {
        let field = |low: u32, width: u32| bits >> low & ((1 << width) - 1);
        let operand = |number: u32| {
            let names: &[&str] = match kind {
                "f16" => &["f16", "bf16"],
                "tf32" => &["", "", "tf32"],
                "i8" => &["u8", "s8"],
                _ => &["e4m3", "e5m2", "", "e2m3", "e3m2", "e2m1"],
            };
            let name = names.get(number as usize).filter(|name| !name.is_empty());
            name.map_or_else(|| format!("{number}, no meaning"), |name| (*name).to_owned())
        };
        let yes = |number: u32| if number == 1 { "yes" } else { "no" }.to_owned();
        let major = |number: u32| if number == 1 { "M or N" } else { "K" }.to_owned();
        let result = match field(4, 2) {
            0 => "f16",
            1 => "f32",
            2 => "s32",
            _ => "no meaning",
        };
        let (n, m) = (field(17, 6) << 3, field(24, 5) << 4);
        let rows = [
            ("2", "sparse", yes(field(2, 1))),
            ("3", "saturate", yes(field(3, 1))),
            ("4–5", "type of D", result.to_owned()),
            ("7–9", "type of A", operand(field(7, 3))),
            ("10–12", "type of B", operand(field(10, 3))),
            ("13", "negate A", yes(field(13, 1))),
            ("14", "negate B", yes(field(14, 1))),
            ("15", "A is contiguous along", major(field(15, 1))),
            ("16", "B is contiguous along", major(field(16, 1))),
            ("17–22", "N", n.to_string()),
            ("24–28", "M", m.to_string()),
        ];
        let fields = rows.map(|(bits, name, value)| [bits.to_owned(), name.to_owned(), value]).to_vec();
        Self { m, n, fields }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptors_that_triton_wrote() {
        // Triton 3.6: `or.b64 %rd70, %rd96, 4611686293305294848` for sm_90.
        let hopper = MatrixDescriptor::decode(4611686293305294848 | 0xc00, Generation::Hopper);
        let expected = MatrixDescriptor {
            start: 0xc000,
            leading: 16,
            stride: 1024,
            base_offset: 0,
            swizzle: Some(128),
            version: 0,
        };
        assert_eq!(hopper, MatrixDescriptor { leading: hopper.leading, ..expected });
        // The same for sm_100, and the instruction of a 128×64×16 product of f16.
        let blackwell = MatrixDescriptor::decode(4611756662049472514, Generation::Blackwell);
        assert_eq!((blackwell.swizzle, blackwell.version, blackwell.start, blackwell.stride), (Some(128), 1, 32, 1024));
        let instruction = InstructionDescriptor::decode(135331856, "f16");
        assert_eq!((instruction.m, instruction.n), (128, 64));
        let named = |name: &str| instruction.fields.iter().find(|field| field[1] == name).map(|field| field[2].clone());
        assert_eq!((named("type of D").as_deref(), named("type of B").as_deref()), (Some("f32"), Some("f16")));
        assert_eq!(named("B is contiguous along").as_deref(), Some("M or N"));
    }
}
