//! Bits of registers and of memory, as numbers.

use std::collections::HashMap;

use warpbook_device::Dtype;
use warpbook_device::Number;
use warpbook_device::emulation::PtxType;
use warpbook_ptx::register_types::Holds;

/// The format in which a value is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// A register: the kind of number that it holds, and its size in bytes.
    Register(Holds, u32),
    /// A number of this data type.
    Element(Dtype),
}

impl Shown {
    /// The format of a register: its declared type, or else the type of the instructions that use it.
    pub fn from_register(name: &str, ty: PtxType, uses: &HashMap<String, Holds>) -> Self {
        let declared = match ty {
            PtxType::F32 => Some(Holds::F32),
            PtxType::F64 => Some(Holds::F64),
            PtxType::F16 => Some(Holds::F16),
            PtxType::Bf16 => Some(Holds::Bf16),
            PtxType::F16x2 => Some(Holds::F16x2),
            PtxType::Bf16x2 => Some(Holds::Bf16x2),
            PtxType::Pred => Some(Holds::Predicate),
            _ => None,
        };
        let holds = declared.or_else(|| uses.get(name).copied()).unwrap_or(Holds::Bits);
        let holds = match (holds, ty.size()) {
            // 64 bits are no pair of halves, and 32 bits no double.
            (Holds::F64, 4) | (Holds::F32 | Holds::F16x2 | Holds::Bf16x2, 8) => Holds::Bits,
            (holds, _) => holds,
        };
        Self::Register(holds, ty.size())
    }

    /// Name of the format: `f32`, `b64`.
    pub fn name(self) -> String {
        match self {
            Self::Element(dtype) => dtype.to_string(),
            Self::Register(Holds::Bits, bytes) => format!("b{}", 8 * bytes),
            Self::Register(Holds::Signed, bytes) => format!("s{}", 8 * bytes),
            Self::Register(Holds::Unsigned, bytes) => format!("u{}", 8 * bytes),
            Self::Register(holds, _) => holds.name().to_owned(),
        }
    }

    /// The number; `None` for bits and pairs.
    pub fn number(self, bits: u64) -> Option<f64> {
        Some(match self {
            Self::Element(dtype) => dtype.decode(&bits.to_le_bytes()).to_f64(),
            Self::Register(Holds::F32, _) => f32::from_bits(bits as u32).into(),
            Self::Register(Holds::F64, _) => f64::from_bits(bits),
            Self::Register(Holds::F16, _) => half::f16::from_bits(bits as u16).to_f64(),
            Self::Register(Holds::Bf16, _) => half::bf16::from_bits(bits as u16).to_f64(),
            Self::Register(Holds::Signed, bytes) => signed(bits, bytes) as f64,
            Self::Register(Holds::Unsigned | Holds::Predicate, bytes) => (bits & mask(bytes)) as f64,
            Self::Register(Holds::F16x2 | Holds::Bf16x2, _) => self.half(bits, 0),
            Self::Register(Holds::Bits, _) => return None,
        })
    }

    /// In as many digits as it takes, with its bits.
    pub fn exact(self, bits: u64) -> String {
        let bytes = match self {
            Self::Register(_, bytes) => bytes,
            Self::Element(dtype) => dtype.size() as u32,
        };
        let hex = format!("{:#0width$x}", bits & mask(bytes), width = 2 + 2 * bytes as usize);
        match self {
            Self::Register(Holds::Bits | Holds::Signed | Holds::Unsigned | Holds::Predicate, _) => self.text(bits),
            Self::Register(Holds::F32, _) | Self::Element(Dtype::F32) => {
                format!("{:?} ({hex})", f32::from_bits(bits as u32))
            }
            Self::Register(Holds::F16x2 | Holds::Bf16x2, _) => {
                format!("({:?}, {:?}) ({hex})", self.half(bits, 0), self.half(bits, 1))
            }
            _ => self.number(bits).map_or(hex.clone(), |number| format!("{number:?} ({hex})")),
        }
    }

