//! The layout attributes of TTGIR, read from their text.

use std::collections::HashMap;

use super::fields::{Fields, power_of_two};
use super::linear::{Cluster, Layout};
use super::shared::{Order, Shared};
use super::tensor_memory::TensorMemory;
use super::unsupported::Unsupported;

/// A layout attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// A `#ttg.blocked` layout.
    Blocked(Blocked),
    /// `#ttg.slice`: the parent without a dimension.
    Slice(usize, Box<Encoding>),
    /// `#ttg.nvidia_mma`: the accumulator of `mma.sync` (2) or `wgmma` (3).
    Mma(Mma),
    /// `#ttg.dot_op`: operand A or B of an MMA, or of plain FMA.
    DotOperand {
        /// Number of the operand: 0 for A, 1 for B.
        index: u32,
        /// The accumulator's layout: an MMA's, or a blocked one.
        parent: Box<Encoding>,
        /// Consecutive elements along K in a register; 0 for plain FMA.
        k_width: u32,
    },
    /// `#ttg.linear`: the vectors themselves.
    Linear(Layout),
    /// A layout of shared memory.
    Shared(Shared),
    /// A layout of tensor memory.
    TensorMemory(TensorMemory),
}

/// The attributes of a `#ttg.blocked` layout: a rectangle of elements for each thread, repeated over the tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blocked {
    /// Elements of a thread along each dimension.
    pub size_per_thread: Vec<u32>,
    /// Threads of a warp along each dimension.
    pub threads_per_warp: Vec<u32>,
    /// Warps of a block along each dimension.
    pub warps_per_cta: Vec<u32>,
    /// Numbers of the dimensions, the fastest first.
    pub order: Vec<usize>,
    /// How the blocks of a cluster share the tensor.
    pub cluster: Cluster,
}

/// The attributes of a `#ttg.nvidia_mma` layout: the accumulator of a tensor-core instruction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mma {
    /// Version of the instructions: 2 for `mma.sync`, 3 for `wgmma`.
    pub version: u32,
    /// Warps along each dimension.
    pub warps_per_cta: Vec<u32>,
    /// M and N (and K for version 3) of the instruction; a batch of 1 before them in three dimensions.
    pub instr_shape: Vec<u32>,
    /// How the blocks of a cluster share the tensor.
    pub cluster: Cluster,
}

/// The aliases of a text: `#blocked` with its attribute.
pub fn aliases(text: &str) -> HashMap<&str, &str> {
    let lines = text.lines().filter(|line| line.starts_with('#') && !line.starts_with("#loc"));
    lines.filter_map(|line| line.split_once(" = ")).map(|(name, value)| (name, value.trim())).collect()
}

impl Encoding {
    /// Reads an attribute; aliases in it are looked up.
    pub fn parse(text: &str, aliases: &HashMap<&str, &str>) -> Result<Self, Unsupported> {
        Self::parse_at(text.trim(), aliases, 0)
    }

