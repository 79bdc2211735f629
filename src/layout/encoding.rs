//! The layout attributes of TTGIR, read from their text.

use std::collections::HashMap;

use super::linear::{Basis, Input, Layout};
use super::shared::Shared;

/// A layout attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// `#ttg.blocked`
    Blocked {
        /// Elements of a thread, of a warp in threads, of a block in warps, along each dimension.
        size_per_thread: Vec<u32>,
        /// Threads of a warp.
        threads_per_warp: Vec<u32>,
        /// Warps of a block.
        warps_per_cta: Vec<u32>,
        /// Dimensions, fastest first.
        order: Vec<usize>,
    },
    /// `#ttg.slice`: the parent without a dimension.
    Slice(usize, Box<Encoding>),
    /// `#ttg.nvidia_mma`: the accumulator of `mma.sync` (2) or `wgmma` (3).
    Mma {
        /// 2 or 3.
        version: u32,
        /// Warps along each dimension.
        warps_per_cta: Vec<u32>,
        /// M, N (and K for version 3) of the instruction.
        instr_shape: Vec<u32>,
    },
    /// `#ttg.dot_op` of an MMA: its operand 0 or 1.
    DotOperand {
        /// 0 for A, 1 for B.
        index: u32,
        /// The accumulator's layout.
        parent: Box<Encoding>,
        /// Consecutive elements along K in a register.
        k_width: u32,
    },
    /// `#ttg.linear`: the vectors themselves.
    Linear(Layout),
    /// A layout of shared memory.
    Shared(Shared),
}

