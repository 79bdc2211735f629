//! Tensor maps: the 128-byte descriptors of bulk tensor copies (TMA), with every field checked before the driver or
//! the emulator is asked. "CUDA Driver API", `cuTensorMapEncodeTiled`; PTX ISA, "Tensor-map".

use serde::{Deserialize, Serialize};

use super::Dtype;

/// Bytes of an encoded tensor map.
pub const TENSOR_MAP_BYTES: usize = 128;

/// The type of a tensor map's elements, with the driver's number (`CUtensorMapDataType`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
#[repr(u8)]
pub enum TensorMapType {
    U8 = 0,
    U16 = 1,
    U32 = 2,
    I32 = 3,
    U64 = 4,
    I64 = 5,
    F16 = 6,
    F32 = 7,
    F64 = 8,
    Bf16 = 9,
    /// `f32` whose subnormals are read as zero.
    F32Ftz = 10,
    Tf32 = 11,
    Tf32Ftz = 12,
}

impl TensorMapType {
    /// All of them, by the driver's number.
    pub const ALL: [Self; 13] = [
        Self::U8,
        Self::U16,
        Self::U32,
        Self::I32,
        Self::U64,
        Self::I64,
        Self::F16,
        Self::F32,
        Self::F64,
        Self::Bf16,
        Self::F32Ftz,
        Self::Tf32,
        Self::Tf32Ftz,
    ];

    /// The type with the driver's number.
    pub fn from_number(number: u32) -> Option<Self> {
        Self::ALL.get(number as usize).copied()
    }

    /// Bytes of one element.
    pub fn size(self) -> u64 {
        match self {
            Self::U8 => 1,
            Self::U16 | Self::F16 | Self::Bf16 => 2,
            Self::U32 | Self::I32 | Self::F32 | Self::F32Ftz | Self::Tf32 | Self::Tf32Ftz => 4,
            Self::U64 | Self::I64 | Self::F64 => 8,
        }
    }

    /// Whether elements out of bounds may be filled with NaN.
    pub fn is_float(self) -> bool {
        !matches!(self, Self::U8 | Self::U16 | Self::U32 | Self::I32 | Self::U64 | Self::I64)
    }
}

impl From<Dtype> for TensorMapType {
    fn from(dtype: Dtype) -> Self {
        match dtype {
            Dtype::I1 | Dtype::I8 | Dtype::U8 | Dtype::F8E4m3 | Dtype::F8E5m2 => Self::U8,
            Dtype::I16 | Dtype::U16 => Self::U16,
            Dtype::I32 => Self::I32,
            Dtype::U32 => Self::U32,
            Dtype::I64 => Self::I64,
            Dtype::U64 => Self::U64,
            Dtype::F16 => Self::F16,
            Dtype::Bf16 => Self::Bf16,
            Dtype::F32 => Self::F32,
            Dtype::F64 => Self::F64,
        }
    }
}

/// How the rows of a box are spread over the banks of shared memory. The numbers are the driver's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
#[repr(u8)]
pub enum Swizzle {
    #[default]
    None = 0,
    B32 = 1,
    B64 = 2,
    B128 = 3,
}

impl Swizzle {
    /// The swizzle with the driver's number.
    pub fn from_number(number: u32) -> Option<Self> {
        [Self::None, Self::B32, Self::B64, Self::B128].get(number as usize).copied()
    }

    /// Bytes over which 16-byte pieces are exchanged; `None` without swizzle.
    pub fn bytes(self) -> Option<u32> {
        match self {
            Self::None => None,
            Self::B32 => Some(32),
            Self::B64 => Some(64),
            Self::B128 => Some(128),
        }
    }
}

/// Interleaved layouts (NC/8HWC8 and NC/16HWC16). The numbers are the driver's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
#[repr(u8)]
pub enum Interleave {
    #[default]
    None = 0,
    B16 = 1,
    B32 = 2,
}

/// A tiled tensor map. Dimension 0 is the innermost (contiguous) one, as in the driver API; Triton counts the other
/// way round.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TensorMap {
    /// The type of the elements.
    pub element: TensorMapType,
    /// Device address of the tensor.
    pub address: u64,
    /// Extents, innermost first: 1 to 5 of them.
    pub dims: Vec<u64>,
    /// Bytes between neighbours along each dimension but the innermost.
    pub strides: Vec<u64>,
    /// Extents of the box that one copy moves, in elements.
    pub tile: Vec<u32>,
    /// Steps between the elements that are copied, along each dimension; usually 1.
    pub element_strides: Vec<u32>,
    /// Interleaved layout.
    pub interleave: Interleave,
    /// Order in shared memory.
    pub swizzle: Swizzle,
    /// L2 promotion, by the driver's number: 0 none, 1 64 B, 2 128 B, 3 256 B.
    pub l2_promotion: u8,
    /// Whether elements out of bounds are filled with NaN rather than zero.
    pub fill_nan: bool,
}

/// A constraint of `cuTensorMapEncodeTiled` that a tensor map breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// The field: `box[0]`.
    pub field: String,
    /// What is wrong with it.
    pub problem: String,
    /// What it has to be.
    pub expected: String,
}

impl TensorMap {
    /// Dimensions.
    pub fn rank(&self) -> usize {
        self.dims.len()
    }