    fn parse_at(text: &str, aliases: &HashMap<&str, &str>, depth: usize) -> Result<Self, Unsupported> {
        let unsupported = |what: &str| Unsupported(what.to_owned());
        if depth > 8 {
            return Err(unsupported("layouts that contain themselves"));
        }
        if let Some(value) = aliases.get(text) {
            return Self::parse_at(value, aliases, depth + 1);
        }
        let (name, body) = text.split_once('<').ok_or_else(|| unsupported(&format!("`{text}` is not a layout")))?;
        let body = body.trim_end().strip_suffix('>').unwrap_or(body).trim();
        // `[64:+8] {…}` and `{…}, alignment = 16` have more than the braces.
        let braces = body.find('{').zip(body.rfind('}')).filter(|(open, close)| open < close);
        let inside = braces.map_or(body, |(open, close)| &body[open + 1..close]);
        let fields = Fields::parse(inside);
        let name = name.trim_start_matches('#').rsplit('.').next().unwrap_or(name);
        match name {
            "blocked" => Ok(Self::Blocked(Blocked {
                size_per_thread: fields.need("sizePerThread")?,
                threads_per_warp: fields.need("threadsPerWarp")?,
                warps_per_cta: fields.need("warpsPerCTA")?,
                order: fields.order()?,
                cluster: fields.cluster()?,
            })),
            "slice" => {
                let parent = Self::parse_at(fields.text("parent")?, aliases, depth + 1)?;
                Ok(Self::Slice(fields.number("dim")? as usize, Box::new(parent)))
            }
            "nvidia_mma" => match fields.number("versionMajor")? {
                version @ (2 | 3) => Ok(Self::Mma(Mma {
                    version,
                    warps_per_cta: fields.need("warpsPerCTA")?,
                    instr_shape: fields.need("instrShape")?,
                    cluster: fields.cluster()?,
                })),
                version => Err(unsupported(&format!("nvidia_mma of version {version}"))),
            },
            "dot_op" => {
                let parent = Box::new(Self::parse_at(fields.text("parent")?, aliases, depth + 1)?);
                let k_width = match *parent {
                    Self::Mma { .. } => fields.power("kWidth", 32)?,
                    Self::Blocked { .. } => 0,
                    _ => return Err(unsupported("dot operands of a layout that is neither nvidia_mma nor blocked")),
                };
                match fields.number("opIdx")? {
                    index @ (0 | 1) => Ok(Self::DotOperand { index, parent, k_width }),
                    index => Err(unsupported(&format!("the operand {index} of a dot"))),
                }
            }
            "linear" | "generic_linear" => {
                let mut parts = fields.bases(&["register", "lane", "warp", "block"])?.into_iter();
                let mut part = || parts.next().unwrap_or_default();
                let mut layout =
                    Layout { shape: Vec::new(), register: part(), lane: part(), warp: part(), block: part() };
                layout.shape = layout.covered();
                Ok(Self::Linear(layout))
            }
            "swizzled_shared" | "shared" => Ok(Self::Shared(Shared {
                order: Order::Swizzled {
                    vec: fields.power("vec", 4096)?,
                    per_phase: fields.power("perPhase", 4096)?,
                    max_phase: fields.power("maxPhase", 4096)?,
                    order: fields.order()?,
                },
                cluster: fields.cluster()?,
            })),
            "nvmma_shared" => {
                let rank = fields.number("rank").ok().map(|rank| rank as usize);
                let split = fields.numbers("CTAsPerCGA").map(|split| split.len());
                Ok(Self::Shared(Shared {
                    order: Order::Nvmma {
                        swizzle: match fields.number("swizzlingByteWidth")? {
                            swizzle @ (0 | 32 | 64 | 128) => swizzle,
                            other => return Err(unsupported(&format!("swizzles of {other} bytes"))),
                        },
                        transposed: fields.text("transposed").is_ok_and(|text| text == "true"),
                        element_bits: fields.power("elementBitWidth", 64)?,
                        fp4_padded: fields.text("fp4Padded").is_ok_and(|text| text == "true"),
                        rank: rank.or(split).unwrap_or(2).clamp(1, 5),
                    },
                    cluster: fields.cluster()?,
                }))
            }
            "padded_shared" => Self::padded(body, &fields),
            "shared_linear" => {
                let mut parts = fields.bases(&["offset", "block"])?;
                let block = parts.pop().unwrap_or_default();
                let offset = parts.pop().unwrap_or_default();
                Ok(Self::Shared(Shared { order: Order::Linear { offset, block }, cluster: Cluster::default() }))
            }
            "tensor_memory_encoding" => TensorMemory::parse(&fields).map(Self::TensorMemory),
            "tensor_memory_scales_encoding" => TensorMemory::parse_scales(&fields).map(Self::TensorMemory),
            other => Err(unsupported(&format!("`{other}` layouts"))),
        }
    }

    /// `[64:+8, 256:+16] {order = [1, 0], shape = [64, 64]}`, or with the vectors of the offset.
    fn padded(body: &str, fields: &Fields<'_>) -> Result<Self, Unsupported> {
        let inside = body.split_once('[').and_then(|(_, rest)| rest.split_once(']')).map_or("", |(inside, _)| inside);
        let mut paddings = Vec::new();
        for pair in inside.split(',').filter(|pair| !pair.trim().is_empty()) {
            let numbers = pair.split_once(":+").and_then(|(interval, padding)| {
                Some((power_of_two(interval, 1 << 20)?, power_of_two(padding, 1 << 20)?))
            });
            paddings.push(numbers.ok_or_else(|| Unsupported(format!("the padding `{}`", pair.trim())))?);
        }
        let (offset, block) = if let Ok(shape) = fields.need("shape") {
            let order = fields.order()?;
            if order.len() != shape.len() {
                return Err(Unsupported(format!("{} dimensions, not {}", order.len(), shape.len())));
            }
            let cluster = fields.cluster()?;
            let layout = Layout::trivial(shape.len()).fit(&shape, &order, &cluster);
            (layout.register, layout.block)
        } else {
            let mut parts = fields.bases(&["offset", "block"])?;
            let block = parts.pop().unwrap_or_default();
            (parts.pop().unwrap_or_default(), block)
        };
        Ok(Self::Shared(Shared { order: Order::Padded { paddings, offset, block }, cluster: Cluster::default() }))
    }