    fn half(self, bits: u64, index: u32) -> f64 {
        let bits = (bits >> (16 * index)) as u16;
        match self {
            Self::Register(Holds::Bf16x2, _) => half::bf16::from_bits(bits).to_f64(),
            _ => half::f16::from_bits(bits).to_f64(),
        }
    }

    /// A register's bits as text in this format.
    pub fn text(self, bits: u64) -> String {
        match self {
            Self::Element(dtype) => match dtype.decode(&bits.to_le_bytes()) {
                Number::Int(value) => value.to_string(),
                Number::Float(value) => float(value),
            },
            Self::Register(Holds::Bits, bytes) => {
                format!("{:#0width$x}", bits & mask(bytes), width = 2 + 2 * bytes as usize)
            }
            Self::Register(Holds::Signed, bytes) => signed(bits, bytes).to_string(),
            Self::Register(Holds::Unsigned, bytes) => (bits & mask(bytes)).to_string(),
            Self::Register(Holds::Predicate, _) => if bits & 1 == 1 { "true" } else { "false" }.to_owned(),
            Self::Register(Holds::F16x2 | Holds::Bf16x2, _) => {
                format!("({}, {})", float(self.half(bits, 0)), float(self.half(bits, 1)))
            }
            _ => self.number(bits).map(float).unwrap_or_default(),
        }
    }
}

fn mask(bytes: u32) -> u64 {
    if bytes >= 8 { u64::MAX } else { (1 << (8 * bytes)) - 1 }
}

fn signed(bits: u64, bytes: u32) -> i64 {
    let unused = 64 - 8 * bytes.clamp(1, 8);
    (bits << unused) as i64 >> unused
}

/// A number that is short to read: six digits.
pub fn float(value: f64) -> String {
    let size = value.abs();
    if value == 0.0 || !value.is_finite() {
        return format!("{value}");
    }
    if value.fract() == 0.0 && size < 1e7 {
        return format!("{value:.0}");
    }
    if (1e-3..1e6).contains(&size) {
        let digits = (5 - size.log10().floor() as i32).clamp(0, 8) as usize;
        let text = format!("{value:.digits$}");
        return if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text };
    }
    format!("{value:.4e}")
}

/// Values of the lanes that took part, in few words: one for all, or a rule, or the first ones.
pub fn lanes_text(values: &[u64], active: u32, shown: Shown, most: usize) -> String {
    let lanes: Vec<(u64, u64)> = values
        .iter()
        .zip(0u64..)
        .filter(|(_, lane)| active >> lane & 1 == 1)
        .map(|(&value, lane)| (lane, value))
        .collect();
    let Some(&(first_lane, first)) = lanes.first() else { return String::new() };
    if lanes.iter().all(|&(_, value)| value == first) {
        return shown.text(first);
    }
    let by_integers = matches!(shown, Shown::Register(Holds::Bits | Holds::Signed | Holds::Unsigned, _));
    if let Some(step) = affine(&lanes).filter(|_| by_integers && lanes.len() > 2) {
        let base = first.wrapping_sub(first_lane.wrapping_mul(step as u64));
        let step = if step == 1 { "lane".to_owned() } else { format!("{step}·lane") };
        return match shown.text(base).as_str() {
            "0" | "0x00000000" | "0x0000000000000000" => step,
            base => format!("{base} + {step}"),
        };
    }
    if matches!(shown, Shown::Register(Holds::Predicate, _)) {
        let mask = lanes.iter().filter(|(_, value)| value & 1 == 1).fold(0u32, |mask, (lane, _)| mask | 1 << lane);
        return format!("lanes {}", mask_text(mask));
    }
    // A few runs of the same.
    let mut runs: Vec<(u64, usize)> = Vec::new();
    for &(_, value) in &lanes {
        match runs.last_mut() {
            Some((last, count)) if *last == value => *count += 1,
            _ => runs.push((value, 1)),
        }
    }
    if runs.len() <= most.min(4) && runs.len() < lanes.len() {
        let run = |&(value, count): &(u64, usize)| format!("{} ×{count}", shown.text(value));
        return runs.iter().map(run).collect::<Vec<_>>().join(", ");
    }
    let mut text: Vec<String> = lanes.iter().take(most).map(|&(_, value)| shown.text(value)).collect();
    if lanes.len() > most {
        text.push("…".to_owned());
    }
    text.join(" ")
}