/// Why a layout is not drawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsupported(pub String);

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
        let (name, body) = text.split_once('<').ok_or_else(|| unsupported(&format!("`{text}` is no layout")))?;
        let body = body.trim_end().strip_suffix('>').unwrap_or(body).trim();
        let inside = body.strip_prefix('{').and_then(|body| body.strip_suffix('}')).unwrap_or(body);
        let fields = Fields::of(inside);
        let name = name.trim_start_matches('#').rsplit('.').next().unwrap_or(name);
        if fields.numbers("CTAsPerCGA").is_some_and(|split| split.iter().any(|&count| count > 1)) {
            return Err(unsupported("layouts over several blocks"));
        }
        match name {
            "blocked" => Ok(Self::Blocked {
                size_per_thread: fields.need("sizePerThread")?,
                threads_per_warp: fields.need("threadsPerWarp")?,
                warps_per_cta: fields.need("warpsPerCTA")?,
                order: fields.need("order")?.into_iter().map(|dimension| dimension as usize).collect(),
            }),
            "slice" => {
                let parent = Self::parse_at(fields.text("parent")?, aliases, depth + 1)?;
                Ok(Self::Slice(fields.number("dim")? as usize, Box::new(parent)))
            }
            "nvidia_mma" => match fields.number("versionMajor")? {
                version @ (2 | 3) => Ok(Self::Mma {
                    version,
                    warps_per_cta: fields.need("warpsPerCTA")?,
                    instr_shape: fields.need("instrShape")?,
                }),
                version => Err(unsupported(&format!("nvidia_mma of version {version}"))),
            },
            "dot_op" => {
                let parent = Box::new(Self::parse_at(fields.text("parent")?, aliases, depth + 1)?);
                if !matches!(*parent, Self::Mma { .. }) {
                    return Err(unsupported("dot operands of a layout that is no nvidia_mma"));
                }
                Ok(Self::DotOperand { index: fields.number("opIdx")?, parent, k_width: fields.power("kWidth", 32)? })
            }
            "linear" => {
                let part = |name| fields.text(name).map(vectors).unwrap_or_default();
                let (register, lane, warp, block) = (part("register"), part("lane"), part("warp"), part("block"));
                let all = || register.iter().chain(&lane).chain(&warp).chain(&block);
                let rank = all().map(Vec::len).max().unwrap_or(1);
                if all().any(|basis| basis.len() != rank || basis.iter().any(|&coordinate| coordinate > 1 << 20)) {
                    return Err(unsupported("vectors of different lengths, or too long ones"));
                }
                if [&register, &lane, &warp, &block].into_iter().any(|bases| bases.len() > 16) {
                    return Err(unsupported("more than 16 bits of a number"));
                }
                let extent =
                    |at: usize| all().map(|basis| basis[at]).max().map_or(1, |most| (most + 1).next_power_of_two());
                let shape = (0..rank).map(extent).collect();
                Ok(Self::Linear(Layout { shape, register, lane, warp, block }))
            }
            "swizzled_shared" | "shared" => Ok(Self::Shared(Shared::Swizzled {
                vec: fields.power("vec", 4096)?,
                per_phase: fields.power("perPhase", 4096)?,
                max_phase: fields.power("maxPhase", 4096)?,
                order: fields.need("order")?.into_iter().map(|dimension| dimension as usize).collect(),
            })),
            "nvmma_shared" => Ok(Self::Shared(Shared::Nvmma {
                swizzle: match fields.number("swizzlingByteWidth")? {
                    swizzle @ (0 | 32 | 64 | 128) => swizzle,
                    other => return Err(unsupported(&format!("swizzles of {other} bytes"))),
                },
                transposed: fields.text("transposed").is_ok_and(|text| text == "true"),
                element_bits: fields.power("elementBitWidth", 64)?,
            })),
            other => Err(unsupported(&format!("`{other}` layouts"))),
        }
    }

    /// The layout of a tensor of this shape; extents are powers of two.
    pub fn layout(&self, shape: &[u32]) -> Result<Layout, Unsupported> {
        let rank = shape.len();
        if shape.iter().any(|extent| !extent.is_power_of_two()) {
            return Err(Unsupported(format!("extents that are no powers of two: {shape:?}")));
        }
        let wants =
            |has: usize| if has == rank { Ok(()) } else { Err(Unsupported(format!("{has} dimensions, not {rank}"))) };
        let row_major: Vec<usize> = (0..rank).rev().collect();
        match self {
            Self::Blocked { size_per_thread, threads_per_warp, warps_per_cta, order } => {
                wants(order.len())?;
                if order.iter().any(|&dimension| dimension >= rank) {
                    return Err(Unsupported(format!("the order {order:?}")));
                }
                let layout = Layout::trivial(rank).times_each(size_per_thread, Input::Register, order);
                let layout = layout.times_each(threads_per_warp, Input::Lane, order);
                Ok(layout.times_each(warps_per_cta, Input::Warp, order).fit(shape, order))
            }
            Self::Slice(dimension, parent) => {
                if *dimension > rank {
                    return Err(Unsupported(format!("dimension {dimension} of {rank}")));
                }
                let mut whole = shape.to_vec();
                whole.insert(*dimension, 1);
                Ok(parent.layout(&whole)?.without(*dimension))
            }
            Self::Mma { version, warps_per_cta, instr_shape } => {
                wants(2)?;
                if warps_per_cta.len() != rank {
                    return Err(Unsupported(format!("warps along {} dimensions", warps_per_cta.len())));
                }
                let (Some(&m), Some(&n)) = (instr_shape.first(), instr_shape.get(1)) else {
                    return Err(Unsupported("an instruction without a shape".to_owned()));
                };
                let tile = mma_tile(m, n, 2, 1, 0);
                let order = if *version == 3 { [0, 1] } else { [1, 0] };
                Ok(tile.times_each(warps_per_cta, Input::Warp, &order).fit(shape, &row_major))
            }
            Self::DotOperand { index, parent, k_width } => {
                wants(2)?;
                let Self::Mma { version, warps_per_cta, .. } = parent.as_ref() else {
                    return Err(Unsupported("dot operands of a layout that is no nvidia_mma".to_owned()));
                };
                let (inner, outer, rows) = if *index == 0 { (1, 0, 16) } else { (0, 1, 8) };
                let mut layout = mma_tile(rows, k_width * 8, *k_width, inner, outer);
                for dimension in if *version == 3 { [0, 1] } else { [1, 0] } {
                    let count = warps_per_cta.get(dimension).copied().unwrap_or(1);
                    layout = if dimension == inner {
                        layout.copies(count, Input::Warp)
                    } else {
                        layout.times(count, Input::Warp, dimension)
                    };
                }
                Ok(layout.fit(shape, &[inner, outer]))
            }
            Self::Linear(layout) => {
                wants(layout.shape.len())?;
                Ok(layout.clone().fit(shape, &row_major))
            }
            Self::Shared(_) => Err(Unsupported("a layout of shared memory has no lanes".to_owned())),
        }
    }
}