    /// The dimension that is meant to be contiguous in global memory: the first of the order.
    pub fn contiguous(&self) -> Option<usize> {
        self.order().and_then(|order| order.first().copied())
    }

    fn order(&self) -> Option<Vec<usize>> {
        match self {
            Self::Blocked(blocked) => Some(blocked.order.clone()),
            Self::Slice(without, parent) => {
                let order = parent.order()?.into_iter().filter(|dimension| dimension != without);
                Some(order.map(|dimension| if dimension > *without { dimension - 1 } else { dimension }).collect())
            }
            _ => None,
        }
    }

    /// Dimensions of the tensors that it lays out, where the attribute alone says so.
    pub fn rank(&self) -> Option<usize> {
        match self {
            Self::Blocked(blocked) => Some(blocked.order.len()),
            Self::Slice(_, parent) => parent.rank().map(|rank| rank.saturating_sub(1)),
            Self::Mma(mma) => Some(mma.warps_per_cta.len()),
            Self::DotOperand { parent, .. } => parent.rank(),
            Self::Linear(layout) => Some(layout.shape.len()),
            Self::Shared(shared) => Some(shared.rank()),
            Self::TensorMemory(_) => Some(2),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(text: &str, shape: &[u32]) -> Layout {
        Encoding::parse(text, &HashMap::new()).and_then(|encoding| encoding.layout(shape)).expect("a layout")
    }

    const BLOCKED: &str =
        "#ttg.blocked<{sizePerThread = [1, 4], threadsPerWarp = [4, 8], warpsPerCTA = [4, 1], order = [1, 0]}>";
    const MMA: &str =
        "#ttg.nvidia_mma<{versionMajor = 2, versionMinor = 0, warpsPerCTA = [2, 2], instrShape = [16, 8]}>";

    #[test]
    fn layouts_are_triton_s_own() {
        // What Triton 3.6 answered.
        let blocked = layout(BLOCKED, &[64, 64]);
        assert_eq!(blocked.register, [[0, 1], [0, 2], [0, 32], [16, 0], [32, 0]]);
        assert_eq!((blocked.lane[3].clone(), blocked.warp), (vec![1, 0], vec![vec![4, 0], vec![8, 0]]));
        let mma = layout(MMA, &[64, 64]);
        assert_eq!(mma.register, [[0, 1], [8, 0], [0, 16], [0, 32], [32, 0]]);
        assert_eq!((mma.lane[2].clone(), mma.warp), (vec![1, 0], vec![vec![0, 8], vec![16, 0]]));
        let aliases = HashMap::from([("#mma", MMA), ("#blocked", BLOCKED)]);
        let dot = Encoding::parse("#ttg.dot_op<{opIdx = 0, parent = #mma, kWidth = 2}>", &aliases).expect("parsed");
        let dot = dot.layout(&[64, 64]).expect("a layout");
        assert_eq!(dot.register, [[0, 1], [8, 0], [0, 8], [0, 16], [0, 32], [32, 0]]);
        assert_eq!(dot.warp, [[0, 0], [16, 0]]);
        assert_eq!(dot.holders(), 2);
        let slice = Encoding::parse("#ttg.slice<{dim = 1, parent = #blocked}>", &aliases).expect("parsed");
        let slice = slice.layout(&[64]).expect("a layout");
        assert_eq!((slice.register, slice.lane[0][0], slice.lane[4][0]), (vec![vec![16], vec![32]], 0, 2));
    }

    #[test]
    fn every_element_is_held() {
        for (text, shape) in [(BLOCKED, [64, 64]), (MMA, [32, 16]), (BLOCKED, [8, 8])] {
            let layout = layout(text, &shape);
            let mut held = vec![0_u64; (shape[0] * shape[1]) as usize];
            layout.elements().for_each(|(_, at)| held[(at[0] * shape[1] + at[1]) as usize] += 1);
            assert!(held.iter().all(|count| *count == layout.holders()), "{text} {shape:?}");
        }
    }

    #[test]
    fn what_is_not_known_is_refused_by_name() {
        let refused = |text: &str| Encoding::parse(text, &HashMap::new()).expect_err("refused").0;
        assert_eq!(refused("#ttg.amd_mfma<{version = 3}>"), "`amd_mfma` layouts");
        assert_eq!(refused("#ttg.blocked<{order = [1, 0]}>"), "a layout without `sizePerThread`");
        assert_eq!(refused("#ttg.nvidia_mma<{versionMajor = 5}>"), "nvidia_mma of version 5");
        assert_eq!(refused("#x"), "`#x` is not a layout");
        let own = HashMap::from([("#a", "#a")]);
        assert!(Encoding::parse("#a", &own).is_err());
    }
}