/// The step between the values of neighbours, where it is always the same.
fn affine(lanes: &[(u64, u64)]) -> Option<i64> {
    let step = |pair: &[(u64, u64)]| {
        let (apart, more) = ((pair[1].0 - pair[0].0) as i64, pair[1].1.wrapping_sub(pair[0].1) as i64);
        (more % apart == 0).then(|| more / apart)
    };
    let first = step(lanes.get(..2)?)?;
    lanes.windows(2).all(|pair| step(pair) == Some(first)).then_some(first).filter(|step| step.abs() < 1 << 24)
}

/// `0–15, 31`; `all 32`.
pub fn mask_text(mask: u32) -> String {
    if mask == u32::MAX {
        return "all 32".to_owned();
    }
    let mut parts = Vec::new();
    let mut lane = 0;
    while lane < 32 {
        if mask >> lane & 1 == 0 {
            lane += 1;
            continue;
        }
        let from = lane;
        while lane < 32 && mask >> lane & 1 == 1 {
            lane += 1;
        }
        parts.push(if lane - from == 1 { from.to_string() } else { format!("{from}–{}", lane - 1) });
    }
    if parts.is_empty() { "none".to_owned() } else { parts.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_are_written_as_ranges() {
        let bits = Shown::Register(Holds::Bits, 4);
        let values: Vec<u64> = (0..32).map(|lane| 0x100 + 4 * lane).collect();
        assert_eq!(lanes_text(&values, u32::MAX, bits, 4), "0x00000100 + 4·lane");
        assert_eq!(lanes_text(&values, 0xf0, bits, 4), "0x00000100 + 4·lane");
        let numbers = Shown::Register(Holds::Unsigned, 4);
        let lanes: Vec<u64> = (0..32).collect();
        assert_eq!(lanes_text(&lanes, u32::MAX, numbers, 4), "lane");
        assert_eq!(lanes_text(&[7; 32], 1, numbers, 4), "7");
        let squares: Vec<u64> = (0..32).map(|lane| lane * lane).collect();
        assert_eq!(lanes_text(&squares, u32::MAX, numbers, 4), "0 1 4 9 …");
        let halves: Vec<u64> = (0..32).map(|lane| lane / 16 * 64).collect();
        assert_eq!(lanes_text(&halves, u32::MAX, numbers, 4), "0 ×16, 64 ×16");
        let odd: Vec<u64> = (0..32).map(|lane| lane & 1).collect();
        assert_eq!(lanes_text(&odd, 0xf, Shown::Register(Holds::Predicate, 1), 4), "lanes 1, 3");
    }

    #[test]
    fn bits_are_numbers() {
        let text = |holds, bytes, bits| Shown::Register(holds, bytes).text(bits);
        assert_eq!(text(Holds::F32, 4, 0x3fc0_0000), "1.5");
        assert_eq!(text(Holds::F16x2, 4, 0xc000_3c00), "(1, -2)");
        assert_eq!(text(Holds::Signed, 4, 0xffff_ffff), "-1");
        assert_eq!(text(Holds::Bits, 2, 0x1234), "0x1234");
        assert_eq!(Shown::Register(Holds::F32, 4).exact(0x3f00_0001), "0.50000006 (0x3f000001)");
        assert_eq!((float(0.1), float(1234567.5), float(1e-9)), ("0.1".into(), "1.2346e6".into(), "1.0000e-9".into()));
        assert_eq!((mask_text(0x8001_00ff), mask_text(0)), ("0–7, 16, 31".into(), "none".into()));
    }
}