/// The fragment of an `mma`: four lanes along the inner dimension, `k_width` elements each, eight along the outer one.
fn mma_tile(outer_extent: u32, inner_extent: u32, k_width: u32, inner: usize, outer: usize) -> Layout {
    Layout::trivial(2)
        .times(k_width, Input::Register, inner)
        .times(4, Input::Lane, inner)
        .times(8, Input::Lane, outer)
        .times(outer_extent / 8, Input::Register, outer)
        .times(inner_extent / (k_width * 4), Input::Register, inner)
}

/// `name = value` pairs of an attribute's body.
struct Fields<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Fields<'a> {
    fn of(body: &'a str) -> Self {
        let (mut fields, mut depth, mut start) = (Vec::new(), 0_usize, 0);
        for (at, c) in body.char_indices().chain([(body.len(), ',')]) {
            match c {
                '[' | '{' | '<' | '(' => depth += 1,
                ']' | '}' | '>' | ')' => depth = depth.saturating_sub(1),
                ',' if depth == 0 || at == body.len() => {
                    if let Some((name, value)) = body[start..at].split_once('=') {
                        fields.push((name.trim(), value.trim()));
                    }
                    start = (at + 1).min(body.len());
                }
                _ => {}
            }
        }
        Self(fields)
    }

    fn text(&self, name: &str) -> Result<&'a str, Unsupported> {
        let found = self.0.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| *value).ok_or_else(|| Unsupported(format!("a layout without `{name}`")))
    }

    fn number(&self, name: &str) -> Result<u32, Unsupported> {
        let text = self.text(name)?;
        let number = text.split(':').next().and_then(|number| number.trim().parse().ok());
        number.ok_or_else(|| Unsupported(format!("`{name} = {text}`")))
    }

    fn numbers(&self, name: &str) -> Option<Vec<u32>> {
        let inside = self.text(name).ok()?.strip_prefix('[')?.strip_suffix(']')?;
        inside.split(',').map(|number| number.trim().parse().ok()).collect()
    }

    /// Powers of two that a piece of hardware may have; for `order`, dimensions.
    fn need(&self, name: &str) -> Result<Vec<u32>, Unsupported> {
        let numbers = self.numbers(name).ok_or_else(|| Unsupported(format!("a layout without `{name}`")))?;
        let fits = |number: &u32| name == "order" || number.is_power_of_two() && *number <= 4096;
        if numbers.iter().all(fits) { Ok(numbers) } else { Err(Unsupported(format!("`{name} = {numbers:?}`"))) }
    }

    /// A power of two up to a limit.
    fn power(&self, name: &str, most: u32) -> Result<u32, Unsupported> {
        let number = self.number(name)?;
        let fits = number.is_power_of_two() && number <= most;
        if fits { Ok(number) } else { Err(Unsupported(format!("`{name} = {number}`"))) }
    }
}

/// `[[0, 1], [8, 0]]`
fn vectors(text: &str) -> Vec<Basis> {
    let inside = text.trim().strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or_default();
    let parts = inside.split(']').map(|part| part.trim_start_matches([',', ' ', '[']));
    let parts = parts.filter(|part| !part.trim().is_empty());
    parts.map(|part| part.split(',').filter_map(|number| number.trim().parse().ok()).collect()).collect()
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
            layout.all().for_each(|(_, at)| held[(at[0] * shape[1] + at[1]) as usize] += 1);
            assert!(held.iter().all(|count| *count == layout.holders()), "{text} {shape:?}");
        }
    }

    #[test]
    fn what_is_not_known_is_refused_by_name() {
        let refused = |text: &str| Encoding::parse(text, &HashMap::new()).expect_err("refused").0;
        assert_eq!(refused("#ttg.amd_mfma<{version = 3}>"), "`amd_mfma` layouts");
        assert_eq!(refused("#ttg.blocked<{order = [1, 0]}>"), "a layout without `sizePerThread`");
        assert_eq!(refused("#ttg.nvidia_mma<{versionMajor = 5}>"), "nvidia_mma of version 5");
        assert_eq!(refused("#x"), "`#x` is no layout");
        let own = HashMap::from([("#a", "#a")]);
        assert!(Encoding::parse("#a", &own).is_err());
    }
}
