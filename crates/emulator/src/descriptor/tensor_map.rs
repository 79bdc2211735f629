//! Tensor maps: the 128-byte descriptors of bulk tensor copies (TMA), with every field checked before the driver or
//! the emulator is asked. "CUDA Driver API", `cuTensorMapEncodeTiled`; PTX ISA, "Tensor-map".

use serde::{Deserialize, Serialize};
use warpbook_gpu::{ElementType, Swizzle};

use crate::fault::Fault;
use crate::program::MapField;

/// Bytes of an encoded tensor map.
pub const TENSOR_MAP_BYTES: usize = 128;

/// The hardware's numbers of the element types, in the order of [`TensorMapType::ALL`]: those of `tensormap.replace`
/// (PTX ISA). TF32 has the number of `f32` and a bit of its own. Numbers of the packed types are those that ptxas 12.9
/// writes for `tensormap.replace`.
const HARDWARE_TYPES: [u64; 16] = [0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 8, 7, 8, 11, 12, 13];
/// Elements of a packed type that lie together.
const PACKED: u64 = 16;

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
    /// Sixteen elements of 4 bits in 8 bytes (`.b4x16`).
    U4x16 = 13,
    /// Sixteen elements of 4 bits: 8 bytes of global memory, and 16 bytes of shared memory (`.b4x16_p64`).
    U4x16Padded = 14,
    /// Sixteen elements of 6 bits: 12 bytes of global memory, and 16 bytes of shared memory (`.b6x16_p32`).
    U6x16Padded = 15,
}

impl TensorMapType {
    /// All of them, by the driver's number.
    pub const ALL: [Self; 16] = [
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
        Self::U4x16,
        Self::U4x16Padded,
        Self::U6x16Padded,
    ];

    /// The type with the driver's number.
    pub fn from_number(number: u32) -> Option<Self> {
        Self::ALL.get(number as usize).copied()
    }

    /// The type with the number that `tensormap.replace` has for it (PTX ISA 9.7.9.28).
    fn from_replaced(number: u64) -> Option<Self> {
        Some(match number {
            8 => Self::F32Ftz,
            9 => Self::F64,
            10 => Self::Bf16,
            other => Self::from_number(u32::try_from(other).ok()?)?,
        })
    }

    /// The element type, without what the map does to subnormals.
    pub const fn element_type(self) -> ElementType {
        match self {
            Self::U8 => ElementType::U8,
            Self::U16 => ElementType::U16,
            Self::U32 => ElementType::U32,
            Self::I32 => ElementType::I32,
            Self::U64 => ElementType::U64,
            Self::I64 => ElementType::I64,
            Self::F16 => ElementType::F16,
            Self::F32 | Self::F32Ftz => ElementType::F32,
            Self::F64 => ElementType::F64,
            Self::Bf16 => ElementType::Bf16,
            Self::Tf32 | Self::Tf32Ftz => ElementType::Tf32,
            Self::U4x16 | Self::U4x16Padded | Self::U6x16Padded => ElementType::U8,
        }
    }

    /// Bytes of one element in shared memory; 1 for an element of less than a byte.
    pub fn size(self) -> u64 {
        self.element_type().bytes().into()
    }

    /// Bits of one element in global memory.
    pub fn global_bits(self) -> u64 {
        match self {
            Self::U4x16 | Self::U4x16Padded => 4,
            Self::U6x16Padded => 6,
            _ => self.element_type().bits().into(),
        }
    }

    /// Bits of one element in shared memory, padding included.
    pub fn shared_bits(self) -> u64 {
        match self {
            Self::U4x16 => 4,
            _ => self.element_type().bits().into(),
        }
    }

    /// True for a type of less than a byte, sixteen elements of which lie together.
    pub const fn is_packed(self) -> bool {
        matches!(self, Self::U4x16 | Self::U4x16Padded | Self::U6x16Padded)
    }

    /// True for a packed type of which sixteen elements take 16 bytes of shared memory.
    pub const fn is_padded(self) -> bool {
        matches!(self, Self::U4x16Padded | Self::U6x16Padded)
    }

    /// Bytes of global memory that 16 bytes of shared memory hold.
    pub const fn packed_bytes(self) -> usize {
        match self {
            Self::U4x16Padded => 8,
            Self::U6x16Padded => 12,
            _ => 16,
        }
    }

    /// True if elements out of bounds may be filled with NaN.
    pub fn is_float(self) -> bool {
        !self.is_packed() && self.element_type().is_float()
    }
}

/// How the rows of a box are spread over the banks of shared memory. The numbers are the driver's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
#[repr(u8)]
pub enum TensorMapSwizzle {
    #[default]
    None = 0,
    B32 = 1,
    B64 = 2,
    B128 = 3,
}