    /// Every constraint that it breaks, in the order of the fields; empty when the driver takes it.
    pub fn broken(&self) -> Vec<Broken> {
        let mut broken = Vec::new();
        let mut add = |field: String, problem: String, expected: &str| {
            broken.push(Broken { field, problem, expected: expected.to_owned() });
        };
        let rank = self.rank();
        if !(1..=5).contains(&rank) {
            add("rank".into(), format!("the tensor has {rank} dimensions"), "1 to 5");
            return broken;
        }
        let interleaved = self.interleave != Interleave::None;
        if interleaved && rank < 3 {
            add("rank".into(), format!("an interleaved tensor has {rank} dimensions"), "3 to 5");
        }
        let lengths = [
            ("strides", self.strides.len(), rank - 1),
            ("box", self.tile.len(), rank),
            ("element strides", self.element_strides.len(), rank),
        ];
        for (field, found, wanted) in lengths {
            if found != wanted {
                add(field.into(), format!("{found} are given for {rank} dimensions"), &wanted.to_string());
                return broken;
            }
        }
        let alignment = if self.interleave == Interleave::B32 { 32 } else { 16 };
        if !self.address.is_multiple_of(alignment) {
            let problem = format!("the tensor begins at {:#x}", self.address);
            add("address".into(), problem, &format!("a multiple of {alignment} bytes"));
        }
        for (index, &extent) in self.dims.iter().enumerate() {
            if extent == 0 || extent > 1 << 32 {
                add(format!("shape[{index}]"), format!("the extent is {extent}"), "1 to 2^32");
            }
        }
        let size = self.element.size();
        let mut least = self.dims[0].saturating_mul(size);
        for (index, &stride) in self.strides.iter().enumerate() {
            let field = format!("stride[{}]", index + 1);
            if !stride.is_multiple_of(alignment) {
                let problem = format!("rows are {stride} bytes apart");
                add(field, problem, &format!("a multiple of {alignment} bytes"));
            } else if stride >= 1 << 40 {
                add(field, format!("rows are {stride} bytes apart"), "less than 2^40 bytes");
            } else if stride < least {
                let problem = format!("rows are {stride} bytes apart and {least} bytes long");
                add(field, problem, "at least the length of a row");
            }
            least = stride.max(least).saturating_mul(self.dims[index + 1]);
        }
        for (index, &extent) in self.tile.iter().enumerate() {
            if extent == 0 || extent > 256 {
                add(format!("box[{index}]"), format!("the extent is {extent}"), "1 to 256");
            }
        }
        let inner = u64::from(self.tile[0]) * size;
        if !interleaved && !inner.is_multiple_of(16) {
            let problem = format!("{} elements of {size} bytes are {inner} bytes", self.tile[0]);
            add("box[0]".into(), problem, "a multiple of 16 bytes");
        }
        match (self.swizzle.bytes(), interleaved) {
            (Some(bytes), false) if inner > u64::from(bytes) => {
                let problem = format!("the innermost extent of {inner} bytes is longer than the {bytes}-byte swizzle");
                add("box[0]".into(), problem, &format!("at most {} elements", u64::from(bytes) / size));
            }
            (bytes, true) if self.interleave == Interleave::B32 && bytes != Some(32) => {
                add("swizzle".into(), "a 32-byte interleave has another swizzle".into(), "the 32-byte swizzle");
            }
            _ => {}
        }
        for (index, &step) in self.element_strides.iter().enumerate() {
            if step == 0 || step > 8 {
                add(format!("element stride[{index}]"), format!("the step is {step}"), "1 to 8");
            }
        }
        if self.l2_promotion > 3 {
            add("L2 promotion".into(), format!("its number is {}", self.l2_promotion), "0 to 3");
        }
        if self.fill_nan && !self.element.is_float() {
            add("fill".into(), "integers cannot be filled with NaN".into(), "zero");
        }
        broken
    }

    /// Bytes that one copy writes to shared memory, out-of-bounds elements included.
    pub fn tile_bytes(&self) -> u64 {
        let elements = self.tile.iter().zip(&self.element_strides).map(|(&extent, &step)| extent.div_ceil(step.max(1)));
        elements.map(u64::from).product::<u64>() * self.element.size()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map() -> TensorMap {
        TensorMap {
            element: TensorMapType::F16,
            address: 0x1000,
            dims: vec![512, 256],
            strides: vec![1024],
            tile: vec![64, 128],
            element_strides: vec![1, 1],
            interleave: Interleave::None,
            swizzle: Swizzle::B128,
            l2_promotion: 2,
            fill_nan: false,
        }
    }

    #[test]
    fn a_usual_map_is_whole() {
        assert_eq!(map().broken(), []);
        assert_eq!(map().tile_bytes(), 64 * 128 * 2);
    }

    #[test]
    fn each_constraint_names_its_field() {
        let fields = |change: fn(&mut TensorMap)| {
            let mut map = map();
            change(&mut map);
            map.broken().into_iter().map(|broken| broken.field).collect::<Vec<_>>()
        };
        assert_eq!(fields(|map| map.address += 8), ["address"]);
        assert_eq!(fields(|map| map.dims = vec![]), ["rank"]);
        assert_eq!(fields(|map| map.dims[1] = 0), ["shape[1]"]);
        assert_eq!(fields(|map| map.strides[0] = 1000), ["stride[1]"]);
        assert_eq!(fields(|map| map.strides[0] = 512), ["stride[1]"]);
        assert_eq!(fields(|map| map.tile[1] = 512), ["box[1]"]);
        assert_eq!(fields(|map| map.tile[0] = 128), ["box[0]"]);
        assert_eq!(fields(|map| map.tile[0] = 4), ["box[0]"]);
        assert_eq!(fields(|map| map.element_strides[0] = 9), ["element stride[0]"]);
        assert_eq!(fields(|map| map.interleave = Interleave::B16), ["rank"]);
        assert_eq!(fields(|map| map.strides.clear()), ["strides"]);
        assert_eq!(fields(|map| map.l2_promotion = 4), ["L2 promotion"]);
        let nan = |map: &mut TensorMap| (map.element, map.fill_nan) = (TensorMapType::U16, true);
        assert_eq!(fields(nan), ["fill"]);
    }
}