impl TensorMapSwizzle {
    /// The swizzle with the driver's number.
    pub fn from_number(number: u32) -> Option<Self> {
        [Self::None, Self::B32, Self::B64, Self::B128].get(number as usize).copied()
    }

    /// The pattern in shared memory, as matrix descriptors name it.
    pub fn pattern(self) -> Swizzle {
        match self {
            Self::None => Swizzle::None,
            Self::B32 => Swizzle::Bytes32,
            Self::B64 => Swizzle::Bytes64,
            Self::B128 => Swizzle::Bytes128,
        }
    }

    /// Bytes over which 16-byte pieces are exchanged; `None` without swizzle.
    pub fn bytes(self) -> Option<u32> {
        let bytes = self.pattern().bytes();
        (bytes > 0).then_some(bytes)
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
    /// Layout of the channels in global memory: interleaved by 16 or 32 bytes, or not.
    pub interleave: Interleave,
    /// Order in shared memory.
    pub swizzle: TensorMapSwizzle,
    /// L2 promotion, by the driver's number: 0 none, 1 64 B, 2 128 B, 3 256 B.
    pub l2_promotion: u8,
    /// True if elements out of bounds are filled with NaN rather than zero.
    pub fill_nan: bool,
}

/// A constraint of `cuTensorMapEncodeTiled` that a tensor map breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// The field: `box[0]`.
    pub field: String,
    /// What is wrong, in words: `the tensor has 7 dimensions`.
    pub problem: String,
    /// The values that the driver takes: `1 to 5`.
    pub expected: String,
}

impl TensorMap {
    /// Number of dimensions of the tensor, from 1 to 5.
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
        let wide = self.interleave == Interleave::B32 || self.element.is_padded();
        let alignment = if wide { 32 } else { 16 };
        if !self.address.is_multiple_of(alignment) {
            let problem = format!("the tensor begins at {:#x}", self.address);
            add("address".into(), problem, &format!("a multiple of {alignment} bytes"));
        }
        for (index, &extent) in self.dims.iter().enumerate() {
            if extent == 0 || extent > 1 << 32 {
                add(format!("shape[{index}]"), format!("the extent is {extent}"), "1 to 2^32");
            }
        }
        let mut least = self.global_bytes(self.dims[0]);
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
        let inner = u64::from(self.tile[0]) * self.element.shared_bits() / 8;
        if !interleaved && !inner.is_multiple_of(16) {
            let size = self.element.shared_bits();
            let size = if size < 8 { format!("{size} bits") } else { format!("{} bytes", size / 8) };
            let problem = format!("{} elements of {size} are {inner} bytes", self.tile[0]);
            add("box[0]".into(), problem, "a multiple of 16 bytes");
        }
        match (self.swizzle.bytes(), interleaved) {
            (Some(bytes), false) if inner > u64::from(bytes) => {
                let problem = format!("the innermost extent of {inner} bytes is longer than the {bytes}-byte swizzle");
                add(
                    "box[0]".into(),
                    problem,
                    &format!("at most {} elements", u64::from(bytes) * 8 / self.element.shared_bits()),
                );
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
        if self.element.is_packed() {
            self.add_broken_of_packed(&mut broken);
        }
        broken
    }

    /// The constraints of elements of less than a byte.
    fn add_broken_of_packed(&self, broken: &mut Vec<Broken>) {
        let mut add = |field: &str, problem: String, expected: &str| {
            broken.push(Broken { field: field.to_owned(), problem, expected: expected.to_owned() });
        };
        let is_padded = self.element.is_padded();
        let multiple = if is_padded { 8 * PACKED } else { 2 };
        if !self.dims[0].is_multiple_of(multiple) {
            let problem = format!("the extent is {}", self.dims[0]);
            add("shape[0]", problem, &format!("a multiple of {multiple} packed elements"));
        }
        if is_padded && u64::from(self.tile[0]) != 8 * PACKED {
            add("box[0]", format!("the extent is {}", self.tile[0]), "128 padded elements");
        }
        if self.interleave != Interleave::None {
            add("interleave", "packed elements are interleaved".into(), "none");
        }
        if is_padded && !matches!(self.swizzle, TensorMapSwizzle::None | TensorMapSwizzle::B128) {
            add("swizzle", "padded elements have another swizzle".into(), "none, or the 128-byte swizzle");
        }
    }

    /// The 128 bytes that the hardware reads. NVIDIA does not document them: every field was found by encoding 395 maps
    /// that differ in one field each with `cuTensorMapEncodeTiled` on an H100 (driver 580.159), and all of them are
    /// reproduced bit for bit.
    pub fn encode(&self) -> [u8; TENSOR_MAP_BYTES] {
        let at = |values: &[u64], index: usize| values.get(index).copied().unwrap_or(0);
        let less_one = |values: &[u32], index: usize| values.get(index).map_or(0, |&value| u64::from(value) - 1);
        let mut words = [0u64; TENSOR_MAP_BYTES / 8];
        words[0] = self.address;
        let tf32 = matches!(self.element, TensorMapType::Tf32 | TensorMapType::Tf32Ftz);
        words[1] = (self.rank() as u64 - 1) << 4
            | HARDWARE_TYPES[self.element as usize] << 7
            | (self.interleave as u64) << 11
            | (self.swizzle as u64) << 13
            | u64::from(self.fill_nan) << 15
            | u64::from(tf32) << 16
            | u64::from(self.l2_promotion) << 17;
        // Strides count 16 bytes: 32 bits here, the four bits above them in word 3.
        for (index, &stride) in self.strides.iter().enumerate().take(4) {
            let stride = stride >> 4;
            words[1 + index.div_ceil(2)] |= (stride & 0xffff_ffff) << if index % 2 == 0 { 32 } else { 0 };
            words[3] |= (stride >> 32) << (32 + 4 * index);
        }
        for index in 0..5 {
            let extent = at(&self.dims, index).saturating_sub(1) & 0xffff_ffff;
            words[4 + index / 2] |= extent << (32 * (index % 2));
            words[6] |= less_one(&self.element_strides, index) << (32 + 3 * index);
        }
        words[6] |= less_one(&self.tile, 0) << 56;
        for index in 1..5 {
            words[7] |= less_one(&self.tile, index) << (8 * (index - 1));
        }
        // Rounded down, unlike the elements that are really copied.
        let steps = self.tile.iter().zip(&self.element_strides);
        let elements: u64 = steps.map(|(&extent, &step)| u64::from(extent / step.max(1))).product();
        words[8] = elements * self.element.shared_bits() / 8;
        words[9] = match self.swizzle {
            TensorMapSwizzle::None => 0x10,
            TensorMapSwizzle::B32 => 0x100,
            TensorMapSwizzle::B64 => 0x200,
            TensorMapSwizzle::B128 => 0x400,
        };
        let mut bytes = [0; TENSOR_MAP_BYTES];
        for (slot, word) in bytes.chunks_exact_mut(8).zip(words) {
            slot.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    /// The map of 128 bytes, as the hardware reads them; `None` if a field holds what no map has.
    pub fn decode(bytes: &[u8; TENSOR_MAP_BYTES]) -> Option<Self> {
        let mut words = [0u64; TENSOR_MAP_BYTES / 8];
        for (word, eight) in words.iter_mut().zip(bytes.as_chunks::<8>().0) {
            *word = u64::from_le_bytes(*eight);
        }
        let field = |word: usize, low: usize, bits: usize| words[word] >> low & ((1 << bits) - 1);
        let rank = field(1, 4, 3) as usize + 1;
        let (number, tf32) = (field(1, 7, 4), field(1, 16, 1) == 1);
        let element = TensorMapType::ALL.into_iter().find(|&known| {
            let is_tf32 = matches!(known, TensorMapType::Tf32 | TensorMapType::Tf32Ftz);
            HARDWARE_TYPES[known as usize] == number && is_tf32 == tf32
        })?;
        let strides = (0..rank.min(5) - 1).map(|index| {
            let low = field(1 + index.div_ceil(2), if index % 2 == 0 { 32 } else { 0 }, 32);
            (low | field(3, 32 + 4 * index, 4) << 32) << 4
        });
        let tile = (0..rank.min(5)).map(|index| match index {
            0 => field(6, 56, 8) as u32 + 1,
            _ => field(7, 8 * (index - 1), 8) as u32 + 1,
        });
        if rank > 5 {
            return None;
        }
        Some(Self {
            element,
            address: words[0],
            dims: (0..rank).map(|index| field(4 + index / 2, 32 * (index % 2), 32) + 1).collect(),
            strides: strides.collect(),
            tile: tile.collect(),
            element_strides: (0..rank).map(|index| field(6, 32 + 3 * index, 3) as u32 + 1).collect(),
            interleave: [Interleave::None, Interleave::B16, Interleave::B32].get(field(1, 11, 2) as usize).copied()?,
            swizzle: TensorMapSwizzle::from_number(field(1, 13, 2) as u32)?,
            l2_promotion: field(1, 17, 2) as u8,
            fill_nan: field(1, 15, 1) == 1,
        })
    }

    /// Bytes that one copy writes to shared memory, out-of-bounds elements included.
    pub fn tile_bytes(&self) -> u64 {
        self.tile_elements() * self.element.shared_bits() / 8
    }

    /// Bytes that one copy to shared memory completes on its mbarrier, out-of-bounds elements included. The gaps between
    /// packed elements (`.b4x16_p64`) do not count: Triton and CUTLASS expect the bytes of the elements alone (not seen on
    /// a GPU here).
    pub fn transaction_bytes(&self) -> u64 {
        self.tile_elements() * self.element.global_bits() / 8
    }

    fn tile_elements(&self) -> u64 {
        let elements = self.tile.iter().zip(&self.element_strides).map(|(&extent, &step)| extent.div_ceil(step.max(1)));
        elements.map(u64::from).product()
    }

    /// Bytes of global memory that so many elements of a row take.
    pub fn global_bytes(&self, elements: u64) -> u64 {
        elements.saturating_mul(self.element.global_bits()) / 8
    }
}

/// `tensormap.replace`: one field of the 128 bytes, whatever the others hold: kernels begin with zeros and fill them in.
/// Values are those of the PTX ISA (9.7.9.28); extents and steps are written as they are, less one by the caller only
/// where the ISA says so (the rank). What the driver writes into words 8 and 9 stays zero, as ptxas has it.
pub(crate) fn replace_field(
    bytes: &mut [u8; TENSOR_MAP_BYTES],
    field: MapField,
    index: u32,
    value: u64,
) -> Result<(), Fault> {
    let mut set = |word: usize, low: usize, bits: usize, value: u64| {
        let slot = &mut bytes.as_chunks_mut::<8>().0[word];
        let mask = if bits == 64 { u64::MAX } else { ((1u64 << bits) - 1) << low };
        *slot = (u64::from_le_bytes(*slot) & !mask | value << low & mask).to_le_bytes();
    };
    let at = index as usize;
    if at > 4 {
        return Err(Fault::TensorMap(format!("a tensor map has no dimension {index}")));
    }
    match field {
        MapField::GlobalAddress => set(0, 0, 64, value),
        MapField::Rank => set(1, 4, 3, value),
        MapField::ElementType => {
            let known = TensorMapType::from_replaced(value)
                .ok_or_else(|| Fault::TensorMap(format!("no element type has the number {value}")))?;
            set(1, 7, 4, HARDWARE_TYPES[known as usize]);
            // As ptxas has it, another type leaves the bit as it is.
            if matches!(known, TensorMapType::Tf32 | TensorMapType::Tf32Ftz) {
                set(1, 16, 1, 1);
            }
        }
        MapField::InterleaveLayout => set(1, 11, 2, value),
        // The driver writes the swizzle to word 9 too; ptxas's code does not (12.8, sm_90a).
        MapField::SwizzleMode => set(1, 13, 2, value),
        MapField::SwizzleAtomicity => set(1, 19, 3, value),
        MapField::FillMode => set(1, 15, 1, value),
        MapField::GlobalDim => set(4 + at / 2, 32 * (at % 2), 32, value.wrapping_sub(1)),
        MapField::GlobalStride if at < 4 => {
            let stride = value >> 4;
            set(1 + at.div_ceil(2), if at.is_multiple_of(2) { 32 } else { 0 }, 32, stride & 0xffff_ffff);
            set(3, 32 + 4 * at, 4, stride >> 32);
        }
        MapField::GlobalStride => return Err(Fault::TensorMap("a tensor map has four strides".to_owned())),
        MapField::BoxDim if at == 0 => set(6, 56, 8, value.wrapping_sub(1)),
        MapField::BoxDim => set(7, 8 * (at - 1), 8, value.wrapping_sub(1)),
        MapField::ElementStride => set(6, 32 + 3 * at, 3, value.wrapping_sub(1)),
    }
    Ok(())
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
            swizzle: TensorMapSwizzle::B128,
            l2_promotion: 2,
            fill_nan: false,
        }
    }

    #[test]
    fn a_usual_map_is_whole() {
        assert_eq!(map().broken(), []);
        assert_eq!(map().tile_bytes(), 64 * 128 * 2);
    }

    /// Each map that the driver encoded (benches/gpu/tensor_maps.py), with its fields.
    #[test]
    fn the_bits_are_the_driver_s() {
        let lines =
            include_str!("../../tests/hardware/tensor_maps.h100.txt").lines().filter(|line| !line.starts_with('#'));
        let mut count = 0;
        for line in lines {
            let (fields, bytes) = line.split_once(" = ").expect("fields = bytes");
            let map: TensorMap = serde_json::from_str(fields).expect("a map");
            let hex: String = map.encode().iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(hex.trim_end_matches('0'), bytes, "{fields}");
            assert_eq!(TensorMap::decode(&map.encode()), Some(map));
            count += 1;
        }
        assert_eq!(count, 395);
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
